"""What a broker does to orders unasked: fills from its own book, cancels, busts, corrections and worse.

Every one is the venue's truth as well as its report: the account of the run, positions and fills follow
it. (A report that is merely false is made by altering one on its way: `gateways.venue.director`.)
"""

from typing import Final

from gateways.fix import wire
from gateways.venue import actions as a
from gateways.venue import reports
from gateways.venue.ems import Ems
from gateways.venue.orders import Fill, VenueOrder
from market.events import ExecutionReport
from market.matching_events import Outcome
from market.types import ClOrdID, ExecID, ExecType, OrderID, OrdStatus, Side

DECLINED, REPRICED = "5", "3"  # ExecRestatementReason(378): part of OrderQty declined; repricing
SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}


class OrderFaults:
    """Does them to the orders of one EMS."""

    def __init__(self, ems: Ems) -> None:
        self._ems = ems
        self._exchange = ems.exchange
        self._unknown = 0

    def do(self, action: a.OrderAction, order: VenueOrder) -> bool:
        """Do it now; False where this order is past it."""
        match action:
            case a.Bust():
                return self._bust(order)
            case a.Correct():
                return self._correct(action, order)
        if order.terminal:
            return False
        match action:
            case a.Fill():
                self._fill(action, order)
            case a.Cancel():
                self._ems.end(order, order.cl_ord_id, "", action.text)
            case a.Overfill():
                self._overfill(action, order)
            case a.Restate():
                return self._restate(action, order)
        return True

    def candidates(self, action: a.OrderAction) -> list[VenueOrder]:
        """Return the orders that an action without a message may be done to, oldest first."""
        table = self._ems.table
        if isinstance(action, a.Bust | a.Correct):
            traded = {fill.order_id for fill in table.fills}
            return [order for order in table.orders if order.order_id in traded]
        return table.working()

    def unknown_order(self, action: a.UnknownOrder) -> None:
        """Report an order that nobody sent."""
        exchange, self._unknown = self._exchange, self._unknown + 1
        price_e4 = exchange.last_e4 or exchange.engine.book.best_bid_e4 or 10_000
        report = ExecutionReport(
            cl_ord_id=ClOrdID(action.cl_ord_id),
            exec_type=ExecType.TRADE if action.filled else ExecType.NEW,
            ord_status=OrdStatus.FILLED if action.filled else OrdStatus.NEW,
            exec_id=self._ems.exec_ids.next(),
            order_id=OrderID(f"X{self._unknown}"),
            symbol=exchange.instrument.symbol,
            side=SIDES[action.side],
            order_qty=action.qty,
            cum_qty=action.qty if action.filled else 0,
            leaves_qty=0 if action.filled else action.qty,
            avg_price=wire.average_text(price_e4, 1) if action.filled else "0",
            last_qty=action.qty if action.filled else 0,
            last_price_e4=price_e4 if action.filled else 0,
            price_e4=price_e4,
            transact_ns=exchange.now_ns,
        )
        self._ems.report(report)

    # --- fills ------------------------------------------------------------------------------------

    def _fill(self, action: a.Fill, order: VenueOrder) -> None:
        lot = self._exchange.instrument.lot
        leaves = order.leaves_qty
        wanted = action.qty or max(lot, int(leaves * action.part) // lot * lot)
        self._take(order, min(wanted, leaves))
        price_e4 = self._price_e4(order)
        order.trade(min(wanted, leaves), price_e4)
        self._executed(order, min(wanted, leaves), price_e4)

    def _overfill(self, action: a.Overfill, order: VenueOrder) -> None:
        qty, price_e4 = order.leaves_qty + action.qty, self._price_e4(order)
        self._take(order, order.leaves_qty)
        order.overfill(qty, price_e4)
        self._executed(order, qty, price_e4)

    def _take(self, order: VenueOrder, qty: int) -> None:
        """Take shares of a working order off the market."""
        leaves = order.leaves_qty - qty
        if leaves == 0:
            self._exchange.cancel(order.engine_id, order.owner)
        else:
            price_e4 = order.price_e4 or 0
            self._exchange.replace(order.engine_id, order.engine_id, price_e4, leaves, order.owner, 0)

    def _price_e4(self, order: VenueOrder) -> int:
        return order.price_e4 or self._exchange.last_e4

    def _executed(self, order: VenueOrder, qty: int, price_e4: int) -> None:
        exec_id = self._ems.exec_ids.next()
        self._ems.table.fills.append(self._fill_of(order, exec_id, qty, price_e4))
        self._tell(order, ExecType.TRADE, exec_id, qty, price_e4)

    def _fill_of(self, order: VenueOrder, exec_id: str, qty: int, price_e4: int) -> Fill:
        side, now_ns = order.side.value, self._exchange.now_ns
        head = (exec_id, order.cl_ord_id, order.order_id, order.account, order.symbol, side)
        return Fill(*head, qty, price_e4, now_ns, True)

    # --- busts and corrections ----------------------------------------------------------------------

    def _bust(self, order: VenueOrder) -> bool:
        fill = self._ems.table.last_fill(order)
        if fill is None:
            return False
        live = not order.terminal
        self._ems.table.fills.remove(fill)
        order.take_back(fill.qty, fill.price_e4)
        exec_id = self._ems.exec_ids.next()
        self._tell(order, ExecType.TRADE_CANCEL, exec_id, fill.qty, fill.price_e4, fill.exec_id)
        if live:
            self._reenter(order, order.price_e4 or 0)  # the shares work again
        return True

    def _correct(self, action: a.Correct, order: VenueOrder) -> bool:
        fills = self._ems.table.fills
        fill = self._ems.table.last_fill(order)
        if fill is None:
            return False
        live = not order.terminal
        tick_e4 = self._exchange.instrument.tick_e4(fill.price_e4)
        price_e4 = max(tick_e4, fill.price_e4 + action.ticks * tick_e4)
        qty = min(max(1, fill.qty + action.qty), fill.qty + order.leaves_qty)
        exec_id = self._ems.exec_ids.next()
        fills[fills.index(fill)] = fill._replace(exec_id=exec_id, qty=qty, price_e4=price_e4)
        if live and qty > fill.qty:
            self._take(order, qty - fill.qty)
        order.take_back(fill.qty, fill.price_e4)
        order.cum_qty += qty
        order.notional_e4 += qty * price_e4
        if live or order.cum_qty == order.qty:
            order.status = order.working_status()
        self._tell(order, ExecType.TRADE_CORRECT, exec_id, qty, price_e4, fill.exec_id)
        if live and qty < fill.qty:
            self._reenter(order, order.price_e4 or 0)  # the shares work again
        return True

    # --- restatement ------------------------------------------------------------------------------

    def _restate(self, action: a.Restate, order: VenueOrder) -> bool:
        if order.price_e4 is None:
            return False
        tick_e4 = self._exchange.instrument.tick_e4(order.price_e4)
        price_e4 = max(tick_e4, order.price_e4 + action.ticks * tick_e4)
        off = min(-action.qty, order.leaves_qty - 1)
        order.qty -= off
        order.price_e4 = price_e4
        reason = DECLINED if action.qty else REPRICED
        self._tell(order, ExecType.RESTATED, self._ems.exec_ids.next(), more=f"378={reason}\x01")
        self._reenter(order, price_e4)
        return True

    # --- both -------------------------------------------------------------------------------------

    def _reenter(self, order: VenueOrder, price_e4: int) -> None:
        """Give the order in the book its price and what it has left; it may trade by that."""
        new_id = self._exchange.new_id()
        happened = self._exchange.replace(order.engine_id, new_id, price_e4, order.leaves_qty, order.owner, 0)
        if happened[0].kind == Outcome.REJECTED:  # halted, or out of range: it can work no more
            self._ems.end(order, order.cl_ord_id, "", "canceled: cannot be worked on")
            return
        self._ems.table.rename(order, new_id)
        for own in happened[1:]:
            self._ems.happened(own)

    def _tell(
        self,
        order: VenueOrder,
        exec_type: ExecType,
        exec_id: ExecID,
        qty: int = 0,
        price_e4: int = 0,
        ref: str = "",
        more: str = "",
    ) -> None:
        report = reports.of_order(
            order, exec_type, exec_id, self._exchange.now_ns, last_qty=qty, last_price_e4=price_e4, ref=ref
        )
        self._ems.report(report, order.account, more)
