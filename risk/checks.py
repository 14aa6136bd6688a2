"""The arithmetic of the controls: pure functions of integers.

They run as they are in the gate, and compiled by numba in research, so: no classes, no floats, no
None, no exceptions. Prices are 1e-4 currency units, money is micros, collars are basis points.
A cap passes at the limit; a trip happens at it.
"""

BP = 10_000
MICROS_PER_E4 = 100
NO_CAP = 2**62  # more than any quantity


def within(value: int, cap: int) -> bool:
    """Cap controls: equal passes."""
    return value <= cap


def trips(value: int, limit: int) -> bool:
    """Trip controls (loss, counts of errors): equal trips."""
    return value >= limit


def notional_micros(qty: int, price_e4: int) -> int:
    """Value of a quantity at a price."""
    return qty * price_e4 * MICROS_PER_E4


def mid_micros(bid_e4: int, ask_e4: int) -> int:
    """Middle of the touch, exactly."""
    return (bid_e4 + ask_e4) * (MICROS_PER_E4 // 2)


def share_of(total: int, share_bp: int) -> int:
    """A share of a quantity, rounded down."""
    return total * share_bp // BP


def collar_high_e4(ref_e4: int, collar_bp: int) -> int:
    """Highest price within a collar above a reference."""
    return ref_e4 * (BP + collar_bp) // BP


def collar_low_e4(ref_e4: int, collar_bp: int) -> int:
    """Lowest price within a collar below a reference."""
    return -(-ref_e4 * (BP - collar_bp) // BP)


def collar_passes(is_buy: bool, price_e4: int, ref_e4: int, collar_bp: int) -> bool:
    """R05: a buy at most so far above, a sell at most so far below."""
    if is_buy:
        return price_e4 * BP <= ref_e4 * (BP + collar_bp)
    return price_e4 * BP >= ref_e4 * (BP - collar_bp)


def band_passes(price_e4: int, ref_e4: int, band_bp: int) -> bool:
    """R05, previous close: not outside either side of the band."""
    return ref_e4 * (BP - band_bp) <= price_e4 * BP <= ref_e4 * (BP + band_bp)


def spread_passes(bid_e4: int, ask_e4: int, spread_bp: int) -> bool:
    """R06: spread over mid at most so wide."""
    return 2 * (ask_e4 - bid_e4) * BP <= spread_bp * (bid_e4 + ask_e4)


def worst_long(position: int, buy_leaves: int) -> int:
    """R10: position if every open buy trades and no sell does."""
    return position + buy_leaves


def worst_short(position: int, sell_leaves: int) -> int:
    """R10: position if every open sell trades and no buy does."""
    return position - sell_leaves


def replace_adds(order_qty: int, new_qty: int, cum_qty: int, leaves_worst: int) -> int:
    """Leaves that a replace adds to the worst case: both terms count until one is confirmed (GR5)."""
    worst = max(order_qty, new_qty) - cum_qty
    return max(0, worst - leaves_worst)


def crosses(buy_price_e4: int, sell_price_e4: int) -> bool:
    """R16: could these two trade with each other? Equal crosses; 0 is a market order and always does."""
    return buy_price_e4 == 0 or sell_price_e4 == 0 or buy_price_e4 >= sell_price_e4


def adverse_micros(is_buy: bool, qty: int, price_e4: int, bid_e4: int, ask_e4: int) -> int:
    """R30: loss locked in if the order fills at its limit: long is marked at the bid, short at the ask."""
    gap = price_e4 - bid_e4 if is_buy else ask_e4 - price_e4
    return max(0, gap) * qty * MICROS_PER_E4


def pnl_micros(qty: int, paid_e4: int, bid_e4: int, ask_e4: int) -> int:
    """Profit of a position: `paid_e4` is what it cost (sum of signed quantity x price)."""
    mark_e4 = bid_e4 if qty > 0 else ask_e4
    return (qty * mark_e4 - paid_e4) * MICROS_PER_E4


def opens_or_flips(is_buy: bool, qty: int, position: int, open_same_side: int) -> bool:
    """R18: True where the order, with the open ones of its side, enlarges or turns the position."""
    if is_buy:
        return position >= 0 or qty + open_same_side > -position
    return position <= 0 or qty + open_same_side > position


def on_tick(price_e4: int, tick_e4: int) -> bool:
    """R02: a multiple of the tick."""
    return price_e4 % tick_e4 == 0


def participation_room(share_bp: int, others: int, own: int) -> int:
    """R15: what may still be ordered for a share p of everything: p / (1 - p) of what others traded."""
    if share_bp >= BP:
        return NO_CAP
    return share_bp * others // (BP - share_bp) - own


def reject_share_trips(rejects: int, orders: int, share_bp: int) -> bool:
    """R26: rejects are a share of the last orders; equal trips."""
    return rejects * BP >= share_bp * orders


def drawdown_micros(peak_micros: int, now_micros: int) -> int:
    """R31: how far below the day's best."""
    return max(0, peak_micros - now_micros)


def shortfall_trips(
    is_buy: bool, cum_qty: int, notional_e4: int, arrival_mid_micros: int, fees_micros: int, limit_bp: int
) -> bool:
    """R32: what is filled cost at least so many basis points against the arrival mid."""
    paid = notional_e4 * MICROS_PER_E4 - cum_qty * arrival_mid_micros
    cost = (paid if is_buy else -paid) + fees_micros
    return cost > 0 and cost * BP >= limit_bp * cum_qty * arrival_mid_micros
