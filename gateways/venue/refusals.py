"""Answers to messages that cannot be worked with: what is no request, or lacks what it needs.

A D whose ClOrdID can be read is refused by an execution report, F and G by a cancel reject, since a
client must learn the fate of each order; all else by a business reject (35=j).
"""

from typing import Any, Final

from gateways.fix import venue_outbound
from gateways.fix.inbound import seq_num
from gateways.fix.venue_inbound import UNSERVED
from gateways.fix.wire import Malformed, fields, read_id, read_price_e4, read_qty
from gateways.venue.orders import OrderTable
from gateways.venue.reports import NO_ORDER, ExecIds
from market.events import ExecutionReport, MessageRejected, OrderCancelReject
from market.types import (
    ClOrdID,
    CxlRejReason,
    CxlRejResponseTo,
    ExecType,
    OrderID,
    OrdRejReason,
    OrdStatus,
    Side,
    Symbol,
)

UNSUPPORTED_TYPE: Final = "3"  # BusinessRejectReason(380)
MISSING_FIELD: Final = "5"
OTHER: Final = "0"
# What a field that cannot be used means for a new order; the field's tag begins the codec's reason.
BY_TAG: Final = {
    "38": OrdRejReason.INCORRECT_QUANTITY,
    **dict.fromkeys(("18", "40", "59", *UNSERVED), OrdRejReason.UNSUPPORTED_ORDER_CHARACTERISTIC),
}
SIDES: Final = {s.value: s for s in Side}


def answer_malformed(raw: str, asked: Any, table: OrderTable, exec_ids: ExecIds, ts_ns: int) -> str:
    """Return the body that answers a message which is not a request of the order session.

    A ClOrdID that can be read is used up by it, as by any request.
    """
    tags = fields(raw) or {}
    msg_type = tags.get("35", "")
    cl_ord_id = read_id(tags.get("11", ""))
    if not isinstance(asked, Malformed):
        return business_reject(raw, msg_type, UNSUPPORTED_TYPE, "message type is not supported here")
    if cl_ord_id:
        table.burn(cl_ord_id)
    if msg_type == "D" and cl_ord_id and tags.get("54") in SIDES and read_id(tags.get("55", "")):
        return venue_outbound.encode_report(order_refusal(tags, cl_ord_id, asked.reason, exec_ids, ts_ns))
    orig = read_id(tags.get("41", ""))
    if msg_type in ("F", "G") and cl_ord_id and orig:
        order = table.of_client(orig)
        reject = OrderCancelReject(
            cl_ord_id=ClOrdID(cl_ord_id),
            orig_cl_ord_id=ClOrdID(orig),
            order_id=OrderID(order.order_id) if order else NO_ORDER,
            ord_status=order.status if order else OrdStatus.REJECTED,
            response_to=CxlRejResponseTo.CANCEL if msg_type == "F" else CxlRejResponseTo.REPLACE,
            reason=CxlRejReason.OTHER,
            text=asked.reason,
        )
        return venue_outbound.encode_cancel_reject(reject)
    reason = MISSING_FIELD if "missing" in asked.reason else OTHER
    return business_reject(raw, msg_type, reason, asked.reason)


def order_refusal(
    tags: dict[str, str], cl_ord_id: str, text: str, exec_ids: ExecIds, ts_ns: int
) -> ExecutionReport:
    """Return the report on a new order of which some field cannot be used."""
    return ExecutionReport(
        cl_ord_id=ClOrdID(cl_ord_id),
        exec_type=ExecType.REJECTED,
        ord_status=OrdStatus.REJECTED,
        exec_id=exec_ids.next(),
        order_id=NO_ORDER,
        symbol=Symbol(tags["55"]),
        side=SIDES[tags["54"]],
        order_qty=read_qty(tags.get("38", "")),
        price_e4=read_price_e4(tags.get("44", "")),
        ord_rej_reason=BY_TAG.get(text.split(" ", 1)[0], OrdRejReason.OTHER).value,
        text=text,
        transact_ns=ts_ns,
    )


def business_reject(raw: str, msg_type: str, reason: str, text: str) -> str:
    """Return 35=j about a message."""
    tags = fields(raw) or {}
    ref_id = next(
        (i for i in (read_id(tags.get(t, "")) for t in ("11", "262", "324", "584", "710")) if i), ""
    )
    reject = MessageRejected(ref_msg_type=read_id(msg_type) or "?", ref_id=ref_id, reason=reason, text=text)
    return venue_outbound.encode_business_reject(reject, seq_num(raw))


def msg_type_of(raw: str) -> str:
    """Return MsgType(35), "" where there is none."""
    return (fields(raw) or {}).get("35", "")
