"""Parent orders from an OMS: judged by the admission that `submit` uses, answered once and for all.

A ClOrdID names one request for ever. The same request again gets the same answer and never a second parent;
another one under its name is refused. What cannot be done is refused with one line, and nothing is ignored.
An OMS may give, change, cancel and ask after its own parents, and nothing else.
"""

from typing import Final

import msgspec

from daemon.gate import amend as gate_amend
from daemon.gate import oms_reports as told
from daemon.gate import parents as gate_parents
from daemon.gate.ended_parents import parent_of
from daemon.gate.oms_state import NO_ANSWER, OmsOrder, OmsRequestMade
from daemon.gate.state import GateState, Parent
from market.events import AmendParent, Stamp
from market.oms_events import (
    OmsCancel,
    OmsNew,
    OmsReplace,
    OmsReport,
    OmsRequest,
    OmsSession,
    OmsStatus,
    OmsUnfit,
)
from market.parents import ParentOrder, ParentTrigger
from market.types import CxlRejReason, CxlRejResponseTo, OrdRejReason, ParentID, ParentStatus
from risk import closing

# OrdRejReason(103) of a fault of admission, by what it says; the first that fits.
REASONS: Final = (
    ("R02 symbol", OrdRejReason.UNKNOWN_SYMBOL.value),
    ("R02 account", "15"),  # FIX 4.4: unknown account
    ("R08 the window is outside", OrdRejReason.EXCHANGE_CLOSED.value),
    ("R24", OrdRejReason.DUPLICATE_ORDER.value),
    ("R01 quantity", OrdRejReason.INCORRECT_QUANTITY.value),
    ("R02 quantity", OrdRejReason.INCORRECT_QUANTITY.value),
    ("R08 quantity", OrdRejReason.ORDER_EXCEEDS_LIMIT.value),
    ("R08 worth", OrdRejReason.ORDER_EXCEEDS_LIMIT.value),
)
UNSUPPORTED: Final = "is not supported"


def session(g: GateState, stamp: Stamp, event: OmsSession) -> None:
    """An OMS logged on or off; one that threw its numbers away is told how its parents stand."""
    client = g.oms.client(event.client)
    client.up, client.reason = event.up, event.reason
    g.note("info", "oms session", client=event.client, up=event.up, reason=event.reason)
    if event.restate:
        for parent_id, order in g.oms.orders.items():
            if order.client == event.client:
                told.status(g, stamp, order, _parent(g, parent_id))


def unfit(g: GateState, _: Stamp, event: OmsUnfit) -> None:
    """What is no request is refused by name (35=j)."""
    report = OmsReport(
        kind="j",
        cl_ord_id=event.ref_id,
        reason=event.reason,
        ref_msg_type=event.ref_msg_type,
        ref_seq_num=event.seq_num,
        text=event.text,
    )
    g.counters["oms_refused"] += 1
    told.say(g, event.client, report)


# --- D ------------------------------------------------------------------------------------------


def new(g: GateState, stamp: Stamp, event: OmsNew) -> None:
    """35=D: admit a parent, or say every reason why not."""
    if _again(g, stamp, event, "D"):
        return
    made = OmsRequestMade(kind="D", terms=event.terms)
    g.oms.client(event.client).requests[event.cl_ord_id] = made
    if event.parent is None or event.fault:
        _refuse(g, stamp, event, made, event.reason, event.fault)
        return
    if not stamp.ts_ns:
        _refuse(g, stamp, event, made, OrdRejReason.EXCHANGE_CLOSED.value, "market time has not begun")
        return
    order = _whole(g, stamp, event.parent)
    faults = gate_parents.faults_of(g, stamp, order)
    if faults:
        gate_parents.refused(g, event.cl_ord_id, faults)
        _refuse(g, stamp, event, made, reason_of(faults), "; ".join(faults))
        return
    made.parent_id = order.parent_id
    known = OmsOrder(
        event.client, event.cl_ord_id, event.day, order.qty, order.limit_price_e4, dict(event.fixed)
    )
    g.oms.orders[order.parent_id] = known
    gate_parents.enter(g, stamp, order)
    told.accepted(g, stamp, known, g.parents[order.parent_id])
    gate_parents.begin(g, stamp)


def _refuse(g: GateState, stamp: Stamp, event: OmsNew, made: OmsRequestMade, reason: str, text: str) -> None:
    g.counters["oms_refused"] += 1
    made.answer = told.refused(g, stamp, event, reason, text)


def _whole(g: GateState, stamp: Stamp, order: ParentOrder) -> ParentOrder:
    """Return the parent with an id, and with what the OMS left to us: start, end, venue."""
    start_ns, end_ns = order.start_ns, order.end_ns
    instrument = g.instruments.get(order.symbol)
    if instrument is not None and stamp.ts_ns:
        on_ns = start_ns or stamp.ts_ns
        opens, closes = closing.hours(instrument, on_ns, g.risk.phase(order.symbol, on_ns))
        start_ns = start_ns or max(stamp.ts_ns, opens)
        end_ns = end_ns or closes
    mic = order.mic or (instrument.mic if instrument is not None else "")
    return msgspec.structs.replace(
        order, parent_id=gate_parents.free_id(g), start_ns=start_ns, end_ns=end_ns, mic=mic
    )


def reason_of(faults: list[str]) -> str:
    """Return OrdRejReason(103) of what admission says."""
    for fault in faults:
        if UNSUPPORTED in fault:
            return OrdRejReason.UNSUPPORTED_ORDER_CHARACTERISTIC.value
        for begins, reason in REASONS:
            if fault.startswith(begins):
                return reason
    return OrdRejReason.OTHER.value


# --- F and G ------------------------------------------------------------------------------------


def cancel(g: GateState, stamp: Stamp, event: OmsCancel) -> None:
    """35=F: end a parent before its time."""
    if _again(g, stamp, event, "F"):
        return
    order, parent = _meant(g, event)
    made = OmsRequestMade(kind="F", terms=event.terms)
    g.oms.client(event.client).requests[event.cl_ord_id] = made
    fault = _change_fault(event, order, parent)
    if fault is not None or order is None or parent is None:
        made.answer = _refuse_change(g, event, order, parent, CxlRejResponseTo.CANCEL, fault)
        return
    made.parent_id = parent.order.parent_id
    order.cancel_id = event.cl_ord_id
    told.pending_cancel(g, stamp, order, parent)
    text = f"canceled by {event.client}"
    gate_parents.move(g, stamp, parent, ParentTrigger.CANCEL, text, ParentStatus.CANCELED)


def replace(g: GateState, stamp: Stamp, event: OmsReplace) -> None:
    """35=G: new terms at once; where more works than they allow, the answer waits until that is gone."""
    if _again(g, stamp, event, "G"):
        return
    order, parent = _meant(g, event)
    made = OmsRequestMade(kind="G", terms=event.terms)
    g.oms.client(event.client).requests[event.cl_ord_id] = made
    fault = _change_fault(event, order, parent)
    if fault is None and order is not None and parent is not None:
        fault = _terms_fault(g, stamp, event, order, parent)
    if fault is not None or order is None or parent is None:
        made.answer = _refuse_change(g, event, order, parent, CxlRejResponseTo.REPLACE, fault)
        return
    made.parent_id = parent.order.parent_id
    order.replace_id = event.cl_ord_id
    if told.holds(g, parent):
        told.replaced(g, stamp, order, parent)
    else:
        told.pending_replace(g, stamp, order, parent)


def _terms_fault(
    g: GateState, stamp: Stamp, event: OmsReplace, order: OmsOrder, parent: Parent
) -> tuple[str, str] | None:
    """Carry out a replace; return why not."""
    other = CxlRejReason.OTHER.value
    for tag, value in event.fixed:
        if order.fixed.get(tag, "") != value:
            was = order.fixed.get(tag) or "not given"
            return other, f"{tag}={value} cannot be changed, it was {was}"
    if order.day and event.end_ns is not None and event.end_ns != parent.order.end_ns:
        return other, "126: a day order (59=0) ends with the day"
    had = parent.order.limit_price_e4
    if event.market and had is not None:
        return other, "40=1: a limit price cannot be taken away, only moved"
    wishes = {
        "qty": event.qty,
        "limit_price_e4": event.limit_price_e4,
        "end_ns": event.end_ns,
        "max_participation_bp": event.max_participation_bp,
    }
    new = {name: value for name, value in wishes.items() if value != getattr(parent.order, name)}
    if not any(value is not None for value in new.values()):
        return None  # the same terms under a new name: accepted as they stand
    asked = AmendParent(request_id=0, parent_id=parent.order.parent_id, **new)
    faults = gate_amend.change(g, stamp, parent, asked)
    if not faults:
        return None
    late = any(fault.startswith("R14") for fault in faults)
    return (CxlRejReason.TOO_LATE_TO_CANCEL.value if late else other), "; ".join(faults)


def _meant(g: GateState, event: OmsCancel | OmsReplace | OmsStatus) -> tuple[OmsOrder | None, Parent | None]:
    """Return the order that a request speaks of, by any of its ClOrdIDs."""
    name = event.cl_ord_id if isinstance(event, OmsStatus) else event.orig_cl_ord_id
    made = g.oms.client(event.client).requests.get(name)
    if made is None or not made.parent_id:
        return None, None
    return g.oms.orders[made.parent_id], _parent(g, made.parent_id)


def _parent(g: GateState, parent_id: ParentID) -> Parent:
    found = parent_of(g, parent_id)
    assert found is not None, f"{parent_id} was admitted: it is in the state or in the archive"
    return found


def _change_fault(
    event: OmsCancel | OmsReplace, order: OmsOrder | None, parent: Parent | None
) -> tuple[str, str] | None:
    """Return CxlRejReason(102) and a line where an order cannot be changed now."""
    R = CxlRejReason  # noqa: N806
    if event.fault:
        return event.reason or R.OTHER.value, event.fault
    if order is None or parent is None:
        return R.UNKNOWN_ORDER.value, f"no order {event.orig_cl_ord_id} of this session"
    terms = parent.order
    if event.order_id and event.order_id != terms.parent_id:
        text = f"37={event.order_id}: order {event.orig_cl_ord_id} is {terms.parent_id}"
        return R.UNKNOWN_ORDER.value, text
    if event.orig_cl_ord_id in (order.cancel_id, order.replace_id):
        return R.ALREADY_PENDING.value, f"41={event.orig_cl_ord_id} has no answer yet: give {order.cl_ord_id}"
    if event.orig_cl_ord_id != order.cl_ord_id:
        return R.UNKNOWN_ORDER.value, f"41={event.orig_cl_ord_id}: the order is {order.cl_ord_id} now"
    if (event.symbol, event.side) != (terms.symbol, terms.side):
        return R.OTHER.value, f"the order is {terms.side.name} {terms.symbol}"
    if not parent.live:
        return R.TOO_LATE_TO_CANCEL.value, f"the order has ended: {parent.progress.status.value}"
    if parent.progress.cum_qty >= parent.progress.qty:
        return R.TOO_LATE_TO_CANCEL.value, "the order is filled"
    if order.cancel_id or parent.progress.status is ParentStatus.CANCELING:
        return R.ALREADY_PENDING.value, "the order is being cancelled"
    if order.replace_id and isinstance(event, OmsReplace):
        return R.ALREADY_PENDING.value, f"replace {order.replace_id} has no answer yet"
    return None


def _refuse_change(
    g: GateState,
    event: OmsCancel | OmsReplace,
    order: OmsOrder | None,
    parent: Parent | None,
    response_to: CxlRejResponseTo,
    fault: tuple[str, str] | None,
) -> int:
    assert fault is not None, "an unknown order is a fault"
    g.counters["oms_refused"] += 1
    names = event.client, event.cl_ord_id, event.orig_cl_ord_id
    of = (order, parent) if order is not None and parent is not None else None
    return told.change_refused(g, *names, of, response_to, *fault)


# --- H, and what comes twice ----------------------------------------------------------------------


def status(g: GateState, stamp: Stamp, event: OmsStatus) -> None:
    """35=H: how an order stands."""
    order, parent = _meant(g, event)
    fault = event.fault
    if order is None or parent is None:
        fault = fault or f"no order {event.cl_ord_id} of this session"
    elif event.order_id and event.order_id != parent.order.parent_id:
        fault = fault or f"37={event.order_id}: order {event.cl_ord_id} is {parent.order.parent_id}"
    if fault or order is None or parent is None:
        told.status_unknown(g, stamp, event, fault)
    else:
        told.status(g, stamp, order, parent, event.req_id)


def _again(g: GateState, stamp: Stamp, event: OmsRequest, kind: str) -> bool:
    """Answer a request whose ClOrdID was used before."""
    client = g.oms.client(event.client)
    made = client.requests.get(event.cl_ord_id)
    if made is None:
        return False
    g.counters["oms_again"] += 1
    if (made.kind, made.terms) == (kind, event.terms):
        if made.answer != NO_ANSWER:
            told.say(g, event.client, client.reports[made.answer])
        else:
            told.status(g, stamp, g.oms.orders[made.parent_id], _parent(g, made.parent_id))
        return True
    text = f"ClOrdID {event.cl_ord_id} was used before, for something else"
    if isinstance(event, OmsNew):
        told.refused(g, stamp, event, OrdRejReason.DUPLICATE_ORDER.value, text)
    elif isinstance(event, OmsCancel | OmsReplace):
        order, parent = _meant(g, event)
        is_cancel = isinstance(event, OmsCancel)
        response_to = CxlRejResponseTo.CANCEL if is_cancel else CxlRejResponseTo.REPLACE
        fault = (CxlRejReason.DUPLICATE_CL_ORD_ID.value, text)
        _refuse_change(g, event, order, parent, response_to, fault)
    return True
