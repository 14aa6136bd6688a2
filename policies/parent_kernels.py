"""Kernels of what a trader knows of one parent: caps, room, and the rows that a decision starts from.

The plain sums behind `daemon.trader.parents` and `policies.working`, on a desk (policies.layout), so
that an environment fills its desks by the same rules.
"""

from typing import Any, Final

import numba

from market.kernel_types import ARENA, INT
from market.kernels import typed_kernel
from policies import state_features as f
from policies.layout import (
    ADV,
    ARRIVAL2,
    C_CROSSING,
    C_CUM,
    C_IDLE,
    C_PX,
    C_QTY,
    C_WORST,
    CAP,
    CLOSING,
    CUM,
    DONE,
    END,
    HIGH,
    LAST_FILL,
    LIMIT,
    LOW,
    MUST,
    NO_CAP,
    NOW,
    OTHERS,
    OWN,
    QTY,
    RISK,
    ROUND_LOT,
    SECOND,
    SIGN,
    SLICE,
    SLOT,
    START,
    TAKE_LEVELS,
    TAKE_PX,
    TAKE_QTY,
    TARGET,
    TICK,
    WORKING,
)

TABLE = numba.int64[:, ::1]
BP: Final = 10_000


@typed_kernel(INT, INT, INT, INT)
def others_volume(volume: int, before: int, own_volume: int, own_base: int) -> int:
    """Return what others traded since a parent began: printed then less before, own fills taken out."""
    return max(0, volume - before - (own_volume - own_base))


@typed_kernel(INT, INT, INT, INT)
def cap_qty(base_qty: int, others: int, unreported: int, cap_bp: int) -> int:
    """Return the most that may be done and working now; NO_CAP without a participation cap.

    `unreported`: own shares that may be in the printed volume already without our knowing.
    """
    if cap_bp < 0 or cap_bp >= BP:
        return NO_CAP
    return base_qty + max(0, others - unreported) * cap_bp // (BP - cap_bp)


@typed_kernel(INT, INT, INT, INT, INT)
def rate_free(rate_max: int, sent_in_second: int, told_free: int, sent_since: int, told_fresh: int) -> int:
    """Return how many messages may be sent: what the gate left, and what a second has freed since."""
    free = rate_max - sent_in_second
    if told_fresh != 0:  # the gate said `told_free` less than a second ago, `sent_since` went since
        free = min(free, told_free - sent_since)
    return max(0, free)


@typed_kernel(INT, INT, INT)
def worst_leaves(qty: int, pending_qty: int, cum_qty: int) -> int:
    """Return what of a chain can still trade, a pending replace at its larger size."""
    return max(qty, pending_qty) - cum_qty


@typed_kernel(TABLE, *[INT] * 8)
def chain_row(
    table: Any,
    at: int,
    price_e4: int,
    qty: int,
    cum_qty: int,
    pending_qty: int,
    rests: int,
    busy: int,
    crossing: int,
) -> None:
    """Write a live chain as the executor needs it; `rests`: NEW or PARTIALLY_FILLED, `busy`: asked."""
    row = table[at]
    row[C_PX], row[C_QTY], row[C_CUM] = price_e4, qty, cum_qty
    row[C_WORST] = worst_leaves(qty, pending_qty, cum_qty)
    row[C_IDLE] = 1 if rests != 0 and busy == 0 else 0
    row[C_CROSSING] = crossing


@typed_kernel(TABLE, ARENA)
def touch(levels: Any, desk: Any) -> None:
    """Write the market as the desk's parent sees it; `levels`: others', of state_kernels.others."""
    own = 0 if desk[SIGN] > 0 else 2
    desk[OWN], desk[SECOND] = levels[own, 0], levels[own, 1]
    for i in range(TAKE_LEVELS):
        desk[TAKE_PX + i] = levels[2 - own, i]
        desk[TAKE_QTY + i] = levels[3 - own, i]


@typed_kernel(ARENA, ARENA)
def facts(desk: Any, out: Any) -> None:
    """Write what an observation is built from (state_features), when the desk has its band."""
    out[f.NOW], out[f.START], out[f.END] = desk[NOW], desk[START], desk[END]
    out[f.QTY], out[f.CUM], out[f.SIGN] = desk[QTY], desk[CUM], desk[SIGN]
    out[f.ARRIVAL2], out[f.LIMIT] = desk[ARRIVAL2], desk[LIMIT]
    out[f.SLICE], out[f.TARGET] = desk[SLICE], desk[TARGET]
    out[f.LOW], out[f.HIGH] = desk[LOW], desk[HIGH]
    out[f.ROOM] = max(0, desk[RISK] - desk[CUM] - desk[WORKING])
    out[f.CAP] = desk[CAP]
    out[f.OWN_FILLS], out[f.OTHERS_VOLUME] = desk[CUM] - desk[DONE], desk[OTHERS]
    out[f.MUST_COMPLETE], out[f.CLOSING] = desk[MUST], desk[CLOSING]
    out[f.TICK], out[f.ROUND_LOT], out[f.ADV] = desk[TICK], desk[ROUND_LOT], desk[ADV]
    out[f.LAST_FILL], out[f.PARENT] = desk[LAST_FILL], desk[SLOT]
