"""The uncross: one price for all who meet in an auction, and who gets how much at it.

    crossed = uncross(buys, sells, reference_e4, tick_e4)    # Interest in, Uncross out
    filled = allocate(orders, crossed.price_e4, crossed.paired)

The price is, in this order: where most shares trade; where the fewest of the rest are left over (imbalance);
nearest to the reference price; the lower. Market orders go before limit orders, then the better
price, then whoever came first. Integers throughout; prices lie on the tick. tests/twins/auction.py is slow.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

MARKET: Final = 0  # price of an order that takes any
Ints = NDArray[np.int64]


class AuctionOrder(NamedTuple):
    """What somebody wants of a cross."""

    order_id: int
    side: int  # +1 buy, -1 sell
    price_e4: int  # MARKET = 0
    size: int
    owner: int = 0
    displayed: bool = False  # it stands in the continuous book, under its id


class Uncross(NamedTuple):
    """What a cross would come to now."""

    price_e4: int  # 0 = nothing would trade
    paired: int  # shares that trade
    imbalance: int  # shares at that price that find nobody
    direction: int  # +1 too many buyers, -1 too many sellers, 0 neither

    @property
    def crosses(self) -> bool:
        """Whether anything trades."""
        return self.paired > 0


NOTHING: Final = Uncross(0, 0, 0, 0)


class Interest(NamedTuple):
    """One side by price, ascending, and the shares that take any price."""

    prices: Ints
    sums: Ints  # sums[i] = shares of the first i prices
    market: int

    @classmethod
    def of(cls, rows: Iterable[tuple[int, int]]) -> "Interest":
        """Return the side of (price, shares); price MARKET takes any."""
        at: dict[int, int] = {}
        for price_e4, size in rows:
            at[price_e4] = at.get(price_e4, 0) + size
        market = at.pop(MARKET, 0)
        prices = np.array(sorted(at), dtype=np.int64)
        sums = np.zeros(len(prices) + 1, dtype=np.int64)
        np.cumsum([at[p] for p in prices.tolist()], out=sums[1:])
        return cls(prices, sums, market)

    @property
    def size(self) -> int:
        """All shares."""
        return int(self.sums[-1]) + self.market


def uncross(buys: Interest, sells: Interest, reference_e4: int, tick_e4: int) -> Uncross:
    """Return price and volume of the cross; `reference_e4` is what ties are held against.

    Demand and supply are steps, flat between two prices at which somebody wants something: so the
    best price is one of those, a tick beside one, or the reference.
    """
    limits = np.concatenate([buys.prices, sells.prices])
    if not buys.size or not sells.size:
        side = buys.size - sells.size
        return Uncross(0, 0, abs(side), (side > 0) - (side < 0))
    base = reference_e4 // tick_e4 * tick_e4
    candidates = np.concatenate([limits, limits - tick_e4, limits + tick_e4, [base, base + tick_e4]])
    candidates = np.unique(candidates[candidates > 0])
    if not len(candidates):
        return NOTHING
    demand = buys.sums[-1] - buys.sums[np.searchsorted(buys.prices, candidates, side="left")] + buys.market
    supply = sells.sums[np.searchsorted(sells.prices, candidates, side="right")] + sells.market
    paired, rest = np.minimum(demand, supply), demand - supply
    away = np.abs(candidates - reference_e4)
    best = np.lexsort((candidates, away, np.abs(rest), -paired))[0]
    left = int(rest[best])
    direction = (left > 0) - (left < 0)
    if not paired[best]:
        return Uncross(0, 0, abs(left), direction)
    return Uncross(int(candidates[best]), int(paired[best]), abs(left), direction)


def allocate(orders: Iterable[AuctionOrder], side: int, price_e4: int, paired: int) -> list[tuple[int, int]]:
    """Return (index, shares) of the orders of a side that trade; `orders` as they came."""
    ranked = []
    for index, order in enumerate(orders):
        if order.side != side:
            continue
        if order.price_e4 == MARKET:
            ranked.append((0, 0, index, order.size))
        elif side * (order.price_e4 - price_e4) >= 0:
            ranked.append((1, -side * order.price_e4, index, order.size))
    ranked.sort()
    out, left = [], paired
    for _, _, index, size in ranked:
        if left <= 0:
            break
        out.append((index, min(size, left)))
        left -= size
    return out
