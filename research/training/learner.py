"""What every learner has in common: its errors, its seeds, and what it offers to the training loop.

A learner owns its world. It is renewed at each checkpoint (new worlds, from a seed that follows from
the run's seed and the number of the renewal), in a run that goes on as in one that is resumed: so a
checkpoint needs no memory of books and a resumed run is the same run, bit for bit.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from research.worlds.world import Act, World

Tensors = dict[str, NDArray[Any]]
Numbers = dict[str, Any]
Make = Callable[[int], World]  # of a seed

SEED_BITS: Final = 62  # a seed of a world: positive in an int64, with room for what is added to it


class TrainingError(Exception):
    """A run that cannot go on: one line that says what is wrong and what to do."""


class UsageError(TrainingError):
    """What was asked makes no sense, or is not there: one line. The process exits with 2."""


class Learner(Protocol):
    """One of ours: `ppo.PPO`, `dqn.DQN`, `qlearning.QLearning`."""

    @property
    def steps(self) -> int:
        """Decisions taken so far, in all workers."""

    @property
    def episodes(self) -> int:
        """Episodes ended so far, in all workers."""

    def iterate(self) -> dict[str, float]:
        """Play and learn a little; return what a curve shows."""

    def greedy(self) -> Act:
        """Return the policy as it would be frozen now."""

    def renew(self) -> None:
        """Begin new worlds."""

    def save(self) -> tuple[Tensors, Numbers]:
        """Return everything that the run needs to go on."""

    def load(self, tensors: Tensors, numbers: Numbers) -> None:
        """Go on from what `save` returned."""

    def policy(self) -> Tensors:
        """Return the weights by the names of an artefact (empty where there is no network)."""


def world_seed(seed: int, renewal: int, rank: int = 0) -> int:
    """Return the seed of a worker's worlds after so many renewals; neighbours share nothing."""
    state = np.random.SeedSequence((seed, renewal, rank)).generate_state(1, np.uint64)
    return int(state[0]) >> (64 - SEED_BITS)


def finite(obs: NDArray[Any], rewards: NDArray[Any], steps: int) -> None:
    """Refuse observations and rewards that are not numbers.

    Raises:
        TrainingError: naming the feature, or the reward.

    """
    if not np.isfinite(rewards.sum()):
        raise TrainingError(f"a reward is not a number (after step {steps:,}): see the file of --reward")
    if not np.isfinite(obs.sum()):
        feature = int(np.argmin(np.isfinite(obs).reshape(-1, obs.shape[-1]).all(axis=0)))
        raise TrainingError(f"feature {feature} of an observation is not a number (after step {steps:,})")
