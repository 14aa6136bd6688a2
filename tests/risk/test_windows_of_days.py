"""R08: a window lies in a day that the calendar knows, half days and holidays included, and stays there."""

from datetime import UTC, datetime, time
from typing import Any

import msgspec
import pytest

from daemon.gate.effects import Reply
from market import events as ev
from market.instruments import Auction, Instrument
from market.types import ParentID, TimeInForce
from tests.daemon.gate_harness import BID, OPEN_NS, PAPER, SECOND, SYN, World, cancels, limits
from tests.daemon.oms_world import OmsWorld, brief

HOUR = 3_600 * SECOND
CROSSING = Instrument(symbol=SYN, adv=2_000_000, auctions=(Auction.CLOSE,))
TIMES = {"times_in_force": (*PAPER.allowed.times_in_force, "CLOSE")}


def at(text: str) -> int:
    """Return the UTC ns of a minute in New York's winter."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND + 5 * HOUR


def opened(begin: str = "2023-11-24 10:00", **start: Any) -> OmsWorld:
    w = OmsWorld(**start)
    w.ts = at(begin)
    w.open()
    return w


def amended(w: World, **terms: Any) -> str:
    """Return the answer to an amendment: "" or the error."""
    effects = w.step(ev.AmendParent(request_id=1, parent_id=ParentID("P1"), **terms))
    return str(next(e.body for e in effects if isinstance(e, Reply)).get("error", ""))


@pytest.mark.parametrize(
    ("begin", "end", "said"),
    [
        ("2023-11-24 10:00", "2023-11-24 13:00", ""),  # the day after Thanksgiving: until 13:00
        ("2023-11-24 10:00", "2023-11-24 13:01", "R08 the window is outside 09:30-13:00"),
        ("2023-11-27 10:00", "2023-11-27 16:00", ""),
        ("2023-12-25 10:00", "2023-12-25 11:00", "R08 the window is outside trading days: 2023-12-25"),
        ("2023-11-25 10:00", "2023-11-25 11:00", "R08 the window is outside trading days: 2023-11-25"),
        ("2023-11-24 10:00", "2023-11-27 11:00", "R08 the window is outside 09:30-13:00"),
    ],
)
def test_a_window_is_held_against_the_hours_of_its_day(begin: str, end: str, said: str) -> None:
    w = opened()

    answer = w.parent(start_ns=at(begin), end_ns=at(end))

    assert answer["ok"] is not bool(said)
    assert said in answer.get("error", "")


def test_what_trades_always_has_no_half_days() -> None:
    always = Instrument(symbol=SYN, adv=2_000_000, calendar="24x7")
    w = opened(instruments=(always,))

    assert w.parent(start_ns=at("2023-12-25 10:00"), end_ns=at("2023-12-25 11:00"))["ok"]


def test_a_part_for_the_close_of_a_half_day_goes_by_that_days_close_and_cut_off() -> None:
    w = opened(law=limits(allowed=TIMES), instruments=(CROSSING,))
    whole = {"start_ns": at("2023-11-24 10:00"), "end_ns": at("2023-11-24 16:00"), "close_pct": 50}

    assert "R08 close_pct: the window must end with the close, 13:00:00" in w.parent(**whole)["error"]
    late = whole | {"start_ns": at("2023-11-24 12:55"), "end_ns": at("2023-11-24 13:00")}
    assert "after the cut-off for the close, 12:55:00" in w.parent(**late)["error"]
    assert w.parent(**whole | {"end_ns": at("2023-11-24 13:00")})["ok"]
    (parent,) = w.core.state.live_parents.values()
    assert parent.order.end_ns == at("2023-11-24 13:01"), "room for the reports of the cross"
    w.step(ev.Timer())
    for ts_ns, controls in ((at("2023-11-24 12:55") - 1, ()), (at("2023-11-24 12:55"), ("R40",))):
        w.ts = ts_ns
        w.price()
        sent = w.intent(100, BID, time_in_force=TimeInForce.CLOSE)
        assert getattr(sent, "controls", ()) == controls


def test_an_order_for_the_close_of_a_half_day_is_left_to_its_cross() -> None:
    w = opened(law=limits(allowed=TIMES), instruments=(CROSSING,))
    assert w.parent(start_ns=at("2023-11-24 10:00"), end_ns=at("2023-11-24 13:00"), close_pct=50)["ok"]
    w.step(ev.Timer())
    close = w.intent(500, BID, time_in_force=TimeInForce.CLOSE)
    resting = w.intent(100, BID)
    for order in (close, resting):
        w.accept(order)

    w.ts = at("2023-11-24 13:00")

    assert [c.orig_cl_ord_id for c in cancels(w.wait(1.0))] == [resting.cl_ord_id]


def test_a_journal_of_before_the_short_days_is_replayed_as_it_was() -> None:
    w = opened(law=limits(allowed=TIMES), instruments=(CROSSING,), short_days=False)
    whole = {"start_ns": at("2023-11-24 10:00"), "end_ns": at("2023-11-24 13:00"), "close_pct": 50}

    assert not w.parent(**whole)["ok"], "what a desk was refused does not begin at the next start"
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2, "short_days": True}))
    assert w.parent(**whole | {"pid": "P2"})["ok"]


def test_a_venue_that_closes_before_the_instrument_on_every_day_has_no_known_cut_off() -> None:
    late = msgspec.structs.replace(CROSSING, close=time(17, 0))
    w = opened(law=limits(allowed=TIMES), instruments=(late,))
    whole = {"start_ns": at("2023-11-27 10:00"), "end_ns": at("2023-11-27 17:00"), "close_pct": 50}

    assert "R08 close_pct: the venue closes at 16:00" in w.parent(**whole)["error"]


def test_an_amended_part_for_the_close_stays_within_its_day() -> None:
    w = opened(law=limits(allowed=TIMES), instruments=(CROSSING,))
    next_week = {"start_ns": at("2023-11-27 10:00"), "end_ns": at("2023-11-27 16:00"), "close_pct": 50}
    assert w.parent(**next_week)["ok"]
    assert amended(w, qty=1_000) == ""


def test_no_amendment_takes_a_window_over_its_close() -> None:
    w = opened("2024-01-02 10:00")
    w.parent()
    closes = at("2024-01-02 16:00")

    for end_ns in (closes + 1, OPEN_NS + 7 * 24 * HOUR, 2**62):
        assert "R08 the window is outside 09:30-16:00" in amended(w, end_ns=end_ns)
    assert amended(w, end_ns=closes) == ""
    assert w.ask_parent().order.end_ns == closes


def test_a_day_order_ends_with_the_day_whatever_a_replace_asks() -> None:
    w = opened()
    w.say("35=D|34=2|11=A1|1=PAPER|55=SYN|54=1|38=2000|40=1|59=0")
    assert w.ask_parent().order.end_ns == at("2023-11-24 13:00")

    asked = "35=G|34=3|41=A1|1=PAPER|55=SYN|54=1|38=1000|40=1|"
    late = w.say(f"{asked}11=A2|126=20231124-17:00:00")
    same = w.say(f"{asked}11=A3|59=0")

    assert brief(late) == ["9 102=99 39=0 A2"]
    assert "126: a day order" in late[0]["58"]
    assert brief(same) == ["5/0 A3 0/1000"]


def test_a_replace_takes_no_parent_of_an_oms_over_the_close() -> None:
    w = opened("2024-01-02 10:00")
    w.new("A1")

    asked = "35=G|34=3|11=A2|41=A1|1=PAPER|55=SYN|54=1|38=2000|40=1|59=6|126=20240109-20:00:00"
    assert "R08 the window is outside 09:30-16:00" in w.say(asked)[0]["58"]
