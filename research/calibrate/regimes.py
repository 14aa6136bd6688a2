"""The shape of the day and three regimes of activity, from counts in windows of time.

What counts in a window vary by chance alone is taken off before regimes are told apart, so that a stream
without regimes gets none. Recordings of minutes cannot tell a shape of the day: then it is flat.
"""

import numpy as np
from numpy.typing import NDArray

from market.flow.calibration import REGIMES, Regime
from research.calibrate import samples
from research.calibrate import scan as s
from research.calibrate.blocks import NS

BIN_NS = 900 * NS  # of the day's shape
BINS_LEAST = 8  # two hours: with less the shape stays flat
SMOOTH = (0.25, 0.5, 0.25)
WINDOW_NS = 300 * NS  # of a regime
WINDOWS_LEAST = 24
CLOSING = (0.9, 0.9, 0.95, 1.0, 1.2, 1.6)  # literature's last six quarters of an hour of a U-shaped day
SESSION_QUARTERS = 26  # from 09:30 to 16:00


def shape(scan: s.Scan, session: bool) -> tuple[tuple[float, ...], str]:
    """Return multiples of all rates by quarter of an hour, with a line on where they come from."""
    rows = scan.rows
    ts_ns = rows[(rows[:, s.CLASS] <= s.HIDDEN) & (rows[:, s.TS] > scan.begin_ns), s.TS]
    bins = int((scan.end_ns - scan.begin_ns) // BIN_NS)
    if not session or bins < BINS_LEAST:
        return (1.0,), "flat: the recording is too short, or the market never closes"
    counts = np.bincount((ts_ns - scan.begin_ns) // BIN_NS, minlength=bins)[:bins].astype(np.float64)
    ends = np.concatenate([counts[:1], counts, counts[-1:]])
    smooth = np.convolve(ends, SMOOTH, mode="valid")
    measured = (smooth / smooth.mean()).tolist()
    lacking = max(0, min(SESSION_QUARTERS - bins, len(CLOSING)))
    values = tuple(round(x, 4) for x in measured + list(CLOSING[len(CLOSING) - lacking :]))
    return values, f"measured for {bins} quarters of an hour, literature's U-shape for the last {lacking}"


def windows(scan: s.Scan) -> NDArray[np.float64]:
    """Return per window the counts of limits, markets, cancels, and the squared return."""
    count = int((scan.end_ns - scan.begin_ns) // WINDOW_NS)
    rows = scan.rows[scan.rows[:, s.TS] > scan.begin_ns]
    table = np.zeros((count, 4))
    for column, kind in enumerate((s.LIMIT, s.TRADE, s.CANCEL)):
        at = (rows[rows[:, s.CLASS] == kind, s.TS] - scan.begin_ns) // WINDOW_NS
        table[:, column] = np.bincount(at, minlength=count)[:count]
    mids = samples.mids_of(scan)
    step_ns = 10 * NS
    edges = scan.begin_ns + np.arange(count * WINDOW_NS // step_ns + 1, dtype=np.int64) * step_ns
    mid = mids.at(edges)
    squares = (np.diff(mid) / mid[:-1] * 1e4) ** 2
    table[:, 3] = squares[: count * (WINDOW_NS // step_ns)].reshape(count, -1).sum(axis=1)
    return table


def regimes(
    scan: s.Scan, shape_of_day: tuple[float, ...], branching: float
) -> tuple[tuple[Regime, ...], tuple[float, ...], str]:  # fmt: skip
    """Return three regimes, their mean stays (s) and a line on where they come from."""
    table = windows(scan)
    calm = (Regime(), Regime(), Regime())
    if len(table) < WINDOWS_LEAST:
        return calm, (900.0,) * REGIMES, "none: the recording is too short"
    bins = np.minimum((np.arange(len(table)) * WINDOW_NS // BIN_NS), len(shape_of_day) - 1)
    table = table / np.array(shape_of_day)[bins][:, None]
    total = table[:, 0] + table[:, 2]
    noise = total.mean() / max(1.0 - branching, 0.1) ** 2  # variance of a self-exciting count
    keep = np.sqrt(max(0.0, 1.0 - noise / max(float(total.var()), 1e-9)))
    which = np.searchsorted(np.quantile(total, [1 / 3, 2 / 3]), total)
    found, stays = [], []
    for at in range(REGIMES):
        mine = which == at
        ratio = table[mine].mean(axis=0) / np.maximum(table.mean(axis=0), 1e-9)
        ratio = 1.0 + keep * (ratio - 1.0)
        found.append(
            Regime(
                limits=round(float(ratio[0]), 4),
                markets=round(float(ratio[1]), 4),
                cancels=1.0,  # a rate per order: more orders are more cancels
                sigma=round(float(np.sqrt(max(ratio[3], 0.01))), 4),
            )
        )
        runs = int((mine & ~np.append(False, mine[:-1])).sum())
        stays.append(round(float(mine.sum()) / max(runs, 1) * WINDOW_NS / NS, 1))
    line = f"terciles of {len(table)} windows of 300 s, shrunk by {keep:.2f} for what is chance"
    return tuple(found), tuple(stays), line
