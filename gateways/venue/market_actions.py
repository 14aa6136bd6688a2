"""What a scenario can let happen to the market: halts, auctions, bands and the like.

    market = MarketActions(exchange, later)      # later(ts_ns, act): call `act` at that market time
    market.do(action)                            # at exchange.now_ns, after everything that was due before

A new action: a model with its `action` word, a member of `MarketAction`, a branch in `do`. It must
draw no chance of its own and read no clock: same scenario, seed and requests, same bytes.
"""

from collections.abc import Callable
from typing import Literal

from gateways.venue.actions import Lasting, Strict
from gateways.venue.exchange import Exchange

Later = Callable[[int, Callable[[], None]], None]


class Halt(Strict):
    """Trading stops; `seconds` later it goes on (0: not in this run)."""

    action: Literal["halt"]
    seconds: Lasting


MarketAction = Halt


class MarketActions:
    """Does them."""

    def __init__(self, exchange: Exchange, later: Later) -> None:
        self._exchange = exchange
        self._later = later

    def do(self, action: MarketAction) -> None:
        """Let one happen now."""
