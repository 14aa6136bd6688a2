"""R01 schema, R02 whitelist, R03 quantity, R04 notional, R05 collar, R06 fitness of market data."""

import functools
import re

from market.types import MS, OrdType, TimeInForce
from risk import checks
from risk.case import Case
from risk.limit_tables import OrderCaps
from risk.limits import is_listed

MARKET, LIMIT = OrdType.MARKET, OrdType.LIMIT  # by name: an enumeration is slow to ask
QTY_MAX = 2**31 - 1  # fits every counterparty's integer
PRICE_E4_MAX = 2**53  # exact wherever a float looks at it
WIRE_NAME = re.compile(r"[A-Z0-9._-]{1,20}")  # what may go into a FIX field
NAMES_MAX = 4_096  # symbols and accounts whose names were found sound; a desk has hundreds
ORD_TYPES = {kind: kind.name for kind in OrdType}
TIMES_IN_FORCE = {kind: kind.name for kind in TimeInForce}


def schema(case: Case) -> None:
    """R01: every field typed and in range; bool is no integer, -0 and 0 are no quantity."""
    terms = case.terms
    if type(terms.qty) is not int or not 0 < terms.qty <= QTY_MAX:
        case.fail("R01", str(terms.qty), QTY_MAX, "quantity out of range")
    price = terms.price_e4
    if terms.ord_type is MARKET:
        if price is not None:
            case.fail("R01", str(price), 0, "a market order has no price")
    elif terms.ord_type is not LIMIT:
        case.fail("R01", str(terms.ord_type), "", "unknown order type")
    elif type(price) is not int or not 0 < price <= PRICE_E4_MAX:
        case.fail("R01", str(price), PRICE_E4_MAX, "price out of range")
    if type(terms.time_in_force) is not TimeInForce:
        case.fail("R01", str(terms.time_in_force), "", "unknown time in force")
    sound = WIRE_NAME.fullmatch(terms.cl_ord_id), is_name(terms.symbol), is_name(terms.account)
    if not all(sound):
        for name in (terms.cl_ord_id, terms.symbol, terms.account):
            if not WIRE_NAME.fullmatch(name):
                case.fail("R01", repr(name)[:60], WIRE_NAME.pattern, "not a name for the wire")
    if case.stamp.ts_ns <= 0:
        case.fail("R01", case.stamp.ts_ns, 1, "market time is not known")


@functools.lru_cache(maxsize=NAMES_MAX)
def is_name(name: str) -> bool:
    """Return whether a name may go into a FIX field."""
    return WIRE_NAME.fullmatch(name) is not None


def whitelist(case: Case) -> None:
    """R02: symbol, venue, account, type, time in force, lot and tick are listed."""
    terms, allowed, instrument = case.terms, case.limits.allowed, case.instrument
    if instrument is None or not is_listed(terms.symbol, allowed.symbols):
        case.fail("R02", terms.symbol, "allowed.symbols", "symbol is not listed")
        return
    if terms.mic != instrument.mic:
        case.fail("R02", terms.mic, instrument.mic, "venue is not the instrument's")
    if not is_listed(terms.account, allowed.accounts, otherwise=terms.account == case.account):
        case.fail("R02", terms.account, "allowed.accounts", "account is not listed")
    if ORD_TYPES[terms.ord_type] not in allowed.order_types:
        case.fail("R02", terms.ord_type.name, "allowed.order_types", "order type is not listed")
    if TIMES_IN_FORCE[terms.time_in_force] not in allowed.times_in_force:
        case.fail("R02", terms.time_in_force.name, "allowed.times_in_force", "time in force is not listed")
    if terms.qty % instrument.lot:
        case.fail("R02", terms.qty, instrument.lot, "quantity is no multiple of the lot")
    tick = instrument.tick_e4(case.price_e4)
    if not checks.on_tick(case.price_e4, tick):
        case.fail("R02", case.price_e4, tick, "price is no multiple of the tick")
    used = len(case.ledger.used) + (terms.symbol not in case.ledger.used)
    if not checks.within(used, allowed.symbols_max):
        case.fail("R02", used, allowed.symbols_max, "too many symbols")
    if not checks.within(case.venues_used, allowed.venues_max):
        case.fail("R02", case.venues_used, allowed.venues_max, "too many venues")


def order_qty(case: Case) -> None:
    """R03: quantity of one order."""
    cap = case.tightening.of(qty_cap(case.limits.order, case.instrument.adv if case.instrument else 0))
    if not checks.within(case.terms.qty, cap):
        case.fail("R03", case.terms.qty, cap, "order quantity")


def qty_cap(caps: OrderCaps, adv: int) -> int:
    """Return the smaller of the absolute cap and the share of average daily volume."""
    return min(caps.qty_max, checks.share_of(adv, caps.adv_max_bp)) if adv else caps.qty_max


def order_notional(case: Case) -> None:
    """R04: value at the worst of limit, own-side reference and last trade."""
    price = value_price_e4(case)
    cap = case.tightening.of(case.limits.order.notional_max_ccy * 1_000_000)
    value = checks.notional_micros(case.terms.qty, price)
    if price <= 0:
        case.fail("R04", 0, cap, "no price to value the order with")
    elif not checks.within(value, cap):
        case.fail("R04", value, cap, "order notional, micros")


def value_price_e4(case: Case) -> int:
    """Return what to value the order at; a market order at the opposite touch and a collar."""
    picture = case.picture
    if case.price_e4 == 0:
        opposite = picture.ask_e4 if case.is_buy else picture.bid_e4
        return checks.collar_high_e4(opposite, case.limits.market.collar_bp)
    own = picture.bid_e4 if case.is_buy else picture.ask_e4
    return max(case.price_e4, own, picture.last_e4)


def price_collar(case: Case) -> None:
    """R05: limit price against mid, last and previous close; own orders' average against mid."""
    limits, picture, price = case.limits.market, case.picture, case.price_e4
    mid_e4 = case.value_e4 if picture.bid_e4 and picture.ask_e4 else 0
    if mid_e4 <= 0:
        case.fail("R05", price, 0, "no mid price to hold the order against")
        return
    if price == 0:
        case.fail("R05", 0, mid_e4, "a market order leaves at the collar alone, and no collar is known")
        return
    if not checks.collar_passes(case.is_buy, price, mid_e4, limits.collar_bp):
        case.fail("R05", price, mid_e4, f"more than {limits.collar_bp} bp beyond the mid")
    if picture.last_e4 <= 0:
        if limits.last_required:
            case.fail("R05", price, 0, "last trade is not known")
    elif not checks.collar_passes(case.is_buy, price, picture.last_e4, limits.collar_bp):
        case.fail("R05", price, picture.last_e4, f"more than {limits.collar_bp} bp beyond the last trade")
    if picture.close_e4 <= 0:
        if limits.close_required:
            case.fail("R05", price, 0, "previous close is not known")
    elif not checks.band_passes(price, picture.close_e4, limits.close_band_bp):
        case.fail("R05", price, picture.close_e4, f"outside {limits.close_band_bp} bp of the previous close")
    own = case.rates.own_prices(case.terms.symbol, case.terms.side, limits.vwap_window_ms * MS)
    own.expire(case.stamp.ts_ns)
    average = (own.value_e4 + case.terms.qty * price) // max(1, own.qty + case.terms.qty)
    if not checks.collar_passes(case.is_buy, average, mid_e4, limits.vwap_collar_bp):
        case.fail(
            "R05", average, mid_e4, f"own orders average more than {limits.vwap_collar_bp} bp beyond the mid"
        )


def market_data(case: Case) -> None:
    """R06: the reference prices are alive and make sense."""
    if case.market_fault:
        case.fail("R06", "", "", case.market_fault)
