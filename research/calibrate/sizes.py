"""Laws of sizes as at most 32 sizes with weights: what is frequent for itself, the rest in quantile bins.

An aggressive order that took a queue whole might have wanted more: its size is then only a lower bound, and
the law of what was wanted is Kaplan and Meier's.
"""

import numpy as np
from numpy.typing import NDArray

from market.flow.calibration import SIZES_MAX
from research.calibrate import samples
from research.calibrate import scan as s

Law = tuple[tuple[int, float], ...]
ATOM = 0.02  # of all orders: a size so frequent stands for itself
ATOMS_MOST = SIZES_MAX // 2


def law(sizes: NDArray[np.int64], weights: NDArray[np.float64] | None = None) -> Law:
    """Return a law with the mean of the sample."""
    if weights is None:
        weights = np.ones(len(sizes))
    values, where = np.unique(sizes, return_inverse=True)
    mass = np.bincount(where, weights=weights)
    mass = mass / mass.sum()
    if len(values) <= SIZES_MAX:
        return tuple((int(v), round(float(m), 6)) for v, m in zip(values, mass, strict=True) if m > 0)
    frequent = np.argsort(-mass)[:ATOMS_MOST]
    atoms = {int(at) for at in frequent if mass[at] >= ATOM}
    found = [(int(values[at]), float(mass[at])) for at in atoms]
    rest = np.array([at for at in range(len(values)) if at not in atoms and mass[at] > 0], np.int64)
    if not len(rest):
        return tuple(sorted(found))
    share = np.cumsum(mass[rest]) / mass[rest].sum()
    bins = np.minimum((share * (SIZES_MAX - len(atoms)) - 1e-9).astype(np.int64), SIZES_MAX - len(atoms) - 1)
    for part in np.unique(bins):
        chosen = rest[bins == part]
        total = float(mass[chosen].sum())
        mean = float((values[chosen] * mass[chosen]).sum()) / total
        found.append((max(1, round(mean)), total))
    return tuple(sorted((size, round(weight, 6)) for size, weight in found if weight > 0))


def wanted(trades: samples.Trades) -> tuple[Law, float]:
    """Return the law of what aggressive orders wanted, and the share of them that stop at the best queue."""
    size, queue = trades.size, trades.touch_size
    whole, beyond = size == queue, size > queue
    clip = float(whole.sum() / max(int((whole | beyond).sum()), 1))
    order = np.argsort(size, kind="stable")
    sizes, censored = size[order], whole[order]
    values, first = np.unique(sizes, return_index=True)
    alive, mass = 1.0, np.zeros(len(values))
    for at, begin in enumerate(first):
        end = first[at + 1] if at + 1 < len(first) else len(sizes)
        at_risk = len(sizes) - begin
        deaths = int((~censored[begin:end]).sum())
        mass[at] = alive * deaths / at_risk
        alive -= mass[at]
    mass[-1] += alive  # whoever took the largest queue whole
    return law(values, mass), clip


def limit_law(scan: s.Scan, *, inside: bool) -> Law:
    """Return the law of limit orders' sizes, inside the spread or at and behind the touch."""
    rows = scan.rows
    limits = rows[(rows[:, s.CLASS] == s.LIMIT) & (rows[:, s.TS] > scan.begin_ns)]
    chosen = limits[(limits[:, s.DISTANCE] < 0) == inside, s.SIZE]
    return law(chosen) if len(chosen) >= SIZES_MAX else law(limits[:, s.SIZE])
