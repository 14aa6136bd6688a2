"""What a client may ask of a FIX counterparty (`gateways.fix.venue_inbound` reads it from the wire).

Ids are the client's own and are echoed as they came. Prices are 1e-4 currency units, times UTC ns.
`seq_num` is MsgSeqNum(34), for the RefSeqNum(45) of a reject.
"""

import msgspec

from market.types import OrdType, Side, TimeInForce


class Request(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A message of a client."""

    seq_num: int = 0
    poss_dup: bool = False
    poss_resend: bool = False


class Terms(Request, frozen=True, kw_only=True):
    """What D and G both say of an order."""

    cl_ord_id: str
    symbol: str
    side: Side
    qty: int
    ord_type: OrdType
    price_e4: int | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    account: str = ""
    post_only: bool = False  # ExecInst(18) holds 6
    transact_ns: int = 0


class NewOrderSingle(Terms, frozen=True, kw_only=True):
    """35=D."""

    mic: str = ""  # ExDestination(100) or SecurityExchange(207)
    parent_id: str = ""  # SecondaryClOrdID(526)
    locate_id: str = ""  # LocateReqd(114)/5700


class ReplaceRequest(Terms, frozen=True, kw_only=True):
    """35=G: all instruction fields, again."""

    orig_cl_ord_id: str
    order_id: str = ""


class CancelRequest(Request, frozen=True, kw_only=True):
    """35=F."""

    cl_ord_id: str
    orig_cl_ord_id: str
    order_id: str = ""
    symbol: str
    side: Side
    qty: int = 0
    account: str = ""
    transact_ns: int = 0


class StatusRequest(Request, frozen=True, kw_only=True):
    """35=H."""

    cl_ord_id: str
    order_id: str = ""
    symbol: str
    side: Side
    account: str = ""


class MassStatusRequest(Request, frozen=True, kw_only=True):
    """35=AF. MassStatusReqType(585): 7 = all orders; 1 = of one symbol."""

    req_id: str
    req_type: str = "7"
    symbol: str = ""


class MassCancelRequest(Request, frozen=True, kw_only=True):
    """35=q. MassCancelRequestType(530): 7 = all orders; 1 = of one symbol."""

    cl_ord_id: str
    request_type: str = "7"
    symbol: str = ""
    transact_ns: int = 0


class PositionsRequest(Request, frozen=True, kw_only=True):
    """35=AN. PosReqType(724): 0 = positions."""

    req_id: str
    account: str
    req_type: str = "0"


class MarketDataRequest(Request, frozen=True, kw_only=True):
    """35=V. SubscriptionRequestType(263): 0 snapshot, 1 snapshot and updates, 2 stop."""

    req_id: str
    subscription: str
    depth: int = 0  # MarketDepth(264), 0 = full book
    update_type: str = "0"  # MDUpdateType(265): 0 full refresh, 1 incremental; what else comes is refused
    entry_types: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()


class SecurityStatusRequest(Request, frozen=True, kw_only=True):
    """35=e."""

    req_id: str
    symbol: str
    subscription: str
