"""A market of four moods with a known answer: buy four lots in eight periods; wait, join or cross.

Where the price always rises, all should be crossed at once; where it falls, at the end; where it stands
still, lots should be joined for; where crossing is dear, never crossed before the last period. A joined
lot is filled by chance. What the best policy costs comes from a sum over all states, so that a learner
is held to a number. Rows of the table that would overbuy are masked, unless the world is told not to.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from research.worlds.world import Actions, Bools, Floats, Infos, Reals

WAIT, JOIN, CROSS_ONE, CROSS_TWO = range(4)
ACTIONS: Final = 4
CROSSED: Final = np.array([0, 0, 1, 2], dtype=np.int64)
DRIFT: Final = np.array([0.5, -0.5, 0.0, 0.0])  # of the price in a period, by mood
DEAR: Final = np.array([0.0, 0.0, 0.0, 2.0])  # what crossing costs on top of half the spread, by mood
MOODS: Final = len(DRIFT)
OBS_SIZE: Final = 2 + MOODS


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes, in lots, periods and ticks."""

    lots: int = 4
    periods: int = 8
    half_spread: float = 1.0
    fill: float = 0.5  # chance of a joined lot in a period
    masked: bool = True  # False: a row that would overbuy buys what is left (learners without masks)


def optimum(s: Settings) -> Reals:
    """Return the least expected cost of an episode, by mood."""
    value = np.zeros((MOODS, s.lots + 1))
    for period in range(s.periods - 1, -1, -1):
        last = period == s.periods - 1
        before = value
        value = np.zeros_like(before)
        for mood in range(MOODS):
            for left in range(1, s.lots + 1):
                value[mood, left] = min(
                    expected(s, before, mood, left, action, last)
                    for action in range(ACTIONS)
                    if CROSSED[action] <= left
                )
    return value[:, s.lots]


def expected(s: Settings, then: Reals, mood: int, left: int, action: int, last: bool) -> float:
    """Return what an action costs now and, done best, from the next period on."""
    pay = s.half_spread + DEAR[mood]
    if last:
        return float(left * pay)
    crossed = int(CROSSED[action])
    rest = left - crossed
    after = rest * DRIFT[mood] + then[mood, rest]
    if action == JOIN:
        filled = -s.half_spread + (rest - 1) * DRIFT[mood] + then[mood, rest - 1]
        return float(s.fill * filled + (1.0 - s.fill) * after)
    return float(crossed * pay + after)


class Known:
    """The vector world."""

    def __init__(self, envs: int, seed: int, s: Settings | None = None) -> None:
        self.settings = s or Settings()
        self.envs, self.obs_size, self.actions, self.dims = envs, OBS_SIZE, ACTIONS, 0
        self._chance = np.random.Generator(np.random.Philox(key=seed))
        self._mood: NDArray[np.int64] = np.zeros(envs, np.int64)
        self._left: NDArray[np.int64] = np.zeros(envs, np.int64)
        self._period: NDArray[np.int64] = np.zeros(envs, np.int64)
        self._cost: Reals = np.zeros(envs)
        self._begun = 0

    def reset(self) -> tuple[Floats, Bools]:
        """Begin every episode."""
        self.begin(np.arange(self.envs))
        return self.look()

    def begin(self, rows: NDArray[np.int64]) -> None:
        """Begin some episodes; the moods come in turn, so that any batch holds them evenly."""
        self._mood[rows] = (self._begun + np.arange(len(rows))) % MOODS
        self._begun = (self._begun + len(rows)) % MOODS
        self._left[rows] = self.settings.lots
        self._period[rows] = 0
        self._cost[rows] = 0.0

    def look(self) -> tuple[Floats, Bools]:
        """Return observations (time left, lots left, mood) and masks."""
        obs = np.zeros((self.envs, OBS_SIZE), dtype=np.float32)
        obs[:, 0] = 1.0 - self._period / self.settings.periods
        obs[:, 1] = self._left / self.settings.lots
        obs[np.arange(self.envs), 2 + self._mood] = 1.0
        if not self.settings.masked:
            return obs, np.ones((self.envs, ACTIONS), dtype=np.bool_)
        return obs, np.asarray(CROSSED[None, :] <= self._left[:, None])

    def step(self, actions: Actions) -> tuple[Floats, Floats, Bools, Bools, Infos]:
        """Act in every episode; what is left in the last period is crossed."""
        s = self.settings
        last = self._period == s.periods - 1
        joined = (actions == JOIN) & (self._chance.random(self.envs) < s.fill) & ~last
        crossed = np.where(last, self._left, np.minimum(CROSSED[actions], self._left))
        self._left -= crossed + joined
        cost = crossed * (s.half_spread + DEAR[self._mood]) - joined * s.half_spread
        cost = cost + self._left * DRIFT[self._mood]
        self._cost += cost
        self._period += 1
        done = self._left == 0
        over = np.flatnonzero(done)
        infos: Infos = {"env": over, "cost": self._cost[over].copy(), "mood": self._mood[over].copy()}
        if len(over):
            self.begin(over)
        obs, mask = self.look()
        return obs, (-cost).astype(np.float32), done, mask, infos
