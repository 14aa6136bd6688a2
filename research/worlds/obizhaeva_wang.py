"""Obizhaeva and Wang (2013): a block-shaped book that refills exponentially after each trade.

A parent of one unit is bought in `periods` trades x. Each pushes the book's displacement D up by
kappa x and pays D plus half of its own push; between trades D shrinks by the factor `decay`. A part
of the push stays for ever, which every schedule pays. The best schedule is two equal blocks at the ends
and equal small trades between (Alfonsi, Fruth and Schied 2010 for discrete time). Costs are bps.
"""

from typing import Final

import msgspec
import numpy as np

from research.worlds.world import Actions, Bools, Floats, Infos, Reals

HALVES: Final = np.array([0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 12, 24], dtype=np.int64)  # half slices to trade
OBS_SIZE: Final = 3


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The book, in bps of the parent's price and periods."""

    periods: int = 12
    sigma: float = 0.25  # of a period
    kappa: float = 10.0  # displacement by the whole parent in one trade
    permanent: float = 2.0
    epsilon: float = 0.5  # half the spread
    decay: float = 0.9  # of D in a period; with it TWAP pays 8 % more than it must

    @property
    def unavoidable(self) -> float:
        """What every schedule pays."""
        return self.epsilon + 0.5 * self.permanent


def objective(s: Settings, trades: Reals) -> Reals:
    """Return the expected cost of schedules (..., periods), less what none of them can avoid."""
    total = np.zeros(trades.shape[:-1])
    displaced = np.zeros(trades.shape[:-1])
    for n in range(s.periods):
        x = trades[..., n]
        total += x * (displaced + 0.5 * s.kappa * x)
        displaced = (displaced + s.kappa * x) * s.decay
    return total


def optimum(s: Settings) -> Reals:
    """Return the best schedule: two blocks and what lies between."""
    block = 1.0 / ((s.periods - 2) * (1.0 - s.decay) + 2.0)
    trades = np.full(s.periods, (1.0 - s.decay) * block)
    trades[[0, -1]] = block
    return trades


class ObizhaevaWang:
    """The vector world. Discrete: half slices; continuous: the fraction of what is left."""

    def __init__(self, envs: int, seed: int, s: Settings | None = None, *, continuous: bool = False) -> None:
        self.settings = s or Settings()
        self.envs, self.obs_size = envs, OBS_SIZE
        self.actions, self.dims = (0, 1) if continuous else (len(HALVES), 0)
        self._units = 2 * self.settings.periods
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
        self._displaced[:] = 0.0
        self._trades[:] = 0.0
        self._noise[:] = self.settings.sigma * self._chance.standard_normal(self._noise.shape)
        return self.look()

    def look(self) -> tuple[Floats, Bools]:
        """Return observations (time left, quantity left, displacement) and masks."""
        obs = np.empty((self.envs, OBS_SIZE), dtype=np.float32)
        obs[:, 0] = 1.0 - self._period / self.settings.periods
        obs[:, 1] = self._left
        obs[:, 2] = self._displaced / self.settings.kappa
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
        paid = traded * (s.epsilon + self._displaced + 0.5 * (s.kappa + s.permanent) * traded)
        # The permanent push is paid by all that is traded later: here at once, for what is left.
        moved = s.permanent * traded + self._noise[:, self._period]
        reward = -(paid + self._left * moved)
        self._displaced = (self._displaced + s.kappa * traded) * s.decay
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
