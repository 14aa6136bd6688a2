"""Kernels that write OUTCOME records: what happened to one order, and a trade with its effect on the book."""

from market.book_kernels import leave, reduce
from market.book_layout import (
    H_MATCH_ID,
    H_TAKEN,
    H_TAKEN_COUNT,
    H_TRADED,
    L_SIDE,
    O_ID,
    O_LEAVES,
    O_LEVEL,
    O_OWNER,
    TAKEN_MAX,
    TAKEN_WORDS,
    Arena,
    Records,
)
from market.kernel_types import ARENA, INT, OUTCOMES
from market.kernels import typed_kernel
from market.matching_events import Outcome

TRADE = int(Outcome.TRADE)


@typed_kernel(OUTCOMES, *[INT] * 11)
def report(
    out: Records, n: int, kind: int, ts_ns: int, order_id: int, owner: int, side: int,
    price_e4: int, size: int, leaves: int, reason: int, flags: int,
) -> int:  # fmt: skip
    """Write an outcome about one order; return how many there are now."""
    row = out[n]
    row.ts_ns = ts_ns
    row.order_id = order_id
    row.resting_id = 0
    row.price_e4 = price_e4
    row.size = size
    row.leaves = leaves
    row.resting_leaves = 0
    row.match_id = 0
    row.owner = owner
    row.resting_owner = 0
    row.kind = kind
    row.side = side
    row.reason = reason
    row.flags = flags
    return n + 1


@typed_kernel(ARENA, OUTCOMES, *[INT] * 9)
def hit(
    arena: Arena, out: Records, n: int, ts_ns: int, order_id: int, owner: int,
    order: int, price_e4: int, size: int, left: int, flags: int,
) -> int:  # fmt: skip
    """Trade `size` <= leaves shares of a resting order; the aggressor has `left` afterwards."""
    level = arena[order + O_LEVEL]
    resting_leaves = arena[order + O_LEAVES] - size
    arena[H_MATCH_ID] += 1
    arena[H_TRADED] += size
    row = out[n]
    row.ts_ns = ts_ns
    row.order_id = order_id
    row.resting_id = arena[order + O_ID]
    row.price_e4 = price_e4
    row.size = size
    row.leaves = left
    row.resting_leaves = resting_leaves
    row.match_id = arena[H_MATCH_ID]
    row.owner = owner
    row.resting_owner = arena[order + O_OWNER]
    row.kind = TRADE
    row.side = arena[level + L_SIDE]
    row.reason = 0
    row.flags = flags
    if owner > 0 and arena[order + O_OWNER] == 0:
        at = arena[H_TAKEN] + arena[H_TAKEN_COUNT] % TAKEN_MAX * TAKEN_WORDS
        arena[at] = arena[order + O_ID]
        arena[at + 1] = order_id
        arena[at + 2] = size
        arena[H_TAKEN_COUNT] += 1
    if resting_leaves == 0:
        leave(arena, order)
    else:
        reduce(arena, order, size)
    return n + 1
