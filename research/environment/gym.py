"""ExecutionEnv: one parent order as a gymnasium environment, over the same kernels as VectorEnv.

The mask of meaningful actions is in `info["mask"]`; an action that is masked is taken as it is, and `plan`
makes of it what it can. Episodes follow each other by seed: `reset(seed=...)` names the next one.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from research.environment.rewarding import Reward
from research.environment.scenarios import Scenario
from research.environment.vector import ACTIONS, SEED_MAX, Settings, VectorEnv

OBS_BOUND = 10.0  # every feature is scaled and clipped far inside it


class ExecutionEnv(gymnasium.Env[NDArray[np.float32], Any]):
    """One environment."""

    def __init__(
        self,
        scenario: str | Scenario = "plain",
        *,
        reward: str | Reward = "shortfall",
        settings: Settings | None = None,
        continuous: bool = False,
    ) -> None:
        self._env = VectorEnv(
            [scenario], 1, 0, reward=reward, threads=1, settings=settings, continuous=continuous
        )
        self.observation_space = spaces.Box(-OBS_BOUND, OBS_BOUND, (self._env.obs_size,), np.float32)
        self.action_space = spaces.Box(0.0, 1.0, (2,), np.float32) if continuous else spaces.Discrete(ACTIONS)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed, options=options)
        drawn = int(self.np_random.integers(0, SEED_MAX))
        self._env.listed(np.array([[drawn]], dtype=np.int64), np.zeros((1, 1), dtype=np.int64))
        obs, mask = self._env.reset()
        return obs[0].copy(), {"mask": mask[0].copy(), "seed": drawn}

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Act; at the end comes what is seen last, no action means anything, and `info` holds the record."""
        obs, _, done, mask, infos = self._env.step(np.asarray(action)[None])
        reward = float(self._env.rewards[0])
        if not done[0]:
            return obs[0].copy(), reward, False, False, {"mask": mask[0].copy()}
        record = {name: column[0] for name, column in infos.items()}
        info = {"mask": np.zeros_like(mask[0]), "episode_record": record}
        return self._env.world.last[0].copy(), reward, True, False, info
