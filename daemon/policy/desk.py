"""What stands in for gate and shell where another simulator asks our policy what it would do.

The same TraderCore as in production: book, StateBuilder, policy, plan, executor. The desk keeps the orders as
the other side reports them, tells the core as the gate would, and hands on what the core asks for.
"""

from typing import Any, Final

import msgspec
from numpy.typing import NDArray

from daemon.policy import lines as pl
from daemon.trader.core import TraderCore
from daemon.trader.events import FeedIdle, FeedUp, Intent, LinkUp
from market import events as ev
from market import updates as up
from market.parents import TERMINAL as PARENT_ENDED
from market.parents import ParentOrder, Progress
from market.types import ClOrdID, OrdStatus, ParentID, ParentStatus, Side, Symbol, TimeInForce

PARENT: Final = ParentID("P1")
ROUNDS_MAX: Final = 100  # of asking and telling at one instant: each leads to fewer
IDLE_NS: Final = 500_000_000  # with events at least so often the feed counts as fresh without a word


class Desk:
    """One parent order in a market that somebody else plays."""

    def __init__(
        self, core: TraderCore, symbol: Symbol, mic: str, limits: pl.Limits, standing: NDArray[Any]
    ) -> None:
        self.core = core
        self.symbol = symbol
        self.limits = limits
        self.parent: ParentOrder | None = None
        self.progress = Progress()
        self.orders: dict[ClOrdID, up.WorkingOrder] = {}
        self.now_ns = 0
        self.mid_micros = 0  # the last that had two sides; 0: none had
        self.sent: list[dict[str, Any]] = []
        self._mic = mic
        self._asked = 0
        self._seq = 1
        self._sent_ns: list[int] = []
        self._could_trade = False  # as the core was told last
        self._market = core.markets[symbol]
        self._market.locate = pl.LOCATE
        self._standing = standing

    def open(self, ts_ns: int) -> None:
        """Begin with the book that stands."""
        self.now_ns = ts_ns
        stamp = ev.Stamp(ts_ns, ts_ns)
        for event in (LinkUp(epoch=1), FeedUp(next_seq=1), up.Synced()):
            self.core.step(stamp, event)
        self._feed(stamp, self._standing)

    def begin(self, line: pl.Parent) -> None:
        """Take the parent order.

        Raises:
            LineError: there is one already, or its window is over.

        """
        if self.parent is not None:
            raise pl.LineError("one parent a run: start another process for another")
        if not self.now_ns < line.end_ns or not line.start_ns < line.end_ns:
            raise pl.LineError("the parent's window must end after it starts and after now")
        if line.qty % self._market.instrument.lot:
            raise pl.LineError(f"the parent's qty is no multiple of the lot {self._market.instrument.lot}")
        self.parent = ParentOrder(
            parent_id=PARENT,
            account="SERVE",
            side=Side.BUY if line.side == "BUY" else Side.SELL,
            qty=line.qty,
            symbol=self.symbol,
            mic=self._mic,
            start_ns=line.start_ns,
            end_ns=line.end_ns,
            limit_price_e4=line.limit_price_e4,
            max_participation_bp=line.max_participation_bp,
            must_complete=line.must_complete,
        )
        self.progress = Progress(qty=line.qty)
        self._tell_parent()

    def step(self, line: pl.Step) -> None:
        """Take what happened; `sent` then holds what is to be sent.

        Raises:
            LineError: time goes back, or a report that cannot be.

        """
        if line.ts_ns < self.now_ns:
            raise pl.LineError(f"time goes back, from {self.now_ns} to {line.ts_ns}")
        if line.events and line.events[-1][0] > line.ts_ns:
            raise pl.LineError("an event is later than the step")
        batch = pl.batch_of(line.events, self._seq)
        self.sent = []
        self.now_ns = line.ts_ns
        stamp = ev.Stamp(line.ts_ns, line.ts_ns)
        self._feed(stamp, batch)
        for report in line.reports:
            self._report(report)
        self._clock(line.cancel)
        if self.parent is not None and self.headroom().can_trade != self._could_trade:
            self._tell_parent()
        self._carry(self.core.step(stamp, ev.Timer()).intents)

    def _feed(self, stamp: ev.Stamp, batch: NDArray[Any]) -> None:
        if len(batch) == 0 or stamp.ts_ns - int(batch["ts_ns"][-1]) > IDLE_NS:
            self._carry(self.core.step(stamp, FeedIdle()).intents)
        first, self._seq = self._seq, self._seq + len(batch)
        self._carry(self.core.feed(stamp, batch, first, self._seq).intents)
        if self.core.broken:
            raise pl.LineError(self.core.broken)
        if self.two_sided:
            self.mid_micros = sum(self._market.builder.bid_ask_e4) * 50

    @property
    def two_sided(self) -> bool:
        """Whether both sides of the book show something now."""
        return all(self._market.builder.bid_ask_e4)

    # --- what became of orders ---

    def _report(self, report: pl.Report) -> None:
        order = self.orders.get(ClOrdID(report.id))
        if order is None:
            raise pl.LineError(f"report of {report.id}, which is not open")
        resting = OrdStatus.PARTIALLY_FILLED if order.cum_qty else OrdStatus.NEW
        match report.event:
            case "new":
                self._become(order, status=resting)
            case "fill":
                self._fill(order, report)
            case "canceled":
                self._become(order, status=OrdStatus.CANCELED)
            case "rejected":
                self._become(order, status=OrdStatus.REJECTED)
            case "replaced":
                if not order.pending_qty:
                    raise pl.LineError(f"report of {report.id}: no replace was asked for")
                self._become(
                    order,
                    status=OrdStatus.FILLED if order.cum_qty >= order.pending_qty else resting,
                    qty=order.pending_qty,
                    price_e4=order.pending_price_e4,
                    pending_qty=0,
                    pending_price_e4=0,
                )
            case "cancel_rejected" | "replace_rejected":
                status = OrdStatus.FILLED if order.cum_qty >= order.qty else resting
                self._become(order, status=status, pending_qty=0, pending_price_e4=0)

    def _fill(self, order: up.WorkingOrder, report: pl.Report) -> None:
        assert self.parent is not None
        cum = order.cum_qty + report.last_qty
        if not (
            report.last_qty > 0 and report.last_price_e4 > 0 and cum <= max(order.qty, order.pending_qty)
        ):
            raise pl.LineError(
                f"report of {report.id}: a fill of {report.last_qty} at {report.last_price_e4}"
            )
        status = order.status
        if cum >= order.qty and not order.pending_qty:
            status = OrdStatus.FILLED
        elif status in (OrdStatus.PENDING_NEW, OrdStatus.NEW):
            status = OrdStatus.PARTIALLY_FILLED
        done = self.progress.cum_qty + report.last_qty
        self.progress = msgspec.structs.replace(
            self.progress,
            cum_qty=done,
            notional_e4=self.progress.notional_e4 + report.last_qty * report.last_price_e4,
            status=ParentStatus.FILLED if done >= self.progress.qty else self.progress.status,
        )
        self._become(order, report, status=status, cum_qty=cum)
        self._tell_parent()

    def _become(
        self, order: up.WorkingOrder, fill: pl.Report | None = None, n: int = 0, **changes: Any
    ) -> None:
        after = msgspec.structs.replace(order, **changes)
        self.orders[order.chain_id] = after
        if after.status in (OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.REJECTED):
            del self.orders[order.chain_id]
        last = (fill.last_qty, fill.last_price_e4, self.now_ns) if fill is not None else (0, 0, 0)
        self._tell(
            up.OrderUpdate(order=after, epoch=1, n=n, last_qty=last[0], last_price_e4=last[1], ts_ns=last[2])
        )

    # --- the parent's life ---

    def _clock(self, cancel: bool) -> None:
        if self.parent is None:
            return
        status = self.progress.status
        if status is ParentStatus.PENDING and self.now_ns >= self.parent.start_ns:
            mid = self.mid_micros or None
            self._change(status=ParentStatus.WORKING, arrival_ns=self.now_ns, arrival_mid_micros=mid)
        elif status is ParentStatus.WORKING and self.progress.arrival_mid_micros is None and self.mid_micros:
            self._change(arrival_mid_micros=self.mid_micros)
        status = self.progress.status
        over = self.now_ns >= self.parent.end_ns
        if status in (ParentStatus.WORKING, ParentStatus.PENDING) and (over or cancel):
            ending = ParentStatus.EXPIRED if over else ParentStatus.CANCELED
            self._change(status=ParentStatus.CANCELING, ending=ending)
            for order in list(self.orders.values()):
                if order.status is not OrdStatus.PENDING_CANCEL:
                    self._cancel(order, 0)
        if self.progress.status is ParentStatus.CANCELING and not self.orders:
            self._change(status=self.progress.ending)

    def _change(self, **changes: Any) -> None:
        self.progress = msgspec.structs.replace(self.progress, **changes)
        self._tell_parent()

    @property
    def ended(self) -> bool:
        """Whether the parent is over and nothing is open."""
        return self.progress.status in PARENT_ENDED and not self.orders

    def headroom(self) -> up.Headroom:
        """Return what the limits leave."""
        assert self.parent is not None
        mid_e4 = self.mid_micros // 100
        leaves = sum(max(o.qty, o.pending_qty) - o.cum_qty for o in self.orders.values())
        room = max(0, self.progress.qty - self.progress.cum_qty - leaves)
        self._sent_ns = [t for t in self._sent_ns if self.now_ns - t <= 1_000_000_000]
        return up.Headroom(
            order_qty_max=self.limits.order_qty_max,
            buy_qty_max=room,
            sell_qty_max=room,
            orders_free=max(0, self.limits.open_orders_max - len(self.orders)),
            collar_low_e4=mid_e4 * (10_000 - self.limits.collar_bp) // 10_000,
            collar_high_e4=mid_e4 * (10_000 + self.limits.collar_bp) // 10_000,
            rate_free=max(0, self.limits.orders_per_second - len(self._sent_ns)),
            can_trade=self.progress.status is ParentStatus.WORKING and self.two_sided,
        )

    # --- the core ---

    def _tell_parent(self) -> None:
        assert self.parent is not None
        headroom = self.headroom()
        self._could_trade = headroom.can_trade
        self._tell(up.ParentUpdate(parent=self.parent, progress=self.progress, headroom=headroom))

    def _tell(self, update: up.Update) -> None:
        self._carry(self.core.step(ev.Stamp(self.now_ns, self.now_ns), update).intents)

    def _carry(self, intents: tuple[Intent, ...]) -> None:
        for intent in intents:
            assert len(self.sent) < ROUNDS_MAX, "the core asks without end"
            if isinstance(intent, ev.SubmitIntent):
                self._submit(intent)
            elif isinstance(intent, ev.CancelIntent):
                self._cancel(self.orders[intent.chain_id], intent.n)
            else:
                self._replace(self.orders[intent.chain_id], intent)
        if intents:
            self._tell_parent()

    def _submit(self, intent: ev.SubmitIntent) -> None:
        self._asked += 1
        self._sent_ns.append(self.now_ns)
        name = ClOrdID(f"C{self._asked}")
        order = up.WorkingOrder(
            chain_id=name,
            parent_id=PARENT,
            symbol=self.symbol,
            side=intent.side,
            price_e4=intent.price_e4 or 0,
            qty=intent.qty,
            cum_qty=0,
            status=OrdStatus.PENDING_NEW,
        )
        tif = "IOC" if intent.time_in_force is TimeInForce.IOC else "DAY"
        side = "BUY" if intent.side is Side.BUY else "SELL"
        self.sent.append(
            {"do": "new", "id": name, "side": side, "qty": order.qty, "price_e4": order.price_e4, "tif": tif}
        )
        self._become(order, n=intent.n)

    def _cancel(self, order: up.WorkingOrder, n: int) -> None:
        self.sent.append({"do": "cancel", "id": order.chain_id})
        self._become(order, n=n, status=OrdStatus.PENDING_CANCEL)

    def _replace(self, order: up.WorkingOrder, intent: ev.ReplaceIntent) -> None:
        self._sent_ns.append(self.now_ns)
        self.sent.append(
            {"do": "replace", "id": order.chain_id, "qty": intent.qty, "price_e4": intent.price_e4}
        )
        self._become(
            order,
            n=intent.n,
            status=OrdStatus.PENDING_REPLACE,
            pending_qty=intent.qty,
            pending_price_e4=intent.price_e4,
        )
