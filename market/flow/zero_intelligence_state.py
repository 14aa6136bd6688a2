"""The memory of the synthetic flow: one packed int64 array with clocks, tables, slots of its orders.

Kernels freeze these offsets.
"""

import msgspec
import numpy as np

from market.book_layout import Arena

# streams of draws; the first four are clocks
LIMIT, MARKET, CANCEL_NEAR, CANCEL_FAR = range(4)
CLOCKS = 4
VALUE = 4  # the exogenous value that the flow leans to

Z_DUE = 0  # 0..3: when each clock strikes next
Z_EVENT = 4  # 4..7: the number of that event in its stream
Z_GAP = 8  # 8..11: mean gap of each clock, ns
Z_SEED = 12
Z_TICK = 13
Z_ANCHOR = 14  # e4; value goes back to it
Z_VALUE = 15  # e4
Z_SECOND = 16  # of the value
Z_ORIGIN = 17  # ns at which second 0 begins
Z_PULL = 18  # per second, in 1 / 2**32
Z_SIGMA = 19  # of the value, e4 per square root of a second
Z_LEAN_MARKET = 20  # by how much a tick of value over mid favours buying, in 1 / 2**32
Z_LEAN_LIMIT = 21
Z_LIMITS = 22
Z_MARKETS = 23
Z_CANCELS = 24
Z_HELD_BACK = 25  # events that would have left a side too thin
Z_SLOTS_FULL = 26  # limit orders dropped for want of a slot
Z_REFUSED = 27  # limit orders for which the book had no room
Z_LAST_BID = 28  # the last touch seen, for a side that somebody else emptied
Z_LAST_ASK = 29
Z_NEAR_TICKS = 30
HEADER = 32
OFFSETS = 32  # distances from the opposite touch, in ticks
SIZES = 16
Z_OFFSETS = HEADER  # cumulative chances of distance 1, 2, ..., in 1 / 2**32
Z_SIZE_CHANCES = Z_OFFSETS + OFFSETS
Z_SIZE_VALUES = Z_SIZE_CHANCES + SIZES
Z_SLOTS = Z_SIZE_VALUES + SIZES
SLOTS_NEAR = 128  # some three times what stands; an order takes a slot and cancel clocks strike slots
SLOTS_FAR = 512
AHEAD_BITS = 4
AHEAD = 1 << AHEAD_BITS  # strikes of a clock that are drawn at once
Z_AHEAD_SEED = Z_SLOTS + SLOTS_NEAR + SLOTS_FAR  # whose draws they are: a market may be given another seed
Z_AHEAD_BLOCK = Z_AHEAD_SEED + 1  # by clock: which block of its strikes is drawn, -1 none
Z_AHEAD = Z_AHEAD_SEED + 8  # by clock: gaps before, and two words of the four draws
STATE_WORDS = Z_AHEAD + CLOCKS * 3 * AHEAD
UNIT = 1 << 32


class Rates(msgspec.Struct, frozen=True):
    """How often what happens; the default is a liquid large-tick share of 100 dollars."""

    limits_per_s: float = 14.0
    markets_per_s: float = 0.8
    near_ticks: int = 3  # limit orders as close to the opposite touch as this are short-lived
    near_life_s: float = 4.0
    far_life_s: float = 25.0
    offset_decay: float = 0.08  # chance of distance d ~ exp(-decay * d)
    value_sigma_ticks: float = 0.35  # per square root of a second
    value_life_s: float = 240.0  # of a departure of value from its anchor
    lean_market: float = 0.06  # chance per tick that value above mid turns a sale into a purchase
    lean_limit: float = 0.03
    sizes: tuple[tuple[int, float], ...] = (
        (100, 0.60),
        (200, 0.14),
        (300, 0.06),
        (400, 0.03),
        (500, 0.04),
        (1000, 0.015),
        (50, 0.04),
        (25, 0.03),
        (10, 0.02),
        (1, 0.025),
    )


def cumulative(weights: list[float], words: int) -> list[int]:
    """Return cumulative chances in 1 / 2**32, the last one the whole, padded to `words`."""
    total = sum(weights)
    sums = [sum(weights[: at + 1]) for at in range(len(weights))]
    chances = [round(part / total * UNIT) for part in sums]
    return chances[:-1] + [UNIT] * (words - len(weights) + 1)


def new_state(seed: int, begin_ns: int, price_e4: int, tick_e4: int, rates: Rates) -> Arena:
    """Return the memory of a flow that has not begun."""
    state = np.zeros(STATE_WORDS, dtype=np.int64)
    gaps = (
        1.0 / rates.limits_per_s,
        1.0 / rates.markets_per_s,
        rates.near_life_s / SLOTS_NEAR,
        rates.far_life_s / SLOTS_FAR,
    )
    state[Z_GAP : Z_GAP + CLOCKS] = [round(gap * 1e9) for gap in gaps]
    state[Z_DUE : Z_DUE + CLOCKS] = begin_ns
    state[Z_SEED] = seed
    state[Z_AHEAD_BLOCK : Z_AHEAD_BLOCK + CLOCKS] = -1
    state[Z_TICK] = tick_e4
    state[Z_ANCHOR] = state[Z_VALUE] = price_e4
    state[Z_ORIGIN] = begin_ns
    state[Z_PULL] = round(UNIT / rates.value_life_s)
    state[Z_SIGMA] = round(rates.value_sigma_ticks * tick_e4)
    state[Z_LEAN_MARKET] = round(rates.lean_market * UNIT)
    state[Z_LEAN_LIMIT] = round(rates.lean_limit * UNIT)
    state[Z_NEAR_TICKS] = rates.near_ticks
    state[Z_LAST_BID], state[Z_LAST_ASK] = price_e4 - tick_e4, price_e4
    falling = [2.718281828459045 ** (-rates.offset_decay * distance) for distance in range(OFFSETS)]
    state[Z_OFFSETS : Z_OFFSETS + OFFSETS] = cumulative(falling, OFFSETS)
    state[Z_SIZE_CHANCES : Z_SIZE_CHANCES + SIZES] = cumulative([chance for _, chance in rates.sizes], SIZES)
    state[Z_SIZE_VALUES : Z_SIZE_VALUES + len(rates.sizes)] = [size for size, _ in rates.sizes]
    return state
