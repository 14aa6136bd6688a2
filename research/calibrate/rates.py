"""Counts over times in state, smoothed, as the tables of a calibration.

A cell with few events leans to what the states together show: `PRIOR` events' worth.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.flow.calibration import BEHIND, BEST, CELLS_MAX, INSIDE, QUEUES_MAX, SPREADS_MAX, Row
from research.calibrate import exposures, samples
from research.calibrate import scan as s
from research.calibrate.lifetimes import Lifetimes

Table = NDArray[Any]
PRIOR = 5.0  # events
SPREAD_QUANTILES = (0.03, 0.12, 0.3, 0.5, 0.7, 0.85, 0.95)
BEHIND_STEPS = (1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 48, 64, 85, 115, 150, 200)
BEHIND_TAIL = 0.005  # of limit orders lie beyond the last edge
QUEUE_STEPS = (0.25, 1.0, 1.25, 2.0, 3.0, 4.5, 8.0)  # of the mean size; quarters, as the flow looks them up
WIDE = 2.0  # ticks: below twice it a spread of one tick is a state of its own
MODE_LEAST = 0.2  # of all orders have one size: queues are counted in it
FIT_ROUNDS = 20
FACTOR_RANGE = (0.1, 10.0)


class Cuts(NamedTuple):
    """How states are cut, in the units of a calibration."""

    mean_size: int
    spreads: tuple[int, ...]
    behind: tuple[int, ...]
    queues: tuple[float, ...]

    def edges(self, tick_e4: int) -> exposures.Edges:
        """Return the cuts in ticks and shares, as the counting kernel wants them."""
        return exposures.Edges(
            tick_e4,
            np.array(self.spreads, np.int64),
            np.array(self.behind, np.int64),
            np.array(self.queues) * self.mean_size,
        )


def cuts(scan: s.Scan, tick_e4: int) -> Cuts:
    """Return cuts by what a stream shows: spreads by quantiles, distances until orders become rare."""
    spread = samples.spreads_of(scan) // tick_e4
    inner = sorted({int(x) for x in np.quantile(spread, SPREAD_QUANTILES) if x > 1})
    spreads = tuple(sorted({1, 2, *inner} if np.mean(spread) < 2 * WIDE else {1, *inner}))[:SPREADS_MAX]
    rows = scan.rows
    limits = rows[(rows[:, s.CLASS] == s.LIMIT) & (rows[:, s.TS] > scan.begin_ns)]
    ticks = limits[(limits[:, s.DISTANCE] > 0) & (limits[:, s.DISTANCE] < s.ABSENT), s.DISTANCE] // tick_e4
    far = float(np.quantile(ticks, 1.0 - BEHIND_TAIL)) if len(ticks) else 2.0
    count = next((k for k, step in enumerate(BEHIND_STEPS) if step > far), len(BEHIND_STEPS) - 1)
    behind = BEHIND_STEPS[: max(count + 1, 2)]
    size = np.concatenate([limits[:, s.SIZE], samples.trades_of(scan).size])
    touch = samples.depth_of(scan, 0)
    mean = typical(size)
    steps: tuple[float, ...] = QUEUE_STEPS
    if len(touch) and np.median(touch) > QUEUE_STEPS[-1] * mean:  # deep queues: cut by their quantiles
        found = np.quantile(touch / mean, np.linspace(0.1, 0.9, QUEUES_MAX - 1))
        steps = tuple(sorted({max(0.25, round(float(x) * 4) / 4) for x in found}))
    return Cuts(mean, spreads, behind[: CELLS_MAX - BEHIND + 1], steps)


def typical(sizes: Table) -> int:
    """Return the size in which queues are counted: the most frequent one, the mean where none stands out."""
    if not len(sizes):
        return 1
    values, number = np.unique(sizes, return_counts=True)
    if number.max() >= MODE_LEAST * len(sizes):
        return int(values[int(np.argmax(number))])
    return max(1, int(np.mean(sizes)))


def smoothed(counts: Table, seconds: Table, prior: Table) -> Table:
    """Return counts over seconds, leaning to a prior rate by so many events."""
    prior = np.maximum(prior, 1e-9)
    return (counts + PRIOR) / (seconds + PRIOR / prior)


def limits(counts: exposures.Counts, edges: tuple[int, ...], cells: int) -> tuple[Row, ...]:
    """Return rates per second and side [spread][cell]; a spread of one tick has no inside."""
    spreads = len(edges)
    seconds = np.repeat(counts.seconds[:spreads].sum(axis=1)[:, None], cells, axis=1)
    closed = np.array([high == 2 for high in (*edges[1:], 0)])  # the bucket that holds one tick only
    seconds[closed, :BEST] = 0.0
    number = counts.limits[:spreads, :cells]
    pooled = np.where(
        seconds.sum(axis=0) > 0, number.sum(axis=0) / np.maximum(seconds.sum(axis=0), 1e-9), 0.0
    )
    table = np.where(pooled > 0, smoothed(number, seconds, np.broadcast_to(pooled, number.shape)), 0.0)
    table[closed, :BEST] = 0.0
    return as_rows(table)


def markets(counts: exposures.Counts, spreads: int, queues: int) -> tuple[Row, ...]:
    """Return rates per second and side [spread][queue hit], leaning to the product of both margins."""
    seconds, number = counts.seconds[:spreads, :queues], counts.markets[:spreads, :queues]
    whole = max(float(number.sum()), 1.0) / max(float(seconds.sum()), 1e-9)
    by_spread = smoothed(number.sum(axis=1), seconds.sum(axis=1), np.full(spreads, whole))
    by_queue = smoothed(number.sum(axis=0), seconds.sum(axis=0), np.full(queues, whole))
    return as_rows(smoothed(number, seconds, by_spread[:, None] * by_queue[None, :] / whole))


def limits_by_queue(counts: exposures.Counts, rates: tuple[Row, ...], queues: int) -> tuple[Row, ...]:
    """Return factors by the queue at the price: for orders that join the best, one cell behind, further."""
    table = np.array(rates)
    spreads, places = table.shape
    seconds = counts.seconds[:spreads, :queues]
    number = counts.limits_by_queue[:places, :queues]
    pooled = counts.limits[:spreads, :places].sum(axis=0) / max(float(seconds.sum()), 1e-9)
    standing = counts.standing[:places, :queues].copy()
    standing[:, 0] += np.maximum(float(seconds.sum()) - standing.sum(axis=1), 0.0)  # nothing stands there
    expected = pooled[:, None] * standing
    joined = smoothed_factor(number[BEST], table[:, BEST] @ seconds)
    behind = smoothed_factor(number[BEHIND], expected[BEHIND])
    further = smoothed_factor(number[BEHIND + 1 :].sum(axis=0), expected[BEHIND + 1 :].sum(axis=0))
    return as_rows(np.array([joined, behind, further]))


def inside_by_queue(counts: exposures.Counts, rates: tuple[Row, ...], queues: int) -> Row:
    """Return factors of orders inside the spread by the queue of the touch that they improve on."""
    table = np.array(rates)[:, :BEST].sum(axis=1)
    number = counts.inside_met[: len(table), :queues].sum(axis=0)
    return as_rows(smoothed_factor(number, table @ counts.seconds[: len(table), :queues])[None, :])[0]


def smoothed_factor(number: Table, expected: Table) -> Table:
    """Return what happened over what was expected, leaning to one."""
    return np.clip((number + PRIOR) / (expected + PRIOR), *FACTOR_RANGE)


def cancels(counts: exposures.Counts, behind: int, queues: int) -> tuple[Row, Row, Row]:
    """Return factors by distance, by queue behind the best, and by queue at it, that fit each cell best."""
    number, expected = counts.cancels[:behind, :queues], counts.expected[:behind, :queues]
    by_queue, at_best = np.ones(queues), np.ones(queues)
    by_distance = np.ones(behind)
    for _ in range(FIT_ROUNDS):
        weighted = np.concatenate([expected[:1] @ at_best, expected[1:] @ by_queue])
        by_distance = smoothed_factor(number.sum(axis=1), weighted)
        by_queue = smoothed_factor(number[1:].sum(axis=0), by_distance[1:] @ expected[1:])
        at_best = smoothed_factor(number[0], by_distance[0] * expected[0])
    distance = [round(float(x), 5) for x in by_distance]
    behind_best, best = (tuple(round(float(x), 5) for x in row) for row in (by_queue, at_best))
    return (*distance, distance[-1]), behind_best, best


def class_shares(found: Lifetimes, cells: int) -> tuple[Row, ...]:
    """Return the mixture of lifetimes by cell."""
    return as_rows(found.shares[:cells])


def as_rows(table: Table) -> tuple[Row, ...]:
    """Return a table as tuples of rounded floats."""
    return tuple(tuple(float(f"{x:.6g}") for x in row) for row in table.tolist())


assert INSIDE < BEST < BEHIND
