"""Sums by block of time, and intervals by resampling blocks: what a day of one market can say, and no more.

Every number of a stream is a function of such sums, so that one resampling of blocks gives the interval of
all of them, dependence within a block kept.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]
Ints = NDArray[np.int64]

NS = 1_000_000_000
BLOCK_NS = 300 * NS  # five minutes
BLOCKS_LEAST = 10  # a shorter stream is cut into as many, and says so
RESAMPLES = 2_000
RESAMPLING_SEED = 20_120_621  # intervals are the same on every run
LEVEL = 0.95


def block_ns_of(begin_ns: int, end_ns: int) -> int:
    """Return the length of a block: five minutes, less where the stream has not ten of them."""
    return int(min(BLOCK_NS, (end_ns - begin_ns) // BLOCKS_LEAST))


class Blocks:
    """Named sums by block of time."""

    def __init__(self, begin_ns: int, end_ns: int, block_ns: int = 0) -> None:
        self.begin_ns = begin_ns
        self.block_ns = block_ns or block_ns_of(begin_ns, end_ns)
        self.count = max(1, int((end_ns - begin_ns) // self.block_ns))
        self.names: list[str] = []
        self._columns: list[Floats] = []

    def of(self, ts_ns: Ints) -> Ints:
        """Return the block of each instant; what lies after the last whole one belongs to it."""
        return np.clip((ts_ns - self.begin_ns) // self.block_ns, 0, self.count - 1)

    def add(self, name: str, ts_ns: Ints, values: NDArray[np.generic] | None = None) -> None:
        """Add the sums of values (counts without) under `name`, and the counts under `name.n`."""
        at = self.of(ts_ns)
        counts = np.bincount(at, minlength=self.count).astype(np.float64)
        if values is None:
            sums: Floats = counts
        else:
            sums = np.bincount(at, weights=values.astype(np.float64), minlength=self.count)
        for label, column in ((name, sums), (name + ".n", counts)):
            self.names.append(label)
            self._columns.append(column)

    def sums(self) -> Floats:
        """Return [blocks, names]."""
        return np.column_stack(self._columns) if self._columns else np.zeros((self.count, 0))


Numbers = Callable[[dict[str, float]], dict[str, float]]


def evaluate(sums: Floats, names: list[str], numbers: Numbers) -> dict[str, tuple[float, float, float]]:
    """Return each number's value and the interval that resampled blocks give it."""
    rng = np.random.default_rng(RESAMPLING_SEED)
    count = len(sums)
    value = numbers(dict(zip(names, sums.sum(axis=0), strict=True)))
    weights = rng.multinomial(count, np.full(count, 1.0 / count), size=RESAMPLES)
    drawn = weights @ sums
    rows = [numbers(dict(zip(names, row, strict=True))) for row in drawn.tolist()]
    result = {}
    for name, number in value.items():
        draws = np.array([row[name] for row in rows])
        low, high = interval(draws)
        result[name] = (number, low, high)
    return result


def interval(draws: Floats) -> tuple[float, float]:
    """Return the central interval of resampled values, not-a-number where none is finite."""
    draws = draws[np.isfinite(draws)]
    if not len(draws):
        return float("nan"), float("nan")
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(draws, [tail, 1.0 - tail])
    return float(low), float(high)


def ratio(sums: dict[str, float], name: str) -> float:
    """Return the mean under a name, not-a-number without observations."""
    count = sums[name + ".n"]
    return sums[name] / count if count else float("nan")
