"""R07 impact, R15 participation, R17 short sales, R40 session, R41 halts and bands, R42 restricted list."""

from math import isqrt
from typing import Final

from market.child_order import ChildOrder
from market.instruments import Auction, closing_times
from market.types import MS, Side, Symbol, TimeInForce
from risk import checks
from risk.case import Case
from risk.ledger import SymbolBook
from risk.limits import Limits
from risk.memory import Memory
from risk.reference import Picture

SELL: Final = Side.SELL
SHORT: Final = Side.SELL_SHORT
CLOSE: Final = TimeInForce.CLOSE
ROOT: Final = 10_000  # the square root of a share is taken with four decimals


def impact(case: Case) -> None:
    """R07: what an order that crosses would do, by the gate's own view of the book, and by a model."""
    if not case.crosses or not case.picture.mid_micros:
        return
    limits, picture, qty = case.limits.impact, case.picture, case.terms.qty
    levels = picture.asks if case.is_buy else picture.bids
    walked, shown = walk_e4(levels, qty, case.price_e4, case.is_buy)
    mid_e4 = picture.price_e4
    if not checks.collar_passes(case.is_buy, walked // qty, mid_e4, limits.walk_max_bp):
        case.fail("R07", walked // qty, mid_e4, f"averages more than {limits.walk_max_bp} bp beyond the mid")
    cap = checks.share_of(shown, limits.depth_max_bp)
    if not checks.within(qty, cap):
        case.fail("R07", qty, cap, "more than one order may take of what is displayed")
    model = model_bp(case)
    if not checks.within(model, limits.model_max_bp) and not is_exempt(case, "R07"):
        case.fail("R07", model, limits.model_max_bp, "impact by the square-root model, bp")


def is_exempt(case: Case, control: str) -> bool:
    """R73: return whether two people let one order of this parent pass a soft control."""
    found = case.memory.exempt.get(case.terms.parent_id)
    if found is None or found.control != control or not checks.within(case.terms.qty, found.qty_max):
        return False
    case.exempt = True
    return True


def walk_e4(levels: tuple[tuple[int, int], ...], qty: int, limit_e4: int, is_buy: bool) -> tuple[int, int]:
    """Return (sum of what a quantity would pay, quantity that is displayed within its limit).

    What is not displayed is paid at the limit price: nothing better is known of it.
    """
    paid, left, shown = 0, qty, 0
    for price_e4, size in levels:
        if limit_e4 and (price_e4 > limit_e4 if is_buy else price_e4 < limit_e4):
            break
        shown += size
        taken = min(left, size)
        paid += taken * price_e4
        left -= taken
    return paid + left * (limit_e4 or (levels[-1][0] if levels else 0)), shown


def model_bp(case: Case) -> int:
    """Return k x daily volatility x the square root of quantity over daily volume; 0 where none is known."""
    instrument, qty = case.instrument, case.terms.qty
    if instrument is None or not instrument.adv or not instrument.daily_volatility_bps:
        return 0
    share = isqrt(qty * ROOT * ROOT // instrument.adv)
    return (
        case.limits.impact.model_factor_bp * int(instrument.daily_volatility_bps) * share // checks.BP // ROOT
    )


def participation_room(memory: Memory, limits: Limits, symbol: Symbol, ts_ns: int, crossing: int) -> int:
    """R15: return what may still be ordered; `crossing` is what already crosses and has not traded."""
    window_ns, share = limits.participation.window_ms * MS, limits.participation.share_max_bp
    if share >= checks.BP:
        return checks.NO_CAP
    others = memory.volumes.others(symbol, ts_ns, window_ns)
    own = memory.volumes.own(symbol, ts_ns, window_ns)
    return checks.participation_room(share, others, own + crossing)


def participation(case: Case) -> None:
    """R15: own fills of the window, what crosses and this stay a share of what is printed."""
    limits = case.limits.participation
    if limits.share_max_bp >= checks.BP and not case.market_fault:
        return
    if case.terms.time_in_force.for_cross and not case.market_fault:
        return  # it takes no part in the volume of the window
    crossing = crossing_leaves(case.book, case.picture, case.is_buy)
    room = participation_room(case.memory, case.limits, case.terms.symbol, case.stamp.ts_ns, crossing)
    free = limits.free_qty if not crossing else 0
    if case.market_fault:
        room = free = 0  # nobody knows what is printed
    if not checks.within(case.adds, max(room, free)):
        case.fail("R15", case.adds, room, f"above {limits.share_max_bp} bp of the volume of the window")


def crossing_leaves(book: SymbolBook, picture: Picture, is_buy: bool) -> int:
    """Return leaves of open orders that would trade at once: those at or beyond the other side."""
    if is_buy:
        if book.buy_top_e4 < picture.ask_e4:
            return 0
        return sum(c.leaves_worst for c in book.buys.values() if takes(c, c.price_worst_e4 >= picture.ask_e4))
    if book.sell_low_e4 > picture.bid_e4:
        return 0
    return sum(c.leaves_worst for c in book.sells.values() if takes(c, c.price_worst_e4 <= picture.bid_e4))


def takes(chain: ChildOrder, reaches: bool) -> bool:
    """Return whether a chain would trade at once: what waits for a cross does not."""
    return reaches and not chain.terms.time_in_force.for_cross


def short_sale(case: Case) -> None:
    """R17: a sell is long or marked; a marked one is permitted and has a locate; SSR: above the best bid."""
    if case.is_buy:
        return
    limits, terms = case.limits.shorts, case.terms
    held = case.ledger.positions.get(f"{terms.account} {terms.symbol}", 0)
    if not case.is_short:
        value = case.book.sell_leaves + case.adds
        if limits.mark_required and not checks.within(value, max(0, held)):
            case.fail("R17", value, max(0, held), "more than is held, and not marked as a short sale")
        return
    if not limits.permitted:
        case.fail("R17", terms.side.name, "shorts.permitted", "short sales are not permitted")
    if limits.locate_required:
        key = f"{terms.account} {terms.symbol}"
        shorts = sum(c.leaves_worst for c in case.book.sells.values() if c.terms.side is not SELL)
        value = case.memory.shorted.get(key, 0) + shorts + case.adds
        cap = case.memory.locates.get(key, 0)
        if not checks.within(value, cap):
            case.fail("R17", value, cap, "short sales of the day, of what was located")
    restricted = case.picture.short_restricted and terms.side is SHORT
    if restricted and not case.price_e4 > case.picture.bid_e4:
        case.fail(
            "R17",
            case.price_e4,
            case.picture.bid_e4,
            "short sale restriction: the price must be above the best bid",
        )


def session(case: Case) -> None:
    """R40: continuous trading by the calendar, on the day that has begun, not too near its ends."""
    now, limits, ts_ns = case.day, case.limits.session, case.stamp.ts_ns
    if not now.open:
        case.fail("R40", now.phase, "continuous", "no continuous trading by the calendar")
        return
    if case.memory.day and now.day != case.memory.day:
        case.fail("R40", now.day, case.memory.day, "no start of day was done for this day")
    if ts_ns - now.from_ns < limits.opening_ms * MS:
        case.fail("R40", (ts_ns - now.from_ns) // MS, limits.opening_ms, "too soon after the open, ms")
    instrument, for_close = case.instrument, case.terms.time_in_force is CLOSE
    if for_close and instrument is not None and Auction.CLOSE not in instrument.auctions:
        case.fail("R40", "CLOSE", "instrument.auctions", "the closing auction is not enabled")
    if for_close and instrument is not None and ts_ns >= closing_times(instrument, ts_ns)[0]:
        case.fail(
            "R40",
            "after the cut-off",
            instrument.close_cutoff_s,
            "orders for the close are cut off, s before it",
        )
    if now.until_ns - ts_ns <= limits.closing_ms * MS:
        case.fail("R40", (now.until_ns - ts_ns) // MS, limits.closing_ms, "too near the close, ms")


def halted(case: Case) -> None:
    """R41: no order in a halt, none outside the price bands, none that crosses in a limit state."""
    picture, price = case.picture, case.price_e4
    if not picture.trading:
        case.fail("R41", picture.status_text or "halted", "trading", "the venue has halted it")
    low, high = picture.band_low_e4, picture.band_high_e4
    if not (low and high):
        if case.limits.market.band_required:
            case.fail("R41", price, 0, "price bands are not known")
    elif not low <= price <= high:
        case.fail("R41", price, high if price > high else low, "outside the price bands")
    if picture.limit_state and case.crosses:
        case.fail("R41", price, picture.ask_e4 if case.is_buy else picture.bid_e4, "crosses in a limit state")


def restricted(case: Case) -> None:
    """R42: not on the restricted list; without a list, or with an old one, nothing."""
    found = case.memory.restricted
    if found is None:
        case.fail("R42", "", "", "there is no restricted list")
        return
    age_ns, cap_ns = case.stamp.ts_ns - found.issued_ns, case.limits.restricted.age_max_ms * MS
    if not 0 <= age_ns <= cap_ns:
        case.fail("R42", age_ns, cap_ns, "age of the restricted list, ns")
    if case.terms.symbol in found.symbols:
        case.fail("R42", case.terms.symbol, "", "on the restricted list")
