"""Kernels of the queue-reactive flow: which clock strikes next, until when, into which buffer."""

from typing import Any

import numpy as np

from market.book_layout import (
    H_ORDERS,
    H_TRADING,
    Arena,
    Records,
)
from market.flow.calibration import CLASSES
from market.flow.queue_reactive_clocks import advance_row, drawn, mark_of, refresh, set_slots, slots_of
from market.flow.queue_reactive_drivers import SECOND_NS, begin_second
from market.flow.queue_reactive_layout import (
    CANCELS,
    CLOCKS,
    D_WHAT,
    D_WHERE,
    LIMITS,
    MARKETS,
    R_MOST,
    S_BEGIN,
    S_BURST_DRAW,
    S_BURST_DUE,
    S_BURST_KEY,
    S_BURST_WHAT,
    S_BURST_WHERE,
    S_CANDIDATES,
    S_CHILD_DUE,
    S_CLOCK_DUE,
    S_CLOCK_ROW,
    S_COUNT,
    S_HAWKES_TIME,
    S_NOW,
    S_SECOND,
    S_SLOTS,
)
from market.flow.queue_reactive_orders import cancel, child, limit, market
from market.flow.queue_reactive_rates import (
    burst_stream,
    draw_burst,
    fade,
    hear_foreign,
    reach,
    see_touch,
    set_tilts,
    settle,
)
from market.flow.queue_reactive_tables import Reals
from market.kernels import inlined_kernel, lean_kernel
from market.matching_kernels import OUTCOMES_MARGIN

CHILD, NEXT_SECOND, BURST = CLOCKS, CLOCKS + 1, CLOCKS + 2  # what strikes besides the clocks
KEEP = 0.9  # slots are given up when so full a step lower, so that none come and go
PLAYED, FULL, TOUCH, OWN = 0, 1, 2, 3  # why `react` came back
STOP_ON_TOUCH, STOP_ON_OWN = 1, 2  # where it shall: the touch moved, an order with an owner was hit


@lean_kernel
def second(state: Arena, reals: Reals, tables: Reals, now: int) -> None:
    """Let a second begin: what is exogenous goes on, pools that have emptied use fewer slots."""
    begin_second(state, reals, tables)
    fade(reals, tables, now)
    set_tilts(state, reals, tables)
    for kind in range(CLASSES):
        step = state[S_SLOTS + kind] - 1
        if step >= 0 and state[S_COUNT + kind] < KEEP * slots_of(step):
            set_slots(state, reals, tables, CANCELS + kind, step)


@inlined_kernel
def strike(
    book: Arena, state: Arena, reals: Reals, tables: Reals, out: Records, n: int, now: int, clock: int
) -> int:  # fmt: skip
    """Let a clock, or what is excited, strike."""
    before = n
    bursting = clock == BURST
    if bursting:
        left = settle(state, reals, tables, now)
        stream, mark = burst_stream(state, reals, tables, left)
        where, what = state[S_BURST_WHERE], state[S_BURST_WHAT]
        kind = stream >> 1 if stream < 4 else stream - 2
        slots = state[S_COUNT + max(kind - CANCELS, 0)]
        if stream < 4:
            where = (where & ~1) | (stream & 1)
    else:
        row = state[S_CLOCK_ROW + min(clock, CLOCKS - 1)]
        mark = mark_of(state, row)
        at = drawn(state, row)
        where, what = state[at + D_WHERE], state[at + D_WHAT]
        kind = clock
        slots = slots_of(state[S_SLOTS + max(kind - CANCELS, 0)])
    if book[H_TRADING] == 1:
        if kind >= CANCELS:
            slot = where * slots >> 32
            n = cancel(book, state, reals, tables, out, n, now, mark, kind - CANCELS, slot, what, bursting)
        elif kind == LIMITS:
            n = limit(book, state, reals, tables, out, n, now, mark, where, what, bursting)
        elif kind == MARKETS:
            n = market(book, state, reals, tables, out, n, now, mark, where, what, bursting)
    if not bursting and n != before:
        state[S_BURST_KEY], state[S_BURST_DRAW] = now, 0
    if n == before and state[S_HAWKES_TIME] == now:  # it excited, though it was held back
        draw_burst(state, reals, tables, now)
    return n


@inlined_kernel
def may_be(state: Arena, reals: Reals, clock: int, now: int) -> bool:
    """Say whether a clock's point can be an event: most marks lie above what any rate of it reaches now."""
    mark = mark_of(state, state[S_CLOCK_ROW + clock])
    return mark < reals[R_MOST + clock] or state[S_HAWKES_TIME] == now  # type: ignore[no-any-return]


@lean_kernel
def react(
    book: Arena, state: Arena, reals: Reals, tables: Reals, until_ns: int, out: Records, stops: int
) -> tuple[int, int, int]:  # fmt: skip
    """Match what is due; return outcomes, when something is due next, and why this came back."""
    n: Any = np.int64(0)  # typed: from a literal everything below would compile twice
    until = until_ns - state[S_BEGIN]
    if hear_foreign(book, state, reals, tables, state[S_NOW]) | see_touch(book, state, reals, tables):
        reach(state, reals, tables, state[S_NOW])
    while True:
        clock = 0
        now = state[S_CLOCK_DUE]
        for at in range(1, CLOCKS):
            due = state[S_CLOCK_DUE + at]
            clock = at if due < now else clock
            now = min(now, due)
        if state[S_CHILD_DUE] < now:
            clock, now = CHILD, state[S_CHILD_DUE]
        if state[S_BURST_DUE] < now:
            clock, now = BURST, state[S_BURST_DUE]
        if state[S_SECOND] * SECOND_NS <= now:
            clock, now = NEXT_SECOND, state[S_SECOND] * SECOND_NS
        if now > until:
            state[S_NOW] = max(until, state[S_NOW])
            return n, now + state[S_BEGIN], PLAYED
        if out.shape[0] - n < book[H_ORDERS] + OUTCOMES_MARGIN:
            return n, now + state[S_BEGIN], FULL
        state[S_NOW] = now
        before = n
        if clock < CLOCKS or clock == BURST:
            state[S_CANDIDATES] += 1
            if clock == BURST or may_be(state, reals, clock, now):
                n = strike(book, state, reals, tables, out, n, now, clock)
            if clock < CLOCKS:  # to its next point
                advance_row(state, reals, tables, state[S_CLOCK_ROW + clock], now)
                refresh(state, clock)
        elif clock == CHILD:
            n = child(book, state, reals, tables, out, n, now)
            state[S_BURST_KEY], state[S_BURST_DRAW] = now, 0
        else:
            second(state, reals, tables, now)
        if n != before or CHILD <= clock <= NEXT_SECOND:
            moved = see_touch(book, state, reals, tables)
            reach(state, reals, tables, now)
            if stops & STOP_ON_OWN:
                for at in range(before, n):
                    if out[at].resting_owner > 0:
                        return n, now + state[S_BEGIN], OWN
            if moved and stops & STOP_ON_TOUCH:
                return n, now + state[S_BEGIN], TOUCH
