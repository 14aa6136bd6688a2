"""Every control at, below and above its limit, through the overlay as the gate uses it."""

from typing import Any

import pytest

from market import events as ev
from market import updates as up
from market.orders import NewOrder
from market.types import ExecType, OrdStatus, OrdType, Side, TimeInForce
from risk.limits import Limits
from tests.daemon.gate_harness import ASK, BID, SECOND, World, limits

MS = 1_000_000


def world(law: Limits | None = None, side: Side = Side.BUY, qty: int = 100_000, **more: Any) -> World:
    w = World(law or limits(), **more)
    w.open()
    reply = w.parent(qty=qty, side=side)
    assert reply["ok"], reply
    return w


def verdict(answer: Any) -> tuple[str, ...]:
    """Controls that refused, () where the order was sent."""
    return answer.controls if isinstance(answer, up.IntentRefused) else ()


AT = [(-1, False), (0, False), (1, True)]  # against a cap: below, at, above


@pytest.mark.parametrize(("beside", "refused"), AT)
def test_r03_order_quantity(beside: int, refused: bool) -> None:
    w = world(limits(order={"qty_max": 500}))

    assert ("R03" in verdict(w.intent(500 + beside, BID))) is refused


@pytest.mark.parametrize(("beside", "refused"), AT)
def test_r03_share_of_daily_volume(beside: int, refused: bool) -> None:
    w = world(limits(order={"adv_max_bp": 2}))  # 2 bp of 2,000,000

    assert ("R03" in verdict(w.intent(400 + beside, BID))) is refused


@pytest.mark.parametrize(("qty", "refused"), [(499, False), (500, False), (501, True)])
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_r04_notional_at_the_worst_of_limit_touch_and_last(side: Side, qty: int, refused: bool) -> None:
    w = world(limits(order={"notional_max_ccy": 50_010}), side)
    price = BID + 200 if side is Side.BUY else BID  # a sell is worth its ask

    assert ("R04" in verdict(w.intent(qty, price, side))) is refused


@pytest.mark.parametrize(("beside", "refused"), [(-100, False), (0, False), (100, True)])
def test_r05_a_buy_above_the_collar(beside: int, refused: bool) -> None:
    w = world(limits(market={"collar_bp": 100, "vwap_collar_bp": 10_000}))
    w.price(999_900, 1_000_100, last_e4=1_000_000)

    assert ("R05" in verdict(w.intent(10, 1_010_000 + beside))) is refused


@pytest.mark.parametrize(("beside", "refused"), [(100, False), (0, False), (-100, True)])
def test_r05_a_sell_below_the_collar(beside: int, refused: bool) -> None:
    w = world(limits(market={"collar_bp": 100, "vwap_collar_bp": 10_000}), Side.SELL)
    w.price(999_900, 1_000_100, last_e4=1_000_000)

    assert ("R05" in verdict(w.intent(10, 990_000 + beside, Side.SELL))) is refused


def test_r05_every_anchor_counts() -> None:
    w = world(limits(market={"collar_bp": 100}))
    w.price(last_e4=980_000)
    assert verdict(w.intent(10, BID)) == ("R05",)  # 2 % above the last trade
    w.price(close_e4=800_000)

    assert verdict(w.intent(10, BID)) == ("R05",)  # 25 % above the previous close


def test_r05_unknown_anchors_refuse_unless_the_limits_say_otherwise() -> None:
    strict = world(limits(market={"close_required": True}))

    assert verdict(strict.intent(10, BID)) == ("R05",)
    assert verdict(world().intent(10, BID)) == ()


def test_r05_own_orders_on_average() -> None:
    w = world(limits(market={"collar_bp": 200, "vwap_collar_bp": 100}))
    assert verdict(w.intent(100, BID)) == ()
    assert verdict(w.intent(100, BID + 20_000)) == ()  # the average is 1 % above: at the limit
    refused = w.intent(100, BID + 20_000)

    assert verdict(refused) == ("R05",)


def test_r05_again_and_again_halts() -> None:
    w = world(limits(market={"collar_breaches_to_halt": 3}))
    for _ in range(3):
        w.intent(10, BID * 2)

    assert w.core.posture.name == "HALTED"
    assert "R05" in verdict(w.intent(10, BID))


@pytest.mark.parametrize(("age_ms", "refused"), [(2_499, False), (2_500, False), (2_501, True)])
def test_r06_age_of_the_line(age_ms: int, refused: bool) -> None:
    w = world()
    w.step(ev.ReferenceAlive())
    w.now += age_ms * MS

    assert ("R06" in verdict(w.intent(10, BID))) is refused


@pytest.mark.parametrize(
    "late",
    [
        ev.ReferenceAlive(late_ns=2_000 * MS),
        ev.ReferencePrice(symbol="SYN", bid_e4=BID, ask_e4=ASK, late_ns=2_000 * MS),
        ev.SecurityStatus(symbol="SYN", trading=True, late_ns=2_000 * MS),
    ],
)
def test_r06_a_line_that_tells_of_earlier_is_as_old_as_what_it_tells(late: ev.Event) -> None:
    w = world()
    w.step(late)
    w.now += 500 * MS
    assert "R06" not in verdict(w.intent(10, BID))
    w.now += 1 * MS
    assert "R06" in verdict(w.intent(10, BID))
    w.step(ev.ReferenceAlive())
    assert "R06" not in verdict(w.intent(10, BID))


@pytest.mark.parametrize(
    ("bid", "ask", "refused"),
    [(BID, ASK, False), (0, ASK, True), (BID, 0, True), (ASK, BID, True), (BID, BID + 40_000, True)],
)
def test_r06_what_makes_no_sense(bid: int, ask: int, refused: bool) -> None:
    w = world()
    w.price(bid, ask)

    assert ("R06" in verdict(w.intent(10, BID))) is refused


@pytest.mark.parametrize(("locked_ms", "refused"), [(999, False), (1_000, False), (1_001, True)])
def test_r06_a_locked_market_is_fit_for_a_second(locked_ms: int, refused: bool) -> None:
    w = world()
    w.price(BID, BID)
    w.now += locked_ms * MS

    assert ("R06" in verdict(w.intent(10, BID))) is refused


def test_r06_a_gap_or_a_halt_is_unfit_until_a_new_picture() -> None:
    w = world()
    w.step(ev.SessionDown(session="reference"))
    assert "R06" in verdict(w.intent(10, BID))
    w.step(ev.SessionUp(session="reference"))
    assert "R06" in verdict(w.intent(10, BID))
    w.price()
    assert verdict(w.intent(10, BID)) == ()
    w.step(ev.SecurityStatus(symbol="SYN", trading=False, text="halted"))

    assert "R06" in verdict(w.intent(10, BID))


@pytest.mark.parametrize(("beside", "refused"), AT)
def test_r10_longest_position_with_all_open_buys(beside: int, refused: bool) -> None:
    w = world(limits(exposure={"long_max": 1_000}), positions=(("PAPER", "SYN", 300),))
    chain = w.working(400)
    w.fill(chain, 100, BID)

    assert ("R10" in verdict(w.intent(300 + beside, BID))) is refused  # 300 held + 400 of the open one


@pytest.mark.parametrize(("beside", "refused"), AT)
def test_r10_shortest_position_with_all_open_sells(beside: int, refused: bool) -> None:
    w = world(limits(exposure={"short_max": 1_000}), Side.SELL, positions=(("PAPER", "SYN", 300),))
    w.working(400, ASK, side=Side.SELL)

    assert ("R10" in verdict(w.intent(900 + beside, ASK, Side.SELL))) is refused


def test_r10_counts_what_is_unknown_or_being_cancelled_in_full() -> None:
    w = world(limits(exposure={"long_max": 1_000}))
    chain = w.working(600)
    w.cancel(chain)
    assert verdict(w.intent(401, BID)) == ("R10",)
    w.intent(400, BID)  # never acknowledged

    assert verdict(w.intent(1, BID)) == ("R10",)


def test_r10_a_replace_counts_both_terms() -> None:
    w = world(limits(exposure={"long_max": 1_000}))
    chain = w.working(600)
    assert verdict(w.replace(chain, 900, BID)) == ()

    assert verdict(w.intent(101, BID)) == ("R10",)
    assert verdict(w.intent(100, BID)) == ()


@pytest.mark.parametrize(("open_now", "refused"), [(1, False), (2, False), (3, True)])
def test_r12_number_of_open_orders(open_now: int, refused: bool) -> None:
    w = world(limits(exposure={"open_orders_max": 3}))
    for n in range(open_now):
        w.working(10, BID - 100 * n)

    assert ("R12" in verdict(w.intent(10, BID))) is refused


def test_r12_value_of_open_orders() -> None:
    w = world(limits(exposure={"open_notional_max_ccy": 100_020}))
    w.working(500)

    assert verdict(w.intent(501, BID)) == ("R12",)
    assert verdict(w.intent(500, BID)) == ()


@pytest.mark.parametrize(("beside", "refused"), AT)
def test_r14_children_never_exceed_the_parent(beside: int, refused: bool) -> None:
    w = world(qty=1_000)
    chain = w.working(600)
    w.fill(chain, 200, BID)

    assert ("R14" in verdict(w.intent(400 + beside, BID))) is refused


def test_r14_a_child_is_its_parents_kind() -> None:
    w = world()

    assert "R14" in verdict(w.intent(10, ASK, Side.SELL))
    assert verdict(w.intent(10, BID, pid="NONE")) == ("R14",)


@pytest.mark.parametrize(("price", "refused"), [(BID - 100, False), (BID, False), (BID + 100, True)])
def test_a_child_respects_its_parents_limit_price(price: int, refused: bool) -> None:
    w = World()
    w.open()
    w.parent(qty=1_000, limit_price_e4=BID)

    assert (verdict(w.intent(10, price)) == ("R08",)) is refused


@pytest.mark.parametrize(("price", "refused"), [(ASK + 100, False), (ASK, True), (ASK - 100, True)])
def test_r16_equal_prices_would_trade_with_ourselves(price: int, refused: bool) -> None:
    w = world(qty=1_000)
    w.working(100, ASK)
    w.step(ev.CancelParent(request_id=1, parent_id="P1"))  # its order is still open: pending cancel
    opposite = ev.SubmitParent(
        request_id=2, parent=w.ask_parent().order.__class__(**_other_side(w.ask_parent().order))
    )
    w.core.state.live_parents.clear()  # two live parents of both sides are refused before (R08)
    w.step(opposite)

    assert ("R16" in verdict(w.intent(10, price, Side.SELL, pid="P2"))) is refused


def _other_side(order: Any) -> dict[str, Any]:
    fields = {name: getattr(order, name) for name in order.__struct_fields__}
    return fields | {"parent_id": "P2", "side": Side.SELL}


def test_r20_the_nth_of_a_second_passes_and_the_next_does_not() -> None:
    w = world(limits(rates={"orders_per_second": 3, "breaches_to_halt": 100}))
    assert [verdict(w.intent(10, BID - 100 * n)) for n in range(4)] == [(), (), (), ("R20",)]
    w.now += SECOND - 1
    assert verdict(w.intent(10, BID)) == ("R20",)
    w.now += 1

    assert verdict(w.intent(10, BID)) == ()


def test_r20_is_full_for_a_second_after_a_start_and_scales_with_speed() -> None:
    w = World(limits(rates={"orders_per_second": 1}))
    w.open(trader=7)
    w.parent()
    w.step(ev.ClockAnchor(anchor_ts_ns=1, anchor_mono_ns=1, speed=3.0))
    assert [verdict(w.intent(10, BID - 100 * n)) for n in range(4)] == [(), (), (), ("R20",)]
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))
    w.step(ev.SessionUp(session="reference"))
    w.step(ev.SessionUp(session="order"))
    w.step(w.mass_status_empty())
    w.price()
    w.hello(8)
    w.now += SECOND - 1

    assert "R20" in verdict(w.intent(10, BID))


def test_r20_again_and_again_halts() -> None:
    w = world(limits(rates={"orders_per_second": 1}))
    for n in range(5):
        w.intent(10, BID - 100 * n)

    assert w.core.posture.name == "HALTED"


def test_r24_the_kth_equal_order_within_the_window() -> None:
    w = world(limits(rates={"duplicates": 3}))
    assert [verdict(w.intent(10, BID)) for _ in range(3)] == [(), (), ("R24",)]
    assert verdict(w.intent(11, BID)) == ()
    w.ts += 2 * SECOND

    assert verdict(w.intent(10, BID)) == ()


def test_r30_loss_with_what_open_orders_lock_in() -> None:
    w = world(limits(loss={"execution_max_ccy": 100}))
    chain = w.working(1_000, ASK)
    w.fill(chain, 1_000, ASK)  # 0.02 x 1,000 under water
    w.wait(0.1)
    assert w.core.state.risk.execution_micros == -20 * 1_000_000
    below = w.intent(3_900, ASK)  # locks in 78: 98 in all
    assert verdict(below) == ()

    assert "R30" in verdict(w.intent(100, ASK))  # 100 in all: trips at the limit


def test_r30_a_loss_at_the_limit_kills() -> None:
    w = world(limits(loss={"execution_max_ccy": 100}, market={"collar_bp": 2_000}))
    chain = w.working(1_000, ASK)
    w.fill(chain, 1_000, ASK)
    w.price(ASK - 900, ASK)
    assert w.core.posture.name == "ACTIVE"
    w.price(ASK - 1_000, ASK)
    w.wait(0.1)

    assert w.core.posture.name == "KILLED"
    assert w.ask_parent().progress.status == "canceled"


def test_r30_a_jump_of_the_mark_needs_a_second_tick() -> None:
    w = world(limits(loss={"execution_max_ccy": 1_000}, market={"spread_max_bp": 10_000}))
    chain = w.working(1_000, ASK)
    w.fill(chain, 1_000, ASK)
    w.price(BID // 2, ASK // 2)
    w.wait(0.1)
    assert w.core.posture.name == "ACTIVE"
    w.price(BID // 2, ASK // 2)
    w.wait(0.1)

    assert w.core.posture.name == "KILLED"


def test_r30_a_side_that_is_swept_for_a_moment_is_no_loss_and_a_dead_market_is() -> None:
    w = world(limits(loss={"execution_max_ccy": 100, "stale_haircut_bp": 100}))
    chain = w.working(1_000, ASK)
    w.fill(chain, 1_000, ASK)
    w.price(0, ASK)
    w.wait(1)
    assert w.core.posture.name == "ACTIVE"
    assert w.core.state.risk.execution_micros == -20 * 1_000_000  # the last marks hold
    w.wait(5)

    assert w.core.posture.name == "KILLED"  # 1 % of 100,000 off the last mark


def test_inventory_loss_only_reduces() -> None:
    w = world(limits(loss={"inventory_max_ccy": 100}), Side.SELL, positions=(("PAPER", "SYN", 1_000),))
    w.price(BID - 1_000, ASK - 1_000)
    w.wait(0.1)
    assert w.core.posture.name == "REDUCE_ONLY"

    assert verdict(w.intent(1_000, ASK, Side.SELL)) == ()
    assert "R18" in verdict(w.intent(1, ASK, Side.SELL))  # would flip the position


@pytest.mark.parametrize(("age_ms", "refused"), [(1_999, False), (2_000, False), (2_001, True)])
def test_r50_age_of_a_decision(age_ms: int, refused: bool) -> None:
    w = world()

    assert ("R50" in verdict(w.intent(10, BID, decided_mono_ns=w.now - age_ms * MS))) is refused


@pytest.mark.parametrize("decided", [0, -1, 10**18])
def test_r50_a_decision_without_a_time_or_from_the_future(decided: int) -> None:
    assert verdict(world().intent(10, BID, decided_mono_ns=decided)) == ("R50",)


def test_r50_an_unlisted_artefact_is_not_even_let_in() -> None:
    w = World(limits(allowed={"artefacts": ("a" * 64,)}))
    w.open(trader=None)
    effects = w.hello(7, policy="frozen", policy_sha256="b" * 64)

    acks = [e.update for e in effects if getattr(e, "update", None).__class__ is up.HelloAck]
    assert [a.accepted for a in acks] == [False]
    assert verdict(w.intent(10, BID)) == ("GATE",)


@pytest.mark.parametrize(
    ("fields", "control"),
    [
        ({"qty": 0}, "R01"),
        ({"qty": -1}, "R01"),
        ({"qty": 2**63}, "R01"),
        ({"price": 0}, "R01"),
        ({"price": None}, "R01"),
        ({"price": 2**63}, "R01"),
        ({"price": BID + 1}, "R02"),
        ({"time_in_force": TimeInForce.GTC}, "R02"),
        ({"time_in_force": TimeInForce.GTD}, "R02"),
        ({"qty": True}, "R01"),
    ],
)
def test_r01_r02_shape_and_lists(fields: dict[str, Any], control: str) -> None:
    w = world()
    fields = {"qty": 10, "price": BID} | fields

    assert control in verdict(w.intent(**fields))


def test_r02_market_orders_only_where_listed() -> None:
    w = world(limits(allowed={"order_types": ("LIMIT",)}))

    assert "R02" in verdict(w.intent(10, None, ord_type=OrdType.MARKET))
    assert isinstance(world().intent(10, None, ord_type=OrdType.MARKET), NewOrder)


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, 1_020_000), (Side.SELL, 980_100)])
def test_r05_a_market_order_leaves_as_a_limit_at_the_collar_on_a_tick(side: Side, price: int) -> None:
    w = world(limits(market={"collar_bp": 200}), side)
    order = w.intent(10, None, side, ord_type=OrdType.MARKET, time_in_force=TimeInForce.IOC)

    assert (order.ord_type, order.price_e4) == (OrdType.LIMIT, price)
    assert order.time_in_force is TimeInForce.IOC
    assert w.core.state.chains[order.cl_ord_id].price_e4 == price


def test_r05_a_market_order_without_a_collar_is_refused() -> None:
    w = world(limits(market={"last_required": True}))
    w.price(last_e4=0)
    w.core.state.references.pictures["SYN"].last_e4 = 0

    assert verdict(w.intent(10, None, ord_type=OrdType.MARKET)) == ("R05",)


def test_r05_a_market_order_is_held_to_the_parents_limit() -> None:
    w = World(limits())
    w.open()
    assert w.parent(qty=1_000, limit_price_e4=BID)["ok"]

    assert verdict(w.intent(10, None, ord_type=OrdType.MARKET)) == ("R08",)


def test_r24_a_decision_has_two_orders_at_most() -> None:
    w = world()
    assert verdict(w.intent(10, BID, decision_id=5)) == ()
    assert "R05" in verdict(w.intent(11, BID * 2, decision_id=5))  # what is refused was no order
    assert verdict(w.intent(11, ASK, decision_id=5)) == ()
    assert verdict(w.intent(12, BID, decision_id=5)) == ("R24",)

    assert verdict(w.intent(12, BID, decision_id=6)) == ()


@pytest.mark.parametrize("decision", [4, 0, -1])
def test_r24_an_old_decision_or_none_has_no_orders(decision: int) -> None:
    w = world()
    assert verdict(w.intent(10, BID, decision_id=5)) == ()

    assert verdict(w.intent(11, BID, decision_id=decision)) == ("R24",)


def test_r70_nothing_passes_after_a_kill_and_every_reason_is_recorded() -> None:
    w = world(limits(order={"qty_max": 5}))
    w.step(ev.Kill(source="cli"))

    refused = verdict(w.intent(10, BID * 2))
    assert {"R03", "R05", "R08", "R70"} <= set(refused)
    assert w.core.state.risk.refusals["R70"] == 1


def test_r61_a_symbol_waits_while_an_answer_is_overdue() -> None:
    w = world(limits(sessions={"ack_age_max_ms": 2_000, "unacked_max": 2}))
    first = w.intent(10, BID)
    w.wait(1.999)
    assert verdict(w.intent(10, BID - 100)) == ()
    w.wait(0.001)
    assert verdict(w.intent(10, BID)) == ("R61",)
    w.wait(2)
    assert w.core.posture.name == "HALTED"  # two of them by now
    for chain in list(w.core.state.chains):
        w.report(chain, ExecType.NEW, OrdStatus.NEW, order_qty=10, leaves_qty=10)
    w.wait(0.1)

    assert w.core.posture.name == "ACTIVE"
    assert first.cl_ord_id
