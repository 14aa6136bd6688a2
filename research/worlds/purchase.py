"""One unit bought in so many trades, in the market of Almgren and Chriss or of Obizhaeva and Wang.

A market says what a trade costs and what of itself it shows. Its objective of any schedule is exact, so a
policy's distance to the optimum is known without sampling error (`expected` in the infos).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from research.worlds.world import Actions, Bools, Floats, Infos, Reals

OBS_SIZE = 3  # time left, quantity left, what the market shows


class Market(NamedTuple):
    """What a purchase is made in: its settings, and functions of them; each row of arrays is an episode."""

    settings: Any  # periods, sigma of a period, and what is unavoidable, in bps of the parent
    halves: NDArray[np.int64]  # the action table: half slices to trade
    shown: Callable[[Any, Reals, Reals], Reals]  # of the last period's noise and the displacement
    # (settings, traded, left, noise, displacement) -> cost, with what it does to what is left; displacement
    trade: Callable[[Any, Reals, Reals, Reals, Reals], tuple[Reals, Reals]]
    objective: Callable[[Any, Reals], Reals]  # expected cost of schedules, less the unavoidable


class Purchase:
    """The vector world. Discrete: half slices; continuous: the fraction of what is left."""

    def __init__(self, market: Market, envs: int, seed: int, *, continuous: bool = False) -> None:
        self.envs, self.obs_size = envs, OBS_SIZE
        self.actions, self.dims = (0, 1) if continuous else (len(market.halves), 0)
        self._market, self.settings = market, market.settings
        self._units: int = 2 * self.settings.periods
        self._chance = np.random.Generator(np.random.Philox(key=seed))
        self._left = np.ones(envs)
        self._displaced = np.zeros(envs)
        self._trades = np.zeros((envs, self.settings.periods))
        self._noise = np.zeros((envs, self.settings.periods))
        self._period = 0

    def reset(self) -> tuple[Floats, Bools]:
        """Begin every episode."""
        self._period = 0
        self._left[:] = 1.0
        self._trades[:] = 0.0
        self._displaced[:] = 0.0
        self._noise[:] = self.settings.sigma * self._chance.standard_normal(self._noise.shape)
        return self.look()

    def look(self) -> tuple[Floats, Bools]:
        """Return observations and masks."""
        last = self._noise[:, self._period - 1] if self._period else np.zeros(self.envs)
        obs = np.empty((self.envs, OBS_SIZE), dtype=np.float32)
        obs[:, 0] = 1.0 - self._period / self.settings.periods
        obs[:, 1] = self._left
        obs[:, 2] = self._market.shown(self.settings, last, self._displaced)
        if self.dims:
            return obs, np.ones((self.envs, 1), dtype=np.bool_)
        return obs, np.asarray(self._market.halves[None, :] <= np.rint(self._left * self._units)[:, None])

    def sizes(self, actions: Actions) -> Reals:
        """Return what is traded now; the last trade takes all that is left."""
        if self._period == self.settings.periods - 1:
            return self._left.copy()
        if self.dims:
            return np.asarray(np.clip(actions[:, 0], 0.0, 1.0) * self._left, dtype=np.float64)
        return np.minimum(self._market.halves[actions] / self._units, self._left)

    def step(self, actions: Actions) -> tuple[Floats, Floats, Bools, Bools, Infos]:
        """Trade in every episode; the rewards of an episode add up to its cost, negative."""
        s, market = self.settings, self._market
        traded = self.sizes(actions)
        self._trades[:, self._period] = traded
        self._left = np.maximum(self._left - traded, 0.0)
        noise = self._noise[:, self._period]
        paid, self._displaced = market.trade(s, traded, self._left, noise, self._displaced)
        self._period += 1
        done = self._period == s.periods
        infos: Infos = {"env": np.zeros(0, np.int64), "cost": np.zeros(0), "expected": np.zeros(0)}
        if done:
            expected = market.objective(s, self._trades)
            held = 1.0 - np.cumsum(self._trades, axis=1)
            cost = expected + s.unavoidable + (held * self._noise).sum(axis=1)
            infos = {"env": np.arange(self.envs), "cost": cost, "expected": expected}
        obs, mask = self.reset() if done else self.look()
        return obs, (-paid).astype(np.float32), np.full(self.envs, done), mask, infos
