"""The realism battery: a calibration simulated, held against its recording, literature and common sense."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from market.flow.calibration import Calibration
from market.tape import sha256
from research.calibrate import curves, facts
from research.calibrate.facts import Facts
from research.calibrate.refine import ordinary
from research.calibrate.simulated import simulate
from research.simcheck import arbitrage, checks, episodes, gate, impact, numbers
from research.simcheck.arbitrage import Earned
from research.simcheck.checks import SEED_SET, Check, Sizes
from research.simcheck.gate import Verdict
from research.simcheck.impact import Law, Parent
from research.simcheck.numbers import Number

STREAM_SEED = (
    80_000_001  # of the first stream in the set of seeds 0, which was seen while fitting and choosing
)
SPAN_MOST_S = 18_000  # a simulated stream is as long as the recording, at most five hours
SPAN_LEAST_S = 3_600
W1_MOST = 0.25  # standard deviations; or what the recording's halves are apart, if that is more
PARTICIPATION = 0.1
DECAY_LIVES = 5.0  # durations after the end at which decay is read
SIZES = (1.0, 3.16, 10.0, 31.6, 100.0)  # aggressive orders' worth: two decades
CHILDREN_LEAST = 4  # of a parent at fixed participation; the larger ones go on in the same rhythm
HORIZON_SLICES = 20
Report = Callable[[str], None]


class Budget(msgspec.Struct, frozen=True):
    """How much is simulated."""

    streams: int
    span_most_s: int
    pairs: int  # of runs, buying and selling, for each size of the impact laws
    runs: int  # for each other check
    sizes: int
    horizon_s: float
    orders: int  # worked in the environment for its A/A
    adversary_steps: int


FULL = Budget(4, SPAN_MOST_S, 400, 300, 5, 600.0, 4_096, 400_000)
QUICK = Budget(1, SPAN_LEAST_S, 40, 40, 4, 300.0, 1_024, 40_000)


class Distance(msgspec.Struct, frozen=True):
    """How far a distribution is from the recorded one."""

    feature: str
    w1: float  # in standard deviations of the recorded one
    halves: float  # what the recording's own halves are apart
    passed: bool


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """All that the battery found."""

    calibration: str
    calibration_sha256: str
    source: str
    quick: bool
    seed_set: int
    numbers: list[Number]
    distances: list[Distance]
    checks: list[Check]
    gate: Verdict
    adversary: Earned | None  # None: not run
    participation: Law
    horizon: Law
    decay: tuple[float, float, float]
    recorded: Facts
    simulated: Facts
    counters: dict[str, int]


def battery(
    path: Path,
    calibration: Calibration,
    recorded: Facts,
    budget: Budget,
    report: Report,
    seed_set: int = 0,
) -> Result:  # fmt: skip
    """Run everything; another set of seeds is another draw of every stream, run and trip."""
    shift = seed_set * SEED_SET
    report("streams: numbers, distributions, probes")
    streams, counters, events = simulated_streams(calibration, recorded, budget, shift)
    means = averages(streams)
    verdict = gate.verdict(recorded, means, calibration.name, path)
    sizes = Sizes(
        max(1, round(recorded.numbers["trade_size"].value)),
        recorded.numbers["trade_size"].value * recorded.numbers["trades_per_s"].value,
        budget.runs,
        shift,
    )
    plain = ordinary(calibration)
    report("impact over size, at fixed participation and at a fixed horizon")
    share, horizon, decay, pairs = impacts(plain, sizes, budget)
    report(f"an adversary, {budget.adversary_steps:,} decisions")
    found = arbitrage.earned(plain, budget.adversary_steps, seed_set) if budget.adversary_steps else None
    report("twins, mirror, round trips, A/A")
    rows = [
        *checks.no_trade_twin(plain, sizes),
        checks.small_order(plain, sizes),
        checks.mirror(pairs),
        checks.law_checks("fixed participation", *share[4:], numbers.EXPONENT),
        checks.law_checks("fixed horizon", *horizon[4:], numbers.EXPONENT),
        checks.coded(plain),
        *checks.round_trips(plain, sizes),
        *checks.dropped(counters, events),
        episodes.check(episodes.against_itself(plain, budget.orders, seed_set)),
        arbitrage.check(found, budget.adversary_steps),
    ]
    return Result(
        calibration=calibration.name,
        calibration_sha256=sha256(path),
        source=recorded.source,
        quick=budget.streams < FULL.streams,
        seed_set=seed_set,
        numbers=numbers.compare(recorded, means, share.exponent, decay[0]),
        distances=distances(recorded, streams[0]),
        checks=rows,
        gate=msgspec.structs.replace(verdict, unsound=checks.unsound(rows)),
        adversary=found,
        participation=share,
        horizon=horizon,
        decay=decay,
        recorded=recorded,
        simulated=streams[0],
        counters=counters,
    )


def simulated_streams(
    calibration: Calibration, recorded: Facts, budget: Budget, shift: int
) -> tuple[list[Facts], dict[str, int], int]:  # fmt: skip
    """Measure simulated streams like the recording; return them, their counters and their events."""
    recorded_s = (recorded.end_ns - recorded.begin_ns) // 10**9
    span_s = int(min(max(recorded_s, SPAN_LEAST_S), budget.span_most_s))
    whole = calibration if span_s >= recorded_s else ordinary(calibration)
    found, totals, events = [], dict[str, int](), 0
    for at in range(budget.streams):
        stream, counters = simulate(whole, STREAM_SEED + shift + at, span_s)
        for name, value in counters.items():
            totals[name] = totals.get(name, 0) + value
        measured = facts.measure(
            stream.events, stream.tick_e4, stream.begin_ns, stream.end_ns, stream.source,
            recorded.position_edges,
        )  # fmt: skip
        events += measured.events
        found.append(measured)
    return found, totals, events


def averages(streams: list[Facts]) -> dict[str, float]:
    """Return the mean of every number and probe over the streams that have it."""
    values: dict[str, list[float]] = {}
    for one in streams:
        for name, estimate in (one.numbers | one.probes).items():
            values.setdefault(name, []).append(estimate.value)
    return {name: float(np.mean(found)) for name, found in values.items()}


def distances(recorded: Facts, simulated: Facts) -> list[Distance]:
    """Return how far each distribution is off."""
    rows = []
    for feature, table in recorded.distributions.items():
        if feature not in simulated.distributions:
            continue
        w1 = curves.distance(table, simulated.distributions[feature])
        halves = recorded.halves.get(feature, 0.0)
        rows.append(Distance(feature, w1, halves, w1 <= max(W1_MOST, halves)))
    return rows


def impacts(
    calibration: Calibration, sizes: Sizes, budget: Budget
) -> tuple[Law, Law, tuple[float, float, float], list[impact.Path]]:  # fmt: skip
    """Return both laws of impact, decay with its interval, and the pairs that the mirror looks at."""
    quantities = [max(CHILDREN_LEAST, round(sizes.usual * step)) for step in SIZES[: budget.sizes]]
    pace = PARTICIPATION * sizes.volume_per_s
    hour = 3600.0 * sizes.volume_per_s
    shares, horizons, first = [], [], impact.IMPACT_SEED + sizes.shift
    middle = len(quantities) // 2
    for at, qty in enumerate(quantities):
        over_s = qty / pace
        slices = max(CHILDREN_LEAST, round(CHILDREN_LEAST * qty / sizes.usual))  # one rhythm for all sizes
        watched = at == middle
        parent = Parent(qty, slices, over_s, over_s * (1.0 + DECAY_LIVES) if watched else over_s)
        shares.append(impact.paths(calibration, parent, budget.pairs, first, apart=watched))
        parent = Parent(qty, min(qty, HORIZON_SLICES), budget.horizon_s, budget.horizon_s)
        horizons.append(impact.paths(calibration, parent, budget.pairs, first))
    relative = [qty / hour for qty in quantities]
    pairs = shares[middle]
    return impact.law(relative, shares), impact.law(relative, horizons), impact.decay(pairs), pairs
