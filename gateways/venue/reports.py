"""Execution reports out of the EMS's orders: FIX 4.4's arithmetic in one place.

CumQty + LeavesQty = OrderQty while an order lives; LeavesQty = 0 when it does not. AvgPx is notional
over CumQty, exactly. ExecIDs are unique in a run; an answer to a status request has none ("0").
"""

from typing import Final

from gateways.fix.requests import NewOrderSingle
from gateways.fix.wire import average_text
from gateways.venue.orders import VenueOrder
from market.events import ExecutionReport
from market.types import ClOrdID, ExecID, ExecType, OrderID, OrdRejReason, OrdStatus, Side, Symbol

STATUS_EXEC_ID: Final = ExecID("0")  # FIX 4.4: ExecID(17) is 0 for ExecType(150)=I
NO_ORDER: Final = OrderID("NONE")  # OrderID(37) of what is not an order


class ExecIds:
    """Numbers the executions of a run."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._count = 0

    def next(self) -> ExecID:
        """Return one that was never used."""
        self._count += 1
        return ExecID(f"{self._run}-E{self._count}")


def of_order(
    order: VenueOrder,
    exec_type: ExecType,
    exec_id: ExecID,
    ts_ns: int,
    *,
    status: OrdStatus | None = None,
    cl_ord_id: str = "",
    orig_cl_ord_id: str = "",
    last_qty: int = 0,
    last_price_e4: int = 0,
    ref: str = "",
    text: str = "",
) -> ExecutionReport:
    """Return a report on an order as it stands; `status` where the report says a pending one."""
    return ExecutionReport(
        cl_ord_id=ClOrdID(cl_ord_id or order.cl_ord_id),
        orig_cl_ord_id=ClOrdID(orig_cl_ord_id) if orig_cl_ord_id else None,
        exec_type=exec_type,
        ord_status=status or order.status,
        exec_id=exec_id,
        order_id=OrderID(order.order_id),
        symbol=Symbol(order.symbol),
        side=order.side,
        order_qty=order.qty,
        cum_qty=order.cum_qty,
        leaves_qty=order.leaves_qty,
        avg_price=average_text(order.notional_e4, order.cum_qty),
        last_qty=last_qty,
        last_price_e4=last_price_e4,
        price_e4=order.price_e4,
        exec_ref_id=ExecID(ref) if ref else None,
        ord_rej_reason=order.reason,
        text=text or order.text,
        transact_ns=ts_ns,
    )


def refusal(request: NewOrderSingle, exec_id: ExecID, ts_ns: int, reason: str, text: str) -> ExecutionReport:
    """Return the report on a new order that never became one; `reason`: OrdRejReason(103)."""
    return ExecutionReport(
        cl_ord_id=ClOrdID(request.cl_ord_id),
        exec_type=ExecType.REJECTED,
        ord_status=OrdStatus.REJECTED,
        exec_id=exec_id,
        order_id=NO_ORDER,
        symbol=Symbol(request.symbol),
        side=request.side,
        order_qty=request.qty,
        price_e4=request.price_e4,
        ord_rej_reason=str(reason),
        text=text,
        transact_ns=ts_ns,
    )


def unknown(
    cl_ord_id: str, symbol: str, side: Side, ts_ns: int, *, mass_status_req_id: str = "", text: str = ""
) -> ExecutionReport:
    """Return the answer about an order that is not known, or about none at all."""
    return ExecutionReport(
        cl_ord_id=ClOrdID(cl_ord_id),
        exec_type=ExecType.ORDER_STATUS,
        ord_status=OrdStatus.REJECTED,
        exec_id=STATUS_EXEC_ID,
        order_id=NO_ORDER,
        symbol=Symbol(symbol),
        side=side,
        ord_rej_reason=OrdRejReason.UNKNOWN_ORDER.value,
        text=text or "unknown order",
        transact_ns=ts_ns,
        mass_status_req_id=mass_status_req_id,
        last_report=bool(mass_status_req_id),
    )
