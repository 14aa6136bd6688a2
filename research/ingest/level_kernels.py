"""Kernel: depth diffs (absolute sizes by level) and trades into messages about anonymous orders.

Leaves: arrays in, arrays out. The rules are told in `research.ingest.binance`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.kernels import kernel

K_ADD, K_CANCEL, K_DELETE, K_EXECUTE, K_HIDDEN = 1, 2, 3, 4, 5
REVEALED = 1  # code of an ADD of what stood there before: full_depth flags it
SEARCH_MAX = 64  # newest orders of a level among which one of exactly the cancelled size is looked for
TS, KIND, ORDER, SIZE, PRICE, SIDE, CODE, SEQ = range(8)
FIELDS = 8
LEFT, NEXT, PREV, NAME = 0, 1, 2, 3
HEAD, TAIL, TOTAL, TOLD, SEEN, TAKEN = 0, 1, 2, 3, 4, 5  # TOLD: the size that the feed says
LEVEL_FIELDS = 6
(ROWS, ORDERS, LIVE, TOUCHED, BEST_BID, BEST_ASK) = range(6)
(MATCHED, REFILLED, UNMATCHED, UNMATCHED_TRADES, CLEARED, RESTORED, UNKNOWN, REVEALS) = range(6, 14)
COUNTERS = 14
TOUCHED_MAX = 4_096  # levels that the trades between two diffs can touch


class Levels(NamedTuple):
    """Both sides of the book: index 0 the bid, 1 the ask; levels are numbered by price."""

    orders: NDArray[np.int64]  # [orders, 4]
    levels: NDArray[np.int64]  # [2, prices, LEVEL_FIELDS]
    prices: NDArray[np.int64]  # ascending
    counters: NDArray[np.int64]
    touched: NDArray[np.int64]  # [TOUCHED_MAX, 2]: levels that trades changed since the last diff
    out: NDArray[np.int64]  # [rows, FIELDS]


@kernel
def write(
    b: Levels, ts_ns: int, kind: int, order: int, size: int, level: int, side: int, code: int, seq: int
) -> None:
    """Write one message row."""
    row = b.counters[ROWS]
    b.out[row, TS], b.out[row, KIND], b.out[row, ORDER], b.out[row, SIZE] = ts_ns, kind, order, size
    b.out[row, PRICE], b.out[row, SIDE] = b.prices[level], 1 if side == 0 else -1
    b.out[row, CODE], b.out[row, SEQ] = code, seq
    b.counters[ROWS] = row + 1


@kernel
def join(b: Levels, ts_ns: int, side: int, level: int, size: int, code: int, seq: int) -> None:
    """Add an anonymous order at the end of a level's queue."""
    order = b.counters[ORDERS]
    b.counters[ORDERS] = order + 1
    b.counters[LIVE] += 1
    tail = b.levels[side, level, TAIL]
    b.orders[order, LEFT], b.orders[order, NEXT], b.orders[order, PREV] = size, -1, tail
    if tail >= 0:
        b.orders[tail, NEXT] = order
    else:
        b.levels[side, level, HEAD] = order
    b.levels[side, level, TAIL] = order
    b.levels[side, level, TOTAL] += size
    best = BEST_BID if side == 0 else BEST_ASK
    if (side == 0 and level > b.counters[best]) or (side == 1 and level < b.counters[best]):
        b.counters[best] = level
    write(b, ts_ns, K_ADD, order, size, level, side, code, seq)


@kernel
def shrink(b: Levels, ts_ns: int, kind: int, side: int, level: int, order: int, size: int, seq: int) -> None:
    """Take a size off an order; an empty one leaves its queue, an empty level the book."""
    whole = size == b.orders[order, LEFT]
    told = K_DELETE if kind == K_CANCEL and whole else kind
    write(b, ts_ns, told, order, size, level, side, 0, seq)
    b.orders[order, LEFT] -= size
    b.levels[side, level, TOTAL] -= size
    if not whole:
        return
    b.counters[LIVE] -= 1
    prior, later = b.orders[order, PREV], b.orders[order, NEXT]
    if prior >= 0:
        b.orders[prior, NEXT] = later
    else:
        b.levels[side, level, HEAD] = later
    if later >= 0:
        b.orders[later, PREV] = prior
    else:
        b.levels[side, level, TAIL] = prior
    best, step = (BEST_BID, -1) if side == 0 else (BEST_ASK, 1)
    while 0 <= b.counters[best] < b.prices.size and b.levels[side, b.counters[best], TOTAL] == 0:
        b.counters[best] += step


@kernel
def cancel(b: Levels, ts_ns: int, side: int, level: int, size: int, seq: int) -> None:
    """Cancel a size: the newest order of exactly that size, or else from the newest backwards."""
    order, looked = b.levels[side, level, TAIL], 0
    while order >= 0 and looked < SEARCH_MAX:
        if b.orders[order, LEFT] == size:
            shrink(b, ts_ns, K_CANCEL, side, level, order, size, seq)
            return
        order, looked = b.orders[order, PREV], looked + 1
    while size > 0:
        order = b.levels[side, level, TAIL]
        part = min(size, b.orders[order, LEFT])
        shrink(b, ts_ns, K_CANCEL, side, level, order, part, seq)
        size -= part


@kernel
def execute(b: Levels, ts_ns: int, side: int, level: int, size: int, seq: int) -> int:
    """Let a trade take what the level shows, oldest first; return what it could not find."""
    while size > 0 and b.levels[side, level, TOTAL] > 0:
        order = b.levels[side, level, HEAD]
        part = min(size, b.orders[order, LEFT])
        shrink(b, ts_ns, K_EXECUTE, side, level, order, part, seq)
        size -= part
    return size


@kernel
def touch(b: Levels, side: int, level: int) -> bool:
    """Remember a level that a trade changed; false where there is no room to."""
    n = b.counters[TOUCHED]
    if n >= len(b.touched):
        return False
    b.touched[n, 0], b.touched[n, 1] = side, level
    b.counters[TOUCHED] = n + 1
    return True


@kernel
def clear_better(b: Levels, ts_ns: int, side: int, level: int, seq: int) -> None:
    """A trade at a level proves that nothing better stands on its side any more."""
    best = BEST_BID if side == 0 else BEST_ASK
    while (side == 0 and b.counters[best] > level) or (side == 1 and b.counters[best] < level):
        better = b.counters[best]
        if not touch(b, side, better):
            return
        b.counters[CLEARED] += b.levels[side, better, TOTAL]
        while b.levels[side, better, TOTAL] > 0:
            order = b.levels[side, better, TAIL]
            shrink(b, ts_ns, K_CANCEL, side, better, order, b.orders[order, LEFT], seq)


@kernel
def trade(b: Levels, ts_ns: int, side: int, level: int, size: int, seq: int) -> None:
    """Play a trade against the book; what the book does not show goes out as a print."""
    left = size
    if b.levels[side, level, TOTAL] > 0 and touch(b, side, level):
        clear_better(b, ts_ns, side, level, seq)
        left = execute(b, ts_ns, side, level, size, seq)
        b.levels[side, level, TAKEN] += size - left
    if left > 0:
        write(b, ts_ns, K_HIDDEN, -1, left, level, side, 0, seq)
        b.counters[UNMATCHED] += left
        b.counters[UNMATCHED_TRADES] += 1


@kernel
def settle(b: Levels, ts_ns: int, side: int, level: int, code: int, seq: int) -> None:
    """Add what a level lacks of the size that the feed tells; book what trades took off it."""
    lacks = b.levels[side, level, TOLD] - b.levels[side, level, TOTAL]
    taken = b.levels[side, level, TAKEN]
    b.levels[side, level, TAKEN] = 0
    refilled = min(taken, max(0, lacks))
    b.counters[REFILLED] += refilled
    b.counters[MATCHED] += taken - refilled
    if lacks > 0:
        join(b, ts_ns, side, level, lacks, code, seq)


@kernel
def stand(b: Levels, rows: NDArray[np.int64], ts_ns: int) -> None:
    """Put up the levels of a snapshot; columns as in `play`."""
    for row in range(len(rows)):
        side, level, size, _ = rows[row]
        b.levels[side, level, TOLD] = size
        b.levels[side, level, SEEN] = 1
        join(b, ts_ns, side, level, size, REVEALED, 0)


@kernel
def apply(b: Levels, ts_ns: int, rows: NDArray[np.int64], begin: int, end: int) -> None:
    """Bring the levels of one diff to their sizes: first what shrinks, then what grows."""
    for row in range(begin, end):
        side, level, size, _ = rows[row]
        b.levels[side, level, TOLD] = size
        if b.levels[side, level, TOTAL] > size:
            cancel(b, ts_ns, side, level, b.levels[side, level, TOTAL] - size, row + 1)
    for row in range(begin, end):
        side, level, size, known = rows[row]
        fresh = known == 0 and b.levels[side, level, SEEN] == 0
        b.levels[side, level, SEEN] = 1
        b.counters[UNKNOWN] += fresh and size == 0
        b.counters[REVEALS] += fresh and size > 0
        settle(b, ts_ns, side, level, REVEALED if fresh else 0, row + 1)
    for n in range(b.counters[TOUCHED]):  # the feed names no level whose size came back
        side, level = b.touched[n]
        if b.levels[side, level, TAKEN] == 0:
            b.counters[RESTORED] += b.levels[side, level, TOLD] - b.levels[side, level, TOTAL]
        settle(b, ts_ns, side, level, 0, end)
    b.counters[TOUCHED] = 0


@kernel
def play(
    b: Levels,
    batches: NDArray[np.int64],  # [batches, 3]: first row, row after the last, time
    rows: NDArray[np.int64],  # [rows, 4]: side, level, size, 1 where the snapshot would have shown it
    trades: NDArray[np.int64],  # [trades, 4]: time, side, level, size
    tops: NDArray[np.int64],  # [batches, 4]: bid, its size, ask, its size after each batch
    first: int,
    last: int,
    at: int,
) -> tuple[int, int]:
    """Play batches [first, last) while there is room; return the next batch and the next trade."""
    for n in range(first, last):
        begin, end, ts_ns = batches[n]
        due = at
        while due < len(trades) and trades[due, 0] <= ts_ns:
            due += 1
        orders = end - begin + TOUCHED_MAX  # what this batch may add; each order ends at most once
        events = b.counters[LIVE] + 2 * orders + 2 * (end - begin) + 3 * (due - at)
        if b.counters[ORDERS] + orders > len(b.orders) or b.counters[ROWS] + events > len(b.out):
            return n, at
        for i in range(at, due):
            when, side, level, size = trades[i]
            trade(b, when, side, level, size, begin + 1)
        at = due
        apply(b, ts_ns, rows, begin, end)
        for side in range(2):
            best = b.counters[BEST_BID + side]
            if 0 <= best < b.prices.size:
                tops[n, 2 * side] = b.prices[best]
                tops[n, 2 * side + 1] = b.levels[side, best, TOTAL]
    return last, at
