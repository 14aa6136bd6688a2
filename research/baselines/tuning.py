"""Numbers of the baselines that have some: searched on the seeds for tuning, per market, on a stated budget.

Successive halving (Jamieson and Talwalkar 2016): all candidates play the first seeds, the cheaper half
goes on with as many again, until one is left; pairs are by seed, so halves are of the same markets.
Almgren-Chriss is told the regime: sigma, eta and gamma are regressed there from the twin's impact, kappa
follows by the paper's formula, and its risk aversion is swept, the cheapest mean taken.
"""

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from policies import schedule_kernels as k
from research.baselines.contenders import Contender, contender, hashed
from research.environment.vector import ACTIONS, Settings
from research.whole import put

ALMGREN_CHRISS: Final = "almgren-chriss"
LAMBDAS: Final = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # risk aversion, per bps of a parent
KAPPA_T_MAX: Final = 20.0  # all but done in a twentieth of the window
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
    "almgren-chriss": tuple((risk,) for risk in LAMBDAS),  # contender_of makes kappa of it
    "almgren-chriss-passive": tuple((risk,) for risk in LAMBDAS),
    "obizhaeva-wang": tuple((r,) for r in RHO_T),
    "obizhaeva-wang-passive": tuple((r,) for r in RHO_T),
    "pov": tuple((r,) for r in RATES),
    "pov-passive": tuple((r,) for r in RATES),
}
SHARE_OF_RULE: Final = 0.5  # of the budget; the others share the rest by the size of their grids
EACH_MIN: Final = 16  # episodes that a candidate is judged by at least
Costs = Callable[[Contender, int, int], NDArray[np.float64]]  # of a contender on seeds first .. last
Told = dict[str, float]  # what Almgren-Chriss knows of a regime


class Tuned(msgspec.Struct, frozen=True):
    """What was found."""

    numbers: tuple[float, ...]
    budget: int  # episodes played for it
    cost: float  # of the best, on the seeds of the last round
    tried: int


def tune(
    name: str,
    settings: Settings,
    budget: int,
    costs: Costs,
    grid: Candidates = (),
    least: int = EACH_MIN,
    told: Told | None = None,
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
            who = contender_of(name, settings, numbers, told)
            paid[numbers].append(costs(who, first, first + each))
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
    put(path, json.dumps(tree, sort_keys=True, indent=1).encode() + b"\n")
    return tree


def contender_of(
    name: str,
    settings: Settings,
    numbers: tuple[float, ...],
    told: Told | None,
    about: str = "",
    budget: int = 0,
) -> Contender:
    """Return a baseline with tuned numbers; Almgren-Chriss' aversion becomes kappa x T where it is told."""
    if name.startswith(ALMGREN_CHRISS) and numbers and told is not None:
        kappa = kappa_t(numbers[0], told)
        about = f"{about}; kappa x T = {kappa:.3g} by its formula" if about else about
        numbers = (kappa,)
    return contender(name, settings, numbers, about, budget)


def regressed(table: dict[str, NDArray[Any]]) -> Told:
    """Return what Almgren-Chriss is told of a regime, from an even, crossing execution and its twin.

    gamma: the twin's end impact in bps for each hundredth of the window's volume. With linear impact an
    even execution pays epsilon + eta x rate + gamma / 2 beyond the twin's mid, so eta is the slope of what
    was paid less half of gamma. sigma: of the twin, bps per root second.
    """
    points = 100.0 * table["participation"]
    seconds = np.maximum(table["seconds"], 1.0)
    paid = table["spread"] + table["impact"]
    sigma = float(np.sqrt(np.mean(table["exogenous"] ** 2 / seconds)))
    gamma = slope(points, table["end_impact"])
    whole = slope(points, paid)
    return {
        "sigma_bps_per_root_s": sigma,
        "gamma_bps_per_point": gamma,
        "eta_bps_per_point": whole - 0.5 * gamma,
        "epsilon_bps": float(paid.mean() - whole * points.mean()),
        "points": float(points.mean()),
        "seconds": float(seconds.mean()),
        "volume_per_s": float(np.mean(table["volume"] / seconds)),
        "orders": float(len(points)),
    }


def eta_tilde(told: Told) -> float:
    """Return eta - gamma tau / 2 for the regime's mean parent as the unit, bps x seconds; tau is a slice."""
    eta = told["eta_bps_per_point"] * told["points"] * told["seconds"]
    gamma = told["gamma_bps_per_point"] * told["points"]
    return eta - 0.5 * gamma * slice_s(told["seconds"])


def slice_s(seconds: float) -> float:
    """Return how long a slice of a parent lasts."""
    slices = min(k.SLICES_MAX, max(k.SLICES_MIN, int(seconds * 1e9) // k.SLICE_NS))
    return seconds / slices


def kappa_t(risk: float, told: Told) -> float:
    """Return kappa x T of a risk aversion in a regime: Almgren and Chriss (2000), section 2.2.

    2 (cosh(kappa tau) - 1) / tau^2 = lambda sigma^2 / (eta - gamma tau / 2). Where the regression finds no
    temporary impact the formula has no answer, and the schedule is even: its limit without risk aversion.
    """
    temporary, tau = eta_tilde(told), slice_s(told["seconds"])
    if risk <= 0.0 or temporary <= 0.0:
        return 0.0
    squared = risk * told["sigma_bps_per_root_s"] ** 2 / temporary
    kappa = math.acosh(1.0 + 0.5 * squared * tau**2) / tau
    return min(KAPPA_T_MAX, kappa * told["seconds"])


def slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return the least-squares slope, 0 where x does not vary."""
    off = x - x.mean()
    whole = float((off**2).sum())
    return float((off * (y - y.mean())).sum() / whole) if whole > 0 else 0.0
