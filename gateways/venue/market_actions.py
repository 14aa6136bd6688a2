"""What a scenario can let happen to the market: halts, auctions, bands and the like.

    market = MarketActions(exchange, later)      # later(ts_ns, act): call `act` at that market time
    market.do(action)                            # at exchange.now_ns, after everything that was due before

A new action: a model with its `action` word, a member of `MarketAction`, a branch in `do`. It must
draw no chance of its own and read no clock: same scenario, seed and requests, same bytes. Prices are in ticks
around the touch of that moment, so that a scenario fits any market. A gap or a silence of the feed is
an action of the line (`gateways.venue.actions`).
"""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field

from gateways.venue.actions import Lasting, Seconds, Strict
from gateways.venue.auctions import CLOSING, HALT, OPENING
from gateways.venue.exchange import Exchange
from market.auction import Uncross
from market.types import NS

Later = Callable[[int, Callable[[], None]], None]
Ticks = Annotated[int, Field(ge=1, le=100_000)]
Shares = Annotated[int, Field(ge=0, le=10**9)]
Reason = Annotated[str, Field(pattern=r"^[A-Z0-9]{1,4}$")]
Cross = Literal["O", "C", "H"]
assert {OPENING, CLOSING, HALT} == set(Cross.__args__)  # type: ignore[attr-defined]


class Halt(Strict):
    """Trading stops (H); `seconds` later it goes on (0: not in this run, or by `resume`)."""

    action: Literal["halt"]
    seconds: Seconds = 0.0
    reason: Reason = "T1"  # news pending; LUDP: a volatility pause
    paused: bool = False  # P instead of H
    operational: bool = False  # h: this market alone


class Resume(Strict):
    """Whatever stopped trading is over; a reopening cross first, where the instrument has one."""

    action: Literal["resume"]


class Breaker(Strict):
    """The market-wide circuit breaker (V, W, H): level 1 or 2 for `seconds`, level 3 for the day."""

    action: Literal["mwcb"]
    level: Literal[1, 2, 3] = 1
    seconds: Seconds = 900.0


class Ipo(Strict):
    """A quoting period (K, H with Q), `seconds` before trading begins."""

    action: Literal["ipo"]
    seconds: Lasting = 300.0
    ticks: Annotated[int, Field(ge=-100_000, le=100_000)] = 0  # of the price from the mid


class Collar(Strict):
    """A volatility pause (H with P); it reopens within a collar (J), `ticks` around the mid, or waits."""

    action: Literal["collar"]
    ticks: Ticks = 50
    extension: Annotated[int, Field(ge=0, le=99)] = 0
    seconds: Seconds = 300.0


class Noii(Strict):
    """A net order imbalance (I) of these numbers, whatever waits."""

    action: Literal["noii"]
    paired: Shares = 10_000
    imbalance: Annotated[int, Field(ge=-(10**9), le=10**9)] = 5_000  # below 0: too many sellers
    cross: Cross = "C"


class CrossPrint(Strict):
    """A cross (Q) that others had among themselves, at the mid."""

    action: Literal["cross"]
    shares: Shares = 10_000
    cross: Cross = "H"


class Bands(Strict):
    """Price bands on the reference session, `ticks` to each side of the mid; limit_state: one is reached."""

    action: Literal["bands"]
    ticks: Ticks = 100
    limit_state: bool = False
    seconds: Seconds = 0.0  # 0: until the end


class Ssr(Strict):
    """The short-sale restriction: Y on the feed, 35=f on the reference session."""

    action: Literal["ssr"]
    on: bool = True
    seconds: Seconds = 0.0  # 0: until the end


class Crossed(Strict):
    """The feeds show a bid above (ticks = 0: at) the best ask, which is nobody's."""

    action: Literal["crossed"]
    ticks: Annotated[int, Field(ge=0, le=1_000)] = 1
    seconds: Lasting = 5.0


MarketAction = Halt | Resume | Breaker | Ipo | Collar | Noii | CrossPrint | Bands | Ssr | Crossed


class MarketActions:
    """Does them."""

    def __init__(self, exchange: Exchange, later: Later) -> None:
        self._exchange = exchange
        self._states = exchange.states
        self._later = later
        self._stops = 0  # a later stop outlasts the end of an earlier one

    def do(self, action: MarketAction) -> None:
        """Let one happen now."""
        exchange, states = self._exchange, self._states
        match action:
            case Halt() | Breaker() | Ipo() | Collar():
                self._stop(action)
            case Resume():
                self._stops += 1
                states.resume()
            case Noii(paired=paired, imbalance=imbalance, cross=cross):
                direction = (imbalance > 0) - (imbalance < 0)
                price_e4 = self._mid_e4 if paired else 0
                exchange.auctions.notice(cross, Uncross(price_e4, paired, abs(imbalance), direction))
            case CrossPrint(shares=shares, cross=cross):
                exchange.auctions.print_cross(cross, Uncross(self._mid_e4, shares, 0, 0))
            case Bands(ticks=ticks, limit_state=limit_state, seconds=seconds):
                states.bands(self._off(-ticks), self._off(ticks), limit_state)
                self._after(seconds, states.lift_bands)
            case Ssr(on=on, seconds=seconds):
                states.restrict_shorts(on)
                self._after(seconds, lambda: states.restrict_shorts(not on))
            case Crossed(ticks=ticks, seconds=seconds):
                states.show_crossed(ticks)
                self._after(seconds, states.hide_crossed)

    def _stop(self, action: Halt | Breaker | Ipo | Collar) -> None:
        states = self._states
        match action:
            case Halt(operational=True):
                states.operational_halt()
            case Halt(reason=reason, paused=paused):
                states.halt(reason, "P" if paused else "H")
            case Breaker(level=level):
                mid_e4 = self._mid_e4
                states.breaker_levels((mid_e4 * 93 // 100, mid_e4 * 87 // 100, mid_e4 * 80 // 100))
                states.break_market(level)
            case Ipo(seconds=seconds, ticks=ticks):
                exchange = self._exchange
                begin_ns = exchange.now_ns - exchange.publisher.midnight_ns
                states.quote((begin_ns + round(seconds * NS)) // NS, self._off(ticks))
            case Collar(ticks=ticks, extension=extension, seconds=seconds):
                states.halt("LUDP", "P")
                states.collar(self._mid_e4, self._off(-ticks), self._off(ticks), extension, seconds)
        self._stops += 1
        stop = self._stops
        if not (isinstance(action, Breaker) and action.level == 3):
            self._after(action.seconds, lambda: states.resume() if stop == self._stops else None)

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        if seconds:
            self._later(self._exchange.now_ns + round(seconds * NS), act)

    @property
    def _mid_e4(self) -> int:
        """The mid, or what stands for it, on the tick."""
        return self._off(0)

    def _off(self, ticks: int) -> int:
        reference_e4 = self._exchange.reference_e4
        tick_e4 = self._exchange.instrument.tick_e4(reference_e4)
        return max(0, reference_e4 // tick_e4 * tick_e4 + ticks * tick_e4)
