"""Orders of the account that are not ours: noted, counted, or reason to stop, as configured."""

from typing import Any

import pytest

from daemon.gate.effects import SendCancel, Tell
from daemon.gate.state_codec import decode, encode
from market import events as ev
from market.types import ExecType, OrdStatus, Side
from market.updates import OrderUpdate
from risk.posture import Posture
from tests.daemon.gate_harness import BID, SYN, World, limits


def world(how: str) -> World:
    w = World(external_orders=how)
    w.open()
    w.parent()
    return w


def told(w: World, **more: Any) -> list[Any]:
    fields: dict[str, Any] = {
        "symbol": SYN, "order_qty": 300, "leaves_qty": 300, "price_e4": BID, "side": Side.BUY,
    } | more  # fmt: skip
    return w.report("DESK-1", more.pop("exec_type", ExecType.NEW), OrdStatus.NEW, **fields)


def filled(w: World, qty: int, cum: int, **more: Any) -> None:
    w.report(
        "DESK-1", ExecType.TRADE, OrdStatus.PARTIALLY_FILLED, symbol=SYN, order_qty=300, price_e4=BID,
        last_qty=qty, last_price_e4=BID, cum_qty=cum, leaves_qty=300 - cum, **more,
    )  # fmt: skip


def test_noted_it_changes_nothing() -> None:
    w = world("note")
    before = w.core.state.ledger.open_orders

    told(w)
    filled(w, 100, 100)

    assert (w.core.state.ledger.open_orders, w.core.state.ledger.positions) == (before, {})
    assert w.core.posture is Posture.ACTIVE


def test_halted_it_waits_for_a_person() -> None:
    w = world("halt")

    told(w)

    assert w.core.posture is Posture.HALTED
    assert "another's order: DESK-1" in w.core.state.breaks[0]


def test_adopted_it_counts_at_its_worst_and_its_fills_are_booked() -> None:
    w = world("adopt")
    told(w)
    book = w.core.state.ledger.books[SYN]
    assert (book.buy_leaves, w.core.open_orders, w.core.state.own_orders) == (300, 1, 0)

    filled(w, 100, 100)

    assert w.core.state.ledger.positions == {"PAPER SYN": 100}
    assert (book.exec_qty, book.buy_leaves) == (100, 200)
    assert w.core.posture is Posture.ACTIVE
    w.report("DESK-1", ExecType.CANCELED, OrdStatus.CANCELED, symbol=SYN, cum_qty=100, order_qty=300)
    assert w.core.open_orders == 0


def test_adopted_in_the_middle_only_what_it_trades_from_now_on_is_booked() -> None:
    w = world("adopt")

    filled(w, 50, 250)

    assert w.core.state.ledger.positions == {"PAPER SYN": 50}
    assert w.core.state.breaks == []


def test_adopted_by_an_answer_to_the_mass_status() -> None:
    w = World(external_orders="adopt")
    w.step(ev.SessionUp(session="reference"))
    w.step(ev.SessionUp(session="order"))
    req = w.core.state.session.mass_status_id
    w.report(
        "DESK-1", ExecType.ORDER_STATUS, OrdStatus.PARTIALLY_FILLED, exec_id="0", symbol=SYN, order_qty=300,
        cum_qty=100, leaves_qty=200, price_e4=BID, mass_status_req_id=req, total_reports=1, last_report=True,
    )  # fmt: skip

    assert w.core.state.session.trading
    assert w.core.state.ledger.books[SYN].buy_leaves == 200
    assert w.core.state.ledger.positions == {}


def test_adopted_it_is_never_cancelled_from_here_nor_told_to_a_trader() -> None:
    w = world("adopt")
    told(w)
    ours = w.working()

    w.hello(8, symbols=(SYN,))
    w.step(ev.Shutdown())
    w.wait(1.0)

    names = {e.order.orig_cl_ord_id for e in w.sent_of(SendCancel)}
    assert names == {ours}
    updates = [e.update for e in w.sent_of(Tell) if isinstance(e.update, OrderUpdate)]
    assert "DESK-1" not in {u.order.chain_id for u in updates}


@pytest.mark.parametrize("fields", [{"symbol": "ODD"}, {"order_qty": None}, {"order_qty": 0}])
def test_what_cannot_be_counted_halts(fields: dict[str, Any]) -> None:
    w = world("adopt")

    told(w, **fields)

    assert w.core.posture is Posture.HALTED
    assert "cannot be counted" in w.core.state.breaks[0]


def test_adopted_it_outlives_a_snapshot() -> None:
    w = world("adopt")
    told(w)

    again = decode(encode(w.core))

    assert list(again.state.external) == ["DESK-1"]
    assert again.state.chains["DESK-1"] is again.state.ledger.books[SYN].buys["DESK-1"]


def test_adopted_it_counts_for_the_account_that_it_is_of() -> None:
    law = limits(allowed={"accounts": ["PAPER", "OTHER"]})
    w = World(law, external_orders="adopt")
    w.open()
    w.parent()

    told(w, account="OTHER")
    filled(w, 100, 100, account="OTHER")
    filled(w, 50, 150)

    assert w.core.state.ledger.positions == {"OTHER SYN": 150}
    assert w.core.posture is Posture.ACTIVE


@pytest.mark.parametrize("accounts", [["*"], ["PAPER"]])
def test_one_of_an_account_that_is_not_ours_is_not_counted_for_ours(accounts: list[str]) -> None:
    w = World(limits(allowed={"accounts": accounts}), external_orders="adopt")
    w.open()

    told(w, account="STRANGE")

    assert "account STRANGE is none of this gate's" in w.core.state.breaks[0]
    assert w.core.state.external == {}
    assert w.core.posture is Posture.HALTED
