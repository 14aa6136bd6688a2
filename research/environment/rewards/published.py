"""A published reward, for comparison: what own fills were better than the mid, minus own adverse movement.

It pays for the spread that a fill earned and charges what orders that took moved the mid, both as they
happen. What the market did meanwhile, and what is left undone, it does not see: it does not sum to the
shortfall, which is why it stands here.
"""

from typing import Any

from numpy.typing import NDArray

from research.environment.layout import ADVERSE, EDGE


def reward(money: NDArray[Any]) -> NDArray[Any]:
    """Return bps of the parent's arrival value."""
    better: NDArray[Any] = money[:, EDGE] - money[:, ADVERSE]
    return better
