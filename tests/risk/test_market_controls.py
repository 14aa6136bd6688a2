"""R07, R15, R17, R40, R41, R42, R75: what the market, the calendar and the lists say."""

from typing import Any

import msgspec
import pytest

from market import desk_events as desk
from market import events as ev
from market.instruments import Instrument
from market.types import OrdStatus, OrdType, Side, TimeInForce
from risk.controls.market import walk_e4
from risk.tightening import Tightening
from tests.daemon.gate_harness import ASK, BID, OPEN_NS, SECOND, SYN, World, limits, parent_order
from tests.risk.boundary_world import BUY, SELL, SIDES, ask, cross_of, price_of

CLOSE_NS = OPEN_NS + 6 * 3_600 * SECOND


def world(side: Side = BUY, qty: int = 100_000, law: Any = None, **more: Any) -> World:
    w = World(law or limits(), **more)
    w.open()
    reply = w.parent(qty=qty, side=side)
    assert reply["ok"], reply
    return w


# --- R07 --------------------------------------------------------------------------------------

BOOK = {
    "bids": ((999_900, 100), (999_000, 100), (990_000, 200)),
    "asks": ((1_000_100, 100), (1_001_000, 100)),
}


@pytest.mark.parametrize(
    ("qty", "limit", "paid", "shown"),
    [
        (100, 1_000_100, 100 * 1_000_100, 100),
        (200, 1_001_000, 100 * 1_000_100 + 100 * 1_001_000, 200),
        (300, 1_001_000, 100 * 1_000_100 + 200 * 1_001_000, 200),  # beyond what is told: the limit price
        (300, 1_000_500, 100 * 1_000_100 + 200 * 1_000_500, 100),
        (300, 0, 100 * 1_000_100 + 200 * 1_001_000, 200),
    ],
)
def test_r07_the_walk_of_a_buy(qty: int, limit: int, paid: int, shown: int) -> None:
    assert walk_e4(BOOK["asks"], qty, limit, True) == (paid, shown)
    assert walk_e4((), qty, 0, True) == (0, 0)


def test_r07_the_walk_of_a_sell_stops_at_its_limit() -> None:
    assert walk_e4(BOOK["bids"], 300, 999_000, False) == (100 * 999_900 + 200 * 999_000, 200)


@pytest.mark.parametrize("side", SIDES)
def test_r07_only_what_crosses_is_held_to_the_depth(side: Side) -> None:
    w = world(side, law=limits(impact={"depth_max_bp": 5_000}))

    assert ask(w, side, 501, cross_of(side)) == ("R07",)
    assert ask(w, side, 500, cross_of(side)) == ()
    assert ask(w, side, 501, price_of(side)) == ()


def test_r07_without_a_mid_it_is_r05_and_r06_that_refuse() -> None:
    w = world()
    w.price(0, ASK)

    assert set(ask(w, BUY, 10, ASK)) == {"R05", "R06", "R15"}


# --- R15 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", SIDES)
def test_r15_own_fills_and_what_crosses_count(side: Side) -> None:
    w = world(side, law=limits(participation={"share_max_bp": 1_000, "free_qty": 0}))
    w.price(volume=9_000)
    crossing = w.working(300, cross_of(side), side=side)
    assert ask(w, side, 701) == ("R15",)
    w.fill(crossing, 100, cross_of(side))  # 8,900 of others: 988 in all, 100 done, 200 cross
    assert ask(w, side, 689) == ("R15",)
    assert ask(w, side, 688) == ()
    w.ask_parent().told = None
    w.wait(0.3)
    told = w.ask_parent().told[2]

    assert max(told.buy_qty_max, told.sell_qty_max) == 688


def test_r15_what_is_free_is_free_once() -> None:
    w = world(law=limits(participation={"share_max_bp": 1_000, "free_qty": 100}))
    w.working(100, ASK)

    assert ask(w, BUY, 1) == ("R15",)


# --- R17 --------------------------------------------------------------------------------------

STRICT = {"mark_required": True, "permitted": True, "locate_required": True}


def test_r17_a_sell_of_more_than_is_held_is_marked_or_refused() -> None:
    w = world(SELL, law=limits(shorts=STRICT), positions=(("PAPER", "SYN", 500),))
    w.working(300, ASK, side=SELL)
    assert ask(w, SELL, 201) == ("R17",)
    told = told_room(w)
    assert told == 200

    assert ask(w, SELL, 200) == ()


def told_room(w: World) -> int:
    w.ask_parent().told = None
    w.wait(0.3)
    room = w.ask_parent().told[2]
    return max(room.buy_qty_max, room.sell_qty_max)


def short_world(locate: int, **shorts: Any) -> World:
    w = World(limits(shorts=STRICT | shorts))
    w.open()
    w.core.state.risk.memory.locates = {"PAPER SYN": locate}
    return w


def test_r17_a_marked_short_uses_its_locate_and_never_gives_it_back() -> None:
    w = short_world(500)
    assert "R17" in w.parent(side=Side.SELL_SHORT, qty=501)["error"]
    assert w.parent(side=Side.SELL_SHORT, qty=500)["ok"]
    w.ask_parent().progress = msgspec.structs.replace(w.ask_parent().progress, qty=2_000)
    chain = w.working(300, ASK, side=Side.SELL_SHORT)
    assert ask(w, Side.SELL_SHORT, 201, ASK) == ("R17",)
    w.fill(chain, 100, ASK)
    w.report(chain, ev.ExecType.CANCELED, OrdStatus.CANCELED, cum_qty=100)
    assert ask(w, Side.SELL_SHORT, 401, ASK) == ("R17",)
    assert told_room(w) == 400
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))
    assert w.core.state.risk.memory.shorted == {"PAPER SYN": 100}
    reopen(w)

    assert ask(w, Side.SELL_SHORT, 401, ASK) == ("R17",)
    assert ask(w, Side.SELL_SHORT, 400, ASK) == ()


def reopen(w: World) -> None:
    w.step(ev.SessionUp(session="reference"))
    w.step(ev.SessionUp(session="order"))
    w.step(w.mass_status_empty())
    w.price()
    w.hello(w.epoch + 1)
    w.wait(1.0)


def test_r17_without_permission_no_short_parent_is_admitted() -> None:
    w = short_world(500, permitted=False)

    assert any(f.startswith("R17") for f in w.parent(side=Side.SELL_SHORT)["faults"])


def test_r17_permission_that_went_refuses_each_order() -> None:
    w = short_world(2_000)
    assert w.parent(side=Side.SELL_SHORT)["ok"]
    shorts = w.core.state.risk.limits.shorts.model_copy(update={"permitted": False, "locate_required": False})
    risk = w.core.state.risk
    risk.limits = risk.scopes.limits = risk.limits.model_copy(update={"shorts": shorts})

    assert ask(w, Side.SELL_SHORT, 10, ASK) == ("R17",)
    assert told_room(w) == 0


def test_r17_a_locate_that_is_not_required() -> None:
    w = short_world(0, locate_required=False)
    assert w.parent(side=Side.SELL_SHORT)["ok"]

    assert ask(w, Side.SELL_SHORT, 400, ASK) == ()
    assert told_room(w) > 0


@pytest.mark.parametrize(
    ("side", "price", "refused"),
    [
        (Side.SELL_SHORT, BID, True),
        (Side.SELL_SHORT, BID + 100, False),
        (Side.SELL_SHORT_EXEMPT, BID, False),
    ],
)
def test_r17_a_restricted_short_stays_above_the_best_bid(side: Side, price: int, refused: bool) -> None:
    w = short_world(2_000)
    w.step(ev.SecurityStatus(symbol=SYN, trading=True, short_restricted=True))
    w.parent(side=side)

    assert ("R17" in ask(w, side, 100, price)) is refused


# --- R40 --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ts_ns", "open_"),
    [
        (OPEN_NS - 1_800 * SECOND - 1, False),
        (OPEN_NS - 1_800 * SECOND, True),
        (CLOSE_NS - 1, True),
        (CLOSE_NS, False),
        (OPEN_NS + 4 * 24 * 3_600 * SECOND, False),  # a Saturday
        (OPEN_NS - 24 * 3_600 * SECOND, False),  # New Year's Day
    ],
)
def test_r40_open_inclusive_close_exclusive(ts_ns: int, open_: bool) -> None:
    w = world(law=limits(session={"closing_ms": 0}))
    w.ts = ts_ns
    found = ask(w, BUY, 10)

    assert ("R40" in found) is (not open_ or ts_ns == CLOSE_NS)


def test_r40_at_the_close_nothing_works() -> None:
    w = world()
    chain = w.working(100)
    w.ts = CLOSE_NS
    w.step(ev.Timer())

    assert chain in w.core.state.unwanted


def test_r40_another_day_needs_its_start() -> None:
    w = world()
    assert w.core.state.risk.memory.day == "2024-01-02"
    w.ts += 24 * 3_600 * SECOND
    assert "R40" in ask(w, BUY, 10)
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))  # nor does a restart roll it
    reopen(w)

    assert w.core.state.risk.memory.day == "2024-01-02"
    assert "R40" in ask(w, BUY, 10)


def test_r40_a_symbol_that_no_calendar_knows_never_trades() -> None:
    w = World(limits(), instruments=(Instrument(symbol=SYN, mic="NONE"),))
    w.open()
    w.step(ev.SubmitParent(request_id=1, parent=parent_order()))

    assert w.core.state.risk.phase(SYN, w.ts).phase == "not in the calendar"
    assert w.core.state.risk.phase("NOWHERE", w.ts).open is False


# --- R41 --------------------------------------------------------------------------------------


def test_r41_a_halt_pulls_and_only_the_venue_ends_it() -> None:
    w = world()
    chain = w.working(100)
    w.step(ev.SecurityStatus(symbol=SYN, trading=False, text="news"))
    w.wait(0.1)
    assert chain in w.core.state.unwanted
    assert set(ask(w, BUY, 10)) == {"R06", "R15", "R41"}
    w.wait(60)
    assert "R41@S/SYN" in w.core.state.posture.causes
    w.step(ev.SecurityStatus(symbol=SYN, trading=True))

    assert w.core.state.posture.causes == {}


@pytest.mark.parametrize(
    ("price", "refused"), [(995_000, False), (994_900, True), (1_005_000, False), (1_005_100, True)]
)
def test_r41_the_bands_themselves_pass(price: int, refused: bool) -> None:
    w = world()
    w.step(ev.SecurityStatus(symbol=SYN, trading=True, band_low_e4=995_000, band_high_e4=1_005_000))

    assert ("R41" in ask(w, BUY, 10, price)) is refused
    order = w.intent(10, None, BUY, ord_type=OrdType.MARKET, time_in_force=TimeInForce.IOC)
    assert order.price_e4 == 1_005_000  # a market order leaves inside of them


def test_r41_unknown_bands_refuse_where_they_are_required() -> None:
    assert ask(world(law=limits(market={"band_required": True})), BUY, 10) == ("R41",)


@pytest.mark.parametrize("side", SIDES)
def test_r41_in_a_limit_state_nothing_crosses(side: Side) -> None:
    w = world(side)
    w.step(ev.SecurityStatus(symbol=SYN, trading=True, limit_state=True))

    assert ask(w, side, 10, cross_of(side)) == ("R41",)
    assert ask(w, side, 10, price_of(side)) == ()


# --- R42 --------------------------------------------------------------------------------------


def test_r42_a_listed_symbol_is_pulled_and_refused() -> None:
    w = world()
    chain = w.working(100)
    w.step(desk.RestrictedListed(symbols=("SYN",), issued_ns=w.ts, sha256="ab"))

    assert chain in w.core.state.unwanted
    assert ask(w, BUY, 10) == ("R42",)


def test_r42_without_a_list_nothing_trades_in_live() -> None:
    w = world()
    w.core.state.risk.memory.restricted = None

    assert ask(w, BUY, 10) == ("R42",)
    assert not told_can_trade(w)


def test_r42_a_list_of_the_future_is_none() -> None:
    w = world()
    w.step(desk.RestrictedListed(symbols=(), issued_ns=w.ts + 1))

    assert ask(w, BUY, 10) == ("R42",)


def told_can_trade(w: World) -> bool:
    w.ask_parent().told = None
    w.wait(0.3)
    return w.ask_parent().told[2].can_trade


# --- R75 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bp", [-1, 10_001, 1.0, True])
def test_r75_nothing_above_one_can_be_made(bp: Any) -> None:
    with pytest.raises(ValueError, match="0 to 10000"):
        Tightening(bp)


def test_r75_a_tightening_is_a_share_of_the_static_limit() -> None:
    assert Tightening(2_500).of(1_000) == 250
    assert Tightening(10_000).of(999) == 999


def test_r75_a_signal_lowers_at_once_and_the_room_follows() -> None:
    w = world(law=limits(order={"qty_max": 1_000}, exposure={"long_max": 4_000}))
    w.step(desk.LimitSignal(scope="S/SYN", signal="volatility", multiplier_bp=5_000))
    w.step(desk.LimitSignal(scope="F", signal="risk", multiplier_bp=9_000))
    w.step(desk.LimitSignal(scope="S/OTHER", signal="volatility", multiplier_bp=1_000))
    w.wait(0.3)
    room = w.ask_parent().told[2]

    assert (room.order_qty_max, room.buy_qty_max) == (500, 2_000)
    assert ask(w, BUY, 501) == ("R03",)
    assert ask(w, BUY, 500) == ()
    assert w.core.state.risk.memory.multipliers.by_signal() == {
        "F risk": 9_000,
        "S/OTHER volatility": 1_000,
        "S/SYN volatility": 5_000,
    }


def test_r75_a_restart_keeps_the_lower_and_relaxing_is_slow() -> None:
    w = world(law=limits(order={"qty_max": 1_000}))
    for bp in (2_000, 10_000):
        w.step(desk.LimitSignal(scope="F", signal="volatility", multiplier_bp=bp))
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))
    reopen(w)
    assert "R03" in ask(w, BUY, 201)
    for step in (3_000, 4_000):
        w.wait(300)
        w.price()
        assert w.core.state.risk.memory.multipliers.by_signal() == {"F volatility": step}


def test_r75_a_flood_of_signals_is_bounded() -> None:
    w = world()
    for n in range(100):
        w.step(desk.LimitSignal(scope=f"S/{n}", signal="x", multiplier_bp=5_000))

    assert len(w.core.state.risk.memory.multipliers.by_signal()) == 64


def test_a_status_that_does_not_speak_of_a_restriction_leaves_it() -> None:
    w = World()
    w.open()
    w.step(ev.SecurityStatus(symbol=SYN, trading=True, short_restricted=True, limit_state=True))
    w.step(ev.SecurityStatus(symbol=SYN, trading=False, text="halted T1"))
    picture = w.core.state.references.picture(SYN)
    assert (picture.short_restricted, picture.limit_state, picture.trading) == (True, True, False)
    w.step(ev.SecurityStatus(symbol=SYN, trading=True, short_restricted=False, limit_state=False))
    assert (picture.short_restricted, picture.limit_state, picture.trading) == (False, False, True)
