"""What the order session and the drop copy have said of executions and not yet confirmed for one another."""

import msgspec

from market.types import ClOrdID, ExecID, ExecType, OrderID, Side, Symbol


class Said(msgspec.Struct):
    """One side's word on an execution."""

    kind: ExecType
    order_id: OrderID
    cl_ord_id: ClOrdID
    symbol: Symbol
    side: Side
    qty: int
    price_e4: int
    seen_mono_ns: int


class DropCopy(msgspec.Struct):
    """The second session and what waits for a match."""

    configured: bool = False
    up: bool = False
    reason: str = "never logged on"
    down_mono_ns: int = 0  # since when it is down
    both_mono_ns: int = 0  # since when both sessions tell what they have; 0 = they do not
    offset: int = -1  # of the last message in its log that was stepped
    ours: dict[ExecID, Said] = {}  # told by the order session alone, oldest first
    theirs: dict[ExecID, Said] = {}  # by the drop copy alone
    matched: dict[ExecID, None] = {}  # confirmed, or judged and named as a break
    archived: int = 0  # of the matched ones, in the archive (daemon.gate.archive)
    others: int = 0  # executions of orders that are not ours
    lag_ms: int = 0

    def restarted(self, configured: bool, mono_ns: int) -> None:
        """Begin without a line; the machine's clock may have begun anew."""
        self.configured, self.up, self.reason = configured, False, "never logged on"
        self.down_mono_ns, self.both_mono_ns = mono_ns, 0
        for said in (*self.ours.values(), *self.theirs.values()):
            said.seen_mono_ns = mono_ns
