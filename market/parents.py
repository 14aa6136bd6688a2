"""The parent order, its progress and its life, as a table; shortfall arithmetic.

The gate owns every parent: it admits, pauses, expires and ends it. The trader sees copies.
"""

from enum import StrEnum
from typing import Final

import msgspec

from market.types import Benchmark, ParentID, ParentStatus, Side, Symbol


class ParentOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person or an OMS asked for. Prices 1e-4 currency units, times UTC ns."""

    parent_id: ParentID
    account: str
    side: Side
    qty: int
    symbol: Symbol
    mic: str
    start_ns: int
    end_ns: int
    limit_price_e4: int | None = None
    benchmark: Benchmark = Benchmark.ARRIVAL
    min_participation_bp: int | None = None
    max_participation_bp: int | None = None  # of printed volume, 1 bp = 0.01 %
    urgency: int | None = None  # 1 patient .. 5 urgent
    must_complete: bool = False
    i_would_price_e4: int | None = None
    i_would_qty: int | None = None
    max_display: int | None = None  # shares that its resting orders may show at once
    min_qty: int | None = None
    locate_id: str | None = None
    decision_price_e4: int | None = None
    declared_notional_micros: int | None = None
    policy: str | None = None  # None: whatever policy the trader of this symbol runs
    close_pct: int | None = None  # of the quantity, worked in the closing cross


# Fields that are part of the order but that nobody works yet: refused by name, never ignored.
UNSUPPORTED: Final = ("min_participation_bp", "i_would_price_e4", "i_would_qty", "min_qty")


class ParentTrigger(StrEnum):
    """What moves a parent from one status to the next."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    END = "end"  # its window is over
    CANCEL = "cancel"  # a person, or the kill switch
    FILLED = "filled"
    LEAVES_GONE = "leaves_gone"  # the last child order is terminal while we were canceling
    BUSTED = "busted"  # the EMS took shares of a filled parent back


P, T = ParentStatus, ParentTrigger
TRANSITIONS: Final[dict[tuple[ParentStatus, ParentTrigger], ParentStatus]] = {
    (P.PENDING, T.START): P.WORKING,
    (P.PENDING, T.PAUSE): P.PAUSED,
    (P.PENDING, T.END): P.CANCELING,
    (P.PENDING, T.CANCEL): P.CANCELING,
    (P.WORKING, T.PAUSE): P.PAUSED,
    (P.WORKING, T.END): P.CANCELING,
    (P.WORKING, T.CANCEL): P.CANCELING,
    (P.WORKING, T.FILLED): P.FILLED,
    (P.PAUSED, T.RESUME): P.WORKING,
    (P.PAUSED, T.END): P.CANCELING,
    (P.PAUSED, T.CANCEL): P.CANCELING,
    # Pausing cancels what works, but a fill may overtake the cancel on the wire.
    (P.PAUSED, T.FILLED): P.FILLED,
    (P.CANCELING, T.FILLED): P.FILLED,
    # EXPIRED or CANCELED, as `Progress.ending` says: who asked for the end decides the name.
    (P.CANCELING, T.LEAVES_GONE): P.EXPIRED,
    # It is not worked again: who asked for it has been told that it was done.
    (P.FILLED, T.BUSTED): P.CANCELED,
}
TERMINAL: Final = frozenset({P.FILLED, P.EXPIRED, P.CANCELED, P.REJECTED})


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a parent is; kept by the gate from reports alone."""

    status: ParentStatus = ParentStatus.PENDING
    qty: int = 0  # as amended
    cum_qty: int = 0
    notional_e4: int = 0  # sum of LastQty x LastPx
    committed_qty: int = 0  # cum + worst-case leaves of all children
    arrival_mid_micros: int | None = None  # read at the later of admission and start
    arrival_ns: int = 0  # that instant, market time; schedules count from it (0 = not yet)
    end_mid_micros: int | None = None
    ending: ParentStatus = ParentStatus.EXPIRED  # what CANCELING becomes
    children: int = 0
    fees_micros: int = 0
    remainder_reason: str = ""  # the constraint that caused a remainder

    @property
    def remaining(self) -> int:
        """Shares not yet filled."""
        return self.qty - self.cum_qty

    @property
    def avg_price(self) -> float | None:
        """Average price in currency units, None before the first fill."""
        return self.notional_e4 / self.cum_qty / 10_000 if self.cum_qty else None


def next_status(status: ParentStatus, trigger: ParentTrigger, ending: ParentStatus) -> ParentStatus | None:
    """Return where a trigger leads, None where the table has no row (the trigger changes nothing)."""
    after = TRANSITIONS.get((status, trigger))
    return ending if after is ParentStatus.EXPIRED else after


def shortfall_bps(
    side: Side,
    qty: int,
    cum_qty: int,
    notional_e4: int,
    arrival_mid_micros: int,
    end_mid_micros: int | None,
    fees_micros: int = 0,
) -> float:
    """Return implementation shortfall against the arrival mid in bps of arrival value, + = cost.

    The unfilled remainder is marked at the mid of the window's end (Perold 1988; opportunity cost).
    """
    filled = side.sign * (notional_e4 * 100 - cum_qty * arrival_mid_micros)
    rest = (qty - cum_qty) * ((end_mid_micros or arrival_mid_micros) - arrival_mid_micros)
    return 1e4 * (filled + side.sign * rest + fees_micros) / (qty * arrival_mid_micros)
