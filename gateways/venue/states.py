"""What the exchange says of trading itself: halts, breakers, bands, restrictions, auctions' notices.

    states = exchange.states
    states.halt("T1"); states.resume()
    states.status()          # SecurityStatus, as the reference session tells it

Each change goes out on the public feed as its ITCH message and on the reference session as 35=f. While the
symbol is stopped the flow stands still and goes on afterwards where it was; cancels are taken, new orders
refused, or kept for the reopening cross where there is one (`gateways.venue.auctions`).
"""

from typing import TYPE_CHECKING, Final, NamedTuple

from gateways.feeds.itch_messages import build
from gateways.venue.publisher import LOCATE
from market.events import SecurityStatus
from market.instruments import Auction
from market.types import NS, OrdType, Side

if TYPE_CHECKING:
    from gateways.venue.exchange import Exchange

TRADING, HALTED, PAUSED, QUOTING = "T", "H", "P", "Q"
PRICE_E4_MAX: Final = 2**32 - 1  # of the public feed
E8: Final = 10_000  # 1e-8 in a 1e-4: what V counts in
NO_RESTRICTION, RESTRICTED = "0", "1"  # Reg SHO action of Y
MARKET_CODE: Final = "Q"  # of h: our own market
COLLAR_STEP_BP: Final = 500  # by which an extension widens a collar, of its reference price
EXTENSIONS_MAX: Final = 12  # an hour of five minutes each: then it crosses at whatever price
PAUSE_S: Final = 300.0  # of a volatility pause, and of each extension
PAUSED_CROSS: Final = "H"  # cross type of a reopening, as I and Q say it
WORDS: Final = {HALTED: "halted", PAUSED: "paused", QUOTING: "quotation only"}


class Collar(NamedTuple):
    """Within which prices a reopening may cross, and how it goes on where it would not."""

    reference_e4: int
    low_e4: int
    high_e4: int
    extension: int
    seconds: float


class MarketStates:
    """The state of one symbol."""

    def __init__(self, exchange: "Exchange") -> None:
        self.state = TRADING
        self.reason = ""
        self.operational = False  # our market alone has stopped it (h)
        self.breaker = 0  # level of the market-wide circuit breaker, 0 = none
        self.band_low_e4 = 0
        self.band_high_e4 = 0
        self.limit_state = False
        self.short_restricted = False
        self._collar: Collar | None = None  # of the pause that holds
        self.phantom: tuple[int, int, int] | None = None  # side, price, size that only feeds show
        self._phantom_id = 0
        self._exchange = exchange

    @property
    def trading(self) -> bool:
        """Whether orders match."""
        return self.state == TRADING and not self.operational and not self.breaker

    @property
    def text(self) -> str:
        """Why there is no trading, "" where there is."""
        if self.breaker:
            return f"market-wide circuit breaker, level {self.breaker}"
        if self.operational:
            return "operational halt"
        word = WORDS.get(self.state, "")
        return f"{word} {self.reason}".strip() if word else ""

    def status(self) -> SecurityStatus:
        """Return what the reference session tells."""
        exchange = self._exchange
        text = self.text or ("" if exchange.trading else "closed" if exchange.closed else "halted")
        return SecurityStatus(
            symbol=exchange.instrument.symbol,
            trading=exchange.trading,
            text=text,
            band_low_e4=self.band_low_e4,
            band_high_e4=self.band_high_e4,
            limit_state=self.limit_state,
            short_restricted=self.short_restricted,
        )

    def entry_fault(self, side: Side, kind: OrdType, price_e4: int | None) -> str:
        """Return why an order may not be entered at its price, "" where it may."""
        if kind is not OrdType.LIMIT or price_e4 is None:
            return ""
        if self.band_high_e4 and side is Side.BUY and price_e4 > self.band_high_e4:
            return "above the upper price band"
        if self.band_low_e4 and side is not Side.BUY and price_e4 < self.band_low_e4:
            return "below the lower price band"
        bid_e4 = self._exchange.engine.book.best_bid_e4
        if self.short_restricted and side is Side.SELL_SHORT and price_e4 <= bid_e4:
            return "short sale restriction: not above the best bid"
        return ""

    # --- what stops trading -------------------------------------------------------------------------

    def halt(self, reason: str = "T1", state: str = HALTED) -> None:
        """H: trading stops, with the exchange's code of why."""
        self.state, self.reason, self._collar = state, reason, None
        self._say("H", stock=self._stock, state=state, reserved="", reason=reason)
        self._settle()

    def resume(self) -> None:
        """H with T: whatever stopped the symbol is over; a reopening cross first, where there is one.

        A cross outside of the collar does not happen: the pause is extended, and the collar widened.
        """
        if self.trading or self._extended():
            return
        self._exchange.auctions.reopen()
        self.lift()

    def _extended(self) -> bool:
        collar, exchange = self._collar, self._exchange
        if collar is None or Auction.REOPEN not in exchange.instrument.auctions:
            return False
        found = exchange.auctions.indicate(PAUSED_CROSS)
        outside = found.crosses and not collar.low_e4 <= found.price_e4 <= collar.high_e4
        if not outside or collar.extension >= EXTENSIONS_MAX:
            return False
        tick_e4 = exchange.instrument.tick_e4(collar.reference_e4)
        step_e4 = max(tick_e4, collar.reference_e4 * COLLAR_STEP_BP // 10_000 // tick_e4 * tick_e4)
        high_e4 = collar.high_e4 + (step_e4 if found.price_e4 > collar.high_e4 else 0)
        low_e4 = collar.low_e4 - (step_e4 if found.price_e4 < collar.low_e4 else 0)
        self.collar(collar.reference_e4, max(0, low_e4), high_e4, collar.extension + 1, collar.seconds)
        wider = self._collar
        again_ns = exchange.now_ns + round(collar.seconds * NS)
        exchange.at(again_ns, lambda: self.resume() if self._collar is wider else None)
        return True

    def lift(self) -> None:
        """Trade again."""
        self._collar = None
        self.state, self.reason, self.breaker = TRADING, "", 0
        if self.operational:
            self.operational = False
            self._say("h", stock=self._stock, market=MARKET_CODE, action=TRADING)
        self._say("H", stock=self._stock, state=TRADING, reserved="", reason="")
        self._settle()

    def operational_halt(self) -> None:
        """Say h: this market alone stops."""
        self.operational = True
        self._say("h", stock=self._stock, market=MARKET_CODE, action=HALTED)
        self._settle()

    def break_market(self, level: int) -> None:
        """W, and H for the symbol: the market as a whole has fallen through a level."""
        self.breaker = level
        self._say("W", locate=0, level=str(level))
        self.halt(f"MWC{level}")

    def quote(self, release_s: int = 0, price_e4: int = 0) -> None:
        """K and H with Q: an issue that is quoted before it trades for the first time."""
        self._say("K", stock=self._stock, release_s=release_s, qualifier="A", price=price_e4)
        self.halt("IPOQ", QUOTING)

    # --- what only narrows it -----------------------------------------------------------------------

    def breaker_levels(self, levels_e4: tuple[int, int, int]) -> None:
        """V: where the circuit breakers of the day lie."""
        first, second, third = (level * E8 for level in levels_e4)
        self._say("V", locate=0, level1=first, level2=second, level3=third)

    def collar(
        self, reference_e4: int, low_e4: int, high_e4: int, extension: int = 0, seconds: float = PAUSE_S
    ) -> None:
        """J: within which prices a reopening after a volatility pause may cross; else it waits longer."""
        self._collar = Collar(reference_e4, low_e4, high_e4, extension, seconds or PAUSE_S)
        self._say(
            "J",
            stock=self._stock,
            reference=reference_e4,
            upper=high_e4,
            lower=low_e4,
            extension=extension,
        )

    def bands(self, low_e4: int, high_e4: int, limit_state: bool = False) -> None:
        """Limit up, limit down: told by the reference session, and kept by the venue."""
        self.band_low_e4, self.band_high_e4, self.limit_state = low_e4, high_e4, limit_state

    def lift_bands(self) -> None:
        """No band any more: the widest is told, since a status without one leaves the last as it was."""
        self.bands(1, PRICE_E4_MAX)

    def restrict_shorts(self, on: bool) -> None:
        """Y: short sales above the best bid alone."""
        self.short_restricted = on
        self._say("Y", stock=self._stock, action=RESTRICTED if on else NO_RESTRICTION)

    # --- what is wrong ------------------------------------------------------------------------------

    def show_crossed(self, ticks: int = 1) -> None:
        """Show a buy order that is none, so many ticks above the best ask (0: the book is locked)."""
        exchange = self._exchange
        ask_e4 = exchange.engine.book.best_ask_e4
        if not ask_e4 or self.phantom is not None:
            return
        price_e4 = ask_e4 + ticks * exchange.instrument.tick_e4(ask_e4)
        self.phantom = (1, price_e4, exchange.instrument.round_lot)
        self._phantom_id = exchange.new_id()
        self._say(
            "A",
            order=self._phantom_id,
            side="B",
            shares=exchange.instrument.round_lot,
            stock=self._stock,
            price=price_e4,
        )

    def hide_crossed(self) -> None:
        """Take it away."""
        if self.phantom is not None:
            self.phantom = None
            self._say("D", order=self._phantom_id)

    def _say(self, kind: str, *, locate: int = LOCATE, **fields: int | str) -> None:
        exchange = self._exchange
        since_ns = exchange.now_ns - exchange.publisher.midnight_ns
        exchange.publisher.say(build(kind, locate, since_ns, **fields), exchange.now_ns)

    def _settle(self) -> None:
        self._exchange.hold(not self.trading)

    @property
    def _stock(self) -> str:
        return str(self._exchange.instrument.symbol)
