"""Orders: sent, asked after, doubted, pulled, changed."""

from typing import Any

from market import events as ev
from market.types import (
    CxlRejReason,
    CxlRejResponseTo,
    ExecType,
    OrdStatus,
    OrdType,
    ParentID,
    Side,
    TimeInForce,
)
from tests.daemon.gate_harness import BID, limits
from tests.daemon.stories.book import Story

Q = 100
SLOW = limits(
    sessions={"ack_age_max_ms": 1_000, "queries_max": 2, "unacked_max": 2}, resume={"reduce_only_ms": 500}
)


def _refused(story: Story, name: str, chain: str, reason: CxlRejReason, **more: Any) -> None:
    story.step(ev.OrderCancelReject(cl_ord_id=name, orig_cl_ord_id=chain, reason=reason, **more))  # type: ignore[arg-type]


def a_days_work() -> Story:
    """an order, its fills, a replace, a cancel by the trader, and the end of the window"""
    s = Story.begun()
    first = s.working(Q)
    s.fill(first, 40, BID)
    order = s.replace(first, 150, BID + 100)
    s.report(
        order.cl_ord_id,
        ExecType.REPLACED,
        OrdStatus.PARTIALLY_FILLED,
        orig_cl_ord_id=first,
        order_qty=150,
        price_e4=BID + 100,
        cum_qty=40,
        leaves_qty=110,
    )
    s.at(2)
    s.cancel(first)
    s.cancel(first)  # again: nothing more is sent
    s.report(
        s.cancel_of(first),
        ExecType.CANCELED,
        OrdStatus.CANCELED,
        orig_cl_ord_id=order.cl_ord_id,
        order_qty=150,
        cum_qty=40,
    )
    s.cancel(first)  # it has ended
    s.cancel("SH1-99")
    s.replace(first, 200, BID)
    s.replace("SH1-99", 200, BID)
    filled = s.working(60, BID)
    s.replace(filled, 0, BID)
    s.fill(filled, 60, BID)
    last = s.working(Q, BID)
    s.at(599.999)
    s.at(600.999)
    s.canceled(last)
    return s


def nobody_answers() -> Story:
    """orders are asked after as often as it helps, count as late, and stop their symbol and then all"""
    s = Story.begun(SLOW)
    for n in range(2):
        s.intent(Q, BID - n * 100)
    s.at(1.999)
    s.at(2.0)
    s.intent(Q, BID)  # refused while answers are late
    s.at(2.999)
    s.at(3.0)
    s.at(4.0)
    s.at(9.0)
    s.report("SH1-1", ExecType.NEW, OrdStatus.NEW, order_qty=Q, leaves_qty=Q)
    s.at(9.1)
    s.report("SH1-2", ExecType.ORDER_STATUS, OrdStatus.REJECTED, exec_id="0", order_id="")
    s.at(9.2)
    s.at(9.699)
    s.at(9.7)
    s.at(10)
    return s


def a_report_that_does_not_fit() -> Story:
    """is asked about; without an answer that fits it is a break, once"""
    s = Story.begun(SLOW)
    chain = s.working(Q)
    s.report(
        chain,
        ExecType.TRADE,
        OrdStatus.PARTIALLY_FILLED,
        last_qty=30,
        last_price_e4=BID,
        cum_qty=30,
        leaves_qty=99,
    )
    s.intent(Q, BID)
    s.at(1.5)
    for n in range(5):
        s.at(2 + n)
    return s


def a_cancel_that_is_refused() -> Story:
    """of an order that nobody wants any more is sent again after a second, sixty times and no more"""
    s = Story.begun()
    chain, other = s.working(Q), s.working(Q, BID - 100)
    s.step(ev.PauseParent(request_id=2, parent_id=ParentID("P1")))
    _refused(
        s, s.cancel_of(chain), chain, CxlRejReason.BROKER_OPTION, ord_status=OrdStatus.NEW, text="not now"
    )
    s.replace(chain, 150, BID)  # it stands again, and shall go all the same
    s.at(1.999)
    s.at(2.0)
    s.core.state.unwanted[chain].tries = 59  # type: ignore[index]
    for n in (3.0, 4.0):
        _refused(s, s.cancel_of(chain), chain, CxlRejReason.BROKER_OPTION, ord_status=OrdStatus.NEW)
        s.at(n)
    _refused(s, s.cancel_of(other), other, CxlRejReason.BROKER_OPTION, ord_status=OrdStatus.NEW)
    s.at(5.0)  # the other one is still asked for
    s.step(ev.ResumeParent(request_id=3, parent_id=ParentID("P1")))
    s.step(ev.ResumeParent(request_id=4, parent_id=ParentID("P1")))
    return s


def what_the_gate_cannot_send() -> Story:
    """is withdrawn; what the broker has no message for is done by another"""
    s = Story.begun()
    order = s.intent(Q, BID)
    s.step(ev.SendFailed(msg_type="D", ref_id=order.cl_ord_id, reason="not logged on"))
    chain = s.working(Q)
    other = s.replace(chain, 150, BID)
    s.step(ev.SendFailed(msg_type="G", ref_id=other.cl_ord_id, reason="not logged on"))
    other = s.replace(chain, 150, BID)
    s.step(ev.SendFailed(msg_type="G", ref_id=other.cl_ord_id, reason="no 35=G", unsupported=True))
    s.step(ev.SendFailed(msg_type="F", ref_id=s.cancel_of(chain), reason="not logged on"))
    s.at(2.1)
    s.step(ev.SendFailed(msg_type="AF", ref_id="M1", reason="no 35=AF", unsupported=True))
    s.step(ev.SendFailed(msg_type="H", ref_id="NOBODY", unsupported=True))
    s.canceled(chain)
    third = s.working(Q)
    s.step(ev.SendFailed(msg_type="H", ref_id=third, reason="queue full"))
    s.step(ev.SendFailed(msg_type="H", ref_id=third, reason="no 35=H", unsupported=True))
    _refused(s, s.cancel_of(third), third, CxlRejReason.UNKNOWN_ORDER, ord_status=OrdStatus.REJECTED)
    return s


def what_the_ems_refuses() -> Story:
    """by 35=j, 35=3, 150=8 and 35=9"""
    s = Story.begun()
    order = s.intent(Q, BID)
    s.step(ev.MessageRejected(ref_msg_type="D", ref_id=order.cl_ord_id, text="no such account"))
    order = s.intent(Q, BID)
    s.report(order.cl_ord_id, ExecType.REJECTED, OrdStatus.REJECTED, text="halted", order_id="")
    s.report(order.cl_ord_id, ExecType.REJECTED, OrdStatus.REJECTED, text="halted", order_id="", exec_id="E9")
    chain = s.working(Q)
    other = s.replace(chain, 150, BID)
    s.step(ev.MessageRejected(ref_msg_type="G", ref_id=other.cl_ord_id, text="no"))
    other = s.replace(chain, 150, BID)
    s.step(ev.MessageRejected(ref_msg_type="H", ref_id=chain, text="no status"))
    s.step(ev.MessageRejected(ref_msg_type="H", ref_id=other.cl_ord_id, text="no status"))
    s.step(ev.MessageRejected(ref_msg_type="8", ref_id="17", session_level=True, text="tag 31"))
    s.step(ev.MessageRejected(ref_msg_type="H", ref_id="17", session_level=True, text="tag 31"))
    s.step(ev.MessageRejected(ref_msg_type="8", ref_id="17", text="no session reject"))
    s.step(ev.MessageRejected(ref_msg_type="AF", ref_id="M", text="no mass status"))
    _refused(s, other.cl_ord_id, chain, CxlRejReason.TOO_LATE_TO_CANCEL, response_to=CxlRejResponseTo.REPLACE)
    _refused(s, "SH1-77", "SH1-78", CxlRejReason.UNKNOWN_ORDER)
    s.step(ev.MassCancelReport(cl_ord_id="Q1", accepted=True, total_affected=2))  # type: ignore[arg-type]
    s.step(ev.MassCancelReport(cl_ord_id="Q1", accepted=False, text="not for you"))  # type: ignore[arg-type]
    return s


def reports_that_are_not_of_this_order() -> Story:
    """are no fills of it: the broker is told, once, and people are asked"""
    s = Story.begun()
    chain, other = s.working(Q), s.working(Q, BID - 100)
    trade: dict[str, Any] = {
        "last_qty": 10,
        "last_price_e4": BID,
        "cum_qty": 10,
        "leaves_qty": 90,
        "order_qty": Q,
    }
    wrongs: tuple[dict[str, Any], ...] = ({"symbol": "XYZ"}, {"account": "THEIRS"}, {"side": Side.SELL})
    for n, wrong in enumerate(wrongs):
        s.report(chain, ExecType.TRADE, OrdStatus.PARTIALLY_FILLED, exec_id=f"W{n}", **trade, **wrong)
    s.report(chain, ExecType.TRADE, OrdStatus.PARTIALLY_FILLED, exec_id="W0", **trade, symbol="XYZ")
    s.report(
        chain, ExecType.TRADE, OrdStatus.PARTIALLY_FILLED, exec_id="W4", **trade, symbol="XYZ", poss_dup=True
    )
    s.report(chain, ExecType.NEW, OrdStatus.NEW, exec_id="W5", symbol="XYZ", order_qty=Q)
    s.report(chain, ExecType.ORDER_STATUS, OrdStatus.NEW, exec_id="0", side=Side.SELL, order_qty=Q, cum_qty=0)
    s.report(chain, ExecType.TRADE, OrdStatus.PARTIALLY_FILLED, exec_id="E-A", **trade)
    s.report(other, ExecType.TRADE, OrdStatus.PARTIALLY_FILLED, exec_id="E-A", **trade)
    s.report("SHX-1", ExecType.TRADE, OrdStatus.PARTIALLY_FILLED, exec_id="E-B", **trade)
    s.report("SHX-2", ExecType.ORDER_STATUS, OrdStatus.REJECTED, exec_id="0")
    s.report("DESK-1", ExecType.NEW, OrdStatus.NEW, order_qty=Q)
    s.report(
        chain,
        ExecType.TRADE_CANCEL,
        OrdStatus.NEW,
        exec_id="E-C",
        exec_ref_id="E-A",
        last_qty=10,
        last_price_e4=BID,
        cum_qty=0,
        leaves_qty=90,
    )
    return s


def shares_that_come_back() -> Story:
    """a bust after the end leaves the parent with what is true, and the order that lives again goes"""
    s = Story.begun()
    s.parent(qty=Q, pid="P2")
    chain = s.working(Q, BID, pid="P2")
    s.fill(chain, Q, BID, exec_id="E-A")
    s.report(
        chain,
        ExecType.TRADE_CANCEL,
        OrdStatus.NEW,
        exec_id="E-B",
        exec_ref_id="E-A",
        last_qty=Q,
        last_price_e4=BID,
        cum_qty=0,
        leaves_qty=Q,
    )
    s.at(2)
    s.canceled(chain)
    kept = s.working(Q, BID)
    s.fill(kept, 50, BID, exec_id="E-C")
    s.report(
        kept,
        ExecType.TRADE_CORRECT,
        OrdStatus.PARTIALLY_FILLED,
        exec_id="E-D",
        exec_ref_id="E-C",
        last_qty=40,
        last_price_e4=BID - 100,
        cum_qty=40,
        leaves_qty=60,
    )
    s.fill(kept, 60, BID + 100, exec_id="E-E")
    s.fill(kept, 60, BID + 100, exec_id="E-E", poss_dup=True)
    return s


def one_share_that_comes_back() -> Story:
    """is one that a filled parent lacks"""
    s = Story()
    s.open()
    s.parent(qty=Q)
    last = s.working(Q, BID)
    s.fill(last, Q, BID, exec_id="E-F")
    one_less: dict[str, Any] = {"last_qty": Q - 1, "last_price_e4": BID, "cum_qty": Q - 1, "leaves_qty": 0}
    one_less |= {"exec_id": "E-G", "exec_ref_id": "E-F"}
    s.report(last, ExecType.TRADE_CORRECT, OrdStatus.CANCELED, **one_less)
    return s


def the_ems_makes_an_order_larger() -> Story:
    """within its parent that is taken, beyond it is a break and the parent's orders go"""
    s = Story()
    s.open()
    s.parent(qty=150)
    chain = s.working(Q)
    s.report(chain, ExecType.RESTATED, OrdStatus.NEW, order_qty=150, leaves_qty=150)
    s.report(chain, ExecType.RESTATED, OrdStatus.NEW, order_qty=151, leaves_qty=151)
    s.report(
        chain, ExecType.TRADE, OrdStatus.FILLED, last_qty=151, last_price_e4=BID, cum_qty=151, order_qty=151
    )
    return s


def intents_that_cannot_be() -> Story:
    """each is answered with its reason, once"""
    s = Story.begun(limits(order={"qty_max": 500}, allowed={"order_types": ("LIMIT", "MARKET")}))
    s.intent(Q, BID, pid="P9")
    s.intent(501, BID)
    s.intent(Q, None, ord_type=OrdType.MARKET)
    s.intent(Q, BID, n=3)  # seen before
    s.intent(Q, BID, epoch=6)
    s.intent(Q, BID, side=Side.SELL)
    s.intent(Q, BID, post_only=True, time_in_force=TimeInForce.IOC)
    chain = s.working(Q, BID, decision_id=50)
    s.intent(Q, BID - 100, decision_id=50)
    s.intent(Q, BID - 200, decision_id=49)
    s.intent(Q, BID - 300, decided_mono_ns=s.now - 2_000_000_000)
    s.intent(Q, BID - 400, decided_mono_ns=s.now - 2_000_000_001)
    s.fill(chain, 60, BID)
    s.replace(chain, 60, BID)
    s.replace(chain, 61, BID)
    s.replace(chain, 99, BID)
    s.step(ev.PauseParent(request_id=2, parent_id=ParentID("P1")))
    s.replace(chain, Q, BID)
    s.intent(Q, BID)
    s.step(ev.SessionDown(session="order", reason="gone"))
    s.cancel(chain)
    return s
