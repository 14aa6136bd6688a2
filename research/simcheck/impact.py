"""Impact measured as a difference: the same seed with an order of ours in the market and without.

A parent is sliced evenly and crosses. What it moved the mid by, at its end and later, is the mean over seeds
of (mid with us - mid without us), signed; sides alternate from seed to seed, for the mirror.
Nothing here knows a formula: the exponent is read off.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.flow.calibration import Calibration
from market.flow.queue_reactive import QueueReactiveFlow
from market.flow.queue_reactive_state import Episode
from market.instruments import NS
from market.matching import MatchingEngine
from market.matching_events import CommandFlag, Outcome, Tif
from research.calibrate.blocks import interval
from research.calibrate.simulated import BEGIN_NS, LEVELS_MAX, ORDERS_MAX, OUTCOMES_MAX

Floats = NDArray[np.float64]
IMPACT_SEED = 81_000_001
OWNER = 1
OWN_ID = 1 << 40
RESAMPLES = 1_000


class Parent(NamedTuple):
    """What is traded: shares in even slices over a time, then nothing until `watch_s`."""

    qty: int
    slices: int
    over_s: float
    watch_s: float


class Path(NamedTuple):
    """One run with us and one without."""

    side: int
    at_end_bps: float  # signed: what we moved the mid by
    later_bps: float
    paid_bps: float  # signed shortfall against the mid of arrival
    half_spread_bps: float  # at the first slice
    drift_bps: float  # of the run without us, unsigned by side
    filled: int


class Law(NamedTuple):
    """Impact over size."""

    sizes: list[float]  # shares over volume of an hour
    impact_bps: list[float]
    low: list[float]
    high: list[float]
    exponent: float
    exponent_low: float
    exponent_high: float


def mid_bps(engine: MatchingEngine, reference: float) -> float:
    """Return the mid in bps of a reference, not-a-number where a side is empty."""
    bid, ask = engine.book.best_bid_e4, engine.book.best_ask_e4
    return ((bid + ask) / 2.0 / reference - 1.0) * 1e4 if bid and ask else math.nan


def run(
    calibration: Calibration, seed: int, parent: Parent, side: int, episode: Episode | None = None
) -> tuple[Floats, float, int, float]:  # fmt: skip
    """Trade a parent (side 0: watch only); return mids at its end and later, cost, fills, half spread."""
    end_ns = BEGIN_NS + int(parent.watch_s * NS)
    flow = QueueReactiveFlow(seed, BEGIN_NS, end_ns, calibration, episode)
    engine = MatchingEngine(ORDERS_MAX, LEVELS_MAX, OUTCOMES_MAX)
    flow.advance(engine, BEGIN_NS)
    bid, ask = engine.book.best_bid_e4, engine.book.best_ask_e4
    arrival = (bid + ask) / 2.0
    money, filled = 0.0, 0
    for at in range(parent.slices):
        now_ns = BEGIN_NS + int((at + 0.5) * parent.over_s / parent.slices * NS)
        flow.advance(engine, now_ns)
        if side == 0:
            continue
        size = parent.qty * (at + 1) // parent.slices - parent.qty * at // parent.slices
        if size <= 0:
            continue
        outcomes = engine.new(
            OWN_ID + at, side, 0, size, owner=OWNER, tif=Tif.IOC, flags=CommandFlag.MARKET, ts_ns=now_ns
        )
        trades = outcomes[outcomes["kind"] == Outcome.TRADE]
        money += float((trades["price_e4"] * trades["size"]).sum())
        filled += int(trades["size"].sum())
    flow.advance(engine, BEGIN_NS + int(parent.over_s * NS))
    at_end = mid_bps(engine, arrival)
    flow.advance(engine, end_ns)
    paid = side * (money / filled / arrival - 1.0) * 1e4 if filled else math.nan
    return np.array([at_end, mid_bps(engine, arrival)]), paid, filled, (ask - bid) / 2.0 / arrival * 1e4


def paths(
    calibration: Calibration, parent: Parent, count: int, first_seed: int = IMPACT_SEED, rate: float = 1.0
) -> list[Path]:  # fmt: skip
    """Run pairs with and without us, sides alternating."""
    found = []
    episode = Episode(rate=rate) if rate != 1.0 else None
    for at in range(count):
        side = 1 if at % 2 == 0 else -1
        ours, paid, filled, half = run(calibration, first_seed + at, parent, side, episode)
        none, _, _, _ = run(calibration, first_seed + at, parent, 0, episode)
        moved = side * (ours - none)
        found.append(Path(side, float(moved[0]), float(moved[1]), paid, half, float(none[1]), filled))
    return found


def mean_interval(values: list[float]) -> tuple[float, float, float]:
    """Return a mean with the interval of resampled values."""
    kept = np.array([value for value in values if math.isfinite(value)])
    if not len(kept):
        return math.nan, math.nan, math.nan
    rng = np.random.default_rng(IMPACT_SEED)
    draws = kept[rng.integers(0, len(kept), (RESAMPLES, len(kept)))].mean(axis=1)
    return float(kept.mean()), *interval(draws)


def law(sizes: list[float], found: list[list[Path]]) -> Law:
    """Fit the exponent of impact over size, with the interval of resampled seeds."""
    rng = np.random.default_rng(IMPACT_SEED)
    rows = [mean_interval([path.at_end_bps for path in one]) for one in found]
    x = np.log(np.array(sizes))
    values = [np.array([p.at_end_bps for p in one if math.isfinite(p.at_end_bps)]) for one in found]
    drawn = np.column_stack([v[rng.integers(0, len(v), (RESAMPLES, len(v)))].mean(axis=1) for v in values])
    slopes = np.array([slope(x, row) for row in drawn])
    low, high = interval(slopes)
    means = [row[0] for row in rows]
    return Law(
        sizes, means, [row[1] for row in rows], [row[2] for row in rows], slope(x, np.array(means)), low, high
    )


def slope(x: Floats, impact: Floats) -> float:
    """Return the slope of log impact on log size over what moved the price the right way."""
    good = impact > 0
    if good.sum() < 3:
        return math.nan
    a, b = x[good] - x[good].mean(), np.log(impact[good])
    return float((a * (b - b.mean())).sum() / (a * a).sum())
