"""Kernels of the replay that compare our book with the tape's own: who stands ahead, what outlived its fill.

The shadow is the tape's own book, untouched by us: it says how many shares the tape leaves an order and where
the tape's touch is.
"""

from market.book_apply import EXECUTE, EXECUTE_PRICE
from market.book_events import Kind
from market.book_kernels import best_level, find, leave, reduce
from market.book_layout import (
    H_LEVELS,
    H_SIDES,
    L_OWNED,
    L_PRICE,
    L_SIDE,
    O_ID,
    O_LEAVES,
    O_LEVEL,
    O_OWNER,
    O_PREV,
    O_TAG,
    PAIR_WORDS,
    Arena,
    Records,
)
from market.flow.tape_state import (
    A_PURGED,
    RESIDUALS_AT,
    RESIDUALS_MAX,
    T_GROUP_END,
    T_GROUP_KEY,
    T_RESIDUALS,
    T_RESIDUALS_FULL,
    book_shares,
)
from market.kernel_types import ARENA, INT, OUTCOMES
from market.kernels import lean_kernel, typed_kernel
from market.matching_events import Outcome, OutcomeFlag, Why
from market.outcome_kernels import report

HIDDEN = int(Kind.HIDDEN)
CANCELED = int(Outcome.CANCELED)
F_RESTING = int(OutcomeFlag.RESTING)
WHY_PURGED = int(Why.PURGED)
UNATTRIBUTED = -1  # tag of a residual of which no order of ours is known to be the cause


# --- who stands where -----------------------------------------------------------------------------
@lean_kernel
def ours_ahead(book: Arena, order: int) -> bool:
    """Say whether an owned order would be hit before this one."""
    level = book[order + O_LEVEL]
    side_index = (1 - book[level + L_SIDE]) >> 1
    start = book[H_SIDES + side_index]
    for at in range(book[H_LEVELS + side_index], 0, -1):
        better = book[start + at * PAIR_WORDS - 1]
        if better == level:
            break
        if book[better + L_OWNED] > 0:
            return True
    if book[level + L_OWNED] == 0:
        return False
    before = book[order + O_PREV]
    while before != 0:
        if book[before + O_OWNER] > 0:
            return True
        before = book[before + O_PREV]
    return False


@lean_kernel
def side_of(shadow: Arena, events: Records, at: int) -> int:
    """Return the resting side of an execution or hidden print, 0 where it is not known."""
    if events[at].side != 0 or events[at].kind == HIDDEN:
        return events[at].side  # type: ignore[no-any-return]
    order = find(shadow, events[at].order_id)
    if order == 0:
        return 0
    return shadow[shadow[order + O_LEVEL] + L_SIDE]  # type: ignore[no-any-return]


@lean_kernel
def executes(kind: int) -> bool:
    """Say whether an event is a part of an aggressor."""
    return kind in (EXECUTE, EXECUTE_PRICE, HIDDEN)


@lean_kernel
def open_group(shadow: Arena, state: Arena, events: Records, at: int) -> None:
    """Find the end and the worst price of the aggressor whose first execution is `at`."""
    side = side_of(shadow, events, at)
    ts_ns = events[at].ts_ns
    worst = 1 << 62
    end = at
    while end < events.shape[0] and executes(events[end].kind):
        side_here = side_of(shadow, events, end)
        unsided = side_here == 0 and events[end].kind == HIDDEN  # a feed's print does not say its side
        if events[end].ts_ns != ts_ns or (side_here != side and not unsided):
            break
        order = 0 if events[end].kind == HIDDEN else find(shadow, events[end].order_id)
        price_e4 = events[end].price_e4 if order == 0 else shadow[shadow[order + O_LEVEL] + L_PRICE]
        worst = min(worst, side * price_e4)
        end += 1
    state[T_GROUP_END] = max(end, at + 1)
    state[T_GROUP_KEY] = worst


# --- residuals ------------------------------------------------------------------------------------
@typed_kernel(ARENA, OUTCOMES, *[INT] * 5)
def cut(
    book: Arena, out: Records, n: int, ts_ns: int, order: int, size: int, why: int
) -> int:  # fmt: skip
    """Take `size` > 0 shares off a resting order as a cancel; return the number of outcomes."""
    level = book[order + O_LEVEL]
    left = book[order + O_LEAVES] - size
    n = report(
        out, n, CANCELED, ts_ns, book[order + O_ID], book[order + O_OWNER], book[level + L_SIDE],
        book[level + L_PRICE], size, left, why, F_RESTING,
    )  # fmt: skip
    if left == 0:
        leave(book, order)
    else:
        reduce(book, order, size)
    return n


@lean_kernel
def purge(book: Arena, shadow: Arena, state: Arena, out: Records, n: int, ts_ns: int) -> int:
    """Take residuals off the book where the tape's touch has left their price; return outcomes."""
    at = 0
    while at < state[T_RESIDUALS]:
        order = find(book, state[RESIDUALS_AT + at])
        if order != 0:
            recorded = find(shadow, state[RESIDUALS_AT + at])
            excess = book[order + O_LEAVES] - (shadow[recorded + O_LEAVES] if recorded != 0 else 0)
            level = book[order + O_LEVEL]
            touch = best_level(shadow, (1 - book[level + L_SIDE]) >> 1)
            if excess > 0 and touch != 0 and shadow[touch + L_PRICE] == book[level + L_PRICE]:
                at += 1
                continue
            if excess > 0:
                book_shares(state, book[order + O_TAG], A_PURGED, excess)
                book[order + O_TAG] = 0
                n = cut(book, out, n, ts_ns, order, excess, WHY_PURGED)
            else:
                book[order + O_TAG] = 0
        state[T_RESIDUALS] -= 1
        state[RESIDUALS_AT + at] = state[RESIDUALS_AT + state[T_RESIDUALS]]
    return n


@lean_kernel
def keep_residual(
    book: Arena, shadow: Arena, state: Arena, out: Records, n: int, ts_ns: int, order_id: int, cause: int
) -> int:  # fmt: skip
    """List an order that has more shares here than on the tape (cut it where the list is full)."""
    order = find(book, order_id)
    if order == 0 or book[order + O_TAG] != 0:
        return n
    recorded = find(shadow, order_id)
    excess = book[order + O_LEAVES] - (shadow[recorded + O_LEAVES] if recorded != 0 else 0)
    if excess <= 0:
        return n
    if state[T_RESIDUALS] == RESIDUALS_MAX:
        state[T_RESIDUALS_FULL] += 1
        book_shares(state, cause, A_PURGED, excess)
        return cut(book, out, n, ts_ns, order, excess, WHY_PURGED)
    book[order + O_TAG] = cause if cause != 0 else UNATTRIBUTED
    state[RESIDUALS_AT + state[T_RESIDUALS]] = order_id
    state[T_RESIDUALS] += 1
    return n
