"""An episode from its opening to its end: `begin`, `advance`, `finish`; and `run`, a step of many at once.

An opening is a market that has been played for a while, book and memory; the episode goes on in it under
a seed of its own. All ends are true ends: the parent is filled, or its window is over.
"""

from typing import Any, Final

from market.book_layout import (
    H_LEVEL_BUMP,
    H_LEVELS,
    H_MAP,
    H_MAP_MASK,
    H_ORDER_BUMP,
    H_ORDERS_MAX,
    H_SIDES,
    HEADER_WORDS,
    ORDER_WORDS,
    PAIR_WORDS,
)
from market.flow.philox import UNIT, draw4
from market.flow.queue_reactive_layout import (
    R_VALUE,
    S_BOUNDED,
    S_HELD_BACK,
    S_METAS_FULL,
    S_OFF_GRID,
    S_POOL_FULL,
    S_REFUSED,
    S_TAKEN_LOST,
    S_TICK,
)
from market.flow.queue_reactive_state import reseed
from market.flow.zero_intelligence_state import (
    Z_HELD_BACK,
    Z_REFUSED,
    Z_SEED,
    Z_SLOTS_FULL,
    Z_TICK,
    Z_VALUE,
)
from policies import state_kernels as k
from policies.layout import (
    ADV,
    ARRIVAL2,
    CLOSE,
    LOT,
    MUST,
    NO_CAP,
    OPEN,
    ROUND_LOT,
    SIGN,
    SLOT,
    START,
    TICK,
)
from policies.schedule_kernels import elapsed
from research.environment import layout as e
from research.environment.change_kernels import change, draw_change
from research.environment.compiled import env_kernel
from research.environment.exchange_kernels import arrive, play
from research.environment.row_kernels import copy, copy_words
from research.environment.step_kernels import act, decide
from research.environment.trader_kernels import deliver, due_ns, take_parent

SECOND_NS: Final = 1_000_000_000
BPS: Final = 10_000.0
MAP_SLOTS_HOT: Final = 4_096  # a larger map of ids is mostly empty, and looked at in few places
FLOW_WORDS_HOT: Final = 1_024  # of a flow's state: what every event looks at
DAY_SECONDS: Final = 23_400  # of a session of 390 minutes


# --- drawing --------------------------------------------------------------------------------------
@env_kernel
def uniform(seed: int, draw: int) -> Any:
    """Return a number of [0, 1) that belongs to a parent."""
    drawn, _, _, _ = draw4(seed, e.S_PARENT, 0, draw)
    return (drawn + 0.5) / UNIT


@env_kernel
def between(seed: int, draw: int, low: float, high: float) -> Any:
    """Return a number between two, evenly."""
    return low + (high - low) * uniform(seed, draw)


@env_kernel
def parent(head: Any, desk: Any, scenario: Any, tick: int, rate: float) -> None:
    """Draw the parent of an episode; the arrival price is read already."""
    seed = head[e.SEED]
    sign = int(scenario[e.G_SIDE])
    if sign == 0:
        sign = 1 if uniform(seed, 0) < 0.5 else -1
    seconds = int(between(seed, 1, scenario[e.G_SECONDS_MIN], scenario[e.G_SECONDS_MAX]))
    share = between(seed, 2, scenario[e.G_SHARE_MIN], scenario[e.G_SHARE_MAX])
    lot = int(scenario[e.G_LOT])
    qty = max(1, int(share * rate * seconds / lot)) * lot
    head[e.SIGN_], head[e.GATE_QTY], head[e.FIRST_QTY] = sign, qty, qty
    head[e.ENDS] = head[e.STARTED] + seconds * SECOND_NS
    head[e.CAP_BP] = NO_CAP
    if uniform(seed, 3) < scenario[e.G_CAP_CHANCE]:
        multiple = between(seed, 4, scenario[e.G_CAP_MIN], scenario[e.G_CAP_MAX])
        head[e.CAP_BP] = min(9_999, max(1, int(BPS * share * multiple)))
    if uniform(seed, 5) < scenario[e.G_LIMIT_CHANCE]:
        bps = between(seed, 6, scenario[e.G_LIMIT_BPS_MIN], scenario[e.G_LIMIT_BPS_MAX])
        away = int(0.5 * head[e.MID2] * (1.0 + sign * bps / BPS))
        head[e.GATE_LIMIT] = away // tick * tick + (tick if sign > 0 else 0)
    desk[MUST] = 1 if uniform(seed, 7) < scenario[e.G_MUST_CHANCE] else 0
    desk[SIGN], desk[LOT], desk[TICK] = sign, lot, tick
    desk[ROUND_LOT], desk[ADV] = int(scenario[e.G_ROUND_LOT]), int(rate * DAY_SECONDS)
    desk[OPEN], desk[CLOSE] = int(scenario[e.G_OPEN_NS]), int(scenario[e.G_CLOSE_NS])
    desk[START], desk[ARRIVAL2], desk[SLOT] = head[e.STARTED], head[e.MID2], 1
    draw_change(
        head, desk, scenario, uniform(seed, 8), uniform(seed, 9), uniform(seed, 10), uniform(seed, 11)
    )


@env_kernel
def exogenous(flow: Any, reals: Any, scenario: Any) -> Any:
    """Return the price that no order moves, 1e-4."""
    return reals[R_VALUE] if scenario[e.G_FLOW] == e.FLOW_REACTIVE else float(flow[Z_VALUE])


# --- beginning and end ----------------------------------------------------------------------------
@env_kernel
def copy_book(book: Any, opening: Any) -> None:
    """Copy what of a book says something: records in use, levels that stand, the map of ids."""
    copy_words(book, opening, 0, opening[H_ORDER_BUMP])
    levels = HEADER_WORDS + opening[H_ORDERS_MAX] * ORDER_WORDS
    copy_words(book, opening, levels, opening[H_LEVEL_BUMP])
    for side in range(2):
        start = opening[H_SIDES + side]
        copy_words(book, opening, start, start + opening[H_LEVELS + side] * PAIR_WORDS)
    copy_words(book, opening, opening[H_MAP], opening.shape[0])


@env_kernel
def begin(
    seed: int, number: int, book: Any, flow: Any, reals: Any, ints: Any, floats: Any, own: Any, head: Any,
    desk: Any, chains: Any, o_book: Any, o_flow: Any, o_reals: Any, o_ints: Any, o_floats: Any,
    openings: int, scenario: Any, tables: Any, limits: Any, money: Any, log: Any,
) -> None:  # fmt: skip
    """Copy an opening, give it its seed, draw the parent, and let gate and trader know it."""
    drawn, _, _, _ = draw4(seed, e.S_EPISODE, 0, 0)
    opening = drawn % openings
    copy_book(book, o_book[opening])
    copy(flow, o_flow[opening])
    copy(reals, o_reals[opening])
    copy(ints, o_ints[opening])
    copy(floats, o_floats[opening])
    if scenario[e.G_FLOW] == e.FLOW_REACTIVE:
        reseed(flow, reals, tables, seed)
        tick = flow[S_TICK]
    else:
        flow[Z_SEED] = seed
        tick = flow[Z_TICK]
    own[:] = 0
    run = head[e.RUN]
    head[:] = 0
    desk[:] = 0
    head[e.RUN], head[e.SEED], head[e.SCENARIO], head[e.OPENING] = run, seed, number, opening
    now_ns = ints[k.LAST_TS] + 1
    head[e.PLAYED] = head[e.NEXT_FLOW] = head[e.STARTED] = head[e.NOW_NS] = now_ns
    head[e.TOUCH_BID], head[e.TOUCH_ASK], head[e.MID2] = ints[k.BID], ints[k.ASK], ints[k.BID] + ints[k.ASK]
    head[e.T_MARKET_BID], head[e.T_MARKET_ASK] = ints[k.BID], ints[k.ASK]
    head[e.LAST_E4] = ints[k.LAST_E4]
    head[e.GATE_STATUS] = e.P_WORKING
    watched = max(1, now_ns // SECOND_NS - ints[k.BASE_S])
    parent(head, desk, scenario, tick, ints[k.VOLUME] / watched)
    money[e.CONTROL] = exogenous(flow, reals, scenario)
    money[e.FAIR] = less_at(money[e.CONTROL], head, desk)
    take_parent(head, desk, ints, chains, limits, now_ns, log)


@env_kernel
def decided(head: Any) -> None:
    """Note that a decision is being taken."""
    head[e.T_LAST_DECISION] = head[e.NOW_NS]
    head[e.T_EVENT] = head[e.T_TOUCHED] = 0
    head[e.T_TOUCH_BID], head[e.T_TOUCH_ASK] = head[e.T_MARKET_BID], head[e.T_MARKET_ASK]


@env_kernel
def advance(
    book: Any, flow: Any, reals: Any, tables: Any, ints: Any, floats: Any, own: Any, own_ids: Any,
    head: Any, desk: Any, chains: Any, road: Any, reports: Any, fills: Any, events: Any, money: Any,
    scenario: Any, limits: Any, pace: Any, out: Any, command: Any, log: Any, tape: Any,
) -> Any:  # fmt: skip
    """Let time pass until a decision is due (True) or the parent is over (False)."""
    while True:
        if deliver(
            book, head, desk, ints, floats, own, own_ids, chains, reports, events, limits, pace, log, tape
        ):
            decided(head)
            if head[e.NOW_NS] >= head[e.T_WAIT]:
                return True
            continue
        until = min(due_ns(head, desk, pace), head[e.ENDS])
        if head[e.ON_ROAD] > 0:
            until = min(until, road[0, e.ROAD_AT])
        if head[e.REPORTS_WAITING] > 0:
            until = min(until, reports[0, e.R_AT])
        if head[e.CHANGE_AT] > 0:
            until = min(until, head[e.CHANGE_AT])
        play(
            book, flow, reals, tables, head, chains, reports, fills, events, money, scenario, out, until,
            pace[e.STOPS],
        )  # fmt: skip
        if head[e.ON_ROAD] > 0 and road[0, e.ROAD_AT] <= head[e.PLAYED]:
            arrive(book, head, chains, road, reports, fills, events, money, scenario, out, command)
            head[e.NEXT_FLOW] = head[e.PLAYED]  # what arrived may have changed what the flow does next
        if head[e.GATE_CUM] >= head[e.GATE_QTY] or head[e.PLAYED] >= head[e.ENDS]:
            return False
        if 0 < head[e.CHANGE_AT] <= head[e.PLAYED]:
            head[e.NOW_NS] = max(head[e.NOW_NS], head[e.PLAYED])
            change(book, head, ints, own, own_ids, events, chains, road, scenario, log)


@env_kernel
def value2(head: Any, desk: Any) -> Any:
    """Return twice the parent's value, the rest marked at the mid: minus the shortfall, shares x 1e-4."""
    qty, cum, arrival2 = head[e.GATE_QTY], head[e.GATE_CUM], desk[ARRIVAL2]
    paid2 = 2 * head[e.GATE_NOTIONAL] - cum * arrival2
    return -head[e.SIGN_] * (paid2 + (qty - cum) * (head[e.MID2] - arrival2))


@env_kernel
def less_at(price_e4: float, head: Any, desk: Any) -> Any:
    """Return what the rest of a parent is worth less at a price than at the mid, bps of the parent."""
    left = head[e.GATE_QTY] - head[e.GATE_CUM]
    gap2 = 2.0 * price_e4 - head[e.MID2]
    return BPS * head[e.SIGN_] * left * gap2 / (float(head[e.FIRST_QTY]) * desk[ARRIVAL2])


@env_kernel
def settle(value_e4: float, floats: Any, head: Any, desk: Any, money: Any, since_ns: int) -> None:
    """Turn what a step added up into bps of the parent's arrival value."""
    worth = float(head[e.FIRST_QTY]) * desk[ARRIVAL2]
    value = value2(head, desk)
    money[e.GAIN] = BPS * (value - head[e.VALUE2]) / worth
    head[e.VALUE2] = value
    money[e.EDGE] *= BPS / worth
    money[e.ADVERSE] *= BPS / worth
    money[e.VARIANCE] = floats[k.VARIANCE] / (k.VARIANCE_NS / 1e9) * BPS * BPS
    money[e.SECONDS_PAST] = (head[e.PLAYED] - since_ns) / 1e9
    left = 1.0 - elapsed(since_ns, head[e.STARTED], head[e.ENDS])
    moved = head[e.SIGN_] * 2.0 * (value_e4 - money[e.CONTROL])
    money[e.CONTROL_MOVE] = BPS * moved / desk[ARRIVAL2] * left
    money[e.CONTROL] = value_e4
    fair = less_at(value_e4, head, desk)
    money[e.FAIR_MOVE] = fair - money[e.FAIR]
    money[e.FAIR] = fair
    money[e.FILLED_SHARE] /= head[e.FIRST_QTY]
    money[e.PASSIVE_SHARE] /= head[e.FIRST_QTY]


@env_kernel
def dropped(flow: Any, scenario: Any) -> Any:
    """Return what of the flow found no room; must be 0."""
    if scenario[e.G_FLOW] == e.FLOW_REACTIVE:
        lost = flow[S_METAS_FULL] + flow[S_TAKEN_LOST] + flow[S_OFF_GRID]
        return flow[S_POOL_FULL] + flow[S_REFUSED] + lost
    return flow[Z_SLOTS_FULL] + flow[Z_REFUSED]


@env_kernel
def held_back(flow: Any, scenario: Any) -> Any:
    """Return what the flow did not do because a side would have been too thin, or a rate too high."""
    if scenario[e.G_FLOW] == e.FLOW_REACTIVE:
        return flow[S_HELD_BACK] + flow[S_BOUNDED]
    return flow[Z_HELD_BACK]


@env_kernel
def finish(flow: Any, scenario: Any, head: Any, desk: Any, row: Any) -> None:
    """Write what is kept of an episode."""
    cum, worth = head[e.GATE_CUM], float(head[e.FIRST_QTY]) * desk[ARRIVAL2]
    row[:] = 0.0
    row[e.E_SEED], row[e.E_SEED_LOW] = head[e.SEED] >> 32, head[e.SEED] & 0xFFFFFFFF
    row[e.E_SCENARIO], row[e.E_OPENING] = head[e.SCENARIO], head[e.OPENING]
    row[e.E_SIDE], row[e.E_QTY], row[e.E_FILLED] = head[e.SIGN_], head[e.GATE_QTY], cum
    row[e.E_COST] = -BPS * value2(head, desk) / worth
    row[e.E_PASSIVE] = head[e.PASSIVE_CUM] / max(1, cum)
    row[e.E_DECISIONS], row[e.E_VETOES] = head[e.DECISIONS], head[e.VETOES]
    row[e.E_FILLS], row[e.E_MESSAGES] = head[e.FILLS], head[e.ROAD_MADE]
    row[e.E_ARRIVAL], row[e.E_END] = 0.5 * desk[ARRIVAL2], 0.5 * head[e.MID2]
    row[e.E_SECONDS] = (head[e.PLAYED] - head[e.STARTED]) / 1e9
    row[e.E_CAPPED], row[e.E_LIMITED] = head[e.CAP_BP] != NO_CAP, head[e.GATE_LIMIT] != 0
    row[e.E_MUST] = desk[MUST]
    row[e.E_DROPPED] = head[e.DROPPED] + head[e.OWN_OVERFLOW] + dropped(flow, scenario)
    row[e.E_HELD_BACK] = held_back(flow, scenario)
    row[e.E_EDGE] = BPS * head[e.EDGE2] / worth
    row[e.E_REJECTS] = head[e.ENGINE_REFUSALS]
    row[e.E_STARTED] = head[e.STARTED] // SECOND_NS
    row[e.E_FIRST], row[e.E_CHANGES] = head[e.FIRST_QTY], head[e.CHANGES_DONE]
    head[e.RUN] += 1


# --- many at once ---------------------------------------------------------------------------------
@env_kernel
def ready(i: int, w: Any, s: Any, t: Any) -> None:
    """Write observation and mask of environment i."""
    decide(
        w.book[i], w.head[i], w.desk[i], w.ints[i], w.floats[i], w.own[i], w.chains[i], s.events,
        w.levels[i], s.raw, s.facts, w.obs[i], w.mask[i], t.schedule, t.params, t.curve,
    )  # fmt: skip


@env_kernel
def fetched(book: Any, flow: Any, ints: Any) -> Any:
    """Read a market through, line by line: loads that do not wait for each other bring it into the cache.

    Of 48 us a step of one market in 64, some 15 were waits for one line after the other.
    """
    line, total = 8, 0
    for at in range(0, book[H_ORDER_BUMP], line):
        total ^= book[at]
    for at in range(HEADER_WORDS + book[H_ORDERS_MAX] * ORDER_WORDS, book[H_LEVEL_BUMP], line):
        total ^= book[at]
    if book[H_MAP_MASK] < MAP_SLOTS_HOT:
        for at in range(book[H_MAP], book.shape[0], line):
            total ^= book[at]
    for at in range(0, min(flow.shape[0], FLOW_WORDS_HOT), line):
        total ^= flow[at]
    for at in range(0, k.SECONDS, line):
        total ^= ints[at]
    return total


@env_kernel
def moved(head: Any, of: Any, to: Any) -> None:
    """Copy events that are not fed yet; the buffer worked on is a thread's, which stays in its cache."""
    for at in range(head[e.EVENTS_FED], head[e.EVENTS_MADE]):
        to[at] = of[at]


@env_kernel
def next_episode(i: int, run: int, openings: Any, d: Any) -> Any:
    """Return seed and scenario of the next episode of environment i."""
    listed = d.seeds.shape[1]
    if listed > 0:
        return d.seeds[i, run % listed], d.numbers[i, run % listed]
    high, low, which, _ = draw4(d.base[0], e.S_EPISODE, run, i + 1)
    return (high >> 2) << 32 | low, which % openings.counts.shape[0]


@env_kernel
def begin_one(i: int, w: Any, s: Any, o: Any, t: Any, d: Any) -> None:
    """Begin the next episode of environment i."""
    seed, number = next_episode(i, w.head[i, e.RUN], o, d)
    begin(
        seed, number, w.book[i], w.flow[i], w.reals[i], w.ints[i], w.floats[i], w.own[i], w.head[i],
        w.desk[i], w.chains[i], o.book[number], o.flow[number], o.reals[number], o.ints[number],
        o.floats[number], o.counts[number], o.scenarios[number], o.tables[number], t.limits,
        w.money[i], w.log[i],
    )  # fmt: skip
    decided(w.head[i])
    ready(i, w, s, t)


@env_kernel
def begin_all(first: int, last: int, w: Any, s: Any, o: Any, t: Any, d: Any) -> None:
    """Begin the environments of a range."""
    for i in range(first, last):
        begin_one(i, w, s, o, t, d)


@env_kernel
def run(first: int, last: int, actions: Any, w: Any, s: Any, o: Any, t: Any, d: Any) -> None:
    """Step the environments of a range: act, let time pass, settle; what is over begins anew."""
    for i in range(first, last):
        head, scenario, money = w.head[i], o.scenarios[w.head[i, e.SCENARIO]], w.money[i]
        money[: e.MONEY_NOW] = 0.0
        money[e.LEFT] = 1.0 - head[e.GATE_CUM] / head[e.GATE_QTY]
        since_ns, vetoes = head[e.NOW_NS], head[e.VETOES]
        head[e.FETCHED] = fetched(w.book[i], w.flow[i], w.ints[i])
        moved(head, w.events[i], s.events)
        act(
            actions[i], w.book[i], head, w.desk[i], w.ints[i], w.own[i], w.own_ids[i], w.chains[i], w.road[i],
            s.events, t.limits, scenario, s.table, s.moves, w.log[i],
        )  # fmt: skip
        goes_on = advance(
            w.book[i], w.flow[i], w.reals[i], o.tables[head[e.SCENARIO]], w.ints[i], w.floats[i],
            w.own[i], w.own_ids[i], head, w.desk[i], w.chains[i], w.road[i], w.reports[i], w.fills[i],
            s.events, money, scenario, t.limits, t.pace, s.out, s.command, w.log[i], w.tape[i],
        )  # fmt: skip
        head[e.EDGE2] += int(money[e.EDGE])
        head[e.PASSIVE_CUM] += int(money[e.PASSIVE_SHARE])
        settle(exogenous(w.flow[i], w.reals[i], scenario), w.floats[i], head, w.desk[i], money, since_ns)
        money[e.VETOED] = head[e.VETOES] - vetoes
        w.done[i] = not goes_on
        if goes_on:
            ready(i, w, s, t)
            moved(head, s.events, w.events[i])
        else:
            money[e.FAIR_MOVE] -= money[e.FAIR]  # what is left at the end is marked at the mid
            finish(w.flow[i], scenario, head, w.desk[i], w.ended[i])
            ready(i, w, s, t)
            copy(w.last[i], w.obs[i])
            begin_one(i, w, s, o, t, d)
