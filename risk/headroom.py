"""What the limits leave for one parent, so that nothing is asked for that would be refused.

Every cap that an order is held to has its room here; a new control that refuses by size, price or rate gives
its room as well, or a clean day would have refusals.
"""

from typing import Final

from market.events import Stamp
from market.parents import ParentOrder, Progress
from market.types import Side, Symbol
from market.updates import Headroom
from risk import checks
from risk.controls import market, money, sanity
from risk.limit_tables import Market
from risk.limits import Limits
from risk.overlay import RiskOverlay
from risk.reference import Picture
from risk.scopes import Scope
from risk.tightening import Tightening

E4: Final = 10_000


def headroom(
    risk: RiskOverlay, parent: ParentOrder, progress: Progress, strategy: str, stamp: Stamp, can_trade: bool
) -> Headroom:
    """Return it for now."""
    symbol, is_buy = parent.symbol, parent.side is Side.BUY
    law = risk.scopes.law(parent.account, strategy, symbol)
    scopes = risk.scopes.of(parent.account, strategy, symbol)
    tight = risk.memory.multipliers.of(parent.account, strategy, symbol)
    picture, instrument = risk.references.picture(symbol), risk.instruments.get(symbol)
    low_e4, high_e4 = collar(risk, law.market, symbol)
    value_e4 = max(high_e4, picture.last_e4, picture.ask_e4)
    qty_max = tight.of(sanity.qty_cap(law.order, instrument.adv if instrument is not None else 0))
    if value_e4:
        qty_max = min(qty_max, tight.of(law.order.notional_max_ccy * E4) // value_e4)
    qty_max = min(qty_max, *(day_room(scope, value_e4) for scope in scopes))
    if parent.max_display is not None:
        qty_max = min(qty_max, parent.max_display)
    uncommitted = progress.qty - progress.cum_qty - risk.ledger.committed.get(parent.parent_id, 0)
    room = min(uncommitted, *(exposure_room(risk, s, tight, symbol, is_buy, value_e4, stamp) for s in scopes))
    if not is_buy:
        room = min(room, long_room(risk, parent))
    room = min(room, participation_room(risk, law.participation.free_qty, parent, strategy, picture, stamp))
    return Headroom(
        order_qty_max=max(0, qty_max),
        buy_qty_max=max(0, room) if is_buy else 0,
        sell_qty_max=0 if is_buy else max(0, room),
        orders_free=max(0, min(orders_room(scope, symbol) for scope in scopes)),
        collar_low_e4=low_e4,
        collar_high_e4=high_e4,
        rate_free=max(0, rate_room(risk, law, scopes, symbol, stamp.mono_ns)),
        can_trade=can_trade,
    )


def exposure_room(
    risk: RiskOverlay,
    scope: Scope,
    tight: Tightening,
    symbol: Symbol,
    is_buy: bool,
    value_e4: int,
    stamp: Stamp,
) -> int:
    """R10, R11, R13: shares that one side of a scope may still add."""
    limits, ledger = scope.limits.exposure, scope.ledger
    book = ledger.book(symbol)
    long = checks.worst_long(book.position, book.buy_leaves)
    short = checks.worst_short(book.position, book.sell_leaves)
    room = tight.of(limits.long_max) - long if is_buy else tight.of(limits.short_max) + short
    if not value_e4:
        return room
    money.settle_values(ledger, risk.references, scope.limits, stamp.mono_ns)
    gross_e4 = (
        tight.of(limits.gross_max_ccy * E4) - ledger.gross_e4 + max(abs(book.long_e4), abs(book.short_e4))
    )
    others = ledger.long_e4 - book.long_e4 if is_buy else book.short_e4 - ledger.short_e4
    net_e4 = tight.of(limits.net_max_ccy * E4) - others
    held = min(gross_e4, net_e4) // value_e4
    room = min(room, held - long if is_buy else held + short)
    capital_e4 = limits.capital_max_ccy * E4
    if risk.memory.buying_power_micros is not None:
        capital_e4 = min(capital_e4, risk.memory.buying_power_micros // checks.MICROS_PER_E4)
    free = (capital_e4 - money.capital_e4(ledger)) // value_e4
    return min(room, free if is_buy else free + max(0, short))


def day_room(scope: Scope, value_e4: int) -> int:
    """R19: shares that the day's budget of a scope leaves."""
    limits, tally, ledger = scope.limits.day, scope.tally, scope.ledger
    room = limits.shares_max - tally.traded_qty - ledger.open_qty
    if value_e4:
        room = min(room, (limits.notional_max_ccy * E4 - tally.traded_e4 - ledger.open_e4) // value_e4)
    return room


def long_room(risk: RiskOverlay, parent: ParentOrder) -> int:
    """R17: shares that may still be sold as what they are marked."""
    key, book = f"{parent.account} {parent.symbol}", risk.ledger.book(parent.symbol)
    shorts = risk.limits.shorts
    if parent.side is Side.SELL:
        return risk.ledger.positions.get(key, 0) - book.sell_leaves if shorts.mark_required else checks.NO_CAP
    if not shorts.permitted:
        return 0
    if not shorts.locate_required:
        return checks.NO_CAP
    return risk.memory.locates.get(key, 0) - risk.memory.shorted.get(key, 0) - book.sell_leaves


def participation_room(
    risk: RiskOverlay, free_qty: int, parent: ParentOrder, strategy: str, picture: Picture, stamp: Stamp
) -> int:
    """R15: shares that the volume of the window leaves."""
    law = risk.scopes.law(parent.account, strategy, parent.symbol)
    book = risk.ledger.book(parent.symbol)
    crossing = market.crossing_leaves(book, picture, parent.side is Side.BUY)
    room = market.participation_room(risk.memory, law, parent.symbol, stamp.ts_ns, crossing)
    return max(room, free_qty if not crossing else 0)


def orders_room(scope: Scope, symbol: Symbol) -> int:
    """R12: orders that may still be opened."""
    limits, ledger = scope.limits.exposure, scope.ledger
    mine = limits.open_orders_symbol_max - ledger.book(symbol).open_orders
    return min(limits.open_orders_max - ledger.open_orders, mine)


def rate_room(risk: RiskOverlay, law: Limits, scopes: tuple[Scope, ...], symbol: Symbol, mono_ns: int) -> int:
    """R20, R21, R22, R65: messages that may leave now."""
    rates = risk.rates
    cap = rates.scaled(law.rates.orders_per_second_symbol)
    room = min(
        cap - rates.sent_of(rates.sent_symbol.get(symbol), mono_ns, cap),
        law.sessions.in_flight_max - len(risk.ledger.unanswered),
    )
    for scope in scopes:
        cap = rates.scaled(scope.limits.rates.orders_per_second)
        room = min(room, cap - rates.sent_of(scope.tally.sent, mono_ns, cap))
        cap = rates.scaled(scope.limits.rates.changes_per_second)
        room = min(room, cap - scope.tally.changes.count(mono_ns))
        room = min(room, scope.limits.day.messages_max - scope.tally.messages.used)
    return room


def price_of_market(risk: RiskOverlay, limits: Market, symbol: Symbol, side: Side) -> int:
    """R05: return at what limit price a market order leaves: the collar's, on a tick; 0 = none known."""
    low_e4, high_e4 = collar(risk, limits, symbol)
    instrument = risk.instruments.get(symbol)
    if instrument is None or not high_e4:
        return 0
    if side is Side.BUY:
        return high_e4 - high_e4 % instrument.tick_e4(high_e4)
    return low_e4 + -low_e4 % instrument.tick_e4(low_e4)


def collar(risk: RiskOverlay, limits: Market, symbol: Symbol) -> tuple[int, int]:
    """Return the lowest sell and the highest buy that R05 and R41 pass now; 0, 0 where there is none."""
    picture = risk.references.picture(symbol)
    if picture.mid_micros is None:
        return 0, 0
    if (limits.last_required and not picture.last_e4) or (limits.close_required and not picture.close_e4):
        return 0, 0
    mid_e4 = picture.price_e4
    low = checks.collar_low_e4(mid_e4, limits.collar_bp)
    high = checks.collar_high_e4(mid_e4, limits.collar_bp)
    if picture.last_e4:
        low = max(low, checks.collar_low_e4(picture.last_e4, limits.collar_bp))
        high = min(high, checks.collar_high_e4(picture.last_e4, limits.collar_bp))
    if picture.close_e4:
        low = max(low, checks.collar_low_e4(picture.close_e4, limits.close_band_bp))
        high = min(high, checks.collar_high_e4(picture.close_e4, limits.close_band_bp))
    if picture.band_low_e4 and picture.band_high_e4:
        low, high = max(low, picture.band_low_e4), min(high, picture.band_high_e4)
    return low, high
