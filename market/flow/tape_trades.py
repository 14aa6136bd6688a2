"""Kernels of the replay for what the tape traded: rebuilt aggressors, hidden prints, crosses.

The rules are those of `market.flow.tape`.
"""

from market.book_apply import EXECUTE_PRICE, apply_one
from market.book_events import Kind
from market.book_kernels import best_level, find
from market.book_layout import (
    H_LEVELS,
    H_MATCH_ID,
    H_OWNED,
    H_SIDES,
    H_TRADING,
    L_HEAD,
    L_OWNED,
    L_PRICE,
    L_SIDE,
    O_ID,
    O_LEAVES,
    O_LEVEL,
    O_NEXT,
    O_OWNER,
    O_TAG,
    PAIR_WORDS,
    Arena,
    Records,
)
from market.flow.tape_residuals import keep_residual, ours_ahead
from market.flow.tape_state import (
    A_DISPLACED,
    A_HIDDEN,
    A_VOIDED,
    T_ANOMALIES,
    T_EXECUTIONS,
    T_GROUP_KEY,
    T_OFF_FIFO,
    book_shares,
)
from market.kernel_types import ARENA, INT, OUTCOMES
from market.kernels import lean_kernel, typed_kernel
from market.matching_events import Outcome, OutcomeFlag
from market.outcome_kernels import hit, report

HIDDEN, CROSS, PRINT = int(Kind.HIDDEN), int(Kind.CROSS), int(Outcome.PRINT)
F_HIDDEN, F_CROSS = int(OutcomeFlag.HIDDEN), int(OutcomeFlag.CROSS)
F_OFF_FIFO, F_ON_ENTRY = int(OutcomeFlag.OFF_FIFO), int(OutcomeFlag.ON_ENTRY)


@lean_kernel
def aggress(
    book: Arena, shadow: Arena, state: Arena, out: Records, n: int, ts_ns: int,
    order_id: int, side: int, size: int, price_e4: int, flags: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Match one recorded execution again; return outcomes, shares left and which of ours changed it."""
    left = size
    cause = 0
    order = find(book, order_id)
    while left > 0:
        halted = book[H_TRADING] == 0
        direct = order != 0 and (halted or book[H_OWNED] == 0 or not ours_ahead(book, order))
        target = order
        price_hit_e4 = price_e4
        if not direct:
            level = best_level(book, (1 - side) >> 1)
            if halted or level == 0 or side * book[level + L_PRICE] < state[T_GROUP_KEY]:
                break
            target = book[level + L_HEAD]
            price_hit_e4 = book[level + L_PRICE]
        shares = min(left, book[target + O_LEAVES])
        left -= shares
        if book[target + O_OWNER] > 0:
            cause = book[target + O_ID]
            book_shares(state, cause, A_DISPLACED, shares)
        elif not direct and target != order:
            cause = stand_in(book, shadow, target, order_id, cause)
        if target == order and shares == book[order + O_LEAVES]:
            order = 0
        n = hit(book, out, n, ts_ns, 0, 0, target, price_hit_e4, shares, left, flags)
    return n, left, cause


@lean_kernel
def stand_in(book: Arena, shadow: Arena, target: int, order_id: int, cause: int) -> int:
    """Note why `target` is hit in the place of a recorded order; return the order of ours behind it."""
    if book[target + O_TAG] > 0:
        return book[target + O_TAG]  # type: ignore[no-any-return]
    recorded = find(shadow, order_id)
    culprit = shadow[recorded + O_TAG] if recorded != 0 else 0
    mine = find(shadow, book[target + O_ID])
    if mine != 0 and culprit > 0 and shadow[mine + O_TAG] == 0:
        shadow[mine + O_TAG] = culprit
    return cause if culprit == 0 else culprit


@lean_kernel
def execution(
    book: Arena, shadow: Arena, state: Arena, events: Records, at: int, out: Records, n: int
) -> int:  # fmt: skip
    """Replay an EXECUTE or EXECUTE_PRICE; return the number of outcomes."""
    event = events[at]
    recorded = find(shadow, event.order_id)
    if recorded == 0 or event.size == 0:
        state[T_ANOMALIES] += 1
        apply_one(shadow, events, at)
        return n
    level = shadow[recorded + O_LEVEL]
    side = shadow[level + L_SIDE]
    size = min(event.size, shadow[recorded + O_LEAVES])
    price_e4 = event.price_e4 if event.kind == EXECUTE_PRICE else shadow[level + L_PRICE]
    flags = F_ON_ENTRY
    state[T_EXECUTIONS] += 1
    if shadow[level + L_HEAD] != recorded or best_level(shadow, (1 - side) >> 1) != level:
        state[T_OFF_FIFO] += 1
        flags |= F_OFF_FIFO
    culprit = shadow[recorded + O_TAG]
    n, left, cause = aggress(
        book, shadow, state, out, n, event.ts_ns, event.order_id, side, size, price_e4, flags
    )
    if left > 0:
        book_shares(state, culprit, A_VOIDED, left)
    if apply_one(shadow, events, at) != 0:
        state[T_ANOMALIES] += 1
    return keep_residual(book, shadow, state, out, n, event.ts_ns, event.order_id, cause)


@typed_kernel(ARENA, ARENA, OUTCOMES, *[INT] * 5)
def hidden_fills(
    book: Arena, state: Arena, out: Records, n: int, ts_ns: int, side: int, price_e4: int, size: int
) -> tuple[int, int]:  # fmt: skip
    """Fill ours that stand before a hidden order at `price_e4`; return outcomes and shares left to print."""
    left = size
    side_index = (1 - side) >> 1
    rank = book[H_LEVELS + side_index]
    while rank > 0 and left > 0:
        level = book[book[H_SIDES + side_index] + rank * PAIR_WORDS - 1]
        rank -= 1
        ahead = side * (book[level + L_PRICE] - price_e4)
        if ahead < 0:
            break
        order = book[level + L_HEAD] if book[level + L_OWNED] > 0 else 0
        while order != 0 and left > 0:
            after = book[order + O_NEXT]
            if book[order + O_OWNER] > 0:
                shares = min(left, book[order + O_LEAVES])
                left -= shares
                book_shares(state, book[order + O_ID], A_HIDDEN, shares)
                n = hit(book, out, n, ts_ns, 0, 0, order, book[level + L_PRICE], shares, left, F_HIDDEN)
            elif ahead == 0:
                break  # a displayed order has the better claim, and the tape says that it was not hit
            order = after
    return n, left


@lean_kernel
def printed(book: Arena, state: Arena, events: Records, at: int, out: Records, n: int) -> int:
    """Replay a HIDDEN print or a CROSS; return the number of outcomes."""
    event = events[at]
    left = int(event.size)
    flags = F_CROSS if event.kind == CROSS else F_HIDDEN
    if event.kind == HIDDEN and book[H_TRADING] == 1 and book[H_OWNED] > 0:
        for side in (1, -1):
            if event.side in (side, 0):
                n, left = hidden_fills(book, state, out, n, event.ts_ns, side, event.price_e4, left)
    if left > 0:
        n = report(out, n, PRINT, event.ts_ns, 0, 0, event.side, event.price_e4, left, 0, 0, flags)
        book[H_MATCH_ID] += 1
        out[n - 1].match_id = book[H_MATCH_ID]
    return n
