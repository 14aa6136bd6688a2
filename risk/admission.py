"""R08: is a parent order admitted? Whole or not at all; every reason is named."""

import re

from market.instruments import closing_times
from market.parents import UNSUPPORTED, ParentOrder
from market.types import Side
from risk import checks, closing
from risk.calendar import Phase
from risk.limits import is_listed
from risk.overlay import RiskOverlay

PARENT_ID = re.compile(r"[A-Z0-9._-]{1,20}")  # it may travel in a FIX field
LONG = (Side.BUY, Side.SELL)
URGENCY = range(1, 6)
QTY_MAX = 2**31 - 1  # fits every counterparty's integer


def faults(
    risk: RiskOverlay, parent: ParentOrder, ts_ns: int, live: list[ParentOrder], begun: bool = False
) -> list[str]:
    """Return every reason to refuse; empty admits. `begun`: an amendment of a parent that runs."""
    found = shape_faults(risk, parent)
    found += [f"R08 {name} is not supported yet" for name in UNSUPPORTED if getattr(parent, name) is not None]
    found += window_faults(risk, parent, ts_ns, begun)
    if instrument := risk.instruments.get(parent.symbol):
        found += closing.faults(parent, instrument, risk.limits, begun)
    if not checks.within(len(live) + 1, risk.limits.parents.live_max):
        found.append(f"R08 {len(live) + 1} live parents, at most {risk.limits.parents.live_max}")
    opposite = [p.parent_id for p in live if p.symbol == parent.symbol and p.side.sign == -parent.side.sign]
    if opposite:
        found.append(f"R08 {opposite[0]} is live on the other side of {parent.symbol}")
    found += adv_faults(risk, parent)
    return found + value_faults(risk, parent)


def shape_faults(risk: RiskOverlay, parent: ParentOrder) -> list[str]:
    """Names, quantity, side, symbol, account."""
    found, allowed = [], risk.limits.allowed
    instrument = risk.instruments.get(parent.symbol)
    if not PARENT_ID.fullmatch(parent.parent_id):
        found.append(f"R01 parent id {parent.parent_id[:40]!r} is not {PARENT_ID.pattern}")
    if type(parent.qty) is not int or not 0 < parent.qty <= QTY_MAX:
        found.append(f"R01 quantity {parent.qty} is not 1 to {QTY_MAX}")
    found += short_faults(risk, parent)
    if instrument is None or not is_listed(parent.symbol, allowed.symbols):
        known = ", ".join(sorted(risk.instruments))
        found.append(f"R02 symbol {parent.symbol} is not listed; there is {known}")
        return found
    if parent.mic != instrument.mic:
        found.append(f"R02 venue {parent.mic} is not {instrument.mic}")
    if not is_listed(parent.account, allowed.accounts, otherwise=parent.account == risk.account):
        found.append(f"R02 account {parent.account} is not listed")
    if parent.qty % instrument.lot:
        found.append(f"R02 quantity {parent.qty} is no multiple of the lot {instrument.lot}")
    limit = parent.limit_price_e4
    if limit is not None:
        tick = instrument.tick_e4(limit)
        if limit <= 0 or not checks.on_tick(limit, tick):
            found.append(f"R02 limit price {limit / 10_000:g} is no multiple of the tick {tick / 10_000:g}")
    share = parent.max_participation_bp
    if share is not None and not 0 < share <= checks.BP:
        found.append(f"R01 participation {share} bp is not 1 to {checks.BP}")
    shown = parent.max_display
    if shown is not None and (shown <= 0 or shown % instrument.lot):
        found.append(f"R02 max_display {shown} is no multiple of the lot {instrument.lot} above 0")
    if parent.urgency is not None and parent.urgency not in URGENCY:
        found.append(f"R01 urgency {parent.urgency} is not 1 to 5")
    return found


def short_faults(risk: RiskOverlay, parent: ParentOrder) -> list[str]:
    """R17: short sales are permitted, and the whole parent is located."""
    limits = risk.limits.shorts
    if parent.side in LONG:
        return []
    if not limits.permitted:
        return [f"R17 side {parent.side.name}: short sales are not permitted"]
    key = f"{parent.account} {parent.symbol}"
    left = risk.memory.locates.get(key, 0) - risk.memory.shorted.get(key, 0)
    if limits.locate_required and not checks.within(parent.qty, left):
        return [f"R17 quantity {parent.qty} is above what is located and not used, {left}"]
    return []


def window_faults(risk: RiskOverlay, parent: ParentOrder, ts_ns: int, begun: bool) -> list[str]:
    """The window begins before it ends, ends in the future, and lies in one session of the calendar.

    Of a parent that runs (`begun`) the end alone can be new.
    """
    instrument = risk.instruments.get(parent.symbol)
    if parent.start_ns <= 0 or parent.end_ns <= parent.start_ns:
        return ["R08 the window ends before it begins"]
    if instrument is None:
        return []
    found = []
    if ts_ns and parent.end_ns <= ts_ns:
        found.append(
            f"R08 the window ended at {instrument.clock(parent.end_ns)}, it is {instrument.clock(ts_ns)}"
        )
    day = risk.phase(parent.symbol, parent.start_ns)
    if day.phase is Phase.CLOSED:
        return [*found, f"R08 the window is outside trading days: {instrument.day_of(parent.start_ns)}"]
    opens_ns, closes_ns = closing.hours(instrument, parent.start_ns, day)
    if parent.close_pct is not None:
        if closes_ns < closing_times(instrument, parent.start_ns)[1]:
            early = instrument.clock(closes_ns)
            found.append(
                f"R08 close_pct: the venue closes at {early} that day, before the instrument's close"
            )
        return found
    touched = closing.window_fault(parent, instrument, (opens_ns, closes_ns), begun)
    if touched:
        hours = f"{instrument.clock(opens_ns)[:5]}-{instrument.clock(closes_ns)[:5]}"
        found.append(f"R08 the window is outside {hours} {instrument.zone}{touched}")
    return found


def adv_faults(risk: RiskOverlay, parent: ParentOrder) -> list[str]:
    """Quantity against average daily volume; where that is not known, no (unless the limits say yes)."""
    instrument, limits = risk.instruments.get(parent.symbol), risk.limits.parents
    if instrument is None:
        return []
    if not instrument.adv:
        if limits.adv_unknown_ok:
            return []
        return [f"R08 average daily volume of {parent.symbol} is not known; set instrument.adv"]
    cap = checks.share_of(instrument.adv, limits.adv_max_bp)
    if checks.within(parent.qty, cap):
        return []
    return [f"R08 quantity {parent.qty} is above {limits.adv_max_bp} bp of daily volume, {cap}"]


def price_e4(risk: RiskOverlay, parent: ParentOrder) -> int:
    """Return a price to value the parent at, 0 where none is known."""
    picture = risk.references.picture(parent.symbol)
    limit = parent.limit_price_e4 or 0
    return max(picture.price_e4, limit) if picture.price_e4 else 0


def value_faults(risk: RiskOverlay, parent: ParentOrder) -> list[str]:
    """Value against the cap, and against what was declared."""
    limits, price = risk.limits.parents, price_e4(risk, parent)
    if price <= 0:
        if limits.price_unknown_ok:
            return []
        return [f"R08 no reference price of {parent.symbol} to value the order with"]
    value = checks.notional_micros(parent.qty, price)
    cap = limits.notional_max_ccy * 1_000_000
    found = []
    if not checks.within(value, cap):
        found.append(f"R08 worth {value // 1_000_000:,}, at most {limits.notional_max_ccy:,}")
    declared = parent.declared_notional_micros
    if declared is not None:
        at_reference = checks.notional_micros(parent.qty, risk.references.picture(parent.symbol).price_e4)
        if abs(at_reference - declared) * checks.BP > declared * limits.declared_tolerance_bp:
            found.append(
                f"R08 declared as {declared // 1_000_000:,}, worth {at_reference // 1_000_000:,}: "
                f"more than {limits.declared_tolerance_bp} bp apart"
            )
    return found
