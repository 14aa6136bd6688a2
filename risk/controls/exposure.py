"""R10 position, R12 open orders, R14 parent overfill, R16 self-trade, R18 reduce only, R08 for a child."""

from typing import Final

from market.types import ParentID, ParentStatus, TimeInForce
from risk import checks
from risk.case import Case
from risk.ledger import ANY_PRICE_E4, Ledger

WORKING: Final = ParentStatus.WORKING
CLOSE: Final = TimeInForce.CLOSE
UNSHOWN: Final = (TimeInForce.IOC, TimeInForce.FOK)


def added_leaves(case: Case) -> int:
    """Return worst-case leaves that this order adds to its side."""
    chain = case.chain
    if chain is None:
        return case.terms.qty
    return checks.replace_adds(chain.order_qty, case.terms.qty, chain.cum_qty, chain.leaves_worst)


def position(case: Case) -> None:
    """R10: the position if everything of one side trades and nothing of the other."""
    add = case.adds
    for scope, book in case.counted:
        limits = scope.limits.exposure
        if case.is_buy:
            value = checks.worst_long(book.position, book.buy_leaves + add)
            cap = case.tightening.of(limits.long_max)
        else:
            value = -checks.worst_short(book.position, book.sell_leaves + add)
            cap = case.tightening.of(limits.short_max)
        if not checks.within(value, cap):
            case.fail("R10", value, cap, f"worst-case position{of(scope.name)}")


def open_orders(case: Case) -> None:
    """R12: number and value of open orders."""
    chain, add = case.chain, 1 if case.chain is None else 0
    price = max(case.price_e4, chain.price_e4 if chain else 0, case.picture.ask_e4)
    for scope, book in case.counted:
        limits, ledger = scope.limits.exposure, scope.ledger
        number, mine = ledger.open_orders + add, book.open_orders + add
        if not checks.within(number, limits.open_orders_max):
            case.fail("R12", number, limits.open_orders_max, f"open orders{of(scope.name)}")
        if not checks.within(mine, limits.open_orders_symbol_max):
            case.fail("R12", mine, limits.open_orders_symbol_max, f"open orders in symbol{of(scope.name)}")
        leaves, old_e4 = held(case, ledger)
        open_e4 = ledger.open_e4 - old_e4 + (leaves + case.adds) * price
        cap = limits.open_notional_max_ccy * 1_000_000
        if not checks.within(open_e4 * checks.MICROS_PER_E4, cap):
            value = open_e4 * checks.MICROS_PER_E4
            case.fail("R12", value, cap, f"open notional{of(scope.name)}, micros")


def held(case: Case, ledger: Ledger) -> tuple[int, int]:
    """Return leaves and value of the order that a replace stands for; a new order stands for none."""
    return ledger.held.get(case.chain.chain_id, (0, 0)) if case.chain is not None else (0, 0)


def parent_quantity(case: Case) -> None:
    """R14: all children together can never trade more than the parent; they are its kind."""
    parent, progress, terms = case.parent, case.progress, case.terms
    if parent is None or progress is None:
        case.fail("R14", terms.parent_id, "", "no such parent")
        return
    if (terms.side, terms.symbol, terms.account) != (parent.side, parent.symbol, parent.account):
        case.fail("R14", terms.symbol, parent.symbol, "side, symbol or account is not the parent's")
    value = progress.cum_qty + case.ledger.committed.get(parent.parent_id, 0) + case.adds
    if not checks.within(value, progress.qty):
        case.fail("R14", value, progress.qty, "more than the parent's quantity")


def parent_terms(case: Case) -> None:
    """R08 for a child: its parent works; its price is within the limit, its size within what may show."""
    parent, progress, price = case.parent, case.progress, case.price_e4
    if parent is None or progress is None:
        return
    if progress.status is not WORKING:
        case.fail("R08", progress.status, "working", "the parent is not working")
    if case.terms.time_in_force is CLOSE and parent.close_pct is None:
        case.fail("R08", "CLOSE", "close_pct", "the parent has no part in the close")
    shown = parent.max_display
    if shown is not None and case.terms.time_in_force not in UNSHOWN:
        value = displayed(case, parent.parent_id) + case.adds
        if not checks.within(value, shown):
            case.fail("R08", value, shown, "more shown than the parent's max_display")
    limit = parent.limit_price_e4
    if limit is None:
        return
    if price == 0 or (price > limit if case.is_buy else price < limit):
        case.fail("R08", price, limit, "beyond the parent's limit price")


def displayed(case: Case, parent_id: ParentID) -> int:
    """Return worst-case shares that a parent's orders show or may show; what never rests shows none."""
    own = case.book.buys if case.is_buy else case.book.sells
    return sum(
        chain.leaves_worst
        for chain in own.values()
        if chain.terms.parent_id == parent_id and chain.terms.time_in_force not in UNSHOWN
    )


def self_trade(case: Case) -> None:
    """R16: no order may meet one of our own; equal prices meet."""
    price, book = case.price_e4, case.book
    if case.is_buy:
        worst, others = book.sell_low_e4, book.sells
        meets = bool(others) and checks.crosses(price, worst)
    else:
        worst, others = book.buy_top_e4, book.buys
        meets = bool(others) and (worst == ANY_PRICE_E4 or checks.crosses(worst, price))
    if meets:
        names = [c.chain_id for c in others.values() if c.price_worst_e4 in (worst, 0)]
        case.fail("R16", price, 0 if worst == ANY_PRICE_E4 else worst, f"would trade with {names[0]}")


def reduce_only(case: Case) -> None:
    """R18: in REDUCE_ONLY an order only brings the position nearer to zero: the firm's and its account's."""
    book, account = case.book, case.terms.account
    live, leaves = (book.buys, book.buy_leaves) if case.is_buy else (book.sells, book.sell_leaves)
    held = case.ledger.positions.get(f"{account} {case.terms.symbol}", 0)
    open_qty = sum(chain.leaves_worst for chain in live.values() if chain.terms.account == account)
    for position, same in ((book.position, leaves), (held, open_qty)):
        if checks.opens_or_flips(case.is_buy, case.adds, position, same):
            case.fail("R18", case.adds, position, "only orders that reduce the position")
            return


def of(scope: str) -> str:
    """Return the words that name a scope in a reason; the firm needs none."""
    return "" if scope == "F" else f" of {scope[2:]}"
