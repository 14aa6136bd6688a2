"""Whether an observation tells what has not happened yet.

A feature that was computed from the next instant is the next move of the mid, whatever it is called and
however it is scaled or clipped: their ranks agree. What a market honestly tells (the microprice of a book
whose tick is large, above all) stays far below HONEST_MOST. It is looked for in every cell that is played.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

HONEST_MOST: Final = (
    0.7  # correlation of ranks; the most that an honest feature had is 0.38 (microprice, large tick)
)
ROWS_MAX: Final = 4_096  # decisions of a cell that are looked at
ROWS_LEAST: Final = 200  # fewer agree by chance


class Foresight:
    """Observations of one contender in one cell, and how the mid moved after each."""

    def __init__(self) -> None:
        self._seen: list[NDArray[Any]] = []
        self._moves: list[NDArray[Any]] = []
        self._rows = 0

    def add(self, obs: NDArray[Any], side: NDArray[Any], move: NDArray[Any]) -> None:
        """Note decisions, the sides of their parents, and the moves that followed."""
        if self._rows < ROWS_MAX:
            self._seen.append(obs)
            self._moves.append(np.column_stack((move, side * move)))
            self._rows += len(obs)

    def most(self) -> tuple[float, int]:
        """Return the largest correlation of a feature with the next move, of either sign, and the feature."""
        if self._rows < ROWS_LEAST:
            return 0.0, 0
        seen, moves = (unit(np.concatenate(rows)) for rows in (self._seen, self._moves))
        found = np.abs(seen.T @ moves).max(axis=1)
        return float(found.max()), int(found.argmax())


def unit(columns: NDArray[Any]) -> NDArray[np.float64]:
    """Return the ranks of columns, without their mean, of length one; of what never changes, nothing."""
    ranks: NDArray[np.float64] = stats.rankdata(columns, axis=0)
    ranks = ranks - ranks.mean(axis=0)
    length = np.linalg.norm(ranks, axis=0)
    return ranks / np.where(length > 0.0, length, 1.0)
