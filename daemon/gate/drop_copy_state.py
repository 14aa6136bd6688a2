"""What the order session and the drop copy have said of executions and not yet confirmed for one another."""

from typing import Final

import msgspec

from market.types import ClOrdID, ExecID, ExecType, OrderID, Side, Symbol

COUNTED_MAX: Final = 10_000  # executions that a bust may name; an older one is what the bust says it is

EARLIER_MAX: Final = 10_000  # OrderIDs of a day's replaces, the latest


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


class Counted(msgspec.Struct, frozen=True):
    """What one execution of the drop copy does to a position."""

    symbol: Symbol
    shares: int  # that it is about, bought above 0
    effect: int  # a bust takes back what another brought


class DropCopy(msgspec.Struct):
    """The second session and what waits for a match."""

    configured: bool = False
    up: bool = False
    reason: str = "never logged on"
    missing: int = 0  # the first number of theirs that we lack and have asked for; 0 = none
    down_mono_ns: int = 0  # since when it is down
    both_mono_ns: int = 0  # since when both sessions tell what is new, and not what they owe; 0 = they do not
    offset: int = -1  # of the last message in its log that was stepped
    ours: dict[ExecID, Said] = {}  # told by the order session alone, oldest first
    theirs: dict[ExecID, Said] = {}  # by the drop copy alone
    matched: dict[ExecID, None] = {}  # confirmed, or judged and named as a break
    archived: int = 0  # of the matched ones, in the archive (daemon.gate.archive)
    others: int = 0  # executions of orders that are not ours
    lag_ms: int = 0
    begun: dict[Symbol, int] = {}  # executed when it began to tell
    counted: dict[ExecID, Counted] = {}  # its executions of the day, of our orders as far as known
    net: dict[Symbol, int] = {}  # what they come to
    earlier: dict[OrderID, None] = {}  # OrderIDs that orders of ours had before a replace gave them another
    differs_mono_ns: int = 0  # since when that is not what we booked; 0 = it is

    def restarted(self, configured: bool, mono_ns: int, executed: dict[Symbol, int]) -> None:
        """Begin without a line; the machine's clock may have begun anew."""
        if configured and not self.configured:
            self.new_day()
            self.begun = executed
        self.configured, self.up, self.reason = configured, False, "never logged on"
        self.down_mono_ns, self.both_mono_ns, self.differs_mono_ns, self.missing = mono_ns, 0, 0, 0
        for said in (*self.ours.values(), *self.theirs.values()):
            said.seen_mono_ns = mono_ns

    def new_day(self) -> None:
        """Nothing is executed yet."""
        self.begun, self.counted, self.net, self.differs_mono_ns = {}, {}, {}, 0
        self.earlier = {}

    def renamed(self, order_id: OrderID) -> None:
        """An order of ours has another OrderID now."""
        if self.configured:
            self.earlier[order_id] = None
            if len(self.earlier) > EARLIER_MAX:
                del self.earlier[next(iter(self.earlier))]

    def count(self, exec_id: ExecID, counted: Counted) -> None:
        """Take an execution in, once."""
        if exec_id not in self.counted:
            if len(self.counted) >= COUNTED_MAX:
                del self.counted[next(iter(self.counted))]
            self.counted[exec_id] = counted
            self.net[counted.symbol] = self.net.get(counted.symbol, 0) + counted.effect

    def take_out(self, exec_id: ExecID) -> None:
        """It was of another desk's order: no position of ours."""
        counted = self.counted.get(exec_id)
        if counted is not None:
            self.counted[exec_id] = Counted(counted.symbol, 0, 0)
            self.net[counted.symbol] -= counted.effect

    def named(self, exec_id: ExecID, said: Said, booked: bool) -> None:
        """A break has named it: that the sums differ by it is no news."""
        self.take_out(exec_id)
        if booked:
            sign = -1 if said.kind is ExecType.TRADE_CANCEL else 1
            shares = said.side.sign * said.qty
            self.count(exec_id, Counted(said.symbol, shares, sign * shares))
