"""The gate's own view of the market: one picture a symbol, and whether it is fit to trade on (R06).

The feed of the trader never comes here. A picture's age is the age of its line: an unchanged quote on
a live, gap-free session is fit. What the line said last is as old as its reading, and what it was late by
when it was read (a broker's queue, a resend): a line that tells of minutes ago is no live one.
"""

import msgspec

from market.events import ReferencePrice, SecurityStatus
from market.types import MS, Symbol
from risk import checks
from risk.limit_tables import Market


class Picture(msgspec.Struct):
    """One symbol. Price 0 = not known."""

    symbol: Symbol
    bid_e4: int = 0
    ask_e4: int = 0
    bid_qty: int = 0
    ask_qty: int = 0
    last_e4: int = 0
    close_e4: int = 0
    volume: int = 0
    current: bool = False  # came on the session that is up now: no gap since
    trading: bool = True
    status_text: str = ""
    locked_since_ns: int = 0  # machine time; 0 = not locked
    unfit_since_ns: int = 0  # machine time; 0 = fit
    mark_bid_e4: int = 0  # what positions are marked at: a jump waits for a second tick
    mark_ask_e4: int = 0
    jumped: bool = False
    bids: tuple[tuple[int, int], ...] = ()  # price, quantity of the levels that are told, best first
    asks: tuple[tuple[int, int], ...] = ()
    band_low_e4: int = 0  # R41; 0 = not known
    band_high_e4: int = 0
    limit_state: bool = False  # a side stands at its band
    short_restricted: bool = False  # R17: Regulation SHO, 201

    @property
    def mid_micros(self) -> int | None:
        """Middle of the touch, None where a side is missing."""
        return checks.mid_micros(self.bid_e4, self.ask_e4) if self.bid_e4 and self.ask_e4 else None

    @property
    def price_e4(self) -> int:
        """One price to value things at: mid, else last, else previous close; 0 = none known."""
        if self.bid_e4 and self.ask_e4:
            return (self.bid_e4 + self.ask_e4) // 2
        return self.last_e4 or self.bid_e4 or self.ask_e4 or self.close_e4

    def take(self, price: ReferencePrice, mono_ns: int, limits: Market) -> None:
        """Take a whole new picture."""
        self.bid_e4, self.bid_qty, self.ask_e4, self.ask_qty = (
            price.bid_e4,
            price.bid_qty,
            price.ask_e4,
            price.ask_qty,
        )
        self.bids = price.bids or ((price.bid_e4, price.bid_qty),)
        self.asks = price.asks or ((price.ask_e4, price.ask_qty),)
        self.last_e4 = price.last_e4 or self.last_e4
        self.close_e4 = price.close_e4 or self.close_e4
        self.volume = max(self.volume, price.volume)
        self.current = True
        if self.bid_e4 and self.bid_e4 == self.ask_e4:
            self.locked_since_ns = self.locked_since_ns or mono_ns
        else:
            self.locked_since_ns = 0
        if 0 < self.bid_e4 <= self.ask_e4:
            self._mark(limits.collar_bp)

    def _mark(self, jump_bp: int) -> None:
        """Move the marks; a jump beyond the collar needs a second tick that says the same."""
        near = checks.band_passes(self.bid_e4, self.mark_bid_e4, jump_bp) and checks.band_passes(
            self.ask_e4, self.mark_ask_e4, jump_bp
        )
        if near or self.jumped or not self.mark_bid_e4:
            self.mark_bid_e4, self.mark_ask_e4, self.jumped = self.bid_e4, self.ask_e4, False
        else:
            self.jumped = True


class References(msgspec.Struct):
    """All pictures, and the line they come on."""

    pictures: dict[Symbol, Picture] = {}
    up: bool = False
    alive_mono_ns: int = 0  # the last message or heartbeat left its sender

    def picture(self, symbol: Symbol) -> Picture:
        """Return the picture of a symbol, empty before anything came."""
        found = self.pictures.get(symbol)
        if found is None:
            found = self.pictures[symbol] = Picture(symbol=symbol)
        return found

    def session(self, up: bool, mono_ns: int) -> None:
        """The line came or went; what was seen before a gap is not fit to trade on."""
        self.up = up
        self.alive_mono_ns = mono_ns
        for picture in self.pictures.values():
            picture.current = False

    def take(self, price: ReferencePrice, mono_ns: int, limits: Market) -> Picture:
        """Take a picture."""
        self.alive_mono_ns = mono_ns - price.late_ns
        picture = self.picture(price.symbol)
        picture.take(price, mono_ns, limits)
        return picture

    def take_status(self, status: SecurityStatus, mono_ns: int) -> Picture:
        """Take a halt or its end."""
        self.alive_mono_ns = mono_ns - status.late_ns
        picture = self.picture(status.symbol)
        picture.trading, picture.status_text = status.trading, status.text
        picture.band_low_e4 = status.band_low_e4 or picture.band_low_e4
        picture.band_high_e4 = status.band_high_e4 or picture.band_high_e4
        if status.limit_state is not None:
            picture.limit_state = status.limit_state
        if status.short_restricted is not None:
            picture.short_restricted = status.short_restricted
        return picture

    def fault(self, picture: Picture, mono_ns: int, limits: Market) -> str:
        """Return why a symbol is not fit to trade, "" where it is (R06)."""
        age_ns = mono_ns - self.alive_mono_ns
        if not self.up:
            return "no reference session"
        if not checks.within(age_ns, limits.age_max_ms * MS):
            return f"reference line silent or late: {age_ns // MS} ms old, {limits.age_max_ms} allowed"
        if not picture.current:
            return "no reference price since the line came up"
        if not picture.trading:
            return f"not trading: {picture.status_text or 'halted'}"
        if picture.bid_e4 <= 0 or picture.ask_e4 <= 0:
            return "one side of the book is empty"
        if picture.bid_e4 > picture.ask_e4:
            return f"crossed: {picture.bid_e4} over {picture.ask_e4}"
        locked_ns = mono_ns - picture.locked_since_ns if picture.locked_since_ns else 0
        if not checks.within(locked_ns, limits.locked_max_ms * MS):
            return f"locked for {locked_ns // MS} ms, {limits.locked_max_ms} allowed"
        if not checks.spread_passes(picture.bid_e4, picture.ask_e4, limits.spread_max_bp):
            width_e4 = picture.ask_e4 - picture.bid_e4
            return f"spread {width_e4} at {picture.price_e4}, {limits.spread_max_bp} bp allowed"
        return ""

    def stale(self, picture: Picture, mono_ns: int, limits: Market) -> bool:
        """Return whether a symbol has been unfit for so long that its last marks mean nothing.

        A side of the book that is swept for a moment is no reason to think of a loss.
        """
        since_ns = picture.unfit_since_ns
        return since_ns > 0 and mono_ns - since_ns >= limits.cancel_after_ms * MS

    def stale_marks(self, picture: Picture, haircut_bp: int) -> Picture:
        """Return the picture with marks moved against any position: what an unfit market is worth."""
        low = checks.collar_low_e4(picture.mark_bid_e4, haircut_bp)
        high = checks.collar_high_e4(picture.mark_ask_e4, haircut_bp)
        return Picture(symbol=picture.symbol, mark_bid_e4=low, mark_ask_e4=high)
