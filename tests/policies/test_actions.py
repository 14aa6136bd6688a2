"""`plan` keeps its precedence whatever is asked: limit price > risk > participation cap > completion."""

from hypothesis import given, settings
from hypothesis import strategies as st

from market.types import Side
from policies import actions
from policies.actions import ACTIONS, Child, plan
from policies.schedule import Corridor
from tests.policies.makers import headroom, terms, touch

BAND = Corridor(target=500, low=100, high=900, slice_qty=40, closing=False)
BUY_JOIN, BUY_IMPROVE, BUY_SECOND = 3, 6, 9


def test_the_table_is_the_one_that_artefacts_were_made_for() -> None:
    assert len(ACTIONS) == 13
    assert ACTIONS[0] == (actions.NONE, 0)
    assert ACTIONS[12] == (actions.NONE, 4)
    # A change of this hash is a new version of the table: every artefact has to be trained anew.
    assert actions.ACTION_TABLE_SHA256.startswith("6bbc143255239bb6")


def test_join_rests_at_the_touch_in_whole_slices() -> None:
    p = plan(BUY_JOIN, terms(cum_qty=300), BAND, touch(), headroom())

    assert p.rest == Child(160, 999_900)
    assert p.cross is None


def test_sell_mirrors_buy() -> None:
    p = plan(5, terms(Side.SELL, cum_qty=300), BAND, touch(side=Side.SELL), headroom())

    assert p.rest == Child(160, 1_000_000)
    assert p.cross == Child(40, 999_900)


def test_improve_needs_a_tick_of_room() -> None:
    wide = plan(BUY_IMPROVE, terms(cum_qty=300), BAND, touch(ask_e4=1_000_300), headroom())
    tight = plan(BUY_IMPROVE, terms(cum_qty=300), BAND, touch(), headroom())

    assert wide.rest == Child(160, 1_000_000)
    assert tight.rest == Child(160, 999_900)
    assert not actions.mask(touch(), BAND, terms()) >> BUY_IMPROVE & 1
    assert actions.mask(touch(ask_e4=1_000_300), BAND, terms()) >> BUY_IMPROVE & 1


def test_second_level_rests_behind_the_touch() -> None:
    assert plan(BUY_SECOND, terms(cum_qty=300), BAND, touch(), headroom()).rest == Child(160, 999_800)


def test_behind_the_corridor_it_crosses_whatever_the_policy_says() -> None:
    p = plan(0, terms(cum_qty=0), BAND, touch(), headroom())

    assert p.cross == Child(100, 1_000_000)


def test_catch_up_is_capped_unless_completion_is_a_must_at_the_end() -> None:
    closing = Corridor(2_000, 2_000, 2_000, 40, True)

    capped = plan(0, terms(cum_qty=1_000), closing, touch(), headroom())
    forced = plan(0, terms(cum_qty=1_000, must_complete=True), closing, touch(), headroom())

    assert capped.cross == Child(160, 1_000_000)
    assert forced.cross == Child(1_000, 1_000_200)  # through three levels of 300, no further


def test_above_the_corridor_nothing_is_wanted() -> None:
    p = plan(5, terms(cum_qty=900), BAND, touch(), headroom())

    assert (p.rest, p.cross) == (None, None)


def test_a_limit_on_our_side_of_the_touch_stops_crossing_and_names_itself() -> None:
    p = plan(5, terms(cum_qty=0, limit_e4=999_800), BAND, touch(), headroom())

    assert p.cross is None
    assert p.rest == Child(160, 999_800)
    assert p.constraint == "limit price"


def test_a_limit_off_the_tick_grid_is_rounded_to_our_side() -> None:
    buy = plan(3, terms(limit_e4=999_850), BAND, touch(), headroom())
    sell = plan(3, terms(Side.SELL, limit_e4=1_000_050), BAND, touch(side=Side.SELL), headroom())

    assert buy.rest is not None
    assert buy.rest.price_e4 == 999_800
    assert sell.rest is not None
    assert sell.rest.price_e4 == 1_000_100


def test_the_participation_cap_beats_completion() -> None:
    p = plan(5, terms(cum_qty=0, cap_qty=25), BAND, touch(), headroom())

    assert p.cross == Child(25, 1_000_000)
    assert p.rest is None
    assert p.constraint == "participation cap"


def test_risk_beats_the_participation_cap() -> None:
    p = plan(5, terms(cum_qty=0, cap_qty=25, risk_qty=10), BAND, touch(), headroom())

    assert p.cross == Child(10, 1_000_000)
    assert p.constraint.startswith("risk")


def test_without_leave_or_book_nothing_is_touched() -> None:
    assert plan(5, terms(), BAND, touch(), headroom(can_trade=False)).hold
    assert plan(5, terms(), BAND, touch(bid_e4=0), headroom()).hold


def test_without_a_collar_no_price_may_be_sent() -> None:
    p = plan(5, terms(), BAND, touch(), headroom(collar_low_e4=0, collar_high_e4=0))

    assert (p.rest, p.cross) == (None, None)


@settings(max_examples=300)
@given(
    action=st.integers(0, 12),
    side=st.sampled_from((Side.BUY, Side.SELL)),
    qty=st.integers(1, 5_000),
    done=st.floats(0, 1),
    low=st.floats(0, 1),
    width=st.floats(0, 1),
    slice_qty=st.integers(1, 400),
    lot=st.sampled_from((1, 10, 100)),
    cap=st.none() | st.integers(0, 5_000),
    risk=st.integers(0, 6_000),
    limit=st.none() | st.integers(995_000, 1_005_000),
    order_max=st.integers(0, 2_000),
    spread=st.integers(1, 40),
    closing=st.booleans(),
    must=st.booleans(),
)
def test_no_plan_breaks_what_stands_above_it(
    action: int,
    side: Side,
    qty: int,
    done: float,
    low: float,
    width: float,
    slice_qty: int,
    lot: int,
    cap: int | None,
    risk: int,
    limit: int | None,
    order_max: int,
    spread: int,
    closing: bool,
    must: bool,
) -> None:
    cum, lower = int(done * qty), int(low * qty)
    band = Corridor(lower, lower, min(qty, lower + int(width * qty)), -(-slice_qty // lot) * lot, closing)
    t = terms(side, qty, cum, cap_qty=cap, risk_qty=risk, limit_e4=limit, must_complete=must, lot=lot)
    market = touch(ask_e4=999_900 + 100 * spread, side=side)
    room = headroom(order_qty_max=order_max, collar_low_e4=998_000, collar_high_e4=1_002_000)

    p = plan(action, t, band, market, room)

    wanted = [child for child in (p.rest, p.cross) if child is not None]
    assert cum + sum(c.qty for c in wanted) <= max(cum, qty)
    assert cum + sum(c.qty for c in wanted) <= max(cum, risk)
    if cap is not None:
        assert cum + sum(c.qty for c in wanted) <= max(cum, cap)
    for child in wanted:
        assert 0 < child.qty <= order_max
        assert child.qty % lot == 0 or child.qty == qty - cum
        assert child.price_e4 % 100 == 0
        assert limit is None or side.sign * (child.price_e4 - limit) <= 0
        assert child.price_e4 <= 1_002_000 if side is Side.BUY else child.price_e4 >= 998_000
    if p.rest is not None:
        crossed = p.cross.qty if p.cross else 0
        assert cum + crossed + p.rest.qty <= band.high
