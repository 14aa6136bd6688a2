"""Kernels over a book's arena: find, join, leave, reduce, and what can be read off a book.

Leaves in the sense of docs/STYLE: an arena in, the same arena changed. Nothing here decides who
trades with whom; `market.book_apply` applies recorded events, `market.matching_kernels` matches.
"""

import numpy as np

from market.book_layout import (
    H_LEVEL_BUMP,
    H_LEVEL_FREE,
    H_LEVELS,
    H_LEVELS_MAX,
    H_MAP,
    H_MAP_MASK,
    H_MAP_SHIFT,
    H_ORDER_BUMP,
    H_ORDER_FREE,
    H_ORDERS,
    H_ORDERS_MAX,
    H_OWNED,
    H_SEQUENCE,
    H_SIDES,
    L_COUNT,
    L_HEAD,
    L_NEXT,
    L_OWNED,
    L_PRICE,
    L_SIDE,
    L_SIZE,
    L_TAIL,
    LEVEL_WORDS,
    O_ID,
    O_LEAVES,
    O_LEVEL,
    O_NEXT,
    O_OWNER,
    O_PREV,
    O_SEQUENCE,
    O_TAG,
    ORDER_WORDS,
    PAIR_WORDS,
    Arena,
)
from market.kernel_types import ARENA, INT
from market.kernels import lean_kernel, typed_kernel

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_A = np.uint64(0xBF58476D1CE4E5B9)
MIX_B = np.uint64(0x94D049BB133111EB)
NEAR = 12  # levels from the touch that are searched one by one before the search halves

ADDED = 0
FULL_ORDERS = 1
FULL_LEVELS = 2


# --- id map: open addressing, linear probing, deletion by shifting back ---------------------------
@typed_kernel(ARENA, INT)
def find(arena: Arena, order_id: int) -> int:
    """Return the order of an id, 0 where it is not in the book."""
    start = arena[H_MAP]
    mask = arena[H_MAP_MASK]
    slot = np.int64((np.uint64(order_id) * GOLDEN) >> np.uint64(arena[H_MAP_SHIFT]))
    while True:
        at = start + slot * PAIR_WORDS
        order = arena[at + 1]
        if order == 0 or arena[at] == order_id:
            return order  # type: ignore[no-any-return]
        slot = (slot + 1) & mask


@typed_kernel(ARENA, INT, INT)
def map_put(arena: Arena, order_id: int, order: int) -> None:
    """Remember an id that is not in the map; the map is at most half full."""
    start = arena[H_MAP]
    mask = arena[H_MAP_MASK]
    slot = np.int64((np.uint64(order_id) * GOLDEN) >> np.uint64(arena[H_MAP_SHIFT]))
    while arena[start + slot * PAIR_WORDS + 1] != 0:
        slot = (slot + 1) & mask
    arena[start + slot * PAIR_WORDS] = order_id
    arena[start + slot * PAIR_WORDS + 1] = order


@typed_kernel(ARENA, INT)
def map_remove(arena: Arena, order_id: int) -> None:
    """Forget an id that is in the map and close the gap behind it."""
    start = arena[H_MAP]
    mask = arena[H_MAP_MASK]
    shift = np.uint64(arena[H_MAP_SHIFT])
    slot = np.int64((np.uint64(order_id) * GOLDEN) >> shift)
    while arena[start + slot * PAIR_WORDS] != order_id or arena[start + slot * PAIR_WORDS + 1] == 0:
        slot = (slot + 1) & mask
    hole = slot
    while True:
        slot = (slot + 1) & mask
        at = start + slot * PAIR_WORDS
        if arena[at + 1] == 0:
            break
        home = np.int64((np.uint64(arena[at]) * GOLDEN) >> shift)
        if ((slot - home) & mask) >= ((slot - hole) & mask):
            arena[start + hole * PAIR_WORDS] = arena[at]
            arena[start + hole * PAIR_WORDS + 1] = arena[at + 1]
            hole = slot
    arena[start + hole * PAIR_WORDS + 1] = 0


# --- levels ---------------------------------------------------------------------------------------
@typed_kernel(ARENA, INT, INT)
def rank(arena: Arena, side_index: int, key: int) -> int:
    """Return how many levels of a side have a key <= `key`."""
    start = arena[H_SIDES + side_index]
    count = arena[H_LEVELS + side_index]
    low = max(count - NEAR, 0)
    at = count
    while at > low:
        if arena[start + (at - 1) * PAIR_WORDS] <= key:
            return at  # type: ignore[no-any-return]
        at -= 1
    low = 0
    while low < at:
        middle = (low + at) >> 1
        if arena[start + middle * PAIR_WORDS] <= key:
            low = middle + 1
        else:
            at = middle
    return at  # type: ignore[no-any-return]


@typed_kernel(ARENA, INT, INT)
def level_at(arena: Arena, side: int, price_e4: int) -> int:
    """Return the level of a price, 0 where there is none."""
    side_index = (1 - side) >> 1
    key = side * price_e4
    at = rank(arena, side_index, key)
    if at == 0:
        return 0
    pair = arena[H_SIDES + side_index] + (at - 1) * PAIR_WORDS
    if arena[pair] != key:
        return 0
    return arena[pair + 1]  # type: ignore[no-any-return]


@typed_kernel(ARENA, INT)
def best_level(arena: Arena, side_index: int) -> int:
    """Return the best level of a side, 0 where the side is empty."""
    count = arena[H_LEVELS + side_index]
    if count == 0:
        return 0
    return arena[arena[H_SIDES + side_index] + count * PAIR_WORDS - 1]  # type: ignore[no-any-return]


@typed_kernel(ARENA, INT)
def best_e4(arena: Arena, side_index: int) -> int:
    """Return the best price of a side, 0 where the side is empty."""
    count = arena[H_LEVELS + side_index]
    if count == 0:
        return 0
    key = arena[arena[H_SIDES + side_index] + (count - 1) * PAIR_WORDS]
    return key if side_index == 0 else -key  # type: ignore[no-any-return]


@typed_kernel(ARENA, INT, INT)
def level_open(arena: Arena, side: int, price_e4: int) -> int:
    """Return the level of a price, made where it is missing; 0 where the side is full."""
    side_index = (1 - side) >> 1
    key = side * price_e4
    at = rank(arena, side_index, key)
    start = arena[H_SIDES + side_index]
    if at > 0 and arena[start + (at - 1) * PAIR_WORDS] == key:
        return arena[start + (at - 1) * PAIR_WORDS + 1]  # type: ignore[no-any-return]
    count = arena[H_LEVELS + side_index]
    if count == arena[H_LEVELS_MAX]:
        return 0
    level = arena[H_LEVEL_FREE]
    if level != 0:
        arena[H_LEVEL_FREE] = arena[level + L_NEXT]
    else:
        level = arena[H_LEVEL_BUMP]
        arena[H_LEVEL_BUMP] = level + LEVEL_WORDS
    for word in range(start + count * PAIR_WORDS - 1, start + at * PAIR_WORDS - 1, -1):
        arena[word + PAIR_WORDS] = arena[word]
    arena[start + at * PAIR_WORDS] = key
    arena[start + at * PAIR_WORDS + 1] = level
    arena[H_LEVELS + side_index] = count + 1
    arena[level + L_PRICE] = price_e4
    arena[level + L_SIZE] = 0
    arena[level + L_HEAD] = 0
    arena[level + L_TAIL] = 0
    arena[level + L_COUNT] = 0
    arena[level + L_SIDE] = side
    arena[level + L_OWNED] = 0
    return level  # type: ignore[no-any-return]


@typed_kernel(ARENA, INT)
def level_close(arena: Arena, level: int) -> None:
    """Take an empty level out of its side."""
    side = arena[level + L_SIDE]
    side_index = (1 - side) >> 1
    at = rank(arena, side_index, side * arena[level + L_PRICE])
    start = arena[H_SIDES + side_index]
    count = arena[H_LEVELS + side_index]
    for word in range(start + at * PAIR_WORDS, start + count * PAIR_WORDS):
        arena[word - PAIR_WORDS] = arena[word]
    arena[H_LEVELS + side_index] = count - 1
    arena[level + L_NEXT] = arena[H_LEVEL_FREE]
    arena[H_LEVEL_FREE] = level


# --- orders ---------------------------------------------------------------------------------------
@typed_kernel(ARENA, INT, INT, INT, INT, INT)
def join(arena: Arena, order_id: int, side: int, price_e4: int, size: int, owner: int) -> int:
    """Put an order at the end of its queue; return ADDED or which capacity is full. The id is new."""
    if arena[H_ORDERS] == arena[H_ORDERS_MAX]:
        return FULL_ORDERS
    level = level_open(arena, side, price_e4)
    if level == 0:
        return FULL_LEVELS
    order = arena[H_ORDER_FREE]
    if order != 0:
        arena[H_ORDER_FREE] = arena[order + O_NEXT]
    else:
        order = arena[H_ORDER_BUMP]
        arena[H_ORDER_BUMP] = order + ORDER_WORDS
    tail = arena[level + L_TAIL]
    sequence = arena[H_SEQUENCE] + 1
    arena[H_SEQUENCE] = sequence
    arena[order + O_ID] = order_id
    arena[order + O_LEAVES] = size
    arena[order + O_OWNER] = owner
    arena[order + O_PREV] = tail
    arena[order + O_NEXT] = 0
    arena[order + O_LEVEL] = level
    arena[order + O_SEQUENCE] = sequence
    arena[order + O_TAG] = 0
    if tail != 0:
        arena[tail + O_NEXT] = order
    else:
        arena[level + L_HEAD] = order
    arena[level + L_TAIL] = order
    arena[level + L_SIZE] += size
    arena[level + L_COUNT] += 1
    arena[H_ORDERS] += 1
    if owner > 0:
        arena[level + L_OWNED] += 1
        arena[H_OWNED] += 1
    map_put(arena, order_id, order)
    return ADDED


@typed_kernel(ARENA, INT)
def leave(arena: Arena, order: int) -> None:
    """Take an order out of the book."""
    level = arena[order + O_LEVEL]
    before = arena[order + O_PREV]
    after = arena[order + O_NEXT]
    if before != 0:
        arena[before + O_NEXT] = after
    else:
        arena[level + L_HEAD] = after
    if after != 0:
        arena[after + O_PREV] = before
    else:
        arena[level + L_TAIL] = before
    arena[level + L_SIZE] -= arena[order + O_LEAVES]
    arena[H_ORDERS] -= 1
    if arena[order + O_OWNER] > 0:
        arena[level + L_OWNED] -= 1
        arena[H_OWNED] -= 1
    count = arena[level + L_COUNT] - 1
    arena[level + L_COUNT] = count
    map_remove(arena, arena[order + O_ID])
    arena[order + O_NEXT] = arena[H_ORDER_FREE]
    arena[H_ORDER_FREE] = order
    if count == 0:
        level_close(arena, level)


@typed_kernel(ARENA, INT, INT)
def reduce(arena: Arena, order: int, size: int) -> None:
    """Take `size` < leaves shares off an order; it keeps its place."""
    arena[order + O_LEAVES] -= size
    arena[arena[order + O_LEVEL] + L_SIZE] -= size


@lean_kernel
def take(arena: Arena, order: int, size: int) -> int:
    """Take up to `size` shares off an order, and the order off the book with its last; return how many."""
    leaves = arena[order + O_LEAVES]
    if size >= leaves:
        leave(arena, order)
        return leaves  # type: ignore[no-any-return]
    reduce(arena, order, size)
    return size


# --- read off -------------------------------------------------------------------------------------
@lean_kernel
def levels_into(arena: Arena, out: Arena) -> None:
    """Fill rows bid price, bid size, ask price, ask size of `out`, best first; 0 where there is no level."""
    for side_index in range(2):
        start = arena[H_SIDES + side_index]
        count = arena[H_LEVELS + side_index]
        for depth in range(out.shape[1]):
            if depth < count:
                level = arena[start + (count - depth) * PAIR_WORDS - 1]
                out[2 * side_index, depth] = arena[level + L_PRICE]
                out[2 * side_index + 1, depth] = arena[level + L_SIZE]
            else:
                out[2 * side_index, depth] = 0
                out[2 * side_index + 1, depth] = 0


@lean_kernel
def size_at(arena: Arena, side: int, price_e4: int) -> int:
    """Return the shares that rest at a price."""
    level = level_at(arena, side, price_e4)
    if level == 0:
        return 0
    return arena[level + L_SIZE]  # type: ignore[no-any-return]


@lean_kernel
def queue_ahead(arena: Arena, order_id: int) -> int:
    """Return the shares that stand before an order at its price, -1 where it is not in the book."""
    order = find(arena, order_id)
    if order == 0:
        return -1
    ahead = 0
    before = arena[order + O_PREV]
    while before != 0:
        ahead += arena[before + O_LEAVES]
        before = arena[before + O_PREV]
    return ahead


@lean_kernel
def leaves_of(arena: Arena, order_id: int) -> int:
    """Return the shares that an order has left, 0 where it is not in the book."""
    order = find(arena, order_id)
    if order == 0:
        return 0
    return arena[order + O_LEAVES]  # type: ignore[no-any-return]


@lean_kernel
def mixed(state: np.uint64, value: int) -> np.uint64:
    """Return a hash state after one more value (splitmix64's finaliser)."""
    word = (state ^ np.uint64(value)) * GOLDEN
    word = (word ^ (word >> np.uint64(30))) * MIX_A
    word = (word ^ (word >> np.uint64(27))) * MIX_B
    return word ^ (word >> np.uint64(31))


@lean_kernel
def state_hash(arena: Arena) -> int:
    """Return a hash of (side, price, id, leaves) over all orders in price-time order."""
    state = np.uint64(0)
    for side_index in range(2):
        start = arena[H_SIDES + side_index]
        state = mixed(state, side_index + 1)
        for at in range(arena[H_LEVELS + side_index], 0, -1):
            level = arena[start + at * PAIR_WORDS - 1]
            state = mixed(state, arena[level + L_PRICE])
            order = arena[level + L_HEAD]
            while order != 0:
                state = mixed(mixed(state, arena[order + O_ID]), arena[order + O_LEAVES])
                order = arena[order + O_NEXT]
    return np.int64(state >> np.uint64(1))  # type: ignore[return-value]


@lean_kernel
def orders_into(arena: Arena, out: Arena) -> int:
    """Fill rows of `out` with (side, price, id, leaves, owner) in price-time order; return how many."""
    row = 0
    for side_index in range(2):
        start = arena[H_SIDES + side_index]
        for at in range(arena[H_LEVELS + side_index], 0, -1):
            level = arena[start + at * PAIR_WORDS - 1]
            order = arena[level + L_HEAD]
            while order != 0 and row < out.shape[0]:
                out[row, 0] = arena[level + L_SIDE]
                out[row, 1] = arena[level + L_PRICE]
                out[row, 2] = arena[order + O_ID]
                out[row, 3] = arena[order + O_LEAVES]
                out[row, 4] = arena[order + O_OWNER]
                row += 1
                order = arena[order + O_NEXT]
    return row
