"""The statistics of a claim: paired differences, intervals over clusters, several comparisons at once.

The unit is a parent order; what is drawn again is its cluster (a seed, or a window or day of a tape), because
orders of one cluster saw the same market. Every number here is seeded: the same rows give the same interval.

A bootstrap over few clusters is too narrow: what it draws has the spread of a sample, not of a market, and
the normal law is not Student's. Its quantiles are taken further out for that (`reach`), and no interval is
narrower than Student's. With many clusters neither changes anything.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import stats

RESAMPLES: Final = 10_000
LEVEL: Final = 0.95
POWER: Final = 0.80  # of the smallest effect that is called detectable
STATISTIC_RESAMPLES: Final = 2_000  # of a statistic that is no mean: each draw is a sort
SIZE_REPETITIONS: Final = 2_000  # of the test of the test: 5 % are known to half a point
SIZE_RESAMPLES: Final = 1_000  # of each
DRAWS_AT_ONCE: Final = 1 << 22  # indices drawn in one piece: 32 MiB
CLUSTERS_MIN: Final = 2  # one cluster has no spread
CLUSTERS_TOLD: Final = 6  # of five and fewer, all lie on one side by chance in 6 % of cases and more
EXACT_AT_MOST: Final = 50  # pairs: above, Wilcoxon's distribution is normal enough

Floats = NDArray[np.float64]


class Interval(msgspec.Struct, frozen=True):
    """A mean, its interval and its standard error, in the unit of the values; p against a mean of zero."""

    mean: float
    low: float
    high: float
    se: float
    p: float
    units: int  # parent orders
    clusters: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return self.low > 0.0 or self.high < 0.0


class Paired(msgspec.Struct, frozen=True):
    """Ours less theirs on the same markets."""

    difference: Interval
    correlation: float  # of the two within pairs: what pairing saves
    wilcoxon_p: float
    wins: float  # share of pairs in which ours is lower, ties half
    detectable: float  # smallest difference found with POWER at LEVEL by so many clusters


def interval(
    values: Floats,
    clusters: NDArray[Any] | None = None,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Interval:
    """Return the mean with its bias-corrected and accelerated interval, drawn over clusters.

    Efron and Tibshirani (1993), chapter 14; the acceleration is the jackknife's over clusters.

    Args:
        values: float64 (n,), one a parent order.
        clusters: (n,) labels; None: each value is its own cluster.
        seed: of the draws.
        resamples: how many.
        level: of the interval.

    Raises:
        ValueError: no values, a value that is not finite, or fewer than two clusters.

    """
    sums, counts = by_cluster(values, clusters)
    mean = float(sums.sum() / counts.sum())
    drawn = resampled_means(sums, counts, resamples, seed)
    se = float(drawn.std(ddof=1))
    if se <= 1e-12 * max(1.0, abs(mean)):
        return Interval(mean, mean, mean, 0.0, float(mean == 0.0), len(values), len(sums))
    bias, acceleration = bca_terms(sums, counts, drawn, mean)
    low, high = ends(drawn, bias, acceleration, mean, reach(level, len(sums)))
    p = p_of_zero(drawn, bias, acceleration, mean, len(sums))
    return Interval(mean, low, high, se, p, len(values), len(sums))


def paired(ours: Floats, theirs: Floats, clusters: NDArray[Any] | None = None, *, seed: int = 0) -> Paired:
    """Compare two columns of costs over the same parent orders; negative: ours is cheaper."""
    if ours.shape != theirs.shape:
        raise ValueError(f"pairs need equal columns, got {ours.shape} and {theirs.shape}")
    difference = ours - theirs
    found = interval(difference, clusters, seed=seed)
    spread = ours.std() * theirs.std()
    correlation = float(np.corrcoef(ours, theirs)[0, 1]) if spread > 0.0 else 1.0
    wins = float((difference < 0).mean() + 0.5 * (difference == 0).mean())
    least = detectable(found.se, found.clusters)
    return Paired(found, correlation, wilcoxon(difference, clusters), wins, least)


def paired_statistic(
    ours: Floats,
    theirs: Floats,
    clusters: NDArray[Any],
    statistic: Callable[[Floats], float],
    *,
    seed: int = 0,
    resamples: int = STATISTIC_RESAMPLES,
) -> Interval:
    """Return the difference of a statistic that is no mean, with its percentile interval over clusters.

    Args:
        ours: (n,) one a parent order.
        theirs: (n,) on the same orders.
        clusters: (n,) labels; whole clusters are drawn, ours and theirs together.
        statistic: of one column.
        seed: of the draws.
        resamples: how many.

    """
    labels, index = np.unique(clusters, return_inverse=True)
    members = [np.flatnonzero(index == at) for at in range(len(labels))]
    chance = np.random.Generator(np.random.Philox(seed))
    drawn = np.empty(resamples)
    for at in range(resamples):
        rows = np.concatenate([members[one] for one in chance.integers(0, len(labels), len(labels))])
        drawn[at] = statistic(ours[rows]) - statistic(theirs[rows])
    z = reach(LEVEL, len(labels))
    low, high = np.quantile(drawn, stats.norm.cdf([-z, z]))
    p = max(1.0 / resamples, p_beyond(abs(z_of_zero(drawn)), len(labels)))
    mean = statistic(ours) - statistic(theirs)
    return Interval(mean, float(low), float(high), float(drawn.std(ddof=1)), p, len(ours), len(labels))


def size_of_test(
    difference: Floats, clusters: NDArray[Any], *, repetitions: int = SIZE_REPETITIONS, seed: int = 0
) -> float:
    """Return how often the interval misses zero where there is no difference: 5 % is due.

    Real differences lose their mean and each cluster its sign at random, so that the true mean is zero and
    clusters are as unlike each other as they really are; then the interval is drawn as for a claim.
    """
    sums, counts = by_cluster(difference - difference.mean(), clusters)
    chance = np.random.Generator(np.random.Philox([seed, 1]))
    z, missed = reach(LEVEL, len(sums)), 0
    for at in range(repetitions):
        signed = sums * chance.choice((-1.0, 1.0), len(sums))
        mean = float(signed.sum() / counts.sum())
        drawn = resampled_means(signed, counts, SIZE_RESAMPLES, at)
        low, high = ends(drawn, *bca_terms(signed, counts, drawn, mean), mean, z)
        missed += low > 0.0 or high < 0.0
    return missed / repetitions


def wilcoxon(difference: Floats, clusters: NDArray[Any] | None) -> float:
    """Return the two-sided p of Wilcoxon's signed ranks over the clusters' means."""
    sums, counts = by_cluster(difference, clusters)
    means = sums / counts
    if not means.any():
        return 1.0
    method = (
        "exact" if len(means) <= EXACT_AT_MOST and len(np.unique(np.abs(means))) == len(means) else "approx"
    )
    return float(stats.wilcoxon(means, method=method).pvalue)


def detectable(se: float, clusters: int, level: float = LEVEL, power: float = POWER) -> float:
    """Return the smallest effect that a standard error of `se`, drawn over clusters, finds with `power`."""
    return (reach(level, clusters) + reach(2.0 * power - 1.0, clusters)) * se


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values that hold together, after Holm (1979), in the order given."""
    count = len(p_values)
    adjusted_ps, highest = [0.0] * count, 0.0
    for rank, at in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (count - rank) * p_values[at]))
        adjusted_ps[at] = highest
    return adjusted_ps


def cvar(values: Floats, share: float = 0.05) -> float:
    """Return the mean of the worst `share` of costs: of the largest, the last one of them in part."""
    ranked = np.sort(values)[::-1]
    due = share * len(ranked)
    whole = int(due)
    rest = (due - whole) * ranked[min(whole, len(ranked) - 1)]
    return float((ranked[:whole].sum() + rest) / due)


# --- the bootstrap --------------------------------------------------------------------------------
def by_cluster(values: Floats, clusters: NDArray[Any] | None) -> tuple[Floats, Floats]:
    """Return sums and counts of each cluster."""
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all():
        raise ValueError("an interval needs finite values, at least one")
    if clusters is None:
        sums, counts = values.astype(np.float64), np.ones(len(values))
    else:
        if len(clusters) != len(values):
            raise ValueError(f"{len(values)} values, but {len(clusters)} clusters")
        _, index = np.unique(clusters, return_inverse=True)
        sums = np.bincount(index, weights=values).astype(np.float64)
        counts = np.bincount(index).astype(np.float64)
    if len(sums) < CLUSTERS_MIN:
        raise ValueError("one cluster has no interval: more seeds, windows or days are needed")
    return sums, counts


def resampled_means(sums: Floats, counts: Floats, resamples: int, seed: int) -> Floats:
    """Return the means of so many draws of clusters with replacement."""
    chance = np.random.Generator(np.random.Philox(seed))
    size = len(sums)
    means = np.empty(resamples)
    step = max(1, DRAWS_AT_ONCE // size)
    for first in range(0, resamples, step):
        rows = min(step, resamples - first)
        picked = chance.integers(0, size, (rows, size))
        means[first : first + rows] = sums[picked].sum(axis=1) / counts[picked].sum(axis=1)
    return means


def bca_terms(sums: Floats, counts: Floats, drawn: Floats, mean: float) -> tuple[float, float]:
    """Return the bias correction and the acceleration."""
    below = (drawn < mean).mean() + 0.5 * (drawn == mean).mean()
    bias = float(stats.norm.ppf(np.clip(below, 0.5 / len(drawn), 1 - 0.5 / len(drawn))))
    without = (sums.sum() - sums) / (counts.sum() - counts)
    off = without.mean() - without
    spread = float((off**2).sum()) ** 1.5
    return bias, float((off**3).sum() / (6.0 * spread)) if spread > 0.0 else 0.0


def reach(level: float, clusters: int) -> float:
    """Return how many of a bootstrap's own standard errors cover `level`.

    Student's quantile, times what the spread of draws with replacement lacks (Hesterberg 2015).
    """
    return float(stats.t.ppf(0.5 + level / 2, clusters - 1) * np.sqrt(clusters / (clusters - 1)))


def p_beyond(z: float, clusters: int) -> float:
    """Return the two-sided p of what lies so many of a bootstrap's standard errors out."""
    return float(2.0 * stats.t.sf(z * np.sqrt((clusters - 1) / clusters), clusters - 1))


def ends(drawn: Floats, bias: float, acceleration: float, mean: float, z: float) -> tuple[float, float]:
    """Return both ends of an interval that reaches z standard errors out, none nearer than Student's."""
    low, high = np.quantile(drawn, [adjusted(bias, acceleration, tail) for tail in (-z, z)])
    se = float(drawn.std(ddof=1))
    return min(float(low), mean - z * se), max(float(high), mean + z * se)


def adjusted(bias: float, acceleration: float, z: float) -> float:
    """Return the quantile of the draws at which the interval's end lies."""
    moved = bias + z
    return float(stats.norm.cdf(bias + moved / (1.0 - acceleration * moved)))


def p_of_zero(drawn: Floats, bias: float, acceleration: float, mean: float, clusters: int) -> float:
    """Return the two-sided p at which the interval would just touch zero: `ends` solved for z."""
    moved = z_of_zero(drawn) - bias
    z = min(abs(moved / (1.0 + acceleration * moved) - bias), abs(mean) / float(drawn.std(ddof=1)))
    return max(1.0 / len(drawn), p_beyond(z, clusters))


def z_of_zero(drawn: Floats) -> float:
    """Return where zero lies among the draws, in standard errors of a normal law."""
    count = len(drawn)
    below = (drawn < 0).mean() + 0.5 * (drawn == 0).mean()
    return float(stats.norm.ppf(np.clip(below, 0.5 / count, 1 - 0.5 / count)))
