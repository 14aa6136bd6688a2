"""The part of a parent that is worked in the closing cross: what is asked of it, and its times.

`close_pct` of the quantity goes into the cross as one order (TimeInForce 7), before the cut-off for such
orders; the rest is worked until the close as ever. The parent's window then ends a little behind the close,
so that the cross's reports come into it.
"""

from typing import Final

import msgspec

from market.instruments import Auction, Instrument, closing_times
from market.parents import ParentOrder
from market.types import NS, TimeInForce
from risk.calendar import ALWAYS, DayPhase
from risk.limits import Limits

REPORTS_NS: Final = 60 * NS  # after the close: the cross prints within seconds of it


def close_qty(parent: ParentOrder, qty: int, lot: int) -> int:
    """Return the shares that are for the close, in lots."""
    return qty * (parent.close_pct or 0) // 100 // lot * lot


def with_reports(parent: ParentOrder, instrument: Instrument | None) -> ParentOrder:
    """Return a parent whose window, where it ends with the close, has room for the cross's reports."""
    if parent.close_pct is None or instrument is None or parent.start_ns <= 0:
        return parent
    _, closes_ns = closing_times(instrument, parent.start_ns)
    if parent.end_ns != closes_ns:
        return parent
    return msgspec.structs.replace(parent, end_ns=closes_ns + REPORTS_NS)


def faults(parent: ParentOrder, instrument: Instrument, limits: Limits, begun: bool) -> list[str]:
    """Return why a part cannot be worked in the close, [] where none is asked for."""
    pct = parent.close_pct
    if pct is None:
        return []
    if type(pct) is not int or not 1 <= pct <= 100:
        return [f"R01 close_pct {pct} is not 1 to 100"]
    if Auction.CLOSE not in instrument.auctions:
        return [
            f"R08 close_pct: the closing auction of {instrument.symbol} is not enabled (instrument.auctions)"
        ]
    found = []
    if TimeInForce.CLOSE.name not in limits.allowed.times_in_force:
        found.append("R02 close_pct: CLOSE is not in allowed.times_in_force")
    if not close_qty(parent, parent.qty, instrument.lot):
        found.append(f"R02 close_pct: {pct} % of {parent.qty} is less than a lot")
    cutoff_ns, closes_ns = closing_times(instrument, parent.start_ns)
    clock = instrument.clock
    if not begun and parent.start_ns >= cutoff_ns:
        found.append(f"R08 close_pct: the window begins after the cut-off for the close, {clock(cutoff_ns)}")
    if not closes_ns <= parent.end_ns <= closes_ns + REPORTS_NS:
        found.append(f"R08 close_pct: the window must end with the close, {clock(closes_ns)}")
    return found


def hours(instrument: Instrument, ts_ns: int, day: DayPhase) -> tuple[int, int]:
    """Return (open, close) of an instant's day: those of the instrument, and of its calendar (`day`).

    A half day is shorter than the instrument's own hours. What trades always has no hours: (0, 0).
    """
    opens_ns, closes_ns = instrument.session(instrument.day_of(ts_ns))
    if not opens_ns < closes_ns:
        return 0, 0
    if not day.day or instrument.calendar == ALWAYS:
        return opens_ns, closes_ns
    return max(opens_ns, day.open_ns), min(closes_ns, day.close_ns)


def window_fault(parent: ParentOrder, instrument: Instrument, day: tuple[int, int], begun: bool) -> str:
    """Return which auction a window touches that is not enabled for it, "" where it touches none."""
    opens_ns, closes_ns = day
    if not closes_ns:
        return ""
    touched = []
    if parent.start_ns < opens_ns and not begun:
        touched.append("opening")
    if parent.end_ns > closes_ns:
        touched.append("closing")
    if not touched:
        return ""
    enabled, names = instrument.auctions, " and the ".join(touched)
    if touched == ["closing"]:
        how = "is worked by close_pct alone" if Auction.CLOSE in enabled else "is not enabled"
    else:
        how = "parents take no part in" if Auction.OPEN in enabled else "is not enabled"
    return f"; it touches the {names} auction, which {how}"
