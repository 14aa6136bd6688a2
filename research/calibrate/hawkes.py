"""Who excites whom: a six-type Hawkes process (limit, market, cancel x side) by expectation and maximisation.

Decays are chosen from a short list by likelihood; what is faster than some 40 ms is left out, for no
decision here hangs on it. Base rates are constant, so what regimes and the day's shape move goes, in part,
to the slow exponential: the branching ratio is, if anything, too high.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.flow.calibration import BRANCHING_MAX
from market.kernels import kernel
from research.calibrate import scan as s

TYPES = 6  # 2 * (0 limit, 1 market, 2 cancel) + (0 buys, 1 sells); a market order counts by its aggressor
ROUNDS = 60
DECAYS = ((25.0, 0.25), (25.0, 1.0), (8.0, 0.25))  # per second, fast and slow
EVENTS_LEAST = 2_000
EVENTS_MOST = 300_000  # more add nothing but time


class Found(NamedTuple):
    """The fit, in the words of a calibration."""

    branching: float
    decays_per_s: tuple[float, float]
    weights: tuple[float, float]
    same: tuple[tuple[float, ...], ...]
    cross: tuple[tuple[float, ...], ...]


@kernel
def responsibilities(
    ts: NDArray[np.float64], kinds: NDArray[np.int64], base: NDArray[np.float64],
    gains: NDArray[np.float64], decays: NDArray[np.float64], drawn: NDArray[np.float64],
    base_drawn: NDArray[np.float64],
) -> float:  # fmt: skip
    """Attribute each event to the base or to earlier events; return the sum of log intensities."""
    memory = np.zeros((TYPES, 2))
    last, total = ts[0], 0.0
    for at in range(ts.shape[0]):
        wait = ts[at] - last
        last = ts[at]
        for k in range(2):
            fade = np.exp(-decays[k] * wait)
            for j in range(TYPES):
                memory[j, k] *= fade
        i = kinds[at]
        intensity = base[i]
        for j in range(TYPES):
            for k in range(2):
                intensity += gains[i, j, k] * decays[k] * memory[j, k]
        for j in range(TYPES):
            for k in range(2):
                drawn[i, j, k] += gains[i, j, k] * decays[k] * memory[j, k] / intensity
        base_drawn[i] += base[i] / intensity
        total += np.log(intensity)
        for k in range(2):
            memory[i, k] += 1.0
    return total


def mirrored(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a table that does not tell buys from sells."""
    swap = [1, 0, 3, 2, 5, 4]
    other: NDArray[np.float64] = table[swap][:, swap]
    return (table + other) / 2.0


def marked(scan: s.Scan) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return times (s) and types of the flow; an aggressive order counts once."""
    rows = scan.rows
    wanted = (rows[:, s.CLASS] <= s.TRADE) & (rows[:, s.TS] > scan.begin_ns)
    rows = rows[wanted][:EVENTS_MOST]
    trade = rows[:, s.CLASS] == s.TRADE
    again = np.zeros(len(rows), bool)
    again[1:] = trade[1:] & trade[:-1] & (rows[1:, s.TS] == rows[:-1, s.TS])
    rows, trade = rows[~again], trade[~again]
    place = np.array([0, 2, 1])[rows[:, s.CLASS]]  # limit, cancel, trade -> limit, market, cancel
    sells = (np.where(trade, -rows[:, s.SIDE], rows[:, s.SIDE]) < 0).astype(np.int64)
    return (rows[:, s.TS] - scan.begin_ns) / 1e9, 2 * place + sells


def fit_decays(
    ts: NDArray[np.float64], kinds: NDArray[np.int64], decays: tuple[float, float]
) -> tuple[float, NDArray[np.float64]]:
    """Return the log likelihood and gains [whom, cause, exponential] for given decays."""
    span = max(float(ts[-1] - ts[0]), 1e-9)
    number = np.bincount(kinds, minlength=TYPES).astype(np.float64)
    number = np.maximum((number + number[[1, 0, 3, 2, 5, 4]]) / 2.0, 1.0)
    base = 0.5 * number / span
    gains = np.full((TYPES, TYPES, 2), 0.04)
    score = -np.inf
    for _ in range(ROUNDS):
        drawn, base_drawn = np.zeros((TYPES, TYPES, 2)), np.zeros(TYPES)
        total = responsibilities(ts, kinds, base, gains, np.array(decays), drawn, base_drawn)
        score = total - float(base.sum()) * span - float((gains.sum(axis=2) @ number).sum())
        for k in range(2):
            gains[:, :, k] = mirrored(drawn[:, :, k]) / number[None, :]
        base = np.maximum((base_drawn + base_drawn[[1, 0, 3, 2, 5, 4]]) / 2.0 / span, 1e-9)
    return score, gains


def fit(scan: s.Scan) -> Found | None:
    """Fit a scanned stream; None where it has too few events to say anything."""
    ts, kinds = marked(scan)
    if len(ts) < EVENTS_LEAST:
        return None
    tried = [(*fit_decays(ts, kinds, decays), decays) for decays in DECAYS]
    _, gains, decays = max(tried, key=lambda one: one[0])
    number = np.bincount(kinds, minlength=TYPES).astype(np.float64)
    number = np.maximum((number + number[[1, 0, 3, 2, 5, 4]]) / 2.0, 1.0)
    shares = gains * number[None, :, None] / number[:, None, None]  # of whom's events, by cause
    branching = float((shares.sum(axis=(1, 2)) * number).sum() / number.sum())
    parts = shares.sum(axis=(0, 1))
    table = shares.sum(axis=2)
    same = tuple(tuple(float(table[2 * i, 2 * j]) for j in range(3)) for i in range(3))
    cross = tuple(tuple(float(table[2 * i, 2 * j + 1]) for j in range(3)) for i in range(3))
    weights = (float(parts[0] / parts.sum()), float(parts[1] / parts.sum()))
    return Found(min(branching, BRANCHING_MAX), decays, weights, same, cross)
