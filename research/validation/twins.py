"""The agent-absent twin: the mid of each episode as it would have gone without us.

The same seeds in the same environment, without an order of ours. The mid is read on a grid of GRID_NS,
once for all contenders; between two instants of it the earlier one counts. The split of a shortfall is exact
whatever the grid, since the same M~ stands in two terms; the grid decides only how they share.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from research.environment import layout as e
from research.environment.scenarios import Scenario
from research.environment.vector import VectorEnv

GRID_NS: Final = 250_000_000
LANES_MAX: Final = 256  # environments side by side: some 130 MB of books


class Lanes:
    """Seeds laid out over environments that each play several in turn."""

    def __init__(self, seeds: NDArray[np.int64], count: int = 0) -> None:
        rows = len(seeds)
        self.count = count or min(LANES_MAX, rows)
        turns = -(-rows // self.count)
        padded = np.resize(seeds, self.count * turns)
        self.seeds: NDArray[np.int64] = np.ascontiguousarray(padded.reshape(turns, self.count).T)
        self.of_row = seeds
        self._turn = np.zeros(self.count, dtype=np.int64)
        self._left = rows

    def __len__(self) -> int:
        return len(self.of_row)

    @property
    def over(self) -> bool:
        """Whether every seed has been played."""
        return self._left == 0

    @property
    def rows(self) -> NDArray[np.int64]:
        """Return the row that each lane is at; beyond the last: nothing that is kept."""
        return self._turn * self.count + np.arange(self.count)

    @property
    def live(self) -> NDArray[np.bool_]:
        """Say which lanes play something that is kept."""
        return self.rows < len(self)

    def next(self, lane: int) -> int:
        """Return the row that a lane has just finished, -1 where nobody keeps it, and go on."""
        row = int(self._turn[lane]) * self.count + lane
        self._turn[lane] += 1
        if row >= len(self):
            return -1
        self._left -= 1
        return row


class Twin:
    """The mids of some episodes without us, on a grid from each one's start; bid + ask, 1e-4."""

    def __init__(self, mid2: NDArray[np.int32]) -> None:
        self.mid2 = mid2

    @property
    def arrival(self) -> NDArray[np.float64]:
        """Return the mids at the start."""
        return np.asarray(0.5 * self.mid2[:, 0], dtype=np.float64)

    def mid_at(self, row: int, after_ns: Any) -> NDArray[np.float64]:
        """Return the mid so long after a row's start."""
        at = np.minimum(np.maximum(after_ns, 0) // GRID_NS, self.mid2.shape[1] - 1)
        mids: NDArray[np.float64] = 0.5 * self.mid2[row, at]
        return mids


def twin(env: VectorEnv, scenario: Scenario, seeds: NDArray[np.int64]) -> Twin:
    """Play the markets of some seeds without us."""
    steps = int(scenario.parents.seconds[1]) * 1_000_000_000 // GRID_NS + 2
    mid2: NDArray[np.int32] = np.zeros((len(seeds), steps), dtype=np.int32)
    for first in range(0, len(seeds), env.envs):
        batch = np.resize(seeds[first : first + env.envs], env.envs).reshape(-1, 1)
        rows = min(env.envs, len(seeds) - first)
        env.listed(batch, np.zeros_like(batch))
        env.reset()
        head = env.world.head
        times = head[:, e.STARTED, None] + GRID_NS * np.arange(steps)[None, :] + 1
        times = np.minimum(times, head[:, e.ENDS, None] + 1)  # "just before": what stands at the instant
        found = env.twin_mids2(np.ascontiguousarray(times), np.full(env.envs, steps, dtype=np.int64))
        mid2[first : first + rows] = found[:rows]
    return Twin(mid2)
