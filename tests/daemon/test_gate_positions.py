"""Positions at a logon: what the broker holds is what we have booked, or a named break stops everything."""

from typing import Any

import pytest

from daemon.gate.core import GateCore
from daemon.gate.effects import AskPositions
from gateways.fix import inbound, positions
from gateways.fix.wire import Malformed
from market import events as ev
from market.position_events import PositionsAcked, PositionTold
from market.types import ExecType, Symbol
from risk.posture import Posture
from tests.daemon.gate_harness import BID, World

HELD = (("PAPER", Symbol("SYN"), 500),)


def logged_on(asked: str = "asked", **start: Any) -> World:
    w = World(positions=HELD, positions_asked=asked, positions_wait_ms=1_000, **start)
    w.step(ev.SessionUp(session="reference"))
    w.step(ev.SessionUp(session="order"))
    w.step(w.mass_status_empty())
    w.price()
    return w


def last(w: World) -> str:
    return str(w.sent_of(AskPositions)[-1].request.req_id)


def tell(w: World, *kinds: tuple[str, int], symbol: str = "SYN", count: int = 1) -> None:
    w.step(PositionsAcked(req_id=last(w), reports=count))
    w.step(PositionTold(req_id=last(w), account="PAPER", symbol=Symbol(symbol), kinds=kinds, reports=count))


def test_nothing_trades_before_positions_are_told() -> None:
    w = logged_on()

    assert w.sent_of(AskPositions)[0].request.account == "PAPER"
    assert not w.core.state.session.trading
    tell(w, ("TOT", 500))

    assert w.core.state.session.trading
    assert w.core.state.positions.result == "equal"
    assert not w.core.state.breaks


@pytest.mark.parametrize(
    ("kinds", "equal"),
    [
        ((("TOT", 500),), True),
        ((("TOT", 501),), False),
        ((("SOD", 500), ("TQ", 0)), True),
        ((("SOD", 499), ("TQ", 0)), False),
        ((("TQ", 0),), True),
        ((("TQ", -1),), False),
        ((("SOD", 400), ("TQ", 90), ("TOT", 500)), True),
    ],
)
def test_each_kind_of_position_means_its_shares(kinds: tuple[tuple[str, int], ...], equal: bool) -> None:
    w = logged_on()
    for _ in range(3):
        tell(w, *kinds)
        w.wait(1.0)

    assert w.core.state.session.trading
    assert bool(w.core.state.breaks) is not equal


def test_a_difference_is_asked_again_and_then_a_named_break() -> None:
    w = logged_on()
    tell(w, ("TOT", 499))
    assert not w.core.state.session.trading
    w.wait(1.0)
    tell(w, ("TOT", 499))
    w.wait(1.0)
    tell(w, ("TOT", 499))

    assert len(w.sent_of(AskPositions)) == 3
    assert w.core.state.breaks == ["positions: PAPER SYN: the broker holds 499, we 500"]
    assert w.core.posture is Posture.HALTED


def test_a_broker_that_counts_late_is_believed_when_it_has_counted() -> None:
    w = logged_on()
    tell(w, ("TOT", 499))
    w.wait(1.0)
    tell(w, ("TOT", 500))

    assert w.core.state.session.trading
    assert not w.core.state.breaks


def test_a_symbol_that_the_broker_holds_and_we_do_not_is_a_break() -> None:
    w = logged_on()
    for _ in range(3):
        tell(w, ("TOT", 500), count=2)
        tell(w, ("TOT", 7), symbol="OTHER", count=2)
        w.wait(1.0)

    assert w.core.state.breaks == ["positions: PAPER OTHER: the broker holds 7, we 0"]


def test_no_position_told_means_that_nothing_was_traded_today() -> None:
    w = logged_on("demanded")
    w.step(PositionsAcked(req_id=last(w), reports=0))

    assert w.core.state.positions.result == "equal", "what was held before was not said"


def test_fills_of_the_day_are_what_tq_means() -> None:
    w = logged_on()
    tell(w, ("TQ", 0))
    w.hello(7)
    w.wait(1.0)
    w.parent()
    w.fill(w.working(), 40, BID)
    w.step(ev.SessionDown(session="order", reason="gone"))
    w.step(ev.SessionUp(session="order"))
    w.step(w.mass_status_empty())
    chain = next(iter(w.core.state.live_chains()))
    w.report(
        chain.cl_ord_id,
        ExecType.ORDER_STATUS,
        chain.status,
        order_qty=100,
        cum_qty=40,
        leaves_qty=60,
        exec_id="0",
    )
    w.wait(0.1)
    tell(w, ("TQ", 40))

    assert w.core.state.session.trading
    assert w.core.state.positions.result == "equal"


@pytest.mark.parametrize("asked", ["asked", "demanded"])
def test_silence_is_noted_or_a_break_as_the_profile_says(asked: str) -> None:
    w = logged_on(asked)
    for _ in range(4):
        w.wait(1.0)

    assert w.core.state.session.trading
    assert len(w.sent_of(AskPositions)) == (3 if asked == "demanded" else 1)
    broken = ["positions: no answer within 1000 ms"] if asked == "demanded" else []
    assert w.core.state.breaks == broken


@pytest.mark.parametrize("asked", ["asked", "demanded"])
def test_a_refusal_is_noted_or_a_break_as_the_profile_says(asked: str) -> None:
    w = logged_on(asked)
    w.step(ev.MessageRejected(ref_msg_type="AN", ref_id=last(w), reason="3", text="unknown type"))

    assert w.core.state.session.trading
    broken = ["positions: refused: unknown type"] if asked == "demanded" else []
    assert w.core.state.breaks == broken


def test_a_question_that_was_lost_on_its_way_is_asked_again_at_once() -> None:
    w = logged_on()
    w.step(ev.MessagesUnsent(begin=1, end=0))

    assert len(w.sent_of(AskPositions)) == 2
    tell(w, ("TOT", 500))
    assert w.core.state.session.trading


def test_a_replay_ends_in_the_same_state() -> None:
    w = logged_on()
    tell(w, ("TOT", 499))
    w.wait(1.0)
    tell(w, ("TOT", 500))
    again = GateCore()
    for stamp, event in w.log:
        again.step(stamp, event)

    assert again.state_hash() == w.core.state_hash()


# --- the wire -----------------------------------------------------------------------------------

ROWS = "702=2|703=SOD|704=500|703=TQ|704=10|705=50|"
AP = f"8=FIX.4.4|35=AP|721=R|710=SHP1-1|727=1|728=0|1=PAPER|55=SYN|{ROWS}58=x|"


def soh(text: str) -> str:
    return text.replace("|", "\x01")


def test_a_position_report_is_read_row_by_row() -> None:
    assert inbound.decode(soh(AP)) == PositionTold(
        req_id="SHP1-1", account="PAPER", symbol=Symbol("SYN"), kinds=(("SOD", 500), ("TQ", -40)), reports=1
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("710=SHP1-1|", ""),
        ("55=SYN|", ""),
        ("704=500", "704=-5"),
        ("704=500", "704=1.5"),
        ("703=TQ", "703=SOD"),
        ("702=2", "702=3"),
        ("703=SOD|", ""),
        ("55=SYN", "55=SYN|55=SYN"),
        ("705=50", "705=50|705=60"),
        ("727=1", "727=x"),
    ],
)
def test_what_cannot_be_read_is_said(old: str, new: str) -> None:
    assert isinstance(inbound.decode(soh(AP.replace(old, new))), Malformed)


def test_what_the_venue_writes_is_what_the_gate_reads() -> None:
    ts_ns = 1_704_207_600_000_000_000
    body = positions.encode_report("Q1", "Q1-1", "ACC1", positions.Held("SYN", -40), 1, ts_ns)
    told = PositionTold(req_id="Q1", account="ACC1", symbol=Symbol("SYN"), kinds=(("TQ", -40),), reports=1)

    assert inbound.decode(body) == told
    assert inbound.decode(positions.encode_ack("Q1", "Q1", "ACC1", 0)) == PositionsAcked(req_id="Q1")
    refused = inbound.decode(positions.encode_ack("Q1", "Q1", "ACC1", 0, "no"))
    assert refused == PositionsAcked(req_id="Q1", refused="no")
