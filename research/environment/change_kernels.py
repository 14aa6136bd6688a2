"""What a person does to a parent in flight, terms or a pause: drawn with the episode, done by the gate."""

from typing import Any, Final

from policies.layout import LOT, TICK
from research.environment import layout as e
from research.environment.compiled import env_kernel
from research.environment.gate_kernels import cancel
from research.environment.log_kernels import note_order
from research.environment.trader_kernels import own_order

SECOND_NS: Final = 1_000_000_000


@env_kernel
def draw_change(
    head: Any, desk: Any, scenario: Any, when: float, which: float, how: float, much: float
) -> None:
    """Decide what happens to the parent, from four numbers of [0, 1)."""
    length = head[e.ENDS] - head[e.STARTED]
    at = head[e.STARTED] + int((0.1 + 0.7 * when) * length)
    head[e.CHANGE_AT], head[e.CHANGE_VALUE] = at, 0
    if which < scenario[e.G_PAUSE_CHANCE]:
        head[e.CHANGE_KIND] = e.PAUSE
        head[e.CHANGE_VALUE] = at + int((0.02 + 0.13 * much) * length)
    elif which < scenario[e.G_PAUSE_CHANCE] + scenario[e.G_AMEND_CHANCE]:
        lot, tick = desk[LOT], desk[TICK]
        if how < 1.0 / 3.0:
            head[e.CHANGE_KIND] = e.AMEND_QTY
            head[e.CHANGE_VALUE] = int((1.1 + 0.4 * much) * head[e.GATE_QTY] / lot) * lot
        elif how < 2.0 / 3.0:
            head[e.CHANGE_KIND] = e.AMEND_LIMIT
            bps = head[e.SIGN_] * 10.0 * much
            head[e.CHANGE_VALUE] = int(0.5 * head[e.MID2] * (1.0 + bps / 1e4)) // tick * tick
        else:
            head[e.CHANGE_KIND] = e.AMEND_END
            head[e.CHANGE_VALUE] = at + int((0.6 + 0.8 * much) * (head[e.ENDS] - at))
    else:
        head[e.CHANGE_AT] = 0


@env_kernel
def pull(
    book: Any, head: Any, ints: Any, own: Any, own_ids: Any, events: Any, chains: Any, road: Any,
    scenario: Any, log: Any, beyond: int,
) -> None:  # fmt: skip
    """Cancel what works: all of it, or with `beyond` what is worse than the parent's limit."""
    for c in range(head[e.CHAINS_LIVE]):
        chain = chains[c]
        worst = chain[e.K_PX]
        if chain[e.K_PPX] != 0 and head[e.SIGN_] * (chain[e.K_PPX] - worst) > 0:
            worst = chain[e.K_PPX]
        if chain[e.K_STATUS] == e.PENDING_CANCEL or chain[e.K_STATUS] >= e.ENDED:
            continue
        if beyond != 0 and head[e.SIGN_] * (worst - head[e.GATE_LIMIT]) <= 0:
            continue
        cancel(head, chains, road, scenario, head[e.NOW_NS], c)
        note_order(head, log, chain, 0, 0, -1)
        own_order(book, head, ints, own, own_ids, events, chain)
        head[e.T_LEVELS_FRESH] = 0


@env_kernel
def change(
    book: Any, head: Any, ints: Any, own: Any, own_ids: Any, events: Any, chains: Any, road: Any,
    scenario: Any, log: Any,
) -> None:  # fmt: skip
    """Do what is due to the parent, and let the trader know."""
    kind, value = head[e.CHANGE_KIND], head[e.CHANGE_VALUE]
    head[e.CHANGE_AT] = 0
    head[e.CHANGES_DONE] += 1
    if kind == e.PAUSE:
        head[e.GATE_STATUS] = e.P_PAUSED
        head[e.CHANGE_AT], head[e.CHANGE_KIND] = value, e.RESUME
        pull(book, head, ints, own, own_ids, events, chains, road, scenario, log, 0)
    elif kind == e.RESUME:
        head[e.GATE_STATUS] = e.P_WORKING
    elif kind == e.AMEND_QTY:
        head[e.GATE_QTY] = value
    elif kind == e.AMEND_LIMIT:
        head[e.GATE_LIMIT] = value
        pull(book, head, ints, own, own_ids, events, chains, road, scenario, log, 1)
    else:
        head[e.ENDS] = max(value, head[e.PLAYED] + SECOND_NS)
    head[e.T_PARENT_NEWS] = 1
