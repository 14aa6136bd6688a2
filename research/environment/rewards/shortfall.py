"""The reward that sums to minus the shortfall: what the parent's value gained, the rest marked at the mid."""

from typing import Any

from numpy.typing import NDArray

from research.environment.layout import GAIN


def reward(money: NDArray[Any]) -> NDArray[Any]:
    """Return bps of the parent's arrival value."""
    return money[:, GAIN].copy()
