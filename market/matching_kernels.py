"""The kernel of the matching engine: price-time priority over a book's arena, commands in, outcomes out.

Every command ends in at least one outcome and none is ever dropped: `match` stops before a command
for which the buffer might not do (one trade an order at most, and four more) and says where.
"""

from typing import Any

import numpy as np

from market.book_kernels import (
    ADDED,
    FULL_LEVELS,
    best_level,
    find,
    join,
    leave,
    level_at,
    map_put,
    map_remove,
    reduce,
)
from market.book_layout import (
    H_COMMANDS,
    H_LEVELS,
    H_LEVELS_FULL,
    H_LEVELS_MAX,
    H_ORDERS,
    H_ORDERS_FULL,
    H_REJECTED,
    H_SIDES,
    H_TRADING,
    L_COUNT,
    L_HEAD,
    L_OWNED,
    L_PRICE,
    L_SIDE,
    L_SIZE,
    O_ID,
    O_LEAVES,
    O_LEVEL,
    O_NEXT,
    O_OWNER,
    PAIR_WORDS,
    Arena,
    Records,
)
from market.kernel_types import ARENA, COMMANDS, INT, OUTCOMES
from market.kernels import lean_kernel, typed_kernel
from market.matching_events import Command, CommandFlag, Outcome, OutcomeFlag, Tif, Why
from market.outcome_kernels import hit, report

NEW, CANCEL, REPLACE = int(Command.NEW), int(Command.CANCEL), int(Command.REPLACE)
MARKET, POST_ONLY = int(CommandFlag.MARKET), int(CommandFlag.POST_ONLY)
DAY, IOC, FOK = int(Tif.DAY), int(Tif.IOC), int(Tif.FOK)
ACCEPTED, REJECTED = int(Outcome.ACCEPTED), int(Outcome.REJECTED)
RESTED, CANCELED, REPLACED = int(Outcome.RESTED), int(Outcome.CANCELED), int(Outcome.REPLACED)
RESTING, KEPT_PRIORITY = int(OutcomeFlag.RESTING), int(OutcomeFlag.KEPT_PRIORITY)
ON_ENTRY = int(OutcomeFlag.ON_ENTRY)
WHY_NONE, WHY_USER, WHY_IOC, WHY_FOK = int(Why.NONE), int(Why.USER), int(Why.IOC), int(Why.FOK)
WHY_POST_ONLY, WHY_SELF_TRADE = int(Why.POST_ONLY), int(Why.SELF_TRADE)
WHY_NO_LIQUIDITY, WHY_UNKNOWN = int(Why.NO_LIQUIDITY), int(Why.UNKNOWN_ORDER)
WHY_DUPLICATE, WHY_BAD_PRICE, WHY_BAD_SIZE = int(Why.DUPLICATE_ID), int(Why.BAD_PRICE), int(Why.BAD_SIZE)
WHY_ORDERS_FULL, WHY_LEVELS_FULL = int(Why.ORDERS_FULL), int(Why.LEVELS_FULL)
WHY_NOT_OWNER, WHY_BAD_COMMAND, WHY_HALTED = int(Why.NOT_OWNER), int(Why.BAD_COMMAND), int(Why.HALTED)

SIZE_MAX = (1 << 32) - 1  # the public feed carries shares and prices in 32 bits
PRICE_MAX = (1 << 32) - 1  # as above
NO_LIMIT = -(1 << 62)  # below every key
OUTCOMES_MARGIN = 8  # what a command, or an event of a flow, can say besides one line an order


# --- matching -------------------------------------------------------------------------------------
@typed_kernel(ARENA, INT, INT)
def crosses(arena: Arena, side: int, key_limit: int) -> bool:
    """Say whether an order of `side` would trade now; `key_limit` = -side * limit, or NO_LIMIT."""
    other = (1 + side) >> 1
    count = arena[H_LEVELS + other]
    if count == 0:
        return False
    return arena[arena[H_SIDES + other] + (count - 1) * PAIR_WORDS] >= key_limit  # type: ignore[no-any-return]


@typed_kernel(ARENA, OUTCOMES, *[INT] * 7)
def sweep(
    arena: Arena, out: Records, n: int, ts_ns: int, order_id: int, owner: int, side: int,
    key_limit: int, size: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Trade an arriving order down its queue; return outcomes, shares left and why it stopped early."""
    other = (1 + side) >> 1
    left = size
    while left > 0:
        level = best_level(arena, other)
        if level == 0 or -side * arena[level + L_PRICE] < key_limit:
            break
        order = arena[level + L_HEAD]
        if owner > 0 and arena[order + O_OWNER] == owner:
            return n, left, WHY_SELF_TRADE
        size_hit = min(left, arena[order + O_LEAVES])
        left -= size_hit
        n = hit(
            arena, out, n, ts_ns, order_id, owner, order, arena[level + L_PRICE], size_hit, left, ON_ENTRY
        )
    return n, left, WHY_NONE


@typed_kernel(ARENA, INT, INT, INT, INT)
def fillable(arena: Arena, owner: int, side: int, key_limit: int, size: int) -> bool:
    """Say whether an arriving order would fill whole before it met its limit or its owner."""
    other = (1 + side) >> 1
    start = arena[H_SIDES + other]
    found = 0
    for at in range(arena[H_LEVELS + other], 0, -1):
        if found >= size or arena[start + (at - 1) * PAIR_WORDS] < key_limit:
            break
        level = arena[start + at * PAIR_WORDS - 1]
        if owner == 0 or arena[level + L_OWNED] == 0:
            found += arena[level + L_SIZE]
            continue
        order = arena[level + L_HEAD]
        while order != 0 and found < size:
            if arena[order + O_OWNER] == owner:
                return False
            found += arena[order + O_LEAVES]
            order = arena[order + O_NEXT]
    return found >= size


@typed_kernel(ARENA, INT)
def full_reason(arena: Arena, full: int) -> int:
    """Count a refusal for want of room; return its reason."""
    if full == FULL_LEVELS:
        arena[H_LEVELS_FULL] += 1
        return WHY_LEVELS_FULL
    arena[H_ORDERS_FULL] += 1
    return WHY_ORDERS_FULL


@typed_kernel(ARENA, OUTCOMES, *[INT] * 8)
def settle(
    arena: Arena, out: Records, n: int, ts_ns: int, order_id: int, owner: int, side: int,
    price_e4: int, left: int, why: int,
) -> int:  # fmt: skip
    """Rest what is left of an order that has traded, or cancel it for `why` or for want of room."""
    if left == 0:
        return n
    if why == WHY_NONE:
        full = join(arena, order_id, side, price_e4, left, owner)
        if full == ADDED:
            return report(out, n, RESTED, ts_ns, order_id, owner, side, price_e4, left, left, 0, 0)
        why = full_reason(arena, full)
    return report(out, n, CANCELED, ts_ns, order_id, owner, side, price_e4, left, 0, why, 0)


@lean_kernel
def new_fault(arena: Arena, commands: Records, at: int) -> int:
    """Return why a NEW is refused before it meets the book, WHY_NONE where it is not."""
    c = commands[at]
    market = c.flags & MARKET
    post_only = c.flags & POST_ONLY
    if (c.side != 1 and c.side != -1) or c.order_id == 0 or c.owner < 0:
        return WHY_BAD_COMMAND
    if c.flags & ~(MARKET | POST_ONLY) or (c.tif != DAY and c.tif != IOC and c.tif != FOK):
        return WHY_BAD_COMMAND
    if post_only and (market or c.tif != DAY):
        return WHY_BAD_COMMAND
    if not 0 < c.size <= SIZE_MAX:
        return WHY_BAD_SIZE
    if not market and not 0 < c.price_e4 <= PRICE_MAX:
        return WHY_BAD_PRICE
    if arena[H_TRADING] == 0:
        return WHY_HALTED
    if find(arena, c.order_id) != 0:
        return WHY_DUPLICATE
    return WHY_NONE


@lean_kernel
def enter(arena: Arena, commands: Records, at: int, out: Records, n: int) -> int:
    """Match a NEW; return the number of outcomes."""
    c = commands[at]
    ts_ns, order_id, owner, side, price_e4, size = c.ts_ns, c.order_id, c.owner, c.side, c.price_e4, c.size
    why = new_fault(arena, commands, at)
    market = c.flags & MARKET
    key_limit = NO_LIMIT if market else -side * price_e4
    crossing = crosses(arena, side, key_limit)
    if why == WHY_NONE and crossing and c.flags & POST_ONLY:
        why = WHY_POST_ONLY
    resting = not crossing and not market and c.tif == DAY
    if why == WHY_NONE and resting:
        full = join(arena, order_id, side, price_e4, size, owner)
        if full != ADDED:
            why = full_reason(arena, full)
    if why != WHY_NONE:
        arena[H_REJECTED] += 1
        return report(out, n, REJECTED, ts_ns, order_id, owner, side, price_e4, size, 0, why, 0)
    n = report(out, n, ACCEPTED, ts_ns, order_id, owner, side, price_e4, size, size, 0, 0)
    if resting:
        return report(out, n, RESTED, ts_ns, order_id, owner, side, price_e4, size, size, 0, 0)
    left = size
    if c.tif == FOK and not fillable(arena, owner, side, key_limit, size):
        why = WHY_FOK
    elif crossing:
        n, left, why = sweep(arena, out, n, ts_ns, order_id, owner, side, key_limit, size)
    if why == WHY_NONE and market:
        why = WHY_NO_LIQUIDITY
    elif why == WHY_NONE and c.tif == IOC:
        why = WHY_IOC
    return settle(arena, out, n, ts_ns, order_id, owner, side, price_e4, left, why)


@lean_kernel
def cancel(arena: Arena, commands: Records, at: int, out: Records, n: int) -> int:
    """Take shares off a resting order, all of them with size 0; return the number of outcomes."""
    c = commands[at]
    order = find(arena, c.order_id)
    why = WHY_NONE
    if order == 0:
        why = WHY_UNKNOWN
    elif arena[order + O_OWNER] != c.owner:
        why = WHY_NOT_OWNER
    elif c.size < 0:
        why = WHY_BAD_SIZE
    if why != WHY_NONE:
        arena[H_REJECTED] += 1
        return report(out, n, REJECTED, c.ts_ns, c.order_id, c.owner, c.side, c.price_e4, c.size, 0, why, 0)
    level = arena[order + O_LEVEL]
    side, price_e4, leaves = arena[level + L_SIDE], arena[level + L_PRICE], arena[order + O_LEAVES]
    size = leaves if c.size == 0 or c.size >= leaves else c.size
    if size == leaves:
        leave(arena, order)
    else:
        reduce(arena, order, size)
    left = leaves - size
    return report(
        out, n, CANCELED, c.ts_ns, c.order_id, c.owner, side, price_e4, size, left, WHY_USER, RESTING
    )


# --- replace --------------------------------------------------------------------------------------
@lean_kernel
def replace_fault(arena: Arena, commands: Records, at: int, order: int) -> int:
    """Return why a REPLACE is refused, WHY_NONE where it is not."""
    c = commands[at]
    if order == 0:
        return WHY_UNKNOWN
    if arena[order + O_OWNER] != c.owner:
        return WHY_NOT_OWNER
    if c.new_id == 0 or c.tif != DAY or c.flags & ~POST_ONLY:
        return WHY_BAD_COMMAND
    if not 0 < c.size <= SIZE_MAX:
        return WHY_BAD_SIZE
    if not 0 < c.price_e4 <= PRICE_MAX:
        return WHY_BAD_PRICE
    if arena[H_TRADING] == 0:
        return WHY_HALTED
    if c.new_id != c.order_id and find(arena, c.new_id) != 0:
        return WHY_DUPLICATE
    level = arena[order + O_LEVEL]
    side = arena[level + L_SIDE]
    if crosses(arena, side, -side * c.price_e4):
        return WHY_POST_ONLY if c.flags & POST_ONLY else WHY_NONE
    side_full = arena[H_LEVELS + ((1 - side) >> 1)] == arena[H_LEVELS_MAX]
    if side_full and arena[level + L_COUNT] > 1 and level_at(arena, side, c.price_e4) == 0:
        arena[H_LEVELS_FULL] += 1
        return WHY_LEVELS_FULL
    return WHY_NONE


@typed_kernel(OUTCOMES, INT, COMMANDS, INT, INT, INT, INT)
def replaced(out: Records, n: int, commands: Records, at: int, side: int, leaves: int, flags: int) -> int:
    """Write the outcome of a REPLACE; return how many there are now."""
    c = commands[at]
    n = report(out, n, REPLACED, c.ts_ns, c.new_id, c.owner, side, c.price_e4, c.size, c.size, 0, flags)
    out[n - 1].resting_id = c.order_id
    out[n - 1].resting_leaves = leaves
    return n


@lean_kernel
def replace(arena: Arena, commands: Records, at: int, out: Records, n: int) -> int:
    """Give a resting order a new price, size and id; priority stays only where just the size shrinks."""
    c = commands[at]
    order = find(arena, c.order_id)
    why = replace_fault(arena, commands, at, order)
    if why != WHY_NONE:
        arena[H_REJECTED] += 1
        return report(out, n, REJECTED, c.ts_ns, c.order_id, c.owner, c.side, c.price_e4, c.size, 0, why, 0)
    level = arena[order + O_LEVEL]
    side, leaves = arena[level + L_SIDE], arena[order + O_LEAVES]
    if c.price_e4 == arena[level + L_PRICE] and c.size <= leaves:
        reduce(arena, order, leaves - c.size)
        if c.new_id != c.order_id:
            map_remove(arena, c.order_id)
            map_put(arena, c.new_id, order)
            arena[order + O_ID] = c.new_id
        return replaced(out, n, commands, at, side, leaves, RESTING | KEPT_PRIORITY)
    key_limit = -side * c.price_e4
    leave(arena, order)
    if not crosses(arena, side, key_limit):
        full = join(arena, c.new_id, side, c.price_e4, c.size, c.owner)
        assert full == ADDED
        return replaced(out, n, commands, at, side, leaves, RESTING)
    n = replaced(out, n, commands, at, side, leaves, 0)
    n, left, why = sweep(arena, out, n, c.ts_ns, c.new_id, c.owner, side, key_limit, c.size)
    return settle(arena, out, n, c.ts_ns, c.new_id, c.owner, side, c.price_e4, left, why)


@lean_kernel
def match(arena: Arena, commands: Records, first: int, out: Records) -> tuple[int, int]:
    """Match commands from `first` on; return the next command to match and the number of outcomes."""
    n: Any = np.int64(0)  # typed: from a literal everything below would compile twice
    at = first
    while at < commands.shape[0]:
        if out.shape[0] - n < arena[H_ORDERS] + OUTCOMES_MARGIN:
            break
        kind = commands[at].kind
        if kind == NEW:
            n = enter(arena, commands, at, out, n)
        elif kind == CANCEL:
            n = cancel(arena, commands, at, out, n)
        elif kind == REPLACE:
            n = replace(arena, commands, at, out, n)
        else:
            c = commands[at]
            arena[H_REJECTED] += 1
            n = report(
                out,
                n,
                REJECTED,
                c.ts_ns,
                c.order_id,
                c.owner,
                c.side,
                c.price_e4,
                c.size,
                0,
                WHY_BAD_COMMAND,
                0,
            )
        at += 1
    arena[H_COMMANDS] += at - first
    return at, n
