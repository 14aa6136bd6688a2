"""Orders that have ended leave the gate's memory; what speaks of one brings it back, whole."""

from typing import Any

from market import events as ev
from market.copy_events import DropCopied, DropCopyLine
from market.types import ExecType, OrdStatus, ParentID
from tests.daemon.gate_harness import BID, SYN
from tests.daemon.stories.book import Story

Q = 100


def _kept(s: Story) -> None:
    """Write down what is in memory, and what the archive counts."""
    g = s.core.state
    known = (
        f"{list(g.chains)} by {list(g.chain_of)}, executions {list(g.executions)}, waiting {dict(g.ended)}"
    )
    sums = [
        (t.symbol, t.side.name, t.strategy, t.fills, t.qty, t.notional_e4) for t in g.archived.sums.values()
    ]
    s.lines.append(f"memory {known}; {g.archived.records} records of {g.archived.orders} orders, {sums}")


def _ended(s: Story) -> str:
    """Return an order that was replaced, filled in part and canceled."""
    chain = s.working(Q)
    order = s.replace(chain, 120, BID + 100)
    more: dict[str, Any] = {"orig_cl_ord_id": chain, "order_qty": 120, "leaves_qty": 120}
    more["price_e4"] = BID + 100
    s.report(order.cl_ord_id, ExecType.REPLACED, OrdStatus.NEW, **more)
    s.fill(chain, 40, BID)
    s.cancel(chain)
    s.canceled(chain, orig_cl_ord_id=order.cl_ord_id, order_qty=120, cum_qty=40)
    return chain


def an_order_leaves_when_it_has_been_quiet() -> Story:
    """and a late execution, a bust or a question finds it"""
    s = Story.begun(retire_after_ms=1_000)
    chain = _ended(s)
    s.at(1.999)
    _kept(s)
    s.at(2.0)
    _kept(s)
    s.lines.append(f"all {[o['chain_id'] for o in s.core.status(ev.Stamp(s.ts, s.now))['orders']]}")
    s.cancel(chain)
    s.replace(chain, 200, BID)
    late: dict[str, Any] = {"last_qty": 10, "last_price_e4": BID}
    s.report("SH1-2", ExecType.TRADE, OrdStatus.CANCELED, exec_id="E-L", cum_qty=50, **late)
    _kept(s)
    s.at(2.999)
    s.at(3.0)
    _kept(s)
    other = s.working(Q)
    part: dict[str, Any] = {"exec_id": "E-L", "cum_qty": 10, "leaves_qty": 90}
    s.report(other, ExecType.TRADE, OrdStatus.PARTIALLY_FILLED, **late, **part)
    bust: dict[str, Any] = {"exec_id": "E-M", "exec_ref_id": "E-L", "cum_qty": 40}
    s.report("SH1-1", ExecType.TRADE_CANCEL, OrdStatus.CANCELED, **late, **bust)
    _kept(s)
    return s


def what_is_open_stays() -> Story:
    """shares that the EMS states and nobody has booked"""
    s = Story.begun(retire_after_ms=0)
    chain = s.working(Q)
    s.report(chain, ExecType.ORDER_STATUS, OrdStatus.CANCELED, exec_id="0", cum_qty=30, order_qty=Q)
    s.at(2.0)
    _kept(s)
    return s


def four_leave_in_one_step() -> Story:
    """and the rest in the next"""
    s = Story.begun(retire_after_ms=1_000)
    for n in range(6):
        order = s.intent(Q, BID - n * 100)
        s.report(order.cl_ord_id, ExecType.REJECTED, OrdStatus.REJECTED, order_id="")
    s.go(2.0)
    for _ in range(3):
        s.step(ev.Timer())
        _kept(s)
    return s


def another_desks_order_leaves_too() -> Story:
    """and is theirs when it is back; the drop copy knows ours by the broker's number"""
    s = Story.begun(retire_after_ms=1_000, external_orders="adopt", drop_copy=True)
    s.step(DropCopyLine(up=True))
    more: dict[str, Any] = {"symbol": SYN, "order_qty": 300, "price_e4": BID}
    s.report("THEIRS", ExecType.NEW, OrdStatus.NEW, **more, leaves_qty=300)
    s.report("THEIRS", ExecType.CANCELED, OrdStatus.CANCELED, **more)
    _ended(s)
    s.at(2.0)
    _kept(s)
    s.step(DropCopied(exec_id="E-N", order_id="O-SH1-2", symbol=SYN, last_qty=5, last_price_e4=BID))  # type: ignore[arg-type]
    s.step(DropCopied(exec_id="E-O", order_id="O-NOBODY", symbol=SYN, last_qty=5, last_price_e4=BID))  # type: ignore[arg-type]
    s.report("THEIRS", ExecType.TRADE, OrdStatus.CANCELED, **more, last_qty=5, last_price_e4=BID, cum_qty=5)
    s.lines.append(f"theirs {list(s.core.state.external)}")
    s.step(ev.CancelParent(request_id=2, parent_id=ParentID("P1")))
    s.at(4.0)
    s.at(4.1)
    _kept(s)
    return s
