"""What an OMS is told of its parents: reports (8, 9, j) into its outbox, each once.

Executions are told as differences between what the parent has traded and what the OMS knows, so that the two
cannot drift apart, whatever the EMS sent and in which order. `look` is called with every change of a parent.
"""

from typing import Any, Final

from daemon.gate.effects import TellOms
from daemon.gate.oms_state import OmsOrder
from daemon.gate.parents import strategy_of
from daemon.gate.state import GateState, Parent, base36
from market.events import Event, ExecutionReport, Stamp
from market.oms_events import OmsNew, OmsReport, OmsStatus
from market.types import (
    CxlRejReason,
    CxlRejResponseTo,
    ExecID,
    ExecType,
    OrdRejReason,
    OrdStatus,
    ParentStatus,
)
from risk.posture import Posture

NO_ORDER: Final = "NONE"  # OrderID(37) of what is no order
STATUS_EXEC_ID: Final = ExecID("0")  # of an answer to a question, as everywhere in the house
BROKER_OPTION: Final = "4"  # ExecRestatementReason(378)
ENDS: Final = {
    ParentStatus.FILLED: OrdStatus.FILLED,
    ParentStatus.EXPIRED: OrdStatus.EXPIRED,
    ParentStatus.CANCELED: OrdStatus.CANCELED,
    ParentStatus.REJECTED: OrdStatus.REJECTED,
}


def say(g: GateState, client: str, report: OmsReport) -> int:
    """Put a report into an OMS's outbox; return its place."""
    reports = g.oms.client(client).reports
    reports.append(report)
    g.counters["oms_reports"] += 1
    g.effects.append(TellOms(client, len(reports) - 1))
    return len(reports) - 1


def next_exec_id(g: GateState) -> ExecID:
    """Return an ExecID that was never used before: the epoch is durable, the count is the journal's."""
    g.oms.executions += 1
    return ExecID(f"X{base36(g.epoch)}-{g.oms.executions}")


def look(g: GateState, stamp: Stamp, parent: Parent, event: Event) -> None:
    """Tell what has changed of a parent since the OMS was last told."""
    order = g.oms.orders.get(parent.order.parent_id)
    if order is None:
        return
    _executions(g, stamp, order, parent, event)
    terms = (parent.order.qty, parent.order.limit_price_e4)
    if order.replace_id and holds(g, parent):
        replaced(g, stamp, order, parent)
    elif terms != (order.qty, order.price_e4) and not order.replace_id and holds(g, parent):
        order.qty, order.price_e4 = terms
        _restated(g, stamp, order, parent, "amended by the desk")
    paused = parent.progress.status is ParentStatus.PAUSED
    if parent.live and paused is not order.paused:
        order.paused = paused
        if paused:
            _report(g, stamp, order, parent, ExecType.SUSPENDED, text="paused by the desk")
        else:
            _restated(g, stamp, order, parent, "resumed")
    if not parent.live and not order.ended:
        _ended(g, stamp, order, parent)


def holds(g: GateState, parent: Parent) -> bool:
    """Return whether nothing works any more that a parent's terms do not allow: quantity and limit."""
    limit_e4, sign = parent.order.limit_price_e4, parent.order.side.sign
    if parent.ceiling_qty or limit_e4 is None:
        return not parent.ceiling_qty
    chains = [g.chains[chain_id] for chain_id in parent.chains]
    return all(c.price_e4 != 0 and (c.price_worst_e4 - limit_e4) * sign <= 0 for c in chains)


def _executions(g: GateState, stamp: Stamp, order: OmsOrder, parent: Parent, event: Event) -> None:
    progress = parent.progress
    qty, notional_e4 = progress.cum_qty - order.cum_qty, progress.notional_e4 - order.notional_e4
    if not qty and not notional_e4:
        return
    order.cum_qty, order.notional_e4 = progress.cum_qty, progress.notional_e4
    report = event if isinstance(event, ExecutionReport) else None
    if qty > 0:
        exec_id = _report(g, stamp, order, parent, ExecType.TRADE, last_qty=qty, last_notional_e4=notional_e4)
        if report is not None:
            order.executions[report.exec_id] = exec_id
        return
    # Shares were taken back, or their price was corrected: of which execution the EMS's reference says.
    meant = report.exec_ref_id if report is not None and report.exec_ref_id else ExecID("")
    ours = order.executions.get(meant, ExecID(""))
    kind = ExecType.TRADE_CANCEL if qty else ExecType.TRADE_CORRECT
    last_qty, last_notional_e4 = (-qty, abs(notional_e4)) if qty else (0, 0)
    if not qty and report is not None:  # a correction states the execution as it is now
        last_qty, last_notional_e4 = report.last_qty, report.last_qty * report.last_price_e4
    last = {"last_qty": last_qty, "last_notional_e4": last_notional_e4}
    exec_id = _report(g, stamp, order, parent, kind, exec_ref_id=ours, **last)
    if report is not None and meant:
        order.executions[report.exec_id] = exec_id


def _ended(g: GateState, stamp: Stamp, order: OmsOrder, parent: Parent) -> None:
    """The parent has ended: by its last fill, its time, the OMS, or the desk."""
    order.ended = True
    status, text = parent.progress.status, parent.progress.remainder_reason
    asked, order.cancel_id = order.cancel_id, ""
    if status is ParentStatus.FILLED:
        if asked:
            late = CxlRejReason.TOO_LATE_TO_CANCEL.value, "filled before it could be cancelled"
            names = order.client, asked, order.cl_ord_id
            change_refused(g, *names, (order, parent), CxlRejResponseTo.CANCEL, *late)
        return
    if status is ParentStatus.CANCELED:
        orig = ""
        if asked:
            orig, order.cl_ord_id = order.cl_ord_id, asked
        _report(g, stamp, order, parent, ExecType.CANCELED, orig_cl_ord_id=orig, text=text)
    else:
        kind = ExecType.DONE_FOR_DAY if order.day else ExecType.EXPIRED
        _report(g, stamp, order, parent, kind, text=text)


# --- answers --------------------------------------------------------------------------------------


def accepted(g: GateState, stamp: Stamp, order: OmsOrder, parent: Parent) -> None:
    """A parent was admitted: pending new, then new; where trading is stopped for it, that too."""
    _report(g, stamp, order, parent, ExecType.PENDING_NEW, ord_status=OrdStatus.PENDING_NEW)
    terms = parent.order
    names = (terms.account, strategy_of(g, parent), terms.parent_id, terms.symbol)
    posture, causes = g.posture.of(*names), " ".join(g.posture.holding(*names))
    waits = f"waits, no order leaves: {posture.name} by {causes}" if posture >= Posture.HALTED else ""
    _report(g, stamp, order, parent, ExecType.NEW, text=waits)


def refused(g: GateState, stamp: Stamp, event: OmsNew, reason: str, text: str) -> int:
    """A parent was not admitted: 150=8, with every reason in one line."""
    report = OmsReport(
        kind="8",
        cl_ord_id=event.cl_ord_id,
        order_id=NO_ORDER,
        exec_id=next_exec_id(g),
        exec_type=ExecType.REJECTED,
        ord_status=OrdStatus.REJECTED,
        account=event.account,
        symbol=event.symbol,
        side=event.side,
        order_qty=event.qty,
        price_e4=event.parent.limit_price_e4 if event.parent is not None else None,
        reason=reason or OrdRejReason.OTHER.value,
        text=text,
        ts_ns=stamp.ts_ns,
    )
    return say(g, event.client, report)


def pending_cancel(g: GateState, stamp: Stamp, order: OmsOrder, parent: Parent) -> None:
    """A cancel was taken up."""
    _pending(g, stamp, order, parent, ExecType.PENDING_CANCEL, order.cancel_id)


def pending_replace(g: GateState, stamp: Stamp, order: OmsOrder, parent: Parent) -> None:
    """A replace was taken up; more works than it allows, and is being cancelled."""
    _pending(g, stamp, order, parent, ExecType.PENDING_REPLACE, order.replace_id)


def _pending(g: GateState, stamp: Stamp, order: OmsOrder, parent: Parent, kind: ExecType, name: str) -> None:
    _report(g, stamp, order, parent, kind, cl_ord_id=name, orig_cl_ord_id=order.cl_ord_id)


def _restated(g: GateState, stamp: Stamp, order: OmsOrder, parent: Parent, text: str) -> None:
    _report(g, stamp, order, parent, ExecType.RESTATED, restated=BROKER_OPTION, text=text)


def replaced(g: GateState, stamp: Stamp, order: OmsOrder, parent: Parent) -> None:
    """The new terms hold; the order has the name of the replace from now on."""
    orig, order.cl_ord_id, order.replace_id = order.cl_ord_id, order.replace_id, ""
    order.qty, order.price_e4 = parent.order.qty, parent.order.limit_price_e4
    _report(g, stamp, order, parent, ExecType.REPLACED, orig_cl_ord_id=orig)


def change_refused(
    g: GateState,
    client: str,
    cl_ord_id: str,
    orig_cl_ord_id: str,
    of: tuple[OmsOrder, Parent] | None,
    response_to: CxlRejResponseTo,
    reason: str,
    text: str,
) -> int:
    """35=9."""
    report = OmsReport(
        kind="9",
        cl_ord_id=cl_ord_id,
        orig_cl_ord_id=orig_cl_ord_id,
        order_id=of[1].order.parent_id if of else NO_ORDER,
        ord_status=status_of(*of) if of else OrdStatus.REJECTED,
        response_to=response_to.value,
        reason=reason,
        text=text,
    )
    return say(g, client, report)


def status(g: GateState, stamp: Stamp, order: OmsOrder, parent: Parent, req_id: str = "") -> None:
    """How an order stands (150=I)."""
    answer = {"status_req_id": req_id, "text": parent.progress.remainder_reason, "exec_id": STATUS_EXEC_ID}
    _report(g, stamp, order, parent, ExecType.ORDER_STATUS, **answer)


def status_unknown(g: GateState, stamp: Stamp, event: OmsStatus, text: str) -> None:
    """There is no such order."""
    report = OmsReport(
        kind="8",
        cl_ord_id=event.cl_ord_id,
        order_id=NO_ORDER,
        exec_id=STATUS_EXEC_ID,
        exec_type=ExecType.ORDER_STATUS,
        ord_status=OrdStatus.REJECTED,
        symbol=event.symbol,
        side=event.side,
        reason=OrdRejReason.UNKNOWN_ORDER.value,
        status_req_id=event.req_id,
        text=text,
        ts_ns=stamp.ts_ns,
    )
    say(g, event.client, report)


def status_of(order: OmsOrder, parent: Parent) -> OrdStatus:
    """Return OrdStatus(39) of a parent: pending requests first, as FIX 4.4 ranks them."""
    progress = parent.progress
    if order.cancel_id:
        return OrdStatus.PENDING_CANCEL
    if order.replace_id:
        return OrdStatus.PENDING_REPLACE
    if order.ended and not parent.live:  # an execution of the step that ends it comes before the end
        end = ENDS[progress.status]
        return OrdStatus.DONE_FOR_DAY if end is OrdStatus.EXPIRED and order.day else end
    if progress.cum_qty >= order.qty:
        return OrdStatus.FILLED
    if progress.status is ParentStatus.PAUSED:
        return OrdStatus.SUSPENDED
    return OrdStatus.PARTIALLY_FILLED if progress.cum_qty else OrdStatus.NEW


def _report(
    g: GateState, stamp: Stamp, order: OmsOrder, parent: Parent, exec_type: ExecType, **more: Any
) -> ExecID:
    """Tell of a parent as it stands; return the ExecID."""
    terms = parent.order
    open_ = parent.live or not order.ended
    known: dict[str, Any] = {
        "cl_ord_id": order.cl_ord_id,
        "exec_id": more.get("exec_id") or next_exec_id(g),
        "ord_status": status_of(order, parent),
    }
    report = OmsReport(
        kind="8",
        order_id=terms.parent_id,
        exec_type=exec_type,
        account=terms.account,
        symbol=terms.symbol,
        side=terms.side,
        order_qty=order.qty,
        price_e4=order.price_e4,
        cum_qty=order.cum_qty,
        notional_e4=order.notional_e4,
        leaves_qty=max(0, order.qty - order.cum_qty) if open_ else 0,
        ts_ns=stamp.ts_ns,
        **(known | more),
    )
    say(g, order.client, report)
    return report.exec_id
