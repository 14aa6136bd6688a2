"""The kernel that brings a market to where an episode may begin: it is played, and its feed is watched."""

from typing import Any, Final

from market.book_kernels import best_e4
from market.flow.queue_reactive_kernels import react
from market.flow.zero_intelligence_kernels import flow_to_stop
from policies import state_kernels as k
from policies.state_kernels import observe
from research.environment import layout as e
from research.environment.compiled import env_kernel
from research.environment.exchange_kernels import play, touch_is

NEVER: Final = 1 << 62


@env_kernel
def burn_in(book: Any, flow: Any, reals: Any, tables: Any, scenario: Any, until_ns: int, out: Any) -> None:
    """Play an empty book up to an instant; nobody watches."""
    why = 1
    while why == 1:
        if scenario[e.G_FLOW] == e.FLOW_REACTIVE:
            _, _, why = react(book, flow, reals, tables, until_ns, out, 0)
        else:
            _, _, why = flow_to_stop(book, flow, until_ns, out, False, False)


@env_kernel
def watch(
    book: Any, flow: Any, reals: Any, tables: Any, head: Any, chains: Any, reports: Any, fills: Any, events: Any, money: Any,
    scenario: Any, ints: Any, floats: Any, own: Any, standing: Any, out: Any, until_ns: int,
) -> None:  # fmt: skip
    """Take the standing book, then play on to an instant and take what the feed shows of it."""
    observe(ints, floats, own, standing)
    touch_is(head, best_e4(book, 0), best_e4(book, 1))
    head[e.GATE_QTY] = NEVER
    head[e.PLAYED] = head[e.NEXT_FLOW] = ints[k.LAST_TS]
    while head[e.PLAYED] < until_ns:
        play(
            book, flow, reals, tables, head, chains, reports, fills, events, money, scenario, out, until_ns, 0
        )
        observe(ints, floats, own, events[: head[e.EVENTS_MADE]])
        head[e.EVENTS_MADE] = 0
