"""What the gate counts of a short day, and that nothing on the wire can break the counting."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daemon.gate.effects import ParentEnded, Step
from daemon.gate.metrics import GateMetrics
from daemon.metrics.block import Metrics
from daemon.metrics.server import read_block
from market import events as ev
from market.copy_events import DropCopyLine
from market.oms_events import OmsSession, OmsUnfit
from market.types import Side
from tests.daemon.gate_harness import ASK, BID, LIMITS, World, limits


class CountedWorld(World):
    """A world whose steps are counted as the gate's shell does."""

    def __init__(self, directory: Path, **more: Any) -> None:
        self.block = directory / "gate.metrics"
        self.metrics = GateMetrics(Metrics(directory, "gate"), LIMITS, "USD")
        super().__init__(**more)

    def step(self, event: ev.Event) -> list[Any]:
        effects = super().step(event)
        for effect in effects:
            if isinstance(effect, ParentEnded):
                self.metrics.parent_ended(effect)
        self.metrics.stepped(event, Step(tuple(effects)), 0)
        return effects

    def seen(self, name: str, **labels: str) -> float:
        """Return what a scrape would see."""
        self.metrics.refresh(self.core)
        block = read_block(self.block)
        assert block is not None
        found = [s.values for s in block.series if s.name == name and labels.items() <= s.labels.items()]
        return sum(found[0][1:]) if len(found[0]) > 1 else found[0][0]


def test_an_order_from_intent_to_fill(tmp_path: Path) -> None:
    w = CountedWorld(tmp_path)
    w.open()
    w.parent(qty=1_000)

    chain = w.working(100, BID)
    w.fill(chain, 60, BID, symbol="SYN", side=Side.BUY)

    assert w.seen("steadyhand_order_events_total", event="new") == 1
    assert w.seen("steadyhand_order_events_total", event="ack") == 1
    assert w.seen("steadyhand_order_events_total", event="fill") == 1
    assert w.seen("steadyhand_order_ack_seconds", kind="new") == 1
    assert w.seen("steadyhand_fill_quantity_total", symbol="SYN", side="buy") == 60
    assert w.seen("steadyhand_position_quantity", symbol="SYN") == 60
    assert w.seen("steadyhand_orders_working") == 1
    assert w.seen("steadyhand_parents", state="active") == 1
    assert w.seen("steadyhand_parent_executed_ratio", slot="0") == 0.06
    assert w.seen("steadyhand_parent_info", parent_id="P1", side="BUY") == 1
    assert w.seen("steadyhand_parent_shortfall_bps", slot="0") < 0  # bought at the bid


def test_a_parent_that_ended_gives_its_slot_back(tmp_path: Path) -> None:
    w = CountedWorld(tmp_path)
    w.open()
    w.parent(qty=100)
    chain = w.working(100, ASK)
    w.fill(chain, 100, ASK, symbol="SYN", side=Side.BUY)

    assert w.seen("steadyhand_parents_total", result="filled") == 1
    assert w.seen("steadyhand_parents", state="active") == 0
    w.parent(qty=100, pid="P2")
    assert w.seen("steadyhand_parent_info", parent_id="P2") == 1
    assert w.seen("steadyhand_parent_executed_ratio", slot="0") == 0


def test_a_refusal_is_counted_by_its_control(tmp_path: Path) -> None:
    w = CountedWorld(tmp_path, law=limits(order={"qty_max": 5}))
    w.open()
    w.parent()

    w.intent(6, BID)

    assert w.seen("steadyhand_risk_refusals_total", control="R03") == 1
    assert w.seen("steadyhand_order_rejects_total", origin="risk") == 1


def test_a_kill_and_its_rearm_are_seen(tmp_path: Path) -> None:
    w = CountedWorld(tmp_path)
    w.open()

    w.step(ev.Kill(source="signal", reason="drill"))

    assert w.seen("steadyhand_kill_switch_engaged") == 1
    assert w.seen("steadyhand_kill_switch_activations_total", source="signal") == 1


@pytest.mark.parametrize("symbol", ["", "XYZ", "x" * 500])
def test_what_the_wire_calls_a_symbol_never_becomes_a_label(tmp_path: Path, symbol: str) -> None:
    w = CountedWorld(tmp_path)
    w.open()
    w.parent(qty=1_000)
    chain = w.working(100, BID)

    w.fill(chain, 60, BID, symbol=symbol)

    assert w.seen("steadyhand_fill_quantity_total", symbol="other", side="buy") == 60


def test_a_send_that_failed_and_a_lost_session_leave_nothing_waiting(tmp_path: Path) -> None:
    w = CountedWorld(tmp_path)
    w.open()
    w.parent(qty=1_000)
    order = w.intent(100, BID)
    w.step(ev.SendFailed(msg_type="D", ref_id=order.cl_ord_id, reason="offline"))
    w.intent(100, BID)
    w.step(ev.SessionDown(session="order", reason="gone"))
    w.step(ev.SessionUp(session="order"))

    assert w.seen("steadyhand_fix_logons_total", session="order") == 2
    assert w.seen("steadyhand_order_ack_seconds", kind="new") == 0


def test_what_oms_sessions_and_the_drop_copy_do_is_counted(tmp_path: Path) -> None:
    w = CountedWorld(tmp_path, drop_copy=True)
    w.open()
    w.parent()
    w.step(OmsSession(client="OMS", up=True))
    w.step(OmsUnfit(client="OMS", ref_msg_type="q", reason="3", text="no"))
    w.step(DropCopyLine(up=True))
    chain = w.working()
    w.fill(chain, 10, BID, exec_id="E-A")
    w.wait(0.1)

    assert w.seen("steadyhand_oms_sessions", state="up") == 1
    assert w.seen("steadyhand_oms_reports_total") == 1
    assert w.seen("steadyhand_oms_refused_total") == 1
    assert w.seen("steadyhand_drop_copy_up") == 1
    assert w.seen("steadyhand_drop_copy_waiting") == 1


def test_bytes_of_the_journal_count_as_it_grows_and_a_new_segment_takes_none(tmp_path: Path) -> None:
    w = CountedWorld(tmp_path)

    for end in (100, 250, 10, 30):
        w.metrics.stepped(ev.Timer(), Step(()), end)

    assert w.seen("steadyhand_journal_bytes_total") == 270


def test_live_orders_of_an_oms_are_those_that_have_not_ended(tmp_path: Path) -> None:
    w = CountedWorld(tmp_path)
    w.step(OmsSession(client="OMS", up=True))
    orders: Any = {name: SimpleNamespace(ended=name == "A") for name in "ABC"}
    w.core.state.oms.orders = orders

    assert w.seen("steadyhand_oms_orders_live") == 2
