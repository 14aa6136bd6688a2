"""OMS sessions: what is asked in FIX, and what is told, to the last tag."""

from market import events as ev
from market.oms_events import OmsSession, OmsUnfit
from market.orders import NewOrder
from market.types import ExecType, OrdStatus, ParentID
from tests.daemon.gate_harness import BID, SECOND
from tests.daemon.oms_world import new_text
from tests.daemon.stories.book import Story

TERMS = "1=PAPER|55=SYN|54=1|38={qty}|40=1|59=6|126=20240102-15:10:00|60=20240102-15:00:00"


def _world() -> Story:
    story = Story()
    story.open()
    return story


def _change(kind: str, name: str, orig: str, more: str = "", qty: int = 500, **changed: str) -> str:
    """Return a 35=F or 35=G."""
    text = f"35={kind}|34=2|11={name}|41={orig}|" + TERMS.format(qty=qty)
    if kind == "F":
        text = f"35=F|34=2|11={name}|41={orig}|1=PAPER|55=SYN|54=1|38={qty}|60=20240102-15:00:00"
    for tag, value in changed.items():
        text = "|".join(f"{tag[1:]}={value}" if f.startswith(f"{tag[1:]}=") else f for f in text.split("|"))
    return text + (f"|{more}" if more else "")


def an_order_and_its_changes() -> Story:
    """from pending new to filled, each change under a name of its own"""
    s = _world()
    s.step(OmsSession(client="OMS", up=True))
    s.new("A1", 500)
    s.new("A1", 500)
    s.new("A1", 501)
    first = s.working(100)
    s.fill(first, 40, BID)
    s.say(_change("G", "A2", "A1", qty=400))
    s.say(_change("G", "A2", "A1", qty=400))
    s.say(_change("G", "A3", "A1", qty=300))
    s.say(_change("G", "A4", "A2", qty=90))
    s.say(_change("G", "A5", "A2", qty=80))
    s.say("35=H|34=9|11=A4|55=SYN|54=1")
    s.canceled(first, cum_qty=40)
    s.say("35=H|34=9|11=A2|55=SYN|54=1|790=Q1")
    s.say(_change("G", "A7", "A4", qty=40))
    s.say(_change("F", "A8", "A4", qty=90))
    s.say(_change("F", "A9", "A8", qty=40))
    s.say("35=H|34=9|11=A8|55=SYN|54=1")
    return s


def a_cancel_that_waits() -> Story:
    """is pending until nothing works; one that the last fill overtakes is refused"""
    s = _world()
    s.new("A1", 100)
    s.new("B1", 100)
    first, second = s.working(100, pid="P1"), s.working(100, pid="P2")
    s.say(_change("F", "A2", "A1", qty=100))
    s.say(_change("G", "A2", "A1", qty=100))  # its name was a cancel's
    s.say(_change("F", "A1", "A1", qty=100))
    s.say(_change("F", "A3", "A1", qty=100))
    s.say(_change("G", "A4", "A1", qty=100))
    s.say("35=H|34=9|11=A1|55=SYN|54=1")
    s.canceled(first)
    s.say(_change("F", "A5", "A2", qty=100))
    s.fill(second, 60, BID)
    s.say(_change("F", "B2", "B1", qty=100))
    s.fill(second, 40, BID + 100)
    s.say(_change("F", "B3", "B1", qty=100))
    return s


def filled_while_its_rest_is_canceled() -> Story:
    """there is nothing left to change"""
    s = Story()
    s.open()
    s.new("A1", 200)
    chain = s.working(100)
    s.say(_change("G", "A2", "A1", qty=60))
    s.fill(chain, 59, BID)
    s.say(_change("F", "A3", "A1", qty=60))
    s.fill(chain, 1, BID)
    s.say(_change("F", "A4", "A1", qty=60))
    s.canceled(chain, cum_qty=60)
    s.say(_change("F", "A5", "A2", qty=60))
    s.new("B1", 200)
    other = s.working(100, pid="P2")
    s.say(_change("G", "B2", "B1", qty=60))
    s.fill(other, 60, BID)
    s.say(_change("F", "B3", "B1", qty=60))
    return s


def requests_that_cannot_be() -> Story:
    """are refused, each with its reason and by its name"""
    s = _world()
    s.new("A1", 500)
    for n, text in enumerate(
        (
            _change("F", "F{n}", "A9"),
            _change("F", "F{n}", "A1", more="37=P9"),
            _change("F", "F{n}", "A1", more="37=P1", _54="2"),
            _change("G", "F{n}", "A1", _54="2"),
            _change("G", "F{n}", "A1", more="111=10"),
            _change("G", "F{n}", "A1", _126="20240101-15:10:00"),
            "35=H|34=9|11=A9|55=SYN|54=1",
            "35=H|34=9|11=A1|37=P9|55=SYN|54=1",
            "35=H|34=9|11=A1|37=P1|55=SYN|54=1",
            new_text("F{n}", 0),
            new_text("F{n}", 10**9),
            new_text("F{n}", 500).replace("55=SYN", "55=XYZ"),
            new_text("F{n}", 500).replace("54=1", "54=2"),
            new_text("F{n}", 500).replace("126=20240102-15:10:00", "126=20240102-23:10:00"),
            new_text("F{n}", 500, "21=3"),
            "35=V|34=9|262=X",
        )
    ):
        s.say(text.format(n=n))
    s.say(_change("G", "G1", "A1", qty=500))  # the same terms, under another name
    s.say(_change("G", "G2", "G1", qty=500, more="44=100.50", _40="2"))
    s.say(_change("G", "G3", "G2", qty=500))
    s.step(
        OmsUnfit(client="OMS", ref_msg_type="D", ref_id="Z1", reason="5", text="35=D is not whole", seq_num=7)
    )
    return s


def the_desk_acts_too() -> Story:
    """and the OMS hears of it: pause, resume, amend, cancel, busts and corrections"""
    s = _world()
    s.new("A1", 500)
    s.new("B1", 300)
    chain = s.working(100)
    s.step(ev.PauseParent(request_id=2, parent_id=ParentID("P1")))
    s.canceled(chain)
    s.say("35=H|34=9|11=A1|55=SYN|54=1")
    s.step(ev.ResumeParent(request_id=3, parent_id=ParentID("P1")))
    s.step(ev.AmendParent(request_id=4, parent_id=ParentID("P1"), qty=450, limit_price_e4=BID + 500))
    order = s.intent(100, BID)
    assert isinstance(order, NewOrder)
    s.accept(order)
    s.fill(order.cl_ord_id, 60, BID, exec_id="E-A")
    s.report(
        order.cl_ord_id,
        ExecType.TRADE_CORRECT,
        OrdStatus.PARTIALLY_FILLED,
        exec_id="E-B",
        exec_ref_id="E-A",
        last_qty=60,
        last_price_e4=BID - 100,
        cum_qty=60,
        leaves_qty=40,
    )
    s.report(
        order.cl_ord_id,
        ExecType.TRADE_CANCEL,
        OrdStatus.NEW,
        exec_id="E-C",
        exec_ref_id="E-B",
        last_qty=60,
        last_price_e4=BID - 100,
        cum_qty=0,
        leaves_qty=100,
    )
    s.step(ev.AmendParent(request_id=5, parent_id=ParentID("P1"), qty=50))
    s.canceled(order.cl_ord_id)
    s.step(ev.CancelParent(request_id=6, parent_id=ParentID("P1")))
    s.step(OmsSession(client="OMS", up=False, reason="gone"))
    s.step(OmsSession(client="OMS", up=True, restate=True))
    s.step(OmsSession(client="TWO", up=True, restate=True))
    s.go(601.0)
    s.step(ev.Timer())
    return s


def before_market_time() -> Story:
    """nothing is admitted; what an OMS leaves open is the session's"""
    s = Story()
    s.ts = 0
    s.new("A1", 500)
    s.ts = s.core.state.risk.phase(
        s.core.state.instruments.copy().popitem()[0], 1_704_207_600 * SECOND
    ).open_ns
    s.open()
    s.say("35=D|34=2|11=A2|1=PAPER|55=SYN|54=1|38=700|40=1|59=0|60=20240102-15:00:00")
    s.say("35=D|34=2|11=A3|1=PAPER|55=SYN|54=1|38=800|40=2|44=100.00|59=6|432=20240102|60=20240102-15:00:00")
    s.say(new_text("A4", 900, "168=20240102-15:05:00"))
    for pid in ("P1", "P2", "P3"):
        found = s.core.state.parents.get(ParentID(pid))
        s.lines.append(f"{pid} {found.order.start_ns, found.order.end_ns}" if found else f"no {pid}")
    return s
