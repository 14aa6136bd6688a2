"""The shortfall with the exogenous price taken out: a control variate, the same for every policy.

Added back is what an even schedule's remainder lost to the price that no order moves. It depends on the
seed alone, never on what the policy did, so it takes noise off and changes no policy's rank. The mid's
own path, or a volume-weighted price, would not do: our orders move them, and it would refund the impact.
"""

from typing import Any

from numpy.typing import NDArray

from research.environment.layout import CONTROL_MOVE, GAIN


def reward(money: NDArray[Any]) -> NDArray[Any]:
    """Return bps of the parent's arrival value."""
    less: NDArray[Any] = money[:, GAIN] + money[:, CONTROL_MOVE]
    return less
