"""Tables of episodes that are made up, and a scenario small enough for a test."""

from typing import Any

import numpy as np

from research.environment.scenarios import PLAIN, Parents, Scenario
from research.validation.play import COUNTS, NUMBERS, REGRESSORS


def tiny(name: str = "tiny", **fields: Any) -> Scenario:
    return Scenario(
        name=name,
        market=PLAIN.market,
        parents=Parents(seconds=(40.0, 40.0), share=(0.1, 0.2)),
        orders_max=1_024,
        levels_max=256,
        openings=4,
        **fields,
    )


def table(cost: Any, openings: int = 8) -> dict[str, Any]:
    cost = np.asarray(cost, dtype=np.float64)
    rows = len(cost)
    made: dict[str, Any] = {name: np.zeros(rows) for name in NUMBERS}
    made |= {name: np.zeros(rows, dtype=np.int64) for name in COUNTS}
    made["cost"], made["spread"] = cost, cost
    made["seed"], made["opening"] = np.arange(rows), np.arange(rows) % openings
    made["qty"] = made["filled"] = np.full(rows, 100)
    made["side"] = np.where(np.arange(rows) % 2, 1, -1)
    size = len(REGRESSORS)
    return made | {"xx": np.eye(size) * rows, "xy": np.zeros(size), "yy": np.zeros(1)}
