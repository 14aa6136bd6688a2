"""What a venue writes: reports and rejects (35=8 9 r j, 35=Y f), bodies that the engine frames.

Encoders raise `Unencodable` for what must not be put on a wire. Free text is cleaned before it is sent, ids
are echoed as they came.
"""

from typing import Final

from gateways.fix.market_data import HALT, READY, RESTRICTED, UNRESTRICTED
from gateways.fix.wire import SOH, Unencodable, decimal_text, echo_text, read_text, utc_text
from market.events import (
    ExecutionReport,
    MassCancelReport,
    MessageRejected,
    OrderCancelReject,
    SecurityStatus,
)

OTHER_REASON: Final = "99"  # MassCancelRejectReason(532)


def encode_report(report: ExecutionReport, account: str = "", digits: int = 3) -> str:
    """Return 35=8 of a report; `digits` of TransactTime(60)."""
    r = report
    parts = [
        f"35=8{SOH}37={echo_text(r.order_id or 'NONE')}{SOH}17={echo_text(r.exec_id)}{SOH}"
        f"150={r.exec_type.value}{SOH}39={r.ord_status.value}{SOH}55={echo_text(r.symbol or 'NONE')}{SOH}"
        f"54={r.side.value}{SOH}151={_count(r.leaves_qty)}{SOH}14={_count(r.cum_qty)}{SOH}"
        f"6={_decimal(r.avg_price)}{SOH}"
    ]
    if r.cl_ord_id:
        parts.append(f"11={echo_text(r.cl_ord_id)}{SOH}")
    if r.orig_cl_ord_id:
        parts.append(f"41={echo_text(r.orig_cl_ord_id)}{SOH}")
    if account:
        parts.append(f"1={echo_text(account)}{SOH}")
    if r.order_qty is not None:
        parts.append(f"38={_count(r.order_qty)}{SOH}")
    if r.price_e4 is not None:
        parts.append(f"40=2{SOH}44={decimal_text(_count(r.price_e4))}{SOH}")
    if r.last_qty:
        parts.append(f"32={_count(r.last_qty)}{SOH}31={decimal_text(_count(r.last_price_e4))}{SOH}")
    if r.exec_ref_id:
        parts.append(f"19={echo_text(r.exec_ref_id)}{SOH}")
    if r.ord_rej_reason:
        parts.append(f"103={echo_text(r.ord_rej_reason)}{SOH}")
    if r.mass_status_req_id:
        last = "Y" if r.last_report else "N"
        parts.append(
            f"584={echo_text(r.mass_status_req_id)}{SOH}911={_count(r.total_reports)}{SOH}912={last}{SOH}"
        )
    if r.transact_ns:
        parts.append(f"60={utc_text(r.transact_ns, digits)}{SOH}")
    return "".join(parts) + _text(r.text)


def encode_cancel_reject(reject: OrderCancelReject) -> str:
    """Return 35=9."""
    return (
        f"35=9{SOH}37={echo_text(reject.order_id or 'NONE')}{SOH}11={echo_text(reject.cl_ord_id)}{SOH}"
        f"41={echo_text(reject.orig_cl_ord_id)}{SOH}39={reject.ord_status.value}{SOH}"
        f"434={reject.response_to.value}{SOH}102={reject.reason.value}{SOH}{_text(reject.text)}"
    )


def encode_mass_cancel_report(
    report: MassCancelReport,
    order_id: str,
    request_type: str,
    response: str | None = None,
    reason: str = OTHER_REASON,
) -> str:
    """Return 35=r; MassCancelResponse(531) is the request's type, or 0 where it is refused.

    `reason`: MassCancelRejectReason(532) of a refusal: 0 unsupported, 1 unknown security, 99 other.
    """
    answer = response if response is not None else (request_type if report.accepted else "0")
    refused = "" if answer != "0" else f"532={echo_text(reason)}{SOH}"
    return (
        f"35=r{SOH}11={echo_text(report.cl_ord_id)}{SOH}37={echo_text(order_id)}{SOH}"
        f"530={echo_text(request_type)}{SOH}531={echo_text(answer)}{SOH}{refused}"
        f"533={_count(report.total_affected)}{SOH}{_text(report.text)}"
    )


def encode_business_reject(reject: MessageRejected, ref_seq_num: int) -> str:
    """Return 35=j. BusinessRejectReason(380): 0 other, 3 unsupported type, 5 required field missing."""
    ref_id = f"379={echo_text(reject.ref_id)}{SOH}" if reject.ref_id else ""
    return (
        f"35=j{SOH}45={_count(ref_seq_num)}{SOH}372={echo_text(reject.ref_msg_type)}{SOH}{ref_id}"
        f"380={echo_text(reject.reason or '0')}{SOH}{_text(reject.text)}"
    )


def encode_market_data_reject(req_id: str, reason: str, text: str) -> str:
    """Return 35=Y. MDReqRejReason(281): 0 unknown symbol, 1 duplicate id, 4 unsupported type, 5 depth."""
    return (
        f"35=Y{SOH}262={echo_text(req_id)}{SOH}281={echo_text(reason)}{SOH}58={read_text(text) or '-'}{SOH}"
    )


def encode_security_status(req_id: str, status: SecurityStatus) -> str:
    """Return 35=f: 17 ready to trade, 2 halted; bands as LowLimitPrice(1148) and HighLimitPrice(1149)."""
    code = READY if status.trading else HALT
    parts = [f"35=f{SOH}324={echo_text(req_id)}{SOH}55={echo_text(status.symbol)}{SOH}326={code}{SOH}"]
    if status.band_low_e4 and status.band_high_e4:
        low, high = decimal_text(status.band_low_e4), decimal_text(status.band_high_e4)
        parts.append(f"1148={low}{SOH}1149={high}{SOH}")
    if status.short_restricted is not None:
        parts.append(f"1687={RESTRICTED if status.short_restricted else UNRESTRICTED}{SOH}")
    if status.limit_state is not None:
        parts.append(f"7002={'Y' if status.limit_state else 'N'}{SOH}")
    return "".join(parts) + _text(status.text)


def _text(text: str) -> str:
    return f"58={read_text(text)}{SOH}" if text else ""


def _count(number: int) -> int:
    if not 0 <= number < 2**63:
        raise Unencodable(f"not a count: {number}")
    return number


def _decimal(text: str) -> str:
    if not text:
        return "0"
    if not text.isascii() or text.strip("0123456789.") or text.count(".") > 1:
        raise Unencodable(f"not a decimal: {text[:40]!r}")
    return text
