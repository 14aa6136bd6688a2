"""The shortfall, and a price for risk: minus lambda x (what is left)^2 x the variance of the mid x time.

Almgren and Chriss' objective, paid as it falls due. One bps of cost is worth LAMBDA bps squared of variance.
"""

from typing import Any, Final

from numpy.typing import NDArray

from research.environment.layout import GAIN, LEFT, SECONDS_PAST, VARIANCE

LAMBDA: Final = 0.01  # per bps


def reward(money: NDArray[Any], aversion: float = LAMBDA) -> NDArray[Any]:
    """Return bps of the parent's arrival value."""
    left = money[:, LEFT]
    risk: NDArray[Any] = left * left * money[:, VARIANCE] * money[:, SECONDS_PAST]
    return money[:, GAIN] - aversion * risk
