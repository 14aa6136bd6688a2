"""What an EMS says, decoded for the gate: 8, 9, r, j, 3, 4; market data and positions go to their modules.

`decode` never raises, whatever the bytes. It returns an event of `market.events`, a `Malformed` with
the reason, or None for a message type that the gate has no use for. Fields are read by tag; what
a broker adds beyond them is skipped. A tag that we read and that comes twice is malformed.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from gateways.fix import fix42, market_data, positions
from gateways.fix.wire import (
    SOH,
    Malformed,
    fields,
    malformed,
    read_id,
    read_int,
    read_price_e4,
    read_qty,
    read_text,
    read_utc_ns,
    repeated,
)
from market.events import (
    ExecutionReport,
    MassCancelReport,
    MessageRejected,
    MessagesSkipped,
    MessagesUnsent,
    OrderCancelReject,
    SecurityStatus,
)
from market.position_events import PositionsAcked, PositionTold
from market.types import (
    ClOrdID,
    CxlRejReason,
    CxlRejResponseTo,
    ExecID,
    ExecType,
    OrderID,
    OrdStatus,
    Side,
    Symbol,
)

SIDES: Final = {s.value: s for s in Side}
EXEC_TYPES: Final = {e.value: e for e in ExecType}
ORD_STATUSES: Final = {s.value: s for s in OrdStatus}
CXL_REJ_REASONS: Final = {r.value: r for r in CxlRejReason}
RESPONSES: Final = {r.value: r for r in CxlRejResponseTo}
# Tags of which a second one would change what we believe; others may repeat inside groups.
ONCE: Final = frozenset([
    "1", "6", "11", "14", "17", "19", "20", "31", "32", "34", "37", "38", "39", "41", "44", "54", "55", "150",
    "151",
])  # fmt: skip
POSITIONS: Final = frozenset(["AO", "AP"])
SEQ_NUM_DIGITS: Final = 18  # of MsgSeqNum(34): all that 64 bits hold
PRICED: Final = frozenset([ExecType.TRADE, ExecType.TRADE_CORRECT])

Decoded = (
    ExecutionReport
    | OrderCancelReject
    | MassCancelReport
    | MessageRejected
    | MessagesSkipped
    | MessagesUnsent
    | SecurityStatus
    | PositionsAcked
    | PositionTold
    | market_data.MarketData
    | market_data.MarketDataReject
)


T = TypeVar("T")


class Refusal(Exception):  # noqa: N818
    """A field that cannot be read; caught in `decode` and returned as `Malformed`."""


class Fields:
    """One message by tag, read with bounds."""

    __slots__ = ("tags",)

    def __init__(self, tags: dict[str, str]) -> None:
        self.tags = tags

    def id(self, tag: str) -> str:
        """Return an identifier that must be there."""
        text = read_id(self.tags.get(tag, ""))
        if text is None:
            raise Refusal(f"{tag} is missing or no identifier")
        return text

    def id_or(self, tag: str, default: str = "") -> str:
        """Return an identifier, or what stands for none."""
        return self.id(tag) if self.tags.get(tag) else default

    def qty(self, tag: str) -> int | None:
        """Return a whole quantity, None where it is absent."""
        return self._read(tag, read_qty, "a whole quantity")

    def price_e4(self, tag: str) -> int | None:
        """Return a price, None where it is absent."""
        return self._read(tag, read_price_e4, "a price of 4 decimals")

    def count(self, tag: str) -> int | None:
        """Return a small integer, None where it is absent."""
        return self._read(tag, read_int, "an integer")

    def ns(self, tag: str) -> int:
        """Return a time, 0 where it is absent."""
        return self._read(tag, read_utc_ns, "a UTC time") or 0

    def text(self, tag: str) -> str:
        """Return free text, cleaned."""
        return read_text(self.tags.get(tag, ""))

    def flag(self, tag: str) -> bool:
        """Return True for Y; absent is N."""
        return self.tags.get(tag) == "Y"

    def _read(self, tag: str, read: Callable[[str], int | None], what: str) -> int | None:
        text = self.tags.get(tag)
        if not text:  # absent, or sent empty, which some counterparties do
            return None
        value = read(text)
        if value is None:
            raise Refusal(f"{tag} is not {what}")
        return value


def decode(raw: str) -> Decoded | Malformed | None:
    """Return what a message of the EMS says; see the module."""
    tags = fields(raw)
    if tags is None:
        return malformed("", "a field is not tag=value", raw)
    msg_type = tags.get("35", "")
    reader = READERS.get(msg_type)
    if msg_type in POSITIONS:
        return positions.decode(msg_type, raw)
    if reader is None:
        return market_data.decode(msg_type, raw)
    return read_once(reader, msg_type, tags, raw)


def read_once(reader: Callable[[Fields], T], msg_type: str, tags: dict[str, str], raw: str) -> T | Malformed:
    """Return what a reader makes of a message, whose fields that matter (`ONCE`) come once."""
    if len(tags) != raw.count(SOH):
        twice = repeated(raw, ONCE)
        if twice is not None:
            return malformed(msg_type, f"{twice} comes twice", raw)
    try:
        return reader(Fields(tags))
    except Refusal as refusal:
        return malformed(msg_type, str(refusal), raw)


def execution_report(f: Fields) -> ExecutionReport:
    """Read 35=8. ClOrdID may be absent (an order that is not ours) and is "" then."""
    tags = f.tags
    said = fix42.exec_type(tags) if tags.get("8") == fix42.VERSION else tags.get("150", "")
    exec_type = EXEC_TYPES.get(said)
    ord_status = ORD_STATUSES.get(fix42.ord_status(tags))
    side = SIDES.get(tags.get("54", ""))
    if exec_type is None or ord_status is None:
        raise Refusal("150, 39 or (in 4.2) 20 is missing or unknown")
    if side is None and exec_type is not ExecType.ORDER_STATUS and exec_type is not ExecType.REJECTED:
        raise Refusal("54 is missing or unknown")  # only an answer about nothing may lack it
    last_qty, last_price_e4 = f.qty("32") or 0, f.price_e4("31") or 0
    if exec_type in PRICED and not (last_qty and last_price_e4):
        raise Refusal("a trade without LastQty(32) and LastPx(31)")
    cum_qty, leaves_qty = f.qty("14"), f.qty("151")
    if cum_qty is None or leaves_qty is None:
        raise Refusal("14 or 151 is missing")
    return ExecutionReport(
        cl_ord_id=ClOrdID(f.id_or("11")),
        exec_type=exec_type,
        ord_status=ord_status,
        exec_id=ExecID(f.id("17")),
        order_id=OrderID(f.id_or("37")),
        orig_cl_ord_id=ClOrdID(f.id("41")) if tags.get("41") else None,
        symbol=Symbol(f.id_or("55")),
        side=side or Side.BUY,
        account=f.text("1"),
        order_qty=f.qty("38"),
        cum_qty=cum_qty,
        leaves_qty=leaves_qty,
        avg_price=f.text("6"),
        last_qty=last_qty,
        last_price_e4=last_price_e4,
        price_e4=f.price_e4("44"),
        exec_ref_id=ExecID(f.id("19")) if tags.get("19") else None,
        ord_rej_reason=f.text("103"),
        text=f.text("58"),
        transact_ns=f.ns("60"),
        poss_dup=f.flag("43"),
        poss_resend=f.flag("97"),
        mass_status_req_id=f.id_or("584"),
        total_reports=f.count("911") or 0,
        last_report=f.flag("912"),
    )


def order_cancel_reject(f: Fields) -> OrderCancelReject:
    """Read 35=9."""
    status = ORD_STATUSES.get(fix42.ord_status(f.tags))
    response_to = RESPONSES.get(f.tags.get("434", ""))
    if status is None or response_to is None:
        raise Refusal("39 or 434 is missing or unknown")
    return OrderCancelReject(
        cl_ord_id=ClOrdID(f.id("11")),
        orig_cl_ord_id=ClOrdID(f.id_or("41")),
        order_id=OrderID(f.id_or("37")),
        ord_status=status,
        response_to=response_to,
        reason=CXL_REJ_REASONS.get(f.tags.get("102", ""), CxlRejReason.OTHER),
        text=f.text("58"),
    )


def mass_cancel_report(f: Fields) -> MassCancelReport:
    """Read 35=r. MassCancelResponse(531) 0 = refused."""
    response = f.tags.get("531")
    if not response:
        raise Refusal("531 is missing")
    return MassCancelReport(
        cl_ord_id=ClOrdID(f.id_or("11")),
        accepted=response != "0",
        total_affected=f.count("533") or 0,
        text=f.text("58"),
    )


def business_reject(f: Fields) -> MessageRejected:
    """Read 35=j."""
    return MessageRejected(
        ref_msg_type=f.text("372"), ref_id=f.text("379"), reason=f.text("380"), text=f.text("58")
    )


def session_reject(f: Fields) -> MessageRejected:
    """Read 35=3, which the engine hands over though it is a session message."""
    return MessageRejected(
        ref_msg_type=f.text("372"),
        ref_id=f.text("45"),
        reason=f.text("373"),
        text=f.text("58"),
        session_level=True,
    )


def sequence_reset(f: Fields) -> MessagesSkipped:
    """Read 35=4, which the engine hands over though it is a session message."""
    return MessagesSkipped(begin=f.count("34") or 0, next=f.count("36") or 0)


def resend_request(f: Fields) -> MessagesUnsent:
    """Read 35=2, which the engine hands over once it has filled the gap."""
    return MessagesUnsent(begin=f.count("7") or 0, end=f.count("16") or 0)


def security_status(f: Fields) -> SecurityStatus:
    """Read 35=f: trading only on an explicit 3 (resume) or 17 (ready to trade).

    Bands: 1148 and 1149, or LowPx(333) and HighPx(332); one of a pair alone cannot be read, nor one above
    the other. What is absent stays as it was (0, None): a halt does not lift a short-sale restriction.
    """
    low, high = f.price_e4("1148"), f.price_e4("1149")
    if low is None and high is None:
        low, high = f.price_e4("333"), f.price_e4("332")
    if (low is None) != (high is None) or (low or 0) > (high or 0):
        raise Refusal("1148 and 1149 (or 333 and 332) are no band")
    short, limit = f.tags.get("1687"), f.tags.get("7002")
    return SecurityStatus(
        symbol=Symbol(f.id("55")),
        trading=f.tags.get("326") in market_data.TRADING,
        text=f.text("58"),
        band_low_e4=low or 0,
        band_high_e4=high or 0,
        short_restricted=short != market_data.UNRESTRICTED if short else None,
        limit_state=limit in market_data.LIMIT_STATES if limit else None,
    )


READERS: Final[dict[str, Callable[[Fields], Decoded]]] = {
    "8": execution_report,
    "9": order_cancel_reject,
    "r": mass_cancel_report,
    "j": business_reject,
    "3": session_reject,
    "2": resend_request,
    "4": sequence_reset,
    "f": security_status,
}


def seq_num(raw: str) -> int:
    """Return MsgSeqNum(34) of a message, 0 if it cannot be read."""
    start = raw.find("\x0134=")
    return (read_int(raw[start + 4 : raw.find("\x01", start + 1)], SEQ_NUM_DIGITS) or 0) if start >= 0 else 0
