"""A decision of an environment: facts to observation and mask, an action to orders on the road.

Nothing here decides what an action means: the sums are those of policies.*_kernels, called in the order
in which `TraderCore` calls them.
"""

from typing import Any, Final

import numpy as np

from market.book_kernels import levels_into
from policies import state_kernels as k
from policies.executor_kernels import reconcile
from policies.layout import (
    CANCEL,
    CAP,
    CHAINS,
    CUM,
    LAST_FILL,
    M_ACT,
    M_CHAIN,
    M_CROSSING,
    M_PX,
    M_QTY,
    MAY_OPEN,
    MAY_SEND,
    NOW,
    ORDERS_FREE,
    OTHERS,
    RATE_FREE,
    REPLACE,
    RISK,
    SUBMITS,
    SUBMITS_CROSSING,
    SUBMITS_RESTING,
    WORKING,
)
from policies.parent_kernels import cap_qty, chain_row, facts, others_volume, rate_free, touch, worst_leaves
from policies.plan_kernels import ACTIONS_SIZE, mask, plan, plan_freely
from policies.schedule_kernels import corridor, fraction
from policies.state_features import features
from policies.state_kernels import others, volume_before
from research.environment import layout as e
from research.environment.compiled import env_kernel
from research.environment.gate_kernels import cancel, replace, submit
from research.environment.log_kernels import note, note_order
from research.environment.trader_kernels import own_order, refused

SECOND_NS: Final = 1_000_000_000


# --- what the book looked like before what is not fed yet -----------------------------------------
@env_kernel
def shift(raw: Any, side: int, price_e4: int, size: int) -> None:
    """Add `size` (which may be negative) to a level of `raw`, best first; a level may come or go."""
    px, sz, width = 2 * side, 2 * side + 1, raw.shape[1]
    sign = 1 - 2 * side
    at = 0
    while at < width and raw[px, at] != 0 and sign * (raw[px, at] - price_e4) > 0:
        at += 1
    if at == width:
        return
    if raw[px, at] == price_e4:
        raw[sz, at] += size
        if raw[sz, at] <= 0:
            for i in range(at, width - 1):
                raw[px, i], raw[sz, i] = raw[px, i + 1], raw[sz, i + 1]
            raw[px, width - 1] = raw[sz, width - 1] = 0
    elif size > 0:
        for i in range(width - 1, at, -1):
            raw[px, i], raw[sz, i] = raw[px, i - 1], raw[sz, i - 1]
        raw[px, at], raw[sz, at] = price_e4, size


@env_kernel
def look(book: Any, head: Any, own: Any, events: Any, raw: Any, levels: Any) -> None:
    """Write others' levels as the feed has shown them so far (StateBuilder.look)."""
    levels_into(book, raw)
    for at in range(head[e.EVENTS_MADE] - 1, head[e.EVENTS_FED] - 1, -1):
        event = events[at]
        side = 0 if event.side > 0 else 1
        size: Any = np.int64(event.size)
        if event.kind == k.ADD or event.kind == k.REPLACE:
            shift(raw, side, event.price_e4, -size)
        elif event.kind == k.CANCEL or event.kind == k.DELETE or event.kind == k.EXECUTE:
            shift(raw, side, event.price_e4, size)
    others(raw, own, head[e.NOW_NS], levels)


# --- from state to observation --------------------------------------------------------------------
@env_kernel
def working_qty(head: Any, chains: Any) -> Any:
    """Return the shares that work at worst, as the trader knows it (WorkingTable.working_qty)."""
    total = 0
    for c in range(head[e.CHAINS_LIVE]):
        total += worst_leaves(chains[c, e.K_QTY], chains[c, e.K_PQTY], chains[c, e.K_DONE])
    return total


@env_kernel
def decide(
    book: Any, head: Any, desk: Any, ints: Any, floats: Any, own: Any, chains: Any, events: Any, levels: Any,
    raw: Any, row: Any, obs: Any, allowed: Any, schedule: Any, params: Any, curve: Any,
) -> None:  # fmt: skip
    """Write observation and mask of the decision that is due, and the desk to plan its action on."""
    if head[e.T_LEVELS_FRESH] == 0:
        look(book, head, own, events, raw, levels)
        head[e.T_LEVELS_FRESH] = 1
    touch(levels, desk)
    before = volume_before(ints, head[e.STARTED])
    traded = others_volume(ints[k.VOLUME], before, head[e.T_OWN_VOLUME], 0)
    working = working_qty(head, chains)
    desk[NOW], desk[OTHERS], desk[WORKING] = head[e.NOW_NS], traded, working
    desk[CUM], desk[RISK], desk[LAST_FILL] = head[e.T_CUM], head[e.T_RISK_QTY], head[e.T_LAST_FILL]
    desk[CAP] = cap_qty(0, traded, working, head[e.CAP_BP])
    corridor(
        desk, fraction(schedule[e.W_KIND], desk, params, curve), params[e.WIDTH], schedule[e.W_COMPLETES]
    )
    facts(desk, row)
    features(ints, floats, own, levels, row, obs)
    bits = mask(desk)
    for action in range(ACTIONS_SIZE):
        allowed[action] = (bits >> action) & 1
    head[e.DECISIONS] += 1


# --- from action to orders ------------------------------------------------------------------------
@env_kernel
def may_send(head: Any, desk: Any, now_ns: int) -> Any:
    """Return how many messages may go now (ParentView.rate_free)."""
    count = 0
    for back in range(min(head[e.T_MESSAGES], e.SENT_RING)):
        at = e.SENT_TRADER + (head[e.T_MESSAGES] - 1 - back) % e.SENT_RING
        if now_ns - head[at] > SECOND_NS:
            break
        count += 1
    fresh = 1 if now_ns - head[e.T_HEADROOM_NS] <= SECOND_NS else 0
    return rate_free(head[e.T_RATE_MAX], count, desk[RATE_FREE], head[e.T_SENT], fresh)


@env_kernel
def standing(head: Any, desk: Any, chains: Any, table: Any) -> None:
    """Write what stands, for the executor (WorkingTable.standing)."""
    for c in range(head[e.CHAINS_LIVE]):
        chain = chains[c]
        rests = 1 if chain[e.K_STATUS] == e.NEW or chain[e.K_STATUS] == e.PARTIAL else 0
        chain_row(
            table, c, chain[e.K_PX], chain[e.K_QTY], chain[e.K_DONE], chain[e.K_PQTY], rests, 0,
            chain[e.K_CROSSING],
        )  # fmt: skip
    desk[CHAINS] = head[e.CHAINS_LIVE]
    desk[SUBMITS] = desk[SUBMITS_RESTING] = desk[SUBMITS_CROSSING] = 0
    desk[MAY_SEND] = may_send(head, desk, head[e.NOW_NS])
    desk[MAY_OPEN] = max(0, desk[ORDERS_FREE])


@env_kernel
def carry_out(
    book: Any, head: Any, desk: Any, ints: Any, own: Any, own_ids: Any, chains: Any, road: Any, events: Any,
    limits: Any, lag: Any, table: Any, moves: Any, log: Any,
) -> None:  # fmt: skip
    """Reconcile what the plan on the desk wants with what stands; each move goes through the gate."""
    now_ns = head[e.NOW_NS]
    standing(head, desk, chains, table)
    count = reconcile(desk, table, moves)
    for m in range(count):
        if moves[m, M_ACT] != CANCEL:
            head[e.SENT_TRADER + head[e.T_MESSAGES] % e.SENT_RING] = now_ns
            head[e.T_MESSAGES] += 1
            head[e.T_SENT] += 1
    # The trader has asked for all of it; now the gate answers, one by one.
    for m in range(count):
        move = moves[m]
        c = move[M_CHAIN]
        note(
            head, log, e.LOG_MOVE, now_ns, move[M_ACT], move[M_QTY], move[M_PX],
            chains[c, e.K_ID] if c >= 0 else 0, move[M_CROSSING], m, 0, 0,
        )  # fmt: skip
        if move[M_ACT] == REPLACE:
            went = replace(head, desk, ints, chains, road, limits, lag, now_ns, c, move[M_QTY], move[M_PX])
            c = c if went else -1
        elif move[M_ACT] == CANCEL:
            cancel(head, chains, road, lag, now_ns, c)
        else:
            c = submit(
                head, desk, ints, chains, road, limits, lag, now_ns, move[M_QTY], move[M_PX], move[M_CROSSING]
            )
        if c < 0:
            refused(head, now_ns)
            note(head, log, e.LOG_REFUSED, now_ns, m, 0, 0, 0, 0, 0, 0, 0)
            continue
        note_order(head, log, chains[c], 0, 0, m)
        head[e.T_REFUSALS] = 0
        own_order(book, head, ints, own, own_ids, events, chains[c])
        head[e.T_LEVELS_FRESH] = 0
    if count > 0:
        head[e.T_PARENT_NEWS] = 1


@env_kernel
def act(
    action: Any, book: Any, head: Any, desk: Any, ints: Any, own: Any, own_ids: Any, chains: Any, road: Any,
    events: Any, limits: Any, lag: Any, table: Any, moves: Any, log: Any,
) -> None:  # fmt: skip
    """Do what an action means on the desk of the last `decide`: one of the table, or two numbers."""
    if action.shape[0] == 1:
        plan(int(action[0]), desk)
    else:
        plan_freely(float(action[0]), float(action[1]), desk)
    carry_out(book, head, desk, ints, own, own_ids, chains, road, events, limits, lag, table, moves, log)
