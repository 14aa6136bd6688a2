"""Where things lie in the packed int64 arena that is one order book; kernel code only reads these words.

One array holds everything: header, order pool, level pool, both sorted sides, the id map. So a
kernel takes one argument, a book is copied by one copy, and nothing is allocated after creation.
References between records are word offsets into the arena; 0 means none.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

# --- header -----------------------------------------------------------------------------------
H_ORDERS_MAX = 0
H_LEVELS_MAX = 1  # per side
H_MAP = 2  # offset of the id map
H_MAP_SHIFT = 3  # 64 - log2(slots of the map)
H_MAP_MASK = 4
H_SIDES = 5  # 5: offset of the sorted bids, 6: of the sorted asks
H_LEVELS = 7  # 7: levels on the bid, 8: on the ask
H_ORDERS = 9  # resting now
H_ORDER_FREE = 10  # free list, linked by O_NEXT
H_ORDER_BUMP = 11  # first order record never used
H_LEVEL_FREE = 12
H_LEVEL_BUMP = 13
H_SEQUENCE = 14  # of joins: an order that stands behind another in its queue has the larger one
H_OWNED = 15  # resting orders with owner > 0
H_EVENTS = 16  # events applied
H_UNKNOWN = 17  # events on an order that is not here
H_DUPLICATE = 18  # adds under an id that is here already
H_OVERSIZE = 19  # events that take more than the order has left; clamped
H_INVALID = 20  # adds without side, size or price; kinds unknown
H_ORDERS_FULL = 21  # refused for want of an order record
H_LEVELS_FULL = 22  # refused for want of a level
H_TRADING = 23  # 1 = continuous trading, 0 = halted
H_MATCH_ID = 24  # of the last trade
H_COMMANDS = 25  # commands matched
H_REJECTED = 26
H_TRADED = 27  # shares
H_TAKEN = 28  # offset of the ring of what owned aggressors took from the market
H_TAKEN_COUNT = 29  # entries ever written to it
H_STOPS = 30  # what else stops trading: STOP_OPERATIONAL | STOP_BREAKER
H_NOTICES = 31  # NOTICE events seen
HEADER_WORDS = 64

STOP_OPERATIONAL = 1
STOP_BREAKER = 2

# --- order record: one cache line ---------------------------------------------------------------
O_ID = 0
O_LEAVES = 1
O_OWNER = 2
O_PREV = 3
O_NEXT = 4
O_LEVEL = 5
O_SEQUENCE = 6
O_TAG = 7  # free for whoever owns the book
ORDER_WORDS = 8

# --- level record: one cache line ----------------------------------------------------------------
L_PRICE = 0
L_SIZE = 1
L_HEAD = 2
L_TAIL = 3
L_COUNT = 4
L_SIDE = 5  # +1 bid, -1 ask
L_OWNED = 6  # orders in it with owner > 0
L_NEXT = 7  # in the free list
LEVEL_WORDS = 8

# A sorted side is an array of (key, level) with key = side * price, ascending: the best is last on
# both sides, and an aggressor with limit p crosses where the best key >= side * p.
PAIR_WORDS = 2

TAKEN_MAX = 4096  # what owned orders take between two steps of a flow; only attribution hangs on it
TAKEN_WORDS = 3  # (resting id, aggressor id, shares)

ORDERS_MAX = 1 << 17  # the largest full book at hand holds 66,833 orders; a power of two above it
LEVELS_MAX = 1 << 14  # per side; the same book has some 9,000
ORDERS_BOUND = 1 << 22  # beyond this the arena is over 400 MB: a mistake, not a market

Arena = npt.NDArray[np.int64]
Records = npt.NDArray[Any]


def aligned(words: int) -> Arena:
    """Return a zeroed array whose records begin on cache lines."""
    raw = np.zeros(words + 8, dtype=np.int64)
    skip = (-raw.ctypes.data % 64) // 8
    return raw[skip : skip + words]


def new_arena(orders_max: int, levels_max: int) -> Arena:
    """Return an empty book.

    Raises:
        ValueError: a capacity is outside its bounds.
    """
    if not 1 <= orders_max <= ORDERS_BOUND or not 1 <= levels_max <= ORDERS_BOUND:
        raise ValueError(f"orders_max and levels_max must lie in 1..{ORDERS_BOUND}")
    bits = max(4, (2 * orders_max - 1).bit_length())
    pool_end = HEADER_WORDS + orders_max * ORDER_WORDS
    levels_end = pool_end + 2 * levels_max * LEVEL_WORDS
    asks = levels_end + levels_max * PAIR_WORDS
    taken = asks + levels_max * PAIR_WORDS
    id_map = (taken + TAKEN_MAX * TAKEN_WORDS + 7) // 8 * 8
    arena = aligned(id_map + (1 << bits) * PAIR_WORDS)
    arena[H_ORDERS_MAX] = orders_max
    arena[H_LEVELS_MAX] = levels_max
    arena[H_MAP] = id_map
    arena[H_MAP_SHIFT] = 64 - bits
    arena[H_MAP_MASK] = (1 << bits) - 1
    arena[H_SIDES] = levels_end
    arena[H_SIDES + 1] = asks
    arena[H_ORDER_BUMP] = HEADER_WORDS
    arena[H_LEVEL_BUMP] = pool_end
    arena[H_TRADING] = 1
    arena[H_TAKEN] = taken
    return arena
