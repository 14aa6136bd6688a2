"""What holds beside orders and is told to the gate: the day, lists, leases, signals, machines.

Frozen Structs like those of market.events, and journaled like them.
"""

from market.events import Event
from market.types import Symbol


class Condition(Event, frozen=True, kw_only=True):
    """Something that another part watches holds, or no longer: a cause of the posture table."""

    cause: str
    scope: str = ""  # "" = the firm; A/ACCT1, T/twap, P/P1, S/GOOG, C/order
    text: str = ""
    holds: bool = True


class MachineMeasured(Event, frozen=True, kw_only=True):
    """What the shells measured; None: not measured this time."""

    clock_offset_us: int | None = None  # R63, against the reference clock
    loop_lag_ms: int | None = None  # R64, the worst since the last word
    disk_free_mb: int | None = None  # R66
    drop_copy_lag_ms: int | None = None  # R62


class LeaseRenewed(Event, frozen=True, kw_only=True):
    """A person looks after the desk (R71); whoever posts this has verified the token."""

    person: str
    request_id: int = 0


class RestrictedListed(Event, frozen=True, kw_only=True):
    """What may not be traded (R42); whoever posts this has verified the list."""

    symbols: tuple[str, ...]
    issued_ns: int  # market time
    sha256: str = ""


class LimitSignal(Event, frozen=True, kw_only=True):
    """A model's word on limits (R75): it can lower them, and nothing else. None: bad or old."""

    scope: str  # F, A/ACCT1, T/twap, S/GOOG
    signal: str
    multiplier_bp: int | None


class DayStarted(Event, frozen=True, kw_only=True):
    """The start-of-day procedure (R40): counts begin anew, latches and postures do not."""

    request_id: int = 0
    day: str  # YYYY-MM-DD
    positions: tuple[tuple[str, Symbol, int], ...] = ()  # account, symbol, quantity
    closes_e4: tuple[tuple[Symbol, int], ...] = ()  # previous closes
    locates: tuple[tuple[str, Symbol, int], ...] = ()  # account, symbol, shares that may be sold short
    buying_power_micros: int | None = None
    volumes: tuple[tuple[Symbol, int, float], ...] = ()  # average daily volume, daily volatility in bps
