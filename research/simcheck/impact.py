"""Impact measured as a difference: the same seed with an order of ours to buy and with one to sell.

A parent is sliced evenly and crosses. What it moved the mid by, at its end and later, is the mean over seeds
of half of (mid where we bought - mid where we sold): a quarter of the variance that a run of ours less one
without us has. Nothing here knows a formula: the exponent is read off.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.flow.calibration import Calibration
from market.flow.queue_reactive import QueueReactiveFlow
from market.matching import MatchingEngine
from market.matching_events import CommandFlag, Outcome, Tif
from market.types import NS
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


class Child(NamedTuple):
    """A market order of ours: when, and how much (negative sells)."""

    at_s: float
    qty: int


class Run(NamedTuple):
    """What one run showed."""

    looks_bps: list[float]  # mid over that of arrival
    arrival: float  # 1e-4
    half_spread_bps: float  # at the beginning
    cash: float  # 1e-4 x shares
    bought: int
    sold: int
    lost: dict[str, int]
    state_hash: int  # of the book at the end


class Path(NamedTuple):
    """Runs of one seed: we buy, we sell the same, and, where asked for, we stay away."""

    at_end_bps: float  # what we moved the mid by: half of what lies between buying and selling
    later_bps: float
    apart_bps: float  # what buying moved it more than selling; not-a-number without the third run
    paid_bps: float  # shortfall against the mid of arrival
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


def even(parent: Parent, side: int) -> list[Child]:
    """Return a parent's slices, each in the middle of its time."""
    cuts = [parent.qty * at // parent.slices for at in range(parent.slices + 1)]
    step = parent.over_s / parent.slices
    return [Child((at + 0.5) * step, side * (cuts[at + 1] - cuts[at])) for at in range(parent.slices)]


def run(
    calibration: Calibration, seed: int, children: list[Child], looks_s: tuple[float, ...]
) -> Run:  # fmt: skip
    """Send market orders at their times and look at the mid at others; nothing else of ours is there."""
    end_ns = BEGIN_NS + int(looks_s[-1] * NS)
    flow = QueueReactiveFlow(seed, BEGIN_NS, end_ns, calibration)
    engine = MatchingEngine(ORDERS_MAX, LEVELS_MAX, OUTCOMES_MAX)
    flow.advance(engine, BEGIN_NS)
    bid, ask = engine.book.best_bid_e4, engine.book.best_ask_e4
    arrival = (bid + ask) / 2.0
    cash, bought, sold, looks = 0.0, 0, 0, []
    due = sorted([(child.at_s, 0, child.qty) for child in children] + [(look, 1, 0) for look in looks_s])
    for at, (at_s, looking, qty) in enumerate(due):
        now_ns = BEGIN_NS + int(at_s * NS)
        flow.advance(engine, now_ns)
        if looking:
            looks.append(mid_bps(engine, arrival))
        elif qty:
            side = 1 if qty > 0 else -1
            outcomes = engine.new(
                OWN_ID + at,
                side,
                0,
                abs(qty),
                owner=OWNER,
                tif=Tif.IOC,
                flags=CommandFlag.MARKET,
                ts_ns=now_ns,
            )
            trades = outcomes[outcomes["kind"] == Outcome.TRADE]
            cash -= side * float((trades["price_e4"] * trades["size"]).sum())
            taken = int(trades["size"].sum())
            bought, sold = bought + taken * (side > 0), sold + taken * (side < 0)
    lost = dict(flow.dropped)
    lost["orders_full"], lost["levels_full"] = engine.counters.orders_full, engine.counters.levels_full
    half = (ask - bid) / 2.0 / arrival * 1e4
    return Run(looks, arrival, half, cash, bought, sold, lost, engine.book.state_hash())


def paths(
    calibration: Calibration, parent: Parent, count: int, first_seed: int = IMPACT_SEED, apart: bool = False
) -> list[Path]:  # fmt: skip
    """Run seeds with us on either side; `apart`: also without us, to tell the sides from each other."""
    found = []
    looks = (parent.over_s, max(parent.watch_s, parent.over_s * 1.0001))
    for seed in range(first_seed, first_seed + count):
        buy = run(calibration, seed, even(parent, 1), looks)
        sell = run(calibration, seed, even(parent, -1), looks)
        at_end, later = ((a - b) / 2.0 for a, b in zip(buy.looks_bps, sell.looks_bps, strict=True))
        off = math.nan
        if apart:
            none = run(calibration, seed, [], looks)
            off = buy.looks_bps[0] + sell.looks_bps[0] - 2.0 * none.looks_bps[0]
        found.append(Path(at_end, later, off, (paid(buy) + paid(sell)) / 2.0, buy.bought + sell.sold))
    return found


def paid(one: Run) -> float:
    """Return the shortfall of a run of ours in bps, not-a-number where nothing was filled."""
    filled = one.bought + one.sold
    side = 1 if one.bought else -1
    return side * (abs(one.cash) / filled / one.arrival - 1.0) * 1e4 if filled else math.nan


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


def decay(found: list[Path]) -> tuple[float, float, float]:
    """Return what is left of impact when it is looked at later, with the interval of resampled seeds."""
    both = np.array([(p.at_end_bps, p.later_bps) for p in found])
    both = both[np.isfinite(both).all(axis=1)]
    if not len(both) or both[:, 0].mean() <= 0:
        return math.nan, math.nan, math.nan
    rng = np.random.default_rng(IMPACT_SEED)
    drawn = both[rng.integers(0, len(both), (RESAMPLES, len(both)))].mean(axis=1)
    value = both.mean(axis=0)
    return float(value[1] / value[0]), *interval(drawn[:, 1] / drawn[:, 0])
