"""The uncross, slowly: every price is tried, every share counted by itself."""

from market.auction import MARKET, AuctionOrder, Uncross


def uncross(orders: list[AuctionOrder], reference_e4: int, tick_e4: int) -> Uncross:
    """Try every tick from below the lowest to above the highest price that anybody named."""
    named = [o.price_e4 for o in orders if o.price_e4 != MARKET] + [reference_e4]
    low = min(named) // tick_e4 * tick_e4 - tick_e4
    best = None
    for price in range(max(low, tick_e4), max(named) + 3 * tick_e4, tick_e4):
        buy = sum(o.size for o in orders if o.side > 0 and (o.price_e4 == MARKET or o.price_e4 >= price))
        sell = sum(o.size for o in orders if o.side < 0 and (o.price_e4 == MARKET or o.price_e4 <= price))
        rank = (-min(buy, sell), abs(buy - sell), abs(price - reference_e4), price)
        if best is None or rank < best[0]:
            best = (rank, price, buy, sell)
    assert best is not None
    _, price, buy, sell = best
    direction = (buy > sell) - (buy < sell)
    if not min(buy, sell):
        return Uncross(0, 0, abs(buy - sell), direction)
    return Uncross(price, min(buy, sell), abs(buy - sell), direction)


def allocate(orders: list[AuctionOrder], side: int, price_e4: int, paired: int) -> dict[int, int]:
    """Hand out share by share: to a market order first, else to the best price, else to who came first."""
    left = {i: o.size for i, o in enumerate(orders) if o.side == side}
    got: dict[int, int] = {}
    for _ in range(paired):
        may = [
            i
            for i, size in left.items()
            if size > 0 and (orders[i].price_e4 == MARKET or side * (orders[i].price_e4 - price_e4) >= 0)
        ]
        who = min(may, key=lambda i: (orders[i].price_e4 != MARKET, -side * orders[i].price_e4, i))
        left[who] -= 1
        got[who] = got.get(who, 0) + 1
    return got
