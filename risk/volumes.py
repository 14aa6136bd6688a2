"""R15: others' volume within a window, from the day's volume that the reference line tells, less our own.

Prints are kept in buckets of a share of the window. What others traded leaves with the oldest print of its
bucket, what we traded with the youngest: both err to the side that allows less.
"""

from collections import deque
from typing import Final

from market.types import Symbol

BUCKETS: Final = 64  # of a window: memory is bounded however many prints there are


class Sums:
    """Quantity within a window, in buckets."""

    __slots__ = ("_parts", "_young", "qty")

    def __init__(self, young: bool) -> None:
        self._young = young  # a bucket is as young as its youngest print
        self._parts: deque[list[int]] = deque()  # begin, instant, quantity
        self.qty = 0

    def add(self, ts_ns: int, qty: int, window_ns: int) -> None:
        """Note a quantity."""
        parts = self._parts
        if parts and 0 <= ts_ns - parts[-1][0] < window_ns // BUCKETS:
            parts[-1][2] += qty
            if self._young:
                parts[-1][1] = ts_ns
        else:
            parts.append([ts_ns, ts_ns, qty])
            self.now(ts_ns, window_ns)  # where R15 is off nobody asks
        self.qty += qty

    def now(self, ts_ns: int, window_ns: int) -> int:
        """Return what lies within the window."""
        parts = self._parts
        while parts and ts_ns - parts[0][1] >= window_ns:
            self.qty -= parts.popleft()[2]
        return self.qty

    def state(self) -> list[list[int]]:
        """Return everything, for the state hash."""
        return [list(part) for part in self._parts]


class Volumes:
    """Of every symbol."""

    def __init__(self) -> None:
        self._printed: dict[Symbol, Sums] = {}
        self._own: dict[Symbol, Sums] = {}
        self._last: dict[Symbol, int] = {}

    def printed(self, symbol: Symbol, day_volume: int, ts_ns: int, window_ns: int) -> None:
        """Take the day's volume so far; what was printed before the first word of it is not counted."""
        last = self._last.get(symbol)
        self._last[symbol] = max(day_volume, last or 0)
        if last is not None and day_volume > last:
            self._printed.setdefault(symbol, Sums(young=False)).add(ts_ns, day_volume - last, window_ns)

    def traded(self, symbol: Symbol, qty: int, ts_ns: int, window_ns: int) -> None:
        """Note a fill of ours."""
        self._own.setdefault(symbol, Sums(young=True)).add(ts_ns, qty, window_ns)

    def own(self, symbol: Symbol, ts_ns: int, window_ns: int) -> int:
        """Return our own fills within the window."""
        found = self._own.get(symbol)
        return found.now(ts_ns, window_ns) if found is not None else 0

    def others(self, symbol: Symbol, ts_ns: int, window_ns: int) -> int:
        """Return what others traded within the window; 0 where nothing is known."""
        found = self._printed.get(symbol)
        if found is None:
            return 0
        return max(0, found.now(ts_ns, window_ns) - self.own(symbol, ts_ns, window_ns))

    def state(self) -> list[object]:
        """Return everything, for the state hash."""
        return [
            sorted(self._last.items()),
            [(s, v.state()) for s, v in sorted(self._printed.items())],
            [(s, v.state()) for s, v in sorted(self._own.items())],
        ]
