"""A gate that behaves, for markets to practise in: what the trader sees of one, without risk or FIX.

It numbers chains, answers every intent once, books fills, begins and ends parents in time, and asserts
what the real one would refuse. Only research and tests use it.
"""

from typing import Any, Final

import msgspec

from daemon.trader.events import Intent
from gateways.venue.exchange import Exchange
from gateways.venue.outcomes import Own
from market import events as ev
from market import updates as up
from market.matching_events import CommandFlag, Outcome, Tif
from market.parents import ParentOrder, Progress
from market.types import ClOrdID, OrdStatus, OrdType, ParentID, ParentStatus, Side, TimeInForce

OWNER: Final = 1
COLLAR: Final = 0.02
ORDER_QTY_MAX: Final = 1_000  # R03's default
ORDERS_MAX: Final = 10  # R12's default
TIF: Final = {
    TimeInForce.DAY: Tif.DAY,
    TimeInForce.IOC: Tif.IOC,
    TimeInForce.FOK: Tif.FOK,
    TimeInForce.CLOSE: Tif.CLOSE,
}


class Chain(msgspec.Struct):
    """A chain as the stand-in gate keeps it."""

    order: up.WorkingOrder
    engine_id: int
    tif: TimeInForce
    ord_type: OrdType
    notional_e4: int = 0


class Fill(msgspec.Struct, frozen=True):
    """One execution of ours."""

    parent_id: ParentID
    qty: int
    price_e4: int
    ts_ns: int
    passive: bool


class Gate:
    """The stand-in: an order table, parents, and the exchange behind it."""

    def __init__(self, exchange: Exchange, parents: list[ParentOrder]) -> None:
        self.exchange = exchange
        self.parents = {p.parent_id: p for p in parents}
        self.progress = {p.parent_id: Progress(qty=p.qty) for p in parents}
        self.chains: dict[ClOrdID, Chain] = {}
        self.by_engine: dict[int, Chain] = {}
        self.fills: list[Fill] = []
        self.updates: list[up.Update] = []
        self.intents = 0
        self.messages = 0
        self.refused = 0
        self.close_e4 = 0
        exchange.listen(self.heard)

    def headroom(self, parent: ParentOrder, progress: Progress) -> up.Headroom:
        """Return ordinary limits."""
        book = self.exchange.engine.book
        mid_e4 = (book.best_bid_e4 + book.best_ask_e4) // 2
        room = max(0, progress.qty - progress.cum_qty - self.leaves(parent.parent_id))
        return up.Headroom(
            order_qty_max=ORDER_QTY_MAX,
            buy_qty_max=room,
            sell_qty_max=room,
            orders_free=max(0, ORDERS_MAX - len(self.chains)),
            collar_low_e4=int(mid_e4 * (1 - COLLAR)),
            collar_high_e4=int(mid_e4 * (1 + COLLAR)),
            rate_free=5,
            can_trade=progress.status is ParentStatus.WORKING,
        )

    def leaves(self, parent_id: ParentID) -> int:
        """Return the worst-case leaves of a parent."""
        chains = (c.order for c in self.chains.values() if c.order.parent_id == parent_id)
        return sum(max(o.qty, o.pending_qty) - o.cum_qty for o in chains)

    def tell(self, parent_id: ParentID) -> None:
        """Send a parent as it stands."""
        parent, progress = self.parents[parent_id], self.progress[parent_id]
        headroom = self.headroom(parent, progress)
        self.updates.append(up.ParentUpdate(parent=parent, progress=progress, headroom=headroom))

    def clock(self, now_ns: int) -> None:
        """Begin and end parents."""
        for parent_id, parent in self.parents.items():
            progress = self.progress[parent_id]
            if progress.status is ParentStatus.PENDING and now_ns >= parent.start_ns:
                book = self.exchange.engine.book
                self.change(
                    parent_id,
                    status=ParentStatus.WORKING,
                    arrival_ns=now_ns,
                    arrival_mid_micros=(book.best_bid_e4 + book.best_ask_e4) * 50,
                )
            elif progress.status is ParentStatus.WORKING and now_ns >= parent.end_ns:
                self.change(parent_id, status=ParentStatus.CANCELING)
                for chain in [c for c in self.chains.values() if c.order.parent_id == parent_id]:
                    self.arrive(("cancel", chain, 0, 0))
                self.change(parent_id, status=ParentStatus.EXPIRED)

    def change(self, parent_id: ParentID, **fields: Any) -> None:
        """Move a parent on and tell it."""
        self.progress[parent_id] = msgspec.structs.replace(self.progress[parent_id], **fields)
        self.tell(parent_id)

    # --- intents ---

    def take(self, intent: Intent) -> tuple[Any, ...] | None:
        """Answer an intent; return what travels to the exchange."""
        self.intents += 1
        if isinstance(intent, ev.SubmitIntent):
            return self.submit(intent)
        chain = self.chains.get(intent.chain_id)
        if chain is None:
            self.refused += 1
            self.updates.append(up.IntentRefused(epoch=intent.epoch, n=intent.n, controls=("R02",)))
            return None
        if isinstance(intent, ev.CancelIntent):
            self.become(chain, intent.epoch, intent.n, status=OrdStatus.PENDING_CANCEL)
            return ("cancel", chain, 0, 0)
        self.messages += 1
        parent = self.parents[chain.order.parent_id]
        self.check_price(parent, intent.price_e4)
        growth = max(0, intent.qty - chain.order.qty)
        assert self.committed(parent.parent_id) + growth <= self.progress[parent.parent_id].qty
        self.become(
            chain,
            intent.epoch,
            intent.n,
            status=OrdStatus.PENDING_REPLACE,
            pending_price_e4=intent.price_e4,
            pending_qty=intent.qty,
        )
        return ("replace", chain, intent.qty, intent.price_e4)

    def submit(self, intent: ev.SubmitIntent) -> tuple[Any, ...]:
        """Make a chain of an intent."""
        self.messages += 1
        parent, progress = self.parents[intent.parent_id], self.progress[intent.parent_id]
        assert progress.status is ParentStatus.WORKING, "nothing is sent for a parent that does not work"
        assert self.committed(parent.parent_id) + intent.qty <= progress.qty, "never more than the parent"
        assert 0 < intent.qty <= ORDER_QTY_MAX
        if intent.price_e4 is not None:
            self.check_price(parent, intent.price_e4)
        chain_id = ClOrdID(f"C{self.messages}")
        order = up.WorkingOrder(
            chain_id=chain_id,
            parent_id=parent.parent_id,
            symbol=parent.symbol,
            side=intent.side,
            price_e4=intent.price_e4 or 0,
            qty=intent.qty,
            cum_qty=0,
            status=OrdStatus.PENDING_NEW,
            time_in_force=intent.time_in_force,
        )
        chain = Chain(order, self.exchange.new_id(), intent.time_in_force, intent.ord_type)
        self.chains[chain_id] = chain
        self.by_engine[chain.engine_id] = chain
        self.updates.append(up.OrderUpdate(order=order, epoch=intent.epoch, n=intent.n))
        return ("new", chain, 0, 0)

    def committed(self, parent_id: ParentID) -> int:
        """Return what is done and what can still be done."""
        return self.progress[parent_id].cum_qty + self.leaves(parent_id)

    def check_price(self, parent: ParentOrder, price_e4: int) -> None:
        """Hold the trader to limit and tick."""
        limit_e4 = parent.limit_price_e4
        assert limit_e4 is None or parent.side.sign * (price_e4 - limit_e4) <= 0, "never beyond the limit"
        assert price_e4 % self.exchange.instrument.tick_e4(price_e4) == 0, "on the tick grid"

    # --- the exchange ---

    def arrive(self, message: tuple[Any, ...]) -> None:
        """Do at the exchange what travelled to it."""
        kind, chain, qty, price_e4 = message
        order: up.WorkingOrder = chain.order
        if chain.order.chain_id not in self.chains:
            return
        if kind == "new":
            flags = CommandFlag.MARKET if chain.ord_type is OrdType.MARKET else CommandFlag.NONE
            outcomes = self.exchange.new(
                chain.engine_id, order.side.sign, order.price_e4, order.qty, OWNER, TIF[chain.tif], flags
            )
        elif kind == "cancel":
            outcomes = self.exchange.cancel(chain.engine_id, OWNER)
        else:
            if qty <= order.cum_qty:
                self.become(chain, status=self.resting(chain), pending_qty=0, pending_price_e4=0)
                return
            self.become(
                chain,
                status=self.resting(chain),
                qty=qty,
                price_e4=price_e4,
                pending_qty=0,
                pending_price_e4=0,
            )
            engine_id = self.exchange.new_id()
            self.by_engine[engine_id] = chain
            old_id, chain.engine_id = chain.engine_id, engine_id
            outcomes = self.exchange.replace(
                old_id, engine_id, price_e4, qty - order.cum_qty, OWNER, CommandFlag.NONE
            )
        for own in outcomes:
            self.heard(own)

    def heard(self, own: Own) -> None:
        """Book what concerns us."""
        if own.kind == Outcome.TRADE:
            for engine_id, passive in ((own.order_id, False), (own.resting_id, True)):
                chain = self.by_engine.get(engine_id)
                if chain is not None:
                    self.trade(chain, own, passive)
            return
        chain = self.by_engine.get(own.order_id)
        if chain is None or chain.order.chain_id not in self.chains:
            return
        if own.kind == Outcome.ACCEPTED and chain.order.status is OrdStatus.PENDING_NEW:
            self.become(chain, status=OrdStatus.NEW)
        elif own.kind == Outcome.REJECTED:
            self.end(chain, OrdStatus.REJECTED)
        elif own.kind == Outcome.CANCELED:
            self.end(chain, OrdStatus.CANCELED)

    def trade(self, chain: Chain, own: Own, passive: bool) -> None:
        """Book a fill."""
        parent_id = chain.order.parent_id
        self.fills.append(Fill(parent_id, own.size, own.price_e4, own.ts_ns, passive))
        cum = chain.order.cum_qty + own.size
        assert cum <= max(chain.order.qty, chain.order.pending_qty)
        status = OrdStatus.FILLED if cum == chain.order.qty else chain.order.status
        if status in (OrdStatus.NEW, OrdStatus.PENDING_NEW):
            status = OrdStatus.PARTIALLY_FILLED
        chain.order = msgspec.structs.replace(chain.order, cum_qty=cum, status=status)
        self.updates.append(
            up.OrderUpdate(order=chain.order, last_qty=own.size, last_price_e4=own.price_e4, ts_ns=own.ts_ns)
        )
        progress = self.progress[parent_id]
        done = progress.cum_qty + own.size
        assert done <= progress.qty, "never more than the parent"
        status_of = ParentStatus.FILLED if done == progress.qty else progress.status
        if status is OrdStatus.FILLED:
            del self.chains[chain.order.chain_id]
        notional_e4 = progress.notional_e4 + own.size * own.price_e4
        self.change(parent_id, cum_qty=done, notional_e4=notional_e4, status=status_of)

    def become(self, chain: Chain, epoch: int = 0, n: int = 0, **fields: Any) -> None:
        """Change a chain and tell it."""
        chain.order = msgspec.structs.replace(chain.order, **fields)
        self.updates.append(up.OrderUpdate(order=chain.order, epoch=epoch, n=n))

    def end(self, chain: Chain, status: OrdStatus) -> None:
        """End a chain."""
        del self.chains[chain.order.chain_id]
        self.become(chain, status=status)
        self.tell(chain.order.parent_id)

    @staticmethod
    def resting(chain: Chain) -> OrdStatus:
        """Return the status of a chain in the book."""
        return OrdStatus.PARTIALLY_FILLED if chain.order.cum_qty else OrdStatus.NEW


def shortfall_bps(gate: Gate, parent_id: ParentID) -> float | None:
    """Return the shortfall of what was filled against the arrival mid, None without a fill."""
    progress, side = gate.progress[parent_id], gate.parents[parent_id].side
    if not progress.cum_qty or not progress.arrival_mid_micros:
        return None
    paid = progress.notional_e4 * 100 / progress.cum_qty
    sign = 1 if side is Side.BUY else -1
    return 1e4 * sign * (paid / progress.arrival_mid_micros - 1)
