"""Drives the window over a recording: the book before its first row, chunks of rows, events out.

The window's kernels never allocate; here its arrays are made, grown when a row might not fit, and
emptied into the store.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from market.book_events import MARKET_EVENT, Kind
from research.ingest import window as win
from research.ingest.window import Rows, Window

EVENTS_ROOM = 1 << 17  # events written at a time, 8 MiB
SLOTS_FIRST = 1 << 14  # orders in the window; doubled when they run out
SLOTS_MAX = 1 << 26  # no book holds that many orders
BOOK_WHY = {
    win.BAD_ORDER: "a level's price is not beyond the one before it",
    win.BAD_SIZE: "a level's size is not between 1 and 2^32 - 1",
    win.BAD_GAP: "a level follows an empty one",
}
Sink = Callable[[NDArray[np.void]], None]


class Rebuild:
    """A recording being replayed; `sink` takes the events as they come."""

    def __init__(self, rows: Rows, ids: NDArray[np.int64], levels: int, sink: Sink) -> None:
        self.rows = rows
        self.levels = levels
        self.window = empty_window(ids, levels)
        self.done = 0
        self.events = 0
        self.standing = 0
        self._sink = sink

    def play(self, book: NDArray[np.int64]) -> str:
        """Apply as many messages as there are recorded rows; return why the next row is unreadable, or ""."""
        first, last = self.done, self.done + len(book)
        if first == 0:
            self._stand(book[0])
        while self.done < last:
            self.done = int(win.play(self.window, self.rows, self.done, last, book, first))
            if self.count(win.BAD_ROW):
                return BOOK_WHY[self.count(win.BAD_WHY)]
            self._flush()
            self._make_room()
        return ""

    def count(self, counter: int) -> int:
        """Return one of the window's counters."""
        return int(self.window.counters[counter])

    def _stand(self, recorded: NDArray[np.int64]) -> None:
        """Put up the book before row 0: the recorded row with its message undone."""
        for side, shift in ((0, 2), (1, 0)):
            levels = {int(px): int(sz) for px, sz in recorded.reshape(-1, 4)[:, shift : shift + 2] if sz > 0}
            undo(levels, self.rows, 1 if side == 0 else -1)
            best_first = sorted(levels, reverse=side == 0)[: self.levels]
            for price in best_first:
                if 0 < levels[price] <= win.SIZE_MAX:
                    win.reveal(self.window, self.rows, 0, side, price, levels[price])
        self.standing = self.count(win.OUT)
        self.window.out["seq_lo"][: self.standing] = 0
        self.window.out["code"][: self.standing] = 0

    def _flush(self) -> None:
        out = self.count(win.OUT)
        self._sink(self.window.out[:out].copy())
        self.window.counters[win.OUT] = 0
        self.events += out

    def _make_room(self) -> None:
        """Grow what could run out in one row."""
        w = self.window
        if self.count(win.FREE_N) < 2 * self.levels + 4:
            have = len(w.orders)
            assert have < SLOTS_MAX, "more orders in the window than any book holds"
            w.counters[win.FREE_N] += have
            orders = np.concatenate([w.orders, chain(have, have, self.count(win.FREE))])
            w.counters[win.FREE] = have
            self.window = w = w._replace(orders=orders)
        if 2 * self.count(win.LIVE) + 4 * self.levels + 8 > len(w.out) // 2:
            self.window = w._replace(out=np.zeros(2 * len(w.out), MARKET_EVENT))


def undo(levels: dict[int, int], rows: Rows, direction: int) -> None:
    """Take the first message back out of a side of its book row."""
    if rows.direction[0] != direction:
        return
    price, size = int(rows.price_e4[0]), int(rows.size[0])
    if rows.kind[0] == Kind.ADD:
        levels[price] = levels.get(price, 0) - size
        if levels[price] <= 0:
            del levels[price]
    elif rows.kind[0] in (Kind.CANCEL, Kind.DELETE, Kind.EXECUTE):
        levels[price] = levels.get(price, 0) + size


def chain(slots: int, offset: int, then: int) -> NDArray[np.int64]:
    """Return free order slots, each pointing at the next, the last at `then`."""
    orders = np.full((slots, 6), -1, np.int64)
    orders[:, win.NEXT] = np.arange(offset + 1, offset + slots + 1)
    orders[-1, win.NEXT] = then
    return orders


def empty_window(ids: NDArray[np.int64], levels: int) -> Window:
    """Return a window that holds nothing."""
    counters = np.zeros(win.COUNTERS, np.int64)
    counters[win.FREE_N] = SLOTS_FIRST
    return Window(
        levels=np.zeros((2, levels + 2, 4), np.int64),
        counts=np.zeros(2, np.int64),
        orders=chain(SLOTS_FIRST, 0, -1),
        slot_of=np.full(len(ids), -1, np.int64),
        used=np.zeros(len(ids), np.uint8),
        ids=ids,
        counters=counters,
        out=np.zeros(EVENTS_ROOM, MARKET_EVENT),
    )
