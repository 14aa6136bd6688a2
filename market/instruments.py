"""What can be traded: one `Instrument` a symbol and venue, with its tick, lot, zone and sessions."""

from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

from market.types import NS, Symbol


class TickBand(msgspec.Struct, frozen=True):
    """From `from_price_e4` upwards prices are multiples of `tick_e4`."""

    from_price_e4: int
    tick_e4: int


US_TICKS = (TickBand(0, 1), TickBand(10_000, 100))  # Regulation NMS, rule 612: cents from a dollar upwards


class Auction(StrEnum):
    """A cross that an instrument's orders may take part in."""

    OPEN = "open"
    CLOSE = "close"
    REOPEN = "reopen"  # after a halt


class ShortDay(msgspec.Struct, frozen=True, array_like=True):
    """A day with hours of its own, in clock times of the instrument's zone: the day before a holiday."""

    day: date
    open: time
    close: time


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One tradable thing. Times are clock times of its own zone, stored and journaled as UTC ns."""

    symbol: Symbol
    mic: str = "XNAS"
    currency: str = "USD"
    zone: str = "America/New_York"
    ticks: tuple[TickBand, ...] = (TickBand(0, 100),)
    lot: int = 1  # order quantities are multiples of it
    round_lot: int = 100
    size_unit: str = "1"  # decimal: what one unit of quantity is worth, crypto lots are below 1
    open: time = time(9, 30)
    close: time = time(16, 0)
    adv: int = 0  # average daily volume in units of quantity; 0 = not known
    daily_volatility_bps: float = 0.0  # 0 = not known
    calendar: str = ""  # a name of risk/calendars.json, 24x7, or tape (paper); "": the one of the MIC
    auctions: tuple[Auction, ...] = ()  # enabled; without one, a window that touches it is refused
    close_cutoff_s: int = 300  # orders for the close are taken until so long before it (NASDAQ: 15:55)
    short_days: tuple[ShortDay, ...] = ()  # of its calendar (risk.calendar), whose hours these are

    def tick_e4(self, price_e4: int) -> int:
        """Return the tick that holds at a price (1e-4 currency units)."""
        tick = self.ticks[0].tick_e4
        for band in self.ticks:
            if price_e4 >= band.from_price_e4:
                tick = band.tick_e4
        return tick

    def at(self, day: date, clock: time) -> int:
        """Return the UTC ns of a clock time of this instrument's zone on a day."""
        return to_ns(datetime.combine(day, clock, tzinfo=ZoneInfo(self.zone)))

    def day_of(self, ts_ns: int) -> date:
        """Return the trading day, in the instrument's zone, of a UTC instant."""
        whole = datetime.fromtimestamp(ts_ns // NS, ZoneInfo("UTC"))
        return whole.astimezone(ZoneInfo(self.zone)).date()

    def clock(self, ts_ns: int) -> str:
        """Return HH:MM:SS.mmm in the instrument's zone."""
        whole = datetime.fromtimestamp(ts_ns // NS, ZoneInfo("UTC")).astimezone(ZoneInfo(self.zone))
        return f"{whole:%H:%M:%S}.{ts_ns % NS // 1_000_000:03d}"

    def session(self, day: date) -> tuple[int, int]:
        """Return (open, close) of continuous trading in UTC ns."""
        for short in self.short_days:
            if short.day == day:
                return self.at(day, short.open), self.at(day, short.close)
        return self.at(day, self.open), self.at(day, self.close)


def closing_times(instrument: Instrument, ts_ns: int) -> tuple[int, int]:
    """Return the cut-off of orders for the close, and the close, of an instant's day."""
    _, closes_ns = instrument.session(instrument.day_of(ts_ns))
    return closes_ns - instrument.close_cutoff_s * NS, closes_ns


EPOCH = datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC"))


def to_ns(moment: datetime) -> int:
    """Return UTC ns of an aware datetime, exactly (no float in between)."""
    since = moment.astimezone(ZoneInfo("UTC")) - EPOCH
    return since // timedelta(microseconds=1) * 1_000
