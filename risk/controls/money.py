"""R11 gross and net notional, R13 capital: what everything is worth if all of one side trades (GR4)."""

from market.types import Symbol
from risk import checks
from risk.case import Case
from risk.controls.exposure import held, of
from risk.ledger import ANY_PRICE_E4, Ledger, SymbolBook
from risk.limits import Limits
from risk.reference import References

E4: int = 10_000  # of a currency unit


def settle_values(ledger: Ledger, references: References, limits: Limits, mono_ns: int) -> None:
    """Value every book that changed since it was last valued."""
    while ledger.unvalued:
        symbol, _ = ledger.unvalued.popitem()
        ledger.revalue(symbol, price_e4(ledger, symbol, references, limits, mono_ns))


def settle_others(case: Case, references: References) -> None:
    """Value what changed in other symbols; this one's worst case is valued with the order."""
    symbol = case.terms.symbol
    for scope, _ in case.counted:
        unvalued = scope.ledger.unvalued
        if len(unvalued) > (symbol in unvalued):
            settle_values(scope.ledger, references, case.limits, case.stamp.mono_ns)


def price_e4(ledger: Ledger, symbol: Symbol, references: References, limits: Limits, mono_ns: int) -> int:
    """Return the worst of reference and own open orders; a stale market is dearer; 0 = not known."""
    picture = references.picture(symbol)
    price = picture.price_e4
    if references.stale(picture, mono_ns, limits.market):
        price = checks.collar_high_e4(picture.last_e4 or price, limits.exposure.stale_markup_bp)
    book = ledger.books[symbol]
    asked = max(book.sells_e4.values(), default=0)
    bid = book.buy_top_e4 if book.buys and book.buy_top_e4 < ANY_PRICE_E4 else 0
    return max(price, asked, bid)


def totals_e4(ledger: Ledger, book: SymbolBook, long_e4: int, short_e4: int) -> tuple[int, int]:
    """Return gross and net of all symbols, with these worst cases of one of them."""
    others_gross = ledger.gross_e4 - max(abs(book.long_e4), abs(book.short_e4))
    others_long, others_short = ledger.long_e4 - book.long_e4, ledger.short_e4 - book.short_e4
    net = max(abs(others_long + long_e4), abs(others_short + short_e4))
    return others_gross + max(abs(long_e4), abs(short_e4)), net


def notional(case: Case) -> None:
    """R11: an order that makes gross or net larger keeps them within their limits."""
    symbol, price = case.terms.symbol, max(case.value_e4, case.price_e4)
    for scope, book in case.counted:
        ledger, limits = scope.ledger, scope.limits.exposure
        position = book.position
        long_e4, short_e4 = (position + book.buy_leaves) * price, (position - book.sell_leaves) * price
        added_e4 = case.adds * price
        if case.is_buy:
            gross, net = totals_e4(ledger, book, long_e4 + added_e4, short_e4)
        else:
            gross, net = totals_e4(ledger, book, long_e4, short_e4 - added_e4)
        if ledger.unpriced and ledger.unpriced.keys() - {symbol}:
            case.fail("R11", next(iter(ledger.unpriced)), "", "no price to value a position with")
        cap = case.tightening.of(limits.gross_max_ccy * E4)
        if not checks.within(gross, cap) and gross > totals_e4(ledger, book, long_e4, short_e4)[0]:
            case.fail("R11", gross // E4, cap // E4, f"gross notional{of(scope.name)}")
        cap = case.tightening.of(limits.net_max_ccy * E4)
        if not checks.within(net, cap) and net > totals_e4(ledger, book, long_e4, short_e4)[1]:
            case.fail("R11", net // E4, cap // E4, f"net notional{of(scope.name)}")


def capital_e4(ledger: Ledger) -> int:
    """Return cash that is used at worst: spent, promised to open buys, and short positions."""
    return max(0, ledger.paid_e4) + ledger.open_buy_e4 + ledger.shorted_e4


def capital(case: Case) -> None:
    """R13: what this order may use as well stays within the capital; a broker's word can only lower it."""
    price = max(case.price_e4, case.value_e4)
    for scope, book in case.counted:
        ledger = scope.ledger
        short = max(0, book.sell_leaves - book.position)  # this symbol's, now; the others' as last valued
        used = capital_e4(ledger) - max(0, -book.short_e4) + short * price
        if case.is_buy:
            leaves, open_e4 = held(case, ledger)
            more = (leaves + case.adds) * price - open_e4
        else:
            more = (max(0, book.sell_leaves + case.adds - book.position) - short) * price
        cap = scope.limits.exposure.capital_max_ccy * E4
        power = case.memory.buying_power_micros
        if power is not None:
            cap = min(cap, power // checks.MICROS_PER_E4)
        if not checks.within(used + more, cap) and more > 0:
            case.fail("R13", (used + more) // E4, cap // E4, f"capital used{of(scope.name)}")
