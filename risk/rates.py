"""Counts over sliding windows: send times, equal orders, own order prices, repeated faults.

A ring of send times, never a token bucket: a bucket of 10 with 10 a second lets 19 through in one
second. Each ring is as long as its limit, so memory is bounded by the limits file.
"""

from collections import deque

SECOND_NS = 1_000_000_000
EQUAL_KEYS_MAX = 4_096  # distinct orders remembered; far more than a duplicate window can hold
INSTANTS_MAX = 65_536  # more than any limit on a rate; a flood of refusals costs no more memory


class Ring:
    """Instants within a window, oldest first."""

    __slots__ = ("_times", "window_ns")

    def __init__(self, window_ns: int) -> None:
        self.window_ns = window_ns
        self._times: deque[int] = deque(maxlen=INSTANTS_MAX)

    def count(self, now_ns: int) -> int:
        """Return how many instants lie less than a window back."""
        times = self._times
        while times and not 0 <= now_ns - times[0] < self.window_ns:
            times.popleft()  # too old, or of before a reboot, when the clock began anew
        return len(times)

    def peek(self, now_ns: int) -> int:
        """Return the same and change nothing: for those who only look."""
        return self.within(now_ns, self.window_ns)

    def within(self, now_ns: int, window_ns: int) -> int:
        """Return how many lie less than a shorter window back."""
        return sum(1 for t in self._times if 0 <= now_ns - t < window_ns)

    def add(self, now_ns: int) -> None:
        """Note an instant."""
        self._times.append(now_ns)

    def state(self) -> list[int]:
        """Return the instants, for the state hash."""
        return list(self._times)


class Prices:
    """Quantity and value within a window: own orders of a symbol and side (R05), own fills (R15, R25)."""

    __slots__ = ("_orders", "qty", "value_e4", "window_ns")

    def __init__(self, window_ns: int) -> None:
        self.window_ns = window_ns
        self.qty = self.value_e4 = 0
        self._orders: deque[tuple[int, int, int]] = deque()

    def expire(self, now_ns: int) -> None:
        """Forget what is older than the window."""
        while self._orders and now_ns - self._orders[0][0] >= self.window_ns:
            _, qty, value_e4 = self._orders.popleft()
            self.qty -= qty
            self.value_e4 -= value_e4

    def add(self, now_ns: int, qty: int, price_e4: int) -> None:
        """Note an order that was approved."""
        self.add_value(now_ns, qty, qty * price_e4)

    def add_value(self, now_ns: int, qty: int, value_e4: int) -> None:
        """Note shares and what they are worth together."""
        self._orders.append((now_ns, qty, value_e4))
        self.qty += qty
        self.value_e4 += value_e4


class Rates:
    """Every count that the overlay keeps."""

    def __init__(self, start_mono_ns: int) -> None:
        self.start_mono_ns = start_mono_ns
        self.speed = 1.0
        self.sent = Ring(SECOND_NS)
        self.sent_symbol: dict[str, Ring] = {}
        self.equal: dict[tuple[str, str, int, int], Ring] = {}
        self.prices: dict[tuple[str, str], Prices] = {}
        self.faults: dict[str, Ring] = {}

    def scaled(self, per_second: int) -> int:
        """Return a rate limit at the speed of this run (1 outside of paper)."""
        return per_second if self.speed <= 1 else int(per_second * self.speed)

    def sent_of(self, ring: Ring | None, mono_ns: int, limit: int) -> int:
        """Return messages of the last second in a ring, which counts as full for a second after a start."""
        if 0 <= mono_ns - self.start_mono_ns < SECOND_NS:
            return limit
        return ring.count(mono_ns) if ring is not None else 0

    def note_sent(self, symbol: str, mono_ns: int) -> None:
        """A new order or a replace of that symbol was just counted, and is about to leave."""
        ring = self.sent_symbol.get(symbol)
        if ring is None:
            ring = self.sent_symbol[symbol] = Ring(SECOND_NS)
        ring.add(mono_ns)

    def equal_orders(self, key: tuple[str, str, int, int], ts_ns: int) -> int:
        """Return equal orders within the duplicate window."""
        ring = self.equal.get(key)
        return ring.count(ts_ns) if ring is not None else 0

    def note_order(self, key: tuple[str, str, int, int], ts_ns: int, window_ns: int) -> None:
        """Remember an order, just counted, for the duplicate window."""
        ring = self.equal.get(key)
        if ring is None:
            if len(self.equal) >= EQUAL_KEYS_MAX:
                self.equal = {k: r for k, r in self.equal.items() if r.count(ts_ns)}
            ring = self.equal[key] = Ring(window_ns)
        ring.add(ts_ns)

    def own_prices(self, symbol: str, side: str, window_ns: int) -> Prices:
        """Return the own orders of a symbol and side over a window."""
        found = self.prices.get((symbol, side))
        if found is None:
            found = self.prices[(symbol, side)] = Prices(window_ns)
        return found

    def fault(self, control: str, now_ns: int, window_ns: int) -> int:
        """Note one more fault of a control and return how many lie in its window."""
        ring = self.faults.get(control)
        if ring is None:
            ring = self.faults[control] = Ring(window_ns)
        ring.count(now_ns)
        ring.add(now_ns)
        return ring.count(now_ns)

    def state(self) -> list[object]:
        """Return everything, for the state hash."""
        return [
            self.start_mono_ns,
            self.speed,
            self.sent.state(),
            [(k, r.state()) for k, r in sorted(self.sent_symbol.items())],
            [(k, r.state()) for k, r in sorted(self.equal.items())],
            [(k, p.qty, p.value_e4) for k, p in sorted(self.prices.items())],
            [(k, r.state()) for k, r in sorted(self.faults.items())],
        ]
