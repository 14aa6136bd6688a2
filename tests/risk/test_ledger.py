"""Money: realised plus unrealised is always what the position is worth less what it cost."""

import random

from market.types import Side
from risk.ledger import SymbolBook
from risk.reference import Picture


def picture(bid: int = 1_000, ask: int = 1_002) -> Picture:
    return Picture(symbol="SYN", mark_bid_e4=bid, mark_ask_e4=ask)


def test_a_round_trip_realises_the_difference() -> None:
    book = SymbolBook(symbol="SYN")
    book.book(Side.BUY, 100, 100 * 1_000, 0)
    book.book(Side.SELL, 100, 100 * 1_010, 0)

    assert (book.realised_e4, book.exec_qty, book.open_cost_e4) == (1_000, 0, 0)
    assert book.execution_micros(picture()) == 1_000 * 100


def test_fees_cost_and_a_bust_gives_them_back() -> None:
    book = SymbolBook(symbol="SYN")
    book.book(Side.BUY, 100, 100 * 1_000, 3)
    assert book.execution_micros(picture()) == -100 * 3 * 100
    book.book(Side.BUY, -100, -100 * 1_000, 3)

    assert (book.exec_qty, book.paid_e4, book.fees_micros, book.bought) == (0, 0, 0, 0)


def test_the_start_of_day_position_is_its_own_ledger() -> None:
    book = SymbolBook(symbol="SYN", sod_qty=100, sod_mark_e4=1_000)
    book.book(Side.SELL, 100, 100 * 990, 0)

    assert book.position == 0
    assert book.inventory_micros(picture(980, 985)) == -100 * 20 * 100
    assert book.execution_micros(picture(980, 985)) == 100 * 5 * 100  # sold at 990, worth 985 to buy back


def test_realised_and_unrealised_always_add_up() -> None:
    rng = random.Random(3)
    book, marks = SymbolBook(symbol="SYN"), picture()
    for _ in range(2_000):
        side = rng.choice((Side.BUY, Side.SELL))
        qty, price = rng.randint(1, 500), rng.randint(900, 1_100)
        book.book(side, qty, qty * price, 0)
        mark = marks.mark_bid_e4 if book.exec_qty > 0 else marks.mark_ask_e4
        unrealised = book.exec_qty * mark - book.open_cost_e4
        assert (book.realised_e4 + unrealised) * 100 == book.execution_micros(marks)
        assert book.exec_qty == book.bought - book.sold
        assert (book.open_cost_e4 == 0) or book.exec_qty
