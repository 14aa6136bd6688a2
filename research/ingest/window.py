"""Rebuilds the visible window of an L-level recording, order by order, and checks it row by row.

A LOBSTER file shows only what happens inside the best L levels. So a level that leaves them is
forgotten (its orders leave by DELETEs flagged CONCEAL), and a level that comes into sight is taken
from the recorded row as one anonymous order of its size (an ADD flagged REVEAL). Ids that were never
added belong to the anonymous order of their level, which stands at the head of its queue.

Every row is compared with the recorded one. What differs is counted as a mismatch, and then mended
at the window's edge (flagged CONCEAL and REVEAL too), so that one bad row does not spoil the rest.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.kernels import kernel

# Columns of a level, of an order, and of the counters.
KEY, SIZE, HEAD, TAIL = 0, 1, 2, 3
NEXT, PREV, LEFT, EID, DENSE, PRICE = 0, 1, 2, 3, 4, 5
(FREE, FREE_N, ANON, OUT, LIVE, CONCEALS, REVEALS, OFF_FIFO, ROW_BREAKS, LEVEL_HITS, EVENT_BREAKS) = range(11)
(REPAIRS, CROSSED, EMPTY, FIRST_BREAK, MAPPED, BAD_ROW, BAD_WHY) = range(11, 18)
COUNTERS = 18

ANONYMOUS_FROM = 2**39  # ids of anonymous orders; source ids lie below, orders of our own at 2**40
NO_PRICE = 9_999_999_999  # LOBSTER's dummy of an empty level, with the side's sign

# What makes a recorded book row unreadable.
BAD_ORDER, BAD_SIZE, BAD_GAP = 1, 2, 3
SIZE_MAX = 2**32 - 1  # shares travel as 32 bits unsigned on the ITCH wire

# Kinds and flags of market.book_events as plain numbers, for the kernels.
K_ADD, K_CANCEL, K_DELETE, K_EXECUTE, K_HIDDEN, K_CROSS, K_HALT = 1, 2, 3, 4, 5, 6, 7
F_REVEAL, F_CONCEAL, F_OFF_FIFO = 1, 2, 8


class Window(NamedTuple):
    """The state of the rebuilt window; index 0 of a side is the bid, 1 the ask, levels best first."""

    levels: NDArray[np.int64]  # [2, L + 2, 4]
    counts: NDArray[np.int64]  # [2]
    orders: NDArray[np.int64]  # [slots, 6]; the free ones are chained by NEXT
    slot_of: NDArray[np.int64]  # by dense source id; -1 = not in the window
    used: NDArray[np.uint8]  # by dense source id; 1 = its id went out already
    ids: NDArray[np.int64]  # by dense source id; the id to write
    counters: NDArray[np.int64]
    out: NDArray[np.void]  # MARKET_EVENT


class Rows(NamedTuple):
    """Messages as columns, all of one length."""

    ts_ns: NDArray[np.int64]
    kind: NDArray[np.int64]
    dense: NDArray[np.int64]
    size: NDArray[np.int64]
    price_e4: NDArray[np.int64]
    direction: NDArray[np.int64]
    code: NDArray[np.int64]


@kernel
def emit(
    w: Window, rows: Rows, row: int, kind: int, flags: int, side: int, eid: int, size: int, price: int
) -> None:
    """Write one event at the time of a row."""
    at = w.counters[OUT]
    event = w.out[at]
    event.ts_ns = rows.ts_ns[row]
    event.order_id = eid
    event.price_e4 = price
    event.size = size
    event.flags = flags
    event.kind = kind
    event.side = 1 if side == 0 else -1
    event.code = rows.code[row]
    event.seq_lo = row + 1
    w.counters[OUT] = at + 1


@kernel
def find_level(w: Window, side: int, price: int) -> int:
    """Return the index of the level, or minus one less than where it would stand."""
    key = -price if side == 0 else price
    n = int(w.counts[side])
    for i in range(n):
        if w.levels[side, i, KEY] == key:
            return i
        if w.levels[side, i, KEY] > key:
            return -i - 1
    return -n - 1


@kernel
def drop_level(w: Window, side: int, i: int) -> None:
    """Take an empty level out."""
    n = w.counts[side]
    for j in range(i, n - 1):
        for f in range(4):
            w.levels[side, j, f] = w.levels[side, j + 1, f]
    w.counts[side] = n - 1


@kernel
def join(w: Window, side: int, price: int, size: int, eid: int, dense: int) -> None:
    """Put an order at the end of its level's queue; make the level where there is none."""
    i = find_level(w, side, price)
    if i < 0:
        i = -i - 1
        for j in range(w.counts[side], i, -1):
            for f in range(4):
                w.levels[side, j, f] = w.levels[side, j - 1, f]
        w.levels[side, i, KEY] = -price if side == 0 else price
        w.levels[side, i, SIZE] = 0
        w.levels[side, i, HEAD] = -1
        w.levels[side, i, TAIL] = -1
        w.counts[side] += 1
    slot = w.counters[FREE]
    w.counters[FREE] = w.orders[slot, NEXT]
    w.counters[FREE_N] -= 1
    w.counters[LIVE] += 1
    tail = w.levels[side, i, TAIL]
    w.orders[slot, NEXT] = -1
    w.orders[slot, PREV] = tail
    w.orders[slot, LEFT] = size
    w.orders[slot, EID] = eid
    w.orders[slot, DENSE] = dense
    w.orders[slot, PRICE] = price
    if tail >= 0:
        w.orders[tail, NEXT] = slot
    else:
        w.levels[side, i, HEAD] = slot
    w.levels[side, i, TAIL] = slot
    w.levels[side, i, SIZE] += size
    if dense >= 0:
        w.slot_of[dense] = slot


@kernel
def take(w: Window, side: int, i: int, slot: int, size: int) -> None:
    """Take shares off an order of level i; it leaves at zero, and so does its level."""
    w.orders[slot, LEFT] -= size
    w.levels[side, i, SIZE] -= size
    if w.orders[slot, LEFT] > 0:
        return
    after = w.orders[slot, NEXT]
    before = w.orders[slot, PREV]
    if before >= 0:
        w.orders[before, NEXT] = after
    else:
        w.levels[side, i, HEAD] = after
    if after >= 0:
        w.orders[after, PREV] = before
    else:
        w.levels[side, i, TAIL] = before
    if w.orders[slot, DENSE] >= 0:
        w.slot_of[w.orders[slot, DENSE]] = -1
    w.orders[slot, NEXT] = w.counters[FREE]
    w.counters[FREE] = slot
    w.counters[FREE_N] += 1
    w.counters[LIVE] -= 1
    if w.levels[side, i, HEAD] < 0:
        drop_level(w, side, i)


@kernel
def anonymous(w: Window) -> int:
    """Return the next id of an anonymous order."""
    w.counters[ANON] += 1
    return ANONYMOUS_FROM + int(w.counters[ANON])


@kernel
def conceal(w: Window, rows: Rows, row: int, side: int, i: int) -> int:
    """Forget a level: its orders leave, flagged; return how many."""
    gone = 0
    price = abs(w.levels[side, i, KEY])
    left = w.levels[side, i, SIZE]
    while left > 0:
        slot = w.levels[side, i, HEAD]
        size = w.orders[slot, LEFT]
        emit(w, rows, row, K_DELETE, F_CONCEAL, side, w.orders[slot, EID], size, price)
        left -= size
        gone += 1
        take(w, side, i, slot, size)
    return gone


@kernel
def reveal(w: Window, rows: Rows, row: int, side: int, price: int, size: int) -> None:
    """Take a level that came into sight from the recorded row, as one anonymous order."""
    eid = anonymous(w)
    join(w, side, price, size, eid, -1)
    emit(w, rows, row, K_ADD, F_REVEAL, side, eid, size, price)


@kernel
def target(w: Window, side: int, i: int, dense: int, price: int) -> int:
    """Return the slot that a message is about: its own order, or the anonymous one of its level."""
    slot = int(w.slot_of[dense])
    if slot >= 0 and w.orders[slot, PRICE] == price:
        return slot
    head = int(w.levels[side, i, HEAD])
    if w.orders[head, DENSE] < 0:
        w.counters[MAPPED] += 1
        return head
    return -1


@kernel
def add(w: Window, rows: Rows, row: int, side: int) -> None:
    """Apply a new order; a level pushed beyond the window is forgotten."""
    dense = rows.dense[row]
    eid = w.ids[dense]
    if w.used[dense]:  # an id that comes twice cannot go out twice
        eid = anonymous(w)
        w.counters[EVENT_BREAKS] += 1 if w.slot_of[dense] >= 0 else 0
    w.used[dense] = 1
    if w.slot_of[dense] >= 0:
        w.orders[w.slot_of[dense], DENSE] = -1
    join(w, side, rows.price_e4[row], rows.size[row], eid, dense)
    emit(w, rows, row, K_ADD, 0, side, eid, rows.size[row], rows.price_e4[row])
    if w.counts[side] > w.levels.shape[1] - 2:
        conceal(w, rows, row, side, w.counts[side] - 1)
        w.counters[CONCEALS] += 1


@kernel
def reduce(w: Window, rows: Rows, row: int, side: int, kind: int) -> None:
    """Apply a cancel, delete or visible execution."""
    price = rows.price_e4[row]
    size = rows.size[row]
    i = find_level(w, side, price)
    slot = target(w, side, i, rows.dense[row], price) if i >= 0 else -1
    if slot < 0:
        w.counters[EVENT_BREAKS] += 1
        return
    left = w.orders[slot, LEFT]
    named = w.orders[slot, DENSE] >= 0
    if size > left or (named and kind == K_DELETE and size != left):
        w.counters[EVENT_BREAKS] += 1
        size = left
    flags = 0
    if kind == K_EXECUTE and w.levels[side, i, HEAD] != slot:
        flags = F_OFF_FIFO
        w.counters[OFF_FIFO] += 1
    if kind == K_DELETE and size < left:
        kind = K_CANCEL  # one of the orders inside an anonymous one
    elif kind == K_CANCEL and size == left:
        kind = K_DELETE
    emit(w, rows, row, kind, flags, side, w.orders[slot, EID], size, price)
    take(w, side, i, slot, size)


@kernel
def check_row(w: Window, book: NDArray[np.int64], b: int) -> int:
    """Say what is wrong with a recorded row, 0 = nothing; count empty and crossed books."""
    depth = w.levels.shape[1] - 2
    for side in range(2):
        shift = 2 if side == 0 else 0
        last = -(2**62)
        ended = False
        for k in range(depth):
            price, size = book[b, 4 * k + shift], book[b, 4 * k + shift + 1]
            if abs(price) == NO_PRICE and size == 0:
                ended = True
                continue
            if ended:
                return BAD_GAP
            key = -price if side == 0 else price
            if price <= 0 or key <= last:
                return BAD_ORDER
            if size <= 0 or size > SIZE_MAX:
                return BAD_SIZE
            last = key
    if book[b, 1] == 0 or book[b, 3] == 0:
        w.counters[EMPTY] += 1
    elif book[b, 0] <= book[b, 2]:
        w.counters[CROSSED] += 1
    return 0


@kernel
def compare(w: Window, rows: Rows, row: int, book: NDArray[np.int64], b: int) -> None:
    """Compare the window with the recorded row; count what differs and mend it."""
    depth = w.levels.shape[1] - 2
    wrong = False
    for side in range(2):
        shift = 2 if side == 0 else 0
        hits = 0
        for k in range(depth):
            price, size = book[b, 4 * k + shift], book[b, 4 * k + shift + 1]
            if k >= w.counts[side]:
                hits += 1 if size == 0 else 0
            elif abs(w.levels[side, k, KEY]) == price and w.levels[side, k, SIZE] == size:
                hits += 1
        w.counters[LEVEL_HITS] += hits
        if hits == depth:
            continue
        wrong = True
        for k in range(w.counts[side] - 1, -1, -1):
            if not recorded_has(book, b, side, w.levels[side, k, KEY], w.levels[side, k, SIZE], depth):
                w.counters[REPAIRS] += conceal(w, rows, row, side, k)
        for k in range(depth):
            price, size = book[b, 4 * k + shift], book[b, 4 * k + shift + 1]
            if size > 0 and find_level(w, side, price) < 0:
                reveal(w, rows, row, side, price, size)
                w.counters[REPAIRS] += 1
    if wrong:
        w.counters[ROW_BREAKS] += 1
        if w.counters[FIRST_BREAK] == 0:
            w.counters[FIRST_BREAK] = row + 1


@kernel
def recorded_has(book: NDArray[np.int64], b: int, side: int, key: int, size: int, depth: int) -> bool:
    """Say whether the recorded row holds a level of this price and size."""
    shift = 2 if side == 0 else 0
    for k in range(depth):
        price = book[b, 4 * k + shift]
        if (-price if side == 0 else price) == key:
            return bool(book[b, 4 * k + shift + 1] == size)
    return False


@kernel
def play(w: Window, rows: Rows, first: int, last: int, book: NDArray[np.int64], book_from: int) -> int:
    """Apply rows [first, last), the book holding row `book_from` first; return the next row to do.

    Stops early where slots or room for events could run out in one row, and at an unreadable row.
    """
    depth = w.levels.shape[1] - 2
    for row in range(first, last):
        b = row - book_from
        if w.counters[OUT] + 2 * w.counters[LIVE] + 4 * depth + 8 > w.out.shape[0]:
            return row
        if w.counters[FREE_N] < 2 * depth + 4:
            return row
        why = check_row(w, book, b)
        if why:
            w.counters[BAD_ROW], w.counters[BAD_WHY] = row + 1, why
            return row
        kind = rows.kind[row]
        side = 0 if rows.direction[row] > 0 else 1
        if kind == K_ADD:
            add(w, rows, row, side)
        elif kind in (K_CANCEL, K_DELETE, K_EXECUTE):
            full = w.counts[side] == depth
            reduce(w, rows, row, side, kind)
            if full and w.counts[side] == depth - 1:
                shift = 2 if side == 0 else 0
                price, size = book[b, 4 * depth - 4 + shift], book[b, 4 * depth - 3 + shift]
                i = find_level(w, side, price)
                if size > 0 and i == -depth:
                    reveal(w, rows, row, side, price, size)
                    w.counters[REVEALS] += 1
        else:
            emit(w, rows, row, kind, 0, side, 0, rows.size[row], rows.price_e4[row])
        compare(w, rows, row, book, b)
    return last
