"""What the EMS says when it is asked: status (H), mass status (AF), mass cancel (r), positions (AN)."""

from collections.abc import Callable
from typing import Final

import msgspec

from gateways.fix import positions, venue_outbound
from gateways.fix import requests as rq
from gateways.fix.venue_outbound import OTHER_REASON
from gateways.venue import reports
from gateways.venue.checks import ALL_ORDERS, OF_SYMBOL, MassCancelFault
from gateways.venue.exchange import Exchange
from gateways.venue.orders import OrderTable, VenueOrder
from market.events import ExecutionReport, MassCancelReport
from market.types import ClOrdID, ExecType, Side

POSITIONS: Final = "0"  # PosReqType(724)
Report = Callable[[ExecutionReport, str], None]


class Statuses:
    """Reads the order table for whoever asks; changes nothing."""

    def __init__(self, table: OrderTable, exchange: Exchange, report: Report) -> None:
        self._table = table
        self._exchange = exchange
        self._report = report

    def one(self, asked: rq.StatusRequest) -> None:
        """Answer H."""
        order = self._table.of_client(asked.cl_ord_id)
        if order is None or (asked.order_id and asked.order_id != order.order_id):
            now_ns = self._exchange.now_ns
            self._report(reports.unknown(asked.cl_ord_id, asked.symbol, asked.side, now_ns), asked.account)
        else:
            self.state_of(order)

    def state_of(self, order: VenueOrder) -> None:
        """Tell how an order stands."""
        self._report(self._status(order), order.account)

    def all(self, asked: rq.MassStatusRequest) -> None:
        """Answer AF: a report for each order that lives, one that says so where there is none."""
        symbol = asked.symbol if asked.req_type == OF_SYMBOL else ""
        working = self._table.working(symbol) if asked.req_type in (ALL_ORDERS, OF_SYMBOL) else []
        for number, order in enumerate(working, 1):
            report = msgspec.structs.replace(
                self._status(order),
                mass_status_req_id=asked.req_id,
                total_reports=len(working),
                last_report=number == len(working),
            )
            self._report(report, order.account)
        if not working:
            supported = asked.req_type in (ALL_ORDERS, OF_SYMBOL)
            report = reports.unknown(
                "",
                asked.symbol or self._exchange.instrument.symbol,
                Side.BUY,
                self._exchange.now_ns,
                mass_status_req_id=asked.req_id,
                text="no order is open" if supported else "MassStatusReqType is not 1 or 7",
            )
            self._report(report, "")

    def positions(self, asked: rq.PositionsRequest) -> list[str]:
        """Return AO, and an AP for each symbol that the account traded today."""
        known = self._table.positions().get(asked.account, {})
        held = [positions.Held(symbol, qty) for symbol, qty in sorted(known.items())]
        fault = "" if asked.req_type == POSITIONS else "PosReqType(724) is not 0"
        if fault:
            held = []
        count, now_ns = len(held), self._exchange.now_ns
        answers = [positions.encode_ack(asked.req_id, asked.req_id, asked.account, count, fault)]
        for number, row in enumerate(held, 1):
            report_id = f"{asked.req_id}-{number}"
            answers.append(
                positions.encode_report(asked.req_id, report_id, asked.account, row, count, now_ns)
            )
        return answers

    def mass_cancel_report(
        self, asked: rq.MassCancelRequest, fault: MassCancelFault | None, affected: int
    ) -> str:
        """Return r."""
        report = MassCancelReport(
            cl_ord_id=ClOrdID(asked.cl_ord_id),
            accepted=fault is None,
            total_affected=affected,
            text=fault.text if fault else "",
        )
        reason = fault.reason if fault else OTHER_REASON
        return venue_outbound.encode_mass_cancel_report(
            report, reports.NO_ORDER, asked.request_type, reason=reason
        )

    def _status(self, order: VenueOrder) -> ExecutionReport:
        return reports.of_order(
            order,
            ExecType.ORDER_STATUS,
            reports.STATUS_EXEC_ID,
            self._exchange.now_ns,
            orig_cl_ord_id=order.orig_cl_ord_id,
        )
