"""The uncross against a twin that tries every price and hands out every share."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from market.auction import MARKET, NOTHING, AuctionOrder, Interest, allocate, uncross
from tests.twins import auction as twin

TICK = 100
order = st.builds(
    lambda side, ticks, size: AuctionOrder(0, side, ticks * TICK, size),
    st.sampled_from((1, -1)),
    st.one_of(st.just(MARKET), st.integers(2, 40)),
    st.integers(1, 9),
)
orders = st.lists(order, min_size=1, max_size=14)


def fast(book: list[AuctionOrder], reference_e4: int) -> tuple[int, int, int, int]:
    buys, sells = (Interest.of((o.price_e4, o.size) for o in book if o.side == s) for s in (1, -1))
    return uncross(buys, sells, reference_e4, TICK)


def made(*rows: tuple[int, int, int]) -> list[AuctionOrder]:
    return [AuctionOrder(i, side, price, size) for i, (side, price, size) in enumerate(rows, 1)]


@settings(max_examples=400, deadline=None)
@given(orders, st.integers(1, 45 * TICK))
@example(made((1, 1_000, 5), (-1, 2_000, 5)), 1_500)
def test_price_and_volume_are_the_twins(book: list[AuctionOrder], reference_e4: int) -> None:
    found, want = fast(book, reference_e4), twin.uncross(book, reference_e4, TICK)
    if not want.crosses and found[0] == want.price_e4 == 0:
        assert found[1] == want.paired == 0
    else:
        assert found == want


@settings(max_examples=200, deadline=None)
@given(orders, st.integers(1, 45 * TICK))
def test_shares_go_to_whom_the_twin_gives_them(book: list[AuctionOrder], reference_e4: int) -> None:
    crossed = uncross(
        *(Interest.of((o.price_e4, o.size) for o in book if o.side == s) for s in (1, -1)), reference_e4, TICK
    )
    for side in (1, -1):
        got = dict(allocate(book, side, crossed.price_e4, crossed.paired))
        assert got == twin.allocate(book, side, crossed.price_e4, crossed.paired)
        assert sum(got.values()) == crossed.paired


def test_nobody_on_one_side_is_an_imbalance_without_a_price() -> None:
    assert fast(made((1, MARKET, 7)), 1_000) == (0, 0, 7, 1)
    assert fast([], 1_000) == NOTHING


def test_market_orders_alone_meet_at_the_reference() -> None:
    assert fast(made((1, MARKET, 7), (-1, MARKET, 5)), 1_000) == (1_000, 5, 2, 1)


def test_the_least_imbalance_beats_the_reference() -> None:
    book = made((1, 1_000, 5), (1, 900, 5), (-1, 800, 5))
    assert fast(book, 700) == (1_000, 5, 0, 0)
