"""Rewards by name: a file in research/environment/rewards with a function `reward(money)` is one.

`money` has a row an environment and the columns of research.environment.layout: what the last step did, in
bps of the parent's arrival value. `tail` makes any of them an objective on the worst episodes (CVaR).
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Reward = Callable[[NDArray[Any]], NDArray[Any]]
FOLDER: Final = Path(__file__).parent / "rewards"


def names() -> list[str]:
    """Return the rewards that there are."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def named(name: str) -> Reward:
    """Return a reward.

    Raises:
        ValueError: there is none of that name.

    """
    if name not in names():
        raise ValueError(f"reward {name!r}: there is {', '.join(names())}")
    found: Reward = importlib.import_module(f"research.environment.rewards.{name}").reward
    return found


def tail(costs: NDArray[np.float64], level: float, alpha: float = 0.05) -> NDArray[np.float64]:
    """Return what to add to the last reward of episodes so that their mean is -CVaR (Rockafellar, Uryasev).

    `level` is the running estimate of the (1 - alpha) quantile of costs: the sum of an episode's rewards
    becomes -(level + max(0, cost - level) / alpha), whose mean is greatest where it is minus the CVaR.
    """
    return costs - (level + np.maximum(0.0, costs - level) / alpha)
