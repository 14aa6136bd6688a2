"""Kernels of the synthetic flow: four clocks strike, the book says what that means just then.

When a clock strikes and what it draws is fixed by the seed; only the meaning (which price is the touch,
whether a slot holds an order) comes from the book. A strike on an empty slot means nothing.
"""

from typing import Any

import numpy as np

from market.book_kernels import ADDED, best_e4, best_level, find, join
from market.book_layout import (
    H_LEVELS,
    H_ORDERS,
    H_SIDES,
    H_TRADING,
    L_COUNT,
    L_SIDE,
    L_SIZE,
    O_LEAVES,
    O_LEVEL,
    PAIR_WORDS,
    Arena,
    Records,
)
from market.flow.philox import UNIT, bell, neg_log, rounds4
from market.flow.tape_residuals import cut
from market.flow.zero_intelligence_state import (
    AHEAD,
    AHEAD_BITS,
    CANCEL_NEAR,
    CLOCKS,
    LIMIT,
    MARKET,
    SLOTS_FAR,
    SLOTS_NEAR,
    VALUE,
    Z_AHEAD,
    Z_AHEAD_BLOCK,
    Z_AHEAD_SEED,
    Z_ANCHOR,
    Z_CANCELS,
    Z_DUE,
    Z_EVENT,
    Z_GAP,
    Z_HELD_BACK,
    Z_LAST_ASK,
    Z_LAST_BID,
    Z_LEAN_LIMIT,
    Z_LEAN_MARKET,
    Z_LIMITS,
    Z_MARKETS,
    Z_NEAR_TICKS,
    Z_OFFSETS,
    Z_ORIGIN,
    Z_PULL,
    Z_REFUSED,
    Z_SECOND,
    Z_SEED,
    Z_SIGMA,
    Z_SIZE_CHANCES,
    Z_SIZE_VALUES,
    Z_SLOTS,
    Z_SLOTS_FULL,
    Z_TICK,
    Z_VALUE,
)
from market.kernels import inlined_kernel, lean_kernel
from market.matching_events import Outcome, Why
from market.matching_kernels import NO_LIMIT, OUTCOMES_MARGIN, sweep
from market.outcome_kernels import report

RESTED, CANCELED = int(Outcome.RESTED), int(Outcome.CANCELED)
WHY_USER, WHY_NO_LIQUIDITY = int(Why.USER), int(Why.NO_LIQUIDITY)
LEVELS_KEPT = 4  # market orders and cancels of the flow leave a side at least so many levels
AGGRESSOR_ID = 1 << 39  # market orders are numbered from here, limit orders from 1
LEAN_MOST = UNIT // 4  # the flow leans to at most 3 : 1
SECOND_NS = 1_000_000_000
LOW = UNIT - 1
HALVED = UNIT // 10  # one cancel in ten takes half of an order only


# --- draws ----------------------------------------------------------------------------------------
@lean_kernel
def draw_ahead(state: Arena, clock: int, block: int) -> None:
    """Draw the strikes of a block of a clock: loops that a core takes side by side."""
    seed, gap = state[Z_SEED], state[Z_GAP + clock]
    at = Z_AHEAD + clock * 3 * AHEAD
    row = state[at : at + 3 * AHEAD]  # whose indices are seen to be no negative ones
    for i in range(AHEAD):
        event = (block << AHEAD_BITS) + i
        row[i], _, _, _ = rounds4(seed, clock, event, 0)
        first, second, third, fourth = rounds4(seed, clock, event, 1)
        row[AHEAD + i] = first << 32 | second
        row[2 * AHEAD + i] = third << 32 | fourth
    for i in range(AHEAD):
        row[i] = 1 + int(gap * neg_log(row[i]))
    state[Z_AHEAD_BLOCK + clock] = block


@inlined_kernel
def drawn(state: Arena, clock: int, event: int) -> int:
    """Return where the gap before a strike is, drawn where it is not yet; its draws follow."""
    if state[Z_AHEAD_SEED] != state[Z_SEED]:
        state[Z_AHEAD_SEED] = state[Z_SEED]
        state[Z_AHEAD_BLOCK : Z_AHEAD_BLOCK + CLOCKS] = -1
    block = event >> AHEAD_BITS
    if state[Z_AHEAD_BLOCK + clock] != block:
        draw_ahead(state, clock, block)
    return Z_AHEAD + clock * 3 * AHEAD + (event & (AHEAD - 1))


@inlined_kernel
def chosen(state: Arena, table: int, draw: int) -> int:
    """Return the first entry of a table of cumulative chances that exceeds a draw."""
    at = 0
    while state[table + at] <= draw:
        at += 1
    return at


@lean_kernel
def bring_value(state: Arena, ts_ns: int) -> None:
    """Take the exogenous value on to the second of an instant."""
    second = (ts_ns - state[Z_ORIGIN]) // SECOND_NS
    while state[Z_SECOND] < second:
        state[Z_SECOND] += 1
        back = (state[Z_ANCHOR] - state[Z_VALUE]) * (state[Z_PULL] / UNIT)
        step = state[Z_SIGMA] * bell(state[Z_SEED], VALUE, state[Z_SECOND])
        state[Z_VALUE] += int(back + step)


@inlined_kernel
def see_touch(book: Arena, state: Arena) -> None:
    """Remember the touch of both sides."""
    bid, ask = best_e4(book, 0), best_e4(book, 1)
    if bid != 0:
        state[Z_LAST_BID] = bid
    if ask != 0:
        state[Z_LAST_ASK] = ask


@inlined_kernel
def side_drawn(state: Arena, lean: int, draw: int) -> int:
    """Return +1 or -1; value above mid favours buying."""
    twice = 2 * state[Z_VALUE] - state[Z_LAST_BID] - state[Z_LAST_ASK]
    tilt = lean * twice // (2 * state[Z_TICK])
    tilt = min(max(tilt, -LEAN_MOST), LEAN_MOST)
    return 1 if draw < UNIT // 2 + tilt else -1


@lean_kernel
def free_slot(book: Arena, state: Arena, near: bool, draw: int) -> int:
    """Return the offset of a slot whose order is gone, 0 where all are taken."""
    first = Z_SLOTS if near else Z_SLOTS + SLOTS_NEAR
    slots = SLOTS_NEAR if near else SLOTS_FAR
    for step in range(slots):
        at = first + (draw + step) % slots
        if state[at] == 0 or find(book, state[at]) == 0:
            return at
    return 0


@inlined_kernel
def limit(book: Arena, state: Arena, out: Records, n: int, ts_ns: int, event: int) -> int:
    """A limit order at a drawn distance from the opposite touch."""
    at = drawn(state, LIMIT, event)
    u_side, u_offset = state[at + AHEAD] >> 32 & LOW, state[at + AHEAD] & LOW
    u_size, u_slot = state[at + 2 * AHEAD] >> 32 & LOW, state[at + 2 * AHEAD] & LOW
    side = side_drawn(state, state[Z_LEAN_LIMIT], u_side)
    ticks = chosen(state, Z_OFFSETS, u_offset) + 1
    touch = state[Z_LAST_ASK] if side == 1 else state[Z_LAST_BID]
    price_e4 = touch - side * ticks * state[Z_TICK]
    size = state[Z_SIZE_VALUES + chosen(state, Z_SIZE_CHANCES, u_size)]
    slot = free_slot(book, state, ticks <= state[Z_NEAR_TICKS], u_slot)
    if slot == 0 or price_e4 <= 0:
        state[Z_SLOTS_FULL] += 1
        return n
    order_id = event + 1
    n, left, _ = sweep(book, out, n, ts_ns, order_id, 0, side, -side * price_e4, size)
    if left == 0:
        return n
    if join(book, order_id, side, price_e4, left, 0) != ADDED:
        state[Z_REFUSED] += 1
        return n
    state[slot] = order_id
    state[Z_LIMITS] += 1
    return report(out, n, RESTED, ts_ns, order_id, 0, side, price_e4, left, left, 0, 0)


@inlined_kernel
def market(book: Arena, state: Arena, out: Records, n: int, ts_ns: int, event: int) -> int:
    """A market order, at most as large as the two best levels."""
    at = drawn(state, MARKET, event)
    u_side, u_size = state[at + AHEAD] >> 32 & LOW, state[at + AHEAD] & LOW
    side = side_drawn(state, state[Z_LEAN_MARKET], u_side)
    other = (1 + side) >> 1
    levels = book[H_LEVELS + other]
    if levels <= LEVELS_KEPT:
        state[Z_HELD_BACK] += 1
        return n
    second = book[book[H_SIDES + other] + (levels - 1) * PAIR_WORDS - 1]
    most = book[best_level(book, other) + L_SIZE] + book[second + L_SIZE]
    size = min(state[Z_SIZE_VALUES + chosen(state, Z_SIZE_CHANCES, u_size)], most)
    order_id = AGGRESSOR_ID + event
    state[Z_MARKETS] += 1
    n, left, _ = sweep(book, out, n, ts_ns, order_id, 0, side, NO_LIMIT, size)
    if left > 0:
        n = report(out, n, CANCELED, ts_ns, order_id, 0, side, 0, left, 0, WHY_NO_LIQUIDITY, 0)
    return n


@inlined_kernel
def slot_struck(state: Arena, clock: int, event: int) -> int:
    """Return the offset of the slot that a cancel clock strikes."""
    draw = state[drawn(state, clock, event) + AHEAD] >> 32 & LOW
    if clock == CANCEL_NEAR:
        return Z_SLOTS + draw % SLOTS_NEAR  # type: ignore[no-any-return]
    return Z_SLOTS + SLOTS_NEAR + draw % SLOTS_FAR  # type: ignore[no-any-return]


@inlined_kernel
def cancel(
    book: Arena, state: Arena, out: Records, n: int, ts_ns: int, clock: int, event: int
) -> int:  # fmt: skip
    """A cancel of the order that stands in the slot struck, one in ten of half of it only."""
    slot = slot_struck(state, clock, event)
    order = find(book, state[slot]) if state[slot] != 0 else 0
    if order == 0:
        state[slot] = 0
        return n
    level = book[order + O_LEVEL]
    side_index = (1 - book[level + L_SIDE]) >> 1
    if book[level + L_COUNT] == 1 and book[H_LEVELS + side_index] <= LEVELS_KEPT:
        state[Z_HELD_BACK] += 1
        return n
    draw = state[drawn(state, clock, event) + AHEAD] & LOW
    size = book[order + O_LEAVES]
    if draw < HALVED and size > 1:
        size = (size + 1) // 2
    else:
        state[slot] = 0
    state[Z_CANCELS] += 1
    return cut(book, out, n, ts_ns, order, size, WHY_USER)


@inlined_kernel
def next_clock(book: Arena, state: Arena) -> int:
    """Return the clock that strikes next, strikes on empty slots left out."""
    while True:
        clock = 0
        for at in range(1, CLOCKS):
            if state[Z_DUE + at] < state[Z_DUE + clock]:
                clock = at
        if clock < CANCEL_NEAR:
            return clock
        slot = slot_struck(state, clock, state[Z_EVENT + clock])
        if state[slot] != 0 and find(book, state[slot]) != 0:
            return clock
        wind(state, clock)


@inlined_kernel
def wind(state: Arena, clock: int) -> None:
    """Set a clock to its next strike."""
    state[Z_EVENT + clock] += 1
    state[Z_DUE + clock] += state[drawn(state, clock, state[Z_EVENT + clock])]


@inlined_kernel
def strike(book: Arena, state: Arena, out: Records, n: int, clock: int) -> int:
    """Let the clock that strikes next do what it does; return the number of outcomes."""
    ts_ns, event = state[Z_DUE + clock], state[Z_EVENT + clock]
    bring_value(state, ts_ns)
    see_touch(book, state)
    if book[H_TRADING] == 1:
        if clock == LIMIT:
            n = limit(book, state, out, n, ts_ns, event)
        elif clock == MARKET:
            n = market(book, state, out, n, ts_ns, event)
        else:
            n = cancel(book, state, out, n, ts_ns, clock, event)
    wind(state, clock)
    return n


@lean_kernel
def flow(book: Arena, state: Arena, until_ns: int, out: Records) -> tuple[int, int, bool]:
    """Match what is due; return outcomes, when the next event is due, and whether the buffer was full."""
    n: Any = np.int64(0)  # typed: from a literal everything below would compile twice
    while True:
        clock = next_clock(book, state)
        ts_ns = state[Z_DUE + clock]
        if ts_ns > until_ns:
            return n, ts_ns, False
        if out.shape[0] - n < book[H_ORDERS] + OUTCOMES_MARGIN:
            return n, ts_ns, True
        n = strike(book, state, out, n, clock)


@lean_kernel
def flow_to_stop(
    book: Arena, state: Arena, until_ns: int, out: Records, stop_on_touch: bool, stop_on_own: bool
) -> tuple[int, int, int]:
    """Match like `flow`; return outcomes, when the flow goes on, and why it stopped.

    0 = all is played, 1 = the buffer was full, 2 = the touch moved, 3 = an order with an owner was hit.
    """
    n: Any = np.int64(0)
    bid_e4, ask_e4 = best_e4(book, 0), best_e4(book, 1)
    while True:
        clock = next_clock(book, state)
        ts_ns = state[Z_DUE + clock]
        if ts_ns > until_ns:
            return n, ts_ns, 0
        if out.shape[0] - n < book[H_ORDERS] + OUTCOMES_MARGIN:
            return n, ts_ns, 1
        before = n
        n = strike(book, state, out, n, clock)
        if stop_on_own:
            for at in range(before, n):
                if out[at].resting_owner > 0:
                    return n, ts_ns, 3
        if stop_on_touch and (best_e4(book, 0) != bid_e4 or best_e4(book, 1) != ask_e4):
            return n, ts_ns, 2
