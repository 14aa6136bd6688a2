"""Almgren and Chriss (2000): linear permanent and temporary impact, discrete time, risk aversion.

A parent of one unit is bought in `periods` trades n. The price drifts up by gamma n with each, a trade
pays epsilon + eta n on top, what is still open after it costs lambda sigma^2 x^2. Costs are bps of the
parent. The best schedule is a ratio of hyperbolic sines.
"""

import math
from typing import Final

import msgspec
import numpy as np

from research.worlds.purchase import Market, Purchase
from research.worlds.world import Reals

HALVES: Final = np.array([0, 1, 2, 3, 4, 5, 6, 8, 12, 24], dtype=np.int64)  # the table: half slices to trade


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The market and the aversion, in bps of the parent and periods."""

    periods: int = 12
    sigma: float = 0.5  # of a period
    gamma: float = 2.0  # permanent, for the whole parent
    eta: float = 13.0  # temporary, for the whole parent in one period
    epsilon: float = 0.5  # half the spread
    risk: float = 3.0  # lambda; with these the best schedule saves a quarter of what TWAP could avoid

    @property
    def eta_tilde(self) -> float:
        """Temporary impact less what the permanent one gives back."""
        return self.eta - 0.5 * self.gamma

    @property
    def unavoidable(self) -> float:
        """What every schedule pays."""
        return self.epsilon + 0.5 * self.gamma


def objective(s: Settings, trades: Reals) -> Reals:
    """Return expected cost plus risk of schedules (..., periods), less what none of them can avoid."""
    held = 1.0 - np.cumsum(trades, axis=-1)
    impact = s.eta_tilde * (trades**2).sum(axis=-1)
    return np.asarray(impact + s.risk * s.sigma**2 * (held**2).sum(axis=-1))


def optimum(s: Settings) -> Reals:
    """Return the best schedule, by the formula of the paper (their equation 17 and 18)."""
    kappa = math.acosh(1.0 + 0.5 * s.risk * s.sigma**2 / s.eta_tilde)
    times = np.arange(s.periods + 1)
    held = np.sinh(kappa * (s.periods - times)) / math.sinh(kappa * s.periods)
    return np.asarray(-np.diff(held), dtype=np.float64)


def shown(_: Settings, noise: Reals, __: Reals) -> Reals:
    """Return the last move of the price, scaled."""
    return 0.25 * noise


def trade(s: Settings, traded: Reals, left: Reals, noise: Reals, displaced: Reals) -> tuple[Reals, Reals]:
    """Return what a trade costs, with the risk of what is left; this book is never displaced."""
    paid = traded * (s.epsilon + s.eta * traded)
    moved = s.gamma * traded + noise
    return paid + left * moved + s.risk * s.sigma**2 * left**2, displaced


def world(envs: int, seed: int, s: Settings | None = None, *, continuous: bool = False) -> Purchase:
    """Return purchases in it."""
    market = Market(s or Settings(), HALVES, shown, trade, objective)
    return Purchase(market, envs, seed, continuous=continuous)
