"""Continuous actions on the terms of `plan`: a share of what is left, and where to offer it.

`share` 0..1 of what is left; `offset` 0..1 is the price: 0 a spread behind our touch, 1/2 at it, towards 1
inside the spread, 1 takes the other side. The corridor, its catch-up and every limit are `plan`'s own.
"""

import math
from typing import Any

from policies.layout import (
    ALLOWED,
    CROSS_PX,
    CROSS_QTY,
    CUM,
    HIGH,
    HOLD,
    ORDER_QTY_MAX,
    OWN,
    QTY,
    REST_PX,
    REST_QTY,
    SIGN,
    TAKE_PX,
    TICK,
)
from policies.plan_kernels import bounded, in_lots, plan
from research.environment.compiled import env_kernel


@env_kernel
def plan_continuous(share: float, offset: float, desk: Any) -> None:
    """Write the orders wanted after a continuous action."""
    plan(0, desk)
    if desk[HOLD] != 0 or not share > 0.0:
        return
    crossed = desk[CROSS_QTY]
    left = desk[QTY] - desk[CUM]
    room = min(desk[HIGH] - desk[CUM], desk[ALLOWED]) - crossed
    qty = in_lots(min(int(min(share, 1.0) * left), room, desk[ORDER_QTY_MAX] - crossed), desk)
    if qty <= 0:
        return
    spread = desk[SIGN] * (desk[TAKE_PX] - desk[OWN])
    place = 2.0 * min(max(offset, 0.0), 1.0) - 1.0
    ticks = math.floor(place * spread / desk[TICK] + 0.5)
    if ticks * desk[TICK] >= spread:
        price_e4 = bounded(desk[TAKE_PX], desk)
        if price_e4 != 0 and desk[SIGN] * (desk[TAKE_PX] - price_e4) <= 0:
            desk[CROSS_QTY], desk[CROSS_PX] = crossed + qty, max(desk[CROSS_PX], price_e4)
            if desk[SIGN] < 0 and crossed > 0:
                desk[CROSS_PX] = min(desk[CROSS_PX], price_e4)
        return
    price_e4 = bounded(desk[OWN] + desk[SIGN] * ticks * desk[TICK], desk)
    if price_e4 != 0:
        desk[REST_QTY], desk[REST_PX] = qty, price_e4
