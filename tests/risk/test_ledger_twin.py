"""The ledger keeps sums as orders change; a slow twin adds them up from nothing: they never differ."""

import random
from typing import Any

import pytest

from market.child_order import ChildOrder
from market.orders import NewOrder
from market.types import ClOrdID, OrdStatus, OrdType, ParentID, Side, Symbol, TimeInForce
from risk.ledger import ANY_PRICE_E4, Ledger, SymbolBook
from risk.reference import Picture

SYMBOLS = (Symbol("AAA"), Symbol("BBB"))
PRICES = {SYMBOLS[0]: 1_000, SYMBOLS[1]: 37}
LIVE = (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED, OrdStatus.PENDING_CANCEL)
OVER = (OrdStatus.FILLED, OrdStatus.CANCELED)


def chain(
    n: int, side: Side, qty: int, price_e4: int, symbol: Symbol = SYMBOLS[0], **more: Any
) -> ChildOrder:
    terms = NewOrder(
        cl_ord_id=ClOrdID(f"C{n}"), parent_id=ParentID(f"P{n % 3}"), account=f"A{n % 2}", symbol=symbol,
        mic="XNAS", side=side, qty=qty, ord_type=OrdType.LIMIT, price_e4=price_e4 or None,
        time_in_force=TimeInForce.DAY,
    )  # fmt: skip
    fields: dict[str, Any] = {"status": OrdStatus.NEW} | more
    return ChildOrder(
        chain_id=terms.cl_ord_id, terms=terms, cl_ord_id=terms.cl_ord_id, order_qty=qty, price_e4=price_e4,
        **fields,
    )  # fmt: skip


def check(ledger: Ledger, chains: list[ChildOrder]) -> None:
    """Compare every sum to what the orders themselves come to."""
    live = [c for c in chains if c.live]
    open_e4 = {c.chain_id: c.leaves_worst * c.price_worst_e4 for c in chains}
    assert ledger.open_orders == len(live)
    assert ledger.held == {c.chain_id: (c.leaves_worst, open_e4[c.chain_id]) for c in live}
    assert ledger.owed == {
        c.chain_id: (c.leaves_worst, open_e4[c.chain_id]) for c in chains if not c.live and c.leaves_worst
    }
    assert set(ledger.unanswered) == {c.chain_id for c in live if c.asked_mono_ns}
    assert ledger.open_e4 == sum(open_e4.values())
    assert ledger.open_buy_e4 == sum(open_e4[c.chain_id] for c in chains if c.terms.side is Side.BUY)
    assert ledger.open_qty == sum(c.leaves_worst for c in chains)
    assert set(ledger.used) == {c.terms.symbol for c in chains}
    for parent, leaves in ledger.committed.items():
        assert leaves == sum(c.leaves_worst for c in chains if c.terms.parent_id == parent)
    for symbol, book in ledger.books.items():
        mine = [c for c in chains if c.terms.symbol == symbol]
        buys = [c for c in mine if c.terms.side is Side.BUY]
        sells = [c for c in mine if c.terms.side is not Side.BUY]
        assert book.buys == {c.chain_id: c for c in buys if c.live}
        assert book.sells == {c.chain_id: c for c in sells if c.live}
        assert book.open_orders == sum(c.live for c in mine)
        assert book.buy_leaves == sum(c.leaves_worst for c in buys)
        assert book.sell_leaves == sum(c.leaves_worst for c in sells)
        assert book.open_e4 == sum(open_e4[c.chain_id] for c in mine)
        worst = [c.price_worst_e4 or ANY_PRICE_E4 for c in buys if c.live]
        assert book.buy_top_e4 == max(worst, default=0)
        worst = [c.price_worst_e4 for c in sells if c.live]
        assert book.sell_low_e4 == min(worst, default=ANY_PRICE_E4)


def check_values(ledger: Ledger) -> None:
    """Value every book and compare what all of them are worth."""
    for symbol in ledger.books:
        ledger.revalue(symbol, PRICES[symbol])
    long = {s: (b.position + b.buy_leaves) * PRICES[s] for s, b in ledger.books.items()}
    short = {s: (b.position - b.sell_leaves) * PRICES[s] for s, b in ledger.books.items()}
    assert (ledger.long_e4, ledger.short_e4) == (sum(long.values()), sum(short.values()))
    assert ledger.gross_e4 == sum(max(abs(long[s]), abs(short[s])) for s in long)
    assert ledger.shorted_e4 == sum(max(0, -worth) for worth in short.values())


@pytest.mark.parametrize("seed", range(4))
def test_sums_are_what_the_orders_come_to(seed: int) -> None:
    rng = random.Random(seed)
    ledger, chains, traded = Ledger(), list[ChildOrder](), dict[str, int]()
    ledger.start_of_day("A0", SYMBOLS[0], 50)
    ledger.start_of_day("A1", SYMBOLS[0], -20)
    paid = 0
    for n in range(150):
        if not chains or rng.random() < 0.4:
            side, symbol = rng.choice(list(Side)[:3]), rng.choice(SYMBOLS)
            price = rng.choice((0, 0, 90, 100, 100, 110))
            chains.append(chain(n, side, rng.randint(1, 9), price, symbol, asked_mono_ns=rng.choice((0, 5))))
            one = chains[-1]
        else:
            one = rng.choice(chains)
            move = rng.randrange(5)
            if move == 0 and one.live and one.order_qty > one.cum_qty:
                qty = rng.randint(1, one.order_qty - one.cum_qty)
                one.cum_qty += qty
                one.stated_qty = one.cum_qty
                ledger.execute(one, qty, qty * 100, 3)
                paid += one.terms.side.sign * qty * 100
                key = f"{one.terms.account} {one.terms.symbol}"
                traded[key] = traded.get(key, 0) + one.terms.side.sign * qty
            elif move == 1 and one.live:
                one.status = rng.choice(OVER)
                one.stated_qty = one.cum_qty + rng.choice((0, 0, 2))
            elif move == 2 and one.live:
                one.status, one.asked_mono_ns = rng.choice(LIVE), rng.choice((0, 7))
            elif move == 3 and one.live:
                one.replace_id, one.replace_qty = ClOrdID("R"), one.order_qty + 2
                one.replace_price_e4 = rng.choice((0, 95, 120))
            elif move == 4 and not one.live:
                one.stated_qty = one.cum_qty
        ledger.track(one)
        if rng.random() < 0.2:
            ledger.track(one)  # telling it twice changes nothing
        check(ledger, chains)
        assert set(ledger.unvalued) <= set(SYMBOLS)
        if rng.random() < 0.3:
            check_values(ledger)
    assert ledger.paid_e4 == paid
    assert ledger.starts == {"A0 AAA": 50, "A1 AAA": -20}
    for key, qty in (ledger.starts | traded).items():
        assert ledger.positions[key] == ledger.starts.get(key, 0) + traded.get(key, 0), (key, qty)
    assert sum(b.position for b in ledger.books.values()) == 30 + sum(traded.values())
    assert len(ledger.owed) > 0


def test_what_changed_is_valued_again_and_nothing_else() -> None:
    ledger = Ledger()
    ledger.start_of_day("A", SYMBOLS[0], 5)
    assert list(ledger.unvalued) == [SYMBOLS[0]]
    ledger.unvalued.clear()
    ledger.track(chain(1, Side.BUY, 5, 100, SYMBOLS[1]))

    assert list(ledger.unvalued) == [SYMBOLS[1]]


@pytest.mark.parametrize(
    ("held", "buys", "sells", "price_e4", "known"),
    [
        (0, 0, 0, 0, True), (5, 0, 0, 0, False), (-5, 0, 0, 0, False), (0, 3, 0, 0, False),
        (0, 0, 3, 0, False),
        (5, 3, 3, 1, True), (5, 0, 0, -1, False),
    ],
)  # fmt: skip
def test_a_book_that_holds_something_has_a_price_or_is_named(
    held: int, buys: int, sells: int, price_e4: int, known: bool
) -> None:
    ledger = Ledger()
    ledger.start_of_day("A", SYMBOLS[0], held)
    ledger.books[SYMBOLS[0]].buy_leaves, ledger.books[SYMBOLS[0]].sell_leaves = buys, sells

    ledger.revalue(SYMBOLS[0], price_e4)
    assert (SYMBOLS[0] not in ledger.unpriced) is known
    ledger.revalue(SYMBOLS[0], 100)
    assert not ledger.unpriced


def test_a_day_begins_with_nothing_of_the_day_before() -> None:
    ledger = Ledger()
    one = chain(1, Side.BUY, 5, 100)
    ledger.track(one)
    one.cum_qty, one.status = 5, OrdStatus.FILLED
    ledger.execute(one, 5, 500, 0)
    ledger.track(one)
    ledger.revalue(SYMBOLS[0], 100)
    ledger.new_day()

    assert ledger == Ledger()
    ledger.track(chain(2, Side.BUY, 5, 100))
    with pytest.raises(AssertionError, match="nothing open"):
        ledger.new_day()


# --- money of one book ----------------------------------------------------------------------


def booked(*trades: tuple[int, int]) -> SymbolBook:
    """A book after trades of (signed quantity, price)."""
    book = SymbolBook(symbol=SYMBOLS[0])
    for qty, price in trades:
        book.book(Side.BUY if qty > 0 else Side.SELL, abs(qty), abs(qty) * price, 0)
    return book


@pytest.mark.parametrize(
    ("trades", "realised_e4", "cost_e4"),
    [
        ([(10, 100)], 0, 1_000),
        ([(10, 100), (10, 110)], 0, 2_100),
        ([(1, 100), (-1, 110)], 10, 0),
        ([(-1, 100), (1, 110)], -10, 0),
        ([(10, 100), (-4, 110)], 40, 600),
        ([(10, 100), (-10, 110)], 100, 0),
        ([(10, 100), (-15, 110)], 100, -550),
        ([(-10, 100), (15, 90)], 100, 450),
        ([(-10, 100), (4, 110)], -40, -600),
        ([(-10, 100), (-10, 110)], 0, -2_100),
        ([(10, 100), (-10, 110), (-5, 120)], 100, -600),
    ],
)
def test_what_closes_is_realised_at_average_cost_and_the_rest_stays_open(
    trades: list[tuple[int, int]], realised_e4: int, cost_e4: int
) -> None:
    book = booked(*trades)

    assert (book.realised_e4, book.open_cost_e4) == (realised_e4, cost_e4)
    assert book.exec_qty == book.bought - book.sold == sum(qty for qty, _ in trades)
    assert book.paid_e4 == sum(qty * price for qty, price in trades)
    assert book.fills == len(trades)


def test_an_execution_of_nothing_changes_no_cost() -> None:
    book = booked((10, 100))
    book.book(Side.SELL, 0, 0, 3)

    assert (book.exec_qty, book.realised_e4, book.open_cost_e4, book.fees_micros) == (10, 0, 1_000, 0)


MARKS = Picture(symbol=SYMBOLS[0], mark_bid_e4=1_000, mark_ask_e4=1_010)


@pytest.mark.parametrize(
    ("orders", "lost_e4"),
    [
        ([], 0),
        ([(Side.BUY, 10, 1_000)], 0),
        ([(Side.BUY, 10, 1_001)], 10),
        ([(Side.BUY, 10, 1_010), (Side.BUY, 5, 1_020), (Side.BUY, 5, 900)], 100 + 100),
        ([(Side.SELL, 10, 1_010)], 0),
        ([(Side.SELL, 10, 1_009)], 10),
        ([(Side.SELL, 10, 1_000), (Side.SELL, 3, 990), (Side.SELL, 3, 1_100)], 100 + 60),
        ([(Side.BUY, 10, 1_004), (Side.SELL, 10, 1_006)], 40 + 40),
        ([(Side.SELL, 10, 0), (Side.SELL, 1, 1_009)], 1),  # a market order has no limit to lose by
    ],
)
def test_what_open_orders_would_lock_in(orders: list[tuple[Side, int, int]], lost_e4: int) -> None:
    ledger = Ledger()
    for n, (side, qty, price) in enumerate(orders):
        ledger.track(chain(n, side, qty, price))

    assert ledger.book(SYMBOLS[0]).adverse_micros(MARKS) == lost_e4 * 100
