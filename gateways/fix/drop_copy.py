"""The drop copy session of a broker, decoded: executions, busts and corrections of our account. Pure."""

from gateways.fix.inbound import decode
from gateways.fix.wire import Malformed
from market.copy_events import DropCopied
from market.events import ExecutionReport
from market.types import EXECUTIONS, ExecID, Symbol


def read(raw: str, offset: int, ours: dict[str, str]) -> DropCopied | None:
    """Return what a message says of an execution, None where it says nothing of any.

    `ours`: our symbols by theirs. What cannot be read may have been an execution: it is told as such.
    """
    decoded = decode(raw)
    if isinstance(decoded, Malformed):
        text = f"unreadable {decoded.msg_type or 'message'}: {decoded.reason}"
        return DropCopied(unreadable=text, offset=offset)
    if not isinstance(decoded, ExecutionReport) or decoded.exec_type not in EXECUTIONS:
        return None
    return DropCopied(
        exec_id=decoded.exec_id,
        exec_type=decoded.exec_type,
        order_id=decoded.order_id,
        cl_ord_id=decoded.cl_ord_id,
        symbol=Symbol(ours.get(decoded.symbol, decoded.symbol)),
        side=decoded.side,
        last_qty=decoded.last_qty,
        last_price_e4=decoded.last_price_e4,
        exec_ref_id=decoded.exec_ref_id or ExecID(""),
        offset=offset,
    )
