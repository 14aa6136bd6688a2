"""What the EMS refuses before an order meets the market: pure, with FIX's own reasons.

ExDestination(100) is not looked at: this EMS has one road.
"""

from typing import Final, NamedTuple

from gateways.fix.requests import CancelRequest, MassCancelRequest, NewOrderSingle, ReplaceRequest
from gateways.fix.venue_outbound import OTHER_REASON
from gateways.venue.orders import VenueOrder
from market.instruments import Instrument
from market.matching_events import Why
from market.types import CxlRejReason, OrdRejReason, OrdType, TimeInForce

ORDER_QTY_MAX: Final = 10_000_000  # more than a day's volume of all but a few names
PRICE_E4_MAX: Final = 2**32 - 1  # of the public feed
UNSUPPORTED, UNKNOWN_SECURITY = "0", "1"  # MassCancelRejectReason(532)
OF_SYMBOL, ALL_ORDERS = "1", "7"  # MassCancelRequestType(530), MassStatusReqType(585)
R, C = OrdRejReason, CxlRejReason
T = TimeInForce
TIMES_IN_FORCE: Final = frozenset({T.DAY, T.IOC, T.FOK, T.OPG, T.CLOSE})

# What the matching engine's refusals are called in FIX.
REASONS: Final[dict[int, tuple[OrdRejReason, str]]] = {
    Why.POST_ONLY: (R.OTHER, "post-only order would take liquidity"),
    Why.HALTED: (R.EXCHANGE_CLOSED, "trading is halted"),
    Why.BAD_PRICE: (R.OTHER, "price is out of range"),
    Why.BAD_SIZE: (R.INCORRECT_QUANTITY, "quantity is out of range"),
    Why.ORDERS_FULL: (R.BROKER_OPTION, "the book is full"),
    Why.LEVELS_FULL: (R.BROKER_OPTION, "the book is full"),
}
ENDINGS: Final[dict[int, str]] = {
    Why.IOC: "remainder of an IOC order",
    Why.FOK: "FOK order cannot be filled whole",
    Why.SELF_TRADE: "self-trade prevention",
    Why.NO_LIQUIDITY: "no liquidity for a market order",
    Why.ORDERS_FULL: "the book is full",
    Why.LEVELS_FULL: "the book is full",
    Why.HALTED: "would stand crossed at re-opening",
    Why.AUCTION: "not executed in the cross",
    Why.SESSION_OVER: "the session is over",
    Why.POST_ONLY: "post-only order would take liquidity",
}


class Fault(NamedTuple):
    """Why a new order is refused."""

    reason: OrdRejReason
    text: str


class MassCancelFault(NamedTuple):
    """Why a mass cancel is refused."""

    reason: str  # MassCancelRejectReason(532)
    text: str


class CancelFault(NamedTuple):
    """Why a cancel or replace is refused."""

    reason: CxlRejReason
    text: str


def terms_text(qty: int, price_e4: int | None, instrument: Instrument) -> str:
    """Return what is wrong with quantity or price, "" where nothing is."""
    if qty % instrument.lot:
        return f"OrderQty is not a multiple of {instrument.lot}"
    if price_e4 is not None:
        if price_e4 > PRICE_E4_MAX:
            return "Price is out of range"
        tick_e4 = instrument.tick_e4(price_e4)
        if price_e4 % tick_e4:
            return f"Price is not a multiple of the tick {tick_e4 / 10_000:g}"
    return ""


def new_fault(order: NewOrderSingle, instrument: Instrument, opened: bool, trading: bool) -> Fault | None:
    """Return why a new order is refused, None where it is not."""
    if order.symbol != instrument.symbol:
        return Fault(R.UNKNOWN_SYMBOL, f"unknown symbol {order.symbol}")
    if not opened:
        return Fault(R.EXCHANGE_CLOSED, "the session has not begun")
    if not trading:
        return Fault(R.EXCHANGE_CLOSED, "trading is halted")
    if order.time_in_force not in TIMES_IN_FORCE:
        return Fault(R.UNSUPPORTED_ORDER_CHARACTERISTIC, "TimeInForce is not DAY, OPG, IOC, FOK or CLOSE")
    takes = order.ord_type is OrdType.MARKET or order.time_in_force is not TimeInForce.DAY
    if order.post_only and takes:
        return Fault(R.UNSUPPORTED_ORDER_CHARACTERISTIC, "ExecInst 6 needs a DAY limit order")
    if order.qty > ORDER_QTY_MAX:
        return Fault(R.ORDER_EXCEEDS_LIMIT, f"OrderQty is over {ORDER_QTY_MAX}")
    price_e4 = order.price_e4 if order.ord_type is OrdType.LIMIT else None
    text = terms_text(order.qty, price_e4, instrument)
    if text:
        return Fault(R.INCORRECT_QUANTITY if text.startswith("OrderQty") else R.OTHER, text)
    return None


def working_fault(order: VenueOrder | None, orig_cl_ord_id: str, order_id: str) -> CancelFault | None:
    """Return why an order cannot be cancelled or replaced under this OrigClOrdID."""
    if order is None:
        return CancelFault(C.UNKNOWN_ORDER, "unknown order")
    if order_id and order_id != order.order_id:
        return CancelFault(C.UNKNOWN_ORDER, "OrderID and OrigClOrdID name different orders")
    if order.terminal:
        return CancelFault(C.TOO_LATE_TO_CANCEL, f"the order is {order.status.name.lower()}")
    if order.cl_ord_id != orig_cl_ord_id:
        return CancelFault(C.UNKNOWN_ORDER, f"replaced: OrigClOrdID must be {order.cl_ord_id}")
    return None


def cancel_fault(request: CancelRequest, order: VenueOrder) -> CancelFault | None:
    """Return why this order is not the one that the request means."""
    if request.symbol != order.symbol:
        return CancelFault(C.OTHER, f"Symbol is not the order's {order.symbol}")
    if request.side is not order.side:
        return CancelFault(C.OTHER, f"Side is not the order's {order.side.value}")
    return None


def replace_fault(request: ReplaceRequest, order: VenueOrder, instrument: Instrument) -> CancelFault | None:
    """Return why these new terms are refused."""
    same = (request.symbol, request.side, request.ord_type, request.time_in_force)
    if same != (order.symbol, order.side, order.ord_type, order.time_in_force):
        return CancelFault(C.BROKER_OPTION, "Symbol, Side, OrdType and TimeInForce cannot be replaced")
    if request.account not in ("", order.account):
        return CancelFault(C.BROKER_OPTION, "Account cannot be replaced")
    if request.price_e4 is None:
        return CancelFault(C.BROKER_OPTION, "a market order cannot be replaced")
    if request.qty > ORDER_QTY_MAX:
        return CancelFault(C.BROKER_OPTION, f"OrderQty is over {ORDER_QTY_MAX}")
    text = terms_text(request.qty, request.price_e4, instrument)
    return CancelFault(C.BROKER_OPTION, text) if text else None


def mass_cancel_fault(
    request: MassCancelRequest, used: bool, instrument: Instrument
) -> MassCancelFault | None:
    """Return why a mass cancel is refused; `used`: its ClOrdID was used before."""
    if request.request_type not in (OF_SYMBOL, ALL_ORDERS):
        return MassCancelFault(UNSUPPORTED, "MassCancelRequestType is not 1 or 7")
    if request.request_type == OF_SYMBOL and request.symbol != instrument.symbol:
        return MassCancelFault(UNKNOWN_SECURITY, f"unknown symbol {request.symbol or '(none)'}")
    return MassCancelFault(OTHER_REASON, "ClOrdID was used before") if used else None
