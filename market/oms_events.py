"""What an OMS asks of the gate, and what the gate tells it: parent orders over FIX, in the core's words.

Frozen Structs like those of market.events, and journaled like them. What the rim could not accept (a tag that
it does not support, an account that this OMS may not use) comes with its `fault`, so that the refusal is
journaled, numbered and found again like any other answer.
"""

import msgspec

from market.events import Event
from market.parents import ParentOrder
from market.types import ExecID, ExecType, OrdStatus, Side, Symbol


class OmsEvent(Event, frozen=True, kw_only=True):
    """From the OMS session `client`, a CompID."""

    client: str
    seq_num: int = 0


class OmsRequest(OmsEvent, frozen=True, kw_only=True):
    """A request by ClOrdID, which names one request for ever."""

    cl_ord_id: str
    terms: str = ""  # hash of everything that it asks for: the same again, or something else under its name
    fault: str = ""  # why the rim refuses it; "" = fit to be judged
    reason: str = ""  # OrdRejReason(103) or CxlRejReason(102) of the fault
    symbol: Symbol = Symbol("")
    side: Side = Side.BUY


class OmsNew(OmsRequest, frozen=True, kw_only=True):
    """35=D: a parent order. Its parent has no id; a start of 0 is now, an end of 0 the session's close."""

    parent: ParentOrder | None = None  # None: there is a fault
    account: str = ""
    qty: int = 0
    day: bool = True  # TimeInForce(59) day: what is left at its end is done for the day, not expired
    fixed: tuple[tuple[str, str], ...] = ()  # tag, value of the terms that no replace can change


class OmsReplace(OmsRequest, frozen=True, kw_only=True):
    """35=G: new terms for a parent; None leaves a term as it is."""

    orig_cl_ord_id: str
    order_id: str = ""
    qty: int = 0  # OrderQty, what is filled included
    limit_price_e4: int | None = None
    market: bool = False  # 40=1
    end_ns: int | None = None
    max_participation_bp: int | None = None
    fixed: tuple[tuple[str, str], ...] = ()  # such terms as it says again: must be as before


class OmsCancel(OmsRequest, frozen=True, kw_only=True):
    """35=F."""

    orig_cl_ord_id: str
    order_id: str = ""


class OmsStatus(OmsRequest, frozen=True, kw_only=True):
    """35=H."""

    order_id: str = ""
    req_id: str = ""  # OrdStatusReqID(790)


class OmsUnfit(OmsEvent, frozen=True, kw_only=True):
    """A message that is no request: of another type, or without what names it."""

    ref_msg_type: str
    ref_id: str = ""
    reason: str  # BusinessRejectReason(380)
    text: str


class OmsSession(OmsEvent, frozen=True, kw_only=True):
    """An OMS logged on or off; `restate`: it threw its numbers away and is told anew how all stands."""

    up: bool
    restate: bool = False
    reason: str = ""


class OmsReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message up: 35=8, 35=9 or 35=j by `kind`. What the session layer numbers and sends again."""

    kind: str
    cl_ord_id: str = ""
    orig_cl_ord_id: str = ""
    order_id: str = ""
    exec_id: ExecID = ExecID("")
    exec_type: ExecType = ExecType.ORDER_STATUS
    ord_status: OrdStatus = OrdStatus.NEW
    account: str = ""
    symbol: Symbol = Symbol("")
    side: Side = Side.BUY
    order_qty: int = 0
    price_e4: int | None = None
    last_qty: int = 0
    last_notional_e4: int = 0  # of the execution: LastPx(31) is this over LastQty
    cum_qty: int = 0
    notional_e4: int = 0  # of all executions: AvgPx(6)
    leaves_qty: int = 0
    exec_ref_id: ExecID = ExecID("")
    reason: str = ""  # 103, 102 or 380
    response_to: str = ""  # CxlRejResponseTo(434)
    restated: str = ""  # ExecRestatementReason(378)
    status_req_id: str = ""
    ref_msg_type: str = ""  # of 35=j
    ref_seq_num: int = 0
    text: str = ""
    ts_ns: int = 0
