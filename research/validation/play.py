"""`play`: one contender through the parents of one scenario, a row an episode; shortfall split by the twin.

IS = sum q (p - M0) / (Q M0), and with M~ the mid of a run in which we are absent:
  spread       sum q (p - m-), m- the mid just before each fill; passive fills make it negative
  impact       sum q (m- - M~)
  timing       sum q (M~ - M0)
  opportunity  (Q - filled) (M_T - M0)
Exact by construction: what is left over is rounding, and every row is held to IDENTITY_BPS.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from policies import state_kernels as k
from policies.plan_kernels import ACTIONS
from policies.state_features import (
    FEATURES,
    I_CORRIDOR,
    I_LAG_SLICES,
    I_OTHER_DEPTH,
    I_PACE,
    I_SPREAD,
    I_TIME,
    I_VOLATILITY,
)
from research.baselines.contenders import Contender
from research.environment import layout as e
from research.environment.scenarios import Scenario
from research.environment.vector import VectorEnv, terms
from research.validation.foresight import HONEST_MOST, Foresight
from research.validation.propagator import Propagator
from research.validation.twins import Lanes, Twin, twin

IDENTITY_BPS: Final = 1e-6
BPS: Final = 10_000.0
# Hidden executions of GOOG 2012-06-21, 09:30-14:30: a third of the shares, a third of the half-spread off.
HIDDEN_SHARE: Final = 0.310
HIDDEN_IMPROVEMENT: Final = 0.330
FILLS_MAX: Final = 2_048  # of one parent: some thirty children with some tens of fills each
# What crossing is regressed on: first what is the schedule's (a constant, the whole slices that are due, the
# place in the corridor, the time left), then the market's.
REGRESSORS: Final = ("one", "due", "lag", "time", "spread", "depth", "volatility", "volume")
COLUMNS_OF_X: Final = (I_CORRIDOR, I_TIME, I_SPREAD, I_OTHER_DEPTH, I_VOLATILITY, I_PACE)
DUE_MOST: Final = 2.0  # slices: no action crosses more
HALVES: Final = np.array([halves for _, halves in ACTIONS], dtype=np.float64)
NUMBERS: Final = (
    *("cost", "spread", "impact", "timing", "opportunity", "off", "residual", "exogenous", "end_impact"),
    *("vwap", "participation", "passive", "edge", "seconds", "arrival", "volume", "hidden_gain"),
)
COUNTS: Final = ("seed", "side", "qty", "filled", "vetoes", "decisions", "messages", "opening", "dropped")
Table = dict[str, NDArray[Any]]  # a column by its name, a row an episode; "xx", "xy" for the regression


class PlayError(Exception):
    """Episodes that cannot be used: what is wrong with them."""


class Stage:
    """The environment of one scenario, its openings played once for all contenders."""

    def __init__(self, scenario: Scenario, seeds: NDArray[np.int64], threads: int = 1) -> None:
        self.scenario, self.seeds = scenario, seeds
        lanes = Lanes(seeds).count
        self.env = VectorEnv([scenario], lanes, 0, threads=min(threads, lanes), fills_max=FILLS_MAX)
        self._twin: Twin | None = None

    def twin(self) -> Twin:
        """Return the mids without us."""
        if self._twin is None:
            self._twin = twin(self.env, self.scenario, self.seeds)
        return self._twin

    def play(self, who: Contender, overlay: Propagator | None = None) -> Table:
        """Play a contender's episodes.

        Raises:
            PlayError: a number is not finite, the split does not add up, arrival is not the twin's, or a
                feature tells what has not happened yet.

        """
        absent = self.twin()  # first: it lists episodes of its own
        table = Recorder(self.env, self.listed(who, self.seeds), absent, overlay).play(who)
        check(who.name, self.scenario.name, table)
        return table

    def costs(self, who: Contender, seeds: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what a contender pays on other seeds, without a twin: for tuning."""
        return Recorder(self.env, self.listed(who, seeds), None, None).play(who)["cost"]

    def listed(self, who: Contender, seeds: NDArray[np.int64]) -> Lanes:
        """Set the environment to a contender's settings and some seeds."""
        self.env.settings, self.env.terms = who.settings, terms(who.settings)
        lanes = Lanes(seeds, self.env.envs)
        self.env.listed(lanes.seeds, np.zeros_like(lanes.seeds))
        return lanes

    def close(self) -> None:
        """Let the threads go."""
        self.env.close()


def check(who: str, scenario: str, table: Table) -> None:
    """Refuse rows that cannot be true."""
    for name in NUMBERS:
        bad = ~np.isfinite(table[name])
        if bad.any():
            seed = int(table["seed"][np.argmax(bad)])
            raise PlayError(f"{who} in {scenario}: {name} of seed {seed} is not a number")
    off = float(np.abs(table["off"]).max())
    if off > IDENTITY_BPS:
        raise PlayError(f"{who} in {scenario}: the shortfall's parts miss it by {off:.2g} bps")


class Recorder:
    """Plays lanes to their end and writes what each episode was."""

    def __init__(self, env: VectorEnv, lanes: Lanes, twin: Twin | None, overlay: Propagator | None) -> None:
        self.env, self.lanes, self.twin, self.overlay = env, lanes, twin, overlay
        rows = len(lanes)
        self.table: Table = {name: np.zeros(rows) for name in NUMBERS}
        self.table |= {name: np.zeros(rows, dtype=np.int64) for name in COUNTS}
        size = len(REGRESSORS)
        self.xx, self.xy, self.yy = np.zeros((size, size)), np.zeros(size), 0.0
        self.volume, self.value = np.zeros(lanes.count), np.zeros(lanes.count)
        self.foresight = Foresight()

    def play(self, who: Contender) -> Table:
        """Play."""
        env, world, act = self.env, self.env.world, who.begin()
        obs, mask = env.reset()
        if self.overlay is not None:
            self.overlay.begin(env)
        begun = world.head[:, e.STARTED].copy()
        shares = world.ints[:, k.VOLUME].copy()
        while not self.lanes.over:
            if not np.isfinite(obs).all():
                raise PlayError(f"{who.name}: an observation is not a number")
            actions = np.asarray(act(obs, mask), dtype=np.int64)
            self.respond(obs, actions)
            mid, side = world.head[:, e.MID2].copy(), world.head[:, e.SIGN_].copy()
            seen, live = obs.copy(), self.lanes.live
            obs, _, done, mask, _ = env.step(actions)
            going = live & ~done
            self.foresight.add(seen[going], side[going], (world.head[:, e.MID2] - mid)[going])
            traded = np.where(done, 0, world.ints[:, k.VOLUME] - shares)
            self.volume += traded
            self.value += traded * 0.25 * (mid + world.head[:, e.MID2])
            if self.overlay is not None:
                self.overlay.step(env, done)
            for lane in np.flatnonzero(done):
                self.finish(int(lane), int(begun[lane]))
            begun = np.where(done, world.head[:, e.STARTED], begun)
            shares = world.ints[:, k.VOLUME].copy()
        told, feature = self.foresight.most()
        if told > HONEST_MOST:
            name = FEATURES[feature][0]
            raise PlayError(
                f"{who.name}: feature {name} tells what has not happened yet: its ranks agree to {told:.2f} "
                f"with the mid's next move, an honest one's to {HONEST_MOST} at most"
            )
        return self.table | {"xx": self.xx, "xy": self.xy, "yy": np.array([self.yy])}

    def respond(self, obs: Any, actions: NDArray[np.int64]) -> None:
        """Add a batch to the regression of crossing on the market."""
        live = self.lanes.live
        rows = obs[live].astype(np.float64)
        due = np.clip(np.floor(10.0 * rows[:, I_LAG_SLICES] + 1e-4), 0.0, DUE_MOST)
        x = np.column_stack([np.ones(len(rows)), due, rows[:, COLUMNS_OF_X]])
        y = 0.5 * HALVES[actions[live]]
        self.xx += x.T @ x
        self.xy += x.T @ y
        self.yy += float(y @ y)

    def finish(self, lane: int, begun_ns: int) -> None:
        """Write the episode of a lane that has just ended."""
        row = self.lanes.next(lane)
        volume, value = self.volume[lane], self.value[lane]
        self.volume[lane] = self.value[lane] = 0.0
        if row < 0:
            return
        ended, t = self.env.world.ended[lane], self.table
        count = int(ended[e.E_FILLS])
        if count > FILLS_MAX:
            raise PlayError(f"an episode has {count} fills, {FILLS_MAX} are kept")
        seed = int(ended[e.E_SEED]) << 32 | int(ended[e.E_SEED_LOW])
        if seed != self.lanes.of_row[row]:
            raise PlayError(f"seed {seed} was played where {self.lanes.of_row[row]} was due")
        self.split(row, begun_ns, self.env.world.fills[lane, :count], ended)
        for name, at in (
            ("side", e.E_SIDE),
            ("qty", e.E_QTY),
            ("filled", e.E_FILLED),
            ("vetoes", e.E_VETOES),
        ):
            t[name][row] = int(ended[at])
        for name, at in (("decisions", e.E_DECISIONS), ("messages", e.E_MESSAGES), ("opening", e.E_OPENING)):
            t[name][row] = int(ended[at])
        t["seed"][row], t["dropped"][row] = seed, int(ended[e.E_DROPPED])
        t["passive"][row], t["edge"][row] = ended[e.E_PASSIVE], ended[e.E_EDGE]
        t["seconds"][row], t["arrival"][row] = ended[e.E_SECONDS], ended[e.E_ARRIVAL]
        t["volume"][row] = volume
        t["participation"][row] = ended[e.E_FILLED] / max(1.0, volume)
        if volume > 0 and count > 0:
            t["vwap"][row] = self.slippage(lane, count, ended, value / volume)

    def slippage(self, lane: int, count: int, ended: Any, vwap: float) -> float:
        """Return what was paid beyond the interval's volume-weighted mid, bps of what was filled."""
        fills = self.env.world.fills[lane, :count]
        paid = float((fills[:, e.F_QTY] * fills[:, e.F_PX]).sum()) / float(fills[:, e.F_QTY].sum())
        return float(BPS * ended[e.E_SIDE] * (paid - vwap) / ended[e.E_ARRIVAL])

    def split(self, row: int, begun_ns: int, fills: Any, ended: Any) -> None:
        """Write shortfall and its parts, bps of the parent's arrival value."""
        t, side, arrival = self.table, ended[e.E_SIDE], ended[e.E_ARRIVAL]
        t["cost"][row] = ended[e.E_COST]
        if self.twin is None:
            return
        if abs(self.twin.arrival[row] - arrival) > 1e-9:
            raise PlayError(f"seed {self.lanes.of_row[row]}: arrives at another mid than its twin")
        qty, px = fills[:, e.F_QTY].astype(np.float64), fills[:, e.F_PX].astype(np.float64)
        before = 0.5 * fills[:, e.F_MID2]
        absent = self.twin.mid_at(row, fills[:, e.F_TS] - begun_ns)
        unit = BPS * side / (ended[e.E_FIRST] * arrival)
        parts = (
            unit * float((qty * (px - before)).sum()),
            unit * float((qty * (before - absent)).sum()),
            unit * float((qty * (absent - arrival)).sum()),
            unit * float((ended[e.E_QTY] - ended[e.E_FILLED]) * (ended[e.E_END] - arrival)),
        )
        t["spread"][row], t["impact"][row], t["timing"][row], t["opportunity"][row] = parts
        t["off"][row] = ended[e.E_COST] - sum(parts)
        # What crossing would get back of what it pays beyond the mid, were the book's hidden orders there.
        beyond = np.where(fills[:, e.F_PASSIVE] != 0, 0.0, np.maximum(ended[e.E_SIDE] * (px - before), 0.0))
        hidden = HIDDEN_SHARE * HIDDEN_IMPROVEMENT * float((qty * beyond).sum())
        t["hidden_gain"][row] = BPS * hidden / (ended[e.E_FIRST] * arrival)
        t["residual"][row] = ended[e.E_COST] - parts[2]
        there = float(self.twin.mid_at(row, np.array([round(ended[e.E_SECONDS] * 1e9)]))[0])
        t["exogenous"][row] = BPS * side * (there - arrival) / arrival
        t["end_impact"][row] = BPS * side * (ended[e.E_END] - there) / arrival
