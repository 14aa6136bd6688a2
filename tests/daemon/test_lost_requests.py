"""Requests that the counterparty's engine never had: they are asked about at once, and never sent again."""

from pathlib import Path
from typing import Any

import pytest

from daemon.gate.effects import AskMassStatus, AskStatus, SendMassCancel, SendOrder
from market import events as ev
from market.types import ExecType, OrdStatus
from tests.daemon.gate_harness import BID, World, cancels
from tests.daemon.gate_process import GateProcess

LOST = ev.MessagesUnsent(begin=8, end=0)


def world() -> World:
    w = World()
    w.open()
    assert w.parent(qty=300)["ok"]
    return w


def asked(effects: list[Any]) -> list[str]:
    return [e.request.cl_ord_id for e in effects if isinstance(e, AskStatus)]


def test_what_waits_for_an_answer_is_asked_for_and_what_rests_is_not() -> None:
    w = world()
    resting = w.working(100)
    order = w.intent(100, BID)

    effects = w.step(LOST)

    assert asked(effects) == [order.cl_ord_id]
    assert resting not in asked(effects)
    assert not any(isinstance(e, SendOrder) for e in effects), "nothing is sent again"
    assert w.core.posture.name == "ACTIVE"


def test_a_reconciliation_whose_questions_were_lost_asks_them_again() -> None:
    w = world()
    chain = w.working(100)
    w.step(ev.SessionDown(session="order", reason="broken"))
    w.step(ev.SessionUp(session="order"))
    first = w.core.state.session.mass_status_id

    effects = w.step(LOST)

    assert [type(e) for e in effects if isinstance(e, AskMassStatus)] == [AskMassStatus]
    assert w.core.state.session.mass_status_id != first
    assert asked(effects) == [chain]
    w.step(w.mass_status_empty())
    w.report(chain, ExecType.ORDER_STATUS, OrdStatus.NEW, exec_id="0", order_qty=100)
    assert w.core.state.session.trading


def test_nothing_trades_while_messages_that_were_asked_for_again_are_missing() -> None:
    """A mass status that nobody answers is no answer where the answers wait behind a gap."""
    w = world()
    w.step(ev.SessionDown(session="order", reason="broken"))
    w.step(ev.MessagesMissing(begin=3))
    w.step(ev.SessionUp(session="order"))
    w.wait(30)
    assert not w.core.state.session.trading

    w.step(ev.MessagesMissing(begin=0))
    assert not w.core.state.session.trading, "now they may answer"
    w.step(w.mass_status_empty())
    w.wait(1)
    assert w.core.state.session.trading


def test_a_line_that_breaks_leaves_nothing_missing() -> None:
    w = world()
    w.step(ev.MessagesMissing(begin=3))
    assert w.core.state.session.trading, "a gap of a moment stops nothing"
    w.step(ev.SessionDown(session="order", reason="messages from 3 on were asked for and not sent again"))
    w.step(ev.SessionUp(session="order"))
    w.step(w.mass_status_empty())
    w.wait(1)

    assert w.core.state.session.trading


def test_a_kill_whose_cancels_were_lost_cancels_again() -> None:
    w = world()
    chain = w.working(100)
    first = cancels(w.step(ev.Kill(source="cli")))
    assert [c.orig_cl_ord_id for c in first] == [chain]

    effects = w.step(LOST)

    assert any(isinstance(e, SendMassCancel) for e in effects)
    assert asked(effects) == [chain]
    w.wait(1.0)
    again = cancels(w.report(chain, ExecType.ORDER_STATUS, OrdStatus.NEW, exec_id="0", order_qty=100))
    assert [c.orig_cl_ord_id for c in again] == [chain]


def test_nothing_is_asked_while_nobody_is_logged_on() -> None:
    w = world()
    w.intent(100, BID)
    w.step(ev.SessionDown(session="order", reason="broken"))

    assert asked(w.step(LOST)) == []


def test_a_fill_to_the_new_quantity_before_the_replace_is_acknowledged_is_no_overfill() -> None:
    w = world()
    chain = w.working(100)
    new = w.replace(chain, 140, BID).cl_ord_id
    w.report(
        new,
        ExecType.TRADE,
        OrdStatus.FILLED,
        order_qty=140,
        last_qty=140,
        last_price_e4=BID,
        cum_qty=140,
    )

    assert w.core.state.breaks == []
    assert w.core.state.chains[chain].status is OrdStatus.FILLED
    w.report(new, ExecType.REPLACED, OrdStatus.FILLED, orig_cl_ord_id=chain, order_qty=140, cum_qty=140)
    assert w.core.state.breaks == []
    assert w.core.posture.name == "ACTIVE"


def test_a_replace_that_never_arrived_is_no_break_where_the_order_ended_without_it() -> None:
    w = world()
    chain = w.working(100)
    new = w.replace(chain, 140, BID).cl_ord_id
    w.fill(chain, 100, BID)
    w.wait(6)
    w.report(chain, ExecType.ORDER_STATUS, OrdStatus.FILLED, exec_id="0", order_qty=100, cum_qty=100)
    w.report(new, ExecType.ORDER_STATUS, OrdStatus.REJECTED, exec_id="0", order_id="")

    assert w.core.state.breaks == []
    assert not w.core.state.chains[chain].live


@pytest.mark.slow
def test_prices_are_subscribed_again_where_the_subscription_was_skipped_with_what_was_lost(
    tmp_path: Path,
) -> None:
    """The source asks again for what it lacks when it has our logon; the answer skips what followed it."""
    gate = GateProcess(tmp_path)
    try:
        gate.start()
        gate.log_on()
        first = gate.prices.expect("V")
        gate.prices.expect("e")
        gate.prices.send("2", (7, "1"), (16, "0"))

        filled = gate.prices.expect("4")
        assert int(filled.get(36)) > int(first.get(34)), "as if it had never been sent"
        assert gate.prices.expect("V").get(263) == b"2", "should the first have come after all"
        gate.prices.expect("e")
        assert gate.prices.expect("V").get(262) == b"MD-2"
        gate.price()
        gate.until("a price", lambda s: "SYN" in s["reference"])
    finally:
        gate.close()
