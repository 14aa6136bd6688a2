"""Indirect inference of what depends on the touch's queue: count the simulation as the recording was counted.

Where layers act together, a market that is given the recorded tables does not show them: orders toward value
find other queues than the rest. So the tables are multiplied by recorded over simulated, damped, a few
times. Only the shape over queues moves here; the level is `refine.balanced`'s.
"""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from market.flow.calibration import BEST, Calibration, Row
from research.calibrate import exposures
from research.calibrate.facts import Facts
from research.calibrate.rates import PRIOR, Cuts
from research.calibrate.refine import balanced, ordinary
from research.calibrate.simulated import simulate

SEED = 73_000_001
SECONDS = 14_400
ROUNDS = 3
DAMPED = 0.7
MOST = 2.0  # that a factor moves at once
Table = NDArray[Any]


def shapes(counts: exposures.Counts, queues: int) -> dict[str, Table]:
    """Return rates by the touch's queue over their mean: markets, cancels, joins, and improvements on it."""
    seconds = counts.seconds.sum(axis=0)[:queues]
    found = {}
    for name, number in (
        ("markets", counts.markets.sum(axis=0)),
        ("cancels", counts.cancels[0]),
        ("joins", counts.limits_by_queue[BEST]),
        ("inside", counts.inside_met.sum(axis=0)),
    ):
        mean = max(float(number.sum()), 1.0) / max(float(seconds.sum()), 1e-9)
        rate = (number[:queues] + PRIOR) / (seconds + PRIOR / mean)
        found[name] = rate / mean
    return found


def factors(recorded: Table, simulated: Table) -> Table:
    """Return by what a table is multiplied."""
    ratio: Table = np.clip((recorded / simulated) ** DAMPED, 1.0 / MOST, MOST)
    return ratio


def aligned(calibration: Calibration, cuts: Cuts, recorded: exposures.Counts, facts: Facts) -> Calibration:
    """Return a calibration whose simulation depends on the touch's queue as the recording does."""
    queues = len(cuts.queues) + 1
    target = shapes(recorded, queues)
    edges = cuts.edges(calibration.tick_e4)
    for turn in range(ROUNDS):
        stream, _ = simulate(ordinary(calibration), SEED + turn, SECONDS)
        seen = shapes(exposures.count(stream.events, edges, stream.begin_ns), queues)
        by = {name: factors(target[name], seen[name]) for name in target}
        calibration = msgspec.structs.replace(
            calibration,
            markets=tuple(times(row, by["markets"]) for row in calibration.markets),
            inside_by_queue=times(calibration.inside_by_queue, by["inside"]),
            cancels_at_best=times(calibration.cancels_at_best, by["cancels"]),
            limits_by_queue=(
                times(calibration.limits_by_queue[0], by["joins"]),
                *calibration.limits_by_queue[1:],
            ),
        )
        calibration = balanced(calibration, facts, 1)
    return calibration


def times(row: Row, by: Table) -> Row:
    """Return a row multiplied, rounded."""
    return tuple(float(f"{x * y:.6g}") for x, y in zip(row, by.tolist(), strict=True))
