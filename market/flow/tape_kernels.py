"""Kernels of the replay: each recorded event once into the shadow, once into the book that we stand in.

The rules are those of `market.flow.tape`.
"""

from typing import Any

import numpy as np

from market.book_apply import ADD, CANCEL, DELETE, HALT, REPLACE, apply_one
from market.book_events import Flag, Kind
from market.book_kernels import ADDED, best_level, find, join, leave
from market.book_layout import (
    H_ORDERS,
    H_OWNED,
    H_TAKEN,
    H_TAKEN_COUNT,
    H_TRADING,
    L_HEAD,
    L_OWNED,
    L_PRICE,
    O_ID,
    O_LEAVES,
    O_NEXT,
    O_OWNER,
    O_TAG,
    TAKEN_MAX,
    TAKEN_WORDS,
    Arena,
    Records,
)
from market.flow.tape_residuals import cut, executes, open_group, purge
from market.flow.tape_state import (
    A_TAKEN,
    A_VOIDED,
    T_ANOMALIES,
    T_GROUP_END,
    T_NEXT,
    T_REFUSED,
    T_REOPENING_CANCELS,
    T_TAKEN_LOST,
    T_TAKEN_READ,
    book_shares,
)
from market.flow.tape_trades import execution, printed
from market.kernel_types import ARENA, INT, OUTCOMES
from market.kernels import lean_kernel, typed_kernel
from market.matching_events import Outcome, OutcomeFlag, Why
from market.matching_kernels import OUTCOMES_MARGIN, full_reason
from market.outcome_kernels import hit, report

HIDDEN, CROSS = int(Kind.HIDDEN), int(Kind.CROSS)
REVEAL, CONCEAL = int(Flag.REVEAL), int(Flag.CONCEAL)
REJECTED, RESTED = int(Outcome.REJECTED), int(Outcome.RESTED)
REPLACED, STATE = int(Outcome.REPLACED), int(Outcome.STATE)
F_RESTING, F_ON_ENTRY = int(OutcomeFlag.RESTING), int(OutcomeFlag.ON_ENTRY)
F_REVEALED = int(OutcomeFlag.REVEALED)
WHY_USER, WHY_CONCEALED, WHY_HALTED = int(Why.USER), int(Why.CONCEALED), int(Why.HALTED)


@lean_kernel
def drain_taken(book: Arena, shadow: Arena, state: Arena) -> None:
    """Book what orders of ours took from the tape's since the last step, and who took it."""
    first = state[T_TAKEN_READ]
    last = book[H_TAKEN_COUNT]
    if last - first > TAKEN_MAX:
        state[T_TAKEN_LOST] += last - first - TAKEN_MAX
        first = last - TAKEN_MAX
    for entry in range(first, last):
        at = book[H_TAKEN] + entry % TAKEN_MAX * TAKEN_WORDS
        book_shares(state, book[at + 1], A_TAKEN, book[at + 2])
        recorded = find(shadow, book[at])
        if recorded != 0:
            shadow[recorded + O_TAG] = book[at + 1]
    state[T_TAKEN_READ] = last


# --- a tape's resting order -----------------------------------------------------------------------
@typed_kernel(ARENA, ARENA, ARENA, OUTCOMES, *[INT] * 6)
def meet_ours(
    book: Arena, shadow: Arena, state: Arena, out: Records, n: int, ts_ns: int,
    order_id: int, side: int, price_e4: int, size: int,
) -> tuple[int, int]:  # fmt: skip
    """Trade a tape's new order with ours while one of ours heads the other side within its limit."""
    left = size
    other = (1 + side) >> 1
    while left > 0 and book[H_OWNED] > 0 and book[H_TRADING] == 1:
        level = best_level(book, other)
        if level == 0 or -side * book[level + L_PRICE] < -side * price_e4:
            break
        order = book[level + L_HEAD]
        if book[order + O_OWNER] == 0:
            break  # the tape says that these two did not trade
        shares = min(left, book[order + O_LEAVES])
        left -= shares
        recorded = find(shadow, order_id)
        if recorded != 0:
            shadow[recorded + O_TAG] = book[order + O_ID]
        book_shares(state, book[order + O_ID], A_TAKEN, shares)
        n = hit(book, out, n, ts_ns, order_id, 0, order, book[level + L_PRICE], shares, left, F_ON_ENTRY)
    return n, left


@typed_kernel(ARENA, ARENA, OUTCOMES, *[INT] * 7)
def rest(
    book: Arena, state: Arena, out: Records, n: int, ts_ns: int,
    order_id: int, side: int, price_e4: int, size: int, flags: int,
) -> int:  # fmt: skip
    """Put a tape's order into our book; a full book is counted and said."""
    full = join(book, order_id, side, price_e4, size, 0)
    if full == ADDED:
        return report(out, n, RESTED, ts_ns, order_id, 0, side, price_e4, size, size, 0, flags)
    state[T_REFUSED] += 1
    why = full_reason(book, full)
    return report(out, n, REJECTED, ts_ns, order_id, 0, side, price_e4, size, 0, why, flags)


@lean_kernel
def addition(
    book: Arena, shadow: Arena, state: Arena, events: Records, at: int, out: Records, n: int
) -> int:  # fmt: skip
    """Replay an ADD; return the number of outcomes."""
    if apply_one(shadow, events, at) != 0:
        state[T_ANOMALIES] += 1
        return n
    event = events[at]
    ts_ns, order_id, side, price_e4 = event.ts_ns, event.order_id, event.side, event.price_e4
    n = purge(book, shadow, state, out, n, ts_ns)
    if find(book, order_id) != 0:
        state[T_ANOMALIES] += 1  # an id used again while its residual still stands
        return n
    n, left = meet_ours(book, shadow, state, out, n, ts_ns, order_id, side, price_e4, int(event.size))
    if left == 0:
        return n
    flags = F_REVEALED if event.flags & REVEAL else 0
    return rest(book, state, out, n, ts_ns, order_id, side, price_e4, left, flags)


@lean_kernel
def withdrawal(
    book: Arena, shadow: Arena, state: Arena, events: Records, at: int, out: Records, n: int
) -> int:  # fmt: skip
    """Replay a CANCEL or DELETE; what of it falls on shares that are gone is void."""
    order_id = events[at].order_id
    recorded = find(shadow, order_id)
    before = shadow[recorded + O_LEAVES] if recorded != 0 else 0
    culprit = shadow[recorded + O_TAG] if recorded != 0 else 0
    if apply_one(shadow, events, at) != 0:
        state[T_ANOMALIES] += 1
    if recorded == 0:
        return n
    event = events[at]
    after = find(shadow, order_id)
    size = before - (shadow[after + O_LEAVES] if after != 0 else 0)
    order = find(book, order_id)
    leaves = book[order + O_LEAVES] if order != 0 else 0
    if size > leaves:
        book_shares(state, culprit, A_VOIDED, size - leaves)
    if order == 0:
        return n
    shares = leaves if after == 0 else min(size, leaves)
    if shares == 0:
        return n
    why = WHY_CONCEALED if event.flags & CONCEAL else WHY_USER
    return cut(book, out, n, event.ts_ns, order, shares, why)


@lean_kernel
def replacement(
    book: Arena, shadow: Arena, state: Arena, events: Records, at: int, out: Records, n: int
) -> int:  # fmt: skip
    """Replay a REPLACE: the old order leaves, the new one joins less what was taken of the old."""
    event = events[at]
    ts_ns, old_id, new_id, price_e4 = event.ts_ns, event.order_id, event.new_id, event.price_e4
    recorded = find(shadow, old_id)
    before = shadow[recorded + O_LEAVES] if recorded != 0 else 0
    culprit = shadow[recorded + O_TAG] if recorded != 0 else 0
    refused = apply_one(shadow, events, at)
    if refused != 0:
        state[T_ANOMALIES] += 1
    if recorded == 0:
        return n
    side = events[at].side
    n = purge(book, shadow, state, out, n, ts_ns)
    order = find(book, old_id)
    leaves = book[order + O_LEAVES] if order != 0 else 0
    gone = max(0, before - leaves)
    size = 0 if refused != 0 else max(0, int(event.size) - gone)
    book_shares(state, culprit, A_VOIDED, min(int(event.size), gone))
    joined = find(shadow, new_id)
    if joined != 0 and gone > 0:
        shadow[joined + O_TAG] = culprit
    if order != 0 and size == 0:
        return cut(book, out, n, ts_ns, order, leaves, WHY_USER)
    if size == 0:
        return n
    if order == 0:
        n, left = meet_ours(book, shadow, state, out, n, ts_ns, new_id, side, price_e4, size)
        return n if left == 0 else rest(book, state, out, n, ts_ns, new_id, side, price_e4, left, 0)
    leave(book, order)
    row = n
    n = report(out, n, REPLACED, ts_ns, new_id, 0, side, price_e4, size, size, 0, 0)
    out[row].resting_id = old_id
    out[row].resting_leaves = leaves
    n, left = meet_ours(book, shadow, state, out, n, ts_ns, new_id, side, price_e4, size)
    if left == 0:
        return n
    n = rest(book, state, out, n, ts_ns, new_id, side, price_e4, left, 0)
    if n == row + 2 and out[row + 1].kind == RESTED:
        out[row].flags = F_RESTING  # it met nobody: one public replacement, not a deletion and an addition
        n -= 1
    return n


# --- trading states -------------------------------------------------------------------------------
@lean_kernel
def owned_in(book: Arena, level: int) -> int:
    """Return the first owned order of a level, 0 where there is none."""
    order = book[level + L_HEAD] if book[level + L_OWNED] > 0 else 0
    while order != 0 and book[order + O_OWNER] == 0:
        order = book[order + O_NEXT]
    return order


@lean_kernel
def state_change(
    book: Arena, shadow: Arena, state: Arena, events: Records, at: int, out: Records, n: int
) -> int:  # fmt: skip
    """Replay a HALT event; at re-opening orders of ours that stand crossed are cancelled."""
    event = events[at]
    apply_one(shadow, events, at)
    book[H_TRADING] = shadow[H_TRADING]
    n = report(out, n, STATE, event.ts_ns, 0, 0, 0, 0, 0, 0, event.code, 0)
    while book[H_TRADING] == 1 and book[H_OWNED] > 0:
        bid, ask = best_level(book, 0), best_level(book, 1)
        if bid == 0 or ask == 0 or book[bid + L_PRICE] < book[ask + L_PRICE]:
            break
        order = owned_in(book, bid)
        if order == 0:
            order = owned_in(book, ask)
        if order == 0:
            break
        state[T_REOPENING_CANCELS] += 1
        n = cut(book, out, n, event.ts_ns, order, book[order + O_LEAVES], WHY_HALTED)
    return n


@lean_kernel
def replay_one(
    book: Arena, shadow: Arena, state: Arena, events: Records, at: int, out: Records, n: int
) -> int:  # fmt: skip
    """Replay one event; return the number of outcomes."""
    kind = events[at].kind
    ts_ns = events[at].ts_ns
    if executes(kind):
        if at >= state[T_GROUP_END]:
            open_group(shadow, state, events, at)
        if kind == HIDDEN:
            n = printed(book, state, events, at, out, n)
        else:
            n = execution(book, shadow, state, events, at, out, n)
        if at + 1 >= state[T_GROUP_END]:
            n = purge(book, shadow, state, out, n, ts_ns)
        return n
    if kind == ADD:
        return addition(book, shadow, state, events, at, out, n)
    if kind == REPLACE:
        n = replacement(book, shadow, state, events, at, out, n)
    elif kind in (CANCEL, DELETE):
        n = withdrawal(book, shadow, state, events, at, out, n)
    elif kind == CROSS:
        return printed(book, state, events, at, out, n)
    elif kind == HALT:
        return state_change(book, shadow, state, events, at, out, n)
    return purge(book, shadow, state, out, n, ts_ns)


@lean_kernel
def replay(
    book: Arena, shadow: Arena, state: Arena, events: Records, until_ns: int, out: Records
) -> tuple[int, bool]:  # fmt: skip
    """Replay what is due; return the number of outcomes and whether the buffer stopped it early."""
    n: Any = np.int64(0)  # typed: from a literal everything below would compile twice
    drain_taken(book, shadow, state)
    at = state[T_NEXT]
    while at < events.shape[0] and events[at].ts_ns <= until_ns:
        if out.shape[0] - n < book[H_ORDERS] + OUTCOMES_MARGIN:
            return n, True
        n = replay_one(book, shadow, state, events, at, out, n)
        at += 1
        state[T_NEXT] = at
    return n, False
