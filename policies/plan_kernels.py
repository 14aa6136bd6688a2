"""Kernels of the action table: `mask` and `plan` on a desk (policies.layout).

Precedence, always: limit price > risk (headroom) > participation cap > completion. The faces with
names and Structs are in policies.actions.
"""

import math
from typing import Any, Final

import numba

from market.kernel_types import ARENA, INT
from market.kernels import typed_kernel
from policies.layout import (
    ALLOWED,
    BY_CAP,
    BY_LIMIT,
    BY_RISK,
    CAN_TRADE,
    CAP,
    CLOSING,
    COLLAR_HIGH,
    COLLAR_LOW,
    CROSS_PX,
    CROSS_QTY,
    CUM,
    FREE,
    HIGH,
    HOLD,
    LIMIT,
    LOT,
    LOW,
    MUST,
    NO_BOOK,
    NO_TRADING,
    ORDER_QTY_MAX,
    OWN,
    PLAN,
    PLAN_SIZE,
    QTY,
    REST_PX,
    REST_QTY,
    RISK,
    SECOND,
    SIGN,
    SLACK_E4,
    SLACK_QTY,
    SLICE,
    TAKE_PX,
    TAKE_QTY,
    TICK,
    WHY,
    WORST,
)

REST_NONE, REST_JOIN, REST_IMPROVE, REST_SECOND = 0, 1, 2, 3
# (where to rest, halves of a slice to cross). Slots for pegged, hidden and iceberg children come
# with a new version of the table.
ACTIONS: Final[tuple[tuple[int, int], ...]] = (
    *(
        (passive, halves)
        for passive in (REST_NONE, REST_JOIN, REST_IMPROVE, REST_SECOND)
        for halves in range(3)
    ),
    (REST_NONE, 4),
)
ACTIONS_SIZE: Final = len(ACTIONS)
PASSIVE_SLICES: Final = 4  # what rests at once: enough to be hit between two decisions
CATCH_UP_SLICES: Final = 4  # most that one decision crosses because the schedule is behind
SWEEP_LEVELS: Final = 3  # levels that a catch-up may reach through; a chosen cross stays at the touch
REPEG_SPREADS: Final = 8  # a resting price may be off by an eighth of the spread before it is moved
REACH: Final = 0.4  # of a continuous action's range lies between our touch and the other
ROUNDING: Final = 1e-6  # of a tick: a reach that means a tick is that tick
FLOAT = numba.float64


@typed_kernel(ARENA)
def can_improve(desk: Any) -> Any:
    """Say whether there is a tick between the two sides."""
    return desk[OWN] != 0 and abs(desk[TAKE_PX] - desk[OWN]) > desk[TICK]


@typed_kernel(ARENA)
def limited(desk: Any) -> Any:
    """Say whether the parent's limit keeps us from taking the touch."""
    return desk[LIMIT] != 0 and desk[SIGN] * (desk[TAKE_PX] - desk[LIMIT]) > 0


@typed_kernel(ARENA)
def mask(desk: Any) -> int:
    """Return the actions that mean something here, as bits; bit 0 (do nothing) is always set."""
    bits = 1
    improves = can_improve(desk)
    crosses = not (desk[CUM] >= desk[HIGH] or limited(desk))
    for i in range(ACTIONS_SIZE):
        where, halves = ACTIONS[i]
        if (improves or where != REST_IMPROVE) and (crosses or halves == 0):
            bits |= 1 << i
    return bits


@typed_kernel(ARENA)
def worst_price(desk: Any) -> Any:
    """Return the last price that limit and collar allow; 0 = none."""
    if desk[SIGN] > 0:
        worst = desk[COLLAR_HIGH]
        return worst if desk[LIMIT] == 0 else min(worst, desk[LIMIT])
    worst = desk[COLLAR_LOW]
    if worst <= 0 or desk[LIMIT] == 0:
        return worst
    return max(worst, desk[LIMIT])


@typed_kernel(INT, ARENA)
def bounded(price_e4: Any, desk: Any) -> Any:
    """Return the price no worse than limit and collar, on the tick grid; 0 = no price may be sent."""
    worst, tick_e4 = worst_price(desk), desk[TICK]
    if worst <= 0:
        return 0
    if desk[SIGN] > 0:
        return min(price_e4, worst) // tick_e4 * tick_e4
    return -(-max(price_e4, worst) // tick_e4) * tick_e4


@typed_kernel(ARENA)
def allowance(desk: Any) -> None:
    """Write how many shares may be working and crossing in all, and what sets that."""
    allowed, why = desk[QTY] - desk[CUM], FREE
    if desk[CAP] >= 0 and allowed > desk[CAP] - desk[CUM]:
        allowed, why = desk[CAP] - desk[CUM], BY_CAP
    if allowed > desk[RISK] - desk[CUM]:
        allowed, why = desk[RISK] - desk[CUM], BY_RISK
    desk[ALLOWED] = max(0, allowed)
    desk[WHY] = why


@typed_kernel(INT, ARENA)
def in_lots(qty: Any, desk: Any) -> Any:
    """Round down to lots, except for the last odd piece of a parent."""
    if qty <= 0:
        return 0
    return qty if qty == desk[QTY] - desk[CUM] else qty // desk[LOT] * desk[LOT]


@typed_kernel(ARENA)
def catch_up(desk: Any) -> Any:
    """Return what the schedule lacks: whole slices, capped; all of it where completion is a must."""
    behind = desk[LOW] - desk[CUM]
    if behind <= 0:
        return 0
    if desk[MUST] != 0 and desk[CLOSING] != 0:
        return behind
    return min(max(behind, desk[SLICE]), CATCH_UP_SLICES * desk[SLICE])


@typed_kernel(INT, ARENA)
def sweep_price(qty: Any, desk: Any) -> Any:
    """Return the price that reaches `qty` shares, within the levels that a catch-up may take."""
    seen, price_e4 = 0, desk[TAKE_PX]
    for i in range(SWEEP_LEVELS):
        if desk[TAKE_PX + i] <= 0 or seen >= qty:
            break
        seen += desk[TAKE_QTY + i]
        price_e4 = desk[TAKE_PX + i]
    return price_e4


@typed_kernel(INT, ARENA)
def crossing(asked: Any, desk: Any) -> Any:
    """Write the order that takes now, for what is asked or what the schedule lacks; return its size."""
    chosen = min(asked, desk[HIGH] - desk[CUM])
    forced = catch_up(desk)
    qty = in_lots(min(max(chosen, forced), desk[ALLOWED], desk[ORDER_QTY_MAX]), desk)
    if qty <= 0:
        return 0
    price_e4 = bounded(sweep_price(qty, desk) if forced >= chosen else desk[TAKE_PX], desk)
    if price_e4 == 0 or desk[SIGN] * (desk[TAKE_PX] - price_e4) > 0:
        return 0  # the limit or the collar lies on our side of the touch
    desk[CROSS_QTY], desk[CROSS_PX] = qty, price_e4
    return qty


@typed_kernel(INT, ARENA)
def resting_price(where: Any, desk: Any) -> Any:
    """Return the price of a passive order; one tick inside only where the spread has room."""
    inwards = desk[SIGN] * desk[TICK]
    if where == REST_IMPROVE and can_improve(desk):
        return desk[OWN] + inwards
    if where == REST_SECOND:
        return desk[SECOND] if desk[SECOND] != 0 else desk[OWN] - inwards
    return desk[OWN]


@typed_kernel(INT, INT, ARENA, INT)
def resting(price_e4: Any, most: Any, desk: Any, crossed: Any) -> None:
    """Write the order that waits in the book, of `most` shares where nothing stands against it."""
    left = desk[QTY] - desk[CUM]
    room = desk[HIGH] - desk[CUM] - crossed
    unit = min(desk[SLICE], desk[ORDER_QTY_MAX])
    wanted = min(room, desk[ALLOWED] - crossed, most, desk[ORDER_QTY_MAX])
    if wanted < left and wanted >= unit > 0:
        wanted = wanted // unit * unit  # whole slices: a quantity that grows by the share is churn
    elif wanted < min(unit, left) // 2:
        return
    qty = in_lots(wanted, desk)
    price_e4 = bounded(price_e4, desk)
    if qty > 0 and price_e4 != 0:
        desk[REST_QTY], desk[REST_PX] = qty, price_e4


@typed_kernel(ARENA)
def opened(desk: Any) -> Any:
    """Clear the plan and write what holds for any; say whether there is anything to plan."""
    for i in range(PLAN, PLAN + PLAN_SIZE):
        desk[i] = 0
    if desk[CAN_TRADE] == 0 or desk[OWN] <= 0 or desk[TAKE_PX] <= 0:
        desk[HOLD] = 1
        desk[WHY] = NO_TRADING if desk[CAN_TRADE] == 0 else NO_BOOK
        return False
    allowance(desk)
    desk[SLACK_QTY] = desk[SLICE]
    desk[SLACK_E4] = abs(desk[TAKE_PX] - desk[OWN]) // REPEG_SPREADS
    desk[WORST] = worst_price(desk)
    return True


@typed_kernel(INT, ARENA)
def explain(crossed: Any, desk: Any) -> None:
    """Name the limit price where it alone keeps a schedule from catching up."""
    if crossed == 0 and desk[LOW] > desk[CUM] and limited(desk):
        desk[WHY] = BY_LIMIT


@typed_kernel(INT, ARENA)
def plan(action: Any, desk: Any) -> None:
    """Write the orders wanted after `action`."""
    if not opened(desk):
        return
    where, halves = ACTIONS[action]
    crossed = crossing(halves * desk[SLICE] // 2, desk)
    if where != REST_NONE:
        resting(resting_price(where, desk), PASSIVE_SLICES * desk[SLICE], desk, crossed)
    explain(crossed, desk)


@typed_kernel(FLOAT)
def unit_of(x: Any) -> Any:
    """Return x within 0 and 1; what is no number is 0."""
    return min(1.0, x) if x > 0.0 else 0.0


@typed_kernel(FLOAT, FLOAT, ARENA)
def plan_freely(share: Any, reach: Any, desk: Any) -> None:
    """Write the orders wanted after a continuous action: a share of the remainder, and how far it reaches.

    `reach`, 0 to 1: at 0.1 a spread behind our touch, at 0.5 at it, from 0.9 on it takes the other touch.
    """
    if not opened(desk):
        return
    asked = int(unit_of(share) * (desk[QTY] - desk[CUM]))
    ticks = abs(desk[TAKE_PX] - desk[OWN]) // desk[TICK]
    inside = math.floor((unit_of(reach) - 0.5) / REACH * ticks + ROUNDING)
    takes = inside >= ticks
    crossed = crossing(asked if takes else 0, desk)
    if not takes:
        resting(desk[OWN] + desk[SIGN] * desk[TICK] * inside, asked, desk, crossed)
    explain(crossed, desk)
