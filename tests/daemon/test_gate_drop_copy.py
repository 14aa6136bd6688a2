"""R62: the order session and the drop copy tell the same executions, or nothing trades any more."""

from pathlib import Path
from typing import Any

import pytest

from daemon.gate import drop_copy_state
from daemon.gate.core import GateCore
from daemon.gate.drop_copy_desk import DropCopyDesk
from gateways.fix import drop_copy
from gateways.fix.sessions import LoggedOn, LoggedOut, Missing
from market import events as ev
from market.copy_events import DropCopied, DropCopyLine
from market.types import ExecType, OrderID, OrdStatus, Side
from risk.posture import Posture
from tests.daemon.gate_harness import BID, World
from tests.daemon.test_line_faults import BASE, read


def opened(up: bool = True) -> World:
    w = World(drop_copy=True)
    w.open()
    w.parent()
    if up:
        w.step(DropCopyLine(up=True))
    w.wait(0.1)
    return w


def copy(w: World, exec_id: str, order_id: str, qty: int = 40, price_e4: int = BID, **more: Any) -> None:
    fields: dict[str, Any] = {"exec_type": ExecType.TRADE, "symbol": "SYN", "side": Side.BUY} | more
    w.step(DropCopied(exec_id=exec_id, order_id=order_id, last_qty=qty, last_price_e4=price_e4, **fields))


def test_both_sides_agree_in_whatever_order() -> None:
    w = opened()
    chain = w.working()

    w.fill(chain, 40, BID, exec_id="E-A")
    copy(w, "E-A", f"O-{chain}")
    copy(w, "E-B", f"O-{chain}", 60)
    w.fill(chain, 60, BID, exec_id="E-B")
    w.wait(10)

    known = w.core.state.drop_copy
    assert list(known.matched) == ["E-A", "E-B"]
    assert not known.ours
    assert not known.theirs
    assert w.core.posture is Posture.ACTIVE


def test_an_execution_that_the_drop_copy_does_not_tell_is_a_break() -> None:
    w = opened()
    w.fill(w.working(), 40, BID, exec_id="E-A")

    w.wait(1.9)
    assert not w.core.state.breaks
    w.wait(0.2)

    assert "the order session told E-A, BUY 40 SYN at 100 of order O-" in w.core.state.breaks[0]
    assert w.core.state.breaks[0].endswith("the drop copy does not")
    assert w.core.posture is Posture.HALTED


def test_an_execution_that_the_order_session_did_not_tell_is_a_break() -> None:
    w = opened()
    chain = w.working()

    copy(w, "E-X", f"O-{chain}", cl_ord_id=chain)
    w.wait(2.1)

    assert "the order session did not" in w.core.state.breaks[0]
    assert w.core.posture is Posture.HALTED


def test_an_order_of_another_desk_is_noted_and_no_break() -> None:
    w = opened()

    copy(w, "E-X", "O-THEIRS", cl_ord_id="OTHER-1")
    w.wait(2.1)

    assert not w.core.state.breaks
    assert w.core.state.drop_copy.others == 1


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"qty": 41}, "quantity 40 or 41"),
        ({"price_e4": BID + 100}, "price 1000000 or 1000100"),
        ({"side": Side.SELL}, "side BUY or SELL"),
        ({"order_id": "O-9"}, "OrderID"),
        ({"exec_type": ExecType.TRADE_CANCEL}, "ExecType TRADE or TRADE_CANCEL"),
    ],
)
def test_a_contradiction_is_a_break_at_once(changed: dict[str, Any], text: str) -> None:
    w = opened()
    chain = w.working()
    w.fill(chain, 40, BID, exec_id="E-A")

    copy(w, "E-A", **({"order_id": f"O-{chain}"} | changed))

    assert text in w.core.state.breaks[0]
    assert w.core.posture is Posture.HALTED


def test_busts_are_matched_too() -> None:
    w = opened()
    chain = w.working()
    w.fill(chain, 40, BID, exec_id="E-A")
    copy(w, "E-A", f"O-{chain}")
    more = {"exec_ref_id": "E-A", "last_qty": 40, "last_price_e4": BID, "cum_qty": 0, "leaves_qty": 100}

    w.report(chain, ExecType.TRADE_CANCEL, OrdStatus.NEW, exec_id="E-B", **more)
    copy(w, "E-B", f"O-{chain}", exec_type=ExecType.TRADE_CANCEL, exec_ref_id="E-A")
    w.wait(3)

    assert not w.core.state.breaks


def test_while_the_drop_copy_is_down_it_lags_and_nothing_is_broken() -> None:
    w = opened()
    chain = w.working()
    w.step(DropCopyLine(up=False, reason="gone"))
    w.fill(chain, 40, BID, exec_id="E-A")

    w.wait(4)
    assert w.core.posture is Posture.ACTIVE
    w.wait(1)
    assert w.core.posture is Posture.REDUCE_ONLY
    assert "R62L" in w.core.state.posture.causes
    assert not w.core.state.breaks

    w.step(DropCopyLine(up=True))
    w.wait(1.5)  # it may still tell what it missed
    copy(w, "E-A", f"O-{chain}")
    w.wait(5)
    assert not w.core.state.breaks
    assert w.core.posture is Posture.ACTIVE


def absent(fills: int, seconds: int) -> tuple[World, str]:
    """Return a world whose drop copy has been gone for a while, and the order that was filled meanwhile."""
    w = opened()
    chain = w.working(1_000)
    w.step(DropCopyLine(up=False, reason="gone"))
    for n in range(fills):
        w.fill(chain, 10, BID, exec_id=f"E-{n}")
    w.wait(seconds)
    return w, chain


def test_a_line_that_tells_what_it_owes_has_time_for_it_and_trading_reduces_until_it_has() -> None:
    w, chain = absent(5, 3_600)

    assert w.core.state.posture.causes["R62L"] == "the drop copy is down: gone"
    w.step(DropCopyLine(up=True))
    assert w.core.state.posture.causes["R62L"] == "drop copy 3600000 ms behind"
    for n in range(5):
        w.wait(1.5)  # 7.5 s for all of them
        assert w.core.posture is Posture.REDUCE_ONLY, "what was traded an hour ago is not confirmed"
        copy(w, f"E-{n}", f"O-{chain}", 10)
    w.wait(0.1)
    assert w.core.posture is Posture.ACTIVE
    assert not w.core.state.breaks


def test_what_it_leaves_out_while_it_catches_up_is_a_break_once_it_has() -> None:
    w, chain = absent(3, 60)

    w.step(DropCopyLine(up=True))
    for n in (0, 2):
        w.wait(1.5)
        copy(w, f"E-{n}", f"O-{chain}", 10)
    w.wait(1.9)
    assert not w.core.state.breaks
    w.wait(0.2)
    assert [text.split(",")[0] for text in w.core.state.breaks] == ["drop copy: the order session told E-1"]


@pytest.mark.parametrize("line", ["drop copy", "order session"])
def test_nothing_is_overdue_while_a_line_lacks_messages_that_it_has_asked_for(line: str) -> None:
    w = opened()
    chain = w.working(1_000)

    def lacks(begin: int) -> None:
        ours = line == "order session"
        w.step(ev.MessagesMissing(begin=begin) if ours else DropCopyLine(up=True, missing=begin))

    lacks(17)
    if line == "drop copy":
        w.fill(chain, 10, BID, exec_id="E-0")
    else:
        copy(w, "E-0", f"O-{chain}", 10)
    w.wait(4)
    assert not w.core.state.breaks

    lacks(0)
    w.wait(0.1)
    w.wait(1.9)
    assert not w.core.state.breaks
    w.wait(0.2)
    assert len(w.core.state.breaks) == 1


def test_the_desk_says_what_the_line_lacks_though_the_engine_knows_it_before_it_is_up(tmp_path: Path) -> None:
    posted: list[ev.Event] = []
    config = read(tmp_path, BASE + "[gate.drop_copy]\nport = 1\n")
    core = GateCore()
    desk = DropCopyDesk(config, core, {}, posted.append, None)

    desk.take(Missing(5))
    desk.take(LoggedOn({}))
    core.state.drop_copy.up = True
    desk.take(Missing(0))
    desk.take(LoggedOut("gone"))
    desk.take(LoggedOn({}))

    assert [(e.up, e.missing) for e in posted] == [(True, 5), (True, 0), (False, 0), (True, 0)]


def test_what_comes_twice_is_no_news_and_a_restart_forgets_nothing() -> None:
    w = opened()
    chain = w.working()
    w.fill(chain, 40, BID, exec_id="E-A")
    copy(w, "E-A", f"O-{chain}")
    copy(w, "E-B", f"O-{chain}", 10, cl_ord_id=chain)

    w.step(ev.GateStarted(**(w.start_fields | {"epoch": 2})))
    w.open(trader=8)
    w.step(DropCopyLine(up=True))
    copy(w, "E-A", f"O-{chain}")
    w.fill(chain, 10, BID, exec_id="E-B")
    w.wait(5)

    assert not w.core.state.breaks
    assert list(w.core.state.drop_copy.matched) == ["E-A", "E-B"]
    twin = GateCore()
    for stamp, event in w.log:
        twin.step(stamp, event)
    assert twin.state_hash() == w.core.state_hash()


def test_a_gate_without_a_drop_copy_waits_for_none() -> None:
    w = World()
    w.open()
    w.parent()
    w.fill(w.working(), 40, BID)
    w.wait(20)

    assert w.core.posture is Posture.ACTIVE
    assert not w.core.state.drop_copy.ours


def test_what_came_and_was_not_stepped_is_stepped_after_a_crash(tmp_path: Path) -> None:
    config = read(tmp_path, BASE.replace("[gate.oms]", "[gate.drop_copy]\nport = 1\n[gate.oms]"))
    w = opened()
    raw = "8=FIX.4.4|9=0|35=8|34=2|37=O1|17=E-A|150=F|39=1|55=SYN|54=1|32=40|31=100.00|151=0|14=0|6=0|10=000|"
    lines = [raw, raw.replace("E-A", "E-B"), raw.replace("31=100.00|", "").replace("E-A", "E-C")]
    desk = DropCopyDesk(config, w.core, {}, w.step, None)
    (log,) = desk.journals
    offsets = [log.append(line.replace("|", "\x01").encode()) for line in lines]
    stepped = drop_copy.read(lines[0].replace("|", "\x01"), offsets[0], {})
    assert stepped is not None
    w.step(stepped)

    assert desk.recover() == 2
    assert list(w.core.state.drop_copy.theirs) == ["E-A", "E-B"]
    assert "drop copy: unreadable 8" in w.core.state.breaks[0]
    assert desk.recover() == 0
    assert [spec.target_comp_id for spec in desk.specs(lost=False)] == ["VENUE-DC"]
    log.close()


def test_a_power_cut_that_took_what_was_stepped_out_of_the_log_is_no_end(tmp_path: Path) -> None:
    config = read(tmp_path, BASE.replace("[gate.oms]", "[gate.drop_copy]\nport = 1\n[gate.oms]"))
    w = opened()
    raw = "8=FIX.4.4|9=0|35=8|34=2|37=O1|17=E-A|150=F|39=1|55=SYN|54=1|32=40|31=100.00|151=0|14=0|6=0|10=000|"
    desk = DropCopyDesk(config, w.core, {}, w.step, None)
    (log,) = desk.journals
    offset = log.append(raw.replace("|", "\x01").encode())
    stepped = drop_copy.read(raw.replace("|", "\x01"), offset + 500, {})
    assert stepped is not None
    w.step(stepped)

    assert desk.recover() == 0
    log.close()


# --- positions ------------------------------------------------------------------------------------


def test_what_is_matched_one_by_one_is_equal_in_the_sum() -> None:
    w = opened()
    chain = w.working()
    w.fill(chain, 40, BID, exec_id="E-A")
    copy(w, "E-A", f"O-{chain}")
    more = {"exec_ref_id": "E-A", "last_qty": 30, "last_price_e4": BID, "cum_qty": 30, "leaves_qty": 70}
    w.report(chain, ExecType.TRADE_CORRECT, OrdStatus.PARTIALLY_FILLED, exec_id="E-B", **more)
    copy(w, "E-B", f"O-{chain}", 30, exec_type=ExecType.TRADE_CORRECT, exec_ref_id="E-A")
    copy(w, "E-Z", "O-THEIRS", 500, cl_ord_id="OTHER-1")  # another desk's
    w.wait(5)
    w.wait(5)

    assert w.core.state.drop_copy.net == {"SYN": 30}
    assert not w.core.state.breaks


def test_a_sum_that_is_not_what_we_booked_is_a_break() -> None:
    w = opened()
    chain = w.working()
    w.fill(chain, 40, BID, exec_id="E-A")
    copy(w, "E-A", f"O-{chain}")
    w.core.state.ledger.book("SYN").exec_qty += 1  # as a fault of our own books would

    w.wait(1)
    w.wait(1.9)
    assert not w.core.state.breaks
    w.wait(0.2)
    assert w.core.state.breaks == ["drop copy: SYN: it tells 40 executed, we booked 41"]
    assert w.core.posture is Posture.HALTED


def test_a_day_begins_with_nothing_in_the_sum_and_a_line_that_comes_later_with_what_there_is() -> None:
    w = World()
    w.open()
    w.parent()
    w.fill(w.working(), 40, BID, exec_id="E-A")
    w.step(ev.GateStarted(**(w.start_fields | {"epoch": 2, "drop_copy": True})))
    assert w.core.state.drop_copy.begun == {"SYN": 40}

    w.core.state.drop_copy.new_day()
    assert not w.core.state.drop_copy.begun


def test_a_bust_of_what_is_forgotten_is_what_the_bust_says() -> None:
    w = opened()
    copy(w, "E-B", "O-1", 40, exec_type=ExecType.TRADE_CANCEL, exec_ref_id="LONG-AGO", cl_ord_id="SH1-1")

    assert w.core.state.drop_copy.net == {"SYN": -40}


def test_an_order_of_ours_is_known_by_the_order_id_that_it_had_before_a_replace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    w = opened()
    chain = w.working()
    replace = w.replace(chain, 90, BID)
    w.report(
        replace.cl_ord_id, ExecType.REPLACED, OrdStatus.NEW, order_id="O-NEW", order_qty=90, leaves_qty=90,
        orig_cl_ord_id=chain, price_e4=BID,
    )  # fmt: skip
    assert w.core.state.chains[chain].order_id == "O-NEW"

    copy(w, "E-A", f"O-{chain}", cl_ord_id="THEIRS")
    w.wait(2.1)

    assert w.core.state.drop_copy.others == 0
    assert "the order session did not" in w.core.state.breaks[0]

    monkeypatch.setattr(drop_copy_state, "EARLIER_MAX", 1)
    w.core.state.drop_copy.renamed(OrderID("O-LATER"))
    assert list(w.core.state.drop_copy.earlier) == ["O-LATER"]
    w.core.state.drop_copy.new_day()
    assert w.core.state.drop_copy.earlier == {}
