"""Where the EMS and the gate see an order differently: the worse of the two counts, and a person looks."""

from typing import Any

import pytest

from daemon.gate.effects import AskStatus, Reply
from market import events as ev
from market.types import ExecType, OrdStatus, ParentStatus, Side
from tests.daemon.gate_harness import BID, World, cancels, limits
from tests.daemon.people import lift, rearm


def world(qty: int = 300, **more: Any) -> World:
    w = World(**more)
    w.open()
    assert w.parent(qty=qty)["ok"]
    return w


def reply(effects: Any) -> dict[str, Any]:
    return next(e.body for e in effects if isinstance(e, Reply))


def answer(w: World, cl_ord_id: str, status: OrdStatus = OrdStatus.NEW, **more: Any) -> Any:
    return w.report(cl_ord_id, ExecType.ORDER_STATUS, status, exec_id="0", **more)


def asked(w: World) -> list[str]:
    return [e.request.cl_ord_id for e in w.sent_of(AskStatus)]


def test_a_status_answer_with_the_old_terms_frees_nothing_of_a_replace_in_flight() -> None:
    w = world()
    chain = w.working(200)
    new = w.replace(chain, 300, BID).cl_ord_id
    w.wait(6)
    assert asked(w) == [chain, new]
    answer(w, chain, order_qty=200)

    assert "R14" in w.intent(100, BID).controls
    w.report(new, ExecType.REPLACED, OrdStatus.NEW, orig_cl_ord_id=chain, order_qty=300)
    assert w.ask_parent().progress.committed_qty == 300
    assert not w.core.state.breaks
    assert cancels(w.cancel(chain))[0].orig_cl_ord_id == new


@pytest.mark.parametrize("by", ["H", "j"])
def test_a_replace_that_never_arrived_is_given_up_once_the_ems_does_not_know_it(by: str) -> None:
    w = world()
    chain = w.working(200)
    new = w.replace(chain, 300, BID).cl_ord_id
    w.wait(6)
    answer(w, chain, order_qty=200)
    if by == "H":
        answer(w, new, OrdStatus.REJECTED, order_id="")
    else:
        w.step(ev.MessageRejected(ref_msg_type="H", ref_id=new, text="unknown order"))
    w.wait(0.1)

    assert w.core.state.chains[chain].status is OrdStatus.NEW
    assert w.core.posture.name == "ACTIVE"
    assert w.intent(100, BID).qty == 100


def test_a_replace_that_was_given_up_and_goes_through_is_a_break_where_its_parent_is_too_small() -> None:
    w = world()
    chain = w.working(200)
    new = w.replace(chain, 300, BID).cl_ord_id
    w.wait(6)
    answer(w, chain, order_qty=200)
    answer(w, new, OrdStatus.REJECTED, order_id="")
    w.wait(0.1)
    other = w.working(100)
    effects = w.report(new, ExecType.REPLACED, OrdStatus.NEW, orig_cl_ord_id=chain, order_qty=300)

    assert "400 of 300" in w.core.state.breaks[0]
    assert w.core.posture.name == "HALTED"
    assert sorted(c.orig_cl_ord_id for c in cancels(effects)) == sorted([new, other])


@pytest.mark.parametrize("by", ["person", "trader"])
def test_a_cancel_that_never_arrived_is_sent_again_when_the_order_is_seen_to_stand(by: str) -> None:
    w = world()
    chain = w.working(200)
    sent = w.step(ev.CancelParent(request_id=2, parent_id="P1")) if by == "person" else w.cancel(chain)
    first = cancels(sent)[-1]
    assert cancels(w.wait(6)) == []
    effects = answer(w, chain, order_qty=200)

    (again,) = cancels(effects)
    assert again.orig_cl_ord_id == chain
    assert again.cl_ord_id != first.cl_ord_id
    assert cancels(answer(w, chain, order_qty=200)) == []  # not in the same second
    w.report(first.cl_ord_id, ExecType.CANCELED, OrdStatus.CANCELED, orig_cl_ord_id=chain)
    assert not w.core.state.chains[chain].live


def test_a_kill_that_a_crash_cut_off_cancels_again_after_the_restart() -> None:
    w = world()
    chain = w.working(200)
    w.step(ev.Kill(source="cli"))
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))
    w.step(ev.SessionUp(session="order"))
    w.step(w.mass_status_empty())

    assert [c.orig_cl_ord_id for c in cancels(answer(w, chain, order_qty=200))] == [chain]


def test_a_refused_status_request_is_not_answered_by_another() -> None:
    w = world()
    w.intent(100, BID)
    w.step(ev.MessageRejected(ref_msg_type="H", ref_id="5", session_level=True))

    assert asked(w) == []


# --- shares that one side lacks ----------------------------------------------------------------


def test_rearm_is_refused_while_the_ems_has_shares_that_are_not_booked() -> None:
    w = world()
    chain = w.working(100)
    w.fill(chain, 50, BID)
    answer(w, chain, OrdStatus.FILLED, cum_qty=100)
    body = rearm(w)

    assert not body["ok"]
    assert f"{chain}: the EMS says that 100 shares of SYN traded, 50 are booked" in body["error"]
    assert w.core.posture.name == "HALTED"
    w.fill(chain, 50, BID)  # the EMS sends what was missing
    assert rearm(w)["posture"] != "HALTED"


def test_shares_that_are_stated_but_not_booked_count_against_parent_and_position() -> None:
    w = world(law=limits(exposure={"long_max": 200}))
    chain = w.working(100)
    w.fill(chain, 50, BID)
    w.report(chain, ExecType.CANCELED, OrdStatus.CANCELED, cum_qty=100)
    lift(w.core.state.posture)  # even if trading went on

    assert w.ask_parent().progress.committed_qty == 100
    assert w.intent(101, BID).controls == ("R10",)
    assert w.intent(201, BID).controls == ("R10", "R14")
    assert w.intent(100, BID).qty == 100
    w.report(chain, ExecType.TRADE, OrdStatus.CANCELED, last_qty=50, last_price_e4=BID, cum_qty=100)
    assert w.core.state.ledger.owed == {}
    assert w.ask_parent().progress.committed_qty == 200


# --- busts --------------------------------------------------------------------------------------


def busted(status: OrdStatus, leaves: int) -> tuple[World, str, Any]:
    w = world(qty=100)
    chain = w.working(100)
    w.fill(chain, 100, BID)
    assert w.ask_parent().progress.status is ParentStatus.FILLED
    fill = f"E{w.exec_n}"
    effects = w.report(
        chain, ExecType.TRADE_CANCEL, status, exec_ref_id=fill, cum_qty=0, leaves_qty=leaves, last_qty=100
    )
    return w, chain, effects


def test_a_bust_that_brings_an_order_back_to_life_for_an_ended_parent_cancels_it() -> None:
    w, chain, effects = busted(OrdStatus.NEW, 100)

    assert w.core.state.chains[chain].live
    assert [c.orig_cl_ord_id for c in cancels(effects)] == [chain]
    assert any(getattr(e, "event", "").endswith("a parent that has ended") for e in effects)


def test_a_bust_of_a_filled_parent_leaves_true_progress() -> None:
    w, chain, effects = busted(OrdStatus.CANCELED, 0)

    progress = w.ask_parent().progress
    assert w.core.state.chains[chain].status is OrdStatus.CANCELED
    assert (progress.status, progress.cum_qty, progress.remaining) == (ParentStatus.CANCELED, 0, 100)
    assert "busted" in progress.remainder_reason
    assert cancels(effects) == []
    assert w.core.state.breaks == []


# --- reports that contradict our order ----------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "text"),
    [({"side": Side.SELL}, "a report of a SELL"), ({"symbol": "ABC"}, "a report of ABC")],
)
def test_a_fill_of_another_side_or_symbol_is_a_break_and_is_not_booked(fields: Any, text: str) -> None:
    w = world()
    chain = w.working(100)
    w.fill(chain, 40, BID, **fields)

    assert text in w.core.state.breaks[0]
    assert w.core.posture.name == "HALTED"
    assert w.core.state.ledger.books["SYN"].position == 0
    assert "100 shares" not in rearm(w)["error"]
    assert "40 shares" in rearm(w)["error"]


def test_one_exec_id_on_two_orders_is_a_break_and_is_booked_once() -> None:
    w = world()
    first, second = w.working(100), w.working(100, BID - 100)
    w.fill(first, 40, BID, exec_id="T1")
    w.fill(second, 40, BID, exec_id="T1")

    assert f"T1: this ExecID was an execution of {first}" in w.core.state.breaks[0]
    assert w.core.state.ledger.books["SYN"].position == 40
    assert w.core.posture.name == "HALTED"


def test_a_restatement_beyond_the_parent_is_a_break_and_pulls_the_order() -> None:
    w = world()
    chain = w.working(100)
    effects = w.report(chain, ExecType.RESTATED, OrdStatus.NEW, order_qty=5_000)

    assert "may trade 5000" in w.core.state.breaks[0]
    assert w.core.posture.name == "HALTED"
    assert [c.orig_cl_ord_id for c in cancels(effects)] == [chain]


def test_a_restatement_within_the_parent_is_taken() -> None:
    w = world()
    chain = w.working(100)
    w.report(chain, ExecType.RESTATED, OrdStatus.NEW, order_qty=60)

    assert w.ask_parent().progress.committed_qty == 60
    assert w.core.posture.name == "ACTIVE"


@pytest.mark.parametrize(("qty", "price"), [(-40, BID), (0, BID), (40, 0), (40, -BID)])
def test_an_execution_of_nothing_is_a_break_and_takes_no_shares_back(qty: int, price: int) -> None:
    """The decoder refuses it; the core holds all the same, whoever made the event."""
    w = world()
    chain = w.working(100)
    w.report(
        chain,
        ExecType.TRADE,
        OrdStatus.PARTIALLY_FILLED,
        last_qty=qty,
        last_price_e4=price,
        cum_qty=max(0, qty),
    )

    assert f"LastQty {qty} at {price}" in w.core.state.breaks[0]
    assert w.core.posture.name == "HALTED"
    assert w.core.state.ledger.books["SYN"].position == max(0, qty)


# --- answers that come late --------------------------------------------------------------------


def ended(w: World) -> str:
    """Return an order that traded 40 of 100 and was canceled."""
    chain = w.working(100)
    w.fill(chain, 40, BID)
    first = cancels(w.cancel(chain))[0].cl_ord_id
    w.report(first, ExecType.CANCELED, OrdStatus.CANCELED, orig_cl_ord_id=chain, cum_qty=40)
    return chain


def asked_by(effects: Any) -> list[str]:
    return [e.request.cl_ord_id for e in effects if isinstance(e, AskStatus)]


@pytest.mark.parametrize("cum_qty", [0, 40])
def test_a_copy_of_an_answer_from_before_the_cancel_is_asked_again_and_no_break(cum_qty: int) -> None:
    w = world()
    chain = ended(w)
    for _ in range(2):
        assert asked_by(answer(w, chain, order_qty=100, cum_qty=cum_qty)) == [chain]
    assert asked_by(answer(w, chain, OrdStatus.CANCELED, cum_qty=40)) == []

    assert w.core.state.breaks == []
    assert w.core.posture.name == "ACTIVE"
    assert w.core.state.chains[chain].cum_qty == 40


def test_an_order_that_the_ems_says_works_whenever_it_is_asked_is_a_break() -> None:
    w = world()
    chain = ended(w)
    for _ in range(3):
        assert asked_by(answer(w, chain, order_qty=100, cum_qty=40)) == [chain]
        assert w.core.state.breaks == []
    answer(w, chain, order_qty=100, cum_qty=40)

    assert "NEW at the EMS, CANCELED here" in w.core.state.breaks[0]
    assert w.core.posture.name == "HALTED"


def test_an_old_answer_is_a_break_where_the_ems_cannot_be_asked() -> None:
    w = world()
    chain = ended(w)
    answer(w, chain, order_qty=100, cum_qty=40)
    w.step(ev.SendFailed(msg_type="H", ref_id=chain, reason="not known", unsupported=True))

    assert "at the EMS it works, here it is CANCELED" in w.core.state.breaks[0]


def test_an_answer_with_fewer_shares_than_are_booked_is_asked_again() -> None:
    w = world()
    chain = w.working(100)
    w.fill(chain, 40, BID)

    assert asked_by(answer(w, chain, order_qty=100)) == [chain]
    answer(w, chain, OrdStatus.PARTIALLY_FILLED, order_qty=100, cum_qty=40)
    assert w.core.state.breaks == []
    for _ in range(4):
        answer(w, chain, order_qty=100)
    assert "CumQty 0 at the EMS, 40 booked" in w.core.state.breaks[0]


def test_an_answer_from_before_a_replace_does_not_bring_its_terms_back() -> None:
    w = world()
    chain = w.working(100)
    new = w.replace(chain, 200, BID).cl_ord_id
    w.report(new, ExecType.REPLACED, OrdStatus.NEW, orig_cl_ord_id=chain, order_qty=200)

    assert asked_by(answer(w, chain, order_qty=100)) == [new]
    assert w.core.state.chains[chain].order_qty == 200
    assert w.ask_parent().progress.committed_qty == 200


@pytest.mark.parametrize("status", [OrdStatus.NEW, OrdStatus.CANCELED, OrdStatus.REJECTED])
def test_an_answer_that_is_sent_again_is_none(status: OrdStatus) -> None:
    """43=Y: it was asked for in another life of the session, and so may be older than anything."""
    w = world()
    dead, alive = ended(w), w.working(100)
    w.step(ev.SessionDown(session="order"))
    w.step(ev.SessionUp(session="order"))
    w.step(w.mass_status_empty())
    for _ in range(9):
        answer(w, dead, status, poss_dup=True)
        answer(w, alive, status, poss_dup=True)

    assert len(asked(w)) < 9, "whoever sends all again is not asked for ever"
    assert not w.core.state.session.trading
    assert w.core.state.chains[alive].live
    assert w.core.state.breaks == []
    answer(w, alive, order_qty=100)
    w.wait(0.1)
    assert w.core.state.session.trading
    assert w.core.posture.name == "ACTIVE"


def test_an_order_that_the_ems_calls_calculated_is_over_there_too() -> None:
    w = world()
    chain = w.working(200)
    w.fill(chain, 200, BID)

    for _ in range(5):
        answer(w, chain, OrdStatus.CALCULATED, order_qty=200, cum_qty=200)

    assert not w.core.state.breaks
    assert asked(w) == []
