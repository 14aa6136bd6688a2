"""OrderBook: one symbol's resting orders, order by order, in price-time order.

It is fed by batches and never matches: the feed says what happened. What cannot be true of it is
counted and flagged, never guessed at. All its state is one int64 array, `arena` (book_layout),
so kernels elsewhere read it without a Python call.
"""

import msgspec
import numpy as np
import numpy.typing as npt

from market import book_kernels
from market.book_apply import book_apply
from market.book_events import MARKET_EVENT
from market.book_layout import (
    H_DUPLICATE,
    H_EVENTS,
    H_INVALID,
    H_LEVELS_FULL,
    H_LEVELS_MAX,
    H_NOTICES,
    H_ORDERS,
    H_ORDERS_FULL,
    H_ORDERS_MAX,
    H_OVERSIZE,
    H_STOPS,
    H_TRADING,
    H_UNKNOWN,
    LEVELS_MAX,
    ORDERS_MAX,
    Arena,
    Records,
    new_arena,
)


class BookCounters(msgspec.Struct, frozen=True):
    """What has passed through a book, and what was wrong with it."""

    events: int
    unknown: int
    duplicate: int
    oversize: int
    invalid: int
    orders_full: int
    levels_full: int

    @property
    def anomalies(self) -> int:
        """Events that were not wholly true of the book."""
        return (
            self.unknown + self.duplicate + self.oversize + self.invalid + self.orders_full + self.levels_full
        )


class RestingOrder(msgspec.Struct, frozen=True):
    """One order of the book, as tests and tools see it."""

    side: int
    price_e4: int
    order_id: int
    leaves: int
    owner: int


class OrderBook:
    """A bounded order-by-order book; `arena` holds all of it."""

    __slots__ = ("arena",)

    def __init__(self, orders_max: int = ORDERS_MAX, levels_max: int = LEVELS_MAX) -> None:
        self.arena: Arena = new_arena(orders_max, levels_max)

    def apply(self, batch: Records) -> int:
        """Apply MARKET_EVENTs in order, complete them in place, return how many were anomalous."""
        return book_apply(self.arena, batch)

    def levels(self, depth: int) -> npt.NDArray[np.int64]:
        """Return rows bid price, bid size, ask price, ask size, best first, 0 where there is no level."""
        out = np.empty((4, depth), dtype=np.int64)
        book_kernels.levels_into(self.arena, out)
        return out

    @property
    def best_bid_e4(self) -> int:
        """The highest bid, 0 where there is none."""
        return book_kernels.best_e4(self.arena, 0)

    @property
    def best_ask_e4(self) -> int:
        """The lowest ask, 0 where there is none."""
        return book_kernels.best_e4(self.arena, 1)

    def size_at(self, side: int, price_e4: int) -> int:
        """Return the shares that rest at a price of a side (+1 buy, -1 sell)."""
        return book_kernels.size_at(self.arena, side, price_e4)

    def queue_ahead(self, order_id: int) -> int:
        """Return the shares before an order at its price, -1 where it does not rest here."""
        return book_kernels.queue_ahead(self.arena, order_id)

    def leaves(self, order_id: int) -> int:
        """Return the shares that an order has left, 0 where it does not rest here."""
        return book_kernels.leaves_of(self.arena, order_id)

    def orders(self) -> list[RestingOrder]:
        """Return all orders, bids first, each side in price-time order."""
        rows = np.empty((len(self), 5), dtype=np.int64)
        book_kernels.orders_into(self.arena, rows)
        return [RestingOrder(*row) for row in rows.tolist()]

    def state_hash(self) -> int:
        """Return a hash that is equal for equal books in price-time order, however they came to be."""
        return book_kernels.state_hash(self.arena)

    def clear(self) -> None:
        """Forget every order and counter; the capacities stay."""
        self.arena[:] = new_arena(int(self.arena[H_ORDERS_MAX]), int(self.arena[H_LEVELS_MAX]))

    def __len__(self) -> int:
        return int(self.arena[H_ORDERS])

    @property
    def trading(self) -> bool:
        """Whether the last trading state was T (or none was ever seen), and nothing else stops it."""
        return bool(self.arena[H_TRADING]) and not self.arena[H_STOPS]

    @property
    def notices(self) -> int:
        """How many NOTICE events came."""
        return int(self.arena[H_NOTICES])

    @property
    def counters(self) -> BookCounters:
        """What has passed through, and what was wrong with it."""
        words = (H_EVENTS, H_UNKNOWN, H_DUPLICATE, H_OVERSIZE, H_INVALID, H_ORDERS_FULL, H_LEVELS_FULL)
        return BookCounters(*(int(self.arena[word]) for word in words))


def warm() -> None:
    """Compile (or load) every kernel of the book, so that none compiles on the trading path."""
    book = OrderBook(orders_max=4, levels_max=4)
    book.apply(np.zeros(1, dtype=MARKET_EVENT))
    book.levels(1)
    book.size_at(1, 1)
    book.queue_ahead(1)
    book.leaves(1)
    book.orders()
    book.state_hash()
    assert book.best_bid_e4 == book.best_ask_e4 == 0
