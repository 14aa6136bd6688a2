"""What can go wrong on a day: sessions, traders, people, the EMS, and the order in which it happens."""

from typing import Any

import pytest

from daemon.gate.effects import (
    AskMassStatus,
    AskStatus,
    DropTrader,
    LatchKill,
    Reply,
    SendCancel,
    SendMassCancel,
    SendOrder,
    Tell,
)
from market import events as ev
from market import updates as up
from market.types import CxlRejReason, ExecType, OrdStatus, ParentStatus, Side
from tests.daemon.gate_harness import (
    ASK,
    BID,
    OPEN_NS,
    SECOND,
    World,
    cancels,
    limits,
    parent_order,
    told,
)


def world(**more: Any) -> World:
    w = World(**more)
    w.open()
    assert w.parent()["ok"]
    return w


def reply(effects: Any) -> dict[str, Any]:
    return next(e.body for e in effects if isinstance(e, Reply))


def gone(w: World, chain: str, **more: Any) -> None:
    """The EMS confirms the cancel of a chain."""
    cancel_id = w.core.state.chains[chain].cancel_id
    cum = w.core.state.chains[chain].cum_qty
    w.report(cancel_id, ExecType.CANCELED, OrdStatus.CANCELED, orig_cl_ord_id=chain, cum_qty=cum, **more)


# --- people -----------------------------------------------------------------------------------


def test_pause_cancels_and_holds_and_resume_goes_on() -> None:
    w = world()
    chain = w.working()
    effects = w.step(ev.PauseParent(request_id=2, parent_id="P1"))
    assert [c.orig_cl_ord_id for c in cancels(effects)] == [chain]
    gone(w, chain)
    assert w.intent(10, BID).controls == ("R08",)
    assert reply(w.step(ev.ResumeParent(request_id=3, parent_id="P1")))["status"] == "working"

    assert w.intent(10, BID).qty == 10


def test_cancel_ends_a_parent_when_its_leaves_are_gone() -> None:
    w = world()
    chain = w.working()
    w.step(ev.CancelParent(request_id=2, parent_id="P1"))
    assert w.ask_parent().progress.status is ParentStatus.CANCELING
    gone(w, chain)

    progress = w.ask_parent().progress
    assert (progress.status, progress.remainder_reason) == (ParentStatus.CANCELED, "canceled by a person")
    assert not reply(w.step(ev.CancelParent(request_id=3, parent_id="P1")))["ok"]


def test_a_parent_before_its_window_waits_for_it() -> None:
    w = World()
    w.open()
    w.parent(start_ns=OPEN_NS + 60 * SECOND)
    assert w.ask_parent().progress.status is ParentStatus.PENDING
    assert w.intent(10, BID).controls == ("R08",)
    w.price(BID + 1_000, ASK + 1_000)
    w.now, w.ts = w.now + 60 * SECOND, OPEN_NS + 60 * SECOND
    w.step(ev.Timer())

    progress = w.ask_parent().progress
    assert progress.status is ParentStatus.WORKING
    assert progress.arrival_mid_micros == (BID + ASK + 2_000) * 50
    assert progress.arrival_ns == OPEN_NS + 60 * SECOND


def test_arrival_is_read_at_the_first_price_where_there_was_none() -> None:
    w = World()
    w.open(price=False)
    assert w.parent()["ok"]
    assert w.ask_parent().progress.arrival_mid_micros is None
    w.price()

    assert w.ask_parent().progress.arrival_mid_micros == (BID + ASK) * 50


def test_a_parent_admitted_without_a_price_is_judged_when_one_comes() -> None:
    w = World(limits(parents={"notional_max_ccy": 100_000}))
    w.open(price=False)
    assert w.parent(qty=2_000)["ok"]
    w.price()

    progress = w.ask_parent().progress
    assert progress.status is ParentStatus.CANCELED
    assert "R08 worth" in progress.remainder_reason


def test_amend_down_below_what_is_committed_pulls_the_children() -> None:
    w = world()
    chain = w.working(500)
    w.fill(chain, 100, BID)
    effects = w.step(ev.AmendParent(request_id=2, parent_id="P1", qty=300))
    assert [c.orig_cl_ord_id for c in cancels(effects)] == [chain]
    assert w.intent(1, BID).controls == ("R14",)
    gone(w, chain)

    assert w.intent(201, BID).controls == ("R14",)
    assert w.intent(200, BID).qty == 200


def test_amend_to_a_better_limit_pulls_what_is_beyond_it() -> None:
    w = world()
    high, low = w.working(10, BID + 100), w.working(10, BID - 100)
    effects = w.step(ev.AmendParent(request_id=2, parent_id="P1", limit_price_e4=BID))

    assert [c.orig_cl_ord_id for c in cancels(effects)] == [high]
    assert low in w.core.state.ledger.held


def test_amendments_that_make_no_sense_are_refused_with_every_reason() -> None:
    w = world()
    chain = w.working(500)
    w.fill(chain, 100, BID)

    assert "nothing to amend" in reply(w.step(ev.AmendParent(request_id=2, parent_id="P1")))["error"]
    answer = reply(w.step(ev.AmendParent(request_id=2, parent_id="P1", qty=100, end_ns=OPEN_NS - 1)))
    assert len(answer["faults"]) == 2
    assert "no parent" in reply(w.step(ev.AmendParent(request_id=2, parent_id="X", qty=5)))["error"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"min_qty": 5}, "min_qty is not supported"),
        ({"i_would_price_e4": BID}, "i_would_price_e4 is not supported"),
        ({"max_display": 0}, "max_display 0 is no multiple of the lot 1 above 0"),
        ({"side": Side.SELL_SHORT}, "SELL_SHORT: short sales are not permitted"),
        ({"start_ns": OPEN_NS, "end_ns": OPEN_NS}, "ends before it begins"),
        ({"start_ns": OPEN_NS - 900 * SECOND, "end_ns": OPEN_NS - 1}, "the window ended"),
        ({"end_ns": OPEN_NS + 7 * 3600 * SECOND}, "outside 09:30-16:00"),
        ({"qty": 0}, "quantity 0"),
        ({"qty": 500_001}, "of daily volume"),
        ({"limit_price_e4": BID + 1}, "no multiple of the tick"),
        ({"declared_notional_micros": 100_000_000_000}, "bp apart"),
        ({"max_participation_bp": 10_001}, "participation"),
        ({"pid": "p 1"}, "parent id"),
    ],
)
def test_a_parent_is_refused_by_name(fields: dict[str, Any], reason: str) -> None:
    w = World()
    w.open()
    answer = w.parent(**fields)

    assert not answer["ok"]
    assert reason in answer["error"]
    assert not w.core.state.parents


def test_an_opposite_parent_and_a_used_id_are_refused() -> None:
    w = world()

    assert "other side" in w.parent(pid="P2", side=Side.SELL)["error"]
    assert "was used before" in w.parent(pid="P1")["error"]
    assert w.parent(pid="P2")["ok"]


def test_unknown_daily_volume_refuses_unless_the_limits_say_otherwise() -> None:
    from market.instruments import Instrument

    no_adv = (Instrument(symbol="SYN"),)
    strict = World(limits(parents={"adv_unknown_ok": False}), instruments=no_adv)
    strict.open()

    assert "average daily volume" in strict.parent()["error"]
    loose = World(instruments=no_adv)
    loose.open()
    assert loose.parent()["ok"]


def test_a_dry_run_answers_and_admits_nothing() -> None:
    w = World()
    w.open()
    answer = reply(w.step(ev.SubmitParent(request_id=1, parent=parent_order(), dry_run=True)))

    assert answer["ok"]
    assert not w.core.state.parents


def test_sixteen_parents_at_once_are_worked_without_a_refusal() -> None:
    w = World()
    w.open()
    for n in range(16):
        assert w.parent(pid=f"P{n}", qty=2_000)["ok"]
    for n in range(16):
        assert w.intent(100, BID, pid=f"P{n}").qty == 100

    assert w.core.state.counters["refused"] == 0


def test_the_remainder_names_the_constraint() -> None:
    w = World()
    w.open()
    w.parent(limit_price_e4=BID - 500)
    w.wait(598)  # `open` took the first second
    w.wait(1)

    assert w.ask_parent().progress.remainder_reason == "limit price"


def test_the_remainder_of_a_parent_that_had_no_market_names_r06() -> None:
    w = World()
    w.open()
    w.parent()
    w.step(ev.SecurityStatus(symbol="SYN", trading=False, text="halted"))
    w.wait(598)  # `open` took the first second
    w.wait(1)

    assert w.ask_parent().progress.remainder_reason == "risk control R06: not trading: halted"


@pytest.mark.parametrize(("unfit_s", "reason"), [(4, "end of window"), (5, "risk control R06: one side of")])
def test_a_market_gone_bad_at_the_end_is_the_reason_once_it_cost_the_working_orders(
    unfit_s: int, reason: str
) -> None:
    w = World()
    w.open()
    w.parent()
    w.intent(100, BID)
    w.wait(599 - unfit_s)  # `open` took the first second
    w.price(ask=0)
    w.step(ev.Timer())
    w.wait(unfit_s - 1)
    w.wait(1)

    assert w.ask_parent().progress.remainder_reason.startswith(reason)


# --- the trader -------------------------------------------------------------------------------


def test_a_trader_that_comes_again_hears_what_lives_and_nothing_is_sent_twice() -> None:
    w = world()
    chain = w.working()
    w.fill(chain, 40, BID)
    w.step(ev.TraderGone(epoch=7))
    sent = len(w.sent_of(SendOrder))
    w.fill(chain, 10, BID)  # while nobody is there
    effects = [e.update for e in w.hello(8) if isinstance(e, Tell)]

    kinds = [type(u).__name__ for u in effects]
    assert kinds == ["HelloAck", "PostureUpdate", "ParentUpdate", "OrderUpdate", "Synced"]
    assert effects[2].progress.cum_qty == 50
    assert (effects[3].order.chain_id, effects[3].order.cum_qty, effects[3].n) == (chain, 50, 0)
    assert len(w.sent_of(SendOrder)) == sent
    assert w.intent(10, BID).qty == 10


def test_intents_of_an_old_epoch_are_refused() -> None:
    w = world()
    w.step(ev.TraderGone(epoch=7))
    w.hello(8)
    w.epoch = 7

    assert w.intent(10, BID).controls == ("GATE",)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"protocol": 99}, "protocol"),
        ({"symbols": ("XXX",)}, "not configured"),
        ({"symbols": ()}, "none given"),
        ({}, "another trader works SYN"),
    ],
)
def test_a_trader_is_refused_with_a_reason(fields: dict[str, Any], reason: str) -> None:
    w = world()
    effects = w.hello(8, **fields)

    assert reason in told(effects, up.HelloAck)[0].reason
    assert [e.epoch for e in effects if isinstance(e, DropTrader)] == [8]


def test_a_used_epoch_is_refused() -> None:
    w = world()
    w.step(ev.TraderGone(epoch=7))

    assert "was used before" in told(w.hello(7), up.HelloAck)[0].reason


def test_every_intent_is_answered_once() -> None:
    w = world()
    chain = w.working()
    for effects in (
        w.step(ev.CancelIntent(epoch=7, n=50, chain_id=chain)),
        w.step(ev.CancelIntent(epoch=7, n=51, chain_id=chain)),  # already on its way
        w.step(ev.CancelIntent(epoch=7, n=52, chain_id="NONE")),
        w.step(ev.ReplaceIntent(epoch=7, n=53, chain_id=chain, qty=5, price_e4=BID, decided_mono_ns=w.now)),
    ):
        answers = [u for u in told(effects, up.OrderUpdate) + told(effects, up.IntentRefused) if u.n >= 50]
        assert len(answers) == 1


def test_headroom_says_what_would_pass() -> None:
    w = World(limits(order={"qty_max": 500}, exposure={"long_max": 800}))
    w.open()
    w.parent(qty=1_000)
    w.working(300)
    w.wait(0.3)
    headroom = w.ask_parent().told[2]

    assert headroom.can_trade
    assert (headroom.order_qty_max, headroom.buy_qty_max, headroom.sell_qty_max) == (500, 500, 0)
    assert w.intent(500, headroom.collar_high_e4 // 100 * 100).qty == 500
    assert w.intent(1, BID).controls == ("R10",)


def test_can_trade_flips_at_once() -> None:
    w = world()
    down = told(w.step(ev.SecurityStatus(symbol="SYN", trading=False)), up.ParentUpdate)
    open_again = told(w.step(ev.SecurityStatus(symbol="SYN", trading=True)), up.ParentUpdate)

    assert [u.headroom.can_trade for u in down + open_again] == [False, True]


# --- sessions ---------------------------------------------------------------------------------


def test_after_a_lost_session_every_open_order_is_asked_for_before_trading() -> None:
    w = world()
    chain, unanswered = w.working(), w.intent(10, BID).cl_ord_id
    w.step(ev.SessionDown(session="order", reason="gone"))
    assert "R60" in w.intent(10, BID).controls
    effects = w.step(ev.SessionUp(session="order"))
    assert [e.request.cl_ord_id for e in effects if isinstance(e, AskStatus)] == [chain, unanswered]
    assert len([e for e in effects if isinstance(e, AskMassStatus)]) == 1
    assert not [e for e in effects if isinstance(e, SendOrder)]

    w.report(chain, ExecType.ORDER_STATUS, OrdStatus.NEW, exec_id="0", order_qty=100)
    w.step(w.mass_status_empty())
    assert w.core.posture.name == "HALTED"  # one answer is missing
    w.report(unanswered, ExecType.ORDER_STATUS, OrdStatus.REJECTED, exec_id="0", order_id="")
    w.wait(0.1)

    assert w.core.posture.name == "ACTIVE"
    assert w.core.state.chains[unanswered].status is OrdStatus.REJECTED


def test_a_missing_answer_is_asked_for_again_and_trading_waits() -> None:
    w = world()
    chain = w.working()
    w.step(ev.SessionDown(session="order"))
    w.step(ev.SessionUp(session="order"))
    w.step(w.mass_status_empty())
    asked = len(w.sent_of(AskStatus))
    w.wait(6)
    assert w.core.posture.name == "HALTED"
    assert len(w.sent_of(AskStatus)) == asked + 1
    w.report(chain, ExecType.ORDER_STATUS, OrdStatus.CANCELED, exec_id="0")

    assert w.core.posture.name == "ACTIVE"
    assert not w.core.state.chains[chain].live


def test_shares_that_the_ems_has_and_we_lack_stop_everything() -> None:
    w = world()
    chain = w.working()
    w.step(ev.SessionDown(session="order"))
    w.step(ev.SessionUp(session="order"))
    w.report(chain, ExecType.ORDER_STATUS, OrdStatus.PARTIALLY_FILLED, exec_id="0", cum_qty=30)

    assert "R62" in w.core.state.posture.latched
    assert "CumQty 30" in w.core.state.breaks[0]


def test_mass_status_of_orders_ends_with_the_last_report() -> None:
    w = world()
    first, second = w.working(), w.working(10, BID - 100)
    w.step(ev.SessionDown(session="order"))
    w.step(ev.SessionUp(session="order"))
    req = w.core.state.session.mass_status_id
    for n, chain in enumerate((first, second)):
        w.report(
            chain,
            ExecType.ORDER_STATUS,
            OrdStatus.NEW,
            exec_id="0",
            mass_status_req_id=req,
            total_reports=2,
            last_report=n == 1,
        )
    assert w.core.state.session.mass_status_id == ""
    for chain in (first, second):
        w.report(chain, ExecType.ORDER_STATUS, OrdStatus.NEW, exec_id="0")

    assert w.core.posture.name == "ACTIVE"


def test_an_unknown_order_of_ours_is_a_break_and_anothers_is_not() -> None:
    w = world()
    w.report("DESK-1", ExecType.ORDER_STATUS, OrdStatus.NEW, exec_id="0")
    assert w.core.posture.name == "ACTIVE"
    w.report("SHX-1", ExecType.NEW, OrdStatus.NEW)

    assert w.core.posture.name == "HALTED"


def test_a_message_that_never_left_is_no_order() -> None:
    w = world()
    order = w.intent(100, BID)
    effects = w.step(ev.SendFailed(msg_type="D", ref_id=order.cl_ord_id, reason="not logged on"))

    assert told(effects, up.OrderUpdate)[0].order.status is OrdStatus.REJECTED
    assert w.core.state.ledger.books["SYN"].buy_leaves == 0


def test_a_business_reject_is_a_definite_no() -> None:
    w = world()
    order = w.intent(100, BID)
    w.step(ev.MessageRejected(ref_msg_type="D", ref_id=order.cl_ord_id, text="no"))

    assert w.core.state.chains[order.cl_ord_id].status is OrdStatus.REJECTED


def test_an_unanswered_order_is_asked_for_and_never_presumed_dead() -> None:
    w = world()
    order = w.intent(100, BID)
    for _ in range(12):
        w.wait(3)

    assert len(w.sent_of(AskStatus)) == 5  # queries_max
    assert w.core.state.chains[order.cl_ord_id].live
    assert w.core.state.ledger.books["SYN"].buy_leaves == 100


def test_a_refused_cancel_of_the_gate_is_repeated() -> None:
    w = world()
    chain = w.working()
    w.step(ev.CancelParent(request_id=2, parent_id="P1"))
    first = cancels(w.sent)[-1]
    w.step(
        ev.OrderCancelReject(
            cl_ord_id=first.cl_ord_id,
            orig_cl_ord_id=chain,
            ord_status=OrdStatus.NEW,
            reason=CxlRejReason.BROKER_OPTION,
        )
    )
    assert cancels(w.wait(0.5)) == []
    w.wait(0.6)

    again = cancels(w.sent)[-1]
    assert again.cl_ord_id != first.cl_ord_id
    assert again.orig_cl_ord_id == chain


def test_an_overfilled_parent_is_booked_and_kills() -> None:
    w = World()
    w.open()
    w.parent(qty=100)
    chain = w.working(100)
    w.report(
        chain, ExecType.TRADE, OrdStatus.FILLED, last_qty=150, last_price_e4=BID, cum_qty=150, leaves_qty=0
    )

    assert w.core.state.ledger.books["SYN"].position == 150
    assert w.core.posture.name == "KILLED"
    assert "R14" in w.core.state.posture.causes


def test_unfit_prices_pull_working_orders_after_a_while() -> None:
    w = world()
    chain = w.working()
    w.now += 3 * SECOND
    w.step(ev.Timer())
    assert cancels(w.sent) == []
    w.now += 5 * SECOND
    effects = w.step(ev.Timer())

    assert [c.orig_cl_ord_id for c in cancels(effects)] == [chain]


def test_a_replace_goes_through_and_the_chain_keeps_its_name() -> None:
    w = world()
    chain = w.working(100)
    order = w.replace(chain, 150, BID + 100)
    w.report(
        order.cl_ord_id,
        ExecType.REPLACED,
        OrdStatus.NEW,
        orig_cl_ord_id=chain,
        order_qty=150,
        price_e4=BID + 100,
    )
    cancel = cancels(w.cancel(chain))[0]

    assert (order.orig_cl_ord_id, order.terms.qty) == (chain, 150)
    assert cancel.orig_cl_ord_id == order.cl_ord_id
    assert w.core.state.chains[chain].order_qty == 150


# --- kill, rearm, stop ------------------------------------------------------------------------


def test_a_kill_latches_cancels_and_ends_every_parent() -> None:
    w = world()
    chain = w.working()
    effects = w.step(ev.Kill(request_id=5, source="cli", reason="test"))

    kinds = [type(e) for e in effects]
    assert kinds.index(LatchKill) < kinds.index(SendMassCancel) < kinds.index(SendCancel)
    assert reply(effects)["posture"] == "KILLED"
    assert w.ask_parent().progress.status is ParentStatus.CANCELING
    gone(w, chain)
    assert w.ask_parent().progress.status is ParentStatus.CANCELED
    assert "kill switch" in w.ask_parent().progress.remainder_reason


def test_shutdown_cancels_orders_and_keeps_parents() -> None:
    w = world()
    chain = w.working()
    effects = w.step(ev.Shutdown())

    assert [c.orig_cl_ord_id for c in cancels(effects)] == [chain]
    assert w.ask_parent().progress.status is ParentStatus.WORKING
    assert "STOPPING" in w.intent(10, BID).controls


def test_a_restart_keeps_everything_and_never_reuses_an_id() -> None:
    w = world()
    chain = w.working()
    w.fill(chain, 40, BID)
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2, "positions": (("PAPER", "SYN", 999),)}))
    w.step(ev.SessionUp(session="reference"))
    w.step(ev.SessionUp(session="order"))
    w.step(w.mass_status_empty())
    w.report(chain, ExecType.ORDER_STATUS, OrdStatus.PARTIALLY_FILLED, exec_id="0", cum_qty=40)
    w.price()
    w.hello(8)
    w.wait(1.1)
    order = w.intent(10, BID)

    assert order.cl_ord_id == "SH2-1"
    assert w.core.state.ledger.books["SYN"].position == 40  # start-of-day positions count once
    assert w.ask_parent().progress.cum_qty == 40


def test_a_kill_survives_a_restart() -> None:
    w = world()
    w.step(ev.Kill(source="cli"))
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))
    assert w.core.posture.name == "KILLED"
    fresh = World(killed="file: somebody touched it")

    assert fresh.core.posture.name == "KILLED"


def test_an_unreadable_report_halts_and_a_failed_callback_kills() -> None:
    w = world()
    w.step(ev.EngineAlarm(text="unreadable 8: 14 is not a quantity"))
    assert w.core.posture.name == "HALTED"
    w.step(ev.EngineAlarm(text="fromApp: ValueError", fatal=True))

    assert w.core.posture.name == "KILLED"


def test_a_reboot_sets_no_clock_trap() -> None:
    w = world(law=limits(rates={"orders_per_second": 1}))
    chain = w.working()
    w.step(ev.CancelParent(request_id=2, parent_id="P1"))
    w.now = 5 * SECOND  # the machine was started anew: its clock began at zero
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))
    w.step(ev.SessionUp(session="reference"))
    w.step(ev.SessionUp(session="order"))
    w.step(w.mass_status_empty())
    w.report(chain, ExecType.ORDER_STATUS, OrdStatus.NEW, exec_id="0")
    assert cancels(w.sent)[-1].orig_cl_ord_id == chain  # asked for again at once
    gone(w, chain)
    w.price()
    w.hello(8)
    assert w.parent(pid="P2")["ok"]
    w.wait(1)

    assert w.intent(10, BID, pid="P2").qty == 10


def test_a_parent_without_an_id_gets_a_free_one() -> None:
    w = world()
    assert w.parent(pid="P3")["ok"]

    assert [w.parent(pid="")["parent_id"] for _ in range(2)] == ["P4", "P5"]


def test_a_refusal_long_past_is_not_the_remainders_reason() -> None:
    w = world()
    w.intent(10, BID * 2)
    assert w.ask_parent().refused == "R05"
    w.working()

    assert w.ask_parent().refused == ""


def test_a_sequence_number_too_low_halts_until_a_person_has_looked() -> None:
    w = world()
    for number in (1, 2):
        reason = f"MsgSeqNum too low, expecting 9 but received {number}"
        w.step(ev.SessionDown(session="order", reason=reason))
    assert w.core.state.breaks == ["order session: MsgSeqNum too low, expecting 9 but received 1"]
    w.step(ev.SessionUp(session="order"))
    w.step(w.mass_status_empty())
    w.wait(0.1)

    assert w.core.posture.name == "HALTED"
    assert "R62" in w.core.state.posture.latched
