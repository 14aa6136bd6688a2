"""The arithmetic of the controls at, below and above their limits, on both sides."""

import pytest

from risk import checks


@pytest.mark.parametrize(("value", "passes"), [(9, True), (10, True), (11, False)])
def test_a_cap_passes_at_its_limit(value: int, passes: bool) -> None:
    assert checks.within(value, 10) is passes


@pytest.mark.parametrize(("value", "trips"), [(9, False), (10, True), (11, True)])
def test_a_trip_happens_at_its_limit(value: int, trips: bool) -> None:
    assert checks.trips(value, 10) is trips


@pytest.mark.parametrize(("price", "passes"), [(10_199, True), (10_200, True), (10_201, False)])
def test_a_buy_may_be_at_the_collar_and_not_above(price: int, passes: bool) -> None:
    assert checks.collar_passes(True, price, 10_000, 200) is passes


@pytest.mark.parametrize(("price", "passes"), [(9_801, True), (9_800, True), (9_799, False)])
def test_a_sell_may_be_at_the_collar_and_not_below(price: int, passes: bool) -> None:
    assert checks.collar_passes(False, price, 10_000, 200) is passes


def test_a_passive_price_is_inside_any_collar() -> None:
    assert checks.collar_passes(True, 1, 10_000, 200)
    assert checks.collar_passes(False, 1_000_000, 10_000, 200)


@pytest.mark.parametrize("ref", [9_999, 10_000, 10_001, 333_333])
def test_the_collar_prices_are_the_outermost_that_pass(ref: int) -> None:
    high, low = checks.collar_high_e4(ref, 200), checks.collar_low_e4(ref, 200)

    assert checks.collar_passes(True, high, ref, 200)
    assert not checks.collar_passes(True, high + 1, ref, 200)
    assert checks.collar_passes(False, low, ref, 200)
    assert not checks.collar_passes(False, low - 1, ref, 200)


@pytest.mark.parametrize(("ask", "passes"), [(10_199, True), (10_202, True), (10_203, False)])
def test_a_spread_passes_at_its_limit(ask: int, passes: bool) -> None:
    # 2 % of the middle of 10,000 and 10,202 is 202.02
    assert checks.spread_passes(10_000, ask, 200) is passes


def test_equal_prices_cross_and_a_market_order_always_does() -> None:
    assert checks.crosses(100, 100)
    assert checks.crosses(101, 100)
    assert not checks.crosses(99, 100)
    assert checks.crosses(0, 100)
    assert checks.crosses(99, 0)


def test_a_replace_adds_only_what_exceeds_the_old_worst_case() -> None:
    assert checks.replace_adds(100, 150, 20, 80) == 50
    assert checks.replace_adds(100, 90, 20, 80) == 0
    assert checks.replace_adds(100, 150, 20, 130) == 0  # a larger one is already in flight


def test_locked_in_loss_is_against_the_side_that_marks() -> None:
    assert checks.adverse_micros(True, 10, 1_010, 1_000, 1_002) == 10 * 10 * 100
    assert checks.adverse_micros(True, 10, 990, 1_000, 1_002) == 0
    assert checks.adverse_micros(False, 10, 995, 1_000, 1_002) == 7 * 10 * 100


def test_long_is_marked_at_the_bid_and_short_at_the_ask() -> None:
    assert checks.pnl_micros(10, 10 * 1_001, 1_000, 1_002) == -10 * 100
    assert checks.pnl_micros(-10, -10 * 1_001, 1_000, 1_002) == -10 * 100


@pytest.mark.parametrize(
    ("is_buy", "qty", "position", "open_same", "refused"),
    [
        (True, 50, -100, 0, False),
        (True, 100, -100, 0, False),
        (True, 101, -100, 0, True),
        (True, 60, -100, 50, True),
        (True, 1, 0, 0, True),
        (False, 100, 100, 0, False),
        (False, 101, 100, 0, True),
        (False, 1, -5, 0, True),
    ],
)
def test_reduce_only_reaches_flat_and_no_further(
    is_buy: bool, qty: int, position: int, open_same: int, refused: bool
) -> None:
    assert checks.opens_or_flips(is_buy, qty, position, open_same) is refused


def test_the_arithmetic_compiles_as_it_stands() -> None:
    numba = pytest.importorskip("numba")
    compiled = numba.njit(checks.collar_passes)

    assert compiled(True, 10_200, 10_000, 200)
    assert not compiled(True, 10_201, 10_000, 200)
