"""The kernel that reads a stream of events once and writes down what each of them met.

A row an event, in integers: class, size, distance from the touch of its side, spread and queue before it,
touch after it. Beside that the best levels on a regular grid of time. The book is this module's own, so
that recorded and simulated streams go through the same code.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.book_apply import apply_one
from market.book_events import Flag, Kind
from market.book_kernels import best_e4, best_level, find, level_at, levels_into
from market.book_layout import L_COUNT, L_PRICE, L_SIDE, L_SIZE, O_LEVEL, O_TAG, Records, new_arena
from market.kernels import kernel

# columns of a row
(TS, CLASS, SIDE, SIZE, PRICE, DISTANCE, SPREAD, LEVEL_SIZE, LEVEL_COUNT) = range(9)
(OTHER_SIZE, AGE, MID2_BEFORE, BID, ASK, BID_SIZE, ASK_SIZE) = range(9, 16)
COLUMNS = 16

# classes of events
LIMIT, CANCEL, TRADE, HIDDEN, EDGE, OTHER = range(6)

DEPTH = 5  # levels a side on the grid
ABSENT = 1 << 40  # a distance or spread where a side is empty
ORDERS_MAX = 1 << 17  # the fullest recorded book holds 66,833 orders
LEVELS_MAX = 1 << 15  # per side; the same book's sparse ends have some 9,000

K_ADD, K_CANCEL, K_DELETE = int(Kind.ADD), int(Kind.CANCEL), int(Kind.DELETE)
K_EXECUTE, K_HIDDEN, K_EXECUTE_PRICE = int(Kind.EXECUTE), int(Kind.HIDDEN), int(Kind.EXECUTE_PRICE)
WINDOW = int(Flag.REVEAL) | int(Flag.CONCEAL)


class Scan(NamedTuple):
    """What one pass gives."""

    rows: NDArray[np.int64]  # [events, COLUMNS]
    grid: NDArray[np.int64]  # [instants, 4, DEPTH]: bid price, bid size, ask price, ask size
    grid_ns: int
    begin_ns: int
    end_ns: int


@kernel
def class_of(kind: int, flags: int) -> int:
    """Return the class of an event; what only enters or leaves a recorded window is no flow."""
    if flags & WINDOW:
        return EDGE
    if kind == K_ADD:
        return LIMIT
    if kind in (K_CANCEL, K_DELETE):
        return CANCEL
    if kind in (K_EXECUTE, K_EXECUTE_PRICE):
        return TRADE
    if kind == K_HIDDEN:
        return HIDDEN
    return OTHER


@kernel
def before(arena: NDArray[np.int64], events: Records, at: int, row: NDArray[np.int64]) -> None:
    """Write what an event meets."""
    event = events[at]
    bid, ask = best_e4(arena, 0), best_e4(arena, 1)
    whole = bid > 0 and ask > bid
    side: Any = np.int64(event.side)
    price: Any = np.int64(event.price_e4)
    level: Any = 0
    order = find(arena, event.order_id) if event.kind != K_ADD else 0
    row[AGE] = -1
    if order != 0:
        level = arena[order + O_LEVEL]
        side, price = arena[level + L_SIDE], arena[level + L_PRICE]
        if arena[order + O_TAG] > 0:
            row[AGE] = event.ts_ns - arena[order + O_TAG]
    elif event.kind == K_ADD:
        level = level_at(arena, side, price)
    row[TS], row[SIDE], row[PRICE] = event.ts_ns, side, price
    row[CLASS] = class_of(event.kind, event.flags)
    row[SPREAD] = ask - bid if whole else ABSENT
    row[MID2_BEFORE] = bid + ask if whole else 0
    touch = bid if side == 1 else ask
    row[DISTANCE] = side * (touch - price) if touch > 0 else ABSENT
    if level != 0:
        row[LEVEL_SIZE], row[LEVEL_COUNT] = arena[level + L_SIZE], arena[level + L_COUNT]
    other = best_level(arena, (1 + side) >> 1)
    row[OTHER_SIZE] = arena[other + L_SIZE] if other != 0 else 0


@kernel
def after(arena: NDArray[np.int64], events: Records, at: int, row: NDArray[np.int64]) -> None:
    """Write the touch that an event leaves, and remember when an order came."""
    event = events[at]
    row[SIZE] = event.size
    if event.kind == K_ADD and not event.flags & WINDOW:
        order = find(arena, event.order_id)
        if order != 0:
            arena[order + O_TAG] = event.ts_ns
    bid, ask = best_level(arena, 0), best_level(arena, 1)
    if bid != 0:
        row[BID], row[BID_SIZE] = arena[bid + L_PRICE], arena[bid + L_SIZE]
    if ask != 0:
        row[ASK], row[ASK_SIZE] = arena[ask + L_PRICE], arena[ask + L_SIZE]


@kernel
def scan_into(
    arena: NDArray[np.int64], events: Records, rows: NDArray[np.int64],
    grid: NDArray[np.int64], begin_ns: int, grid_ns: int,
) -> int:  # fmt: skip
    """Pass over the events; return how many instants of the grid were reached."""
    instant = 0
    for at in range(events.shape[0]):
        while instant < grid.shape[0] and begin_ns + instant * grid_ns < events[at].ts_ns:
            levels_into(arena, grid[instant])
            instant += 1
        before(arena, events, at, rows[at])
        events[at].flags |= apply_one(arena, events, at)
        after(arena, events, at, rows[at])
    while instant < grid.shape[0]:
        levels_into(arena, grid[instant])
        instant += 1
    return instant


def scan(events: Records, begin_ns: int, end_ns: int, grid_ns: int) -> Scan:
    """Pass over a stream: the book standing at `begin_ns` as flagged ADDs, then what happened since."""
    instants = max(0, (end_ns - begin_ns) // grid_ns)
    rows = np.zeros((len(events), COLUMNS), np.int64)
    grid = np.zeros((instants, 4, DEPTH), np.int64)
    scan_into(new_arena(ORDERS_MAX, LEVELS_MAX), events.copy(), rows, grid, begin_ns, grid_ns)
    return Scan(rows, grid, grid_ns, begin_ns, end_ns)
