"""R10 position, R12 open orders, R14 parent overfill, R16 self-trade, R18 reduce only, R08 for a child."""

from market.types import Side
from risk import checks
from risk.case import Case


def added_leaves(case: Case) -> int:
    """Return worst-case leaves that this order adds to its side."""
    chain = case.chain
    if chain is None:
        return case.terms.qty
    return checks.replace_adds(chain.order_qty, case.terms.qty, chain.cum_qty, chain.leaves_worst)


def position(case: Case) -> None:
    """R10: the position if everything of one side trades and nothing of the other."""
    limits, book, add = case.limits.exposure, case.book, added_leaves(case)
    if case.is_buy:
        value = checks.worst_long(book.position, book.buy_leaves + add)
        cap = limits.long_max
    else:
        value = -checks.worst_short(book.position, book.sell_leaves + add)
        cap = limits.short_max
    if not checks.within(value, cap):
        case.fail("R10", value, cap, "worst-case position")


def open_orders(case: Case) -> None:
    """R12: number and value of open orders."""
    limits, add = case.limits.exposure, 1 if case.chain is None else 0
    if not checks.within(case.ledger.open_orders + add, limits.open_orders_max):
        case.fail("R12", case.ledger.open_orders + add, limits.open_orders_max, "open orders")
    if not checks.within(case.book.open_orders + add, limits.open_orders_symbol_max):
        case.fail("R12", case.book.open_orders + add, limits.open_orders_symbol_max, "open orders in symbol")
    old = case.ledger.held.get(case.chain.chain_id, (0, 0)) if case.chain else (0, 0)
    price = max(case.price_e4, case.chain.price_e4 if case.chain else 0, case.picture.ask_e4)
    open_e4 = case.ledger.open_e4 - old[1] + (old[0] + added_leaves(case)) * price
    cap = limits.open_notional_max_ccy * 1_000_000
    if not checks.within(open_e4 * checks.MICROS_PER_E4, cap):
        case.fail("R12", open_e4 * checks.MICROS_PER_E4, cap, "open notional, micros")


def parent_quantity(case: Case) -> None:
    """R14: all children together can never trade more than the parent; they are its kind."""
    parent, progress, terms = case.parent, case.progress, case.terms
    if parent is None or progress is None:
        case.fail("R14", terms.parent_id, "", "no such parent")
        return
    if (terms.side, terms.symbol, terms.account) != (parent.side, parent.symbol, parent.account):
        case.fail("R14", terms.symbol, parent.symbol, "side, symbol or account is not the parent's")
    value = progress.cum_qty + case.ledger.committed.get(parent.parent_id, 0) + added_leaves(case)
    if not checks.within(value, progress.qty):
        case.fail("R14", value, progress.qty, "more than the parent's quantity")


def parent_terms(case: Case) -> None:
    """R08 for a child: its parent works, and its price respects the parent's limit."""
    parent, progress, price = case.parent, case.progress, case.price_e4
    if parent is None or progress is None:
        return
    if not case.parent_works:
        case.fail("R08", progress.status, "working", "the parent is not working")
    limit = parent.limit_price_e4
    if limit is None:
        return
    if price == 0 or (price > limit if case.is_buy else price < limit):
        case.fail("R08", price, limit, "beyond the parent's limit price")


def self_trade(case: Case) -> None:
    """R16: no order may meet one of our own; equal prices meet."""
    price = case.price_e4
    if case.is_buy:
        for other in case.book.sells.values():
            if checks.crosses(price, other.price_worst_e4):
                case.fail("R16", price, other.price_worst_e4, f"would trade with {other.chain_id}")
                return
    else:
        for other in case.book.buys.values():
            if checks.crosses(other.price_worst_e4, price):
                case.fail("R16", price, other.price_worst_e4, f"would trade with {other.chain_id}")
                return


def reduce_only(case: Case) -> None:
    """R18: in REDUCE_ONLY an order may bring the position nearer to zero and no further."""
    book = case.book
    same = book.buy_leaves if case.terms.side is Side.BUY else book.sell_leaves
    if checks.opens_or_flips(case.is_buy, added_leaves(case), book.position, same):
        case.fail("R18", added_leaves(case), book.position, "only orders that reduce the position")
