"""What the gate tells the trader: parents, orders, refusals, posture, headroom.

Frozen Structs without numpy, like market.events; the link carries them as they stand.
"""

import msgspec

from market.events import ClockAnchor
from market.parents import ParentOrder, Progress
from market.types import ClOrdID, ExecID, OrdStatus, ParentID, Side, Symbol, TimeInForce


class WorkingOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One live chain as the executor sees it."""

    chain_id: ClOrdID
    parent_id: ParentID
    symbol: Symbol
    side: Side
    price_e4: int
    qty: int
    cum_qty: int
    status: OrdStatus
    pending_price_e4: int = 0  # of a replace in flight
    pending_qty: int = 0
    time_in_force: TimeInForce = TimeInForce.DAY

    @property
    def leaves_qty(self) -> int:
        """Shares that can still trade."""
        return self.qty - self.cum_qty


class Headroom(msgspec.Struct, frozen=True, kw_only=True):
    """What the limits leave for one parent, so that `plan` asks for nothing that will be refused."""

    order_qty_max: int
    buy_qty_max: int  # position and committed quantity, worst case
    sell_qty_max: int
    orders_free: int
    collar_low_e4: int  # 0 = no price may be sent
    collar_high_e4: int
    rate_free: int  # new and replace messages left in this second
    can_trade: bool


class Update(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """What the gate tells the trader."""


class HelloAck(Update, frozen=True, kw_only=True):
    """The link is open; parents and orders follow as updates, then `Synced`."""

    protocol: int
    accepted: bool
    reason: str = ""
    again: bool = False  # refused, but asking again may help: another trader is there, or was just now
    anchor: ClockAnchor | None = None
    lockstep: bool = False


class Synced(Update, frozen=True, kw_only=True):
    """Everything that lived before this trader came has been told."""


class AnchorUpdate(Update, frozen=True, kw_only=True):
    """Market time begins."""

    anchor: ClockAnchor


class ParentUpdate(Update, frozen=True, kw_only=True):
    """A parent as it stands."""

    parent: ParentOrder
    progress: Progress
    headroom: Headroom


class OrderUpdate(Update, frozen=True, kw_only=True):
    """A chain as it stands; `n` of the intent that this answers, 0 where none does."""

    order: WorkingOrder
    epoch: int = 0
    n: int = 0
    last_qty: int = 0  # > 0: this update is a fill
    last_price_e4: int = 0
    ts_ns: int = 0
    exec_id: ExecID = ExecID("")


class IntentRefused(Update, frozen=True, kw_only=True):
    """The overlay, or the gate, said no: every failing control by id."""

    epoch: int
    n: int
    controls: tuple[str, ...]
    text: str = ""


class PostureUpdate(Update, frozen=True, kw_only=True):
    """ACTIVE, REDUCE_ONLY, HALTED, KILLED."""

    posture: str
    reason: str = ""


class GateAlive(Update, frozen=True, kw_only=True):
    """Four times a second in real time: the gate's loop runs, whatever else there is to say."""


class LockTick(Update, frozen=True, kw_only=True):
    """Lockstep: it is `ts_ns`; the feed up to `feed_seq` belongs to this instant."""

    tick: int
    ts_ns: int
    feed_seq: int
