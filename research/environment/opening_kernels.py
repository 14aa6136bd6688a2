"""The kernel that brings a market to where an episode may begin: it is played, and its feed is watched."""

from typing import Any, Final

from market.book_kernels import best_e4
from market.flow.philox import draw4
from market.flow.queue_reactive_kernels import react
from market.flow.queue_reactive_state import reseed
from market.flow.zero_intelligence_kernels import flow_to_stop
from market.flow.zero_intelligence_state import Z_SEED
from policies import state_kernels as k
from policies.state_kernels import observe
from research.environment import layout as e
from research.environment.compiled import env_kernel
from research.environment.episode_kernels import copy_book
from research.environment.exchange_kernels import play, touch_is
from research.environment.log_kernels import keep
from research.environment.row_kernels import copy

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
    book: Any, flow: Any, reals: Any, tables: Any, head: Any, chains: Any, reports: Any, fills: Any,
    events: Any, money: Any,
    scenario: Any, ints: Any, floats: Any, own: Any, standing: Any, out: Any, until_ns: int, tape: Any,
) -> None:  # fmt: skip
    """Take the standing book, then play on to an instant and take what the feed shows of it."""
    observe(ints, floats, own, standing)
    keep(head, tape, standing, 0, standing.shape[0])
    touch_is(head, best_e4(book, 0), best_e4(book, 1))
    head[e.GATE_QTY] = NEVER
    head[e.PLAYED] = head[e.NEXT_FLOW] = ints[k.LAST_TS]
    while head[e.PLAYED] < until_ns:
        play(
            book, flow, reals, tables, head, chains, reports, fills, events, money, scenario, out, until_ns, 0
        )
        observe(ints, floats, own, events[: head[e.EVENTS_MADE]])
        keep(head, tape, events, 0, head[e.EVENTS_MADE])
        head[e.EVENTS_MADE] = 0


@env_kernel
def twin(
    book: Any, flow: Any, reals: Any, tables: Any, scenario: Any, out: Any, times: Any, count: int, mids2: Any
) -> None:
    """Play a market in which we are absent; write bid + ask just before each of the times, which ascend."""
    mid2 = best_e4(book, 0) + best_e4(book, 1)
    for at in range(count):
        burn_in(book, flow, reals, tables, scenario, times[at] - 1, out)
        bid, ask = best_e4(book, 0), best_e4(book, 1)
        if bid > 0 and ask > 0:
            mid2 = bid + ask
        mids2[at] = mid2


@env_kernel
def twins(first: int, last: int, w: Any, s: Any, o: Any, d: Any, times: Any, counts: Any, mids2: Any) -> None:
    """Play the twins of the first listed episode of each environment of a range."""
    for i in range(first, last):
        seed, number = d.seeds[i, 0], d.numbers[i, 0]
        drawn, _, _, _ = draw4(seed, e.S_EPISODE, 0, 0)
        opening, scenario = drawn % o.counts[number], o.scenarios[number]
        copy_book(w.book[i], o.book[number, opening])
        copy(w.flow[i], o.flow[number, opening])
        copy(w.reals[i], o.reals[number, opening])
        if scenario[e.G_FLOW] == e.FLOW_REACTIVE:
            reseed(w.flow[i], w.reals[i], o.tables[number], seed)
        else:
            w.flow[i, Z_SEED] = seed
        twin(
            w.book[i], w.flow[i], w.reals[i], o.tables[number], scenario, s.out, times[i], counts[i], mids2[i]
        )
