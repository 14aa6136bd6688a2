"""Parents of an OMS in the core: admitted once, told of everything once, whatever comes twice or late."""

from typing import Any

import pytest

from daemon.gate import state_codec
from daemon.gate.core import GateCore
from daemon.gate.effects import SendCancel, Tell
from market import events as ev
from market import oms_events as oms
from market.copy_events import DropCopyLine
from market.orders import NewOrder, ReplaceOrder
from market.people_events import StopScope
from market.types import ExecType, OrdStatus, ParentID, TimeInForce
from market.updates import ParentUpdate
from tests.daemon.gate_harness import ASK, BID, SECOND, World
from tests.daemon.oms_world import OmsWorld, brief, new_text


def opened(**more: object) -> OmsWorld:
    world = OmsWorld(**more)  # type: ignore[arg-type]
    world.open()
    return world


def test_a_parent_goes_from_its_order_to_filled():
    w = opened()

    answer = w.new(qty=300)
    assert brief(answer) == ["A/A A1 0/300", "0/0 A1 0/300"]
    assert answer[1]["37"] == "P1"
    chain = w.working(200)
    first = w.heard(w.fill(chain, 150, BID))
    second = w.heard(w.fill(chain, 50, BID - 100))
    third = w.heard(w.fill(w.working(100), 100, BID))

    assert brief(first + second + third) == ["F/1 A1 150/150", "F/1 A1 200/100", "F/2 A1 300/0"]
    assert (first[0]["32"], first[0]["31"], first[0]["6"]) == ("150", "100.00", "100")
    assert (second[0]["31"], second[0]["6"]) == ("99.99", "99.9975")
    ids = [r["17"] for r in w.all_heard()]
    assert len(set(ids)) == len(ids)


def test_what_is_left_at_the_end_is_expired_or_done_for_the_day():
    w = opened()

    w.new("A1", 300)
    w.say(new_text("A2", 100).replace("|59=6|126=20240102-15:10:00", "|59=0"))
    ten_minutes = w.wait(601)

    assert brief(w.heard(ten_minutes)) == ["C/C A1 0/0"]
    w.ts += 6 * 3600 * SECOND
    assert brief(w.heard(w.wait(1))) == ["3/3 A2 0/0"]
    assert w.all_heard()[-1]["58"]


def test_an_execution_that_ends_a_parent_is_told_before_the_end():
    """Its last child fills after the window, and leaves the parent short."""
    w = opened()
    w.new("A1", 300)
    chain = w.working(100)

    w.wait(601)
    last = w.heard(w.fill(chain, 100, BID))

    assert brief(last) == ["F/1 A1 100/200", "C/C A1 100/0"]


def test_cancel_waits_for_what_works():
    w = opened()
    w.new("A1", 300)
    chain = w.working(100)

    asked = w.say("35=F|34=3|11=A2|41=A1|55=SYN|54=1|60=20240102-15:00:10")
    late = w.heard(w.fill(chain, 40, BID))
    gone = w.heard(canceled(w, chain, 40))

    assert brief(asked) == ["6/6 A2 0/300"]
    assert brief(late) == ["F/6 A1 40/260"]
    assert brief(gone) == ["4/4 A2 40/0"]
    assert gone[0]["41"] == "A1"


def test_cancel_that_comes_after_the_last_fill_is_refused():
    w = opened()
    w.new("A1", 100)
    chain = w.working(100)

    w.say("35=F|34=3|11=A2|41=A1|55=SYN|54=1|60=20240102-15:00:10")
    filled = w.heard(w.fill(chain, 100, BID))

    assert brief(filled) == ["F/6 A1 100/0", "9 102=0 39=2 A2"]


def test_amended_down_in_flight_waits_and_what_overtook_counts():
    w = opened()
    w.new("A1", 300)
    chain = w.working(200)

    asked = w.say(replace_text(qty=100))
    overtook = w.heard(w.fill(chain, 150, BID))
    gone = w.heard(canceled(w, chain, 150))

    assert brief(asked) == ["E/E A2 0/300"]
    assert w.ask_parent().order.qty == 150, "what traded was admitted"
    assert brief(overtook) == ["F/E A1 150/150"]
    assert brief(gone) == ["5/2 A2 150/0"]
    assert w.core.posture.name == "ACTIVE"
    assert not w.core.state.breaks


def test_a_tighter_limit_is_replaced_when_nothing_works_beyond_it():
    """An execution beyond the limit that the OMS was told would be a break of its own."""
    w = opened()
    w.new("A1", 300)
    chain = w.working(100, BID)

    asked = w.say(replace_text(qty=300).replace("|40=1", "|40=2|44=99.90"))
    overtook = w.heard(w.fill(chain, 40, BID))
    gone = w.heard(canceled(w, chain, 40))

    assert w.ask_parent().order.limit_price_e4 == 999_000, "nothing new leaves beyond it"
    assert brief(asked) == ["E/E A2 0/300"]
    assert (brief(overtook), overtook[0].get("44")) == (["F/E A1 40/260"], None)
    assert (brief(gone), gone[0]["44"]) == (["5/1 A2 40/260"], "99.90")


def test_a_tighter_limit_of_the_desk_is_told_when_nothing_works_beyond_it():
    w = opened()
    w.new("A1", 300)
    chain = w.working(100, BID)

    change = ev.AmendParent(request_id=1, parent_id=ParentID("P1"), limit_price_e4=999_000)
    assert w.heard(w.step(change)) == []
    gone = w.heard(canceled(w, chain, 0))

    assert (brief(gone), gone[0]["44"]) == (["D/0 A1 0/300"], "99.90")


def test_a_change_of_what_is_pending_is_told_so():
    w = opened()
    w.new("A1", 300)
    w.working(200)
    w.say(replace_text(qty=100))

    again = w.say(replace_text(qty=50, cl_ord_id="A3", orig="A2"))
    cancel = w.say("35=F|34=3|11=A4|41=A2|55=SYN|54=1|60=20240102-15:00:10")

    assert brief(again + cancel) == ["9 102=3 39=E A3", "9 102=3 39=E A4"]
    assert cancel[0]["58"] == "41=A2 has no answer yet: give A1"


@pytest.mark.parametrize(
    ("sent", "first", "taken"), [("16:00:00", "15:00:00", True), ("16:00:01", "15:00:00", False)]
)
def test_an_order_that_lay_in_a_store_is_none_of_today(sent: str, first: str, taken: bool) -> None:
    w = opened()

    answer = w.new(more=f"43=Y|52=20240102-{sent}|122=20240102-{first}")

    assert answer[-1]["150"] == ("0" if taken else "8")
    assert taken or (answer[0]["103"], answer[0]["58"]) == (
        "4",
        "sent at 20240102-15:00:00 and not read here until now: give it anew",
    )


def test_an_order_that_was_read_is_answered_however_late_it_comes_again() -> None:
    w = opened()
    w.new()

    assert brief(w.new(more="43=Y|52=20240103-15:00:00|122=20240102-15:00:00")) == ["I/0 A1 0/2000"]


def test_amended_down_holds_at_once_for_new_orders():
    w = opened()
    w.new("A1", 300)
    w.working(100)

    assert brief(w.say(replace_text(qty=150))) == ["5/0 A2 0/150"]
    refused = w.intent(100, BID)

    assert "R14" in refused.controls


def test_amend_to_less_than_is_filled_is_refused():
    w = opened()
    w.new("A1", 300)
    w.fill(w.working(200), 200, BID)

    answer = w.say(replace_text(qty=200))

    assert brief(answer) == ["9 102=0 39=1 A2"]
    assert "not above what is filled, 200" in answer[0]["58"]


def test_a_refusal_says_no_order_type_that_was_not_given():
    w = opened()

    limit = w.say(new_text("A1").replace("|40=1", "|40=2|44=100.25").replace("|38=2000", "|38=99999999999"))
    unread = w.say(new_text("A2", more="9999=1").replace("|40=1", "|40=2|44=100.25"))

    assert (limit[0]["150"], limit[0]["40"], limit[0]["44"]) == ("8", "2", "100.25")
    assert (unread[0]["150"], unread[0].get("40")) == ("8", None)


def test_same_order_twice_is_one_parent():
    w = opened()

    w.new("A1")
    again = w.new("A1")
    resent = w.new("A1", more="97=Y")
    other = w.new("A1", qty=700)

    assert brief(again) == brief(resent) == ["I/0 A1 0/2000"]
    assert brief(other) == ["8/8 A1 0/0"]
    assert other[0]["103"] == "6"
    assert len(w.core.state.parents) == 1


def test_a_refusal_is_the_same_the_second_time():
    w = opened()

    first, second = w.new("A1", more="9999=1"), w.new("A1", more="9999=1")

    assert first == second
    assert "9999=1 is not supported" in first[0]["58"]


def test_every_reason_of_admission_is_told():
    w = opened()

    answer = w.new("A1", qty=50_000_000)

    assert answer[0]["103"] == "3"
    assert "R08" in answer[0]["58"]
    assert w.core.state.counters["parents_refused"] == 1


def test_shares_that_are_taken_back_are_told():
    w = opened()
    w.new("A1", 300)
    chain = w.working(200)
    fill = w.heard(w.fill(chain, 100, BID, exec_id="E77"))

    bust = w.heard(
        w.report(
            chain,
            ExecType.TRADE_CANCEL,
            OrdStatus.NEW,
            exec_ref_id="E77",
            last_qty=100,
            last_price_e4=BID,
            cum_qty=0,
            leaves_qty=200,
        )
    )

    assert brief(bust) == ["H/0 A1 0/300"]
    assert bust[0]["19"] == fill[0]["17"]


def test_desk_pauses_resumes_amends_and_cancels_are_told():
    w = opened()
    w.new("A1", 300)

    told = w.heard(w.step(ev.PauseParent(request_id=1, parent_id="P1")))
    told += w.heard(w.step(ev.ResumeParent(request_id=2, parent_id="P1")))
    told += w.heard(w.step(ev.AmendParent(request_id=3, parent_id="P1", qty=200)))
    told += w.heard(w.step(ev.CancelParent(request_id=4, parent_id="P1")))

    assert brief(told) == ["9/9 A1 0/300", "D/0 A1 0/300", "D/0 A1 0/200", "4/4 A1 0/0"]


def test_replay_makes_the_same_outbox():
    w = opened()
    w.new("A1", 300)
    w.fill(w.working(200), 150, BID)
    w.say(replace_text(qty=250))

    twin = GateCore()
    for stamp, event in w.log:
        twin.step(stamp, event)

    assert twin.state.oms == w.core.state.oms
    assert twin.state_hash() == w.core.state_hash()


def test_epochs_keep_exec_ids_apart():
    w = opened()
    w.new("A1", 300)
    w.step(ev.GateStarted(**(w.start_fields | {"epoch": 2})))
    w.open(trader=8)
    w.fill(w.working(100), 100, BID)

    ids = [r["17"] for r in w.all_heard()]
    assert len(set(ids)) == len(ids) == 3


def test_status_of_what_is_known_and_what_is_not():
    w = opened()
    w.new("A1", 300)

    known = w.say("35=H|34=3|11=A1|55=SYN|54=1|790=Q1")
    unknown = w.say("35=H|34=4|11=ZZ|55=SYN|54=1")

    assert brief(known) == ["I/0 A1 0/300"]
    assert (known[0]["790"], known[0]["17"]) == ("Q1", "0")
    assert brief(unknown) == ["I/8 ZZ 0/0"]


def test_before_market_time_nothing_is_admitted() -> None:
    w = OmsWorld()
    w.ts = 0

    (answer,) = w.new("A1", 300)

    assert (answer["39"], answer["58"]) == ("8", "market time has not begun")


def test_strategies_and_parameters_become_terms() -> None:
    w = opened()

    w.new("A1", 300, more="847=1|849=0.1|848=urgency=3;must_complete=Y")
    w.new("A2", 300, more="847=1000|957=2|958=urgency|959=1|960=2|958=max_participation|959=11|960=0.25")
    first, second = (w.ask_parent(pid).order for pid in ("P1", "P2"))

    assert (first.benchmark.value, first.max_participation_bp, first.urgency) == ("vwap", 1_000, 3)
    assert first.must_complete
    assert (second.benchmark.value, second.max_participation_bp, second.urgency) == ("twap", 2_500, 2)


@pytest.mark.parametrize(
    ("more", "text", "reason"),
    [
        ("847=9", "847=9 is not supported", "11"),
        ("847=2", "needs ParticipationRate(849)", "11"),
        ("849=1.5", "849=1.5: above 0, at most 1", "11"),
        ("848=colour=red", "parameter 'colour' is not supported", "11"),
        ("957=1|958=urgency", "957: its entries are", "11"),
        ("848=urgency=1;urgency=2", "urgency is given twice", "11"),
        ("110=100", "R08 min_qty is not supported", "11"),
        ("18=f", "18 is not supported", "11"),
        ("21=3", "manual handling", "11"),
        ("15=EUR", "15=EUR is not the currency", "11"),
        ("100=XNYS", "R02 venue XNYS is not XNAS", "99"),
        ("114=Y", "give 5700", "11"),
        ("168=soon", "168 is not YYYYMMDD", "99"),
        ("432=20240103", "432=20240103 is not supported", "11"),
        ("38=200", "38 comes twice", "99"),
        ("44=100.00", "40=1 has no price", "11"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(more: str, text: str, reason: str) -> None:
    w = opened()

    answer = w.new("A1", 300, more=more)

    assert brief(answer) == ["8/8 A1 0/0"]
    assert text in answer[0]["58"]
    assert answer[0]["103"] == reason


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("|59=6", "|59=1", "59=1 is not supported"),
        ("|126=20240102-15:10:00", "", "59=6 needs ExpireTime"),
        ("|55=SYN", "|55=ABC", "55=ABC: this session may not trade it"),
        ("|1=PAPER", "|1=OTHER", "1=OTHER: this session may not use this account"),
        ("|54=1", "|54=7", "54 is missing or not"),
        ("|40=1", "|40=3", "40=3 is not supported"),
        ("|40=1", "|40=2|44=100.005", "R02 limit price"),
        ("|38=300", "|38=0", "38 is missing or no whole"),
        ("|126=20240102-15:10:00", "|126=20240102-14:00:00", "R08 the window ends before it begins"),
    ],
)
def test_what_is_wrong_is_told(old: str, new: str, text: str) -> None:
    w = opened()

    (answer,) = w.say(new_text("A1", 300).replace(old, new))

    assert text in answer["58"]
    assert not w.core.state.parents


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("41=A1", "41=ZZ"), "no order ZZ"),
        (("|54=1", "|54=2"), "the order is BUY SYN"),
        (("|1=PAPER", "|1=PAPER|847=1"), "847=1 cannot be changed, it was not given"),
        (("|1=PAPER", "|1=PAPER|37=P9"), "37=P9: order A1 is P1"),
        (("|38=200", "|38=300|9998=1"), "9998=1 is not supported"),
        (("|126=20240102-15:10:00", "|126=20240102-14:00:00"), "the window ends before it begins"),
    ],
)
def test_a_replace_that_cannot_be_is_refused(change: tuple[str, str], text: str) -> None:
    w = opened()
    w.new("A1", 300)

    (answer,) = w.say(replace_text(qty=200).replace(*change))

    assert answer["35"] == "9"
    assert text in answer["58"]
    assert w.ask_parent().order.qty == 300


def test_a_replace_changes_limit_end_and_participation() -> None:
    w = opened()
    w.new("A1", 300, more="849=0.1")

    text = replace_text(qty=300).replace("|40=1", "|40=2|44=99.99|849=0.2")
    (answer,) = w.say(text.replace("15:10:00", "15:09:00"))
    taken = w.ask_parent().order
    (back,) = w.say(replace_text(qty=300, cl_ord_id="A3", orig="A2"))

    assert brief([answer]) == ["5/0 A2 0/300"]
    assert (taken.limit_price_e4, taken.max_participation_bp) == (999_900, 2_000)
    assert "40=1: a limit price cannot be taken away" in back["58"]


def test_one_oms_knows_nothing_of_another():
    w = opened()
    w.new("A1", 300)

    answer = w.say("35=F|34=3|11=A2|41=A1|55=SYN|54=1|60=20240102-15:00:10", client="OTHER")

    assert brief(answer) == ["9 102=1 39=8 A2"]
    assert w.ask_parent().live


def test_an_oms_that_threw_its_numbers_away_is_told_how_all_stands():
    w = opened()
    w.new("A1", 300)

    told = w.heard(w.step(oms.OmsSession(client="OMS", up=True, restate=True)))

    assert brief(told) == ["I/0 A1 0/300"]


def replace_text(qty: int, cl_ord_id: str = "A2", orig: str = "A1") -> str:
    return (
        f"35=G|34=3|11={cl_ord_id}|41={orig}|1=PAPER|55=SYN|54=1|38={qty}|40=1|59=6"
        "|126=20240102-15:10:00|60=20240102-15:00:10"
    )


def canceled(w: World, chain: str, cum_qty: int) -> list[Any]:
    """The EMS has carried out the cancel that was sent last."""
    name = w.sent_of(SendCancel)[-1].order.cl_ord_id
    return w.report(name, ExecType.CANCELED, OrdStatus.CANCELED, cum_qty=cum_qty, orig_cl_ord_id=chain)


def test_a_snapshot_holds_all_that_an_oms_was_told() -> None:
    w = opened(drop_copy=True)
    w.step(DropCopyLine(up=True))
    w.new("A1", 300)
    w.new("A2", 300, more="9999=1")
    w.fill(w.working(100), 40, BID, exec_id="E-A")
    w.say(replace_text(qty=50))

    read = state_codec.decode(state_codec.encode(w.core))

    assert read.state.oms == w.core.state.oms
    assert read.state.drop_copy == w.core.state.drop_copy
    assert read.state_hash() == w.core.state_hash()


def test_max_floor_bounds_what_rests_and_not_what_crosses() -> None:
    w = opened()

    w.new("A1", 300, more="111=100")
    room = [u.headroom for e in w.sent_of(Tell) if isinstance(u := e.update, ParentUpdate)]
    assert room[-1].order_qty_max == 100
    chain = w.working(80)
    refused = w.intent(30, BID - 100)
    assert refused.controls == ("R08",)
    assert "max_display" in refused.text
    assert isinstance(w.intent(100, ASK, time_in_force=TimeInForce.IOC), NewOrder)
    assert w.replace(chain, 110, BID).controls == ("R08",)
    assert isinstance(w.replace(chain, 100, BID), ReplaceOrder)

    odd = w.new("A2", 300, more="111=0")
    assert "111 is no whole quantity above 0" in odd[0]["58"]


def test_what_is_admitted_while_nothing_may_trade_says_so():
    w = opened()
    assert "58" not in w.new("A1")[1]

    w.step(StopScope(source="cli", reason="lunch", halt=True))
    answer = w.new("A2")

    assert brief(answer) == ["A/A A2 0/2000", "0/0 A2 0/2000"]
    assert answer[1]["58"] == "waits, no order leaves: HALTED by R70H"


def test_a_killed_gate_takes_no_parent_of_an_oms():
    w = opened()
    w.step(ev.Kill(source="cli", reason="odd"))

    answer = w.new("A1")

    assert brief(answer) == ["8/8 A1 0/0"]
    assert answer[0]["58"] == "R70 the gate is killed (cli: odd): submit it after the rearm"


@pytest.mark.parametrize(
    "share", ["0.1_0", "1e-1", "+0.1", "\uff10.1", " 0.1", "0.1 ", "NaN", "1.0001", "0", ".", ""]
)
def test_a_share_is_written_in_digits_or_is_none(share: str):
    w = opened()

    assert brief(w.new("A1", more=f"847=2|849={share}"))[0].startswith("8/8")
    assert brief(w.new("A2", more="847=2|849=0.1"))[0].startswith("A/A")
    assert brief(w.new("A3", more="847=2|849=.1"))[0].startswith("A/A")
    assert brief(w.new("A4", more="847=2|849=1"))[0].startswith("A/A")
