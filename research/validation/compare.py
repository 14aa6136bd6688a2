"""From tables of episodes to what is said of them: differences with intervals, parts, responses.

A unit is a parent order, a cluster the opening that its episode began in (a window of a tape): orders
of one opening saw the same start of a market. Openings of one number begin from one seed in every regime,
with the same draws of how they differ, so they are one cluster wherever they are played.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from research.validation.play import REGRESSORS, PlayError, Table
from research.validation.statistics import CLUSTERS_MIN, Paired, cvar, holm, paired

PARTS: Final = ("spread", "impact", "timing", "opportunity")
FIRST: Final = 4  # of the regressors that are the market's
MARKET: Final = REGRESSORS[FIRST:]  # spread, depth, volatility, volume
LIMITED, HIGH = 0.02, 0.05  # slices that crossing moves by one deviation of a market variable
AA_BLOCKS_MIN: Final = 64  # 2,016 pairs; fewer say nothing
AA_EACH: Final = 8  # orders of a block: with fewer the test itself rejects too seldom
NOISE: Final = 3.0  # standard errors: a response below them is none
WORSE_BPS: Final = 0.1  # a regime is lost where the interval lies above this


def clusters(tables: list[Table]) -> NDArray[np.int64]:
    """Return a cluster's number for each row of several tables behind one another."""
    return np.concatenate([t["opening"] for t in tables])


def column(tables: list[Table], name: str) -> NDArray[np.float64]:
    """Return one column of several tables behind one another."""
    return np.concatenate([t[name] for t in tables]).astype(np.float64)


def against(ours: list[Table], theirs: list[Table], name: str = "cost") -> Paired:
    """Compare two contenders over the same cells; negative: ours is cheaper."""
    for one, other in zip(ours, theirs, strict=True):
        assert (one["seed"] == other["seed"]).all(), "pairs are of the same seeds"
    labels = clusters(ours)
    if len(np.unique(labels)) < CLUSTERS_MIN:
        raise PlayError("all orders begin in one opening, which has no interval: give more --orders")
    return paired(column(ours, name), column(theirs, name), labels)


def facts_of(tables: list[Table]) -> dict[str, Any]:
    """Return what one contender's episodes were: means, spread, worst, parts."""
    cost = column(tables, "cost")
    filled, qty = column(tables, "filled"), column(tables, "qty")
    decisions = column(tables, "decisions")
    return {
        "orders": len(cost),
        "cost": float(cost.mean()),
        "sd": float(cost.std(ddof=1)) if len(cost) > 1 else None,
        "cvar95": cvar(cost),
        "sd_without_exogenous": float(column(tables, "residual").std(ddof=1)) if len(cost) > 1 else None,
        **{part: float(column(tables, part).mean()) for part in PARTS},
        "identity_off_max": float(np.abs(column(tables, "off")).max()),
        "vwap_slippage": float(column(tables, "vwap").mean()),
        "participation": float(column(tables, "participation").mean()),
        "passive_share": float((column(tables, "passive") * filled).sum() / max(1.0, filled.sum())),
        "unfilled_share": float(((qty - filled) / qty).mean()),
        "vetoes_per_1000_decisions": float(
            1_000 * column(tables, "vetoes").sum() / max(1.0, decisions.sum())
        ),
        "messages": float(column(tables, "messages").mean()),
        "dropped": int(column(tables, "dropped").sum()),
        "by_side": by_side(cost, column(tables, "side")),
        "adaptability": adaptability(tables),
    }


def by_side(cost: NDArray[np.float64], side: NDArray[np.float64]) -> dict[str, float | None]:
    """Return mean costs of buying and selling."""
    halves = {"buy": cost[side > 0], "sell": cost[side < 0]}
    return {name: float(half.mean()) if len(half) else None for name, half in halves.items()}


def adaptability(tables: list[Table]) -> dict[str, Any]:
    """Return how crossing answers the market, lag and time held: slices a standard deviation of each."""
    if not all("xx" in t for t in tables):
        return {"word": "not measured"}
    xx = np.sum([t["xx"] for t in tables], axis=0)
    xy = np.sum([t["xy"] for t in tables], axis=0)
    yy = float(sum(t["yy"][0] for t in tables))
    count = float(xx[0, 0])
    mean = xx[0] / count
    deviation = np.sqrt(np.maximum(np.diag(xx) / count - mean**2, 0.0))
    slopes = np.linalg.pinv(xx) @ xy
    moved = {name: float(slopes[FIRST + at] * deviation[FIRST + at]) for at, name in enumerate(MARKET)}
    spread = yy / count - float(xy[0] / count) ** 2
    most = max(abs(v) for v in moved.values())
    noise = NOISE * float(np.sqrt(max(0.0, spread) / count))
    word = "none" if most < max(LIMITED, noise) else ("limited" if most < HIGH else "high")
    return {"word": word, "slices_per_sd": moved, "crossing_sd": float(np.sqrt(max(0.0, spread)))}


def row_of(found: Paired) -> dict[str, Any]:
    """Return a comparison as it is written down."""
    d = found.difference
    return {
        "mean": d.mean, "low": d.low, "high": d.high, "se": d.se, "p": d.p, "orders": d.units,
        "clusters": d.clusters, "correlation": found.correlation, "wilcoxon_p": found.wilcoxon_p,
        "wins": found.wins, "detectable": found.detectable,
    }  # fmt: skip


def corrected(rows: dict[str, dict[str, Any]], family: list[str]) -> None:
    """Write the p values that hold together over a family of baselines."""
    names = [name for name in family if name in rows]
    for name, p in zip(names, holm([rows[name]["p"] for name in names]), strict=True):
        rows[name]["p_holm"] = p


def verdict(row: dict[str, Any]) -> str:
    """Return one word on a regime: won, lost, open."""
    if row["high"] < 0.0:
        return "won"
    return "lost" if row["low"] > WORSE_BPS else "open"


def aa(table: Table) -> dict[str, Any]:
    """Return how often a contender differs from itself at 5 %, over all pairs of disjoint blocks of seeds.

    Blocks are seeds in their order, so streams that were shifted copies of each other would show:
    their means would lie too far apart or too close together.
    """
    cost = table["cost"]
    blocks, each = len(cost) // AA_EACH, AA_EACH
    if blocks < AA_BLOCKS_MIN:
        return {"repetitions": 0, "rejects": None, "blocks": 0, "orders": len(cost)}
    rows = cost[: each * blocks].reshape(blocks, each)
    means, errors = rows.mean(axis=1), rows.var(axis=1, ddof=1) / each
    first, second = np.triu_indices(blocks, 1)
    t = np.abs(means[first] - means[second]) / np.sqrt(errors[first] + errors[second])
    freedom = (errors[first] + errors[second]) ** 2 / (
        (errors[first] ** 2 + errors[second] ** 2) / max(1, each - 1)
    )
    rejects = float((stats.t.sf(t, freedom) < 0.025).mean())
    return {"repetitions": len(first), "rejects": rejects, "blocks": blocks, "orders": each * blocks}
