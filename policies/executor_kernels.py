"""The executor as a kernel: a plan and what stands in, the fewest moves out (policies.layout).

Cancels and replaces come first, then submits. `moves` has a row for each chain and MOVES_BEYOND.
"""

from typing import Any, Final

import numba

from market.kernel_types import ARENA, INT
from market.kernels import typed_kernel
from policies.layout import (
    ALLOWED,
    C_CROSSING,
    C_CUM,
    C_IDLE,
    C_PX,
    C_QTY,
    C_WORST,
    CANCEL,
    CHAINS,
    CROSS_PX,
    CROSS_QTY,
    CUM,
    HOLD,
    LOT,
    M_ACT,
    M_CHAIN,
    M_CROSSING,
    M_PX,
    M_QTY,
    MAY_OPEN,
    MAY_SEND,
    NO_CHAIN,
    QTY,
    REPLACE,
    REST_PX,
    REST_QTY,
    SIGN,
    SLACK_E4,
    SLACK_QTY,
    SUBMIT,
    SUBMITS,
    SUBMITS_CROSSING,
    SUBMITS_RESTING,
    WORST,
)

TABLE = numba.int64[:, ::1]
CHAINS_MAX: Final = 6  # resting chains of one parent; more would be churn, not trading


@typed_kernel(TABLE, *[INT] * 6)
def put(moves: Any, at: Any, act: Any, qty: Any, price_e4: Any, chain: Any, crosses: Any) -> Any:
    """Write a move; return how many there are."""
    row = moves[at]
    row[M_ACT], row[M_QTY], row[M_PX], row[M_CHAIN], row[M_CROSSING] = act, qty, price_e4, chain, crosses
    return at + 1


@typed_kernel(INT, ARENA)
def well_placed(price_e4: Any, desk: Any) -> Any:
    """Say whether a chain's price is the wanted one, or too near to it to be worth its place."""
    if desk[REST_PX] == 0 or desk[SIGN] * (price_e4 - desk[WORST]) > 0:
        return False
    return abs(price_e4 - desk[REST_PX]) <= desk[SLACK_E4]


@typed_kernel(ARENA, TABLE, TABLE, INT)
def rest_moves(desk: Any, chains: Any, moves: Any, slack_qty: Any) -> Any:
    """Write what to ask of resting chains; return how many moves, and the shares that are still missing."""
    wanted, count, may_send, lot = desk[REST_PX] != 0, 0, desk[MAY_SEND], desk[LOT]
    unmet = (desk[REST_QTY] if wanted else 0) - desk[SUBMITS_RESTING]
    for i in range(desk[CHAINS]):
        if chains[i, C_IDLE] == 0 and chains[i, C_CROSSING] == 0:
            unmet -= chains[i, C_WORST]
    # The chains that already stand well come first: they keep their place in the queue.
    for turn in range(2):
        for i in range(desk[CHAINS]):
            if chains[i, C_IDLE] == 0 or chains[i, C_CROSSING] != 0:
                continue
            price_e4 = chains[i, C_PX]
            stay = well_placed(price_e4, desk)
            if stay != (turn == 0):
                continue
            leaves = chains[i, C_QTY] - chains[i, C_CUM]
            take = min(leaves, max(0, unmet))
            if wanted and leaves - take <= slack_qty:
                slack_qty -= leaves - take
                size = leaves
            else:
                size = take // lot * lot
            if not wanted or size == 0:
                count = put(moves, count, CANCEL, 0, 0, i, 0)
                continue
            unmet -= size
            if stay and size == leaves:
                continue
            if may_send > 0:
                may_send -= 1
                to_e4 = price_e4 if stay else desk[REST_PX]
                count = put(moves, count, REPLACE, chains[i, C_CUM] + size, to_e4, i, 0)
            elif size < leaves or desk[SIGN] * (price_e4 - desk[WORST]) > 0:
                count = put(moves, count, CANCEL, 0, 0, i, 0)
    return count, max(0, unmet)


@typed_kernel(ARENA, TABLE, TABLE, INT, INT)
def top_up(desk: Any, chains: Any, moves: Any, count: Any, qty: Any) -> Any:
    """Write the order that adds what is missing; where there are many, the smallest one grows instead."""
    if desk[CHAINS] + desk[SUBMITS] < CHAINS_MAX:
        return put(moves, count, SUBMIT, qty, desk[REST_PX], NO_CHAIN, 0)
    smallest = NO_CHAIN
    for i in range(desk[CHAINS]):
        free = chains[i, C_IDLE] != 0 and chains[i, C_CROSSING] == 0
        for m in range(count):
            free = free and moves[m, M_CHAIN] != i
        if free and (smallest < 0 or chains[i, C_WORST] < chains[smallest, C_WORST]):
            smallest = i
    if smallest < 0:
        return count
    return put(moves, count, REPLACE, chains[smallest, C_QTY] + qty, desk[REST_PX], smallest, 0)


@typed_kernel(ARENA, TABLE, TABLE)
def reconcile(desk: Any, chains: Any, moves: Any) -> Any:
    """Write the moves from what stands to what is wanted; return how many."""
    if desk[HOLD] != 0:
        return 0
    crosses = desk[SUBMITS_CROSSING]
    working = desk[SUBMITS_RESTING] + crosses
    for i in range(desk[CHAINS]):
        working += chains[i, C_WORST]
        if chains[i, C_CROSSING] != 0:
            crosses += chains[i, C_WORST]
    room = max(0, min(desk[QTY] - desk[CUM], desk[ALLOWED]) - working)
    cross_qty = max(0, desk[CROSS_QTY] - crosses) if desk[CROSS_PX] != 0 else 0
    # Over the allowance, or no room to cross: what rests must give way, to the share.
    pressed = working > desk[ALLOWED] or cross_qty > room
    count, missing = rest_moves(desk, chains, moves, 0 if pressed else desk[SLACK_QTY])
    replaces = 0
    for i in range(count):
        replaces += moves[i, M_ACT] == REPLACE
    free, lot = min(desk[MAY_OPEN], desk[MAY_SEND] - replaces), desk[LOT]
    if cross_qty > 0 and free > 0:
        take = cross_qty if cross_qty <= room else room // lot * lot
        if take > 0:
            count = put(moves, count, SUBMIT, take, desk[CROSS_PX], NO_CHAIN, 1)
            room -= take
            free -= 1
    if desk[REST_PX] != 0 and not pressed and free > 0:
        fits = missing if missing <= room else room // lot * lot
        if fits >= max(lot, desk[REST_QTY] // 2):
            count = top_up(desk, chains, moves, count, fits)
    return count
