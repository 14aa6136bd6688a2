"""Each thing that happens is counted once, and what a scrape sees is what the gate holds."""

from pathlib import Path

import pytest

from daemon.metrics.server import read_block
from market import events as ev
from market.desk_events import LeaseRenewed
from market.types import ExecType, OrdStatus, Side
from risk import commands as co
from tests.daemon.gate_harness import ASK, BID, LIMITS, World, limits
from tests.daemon.people import sign
from tests.daemon.test_gate_metrics import CountedWorld


def fresh() -> World:
    w = World(limits())
    w.open()
    w.parent()
    return w


def count(w: World, name: str) -> int:
    return w.core.state.counters[name]


def test_an_order_its_replace_and_its_cancel_count_once() -> None:
    w = fresh()

    chain = w.working()
    w.replace(chain, 120, BID)
    w.report(chain, ExecType.CANCELED, OrdStatus.CANCELED)
    other = w.working()
    w.cancel(other)

    assert (count(w, "orders"), count(w, "replaces"), count(w, "cancels")) == (2, 1, 1)
    assert w.ask_parent().progress.children == 2


def test_what_is_refused_counts_once_by_who_refused() -> None:
    w = fresh()

    w.step(ev.SubmitIntent(epoch=3, n=1, parent_id="P1", side=Side.BUY, qty=1, price_e4=BID))  # type: ignore[arg-type]
    assert (count(w, "intents_of_old_epochs"), count(w, "refused_by_gate")) == (1, 1)
    order = w.intent(100, BID)
    w.step(ev.MessageRejected(ref_msg_type="D", ref_id=order.cl_ord_id, reason="5", text="no"))
    assert count(w, "ems_rejects") == 1


def test_logons_are_counted_and_a_line_that_fell_is_down() -> None:
    w = fresh()
    w.step(ev.SessionDown(session="order", reason="fell"))
    session = w.core.state.session
    assert (session.up, session.trading, session.logons) == (False, False, 1)

    w.step(ev.SessionUp(session="order"))

    assert (session.up, session.logons) == (True, 2)


def test_the_second_person_is_told_how_many_seconds_to_wait() -> None:
    w = World(limits(order={"qty_max": 100}))
    w.open()
    law = w.core.state.risk.limits
    tree = law.model_dump()
    tree["order"]["qty_max"] = 200
    looser = type(LIMITS).model_validate(tree | {"version": law.version + 1}).model_dump_json()

    asked = sign(w, "alice", co.LimitsApply(limits=looser, reason="larger orders"))

    assert asked["confirm_after_s"] == co.CONFIRM_AFTER_NS // 10**9 == 10


def test_limits_that_change_count_once() -> None:
    w = fresh()
    tree = w.core.state.risk.limits.model_dump()
    tree["order"]["qty_max"] = 10
    law = type(LIMITS).model_validate(tree | {"version": LIMITS.version + 1})

    assert sign(w, "alice", co.LimitsApply(limits=law.model_dump_json(), reason="a calm day"))["applied"]

    assert count(w, "limits_changed") == 1


def test_checks_are_counted_once_however_often_one_looks(tmp_path: Path) -> None:
    w = CountedWorld(tmp_path)
    w.open()
    w.parent()
    began = w.seen("steadyhand_risk_checks_total")

    w.working(10)
    assert w.seen("steadyhand_risk_checks_total") == w.seen("steadyhand_risk_checks_total") == began + 1
    w.working(11)
    assert w.seen("steadyhand_risk_checks_total") == began + 2


def test_money_is_told_in_the_currency_and_not_in_parts_of_it(tmp_path: Path) -> None:
    w = CountedWorld(tmp_path)
    w.open()
    w.parent(qty=100)
    chain = w.working(100, ASK)
    w.fill(chain, 100, ASK, symbol="SYN", side=Side.BUY)
    w.parent(pid="P2", side=Side.SELL)
    chain = w.working(40, BID, side=Side.SELL, pid="P2")
    w.fill(chain, 40, BID, symbol="SYN", side=Side.SELL)
    w.wait(1.0)

    ledger = w.core.state.ledger
    realised = sum(b.realised_e4 for b in ledger.books.values()) / 10_000
    assert realised == -40 * (ASK - BID) / 10_000
    assert w.seen("steadyhand_pnl", kind="realized") == pytest.approx(realised)
    assert w.seen("steadyhand_fill_notional_total") == pytest.approx((100 * ASK + 40 * BID) / 10_000)


def test_the_lease_that_is_left_and_the_lowest_multiplier_are_told(tmp_path: Path) -> None:
    w = CountedWorld(tmp_path)
    w.open()
    w.step(LeaseRenewed(person="alice"))
    w.wait(10.0)

    whole_s = w.core.state.risk.limits.lease.kill_after_ms / 1_000
    assert w.seen("steadyhand_risk_lease_remaining_seconds") == pytest.approx(whole_s - 10.0, abs=1e-3)
    assert w.seen("steadyhand_risk_dynamic_multiplier_ratio") == 1


def test_a_cancel_is_an_event_of_its_own(tmp_path: Path) -> None:
    w = CountedWorld(tmp_path)
    w.open()
    w.parent()
    told = w.seen("steadyhand_link_frames_total", direction="out")
    chain = w.working()
    assert w.seen("steadyhand_link_frames_total", direction="out") > told

    w.cancel(chain)

    assert w.seen("steadyhand_order_events_total", event="cancel") == 1


def test_a_gate_that_ends_in_order_takes_its_counters_away(tmp_path: Path) -> None:
    w = CountedWorld(tmp_path)
    w.open()
    assert read_block(w.block) is not None

    w.metrics.close()

    assert not w.block.exists()


def test_a_restart_uses_up_the_block_of_messages_that_was_begun_and_new_limits_do_not() -> None:
    w = fresh()
    w.working()
    messages = w.core.state.risk.firm.tally.messages
    assert (messages.used, messages.reserved) == (1, 100)

    tree = w.core.state.risk.limits.model_dump() | {"version": LIMITS.version + 1}
    tree["order"]["qty_max"] = 1_000
    law = type(LIMITS).model_validate(tree).model_dump_json()
    assert sign(w, "alice", co.LimitsApply(limits=law, reason="a calm day"))["applied"]
    assert w.core.state.risk.firm.tally.messages.used == 1

    w.step(ev.GateStarted(**(w.start_fields | {"epoch": 2, "limits": law})))
    assert w.core.state.risk.firm.tally.messages.used == 100


def test_a_mass_cancel_is_a_message_of_the_day() -> None:
    w = fresh()
    w.working()
    messages = w.core.state.risk.firm.tally.messages
    before = messages.used

    w.step(ev.Kill(source="test"))

    assert messages.used == before + 2, "35=q, and the cancel of the one order beside it"
