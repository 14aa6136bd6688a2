"""Latency, counted in a log-linear histogram: 32 steps per doubling, so any quantile is within 3.2 %."""

from typing import Final

STEPS_BITS: Final = 5
STEPS: Final = 1 << STEPS_BITS
DOUBLINGS: Final = 40  # from 1 ns to 9 minutes
BUCKETS: Final = STEPS * (DOUBLINGS + 1)


class Latency:
    """Durations in ns."""

    __slots__ = ("_counts", "count", "worst_ns")

    def __init__(self) -> None:
        self._counts = [0] * BUCKETS
        self.count = 0
        self.worst_ns = 0

    def observe(self, duration_ns: int) -> None:
        """Count one."""
        ns = duration_ns if duration_ns > 0 else 1
        shift = ns.bit_length() - STEPS_BITS - 1
        index = (shift << STEPS_BITS) + (ns >> shift) if shift > 0 else ns
        self._counts[index if index < BUCKETS else -1] += 1
        self.count += 1
        if ns > self.worst_ns:
            self.worst_ns = ns

    def quantile_ns(self, share: float) -> int:
        """Return the upper edge of the bucket that holds a quantile, 0 when nothing was counted."""
        wanted = share * self.count
        seen = 0
        for index, n in enumerate(self._counts):
            seen += n
            if n and seen >= wanted:
                return min(self.worst_ns, upper_ns(index))
        return 0

    def summary_us(self) -> dict[str, float | int]:
        """Return p50, p99, p999 in microseconds, and the count."""
        return {
            "p50": self.quantile_ns(0.5) / 1e3,
            "p99": self.quantile_ns(0.99) / 1e3,
            "p999": self.quantile_ns(0.999) / 1e3,
            "count": self.count,
        }


def upper_ns(index: int) -> int:
    """Return the largest duration of a bucket."""
    if index < 2 * STEPS:
        return index
    shift = (index >> STEPS_BITS) - 1
    return (((index & (STEPS - 1)) + STEPS + 1) << shift) - 1
