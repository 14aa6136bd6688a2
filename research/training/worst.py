"""The level beyond which an episode counts among the worst: what CVaR needs to know of the costs of late.

Rockafellar and Uryasev (2000): the mean of the worst share of costs is the least value, over all levels, of
level + E max(0, cost - level) / share, and the level where it is least is the quantile. So the level follows
the costs of the episodes played last, and the last reward of an episode is changed by `rewarding.tail`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from research.environment.rewarding import tail

KEPT: Final = 4_096  # episodes: the policy changes, and older ones are another's
LEAST: Final = 10  # of the worst, before there is a level; until then an episode counts for what it cost


class Worst:
    """Which episodes are the worst, of all that one process plays."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.costs: NDArray[np.float64] = np.zeros(0)

    def added(self, costs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what to add to the last rewards of episodes of these costs."""
        if len(self.costs) * self.share < LEAST:
            return np.zeros(len(costs))
        return tail(costs, float(np.quantile(self.costs, 1.0 - self.share)), self.share)

    def follow(self, costs: NDArray[np.float64]) -> None:
        """Take note of what the last episodes cost."""
        self.costs = np.concatenate((self.costs, costs))[-KEPT:]
