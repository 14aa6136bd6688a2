"""Numbers of the baselines that have some: searched on the seeds for tuning, per market, on a stated budget.

Successive halving (Jamieson and Talwalkar 2016): all candidates play the first seeds, the cheaper half
goes on with as many again, until one is left; pairs are by seed, so halves are of the same markets.
Almgren-Chriss is told the regime: sigma, eta and gamma are regressed there from the twin's impact, and
its risk aversion is swept, the cheapest mean taken.
"""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from research.baselines.contenders import Contender, contender, hashed
from research.environment.vector import ACTIONS, Settings

KAPPA_T: Final = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
RHO_T: Final = (1.0, 4.0, 8.0, 20.0, 60.0)
RATES: Final = (0.05, 0.10, 0.20)
IMBALANCE: Final = (0.15, 0.35, 0.55, 0.8)
BAND: Final = (0.25, 0.5, 0.75, 1.0)
PATIENCE_S: Final = (5.0, 15.0, 60.0, 600.0)
THRESHOLD: Final = (0.1, 0.3, 0.5, 0.8)
Candidates = tuple[tuple[float, ...], ...]
GRIDS: Final[dict[str, Candidates]] = {
    "rule": tuple(itertools.product(IMBALANCE, BAND, PATIENCE_S)),
    "microprice": tuple(itertools.product(THRESHOLD, BAND)),
    "constant": tuple((float(action),) for action in range(ACTIONS)),
    "almgren-chriss": tuple((k,) for k in KAPPA_T),
    "almgren-chriss-passive": tuple((k,) for k in KAPPA_T),
    "obizhaeva-wang": tuple((r,) for r in RHO_T),
    "obizhaeva-wang-passive": tuple((r,) for r in RHO_T),
    "pov": tuple((r,) for r in RATES),
    "pov-passive": tuple((r,) for r in RATES),
}
SHARE_OF_RULE: Final = 0.5  # of the budget; the others share the rest by the size of their grids
EACH_MIN: Final = 16  # episodes that a candidate is judged by at least
Costs = Callable[[Contender, int, int], NDArray[np.float64]]  # of a contender on seeds first .. last


class Tuned(msgspec.Struct, frozen=True):
    """What was found."""

    numbers: tuple[float, ...]
    budget: int  # episodes played for it
    cost: float  # of the best, on the seeds of the last round
    tried: int


def tune(
    name: str, settings: Settings, budget: int, costs: Costs, grid: Candidates = (), least: int = EACH_MIN
) -> Tuned:
    """Search one baseline's numbers; a candidate is judged by `least` episodes or more."""
    left = list(grid or GRIDS[name])
    if len(left) == 1:
        return Tuned(left[0], 0, float("nan"), 1)
    rounds = int(np.ceil(np.log2(len(left))))
    per_round = max(budget // rounds, 1)
    paid: dict[tuple[float, ...], list[NDArray[np.float64]]] = {numbers: [] for numbers in left}
    first, spent = 0, 0
    while len(left) > 1:
        each = max(least, per_round // len(left))
        for numbers in left:
            paid[numbers].append(costs(contender(name, settings, numbers), first, first + each))
        spent += each * len(left)
        first += each
        left.sort(key=lambda numbers: float(np.concatenate(paid[numbers]).mean()))
        left = left[: (len(left) + 1) // 2]
    best = left[0]
    return Tuned(best, spent, float(np.concatenate(paid[best]).mean()), len(paid))


def budgets(total: int) -> dict[str, int]:
    """Share a budget of episodes out over the baselines."""
    others = {name: len(grid) for name, grid in GRIDS.items() if name != "rule"}
    whole = sum(others.values())
    shared = {name: int(total * (1 - SHARE_OF_RULE) * size / whole) for name, size in others.items()}
    return {"rule": int(total * SHARE_OF_RULE), **shared}


def cached(path: Path, facts: Any, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what a file holds if it was made of the same facts, else make and write it."""
    key = hashed(facts)
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        found = {}
    if isinstance(found, dict) and found.get("facts_sha256") == key:
        return found
    tree = {"facts_sha256": key, **make()}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(tree, sort_keys=True, indent=1) + "\n")
    partial.replace(path)
    return tree


def regressed(table: dict[str, NDArray[Any]]) -> dict[str, float]:
    """Return what Almgren-Chriss is told of a regime, from an even, crossing execution and its twin.

    gamma: the twin's end impact in bps for each hundredth of the window's volume; eta: what a slice pays
    beyond the twin's mid for each hundredth of participation; sigma: of the twin, bps per root second.
    """
    rate = table["participation"]
    seconds = table["seconds"]
    paid = table["spread"] + table["impact"]
    sigma = float(np.sqrt(np.mean(table["exogenous"] ** 2 / np.maximum(seconds, 1.0))))
    return {
        "sigma_bps_per_root_s": sigma,
        "gamma_bps_per_point": slope(100.0 * rate, table["end_impact"]),
        "eta_bps_per_point": slope(100.0 * rate, paid),
        "volume_per_s": float(np.mean(table["volume"] / np.maximum(seconds, 1.0))),
        "orders": float(len(rate)),
    }


def slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return the least-squares slope, 0 where x does not vary."""
    off = x - x.mean()
    whole = float((off**2).sum())
    return float((off * (y - y.mean())).sum() / whole) if whole > 0 else 0.0
