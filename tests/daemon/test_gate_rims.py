"""Rims of the gate, a case each: what a fresh draw of small faults got past every other test."""

from typing import Any

import pytest

from daemon.gate import chains, drop_copy, positions, reports, why
from daemon.gate.drop_copy_state import Said
from daemon.gate.effects import AskPositions, AskStatus, Note, SendDontKnow
from daemon.gate.oms_state import NO_ANSWER
from daemon.gate.positions_state import Question
from market import events as ev
from market.copy_events import DropCopyLine
from market.types import ExecID, ExecType, OrdStatus, ParentStatus, Side
from tests.daemon.gate_harness import BID, SYN, World, cancels, limits
from tests.daemon.test_gate_day import begin, to_next_morning
from tests.daemon.test_gate_drop_copy import opened
from tests.daemon.test_gate_positions import logged_on, tell
from tests.risk.test_levels import own


def working(**more: Any) -> tuple[World, str]:
    w = World(**more)
    w.open()
    w.parent()
    return w, w.working()


def now(w: World) -> ev.Stamp:
    return ev.Stamp(w.ts, w.now)


# --- what is asked of the EMS ---------------------------------------------------------------------


def test_an_order_is_asked_for_by_the_brokers_name_as_well_once_it_has_one() -> None:
    w, chain_id = working()
    new = w.intent(100, BID)
    g = w.core.state

    chains.ask_status(g, g.chains[chain_id])  # type: ignore[index]
    chains.ask_status(g, g.chains[new.cl_ord_id])

    asked = [e.request.order_id for e in g.effects if isinstance(e, AskStatus)]
    assert asked == [f"O-{chain_id}", None]


def test_positions_are_asked_for_again_only_while_an_answer_is_due() -> None:
    due, told, never = logged_on(), logged_on(), World()
    tell(told, ("TOT", 500))
    never.open()

    for w in (due, told, never):
        positions.lost(w.core.state, now(w))

    asked = [[e for e in w.core.state.effects if isinstance(e, AskPositions)] for w in (due, told, never)]
    assert [len(found) for found in asked] == [1, 0, 0]


def test_an_answer_about_positions_is_whole_when_its_count_is_known_and_there() -> None:
    question = Question(account="PAPER")
    question.told = {"SYN": (True, 500)}
    assert not question.answered
    question.total = 1
    assert question.answered


def test_no_answer_is_no_report_of_any_number() -> None:
    assert NO_ANSWER < 0


# --- a day ----------------------------------------------------------------------------------------


def test_a_new_day_begins_every_scopes_own_sums_anew() -> None:
    w = World(own("strategy", day={"shares_max": 5_000}), positions=(("PAPER", "SYN", 100),))
    w.open()
    w.parent()
    w.fill(w.working(200), 200, BID)
    scopes = list(w.core.state.risk.scopes)
    assert len(scopes) > 1
    assert all(scope.ledger.paid_e4 for scope in scopes)
    to_next_morning(w)

    assert begin(w)["ok"]

    for scope in w.core.state.risk.scopes:
        assert scope.ledger.paid_e4 == 0, scope.name
        assert all(not book.exec_qty for book in scope.ledger.books.values()), scope.name


# --- reports --------------------------------------------------------------------------------------


def test_the_first_no_of_the_ems_counts_and_its_repetition_does_not() -> None:
    w, _ = working()
    order = w.intent(100, BID)
    told: list[bool] = []
    w.core.state.risk.answered = lambda refused, _: told.append(refused)  # type: ignore[method-assign,assignment]

    no: dict[str, Any] = {"exec_id": "E-NO", "order_id": ""}
    w.report(order.cl_ord_id, ExecType.REJECTED, OrdStatus.REJECTED, **no)
    w.report(order.cl_ord_id, ExecType.REJECTED, OrdStatus.REJECTED, **no)

    assert told == [True]


def test_orders_that_a_cut_line_lost_are_no_storm_of_rejects() -> None:
    w = World(limits(rejects={"count_max": 2}))
    w.open()
    w.parent()
    for n in range(5):
        order = w.intent(100, BID - n * 100)
        lost: dict[str, Any] = {"exec_id": "0", "order_id": "NONE", "text": "unknown order"}
        w.report(order.cl_ord_id, ExecType.ORDER_STATUS, OrdStatus.REJECTED, **lost)
        w.wait(0.1)

    assert "R26" not in w.core.state.posture.causes
    assert w.core.state.counters["ems_rejects"] == 0
    for n in range(2):
        order = w.intent(100, BID - 1_000 - n * 100)
        w.report(order.cl_ord_id, ExecType.REJECTED, OrdStatus.REJECTED, order_id="")
    assert "R26" in w.core.state.posture.causes


@pytest.mark.parametrize("shares", [1, 2])
def test_one_share_that_is_busted_makes_a_filled_parent_unfilled(shares: int) -> None:
    w = World()
    w.open()
    w.parent(qty=100)
    chain = w.working(100)
    w.fill(chain, 100 - shares, BID)
    w.fill(chain, shares, BID, exec_id="E-LAST")
    assert w.ask_parent().progress.status is ParentStatus.FILLED

    bust: dict[str, Any] = {"exec_ref_id": "E-LAST", "cum_qty": 100 - shares, "leaves_qty": 0}
    w.report(chain, ExecType.TRADE_CANCEL, OrdStatus.CANCELED, **bust)

    assert w.ask_parent().progress.status is not ParentStatus.FILLED
    assert w.ask_parent().progress.remaining == shares


def test_an_order_that_a_bust_brings_back_to_life_is_pulled_where_its_parent_rests() -> None:
    w, chain = working()
    w.fill(chain, 100, BID, exec_id="E-LAST")
    w.step(ev.PauseParent(request_id=2, parent_id=w.ask_parent().order.parent_id))

    bust: dict[str, Any] = {"exec_ref_id": "E-LAST", "cum_qty": 0, "leaves_qty": 100}
    effects = w.report(chain, ExecType.TRADE_CANCEL, OrdStatus.NEW, **bust)

    assert [c.orig_cl_ord_id for c in cancels(effects)] == [chain]


def test_a_broker_hears_of_so_many_executions_that_are_not_ours_and_no_more() -> None:
    w = World()
    w.open()
    g = w.core.state
    g.dont_known = dict.fromkeys(ExecID(f"E-{n}") for n in range(reports.DONT_KNOW_MAX - 1))

    for name in ("E-LAST", "E-ONE-TOO-MANY"):
        w.report("SH1-99", ExecType.TRADE, OrdStatus.FILLED, exec_id=name, symbol=SYN, last_qty=1)

    assert [e.order.exec_id for e in w.sent_of(SendDontKnow)] == ["E-LAST"]


def test_anothers_order_that_ended_leaves_room_for_the_next() -> None:
    w = World(external_orders="adopt", retire_after_ms=0)
    w.open()
    told: dict[str, Any] = {"symbol": SYN, "order_qty": 300, "price_e4": BID}
    w.report("DESK-1", ExecType.NEW, OrdStatus.NEW, leaves_qty=300, **told)
    assert list(w.core.state.external) == ["DESK-1"]

    w.report("DESK-1", ExecType.CANCELED, OrdStatus.CANCELED, leaves_qty=0, **told)
    w.wait(0.1)

    assert list(w.core.state.external) == []


@pytest.mark.parametrize("qty", [0, -1, None])
def test_an_order_of_no_quantity_is_not_counted(qty: int | None) -> None:
    w = World(external_orders="adopt")
    w.open()

    w.report("DESK-1", ExecType.NEW, OrdStatus.NEW, symbol=SYN, order_qty=qty, price_e4=BID)

    assert "OrderQty is not told" in w.core.state.breaks[0]


def test_r32_pauses_a_parent_once_and_a_person_who_resumes_it_is_heard() -> None:
    w = World(limits(slippage={"pause_bps": 1, "halt_bps": 1_000, "after_bp": 0}))
    w.open()
    w.parent()
    w.fill(w.working(100, BID + 1_000), 100, BID + 1_000)
    w.wait(0.1)
    assert w.ask_parent().progress.status is ParentStatus.PAUSED

    w.step(ev.ResumeParent(request_id=3, parent_id=w.ask_parent().order.parent_id))
    w.fill(w.working(100, BID + 1_000), 100, BID + 1_000)
    w.wait(0.1)

    assert w.ask_parent().progress.status is ParentStatus.WORKING


# --- the drop copy --------------------------------------------------------------------------------


def test_a_line_that_comes_or_goes_or_says_why_is_noted_and_the_same_again_is_not() -> None:
    w = opened()

    def noted(**line: Any) -> int:
        return sum(isinstance(e, Note) and e.event == "drop copy" for e in w.step(DropCopyLine(**line)))

    assert noted(up=False, reason="cut") == 1
    assert noted(up=False, reason="cut") == 0
    assert noted(up=False, reason="refused") == 1
    assert noted(up=True, reason="refused") == 1


def test_an_execution_without_the_brokers_name_is_not_that_of_an_order_that_has_none_yet() -> None:
    w = opened()
    w.intent(100, BID)  # its OrderID is not known

    said = Said(ExecType.TRADE, "", "OTHER-1", SYN, Side.BUY, 40, BID, 0)  # type: ignore[arg-type]

    assert not drop_copy._is_ours(w.core.state, said)


# --- time -----------------------------------------------------------------------------------------


def test_a_core_that_missed_its_time_is_woken_after_now_not_at_it() -> None:
    w = World(lockstep=True)
    w.open()
    w.parent(start_ns=w.ts + 5)
    at = w.core.state.next_parent_ns

    assert w.core.next_wake_ns(ev.Stamp(at - 1, w.now)) == at
    assert w.core.next_wake_ns(ev.Stamp(at, w.now)) == at + 1
    assert w.core.next_wake_ns(ev.Stamp(at + 9, w.now)) == at + 10


def test_an_answer_that_is_due_wakes_a_core_in_lockstep_to_the_nanosecond() -> None:
    w, _ = working(lockstep=True)
    order = w.intent(100, BID)
    asked = w.core.state.chains[order.cl_ord_id].asked_mono_ns
    age_ns = w.core.state.risk.limits.sessions.ack_age_max_ms * 1_000_000

    assert w.core.next_wake_ns(ev.Stamp(0, w.now)) == asked + age_ns


def test_a_frame_of_a_trader_ends_its_silence() -> None:
    w, _ = working()
    trader = w.core.state.traders[w.epoch]
    trader.silent_ns = 77

    w.intent(100, BID)

    assert trader.silent_ns == 0


def test_a_start_in_lockstep_knows_no_clock_of_before() -> None:
    w = World(lockstep=True)
    w.step(ev.ClockAnchor(anchor_ts_ns=w.ts, anchor_mono_ns=w.now, speed=2.0))
    assert w.core.state.anchor is not None

    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))

    assert w.core.state.anchor is None


# --- why ------------------------------------------------------------------------------------------


def test_a_symbol_is_not_kept_from_trading_by_what_stops_one_side_alone() -> None:
    w = World(limits(exposure={"long_max": 100}))
    w.open()
    w.parent()
    w.fill(w.working(100), 100, BID)
    g = w.core.state

    of_one = why.of_limits(g, now(w), w.ask_parent(), SYN, "twap")
    of_both = why.of_limits(g, now(w), None, SYN, "twap")

    assert "R10" in {b.control for b in of_one}
    assert "R10" not in {b.control for b in of_both}
