"""An adversary's market: free to buy and sell by market orders, flat at the end, paid for what it makes.

In a market without dynamic arbitrage (Gatheral 2010) nobody earns by moving the price: whoever learns here
should learn to do nothing. Resting orders are not offered: what they may earn is spread, which the gate on
fills judges. Costs are what was lost, in bps of one unit's value.
"""

from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from market.book_layout import new_arena
from research.environment import layout as e
from research.environment.openings import openings
from research.environment.scenarios import Scenario
from research.worlds.round_trip_kernels import LEDGER, OBS, begin_trip, look, step_trips
from research.worlds.world import Actions, Bools, Floats, Infos, world_seeds

UNITS: Final = np.array([0, -2, -1, 1, 2], dtype=np.int64)  # the table: what is bought
NOTHING: Final = 0
NS: Final = 1_000_000_000


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How long a trip is, and how much may be traded and held."""

    steps: int = 60
    interval_ns: int = 5 * NS
    share: float = 0.25  # of an interval's volume in one unit
    units_max: int = 8  # of position


class Trips(NamedTuple):
    """What kernels share, a row an environment."""

    book: Any
    flow: Any
    reals: Any
    ledger: Any
    reward: Any
    gained: Any
    done: Any
    obs: Any
    mask: Any


class RoundTrips:
    """The vector world."""

    def __init__(self, scenario: Scenario, envs: int, seed: int, s: Settings | None = None) -> None:
        self.settings = s or Settings()
        self.envs, self.obs_size, self.actions, self.dims = envs, OBS, len(UNITS), 0
        self._openings = openings([scenario])
        found = self._openings
        self._trips = Trips(
            book=np.tile(new_arena(scenario.orders_max, scenario.levels_max), (envs, 1)),
            flow=np.zeros((envs, found.flow.shape[2]), np.int64),
            reals=np.zeros((envs, found.reals.shape[2])),
            ledger=np.zeros((envs, LEDGER), np.int64),
            reward=np.zeros(envs),
            gained=np.zeros(envs),
            done=np.zeros(envs, np.bool_),
            obs=np.zeros((envs, OBS), np.float32),
            mask=np.zeros((envs, len(UNITS)), np.bool_),
        )
        self._scratch = e.new_scratch(scenario.orders_max)
        rate = float(found.scenarios[0, e.G_RATE])
        self.unit = max(1, round(self.settings.share * rate * self.settings.interval_ns / NS))
        self.limit = self.settings.units_max * self.unit
        self._tick = scenario.tick_e4
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Draw other trips from the next `reset` on, in the same openings."""
        self._chance = np.random.Generator(np.random.PCG64(seed))

    def reset(self) -> tuple[Floats, Bools]:
        """Begin every trip."""
        found, t = self._openings, self._trips
        for i, seed in enumerate(world_seeds(self._chance, self.envs).tolist()):
            begin_trip(
                seed, t.book[i], t.flow[i], t.reals[i], t.ledger[i], found.book[0], found.flow[0],
                found.reals[0], found.ints[0], found.counts[0], found.scenarios[0], found.tables[0],
            )  # fmt: skip
            look(
                t.book[i], t.ledger[i], self.settings.steps, self.limit, self._tick, t.obs[i], t.mask[i],
                UNITS, self.unit,
            )  # fmt: skip
        self._value = float(t.ledger[:, -1].mean()) / 2.0 * self.unit
        return t.obs, t.mask

    def step(self, actions: Actions) -> tuple[Floats, Floats, Bools, Bools, Infos]:
        """Trade in every trip, and let an interval pass."""
        t, s = self._trips, self.settings
        terms = np.array([s.steps, s.interval_ns, self.unit, self.limit, self._tick], dtype=np.int64)
        step_trips(
            0, self.envs, np.asarray(actions, np.int64), world_seeds(self._chance, self.envs), terms, UNITS,
            t, self._openings, self._scratch.out, self._scratch.command,
        )  # fmt: skip
        bps = 1e4 / self._value
        over = np.flatnonzero(t.done)
        infos: Infos = {"env": over, "cost": -bps * t.gained[over]}
        return t.obs, (bps * t.reward).astype(np.float32), t.done, t.mask, infos
