"""One symbol as the trader holds it: its book, its memory, and its day."""

from collections.abc import Iterator
from datetime import date, time
from typing import Any, Final

from numpy.typing import NDArray

from market.book import OrderBook
from market.book_events import Kind
from market.instruments import Instrument
from market.types import Symbol
from policies import scripted, state

MIDNIGHT: Final = time()


class Market:
    """One symbol: its book and its memory."""

    __slots__ = (
        "_day",
        "_session",
        "anomalies",
        "book",
        "builder",
        "instrument",
        "levels",
        "locate",
        "midnight_ns",
        "moved",
        "touch",
    )

    def __init__(self, instrument: Instrument, book: OrderBook) -> None:
        self.instrument = instrument
        self.book = book
        self.builder = state.StateBuilder(instrument)
        self.locate = -1
        self.anomalies = 0
        self.touch = (0, 0)
        self.moved = False  # the last batch moved the touch
        self.levels: list[list[int]] | None = None  # others' levels, None = to be looked up
        self._day: date | None = None
        self._session = (0, 0)
        self.midnight_ns = 0  # of the day's start in the instrument's zone; 0 = not known yet

    def session(self, now_ns: int) -> tuple[int, int]:
        """Return the open and close of the day; a trader runs within one day of its feed."""
        if self._day is None:
            self._day = self.instrument.day_of(now_ns)
            self._session = self.instrument.session(self._day)
            self.midnight_ns = self.instrument.at(self._day, MIDNIGHT)
        return self._session

    def apply(self, batch: NDArray[Any]) -> None:
        """Take events of this symbol into book and memory."""
        self.anomalies += self.book.apply(batch)
        self.builder.observe(batch)
        self.levels = None
        touch = self.builder.bid_ask_e4
        self.moved, self.touch = touch != self.touch, touch

    @property
    def unfit(self) -> str:
        """Return why nothing is decided for this symbol, "" where it is fit."""
        bid_e4, ask_e4 = self.touch
        if bid_e4 >= ask_e4 > 0:
            return f"the book is {'locked' if bid_e4 == ask_e4 else 'crossed'}"
        return "" if self.book.trading else "not trading"

    def forget_book(self) -> None:
        """A snapshot begins: the book is empty, our own orders in it are to be found again."""
        self.book.clear()
        self.builder.forget_book()
        self.anomalies, self.levels = 0, None

    def quote(self) -> scripted.Quote:
        """Return the market that a script's prices speak of."""
        bid_e4, ask_e4 = self.touch
        tick_e4 = self.instrument.tick_e4(bid_e4)
        return scripted.Quote(bid_e4, ask_e4, self.builder.last_price_e4, tick_e4)


def shared_out(markets: dict[Symbol, Market], batch: NDArray[Any]) -> Iterator[tuple[Market, NDArray[Any]]]:
    """Yield each market that a mixed batch speaks of, with its rows; a circuit breaker speaks of all."""
    for row in batch[batch["kind"] == Kind.DIRECTORY]:
        name = (int(row["new_id"]) & (2**64 - 1)).to_bytes(8, "big").decode("ascii", "replace").rstrip()
        named = markets.get(Symbol(name))
        if named is not None:
            named.locate = int(row["locate"])
    of_all = batch["kind"] == Kind.BREAKER
    for market in markets.values():
        rows = batch[(batch["locate"] == market.locate) | of_all]
        if len(rows):
            yield market, rows
