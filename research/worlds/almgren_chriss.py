"""Almgren and Chriss (2000): linear permanent and temporary impact, discrete time, risk aversion.

A parent of one unit is bought in `periods` trades n. The price drifts up by gamma n with each, a trade
pays epsilon + eta n on top, what is still open after it costs lambda sigma^2 x^2. Costs are bps of the
parent. The best schedule is a ratio of hyperbolic sines; the objective of any schedule is exact, so a
policy's distance to the optimum is known without sampling error (`expected` in the infos).
"""

import math
from typing import Final

import msgspec
import numpy as np

from research.worlds.world import Actions, Bools, Floats, Infos, Reals

HALVES: Final = np.array([0, 1, 2, 3, 4, 5, 6, 8, 12, 24], dtype=np.int64)  # the table: half slices to trade
OBS_SIZE: Final = 3


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The market and the aversion, in bps of the parent and periods."""

    periods: int = 12
    sigma: float = 0.5  # of a period
    gamma: float = 2.0  # permanent, for the whole parent
    eta: float = 13.0  # temporary, for the whole parent in one period
    epsilon: float = 0.5  # half the spread
    risk: float = 3.0  # lambda; with these the best schedule saves a quarter of what TWAP could avoid

    @property
    def eta_tilde(self) -> float:
        """Temporary impact less what the permanent one gives back."""
        return self.eta - 0.5 * self.gamma

    @property
    def unavoidable(self) -> float:
        """What every schedule pays."""
        return self.epsilon + 0.5 * self.gamma


def objective(s: Settings, trades: Reals) -> Reals:
    """Return expected cost plus risk of schedules (..., periods), less what none of them can avoid."""
    held = 1.0 - np.cumsum(trades, axis=-1)
    impact = s.eta_tilde * (trades**2).sum(axis=-1)
    return np.asarray(impact + s.risk * s.sigma**2 * (held**2).sum(axis=-1))


def optimum(s: Settings) -> Reals:
    """Return the best schedule, by the formula of the paper (their equation 17 and 18)."""
    kappa = math.acosh(1.0 + 0.5 * s.risk * s.sigma**2 / s.eta_tilde)
    times = np.arange(s.periods + 1)
    held = np.sinh(kappa * (s.periods - times)) / math.sinh(kappa * s.periods)
    return np.asarray(-np.diff(held), dtype=np.float64)


class AlmgrenChriss:
    """The vector world. Discrete: half slices; continuous: the fraction of what is left."""

    def __init__(self, envs: int, seed: int, s: Settings | None = None, *, continuous: bool = False) -> None:
        self.settings = s or Settings()
        self.envs, self.obs_size = envs, OBS_SIZE
        self.actions, self.dims = (0, 1) if continuous else (len(HALVES), 0)
        self._units = 2 * self.settings.periods
        self._chance = np.random.Generator(np.random.Philox(key=seed))
        self._left = np.ones(envs)
        self._trades = np.zeros((envs, self.settings.periods))
        self._noise = np.zeros((envs, self.settings.periods))
        self._period = 0

    def reset(self) -> tuple[Floats, Bools]:
        """Begin every episode."""
        self._period = 0
        self._left[:] = 1.0
        self._trades[:] = 0.0
        self._noise[:] = self.settings.sigma * self._chance.standard_normal(self._noise.shape)
        return self.look()

    def look(self) -> tuple[Floats, Bools]:
        """Return observations (time left, quantity left, last price move) and masks."""
        s = self.settings
        obs = np.empty((self.envs, OBS_SIZE), dtype=np.float32)
        obs[:, 0] = 1.0 - self._period / s.periods
        obs[:, 1] = self._left
        obs[:, 2] = 0.25 * self._noise[:, self._period - 1] if self._period else 0.0
        if self.dims:
            return obs, np.ones((self.envs, 1), dtype=np.bool_)
        return obs, np.asarray(HALVES[None, :] <= np.rint(self._left * self._units)[:, None])

    def sizes(self, actions: Actions) -> Reals:
        """Return what is traded now; the last trade takes all that is left."""
        if self._period == self.settings.periods - 1:
            return self._left.copy()
        if self.dims:
            return np.asarray(np.clip(actions[:, 0], 0.0, 1.0) * self._left, dtype=np.float64)
        return np.minimum(HALVES[actions] / self._units, self._left)

    def step(self, actions: Actions) -> tuple[Floats, Floats, Bools, Bools, Infos]:
        """Trade in every episode; the rewards of an episode add up to its cost, negative."""
        s = self.settings
        traded = self.sizes(actions)
        self._trades[:, self._period] = traded
        self._left = np.maximum(self._left - traded, 0.0)
        paid = traded * (s.epsilon + s.eta * traded)
        moved = s.gamma * traded + self._noise[:, self._period]
        reward = -(paid + self._left * moved + s.risk * s.sigma**2 * self._left**2)
        self._period += 1
        done = self._period == s.periods
        infos: Infos = {"env": np.zeros(0, np.int64), "cost": np.zeros(0), "expected": np.zeros(0)}
        if done:
            expected = objective(s, self._trades)
            held = 1.0 - np.cumsum(self._trades, axis=1)
            cost = expected + s.unavoidable + (held * self._noise).sum(axis=1)
            infos = {"env": np.arange(self.envs), "cost": cost, "expected": expected}
        obs, mask = self.reset() if done else self.look()
        return obs, reward.astype(np.float32), np.full(self.envs, done), mask, infos
