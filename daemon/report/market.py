"""What the market did during a run, from the bytes the venue published: touch, mid and volume at any time.

The book is rebuilt from `itch.bin`, so the mid before a fill is the exact one. Where that file is
missing or unreadable the venue's samples (one a second) stand in, and the report says so.
"""

import datetime as dt
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from gateways.feeds.itch import Decoder, Framing
from market.book import OrderBook
from market.book_events import MARKET_EVENT, Flag, Kind
from market.instruments import to_ns
from market.types import NS

BATCH: Final = 1 << 14
ITCH_BYTES_MAX: Final = 4 << 30  # the busiest day of a whole market is larger; a run has one symbol
PRINTS: Final = (Kind.EXECUTE, Kind.EXECUTE_PRICE, Kind.HIDDEN, Kind.CROSS)
FROM_BOOK: Final = "mid of the book rebuilt from itch.bin, just before the instant of the fill"
FROM_SAMPLES: Final = "mid of the venue's last one-second sample before the fill"

Ints = NDArray[np.int64]


class MarketView:
    """The touch over time, and cumulated volume."""

    def __init__(self, ts_ns: Ints, bid_e4: Ints, ask_e4: Ints, volume: Ints, basis: str) -> None:
        self.ts_ns, self.bid_e4, self.ask_e4 = ts_ns, bid_e4, ask_e4
        self._volume = np.concatenate([[0], volume]).astype(np.int64)
        self.basis = basis

    def mid_micros_before(self, ts_ns: int) -> int | None:
        """Return the mid that stood just before an instant; None where a side was empty."""
        at = int(np.searchsorted(self.ts_ns, ts_ns, side="left")) - 1
        if at < 0 or not self.bid_e4[at] or not self.ask_e4[at]:
            return None
        return (int(self.bid_e4[at]) + int(self.ask_e4[at])) * 50

    def volume(self, from_ns: int, to_ns: int) -> int:
        """Return the shares printed in [from_ns, to_ns], hidden ones included."""
        first = int(np.searchsorted(self.ts_ns, from_ns, side="left"))
        last = int(np.searchsorted(self.ts_ns, to_ns, side="right"))
        return int(self._volume[last] - self._volume[first]) if last > first else 0


def read(run: Path, facts: dict[str, Any], series: list[list[int]]) -> MarketView:
    """Return the market of a run from its published bytes, else from the venue's samples."""
    path = run / "itch.bin"
    if path.is_file() and 0 < path.stat().st_size <= ITCH_BYTES_MAX:
        view = from_itch(path.read_bytes(), midnight_ns(facts))
        if view is not None:
            return view
    return from_series(series)


def midnight_ns(facts: dict[str, Any]) -> int:
    """Return UTC ns of the run's midnight in its exchange's zone."""
    zone = ZoneInfo(facts.get("zone") or "America/New_York")
    first = dt.datetime.fromtimestamp(facts["window"][0] // NS, dt.UTC).astimezone(zone)
    return to_ns(first.replace(hour=0, minute=0, second=0, microsecond=0))


def from_itch(raw: bytes, midnight: int) -> MarketView | None:
    """Rebuild the book from length-prefixed ITCH messages; None where they cannot be read."""
    decoder, book = Decoder(midnight, framing=Framing.LENGTH), OrderBook()
    batch = np.zeros(BATCH, MARKET_EVENT)
    parts: list[NDArray[np.void]] = []
    rest = memoryview(raw)
    while len(rest):
        events, used = decoder.decode(rest, batch)
        if not used:
            return None
        rest = rest[used:]
        book.apply(batch[:events])
        parts.append(batch[:events][["ts_ns", "bid_e4", "ask_e4", "size", "kind", "flags"]].copy())
    if not parts or decoder.error:
        return None
    seen = np.concatenate(parts)
    printed = np.isin(seen["kind"], PRINTS) & ((seen["flags"] & Flag.NON_PRINTABLE) == 0)
    volume = np.cumsum(np.where(printed, seen["size"].astype(np.int64), 0))
    return MarketView(seen["ts_ns"].copy(), seen["bid_e4"].copy(), seen["ask_e4"].copy(), volume, FROM_BOOK)


def from_series(series: list[list[int]]) -> MarketView:
    """Take the venue's samples: time, bid, ask, last, volume so far."""
    table = np.array(series, np.int64).reshape(-1, 5)
    return MarketView(table[:, 0], table[:, 1], table[:, 2], table[:, 4], FROM_SAMPLES)
