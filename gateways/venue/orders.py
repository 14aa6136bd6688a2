"""The EMS's orders: what a client asked, what has become of it, and its fills.

One `VenueOrder` is a chain: a replace changes its ClOrdID, price and quantity, never its OrderID.
Quantities are FIX's: OrderQty counts CumQty, LeavesQty is what can still trade.
"""

from typing import Final, NamedTuple

from gateways.fix.requests import NewOrderSingle
from market.order_table import TERMINAL
from market.types import ExecType, OrdStatus, OrdType, Side, TimeInForce

ORDERS_MAX: Final = 1 << 20  # of one run; a client that sends more has lost its mind


class Fill(NamedTuple):
    """One execution of an order."""

    exec_id: str
    cl_ord_id: str
    order_id: str
    account: str
    symbol: str
    side: str
    qty: int
    price_e4: int
    ts_ns: int
    maker: bool


class VenueOrder:
    """One chain's life."""

    __slots__ = (
        "account",
        "cl_ord_id",
        "cum_qty",
        "engine_id",
        "notional_e4",
        "ord_type",
        "order_id",
        "orig_cl_ord_id",
        "owner",
        "post_only",
        "price_e4",
        "qty",
        "reason",
        "side",
        "status",
        "symbol",
        "text",
        "time_in_force",
    )

    def __init__(self, request: NewOrderSingle, order_id: str, engine_id: int, owner: int) -> None:
        self.cl_ord_id = request.cl_ord_id
        self.orig_cl_ord_id = ""  # the ClOrdID before the last accepted replace or cancel
        self.order_id = order_id
        self.engine_id = engine_id
        self.owner = owner
        self.account = request.account
        self.symbol = request.symbol
        self.side: Side = request.side
        self.qty = request.qty
        self.ord_type: OrdType = request.ord_type
        self.price_e4 = request.price_e4 if request.ord_type is OrdType.LIMIT else None
        self.time_in_force: TimeInForce = request.time_in_force
        self.post_only = request.post_only
        self.cum_qty = 0
        self.notional_e4 = 0
        self.status = OrdStatus.PENDING_NEW
        self.text = ""
        self.reason = ""  # OrdRejReason of a rejected order

    @property
    def terminal(self) -> bool:
        """True when nothing more can happen."""
        return self.status in TERMINAL

    @property
    def leaves_qty(self) -> int:
        """Shares that can still trade."""
        return 0 if self.terminal else self.qty - self.cum_qty

    def working_status(self) -> OrdStatus:
        """Return NEW, PARTIALLY_FILLED or FILLED, as the quantities say."""
        if self.cum_qty == 0:
            return OrdStatus.NEW
        return OrdStatus.FILLED if self.cum_qty >= self.qty else OrdStatus.PARTIALLY_FILLED

    def trade(self, qty: int, price_e4: int) -> None:
        """Count an execution."""
        assert 0 < qty <= self.qty - self.cum_qty, f"{self.order_id}: overfill by {qty}"
        self.cum_qty += qty
        self.notional_e4 += qty * price_e4
        self.status = self.working_status()

    def overfill(self, qty: int, price_e4: int) -> None:
        """Count an execution of more than was left: a broker's mistake, and the client's shares."""
        self.cum_qty += qty
        self.notional_e4 += qty * price_e4
        self.status = OrdStatus.FILLED

    def take_back(self, qty: int, price_e4: int) -> None:
        """An execution never was. What was filled whole is over with less; what works, works on."""
        self.cum_qty -= qty
        self.notional_e4 -= qty * price_e4
        if not self.terminal:
            self.status = self.working_status()
        elif self.status is OrdStatus.FILLED and self.cum_qty < self.qty:
            self.status = OrdStatus.CANCELED

    def replace(self, cl_ord_id: str, qty: int, price_e4: int) -> None:
        """Take new terms."""
        self.orig_cl_ord_id, self.cl_ord_id = self.cl_ord_id, cl_ord_id
        self.qty, self.price_e4 = qty, price_e4
        self.status = self.working_status()

    def row(self) -> dict[str, object]:
        """Return the order for the run's file."""
        return {
            "order_id": self.order_id,
            "cl_ord_id": self.cl_ord_id,
            "account": self.account,
            "symbol": self.symbol,
            "side": self.side.value,
            "qty": self.qty,
            "price_e4": self.price_e4,
            "cum_qty": self.cum_qty,
            "leaves_qty": self.leaves_qty,
            "status": self.status.value,
        }


class OrderTable:
    """Every order of a run, by each of its ClOrdIDs and by the engine's id."""

    def __init__(self) -> None:
        self.orders: list[VenueOrder] = []
        self.fills: list[Fill] = []
        self._by_cl_ord_id: dict[str, VenueOrder | None] = {}  # None: the id of a refused request
        self._by_engine_id: dict[int, VenueOrder] = {}
        self._owners: dict[str, int] = {}

    def owner(self, account: str) -> int:
        """Return the number under which an account owns orders; self-trade prevention goes by it."""
        return self._owners.setdefault(account, len(self._owners) + 1)

    def used(self, cl_ord_id: str) -> bool:
        """True where a ClOrdID was seen before: it names one request, for ever."""
        return cl_ord_id in self._by_cl_ord_id

    def use(self, cl_ord_id: str, order: VenueOrder) -> None:
        """Note that a request of an order has taken a ClOrdID."""
        self._by_cl_ord_id[cl_ord_id] = order

    def burn(self, cl_ord_id: str) -> None:
        """Note that a refused request has taken a ClOrdID; one that names something goes on naming it."""
        self._by_cl_ord_id.setdefault(cl_ord_id, None)

    def add(self, order: VenueOrder) -> None:
        """Keep a new order."""
        self.orders.append(order)
        self.use(order.cl_ord_id, order)
        self._by_engine_id[order.engine_id] = order

    def rename(self, order: VenueOrder, engine_id: int) -> None:
        """The engine knows the order under another id now; the old one still names it in accounts."""
        order.engine_id = engine_id
        self._by_engine_id[engine_id] = order

    def of_client(self, cl_ord_id: str) -> VenueOrder | None:
        """Return the chain that any of its ClOrdIDs names."""
        return self._by_cl_ord_id.get(cl_ord_id)

    def of_engine(self, engine_id: int) -> VenueOrder:
        """Return the order of an engine's id."""
        return self._by_engine_id[engine_id]

    def last_fill(self, order: VenueOrder) -> Fill | None:
        """Return the last execution of an order that stands."""
        return next((f for f in reversed(self.fills) if f.order_id == order.order_id), None)

    def working(self, symbol: str = "") -> list[VenueOrder]:
        """Return what can still trade, oldest first."""
        return [o for o in self.orders if not o.terminal and symbol in ("", o.symbol)]

    def positions(self) -> dict[str, dict[str, int]]:
        """Return what the fills of each account come to."""
        out: dict[str, dict[str, int]] = {}
        for fill in self.fills:
            book = out.setdefault(fill.account, {})
            book[fill.symbol] = book.get(fill.symbol, 0) + Side(fill.side).sign * fill.qty
        return out


PENDING: Final = {
    "D": (ExecType.PENDING_NEW, OrdStatus.PENDING_NEW),
    "F": (ExecType.PENDING_CANCEL, OrdStatus.PENDING_CANCEL),
    "G": (ExecType.PENDING_REPLACE, OrdStatus.PENDING_REPLACE),
}
