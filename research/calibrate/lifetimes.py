"""Lifetimes of limit orders as a mixture of exponentials, by expectation and maximisation.

Hazards are shared, shares differ by the cell in which an order was placed. A life that a trade or the edge
of the recording ended is cut short and counts as such.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.flow.calibration import CELLS_MAX, CLASSES
from research.calibrate.exposures import AGE_FIRST_NS, AGES

ROUNDS = 300
FIRST_HAZARDS = (30.0, 0.5, 0.01)  # fleeting, short, long; where the search begins
SHARE_PRIOR = 2.0  # orders' worth of the pooled shares that a cell begins with
HAZARD_MOST = (
    10.0  # what is gone sooner is not there for anybody who decides by the second, and costs strikes
)


class Lifetimes(NamedTuple):
    """The fit."""

    hazards: NDArray[np.float64]  # [class] per second
    shares: NDArray[np.float64]  # [cell][class]
    orders: int


def fit(lives: NDArray[np.int64]) -> Lifetimes:
    """Fit rows of (cell, age in ns, 1 = cancelled)."""
    cell, cancelled = lives[:, 0], lives[:, 2].astype(np.float64)
    age = np.maximum(lives[:, 1] / 1e9, 1e-6)
    hazards = np.array(FIRST_HAZARDS)
    shares = np.full((CELLS_MAX, CLASSES), 1.0 / CLASSES)
    for _ in range(ROUNDS):
        log = np.log(shares[cell]) + cancelled[:, None] * np.log(hazards) - age[:, None] * hazards
        log -= log.max(axis=1, keepdims=True)
        part = np.exp(log)
        part /= part.sum(axis=1, keepdims=True)
        ended, lived = part.T @ cancelled, part.T @ age
        hazards = np.clip(ended / np.maximum(lived, 1e-9), 1e-6, HAZARD_MOST)
        pooled = part.mean(axis=0)
        sums = np.zeros((CELLS_MAX, CLASSES))
        np.add.at(sums, cell, part)
        shares = sums + SHARE_PRIOR * pooled
        shares = np.maximum(shares / shares.sum(axis=1, keepdims=True), 1e-9)
    order = np.argsort(-hazards)
    return Lifetimes(hazards[order], shares[:, order], len(lives))


def by_age(found: Lifetimes) -> NDArray[np.float64]:
    """Return the hazard by cell and bin of age: classes that die early are gone later."""
    middle = AGE_FIRST_NS * 1e-9 * np.sqrt(2.0) ** (np.arange(AGES) - 0.5)
    alive = found.shares[:, None, :] * np.exp(-middle[None, :, None] * found.hazards)
    total = np.maximum(alive.sum(axis=2), 1e-300)
    hazard: NDArray[np.float64] = (alive * found.hazards).sum(axis=2) / total
    return np.where(alive.sum(axis=2) > 1e-280, hazard, found.hazards[-1])
