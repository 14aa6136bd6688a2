"""What a report says against itself: doubts, which are asked for, and faults, which stop trading.

A doubt costs nothing but a question (35=H): nothing is presumed, the order counts as alive, and its symbol
waits for the answer. Executed shares are booked in either case.
"""

from typing import Final

from market.events import ExecutionReport, OrderCancelReject
from market.order_table import ACKS
from market.types import ClOrdID, CxlRejResponseTo, ExecType, OrdStatus, Side

S, E = OrdStatus, ExecType
# Reports that end an order, and what OrdStatus(39) may then say; anything else, and it does not end.
ENDS: Final = frozenset({E.REJECTED, E.CANCELED, E.EXPIRED, E.DONE_FOR_DAY})
ENDED: Final = frozenset({S.FILLED, S.REJECTED, S.CANCELED, S.EXPIRED, S.DONE_FOR_DAY, S.CALCULATED})
WORKS: Final = frozenset(
    {S.PENDING_NEW, S.NEW, S.PARTIALLY_FILLED, S.PENDING_CANCEL, S.PENDING_REPLACE, S.STOPPED, S.SUSPENDED}
)
TAKEN_BACK: Final = frozenset({E.TRADE_CANCEL, E.TRADE_CORRECT})
# A bust or a correction may end an order by its OrdStatus; the order table's walker reads that itself.
SAYS_ITS_END: Final = TAKEN_BACK | {E.CALCULATED, E.ORDER_STATUS}
# Brokers leave the quantities of these away; nothing trades by them, and the answer is still to come.
PENDING: Final = frozenset({E.PENDING_NEW, E.PENDING_CANCEL, E.PENDING_REPLACE})
ABSURD: Final = 2  # times better than our own limit: a misplaced digit, not an improvement


def ends_nothing(report: ExecutionReport) -> bool:
    """Return whether ExecType(150) ends the order and OrdStatus(39) says that it stands (matrices F.1)."""
    return report.exec_type in ENDS and report.ord_status not in ENDED


def doubt(report: ExecutionReport, quantities: tuple[int, ...]) -> str:
    """Return why a report is doubted, "" where it is sound; `quantities` are those that we may have."""
    said = f"{report.exec_type.name} with OrdStatus {report.ord_status.name}"
    if ends_nothing(report):
        return f"{said}: does it stand?"
    if report.exec_type not in ENDS | SAYS_ITS_END and report.ord_status in ENDED - {S.FILLED}:
        return f"{said}: has it ended?"
    if report.exec_type in PENDING:
        return ""
    return arithmetic(report) or quantity(report, quantities)


def arithmetic(report: ExecutionReport) -> str:
    """Return how LeavesQty, CumQty and OrderQty contradict each other, "" where they do not."""
    if report.order_qty is None:
        return ""
    sums = f"OrderQty {report.order_qty}, CumQty {report.cum_qty}, LeavesQty {report.leaves_qty}"
    if report.ord_status in WORKS and report.cum_qty + report.leaves_qty != report.order_qty:
        return f"{sums} while {report.ord_status.name}"
    if report.ord_status is S.FILLED and (report.leaves_qty or report.cum_qty < report.order_qty):
        return f"{sums} while FILLED"
    if report.ord_status in (S.CANCELED, S.EXPIRED, S.REJECTED) and report.leaves_qty:
        return f"LeavesQty {report.leaves_qty} while {report.ord_status.name}"
    return ""


def quantity(report: ExecutionReport, quantities: tuple[int, ...]) -> str:
    """Return an OrderQty that is none of ours; a replace or restatement may bring one."""
    if report.order_qty is None or report.ord_status not in WORKS:
        return ""
    if report.exec_type in (E.REPLACED, E.RESTATED, E.ORDER_STATUS) or report.order_qty in quantities:
        return ""
    return f"OrderQty {report.order_qty}, ours is {' or '.join(map(str, quantities))}"


def as_issued(report: ExecutionReport, issued: dict[ClOrdID, tuple[int, int]]) -> bool:
    """Return whether a report that names one of our replaces (quantity, price) has its terms, not the old."""
    qty, price_e4 = issued.get(report.cl_ord_id, (report.order_qty, report.price_e4))
    return report.order_qty in (None, qty) and report.price_e4 in (None, price_e4)


def short(report: ExecutionReport, order_qty: int, issued: dict[ClOrdID, tuple[int, int]]) -> str:
    """Return that a status answer says FILLED of an order that lacks shares, "" where it does not."""
    asked_qty, _ = issued.get(report.cl_ord_id, (order_qty, 0))  # it may name a replace, and no OrderQty
    wanted = report.order_qty or asked_qty
    if report.ord_status is not S.FILLED or report.cum_qty >= wanted:
        return ""
    return f"CumQty {report.cum_qty} of {wanted} while FILLED"


def without_leaves(report: ExecutionReport) -> str:
    """Return that a bust or a correction gives shares back, and says not that anything works again.

    A broker who means that the order is over says so by OrdStatus(39); one who says that it works, or that it
    is filled, with LeavesQty 0, has left away either the end or the shares. Nobody can tell which.
    """
    if report.exec_type not in TAKEN_BACK or report.leaves_qty:
        return ""
    sums = f"CumQty {report.cum_qty}, LeavesQty 0 while {report.ord_status.name}"
    return f"{report.exec_type.name}: {sums}: has it ended?"


def behind(
    report: ExecutionReport, live: bool, cum_qty: int, order_qty: int, price_e4: int, renamed: bool
) -> bool:
    """Return whether a status answer tells less than we know: shares, an end, or what a replace brought.

    `renamed`: it speaks of the order by a name from before a replace.
    """
    if report.cum_qty < cum_qty or not (live or report.ord_status in ENDED):
        return True
    same = report.order_qty in (None, order_qty) and report.price_e4 in (None, price_e4)
    return live and renamed and not same


def as_cancel_reject(
    report: ExecutionReport, cl_ord_id: ClOrdID, response_to: CxlRejResponseTo
) -> OrderCancelReject:
    """Return a refused request, told as 150=8, as the 35=9 that it stands for."""
    return OrderCancelReject(
        cl_ord_id=report.cl_ord_id,
        orig_cl_ord_id=cl_ord_id,
        ord_status=report.ord_status,
        response_to=response_to,
        text=report.text,
    )


def against_booked(report: ExecutionReport, cum_qty: int, order_qty: int, replace_qty: int) -> list[str]:
    """Return what does not add up between a report and the shares that are booked."""
    faults = []
    overtaken = report.exec_type in ACKS and report.cum_qty < cum_qty
    if report.cum_qty != cum_qty and not overtaken:
        faults.append(f"{report.exec_id}: CumQty {report.cum_qty} at the EMS, {cum_qty} booked")
    if cum_qty > max(order_qty, replace_qty):
        faults.append(f"overfill: {cum_qty} of {order_qty}")
    return faults


def price_fault(side: Side, limits_e4: tuple[int, ...], last_price_e4: int) -> str:
    """Return how an execution's price cannot be, "" where it can; limits 0 are market orders."""
    if 0 in limits_e4 or last_price_e4 <= 0:
        return ""
    worst_e4 = max(limits_e4) if side is Side.BUY else min(limits_e4)
    if (last_price_e4 - worst_e4) * side.sign > 0:
        return f"LastPx {last_price_e4} is worse than the limit {worst_e4}"
    absurd = last_price_e4 * ABSURD < worst_e4 if side is Side.BUY else last_price_e4 > worst_e4 * ABSURD
    return f"LastPx {last_price_e4} is absurd for a limit of {worst_e4}" if absurd else ""
