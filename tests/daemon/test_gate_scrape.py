"""A scrape in the middle of a day and one at its end, to the last series: `gate_scrape.txt` beside this."""

from pathlib import Path
from typing import Any, Final

import pytest

from daemon.metrics.server import read_block
from market import events as ev
from market.copy_events import DropCopied, DropCopyLine
from market.desk_events import LimitSignal
from market.oms_events import OmsSession, OmsUnfit
from market.types import CxlRejReason, ExecType, OrdStatus, ParentID, Side
from tests.daemon.gate_harness import ASK, BID, LIMITS, OPEN_NS, SECOND, limits
from tests.daemon.test_gate_metrics import CountedWorld

WRITTEN: Final = Path(__file__).with_suffix("").with_name("gate_scrape.txt")
OTHERWISE: Final = ("steadyhand_build_info", "steadyhand_config_info", "steadyhand_process")
LAW: Final = limits(
    order={"qty_max": 500},
    loss={"fee_e4": 30},
    lease={"reduce_after_ms": 500_000, "kill_after_ms": 1_000_000},
)


class Watch:
    """The machine's clocks are the world's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, w: CountedWorld) -> None:
        monkeypatch.setattr("daemon.gate.metrics.time.monotonic", lambda: w.now / SECOND)
        monkeypatch.setattr("daemon.gate.metrics.time.monotonic_ns", lambda: w.now)
        monkeypatch.setattr("daemon.gate.metrics.time.time", lambda: w.ts / SECOND)


def scrape(w: CountedWorld) -> list[str]:
    """Return every series but those of the machine; twice refreshed is once counted."""
    w.metrics.refresh(w.core)
    w.metrics.refresh(w.core)
    block = read_block(w.block)
    assert block is not None
    found = []
    for s in block.series:
        if not s.name.startswith(OTHERWISE):
            labels = ",".join(f"{k}={v}" for k, v in sorted(s.labels.items()))
            values = [f"{value:.12g}" for value in s.values]
            shown = values[0] if len(values) == 1 else f"sum {values[0]} of {sum(s.values[1:]):g}"
            buckets = [n for n, value in enumerate(s.values[1:]) if value] if len(values) > 1 else []
            found.append(f"{s.name}{{{labels}}} {shown}{f' in {buckets}' if buckets else ''}")
    return sorted(found)


def morning(w: CountedWorld) -> None:
    """Orders of every fate, two parents, an OMS, a drop copy."""
    w.open()
    w.metrics.received("order")
    w.metrics.received("reference")
    w.step(DropCopyLine(up=True))
    w.step(OmsSession(client="OMS", up=True))
    w.step(OmsSession(client="TWO", up=False))
    w.step(OmsSession(client="SIX", up=False))
    w.step(OmsUnfit(client="OMS", ref_msg_type="V", reason="3", text="no"))
    w.parent(qty=1_000)
    w.parent(qty=2_000, pid="P2")
    w.parent(qty=0, pid="P3")
    first = w.working(100, BID)
    w.now += 4_000_000
    order = w.intent(200, BID - 100)
    w.now += 3_000_000
    w.accept(order)
    w.fill(first, 60, BID, symbol="SYN", exec_id="E-A")
    w.step(DropCopied(exec_id="E-A", order_id=f"O-{first}", symbol="SYN", last_qty=60, last_price_e4=BID))  # type: ignore[arg-type]
    change = w.replace(first, 150, BID + 100)
    w.now += 2_000_000
    w.report(change.cl_ord_id, ExecType.REPLACED, OrdStatus.PARTIALLY_FILLED, orig_cl_ord_id=first,
             order_qty=150, price_e4=BID + 100, cum_qty=60, leaves_qty=90)  # fmt: skip
    w.fill(first, 30, BID + 100, symbol="SYN", exec_id="E-B")
    w.cancel(order.cl_ord_id)
    asked = w.core.state.chains[order.cl_ord_id].cancel_id
    assert asked is not None
    w.now += 1_000_000
    w.step(ev.OrderCancelReject(cl_ord_id=asked, orig_cl_ord_id=order.cl_ord_id, reason=CxlRejReason.OTHER))
    w.intent(501, BID)
    w.intent(501, BID)
    lost = w.intent(10, BID)
    w.step(ev.MessageRejected(ref_msg_type="D", ref_id=lost.cl_ord_id))
    refused = w.intent(20, BID)
    w.report(refused.cl_ord_id, ExecType.REJECTED, OrdStatus.REJECTED, order_id="")
    w.intent(30, BID)
    w.price(BID + 300, ASK + 300)
    w.step(LimitSignal(scope="F", signal="volatility", multiplier_bp=7_500))
    w.wait(0.5)


def evening(w: CountedWorld) -> None:
    """A parent ends, one is paused, the other line is lost, a kill."""
    w.step(ev.PauseParent(request_id=1, parent_id=ParentID("P2")))
    w.step(ev.CancelParent(request_id=2, parent_id=ParentID("P1")))
    w.step(ev.SessionDown(session="reference", reason="gone"))
    w.step(ev.Kill(source="a stranger", reason="odd"))
    w.step(ev.TraderGone(epoch=7))
    w.wait(60.0)
    w.step(ev.SessionDown(session="order", reason="gone"))


def days() -> dict[str, Any]:
    return {"in the morning": morning, "in the evening": evening}


def test_a_scrape_is_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w = CountedWorld(tmp_path, law=LAW, drop_copy=True, positions=(("PAPER", "SYN", 40),))
    Watch(monkeypatch, w)
    found = []
    for title, act in days().items():
        act(w)
        found += [f"== {title}", *scrape(w)]

    (tmp_path / "now.txt").write_text("\n".join(found) + "\n")
    assert found == WRITTEN.read_text().splitlines(), f"read {tmp_path}/now.txt, then write it anew"


def test_what_it_is_is_told_as_one(tmp_path: Path) -> None:
    w = CountedWorld(tmp_path)

    assert w.seen("steadyhand_build_info") == 1
    assert w.seen("steadyhand_config_info", limits=LIMITS.digest()[:12]) == 1


def test_the_oldest_question_is_told_from_the_moment_it_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = CountedWorld(tmp_path)
    Watch(monkeypatch, w)
    w.open()
    w.parent()
    oldest = "steadyhand_orders_unacked_oldest_timestamp_seconds"
    assert w.seen(oldest) == 0
    w.intent(100, BID)
    asked = w.ts / SECOND
    assert w.seen(oldest) == asked
    w.now, w.ts = w.now + SECOND, w.ts + SECOND
    w.intent(100, BID)
    assert w.seen(oldest) == asked


def test_in_lockstep_no_time_of_the_machine_is_told(tmp_path: Path) -> None:
    w = CountedWorld(tmp_path, law=LIMITS, lockstep=True)
    w.ts = w.now = OPEN_NS
    w.step(ev.SessionUp(session="order"))

    assert w.seen("steadyhand_orders_unacked_oldest_timestamp_seconds") == 0


def test_a_sell_is_told_as_a_sell(tmp_path: Path) -> None:
    w = CountedWorld(tmp_path, positions=(("PAPER", "SYN", 100),))
    w.open()
    w.parent(side=Side.SELL)
    w.fill(w.working(100, ASK, side=Side.SELL), 70, ASK, symbol="SYN")

    assert w.seen("steadyhand_fill_quantity_total", symbol="SYN", side="sell") == 70
    assert w.seen("steadyhand_position_quantity", symbol="SYN") == 30
    assert w.seen("steadyhand_fill_notional_total") == pytest.approx(70 * 100.02)
