"""The kernel that applies recorded or published events to a book and completes them in place.

A feed says what happened; nothing is matched here. An event that cannot be true of this book
(an order it does not hold, more shares than are left, an id twice, no room) is counted, flagged in
the batch and changes no more than it truthfully can.
"""

from market.book_events import Flag, Kind
from market.book_kernels import ADDED, FULL_LEVELS, best_e4, find, join, leave, reduce
from market.book_layout import (
    H_DUPLICATE,
    H_EVENTS,
    H_INVALID,
    H_LEVELS_FULL,
    H_NOTICES,
    H_ORDERS_FULL,
    H_OVERSIZE,
    H_STOPS,
    H_TRADING,
    H_UNKNOWN,
    L_PRICE,
    L_SIDE,
    O_LEAVES,
    O_LEVEL,
    STOP_BREAKER,
    STOP_OPERATIONAL,
    Arena,
    Records,
)
from market.kernel_types import ARENA, INT
from market.kernels import lean_kernel, typed_kernel

ADD = int(Kind.ADD)
CANCEL = int(Kind.CANCEL)
DELETE = int(Kind.DELETE)
EXECUTE = int(Kind.EXECUTE)
EXECUTE_PRICE = int(Kind.EXECUTE_PRICE)
REPLACE = int(Kind.REPLACE)
HALT = int(Kind.HALT)
OPERATIONAL, BREAKER, NOTICE = int(Kind.OPERATIONAL), int(Kind.BREAKER), int(Kind.NOTICE)
LAST_KIND = max(int(kind) for kind in Kind)
TRADING_CODE = ord("T")

UNKNOWN_ORDER = int(Flag.UNKNOWN_ORDER)
REFUSED = int(Flag.REFUSED)
CLAMPED = int(Flag.CLAMPED)


@typed_kernel(ARENA, INT, INT, INT, INT)
def add(arena: Arena, order_id: int, side: int, price_e4: int, size: int) -> int:
    """Apply an ADD; return 0 or REFUSED."""
    if (side != 1 and side != -1) or size <= 0 or price_e4 <= 0 or order_id == 0:
        arena[H_INVALID] += 1
        return REFUSED
    if find(arena, order_id) != 0:
        arena[H_DUPLICATE] += 1
        return REFUSED
    full = join(arena, order_id, side, price_e4, size, 0)
    if full != ADDED:
        arena[H_LEVELS_FULL if full == FULL_LEVELS else H_ORDERS_FULL] += 1
        return REFUSED
    return 0


@typed_kernel(ARENA, INT, INT, INT, INT)
def replace(arena: Arena, order: int, new_id: int, price_e4: int, size: int) -> int:
    """Apply a REPLACE of an order that is here; return 0 or REFUSED (then the old order is gone)."""
    side = arena[arena[order + O_LEVEL] + L_SIDE]
    leave(arena, order)
    return add(arena, new_id, side, price_e4, size)


@typed_kernel(ARENA, INT, INT)
def stop(arena: Arena, kind: int, code: int) -> None:
    """Apply what stops trading beside a HALT, and count notices."""
    if kind == OPERATIONAL:
        if code == TRADING_CODE:
            arena[H_STOPS] &= ~STOP_OPERATIONAL
        else:
            arena[H_STOPS] |= STOP_OPERATIONAL
    elif kind == BREAKER:
        arena[H_STOPS] |= STOP_BREAKER
    else:
        arena[H_NOTICES] += 1


@lean_kernel
def apply_one(arena: Arena, batch: Records, at: int) -> int:
    """Apply one event and complete it; return its anomaly flags."""
    event = batch[at]
    kind = event.kind
    if kind == ADD:
        return add(arena, event.order_id, event.side, event.price_e4, event.size)
    if kind == HALT:
        arena[H_TRADING] = 1 if event.code == TRADING_CODE else 0
        if event.code == TRADING_CODE:
            arena[H_STOPS] &= ~STOP_BREAKER  # trading resumes symbol by symbol, on the explicit word alone
        return 0
    taking = kind in (CANCEL, EXECUTE, EXECUTE_PRICE)
    if not taking and kind != DELETE and kind != REPLACE:
        if kind > LAST_KIND:
            arena[H_INVALID] += 1
            return REFUSED
        if kind >= OPERATIONAL:
            stop(arena, kind, event.code)
        return 0  # prints, crosses and system events change no level
    order = find(arena, event.order_id)
    if order == 0:
        arena[H_UNKNOWN] += 1
        return UNKNOWN_ORDER
    level = arena[order + O_LEVEL]
    batch[at].side = arena[level + L_SIDE]
    if kind == REPLACE:
        return replace(arena, order, event.new_id, event.price_e4, event.size)
    if kind != EXECUTE_PRICE:
        batch[at].price_e4 = arena[level + L_PRICE]
    leaves = arena[order + O_LEAVES]
    if kind == DELETE:
        batch[at].size = leaves
        leave(arena, order)
        return 0
    size = event.size
    if size == 0:
        arena[H_INVALID] += 1
        return REFUSED
    if size < leaves:
        reduce(arena, order, size)
        return 0
    leave(arena, order)
    if size > leaves:
        arena[H_OVERSIZE] += 1
        batch[at].size = leaves
        return CLAMPED
    return 0


@lean_kernel
def book_apply(arena: Arena, batch: Records) -> int:
    """Apply a batch of MARKET_EVENT, complete it in place, return how many events were anomalous."""
    anomalies = 0
    for at in range(batch.shape[0]):
        flags = apply_one(arena, batch, at)
        if flags != 0:
            batch[at].flags |= flags
            anomalies += 1
        batch[at].bid_e4 = best_e4(arena, 0)
        batch[at].ask_e4 = best_e4(arena, 1)
    arena[H_EVENTS] += batch.shape[0]
    return anomalies
