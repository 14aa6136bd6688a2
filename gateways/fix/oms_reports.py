"""Reports to an OMS as FIX 4.4 bodies: 35=8, 35=9, 35=j of a parent order."""

from typing import Final

from gateways.fix.wire import SOH, average_text, decimal_text, read_text, utc_text
from market.oms_events import OmsReport
from market.types import OrdType

NO_ORDER: Final = "NONE"  # OrderID(37) of what is no order


def body(report: OmsReport, digits: int = 3) -> str:
    """Return a report's body; ids are echoed as they came, text is cleaned."""
    if report.kind == "8":
        return _execution(report, digits)
    if report.kind == "9":
        return _joined(
            ("35", "9"),
            ("37", report.order_id),
            ("11", report.cl_ord_id),
            ("41", report.orig_cl_ord_id),
            ("39", report.ord_status.value),
            ("434", report.response_to),
            ("102", report.reason),
            ("58", read_text(report.text)),
        )
    assert report.kind == "j", report.kind
    return _joined(
        ("35", "j"),
        ("45", str(report.ref_seq_num)),
        ("372", report.ref_msg_type),
        ("379", report.cl_ord_id),
        ("380", report.reason),
        ("58", read_text(report.text)),
    )


def _execution(r: OmsReport, digits: int) -> str:
    kind = OrdType.MARKET.value if r.order_id != NO_ORDER else ""  # of what was not read nothing is said
    if r.price_e4 is not None:
        kind = OrdType.LIMIT.value
    return _joined(
        ("35", "8"),
        ("37", r.order_id),
        ("11", r.cl_ord_id),
        ("41", r.orig_cl_ord_id),
        ("790", r.status_req_id),
        ("17", r.exec_id),
        ("19", r.exec_ref_id),
        ("150", r.exec_type.value),
        ("39", r.ord_status.value),
        ("103", r.reason),
        ("378", r.restated),
        ("1", r.account),
        ("55", r.symbol),
        ("54", r.side.value),
        ("38", str(r.order_qty) if r.order_qty else ""),
        ("40", kind),
        ("44", decimal_text(r.price_e4) if r.price_e4 is not None else ""),
        ("32", str(r.last_qty) if r.last_qty else ""),
        ("31", last_price(r) if r.last_qty else ""),
        ("151", str(r.leaves_qty)),
        ("14", str(r.cum_qty)),
        ("6", average_text(r.notional_e4, r.cum_qty)),
        ("60", utc_text(r.ts_ns, digits) if r.ts_ns > 0 else ""),
        ("58", read_text(r.text)),
    )


def last_price(r: OmsReport) -> str:
    """Return LastPx(31): exact where it has four decimals, as an average where shares came in one sum."""
    price_e4, rest = divmod(r.last_notional_e4, r.last_qty)
    return average_text(r.last_notional_e4, r.last_qty) if rest else decimal_text(price_e4)


def _joined(*fields: tuple[str, str]) -> str:
    """Return tag=value of what has a value; an empty field would be malformed."""
    return "".join(f"{tag}={value}{SOH}" for tag, value in fields if value and _fit(value))


def _fit(value: str) -> bool:
    assert value.isascii(), f"not fit for a wire: {value[:40]!r}"
    assert value.isprintable(), f"not fit for a wire: {value[:40]!r}"
    return True
