"""R62: what a second FIX session, the drop copy, says of our executions. Journaled like market.events."""

from market.events import Event
from market.types import ClOrdID, ExecID, ExecType, OrderID, Side, Symbol


class DropCopied(Event, frozen=True, kw_only=True):
    """An execution, a bust or a correction as the drop copy tells it; or what could not be read, and why."""

    exec_id: ExecID = ExecID("")
    exec_type: ExecType = ExecType.TRADE
    order_id: OrderID = OrderID("")
    cl_ord_id: ClOrdID = ClOrdID("")  # some brokers leave it out, or tell another one
    symbol: Symbol = Symbol("")
    side: Side = Side.BUY
    last_qty: int = 0
    last_price_e4: int = 0
    exec_ref_id: ExecID = ExecID("")
    unreadable: str = ""  # it may have been an execution
    offset: int = -1  # in the log of this session


class DropCopyLine(Event, frozen=True, kw_only=True):
    """The session logged on or off, or lacks messages, or has them all."""

    up: bool
    reason: str = ""
    missing: int = 0  # the first number of theirs that we lack and have asked for; 0 = none
