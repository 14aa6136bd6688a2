"""What a look at the market raises and lifts, and what an order is held to between two looks."""

from typing import Any

import pytest

from market import desk_events as desk
from market import events as ev
from market.instruments import Instrument
from market.types import ExecType, OrdStatus, OrdType, Side
from risk.overlay import Context
from risk.posture import Posture
from tests.daemon.gate_harness import ASK, BID, SECOND, SYN, World, limits
from tests.risk.boundary_world import BUY, SELL, ask
from tests.risk.test_corners import world
from tests.risk.test_levels import own
from tests.risk.test_reasons import reasons

MICROS = 10**6
TWO = (Instrument(symbol=SYN, adv=2_000_000), Instrument(symbol="ALT", adv=2_000_000))


def causes(w: World) -> list[str]:
    return sorted(w.core.state.posture.causes)


def held(qty: int = 1_000, law: Any = None) -> World:
    """A position of today's fills, at the ask."""
    w = world(law=law or limits())
    chain = w.working(qty, ASK)
    w.fill(chain, qty, ASK)
    w.wait(0.1)
    return w


# --- between two looks --------------------------------------------------------------------------


def test_a_price_that_came_a_moment_ago_is_in_the_loss_of_the_next_order() -> None:
    w = held(law=limits(loss={"execution_max_ccy": 500, "reduce_at_bp": 10_000}))
    w.price(BID - 5_000, ASK - 5_000)
    assert "R30" not in causes(w)
    assert ask(w, BUY, 10, BID - 5_000) == ("R30",)
    assert w.core.state.risk.execution_micros == -1_000 * 5_200 * 100
    w.price()
    assert ask(w, BUY, 10, BID) == ()
    assert w.core.state.risk.execution_micros == -1_000 * 200 * 100


def test_a_price_of_another_symbol_that_came_a_moment_ago_is_in_the_notional_of_the_next_order() -> None:
    law = limits(exposure={"gross_max_ccy": 60_000})
    w = World(law, instruments=TWO, positions=(("PAPER", "ALT", 300),))
    w.open()
    alt = {"symbol": "ALT", "bid_qty": 1, "ask_qty": 1}
    w.step(ev.ReferencePrice(bid_e4=1_000_000, ask_e4=1_000_000, **alt))
    assert w.parent(qty=10_000)["ok"]
    w.wait(0.1)
    assert ask(w, BUY, 100, BID) == ()
    w.step(ev.ReferencePrice(bid_e4=1_900_000, ask_e4=1_900_000, **alt))

    assert ask(w, BUY, 101, BID) == ("R11",)


def test_a_market_order_locks_in_what_the_collar_would_cost() -> None:
    w = world(law=limits(loss={"execution_max_ccy": 1, "reduce_at_bp": 10_000}))
    high, low = ASK * 10_200 // 10_000, -(-BID * 9_800 // 10_000)
    market = {"ord_type": OrdType.MARKET, "price_e4": None, "qty": 100}

    assert ("R30", (high - BID) * 100 * 100, MICROS) in reasons(w, **market)
    assert ("R30", (ASK - low) * 100 * 100, MICROS) in reasons(w, side=SELL, **market)


def test_orders_that_were_checked_are_counted() -> None:
    w = world()
    before = w.core.state.risk.memory.orders
    ask(w, BUY, 10)
    ask(w, BUY, 10**9)

    assert w.core.state.risk.memory.orders == before + 2
    assert Context(ev.Stamp(1, 1), None, None, None, None).overdue == 0


def test_an_order_of_nothing_known_is_refused_for_that_and_not_for_its_size() -> None:
    w = world()

    assert "R03" not in [control for control, _, _ in reasons(w, symbol="NONE")]
    assert "R02" in [control for control, _, _ in reasons(w, symbol="NONE")]


def test_a_book_without_fills_hides_no_loss_of_the_next() -> None:
    w = World(limits(loss={"execution_max_ccy": 10, "reduce_at_bp": 10_000}), instruments=TWO)
    w.core.state.ledger.book("ALT")
    w.open()
    assert w.parent()["ok"]
    w.fill(w.working(1_000, BID), 1_000, BID)
    w.price(BID - 100, ASK - 100)
    w.wait(0.1)

    assert list(w.core.state.ledger.books) == ["ALT", SYN]
    assert "R30" in causes(w)


# --- a look ---------------------------------------------------------------------------------------


def test_where_nothing_may_be_lost_nothing_is_stopped_before_something_is() -> None:
    nothing = {"execution_max_ccy": 0, "inventory_max_ccy": 0, "drawdown_max_ccy": 0, "fee_e4": 0}
    w = World(
        limits(loss=nothing, fills={"shares_max": 0, "notional_max_ccy": 0}), positions=(("PAPER", SYN, 9),)
    )
    w.open()
    assert w.parent()["ok"]
    w.wait(0.1)
    assert causes(w) == []
    w.price(BID - 1, ASK - 1)
    w.wait(0.1)

    assert causes(w) == ["R30I"]


def test_an_order_that_could_lose_nothing_is_at_a_limit_of_nothing() -> None:
    w = world(law=limits(loss={"execution_max_ccy": 0}))

    assert reasons(w) == [("R30", 0, 0)]


def test_a_loss_of_what_was_held_reduces_while_it_lasts() -> None:
    w = World(limits(loss={"inventory_max_ccy": 100}), positions=(("PAPER", SYN, 1_000),))
    w.open()
    assert w.parent(side=SELL)["ok"]
    w.price(BID - 1_000, ASK - 1_000)
    w.wait(0.1)
    assert causes(w) == ["R30I"]
    assert w.core.state.risk.inventory_micros == -1_000 * 1_000 * 100
    assert ask(w, SELL, 10, ASK - 1_000) == ()
    w.price()
    w.wait(0.1)

    assert causes(w) == []


def test_a_part_of_the_loss_reduces_while_it_lasts() -> None:
    w = held(law=limits(loss={"execution_max_ccy": 100, "reduce_at_bp": 5_000}))
    w.price(BID - 300, ASK - 300)
    w.wait(0.1)
    assert causes(w) == ["R30S"]
    w.price()
    w.wait(0.1)

    assert causes(w) == []


def test_what_the_day_has_spent_is_lifted_by_the_next_day() -> None:
    w = world(law=limits(day={"shares_max": 100, "messages_max": 2}))
    chain = w.working(100)
    w.fill(chain, 100, BID)
    w.core.state.risk.firm.tally.messages.used = 2
    w.wait(0.1)
    assert {"R19", "R21"} <= set(causes(w))
    w.core.state.risk.firm.tally.new_day()
    w.wait(0.1)

    assert not {"R19", "R21"} & set(causes(w))


def test_a_cause_of_a_scope_is_lifted_in_that_scope() -> None:
    w = world(law=own("strategy", day={"shares_max": 100}))
    chain = w.working(100)
    w.fill(chain, 100, BID)
    w.wait(0.1)
    assert causes(w) == ["R19@T/twap"]
    w.core.state.risk.scopes.own["T/twap"].tally.new_day()
    w.wait(0.1)
    assert causes(w) == []
    assert w.core.state.risk.firm.place == ""
    assert w.core.state.risk.scopes.own["T/twap"].place == "T/twap"


def test_fills_of_a_window_that_is_over_do_not_trip_at_a_later_look() -> None:
    w = world(law=limits(fills={"shares_max": 200, "window_ms": 1_000}))
    w.fill(w.working(150, BID), 150, BID)
    w.wait(2.0)
    velocity = w.core.state.risk.firm.tally.velocity
    assert (velocity.qty, velocity.value_e4) == (0, 0)
    w.fill(w.working(150, BID - 100), 150, BID - 100)
    w.wait(0.1)

    assert causes(w) == []


def test_a_single_share_may_be_too_fast() -> None:
    w = world(law=limits(fills={"shares_max": 1}))
    w.fill(w.working(1), 1, BID)

    assert "R25" in causes(w)


def test_net_is_the_larger_of_both_sides_worst() -> None:
    w = world(law=limits(exposure={"net_max_ccy": 100_010}))
    w.fill(w.working(1_000), 1_000, BID)
    w.wait(0.1)
    assert causes(w) == []
    assert w.core.state.ledger.long_e4 == w.core.state.ledger.short_e4
    short = World(limits(exposure={"net_max_ccy": 60_000}), positions=(("PAPER", SYN, 500),))
    short.open()
    assert short.parent(side=SELL, qty=900)["ok"]
    short.working(900, ASK, side=SELL)
    short.price(BID + 250_000, ASK + 250_000)
    short.price(BID + 250_000, ASK + 250_000)
    short.wait(0.1)

    assert "R11" in causes(short)  # long 500 is the worse side: 900 open sells take nothing off


def test_a_single_unit_of_money_may_be_too_fast() -> None:
    w = world(law=limits(fills={"notional_max_ccy": 0}))
    w.fill(w.working(1), 1, 1)

    assert "R25" in causes(w)


def test_a_replace_that_adds_nothing_needs_no_share_of_the_volume() -> None:
    w = world(law=limits(participation={"share_max_bp": 1_000, "free_qty": 50}))
    crossing = w.working(50, ASK)
    w.core.state.risk.memory.volumes.traded(SYN, 500, w.ts, 10**12)

    assert not hasattr(w.replace(crossing, 40, ASK), "controls")


def test_fills_of_one_moment_share_a_bucket_of_the_window() -> None:
    w = world(law=limits(participation={"window_ms": 300_000}))
    for n in range(3):
        w.fill(w.working(10 + n), 10 + n, BID)
        w.ts += SECOND
    ((symbol, buckets),) = w.core.state.risk.memory.volumes.state()[2]

    assert (symbol, [qty for _, _, qty in buckets]) == (SYN, [33])


def test_prints_of_one_moment_share_a_bucket_too() -> None:
    w = world(law=limits(participation={"window_ms": 300_000}))
    for volume in (100, 150, 175):
        w.price(volume=volume)
        w.ts += SECOND
    ((_, buckets),) = w.core.state.risk.memory.volumes.state()[1]

    assert [qty for _, _, qty in buckets] == [175]


def test_a_correction_of_a_price_is_no_fill_and_one_share_is_one() -> None:
    w = world()
    chain = w.working(5)
    w.fill(chain, 1, BID)
    tally, volumes = w.core.state.risk.firm.tally, w.core.state.risk.memory.volumes
    before = (tally.fills, tally.traded_qty, volumes.own(SYN, w.ts, 10**12))
    assert before == (1, 1, 1)
    w.report(
        chain, ExecType.TRADE_CORRECT, OrdStatus.PARTIALLY_FILLED, exec_ref_id=f"E{w.exec_n}", last_qty=1,
        last_price_e4=BID - 100, cum_qty=1, leaves_qty=4,
    )  # fmt: skip

    assert w.core.state.ledger.paid_e4 == BID - 100
    assert (tally.fills, tally.traded_qty, volumes.own(SYN, w.ts, 10**12)) == before
    assert len(volumes.state()[2][0][1]) == 1


def test_fills_that_are_too_fast_are_seen_as_they_are_booked() -> None:
    w = world(law=limits(fills={"shares_max": 10}))
    chain = w.core.state.chains[w.working(10)]
    w.core.state.risk.execute(chain, "twap", 10, 10 * BID, ev.Stamp(w.ts, w.now))

    assert "R25" in causes(w)


def test_what_is_held_in_a_market_that_is_silent_is_worth_more_with_time_alone() -> None:
    w = World(limits(exposure={"gross_max_ccy": 105_000}), positions=(("PAPER", SYN, 1_000),))
    w.open()
    w.wait(0.1)
    assert causes(w) == []
    w.price(0, 0)
    for seconds in (0.1, 6.0, 0.1):
        w.wait(seconds)

    assert "R11" in causes(w)


def test_where_no_venue_is_allowed_none_is() -> None:
    assert ask(world(law=limits(allowed={"venues_max": 0})), BUY, 10) == ("R02",)


# --- starts ---------------------------------------------------------------------------------------


def test_a_start_lifts_what_the_machine_said_before_and_measures_anew() -> None:
    w = world(law=limits(start={"reduce_only_ms": 0}, machine={"disk_reduce_mb": 1_000}))
    w.step(
        desk.MachineMeasured(
            loop_lag_ms=10_000, clock_offset_us=20_000, disk_free_mb=500, drop_copy_lag_ms=9_000
        )
    )
    before = {"R62L", "R63S", "R64", "R66S"}
    assert before <= set(causes(w))
    w.now += SECOND
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))

    assert not before & set(causes(w))
    assert w.core.state.risk.memory.began_mono_ns == w.now
    assert w.core.state.risk.memory.measured.loop_lag_ms is None


def test_the_time_between_two_starts_is_nobodys_age() -> None:
    w = world()
    w.wait(1.0)
    w.step(desk.LimitSignal(scope="F", signal="x", multiplier_bp=5_000))
    w.step(desk.LimitSignal(scope="F", signal="x", multiplier_bp=10_000))
    age = w.core.state.risk.memory.lease.age_ns
    w.now += 10**15
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))
    w.step(ev.Timer())

    assert w.core.state.risk.memory.lease.age_ns == age
    assert w.core.state.risk.memory.multipliers.by_signal() == {"F x": 5_000}


def test_reduce_only_after_a_start_is_over_once() -> None:
    w = world(law=limits(start={"reduce_only_ms": 1_000}))
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))
    memory = w.core.state.risk.memory
    assert memory.reduce_until_ns == w.now + SECOND
    w.wait(1.0)
    assert memory.reduce_until_ns == 0
    w.core.state.posture.raise_("R72", "again", w.now)
    w.wait(1.0)

    assert "R72" in causes(w)


def test_a_peak_survives_a_start_and_other_limits() -> None:
    w = held()
    w.price(ASK + 5_000, ASK + 5_200)
    w.wait(0.1)
    peak = w.core.state.risk.memory.peak_micros
    assert peak == 1_000 * 5_000 * 100
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))
    risk = w.core.state.risk

    assert (risk.firm.peak_micros, risk.execution_micros) == (peak, peak)
    assert risk.memory.tally.velocity.window_ns == risk.limits.fills.window_ms * MICROS


def test_refusals_and_results_of_every_scope_survive_a_start() -> None:
    law = own("strategy", loss={"execution_max_ccy": 10_000})
    w = World(law, positions=(("PAPER", SYN, 300),))
    w.open()
    assert w.parent(qty=10_000)["ok"]
    w.fill(w.working(1_000, ASK), 1_000, ASK)
    w.price(ASK + 5_000, ASK + 5_200)
    ask(w, BUY, 10**9)
    w.wait(0.1)

    def facts() -> Any:
        risk = w.core.state.risk
        return dict(risk.refusals), risk.inventory_micros, risk.scopes.own["T/twap"].execution_micros

    before = facts()
    assert before[0]["R03"] == 1
    assert before[1:] == (300 * 5_200 * 100, 1_000 * 5_000 * 100)
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))

    assert facts() == before


def test_other_limits_give_the_window_of_fills_its_length() -> None:
    w = world()
    law = limits(fills={"window_ms": 77})
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2, "limits": law.model_dump_json()}))

    assert w.core.state.risk.firm.tally.velocity.window_ns == 77 * MICROS


# --- what the EMS says ----------------------------------------------------------------------------


def test_a_storm_of_refused_changes_halts() -> None:
    w = world(law=limits(rejects={"count_max": 2}))
    for n in range(2):
        chain = w.working(10 + n)
        w.cancel(chain)
        w.step(
            ev.OrderCancelReject(
                cl_ord_id=w.core.state.chains[chain].cancel_id,
                orig_cl_ord_id=chain,
                ord_status=OrdStatus.NEW,
                response_to="1",
            )
        )

    assert "R26" in causes(w)


@pytest.mark.parametrize(
    ("share_of", "noes", "halted"), [(0, 1, True), (1, 1, True), (2, 1, False), (2, 2, True)]
)
def test_a_share_of_the_last_orders_is_of_one_order_at_least(share_of: int, noes: int, halted: bool) -> None:
    w = world(law=limits(rejects={"share_of": share_of, "share_bp": 10_000, "count_max": 10**6}))
    for n in range(noes):
        order = w.intent(10 + n, BID)
        w.report(order.cl_ord_id, ExecType.REJECTED, OrdStatus.REJECTED)

    assert ("R26" in causes(w)) is halted


def test_a_fill_counts_in_each_scope_and_of_shorts_the_locate_is_used() -> None:
    law = own("account", fills={"shares_max": 5})
    w = world(law=law)
    w.fill(w.working(5), 5, BID)
    assert causes(w)[0] == "R25@A/PAPER"
    w = World(limits(shorts={"permitted": True, "locate_required": False}))
    w.open()
    for side, used in ((Side.SELL_SHORT, 7), (Side.SELL_SHORT_EXEMPT, 14)):
        name = f"P{used}"
        assert w.parent(side=side, pid=name)["ok"]
        w.fill(w.working(7, ASK, side=side, pid=name), 7, ASK)
        assert w.core.state.risk.memory.shorted == {"PAPER SYN": used}
    assert w.core.posture is Posture.ACTIVE


def test_repeats_say_within_how_long() -> None:
    w = world(law=limits(repeats={"starts_max": 1, "window_ms": 60_000}))

    assert " in 60 s, " in next(text for key, text in w.core.state.posture.causes.items() if key[:3] == "R23")
