"""What a learner learns in: many episodes side by side, all arrays, nothing else.

The environment (`research.environment`) speaks this protocol, and so do the small worlds beside this
file, whose best possible result is known from a formula. Every end is a true end: an episode is over
when its parent is done, so nothing is bootstrapped across it.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]
Bools = NDArray[np.bool_]
Actions = NDArray[Any]  # int64[envs], or float32[envs, dims] where actions are continuous
Infos = dict[str, NDArray[Any]]  # of the episodes that just ended: "env" and "cost" at least
Act = Callable[[Floats, Bools], Actions]  # a policy, for a batch


class World(Protocol):
    """Episodes side by side; one that ends begins anew by itself, its first observation comes back."""

    @property
    def envs(self) -> int:
        """How many."""

    @property
    def obs_size(self) -> int:
        """Numbers in an observation."""

    @property
    def actions(self) -> int:
        """Rows of the action table; 0 = actions are continuous."""

    @property
    def dims(self) -> int:
        """Numbers in a continuous action, each within 0..1; 0 = actions are of a table."""

    def reset(self) -> tuple[Floats, Bools]:
        """Begin every episode; return observations and the actions that mean something."""

    def step(self, actions: Actions) -> tuple[Floats, Floats, Bools, Bools, Infos]:
        """Act in every episode; return observations, rewards, ends, masks, and what ended."""


def costs(world: World, act: Act, key: str = "cost") -> Reals:
    """Return what the first episode of every row costs under a policy."""
    found = np.full(world.envs, np.nan)
    left = world.envs
    obs, mask = world.reset()
    while left:
        obs, _, _, mask, infos = world.step(act(obs, mask))
        for env, cost in zip(infos["env"], infos[key], strict=True):
            if np.isnan(found[env]):
                found[env] = cost
                left -= 1
    return found


def world_seeds(chance: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Return seeds of markets; positive, with room for what is added to them."""
    return chance.integers(0, 1 << 62, size=count, dtype=np.int64)
