"""A face for stable-baselines3: our vector worlds as its VecEnv, one copy of each array a step.

It knows no masks; in the environment an action that means nothing here is harmless, in the small world
`known` the unmasked variant is used.
"""

from typing import Any

import gymnasium
import numpy as np
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv


class Face(VecEnv):
    """A world of `research.worlds.world`."""

    def __init__(self, world: Any) -> None:
        box = gymnasium.spaces.Box(-np.inf, np.inf, (world.obs_size,), np.float32)
        actions: Any = gymnasium.spaces.Discrete(world.actions)
        if world.dims:
            actions = gymnasium.spaces.Box(0.0, 1.0, (world.dims,), np.float32)
        super().__init__(world.envs, box, actions)
        self.world = world
        self._actions: Any = None
        self._infos: list[dict[str, Any]] = [{} for _ in range(world.envs)]

    def reset(self) -> Any:
        return self.world.reset()[0].copy()

    def step_async(self, actions: Any) -> None:
        self._actions = actions

    def step_wait(self) -> Any:
        obs, reward, done, _, _ = self.world.step(self._actions)
        infos = self._infos
        if done.any():
            infos = list(infos)
            for env in np.flatnonzero(done):
                infos[env] = {"terminal_observation": obs[env].copy()}  # a true end: it is never valued
        return obs.copy(), reward, done.copy(), infos

    def close(self) -> None:
        pass

    def env_is_wrapped(self, *_: Any, **__: Any) -> list[bool]:
        return [False] * self.num_envs

    def env_method(self, *args: Any, **options: Any) -> Any:
        raise NotImplementedError

    def get_attr(self, name: str, *_: Any) -> list[Any]:
        return [getattr(self, name, None)] * self.num_envs

    def set_attr(self, *args: Any, **options: Any) -> None:
        raise NotImplementedError


def greedy(model: Any) -> Any:
    """Return a trained model as a policy of ours."""

    def act(obs: Any, _: Any) -> Any:
        return model.predict(obs, deterministic=True)[0]

    return act


def silent(model: Any) -> Any:
    """Return a model that writes nothing: its own logger leaves a folder behind for every run."""
    model.set_logger(Logger(None, []))
    return model
