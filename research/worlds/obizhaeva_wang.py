"""Obizhaeva and Wang (2013): a block-shaped book that refills exponentially after each trade.

A parent of one unit is bought in `periods` trades x. Each pushes the book's displacement D up by
kappa x and pays D plus half of its own push; between trades D shrinks by the factor `decay`. A part
of the push stays for ever, which every schedule pays. The best schedule is two equal blocks at the ends
and equal small trades between (Alfonsi, Fruth and Schied 2010 for discrete time). Costs are bps.
"""

from typing import Final

import msgspec
import numpy as np

from research.worlds.purchase import Market, Purchase
from research.worlds.world import Reals

HALVES: Final = np.array([0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 12, 24], dtype=np.int64)  # half slices to trade


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The book, in bps of the parent's price and periods."""

    periods: int = 12
    sigma: float = 0.25  # of a period
    kappa: float = 10.0  # displacement by the whole parent in one trade
    permanent: float = 2.0
    epsilon: float = 0.5  # half the spread
    decay: float = 0.9  # of D in a period; with it TWAP pays 8 % more than it must

    @property
    def unavoidable(self) -> float:
        """What every schedule pays."""
        return self.epsilon + 0.5 * self.permanent


def objective(s: Settings, trades: Reals) -> Reals:
    """Return the expected cost of schedules (..., periods), less what none of them can avoid."""
    total = np.zeros(trades.shape[:-1])
    displaced = np.zeros(trades.shape[:-1])
    for n in range(s.periods):
        x = trades[..., n]
        total += x * (displaced + 0.5 * s.kappa * x)
        displaced = (displaced + s.kappa * x) * s.decay
    return total


def optimum(s: Settings) -> Reals:
    """Return the best schedule: two blocks and what lies between."""
    block = 1.0 / ((s.periods - 2) * (1.0 - s.decay) + 2.0)
    trades = np.full(s.periods, (1.0 - s.decay) * block)
    trades[[0, -1]] = block
    return trades


def shown(s: Settings, _: Reals, displaced: Reals) -> Reals:
    """Return how far the book is displaced."""
    return displaced / s.kappa


def trade(s: Settings, traded: Reals, left: Reals, noise: Reals, displaced: Reals) -> tuple[Reals, Reals]:
    """Return what a trade costs, and the displacement that it leaves."""
    paid = traded * (s.epsilon + displaced + 0.5 * (s.kappa + s.permanent) * traded)
    # The permanent push is paid by all that is traded later: here at once, for what is left.
    moved = s.permanent * traded + noise
    return paid + left * moved, (displaced + s.kappa * traded) * s.decay


def world(envs: int, seed: int, s: Settings | None = None, *, continuous: bool = False) -> Purchase:
    """Return purchases in it."""
    market = Market(s or Settings(), HALVES, shown, trade, objective)
    return Purchase(market, envs, seed, continuous=continuous)
