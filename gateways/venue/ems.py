"""The EMS: a FIX 4.4 counterparty's application, orders in, reports out; no socket, no clock.

D, F and G are answered at once from what the matching engine did, since this exchange is never busy;
with `pending_reports` each is preceded by PENDING_NEW, PENDING_CANCEL or PENDING_REPLACE, as
brokers do. A ClOrdID names one request for ever. Replaces count CumQty in OrderQty; one that asks for
no more than has traded ends the order as filled at CumQty (FIX 4.4 volume 4, matrices D.11, D.12).
"""

from collections.abc import Callable
from typing import Any, Final

import structlog

from gateways.fix import requests as rq
from gateways.fix import venue_inbound, venue_outbound
from gateways.venue import checks, reports
from gateways.venue.exchange import Exchange
from gateways.venue.line import altered
from gateways.venue.orders import ORDERS_MAX, PENDING, Fill, OrderTable, VenueOrder
from gateways.venue.outcomes import Own
from gateways.venue.refusals import OTHER, answer_malformed, business_reject, msg_type_of
from gateways.venue.statuses import Statuses
from market.events import ExecutionReport, OrderCancelReject
from market.matching_events import CommandFlag, Outcome, Tif, Why
from market.types import (
    ClOrdID,
    CxlRejReason,
    CxlRejResponseTo,
    ExecType,
    OrderID,
    OrdRejReason,
    OrdStatus,
    OrdType,
    TimeInForce,
)

log = structlog.get_logger()

TIFS: Final = {
    TimeInForce.DAY: Tif.DAY,
    TimeInForce.IOC: Tif.IOC,
    TimeInForce.FOK: Tif.FOK,
    TimeInForce.OPG: Tif.OPG,
    TimeInForce.CLOSE: Tif.CLOSE,
}
EXPIRES: Final = (Why.AUCTION, Why.SESSION_OVER)  # it was for a cross, or a day, that is over
DONT_KNOW: Final = "Q"
Send = Callable[[str], None]
Note = Callable[[int, str, str], None]  # market time, what happened to the EMS, the text of it


class Ems:
    """Takes requests of one client, tells it what became of them."""

    def __init__(
        self,
        exchange: Exchange,
        run: str,
        send: Send,
        pending_reports: bool = False,
    ) -> None:
        """`run`: prefix of OrderIDs and ExecIDs, another one for each run."""
        self.table = OrderTable()
        self.rejects = 0
        self.exchange = exchange
        self._run = run
        self._send = send
        self._pending = pending_reports
        self.exec_ids = reports.ExecIds(run)
        self._statuses = Statuses(self.table, exchange, self.report)
        exchange.listen(self.happened)

    def request(self, raw: str) -> None:
        """Answer one application message of the order session."""
        asked = venue_inbound.decode_request(raw)
        match asked:
            case rq.NewOrderSingle():
                self._new(asked)
            case rq.CancelRequest():
                self._cancel(asked)
            case rq.ReplaceRequest():
                self._replace(asked)
            case rq.StatusRequest():
                self._statuses.one(asked)
            case rq.MassStatusRequest():
                self._statuses.all(asked)
            case rq.MassCancelRequest():
                self._mass_cancel(asked)
            case rq.PositionsRequest():
                for body in self._statuses.positions(asked):
                    self._send(body)
            case None if msg_type_of(raw) == DONT_KNOW:
                log.warning("client_does_not_know", text=raw[-160:])
            case _:
                self.rejects += 1
                self._send(answer_malformed(raw, asked, self.table, self.exec_ids, self.exchange.now_ns))

    def cancel_all(self, text: str) -> int:
        """Take every order of the client off the market, unasked; return how many."""
        working = self.table.working()
        for order in working:
            self.end(order, order.cl_ord_id, "", text)
        return len(working)

    def report(self, report: ExecutionReport, account: str = "", more: str = "") -> None:
        """Send an execution report; `more`: fields that only some of them have."""
        self._send(venue_outbound.encode_report(report, account) + more)

    def refuse(self, raw: str, reason: str, text: str) -> None:
        """Refuse a request that nothing is wrong with; what is neither D, F nor G by 35=j."""
        asked = venue_inbound.decode_request(raw)
        match asked:
            case rq.NewOrderSingle():
                self.table.burn(asked.cl_ord_id)
                self._refuse(asked, reason, text)
            case rq.CancelRequest() | rq.ReplaceRequest():
                of_cancel = isinstance(asked, rq.CancelRequest)
                response_to = CxlRejResponseTo.CANCEL if of_cancel else CxlRejResponseTo.REPLACE
                order = self.table.of_client(asked.orig_cl_ord_id)
                fault = checks.CancelFault(CxlRejReason.OTHER, text)
                self._refuse_cancel(asked, order, response_to, fault, reason)
            case _:
                self.refuse_by_business(raw, OTHER, text)

    def refuse_by_business(self, raw: str, reason: str, text: str) -> None:
        """Refuse any message by 35=j."""
        self.rejects += 1
        self._send(business_reject(raw, msg_type_of(raw), reason, text))

    # --- D ----------------------------------------------------------------------------------------

    def _new(self, asked: rq.NewOrderSingle) -> None:
        known = self.table.of_client(asked.cl_ord_id)
        if known is not None and asked.poss_resend:
            self._statuses.state_of(known)
            return
        fault = self._new_fault(asked)
        if fault is not None:
            self.table.burn(asked.cl_ord_id)
            self._refuse(asked, fault.reason, fault.text)
            return
        exchange = self.exchange
        order_id = f"{self._run}-O{len(self.table.orders) + 1}"
        order = VenueOrder(asked, order_id, exchange.new_id(), self.table.owner(asked.account))
        self.table.add(order)
        if self._pending:
            self._tell_pending(order, "D", order.cl_ord_id, "")
        market = asked.ord_type is OrdType.MARKET
        flags = (CommandFlag.MARKET if market else 0) | (CommandFlag.POST_ONLY if asked.post_only else 0)
        happened = exchange.new(
            order.engine_id,
            order.side.sign,
            0 if market else asked.price_e4 or 0,
            order.qty,
            order.owner,
            TIFS[order.time_in_force],
            flags,
        )
        for own in happened:
            self.happened(own)

    def _new_fault(self, asked: rq.NewOrderSingle) -> checks.Fault | None:
        if self.table.used(asked.cl_ord_id):
            return checks.Fault(OrdRejReason.DUPLICATE_ORDER, "ClOrdID was used before")
        if len(self.table.orders) >= ORDERS_MAX:
            log.error("orders_full", orders=ORDERS_MAX)
            return checks.Fault(OrdRejReason.BROKER_OPTION, "no more orders in this run")
        exchange = self.exchange
        tif = TIFS.get(asked.time_in_force, Tif.DAY)
        open_to_it = exchange.trading or exchange.auctions.takes(tif)  # trades, or waits for a cross
        fault = checks.new_fault(asked, exchange.instrument, exchange.opened, open_to_it)
        text = exchange.entry_fault(asked.side, asked.ord_type, asked.price_e4, tif)
        return checks.Fault(OrdRejReason.EXCHANGE_CLOSED, text) if fault is None and text else fault

    def _refuse(self, asked: rq.NewOrderSingle, reason: str, text: str) -> None:
        self.rejects += 1
        ids = self.exec_ids
        report = reports.refusal(asked, ids.next(), self.exchange.now_ns, reason, text)
        self.report(report, asked.account)

    # --- F and q ----------------------------------------------------------------------------------

    def _cancel(self, asked: rq.CancelRequest) -> None:
        order = self.table.of_client(asked.orig_cl_ord_id)
        fault = self._cancel_fault(order, asked.cl_ord_id, asked.orig_cl_ord_id, asked.order_id)
        if fault is None and order is not None:
            fault = checks.cancel_fault(asked, order)
        if fault is not None or order is None:
            assert fault is not None, "an unknown order is a fault"
            self._refuse_cancel(asked, order, CxlRejResponseTo.CANCEL, fault)
            return
        self.table.use(asked.cl_ord_id, order)
        if self._pending:
            self._tell_pending(order, "F", asked.cl_ord_id, order.cl_ord_id)
        self.end(order, asked.cl_ord_id, order.cl_ord_id, "")

    def end(self, order: VenueOrder, cl_ord_id: str, orig_cl_ord_id: str, text: str) -> None:
        """Cancel what an order has left and report it."""
        gone = self.exchange.cancel(order.engine_id, order.owner)
        assert [o.kind for o in gone] == [Outcome.CANCELED], f"{order.order_id}: cannot be cancelled"
        order.status = OrdStatus.CANCELED
        if orig_cl_ord_id:
            order.orig_cl_ord_id, order.cl_ord_id = orig_cl_ord_id, cl_ord_id
        now_ns = self.exchange.now_ns
        self._tell(order, ExecType.CANCELED, now_ns, orig_cl_ord_id=orig_cl_ord_id, text=text)

    def _mass_cancel(self, asked: rq.MassCancelRequest) -> None:
        used = self.table.used(asked.cl_ord_id)
        fault = checks.mass_cancel_fault(asked, used, self.exchange.instrument)
        symbol = asked.symbol if asked.request_type == checks.OF_SYMBOL else ""
        working = self.table.working(symbol) if fault is None else []
        self.table.burn(asked.cl_ord_id)
        self.rejects += fault is not None
        self._send(self._statuses.mass_cancel_report(asked, fault, len(working)))
        for order in working:
            self.end(order, order.cl_ord_id, "", f"mass cancel {asked.cl_ord_id}")

    # --- G ----------------------------------------------------------------------------------------

    def _replace(self, asked: rq.ReplaceRequest) -> None:
        order = self.table.of_client(asked.orig_cl_ord_id)
        fault = self._cancel_fault(order, asked.cl_ord_id, asked.orig_cl_ord_id, asked.order_id)
        if fault is None and order is not None:
            fault = checks.replace_fault(asked, order, self.exchange.instrument)
        if fault is not None or order is None or asked.price_e4 is None:
            assert fault is not None, "an unknown order and a missing price are faults"
            self._refuse_cancel(asked, order, CxlRejResponseTo.REPLACE, fault)
            return
        if asked.qty <= order.cum_qty:
            self._replace_to_filled(asked, order)
            return
        leaves = asked.qty - order.cum_qty
        keeps_place = asked.price_e4 == order.price_e4 and leaves <= order.leaves_qty
        text = "" if keeps_place else self._entry_fault(order, asked.price_e4)
        if text:
            fault = checks.CancelFault(CxlRejReason.BROKER_OPTION, text)
            self._refuse_cancel(asked, order, CxlRejResponseTo.REPLACE, fault)
            return
        new_id = order.engine_id if keeps_place else self.exchange.new_id()
        flags = CommandFlag.POST_ONLY if asked.post_only else 0
        happened = self.exchange.replace(order.engine_id, new_id, asked.price_e4, leaves, order.owner, flags)
        if happened[0].kind == Outcome.REJECTED:
            _, text = checks.REASONS.get(happened[0].reason, (None, Why(happened[0].reason).name))
            fault = checks.CancelFault(CxlRejReason.BROKER_OPTION, text)
            self._refuse_cancel(asked, order, CxlRejResponseTo.REPLACE, fault)
            return
        self.table.rename(order, new_id)
        order.post_only = asked.post_only
        self._tell_replaced(asked, order, asked.qty, asked.price_e4)
        for own in happened[1:]:
            self.happened(own)

    def _entry_fault(self, order: VenueOrder, price_e4: int) -> str:
        """Return why new terms cannot be entered now: to take more, or another price, is an entry."""
        tif = TIFS[order.time_in_force]
        if not (self.exchange.trading or self.exchange.auctions.takes(tif)):
            return ""  # the book says that itself
        return self.exchange.entry_fault(order.side, order.ord_type, price_e4, tif)

    def _replace_to_filled(self, asked: rq.ReplaceRequest, order: VenueOrder) -> None:
        self.exchange.cancel(order.engine_id, order.owner)
        assert asked.price_e4 is not None, "checked"
        self._tell_replaced(asked, order, order.cum_qty, asked.price_e4)

    def _tell_replaced(self, asked: rq.ReplaceRequest, order: VenueOrder, qty: int, price_e4: int) -> None:
        if self._pending:
            self._tell_pending(order, "G", asked.cl_ord_id, order.cl_ord_id)
        self.table.use(asked.cl_ord_id, order)
        order.replace(asked.cl_ord_id, qty, price_e4)
        self._tell(order, ExecType.REPLACED, self.exchange.now_ns, orig_cl_ord_id=order.orig_cl_ord_id)

    # --- both -------------------------------------------------------------------------------------

    def _cancel_fault(
        self, order: VenueOrder | None, cl_ord_id: str, orig_cl_ord_id: str, order_id: str
    ) -> checks.CancelFault | None:
        if self.table.used(cl_ord_id):
            return checks.CancelFault(CxlRejReason.DUPLICATE_CL_ORD_ID, "ClOrdID was used before")
        return checks.working_fault(order, orig_cl_ord_id, order_id)

    def _refuse_cancel(
        self,
        asked: rq.CancelRequest | rq.ReplaceRequest,
        order: VenueOrder | None,
        response_to: CxlRejResponseTo,
        fault: checks.CancelFault,
        code: str = "",
    ) -> None:
        """`code`: a CxlRejReason(102) of the scenario's instead of the fault's."""
        self.rejects += 1
        self.table.burn(asked.cl_ord_id)
        reject = OrderCancelReject(
            cl_ord_id=ClOrdID(asked.cl_ord_id),
            orig_cl_ord_id=ClOrdID(asked.orig_cl_ord_id),
            order_id=OrderID(order.order_id) if order is not None else reports.NO_ORDER,
            ord_status=order.status if order is not None else OrdStatus.REJECTED,
            response_to=response_to,
            reason=fault.reason,
            text=fault.text,
        )
        body = venue_outbound.encode_cancel_reject(reject)
        self._send(altered(body, {"102": code}) if code else body)

    def _tell_pending(self, order: VenueOrder, asked: str, cl_ord_id: str, orig_cl_ord_id: str) -> None:
        exec_type, status = PENDING[asked]
        names = {"cl_ord_id": cl_ord_id, "orig_cl_ord_id": orig_cl_ord_id}
        self._tell(order, exec_type, self.exchange.now_ns, status=status, **names)

    def happened(self, own: Own) -> None:
        """Turn an outcome into what its owners are told."""
        if own.kind == Outcome.TRADE:
            if own.owner > 0:
                self._traded(self.table.of_engine(own.order_id), own, maker=False)
            if own.resting_owner > 0:
                self._traded(self.table.of_engine(own.resting_id), own, maker=True)
            return
        order = self.table.of_engine(own.order_id)
        if own.kind == Outcome.ACCEPTED:
            order.status = OrdStatus.NEW
            self._tell(order, ExecType.NEW, own.ts_ns)
        elif own.kind == Outcome.REJECTED:
            self.rejects += 1
            why = (OrdRejReason.BROKER_OPTION, Why(own.reason).name)
            reason, order.text = checks.REASONS.get(own.reason, why)
            order.status, order.reason = OrdStatus.REJECTED, reason.value
            self._tell(order, ExecType.REJECTED, own.ts_ns)
        elif own.kind == Outcome.CANCELED:
            expired = own.reason in EXPIRES
            order.status = OrdStatus.EXPIRED if expired else OrdStatus.CANCELED
            order.text = checks.ENDINGS.get(own.reason, Why(own.reason).name)
            self._tell(order, ExecType.EXPIRED if expired else ExecType.CANCELED, own.ts_ns)

    def _tell(self, order: VenueOrder, exec_type: ExecType, ts_ns: int, **more: Any) -> None:
        """Report on an order as it stands; `more`: see `reports.of_order`."""
        self.report(reports.of_order(order, exec_type, self.exec_ids.next(), ts_ns, **more), order.account)

    def _traded(self, order: VenueOrder, own: Own, maker: bool) -> None:
        order.trade(own.size, own.price_e4)
        exec_id = self.exec_ids.next()
        names = exec_id, order.cl_ord_id, order.order_id, order.account, order.symbol, order.side.value
        self.table.fills.append(Fill(*names, own.size, own.price_e4, own.ts_ns, maker))
        last: dict[str, Any] = {"last_qty": own.size, "last_price_e4": own.price_e4}
        self.report(reports.of_order(order, ExecType.TRADE, exec_id, own.ts_ns, **last), order.account)
