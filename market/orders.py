"""Child orders: what is asked of the market. market.order_table holds an order's life."""

import msgspec

from market.types import ClOrdID, DKReason, ExecID, OrderID, OrdType, ParentID, Side, Symbol, TimeInForce


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A child order to be sent (35=D). Price 1e-4 currency units, None for market orders."""

    cl_ord_id: ClOrdID
    parent_id: ParentID
    account: str
    symbol: Symbol
    mic: str
    side: Side
    qty: int
    ord_type: OrdType
    price_e4: int | None
    time_in_force: TimeInForce
    post_only: bool = False
    locate_id: str | None = None


class ReplaceOrder(msgspec.Struct, frozen=True, kw_only=True):
    """New terms for a working chain (35=G): all instruction fields are resent."""

    cl_ord_id: ClOrdID
    orig_cl_ord_id: ClOrdID  # last accepted
    order_id: OrderID | None
    terms: NewOrder  # its cl_ord_id is the replace's


class CancelOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Take a chain off the market (35=F). Needs no approval."""

    cl_ord_id: ClOrdID
    orig_cl_ord_id: ClOrdID
    order_id: OrderID | None
    account: str
    symbol: Symbol
    side: Side
    qty: int


class StatusRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Ask what became of an order (35=H). Needs no approval."""

    cl_ord_id: ClOrdID
    order_id: OrderID | None
    account: str
    symbol: Symbol
    side: Side


class MassCancel(msgspec.Struct, frozen=True, kw_only=True):
    """Cancel everything of this session (35=q)."""

    cl_ord_id: ClOrdID


class MassStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for every order of this session (35=AF)."""

    req_id: str


class PositionsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Ask what an account holds (35=AN)."""

    req_id: str
    account: str


class DontKnow(msgspec.Struct, frozen=True, kw_only=True):
    """An execution that is not ours to know (35=Q): told to the broker, never booked. Needs no approval."""

    order_id: OrderID
    exec_id: ExecID
    reason: DKReason
    symbol: Symbol
    side: Side
    qty: int
    last_qty: int
    last_price_e4: int
    text: str = ""
