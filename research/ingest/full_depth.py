"""Plays a full-depth, order-by-order recording: no window, so nothing is revealed or forgotten.

Sizes are kept exactly, in the source's units; what goes out is whole size units of the instrument,
always the floor of what the order has left, so that a cut never adds up to an error. An order below
one unit is dust and is not shown. A venue that never sent the delete of an order leaves a locked or
crossed book: such an order is purged after `purge_ns`, as a DELETE flagged CONCEAL.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.kernels import kernel

# Kinds and flags of market.book_events and the first anonymous id, as plain numbers for the kernels.
K_ADD, K_CANCEL, K_DELETE, K_EXECUTE, K_EXECUTE_PRICE = 1, 2, 3, 4, 8
F_REVEAL, F_CONCEAL, F_NON_PRINTABLE, F_OFF_FIFO = 1, 2, 4, 8
REVEALED = 1  # the code of an order that stood there before the source told of it
NOT_PRINTED = ord("N")  # the code of an execution that a later cross reports
ANONYMOUS_FROM = 2**39

LEFT, SIDE, LEVEL, NEXT, PREV, EID, AGE = 0, 1, 2, 3, 4, 5, 6
ORDER_FIELDS = 7
(OUT, ANON, UNKNOWN, DUPLICATE, BREAKS, DUST, ROUNDED, OFF_FIFO, CROSSED, EMPTY, PURGED, CROSSED_NS) = range(
    12
)
COUNTERS = 12
RECEIVED = 0


class Depth(NamedTuple):
    """The state of a full book; index 0 of a side is the bid, 1 the ask; levels are numbered by price."""

    orders: NDArray[np.int64]  # [dense ids, ORDER_FIELDS]
    queues: NDArray[np.int64]  # [2, prices, 2]: head and tail
    best: NDArray[np.int64]  # [2], level numbers
    prices: NDArray[np.int64]  # ascending
    used: NDArray[np.uint8]  # by dense id
    ids: NDArray[np.int64]  # by dense id
    counters: NDArray[np.int64]
    out: NDArray[np.void]


class Feed(NamedTuple):
    """Messages as columns of one length; `level` is the number of the price, -1 where there is none."""

    ts_ns: NDArray[np.int64]
    kind: NDArray[np.int64]
    dense: NDArray[np.int64]
    size: NDArray[np.int64]
    level: NDArray[np.int64]
    direction: NDArray[np.int64]
    code: NDArray[np.int64]
    seq: NDArray[np.int64]  # the source's row


@kernel
def emit(d: Depth, feed: Feed, row: int, kind: int, flags: int, slot: int, size: int, seq: int) -> None:
    """Write one event of an order."""
    event = d.out[d.counters[OUT]]
    event.ts_ns = feed.ts_ns[row]
    event.order_id = d.orders[slot, EID]
    event.price_e4 = d.prices[d.orders[slot, LEVEL]]
    event.size = size
    event.flags = flags
    event.kind = kind
    event.side = 1 if d.orders[slot, SIDE] == 0 else -1
    event.code = 0
    event.seq_lo = seq
    d.counters[OUT] += 1


@kernel
def add(d: Depth, feed: Feed, row: int, unit: int, flags: int, seq: int) -> None:
    """Put an order at the end of its queue."""
    slot = feed.dense[row]
    if d.orders[slot, LEFT] > 0:
        d.counters[DUPLICATE] += 1
        return
    eid = d.ids[slot]
    if d.used[slot]:
        d.counters[ANON] += 1
        eid = ANONYMOUS_FROM + d.counters[ANON]
    d.used[slot] = 1
    side, level = 0 if feed.direction[row] > 0 else 1, feed.level[row]
    tail = d.queues[side, level, 1]
    d.orders[slot, LEFT], d.orders[slot, SIDE], d.orders[slot, LEVEL] = feed.size[row], side, level
    d.orders[slot, NEXT], d.orders[slot, PREV], d.orders[slot, EID] = -1, tail, eid
    d.orders[slot, AGE] = feed.ts_ns[row]
    if tail >= 0:
        d.orders[tail, NEXT] = slot
    else:
        d.queues[side, level, 0] = slot
    d.queues[side, level, 1] = slot
    if (side == 0 and level > d.best[0]) or (side == 1 and level < d.best[1]):
        d.best[side] = level
    shown = feed.size[row] // unit
    d.counters[ROUNDED] += 1 if feed.size[row] % unit else 0
    if shown > 0:
        emit(d, feed, row, K_ADD, flags, slot, shown, seq)
    else:
        d.counters[DUST] += 1


@kernel
def take(d: Depth, feed: Feed, row: int, kind: int, flags: int, slot: int, size: int, unit: int) -> None:
    """Take `size` source units off an order and show what that means in whole units."""
    left = d.orders[slot, LEFT]
    before, after = left // unit, (left - size) // unit
    if before > after:
        what = kind
        if kind in (K_CANCEL, K_DELETE):
            what = K_DELETE if after == 0 else K_CANCEL
        emit(d, feed, row, what, flags, slot, before - after, feed.seq[row])
        if kind == K_EXECUTE_PRICE:
            d.out[d.counters[OUT] - 1].price_e4 = d.prices[feed.level[row]]
    d.orders[slot, LEFT] = left - size
    if left > size:
        return
    side, level = d.orders[slot, SIDE], d.orders[slot, LEVEL]
    prior, later = d.orders[slot, PREV], d.orders[slot, NEXT]
    if prior >= 0:
        d.orders[prior, NEXT] = later
    else:
        d.queues[side, level, 0] = later
    if later >= 0:
        d.orders[later, PREV] = prior
    else:
        d.queues[side, level, 1] = prior
    while 0 <= d.best[side] < d.prices.size and d.queues[side, d.best[side], 0] < 0:
        d.best[side] += -1 if side == 0 else 1


@kernel
def reduce(d: Depth, feed: Feed, row: int, unit: int, absolute: bool) -> None:
    """Apply a cancel, delete or execution."""
    slot = feed.dense[row]
    kind, size, left = feed.kind[row], feed.size[row], d.orders[slot, LEFT]
    if left <= 0:
        d.counters[UNKNOWN] += 1
        return
    if kind == K_CANCEL and absolute:
        size = left - size
    if kind == K_DELETE:
        d.counters[BREAKS] += 1 if size > 0 and size != left else 0
        size = left
    if size < 0 or size > left:
        d.counters[BREAKS] += 1
        size = min(max(size, 0), left)
    if size == 0:
        return
    flags = 0
    executed = kind in (K_EXECUTE, K_EXECUTE_PRICE)
    if executed and d.queues[d.orders[slot, SIDE], d.orders[slot, LEVEL], 0] != slot:
        flags = F_OFF_FIFO
        d.counters[OFF_FIFO] += 1
    if executed and feed.code[row] == NOT_PRINTED:
        flags |= F_NON_PRINTABLE
    take(d, feed, row, kind, flags, slot, size, unit)


@kernel
def watch(d: Depth, feed: Feed, row: int, unit: int, purge_ns: int) -> None:
    """Count empty and crossed books; purge the older order where one stays crossed too long."""
    if d.best[0] < 0 or d.best[1] >= d.prices.size:
        d.counters[EMPTY] += 1
        d.counters[CROSSED_NS] = 0
        return
    if d.best[0] < d.best[1]:
        d.counters[CROSSED_NS] = 0
        return
    d.counters[CROSSED] += 1
    if d.counters[CROSSED_NS] == 0:
        d.counters[CROSSED_NS] = feed.ts_ns[row]
    if purge_ns == 0 or feed.ts_ns[row] - d.counters[CROSSED_NS] < purge_ns:
        return
    bid, ask = d.queues[0, d.best[0], 0], d.queues[1, d.best[1], 0]
    slot = bid if d.orders[bid, AGE] <= d.orders[ask, AGE] else ask
    take(d, feed, row, K_DELETE, F_CONCEAL, slot, d.orders[slot, LEFT], unit)
    d.counters[PURGED] += 1


@kernel
def top(d: Depth, out: NDArray[np.int64]) -> None:
    """Write the best levels as [side, level, (price, size)], exact sizes; what is not there stays 0."""
    for side in range(2):
        level, step, n = d.best[side], -1 if side == 0 else 1, 0
        while 0 <= level < d.prices.size and n < out.shape[1]:
            order = d.queues[side, level, 0]
            if order >= 0:
                out[side, n, 0] = d.prices[level]
                while order >= 0:
                    out[side, n, 1] += d.orders[order, LEFT]
                    order = d.orders[order, NEXT]
                n += 1
            level += step


@kernel
def stand(d: Depth, feed: Feed, unit: int) -> None:
    """Put up the orders of a snapshot, in its order."""
    for row in range(feed.kind.size):
        add(d, feed, row, unit, F_REVEAL, 0)


@kernel
def play(d: Depth, feed: Feed, first: int, last: int, unit: int, absolute: bool, purge_ns: int) -> int:
    """Apply rows [first, last); return the next row, earlier where the room for events is used up."""
    for row in range(first, last):
        if d.counters[OUT] + 2 > d.out.size:
            return row
        kind = feed.kind[row]
        if kind == K_ADD:
            add(d, feed, row, unit, F_REVEAL if feed.code[row] == REVEALED else 0, feed.seq[row])
        elif kind in (K_CANCEL, K_DELETE, K_EXECUTE, K_EXECUTE_PRICE):
            reduce(d, feed, row, unit, absolute)
        elif kind != RECEIVED:
            event = d.out[d.counters[OUT]]
            event.ts_ns, event.order_id, event.size = feed.ts_ns[row], 0, feed.size[row] // unit
            event.price_e4 = d.prices[feed.level[row]] if feed.level[row] >= 0 else 0
            event.flags, event.kind, event.code, event.seq_lo = 0, kind, feed.code[row], feed.seq[row]
            event.side = min(max(feed.direction[row], -1), 1)
            d.counters[OUT] += 1
        watch(d, feed, row, unit, purge_ns)
    return last
