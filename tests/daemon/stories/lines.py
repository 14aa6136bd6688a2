"""Lines: sessions that come and go, traders, prices, positions, the drop copy, another desk, restarts."""

from typing import Any

from market import events as ev
from market.copy_events import DropCopied, DropCopyLine
from market.instruments import Instrument
from market.position_events import PositionsAcked, PositionTold
from market.types import CxlRejReason, ExecType, OrdStatus, ParentID, Side, Symbol
from tests.daemon.gate_harness import ASK, BID, INSTRUMENT, OPEN_NS, SYN, limits
from tests.daemon.stories.book import START_NS, Story

Q = 100
DWELL = limits(resume={"reduce_only_ms": 500})
HELD = (("PAPER", SYN, 500), ("OTHER", SYN, -20))
ABC = Symbol("ABC")


def _status(s: Story, name: str, status: OrdStatus, **more: Any) -> None:
    s.report(name, ExecType.ORDER_STATUS, status, exec_id="0", **more)


def a_session_that_is_lost() -> Story:
    """is asked for everything when it is back, again where nobody answers, and trades when all is known"""
    s = Story.begun(DWELL)
    works, ended, unknown = (s.working(Q, BID - n * 100) for n in range(3))
    s.step(ev.SessionDown(session="order", reason=""))
    s.step(ev.SessionDown(session="order", reason="no answer"))
    s.step(ev.SessionDown(session="order", reason="no answer"))
    s.at(2)
    s.step(ev.MessagesUnsent(begin=3, end=4))  # nobody is there
    s.step(ev.SessionUp(session="order"))
    s.step(ev.MessagesSkipped(begin=3, next=9))  # all is being asked for already
    _status(s, works, OrdStatus.NEW, order_qty=Q, mass_status_req_id="M-OLD", total_reports=1)
    _status(s, works, OrdStatus.NEW, order_qty=Q, poss_dup=True)
    s.at(6.999)
    s.at(7.0)
    s.at(11.999)
    _status(s, works, OrdStatus.NEW, order_qty=Q)
    _status(s, ended, OrdStatus.CANCELED, order_qty=Q)
    s.step(ev.MessagesUnsent(begin=7, end=0))
    s.at(12.0)
    _status(s, unknown, OrdStatus.REJECTED, order_id="")
    s.at(12.4)
    s.at(12.5)
    s.step(ev.MessagesSkipped(begin=12, next=15))
    _status(
        s,
        works,
        OrdStatus.NEW,
        order_qty=Q,
        mass_status_req_id=s.core.state.session.mass_status_id,
        total_reports=2,
    )
    _status(
        s,
        "DESK-9",
        OrdStatus.NEW,
        order_qty=Q,
        mass_status_req_id=s.core.state.session.mass_status_id,
        total_reports=2,
    )
    s.step(ev.MessagesUnsent(begin=20, end=21))
    s.at(13)
    s.at(13.5)
    return s


def reports_of_a_mass_status() -> Story:
    """end with the last one; those of another question, or sent again, end nothing"""
    s = Story.begun()
    first = s.working(Q)
    asks = s.core.state.session
    s.step(ev.SessionDown(session="order", reason="gone"))
    s.step(ev.SessionUp(session="order"))
    more = {"order_qty": Q, "mass_status_req_id": asks.mass_status_id}
    _status(s, "NONE", OrdStatus.REJECTED, mass_status_req_id=asks.mass_status_id, poss_dup=True)
    _status(s, "NONE", OrdStatus.REJECTED, mass_status_req_id="M-OLD")
    _status(s, first, OrdStatus.NEW, **more, total_reports=3)
    _status(s, "THEIRS", OrdStatus.NEW, **more, total_reports=3)
    s.at(2)
    _status(s, "THEIRS2", OrdStatus.NEW, **more, total_reports=3)
    s.at(3)
    s.step(ev.SessionDown(session="order", reason="gone"))
    s.step(ev.SessionUp(session="order"))
    more = {"order_qty": Q, "mass_status_req_id": asks.mass_status_id}
    _status(s, first, OrdStatus.NEW, **more, total_reports=3, last_report=True)
    s.at(4)
    return s


def a_broker_that_can_be_asked_by_cancel_alone() -> Story:
    """answers by it; a kill while it reconciles is done when it is back"""
    s = Story.begun()
    chain, gone = s.working(Q), s.working(Q, BID - 100)
    s.step(ev.SessionDown(session="order", reason="gone"))
    s.step(ev.Kill(source="signal"))
    s.step(ev.SessionUp(session="order"))
    for name in (chain, gone):
        s.step(ev.SendFailed(msg_type="H", ref_id=name, reason="no 35=H", unsupported=True))
    s.step(s.mass_status_empty())
    for name in (chain, gone):
        s.step(ev.SendFailed(msg_type="H", ref_id=name, reason="no 35=H", unsupported=True))
    s.canceled(chain)
    s.step(
        ev.OrderCancelReject(
            cl_ord_id=s.cancel_of(gone),
            orig_cl_ord_id=gone,  # type: ignore[arg-type]
            reason=CxlRejReason.UNKNOWN_ORDER,
            ord_status=OrdStatus.REJECTED,
        )
    )
    s.at(2)
    s.step(ev.Kill(request_id=4, source="cli", reason="again"))
    return s


def a_restart() -> Story:
    """asks after what works, forgets clocks of before, cancels what a kill left, and takes traders anew"""
    s = Story.begun(DWELL)
    works, pulled = s.working(Q), s.working(Q, BID - 100)
    waits = s.intent(Q, BID - 200)
    s.step(ev.CancelParent(request_id=2, parent_id=ParentID("P1")))
    s.at(5)
    start = s.start_fields
    s.step(
        ev.GateStarted(
            **start | {"epoch": 2, "killed_scopes": (("S/SYN", "latched"),), "displaced": "a copy"}
        )
    )
    s.step(ev.SessionUp(session="reference"))
    s.price()
    s.step(ev.SessionUp(session="order"))
    s.step(s.mass_status_empty())
    for name in (works, pulled, waits.cl_ord_id):
        _status(s, name, OrdStatus.NEW, order_qty=Q)
    s.hello(7)
    s.hello(8)
    s.at(9.9)
    s.at(10)
    s.step(ev.GateStarted(**start | {"epoch": 3, "killed": "file: KILL"}))
    s.step(ev.SessionUp(session="order"))
    return s


def a_restart_while_prices_are_unfit() -> Story:
    """begins their time anew"""
    s = Story.begun(DWELL)
    s.working(Q)
    s.price(ASK, ASK)
    s.at(2.5)
    s.at(5.0)
    s.step(ev.GateStarted(**s.start_fields | {"epoch": 2}))
    s.step(ev.SessionUp(session="reference"))
    s.step(ev.SessionUp(session="order"))
    _status(s, "SH1-1", OrdStatus.NEW, order_qty=Q)
    s.step(s.mass_status_empty())
    s.price(ASK, ASK)
    s.hello(8)
    for n in (5.9, 6.0, 6.1, 7.6, 10.9, 11.0, 12.0):
        s.at(n)
    s.price()
    for n in (12.1, 12.5, 12.6):
        s.at(n)
    return s


def prices_that_are_unfit() -> Story:
    """for long enough halt their symbol and pull its orders; fit again it dwells"""
    s = Story.begun(DWELL)
    s.step(ev.SubmitParent(request_id=3, parent=s.core.state.parents[ParentID("P1")].order))
    buy = s.working(Q)
    s.go(3.5)
    s.step(ev.Timer())
    s.step(ev.SessionDown(session="reference", reason="gone"))
    s.step(ev.SessionDown(session="reference", reason="gone"))
    s.go(3.6)
    s.step(ev.Timer())
    s.go(8.599)
    s.step(ev.Timer())
    s.go(8.6)
    s.step(ev.Timer())
    s.step(ev.SessionUp(session="reference"))
    s.price()
    s.go(9.099)
    s.step(ev.Timer())
    s.go(9.1)
    s.step(ev.Timer())
    s.canceled(buy)
    s.step(ev.SecurityStatus(symbol=SYN, trading=False))
    s.price()
    s.at(20)
    s.step(ev.SecurityStatus(symbol=SYN, trading=True))
    s.at(20.5)
    return s


def prices_that_are_unfit_for_a_moment() -> Story:
    """pull nothing, however often"""
    s = Story.begun()
    s.working(Q)
    for n in range(3):
        s.price(ASK, ASK)
        s.at(3.0 + 5 * n)
        s.at(5.9 + 5 * n)
        s.price()
        s.at(6.0 + 5 * n)
    return s


def traders_come_and_go() -> Story:
    """each is told what lives in its symbols; who may not come hears why"""
    two = (INSTRUMENT, Instrument(symbol=ABC, adv=2_000_000))
    s = Story(instruments=two, trader_silent_ms=2_000, without_trader_ms=3_000)
    s.open(trader=None)
    s.parent()
    s.hello(7)
    s.hello(7)
    s.hello(8)
    s.hello(9, symbols=(ABC, SYN))
    s.hello(10, symbols=())
    s.hello(11, symbols=(ABC, Symbol("XYZ")))
    s.hello(12, protocol=1, symbols=(ABC,))
    s.hello(13, symbols=(ABC,), policy="odd")
    s.hello(14, symbols=(ABC,), policy="odd", policy_sha256="f" * 64)
    s.hello(15, symbols=(ABC,))
    s.epoch, s.n = 7, 0
    s.working(Q)
    s.intent(Q, BID, epoch=15, n=1)
    s.step(ev.CancelIntent(epoch=15, n=2, chain_id="SH1-1"))  # type: ignore[arg-type]
    s.step(ev.TraderStatus(epoch=7, fit=True, text="fit", decisions=4))
    s.step(ev.TraderStatus(epoch=99, fit=True))
    s.step(ev.ClockAnchor(anchor_ts_ns=OPEN_NS, anchor_mono_ns=START_NS))
    s.step(ev.ClockAnchor(anchor_ts_ns=OPEN_NS, anchor_mono_ns=START_NS))
    s.step(ev.ClockAnchor(anchor_ts_ns=OPEN_NS, anchor_mono_ns=START_NS, speed=4.0))
    for n in range(4):
        s.at(1.5 + 0.5 * n)
        s.step(ev.TraderStatus(epoch=7, fit=True, text="fit", decisions=5))
    s.step(ev.TraderGone(epoch=7, reason="closed"))
    s.step(ev.TraderGone(epoch=7, reason="closed"))
    s.at(5.999)
    s.at(6.0)
    s.hello(16)
    return s


def positions_are_asked_for() -> Story:
    """at each logon, and again where the broker counts later; the third difference is a break"""
    s = Story(positions=HELD, positions_asked="demanded", positions_wait_ms=1_000)
    s.step(ev.SessionUp(session="reference"))
    s.step(ev.SessionUp(session="order"))
    s.step(s.mass_status_empty())
    s.price()
    asked = list(s.core.state.positions.questions)
    s.step(ev.MessagesUnsent(begin=1, end=0))
    s.step(PositionsAcked(req_id=asked[0], reports=1))  # of a question that was asked anew
    for seconds in (0.999, 1.0):
        s.at(seconds)
    for turn in range(2):
        first, second = s.core.state.positions.questions
        s.step(PositionsAcked(req_id=first, reports=2))
        s.step(PositionTold(req_id=first, account="", symbol=SYN, kinds=(("TOT", 499),), reports=2))
        s.step(PositionTold(req_id=first, account="PAPER", symbol=ABC, kinds=(("SOD", 3), ("TQ", 1))))
        s.step(PositionTold(req_id="OLD", account="PAPER", symbol=ABC, kinds=(("SOD", 3),)))
        s.step(PositionsAcked(req_id=second, reports=0))
        s.at(1.5 + turn)
        s.at(2.0 + turn)
    return s


def a_broker_that_tells_no_positions() -> Story:
    """is noted where they are only asked for"""
    s = Story(positions=HELD, positions_asked="asked", positions_wait_ms=1_000)
    s.step(ev.SessionUp(session="order"))
    s.step(s.mass_status_empty())
    s.at(0.999)
    s.at(1.0)
    s.step(ev.SessionDown(session="order"))
    s.step(ev.SessionUp(session="order"))
    s.step(s.mass_status_empty())
    s.step(ev.MessageRejected(ref_msg_type="AN", ref_id="9", text="no AN here"))
    s.at(1.1)
    s.step(ev.MessageRejected(ref_msg_type="AN", ref_id="9"))
    s.step(ev.SessionDown(session="order"))
    s.step(ev.SessionUp(session="order"))
    s.step(s.mass_status_empty())
    first, _ = s.core.state.positions.questions
    s.step(PositionsAcked(req_id=first, reports=0, refused="closed"))
    s.at(1.2)
    return s


def two_lines_tell_of_executions() -> Story:
    """and agree, or it is a break; what one has not told in time is one too"""
    s = Story.begun(drop_copy=True)

    def copy(exec_id: str, qty: int = 40, **more: Any) -> None:
        fields: dict[str, Any] = {"symbol": SYN, "order_id": "O-SH1-1"} | more
        s.step(DropCopied(exec_id=exec_id, last_qty=qty, last_price_e4=BID, **fields))  # type: ignore[arg-type]

    s.step(DropCopyLine(up=True))
    s.step(DropCopyLine(up=True))
    chain = s.working(200)
    s.fill(chain, 40, BID, exec_id="E-A")
    copy("E-A", offset=100)
    copy("E-A", offset=200)
    s.fill(chain, 40, BID, exec_id="E-B")
    s.at(2.999)
    s.at(3.0)
    copy("E-B")
    copy("E-C", cl_ord_id="DESK-1", order_id="O-9")
    copy("E-D", order_id="O-8", symbol=ABC)
    s.at(4.999)
    s.at(5.0)
    s.step(DropCopyLine(up=False, reason="gone"))
    s.step(DropCopyLine(up=False, reason="gone"))
    s.fill(chain, 20, BID, exec_id="E-E")
    s.at(9.999)
    s.at(10.0)
    s.step(DropCopyLine(up=True))
    s.at(10.1)
    copy("E-E", 21, side=Side.SELL)
    copy("E-F", exec_type=ExecType.TRADE_CANCEL, exec_ref_id="E-A")
    s.step(DropCopied(unreadable="unreadable 8: tag 31", offset=150))
    s.at(12.2)
    s.at(14.2)
    return s


def another_desks_orders() -> Story:
    """are counted where they are adopted, and never touched"""
    s = Story.begun(external_orders="adopt")
    more = {"symbol": SYN, "order_qty": 300, "price_e4": BID}
    s.report("THEIRS-1", ExecType.NEW, OrdStatus.NEW, **more, leaves_qty=300)
    s.report(
        "THEIRS-1",
        ExecType.TRADE,
        OrdStatus.PARTIALLY_FILLED,
        **more,
        last_qty=50,
        last_price_e4=BID,
        cum_qty=50,
        leaves_qty=250,
        exec_id="T1",
    )
    s.report(
        "THEIRS-2",
        ExecType.TRADE,
        OrdStatus.PARTIALLY_FILLED,
        symbol=SYN,
        order_qty=90,
        side=Side.SELL,
        last_qty=10,
        last_price_e4=BID,
        cum_qty=30,
        leaves_qty=60,
        exec_id="T2",
    )
    s.at(2)
    s.step(ev.Kill(source="cli"))
    s.at(3)
    s.report("THEIRS-3", ExecType.NEW, OrdStatus.NEW, order_qty=300)
    s.report("THEIRS-4", ExecType.NEW, OrdStatus.NEW, symbol=SYN)
    return s
