"""The working-order table of the trader: every live chain, and every intent that is not answered yet.

The gate's updates are the only truth about orders; what the trader asked for counts as committed
from the moment it asked, so that nothing can be asked for twice.
"""

from typing import Final

import msgspec

from market.order_table import TERMINAL
from market.types import ClOrdID, OrdStatus, ParentID, Symbol
from market.updates import IntentRefused, OrderUpdate, WorkingOrder
from policies.executor import RESTING, Act, Chain, Standing

OVER_MAX: Final = 4_096  # ended chains that are remembered: a fill may overtake our cancel


class Asked(msgspec.Struct, frozen=True, gc=False):
    """An intent on its way."""

    n: int
    act: Act
    symbol: Symbol
    parent_id: ParentID
    chain_id: ClOrdID  # "" for a submit
    qty: int
    crossing: bool = False  # its price reached the other side when it was asked for
    for_cross: bool = False  # waits for an auction: no part of what the executor looks after


class Heard(msgspec.Struct, frozen=True, gc=False):
    """What an update meant."""

    filled_qty: int = 0  # negative: a bust or a correction took shares back
    took: bool = False  # the fill was of an order that took liquidity
    acknowledged: bool = False
    ended: OrdStatus | None = None  # the chain is over


NOTHING: Final = Heard()


class WorkingTable:
    """Chains by id, in the order in which they came."""

    def __init__(self) -> None:
        self.chains: dict[ClOrdID, WorkingOrder] = {}
        self.asked: dict[int, Asked] = {}
        self._origin: dict[ClOrdID, Asked] = {}  # the submit behind a chain, where we made it
        self._busy: dict[ClOrdID, int] = {}  # chain -> n of what was asked of it
        self._done: dict[ParentID, int] = {}  # shares filled on chains that are over
        self._over: dict[ClOrdID, int] = {}  # what each ended chain had filled

    def ask(self, asked: Asked) -> None:
        """Remember an intent that is about to be sent."""
        assert asked.n not in self.asked
        assert asked.chain_id not in self._busy, "one intent in flight a chain"
        self.asked[asked.n] = asked
        if asked.chain_id:
            self._busy[asked.chain_id] = asked.n

    def heard(self, update: OrderUpdate, ours: bool) -> Heard:
        """Take a chain as the gate tells it; `ours`: `n` counts in this trader's epoch."""
        order = update.order
        asked = self._answered(update.n) if ours and update.n else None
        if asked is not None and asked.act is Act.SUBMIT:
            self._origin[order.chain_id] = asked
        before = self.chains.get(order.chain_id)
        done = before.cum_qty if before is not None else self._over.get(order.chain_id)
        if done is None:  # a chain that we hear of for the first time: ours, or told after a restart
            done = 0 if asked is not None else order.cum_qty - update.last_qty
        filled = order.cum_qty - done
        origin = self._origin.get(order.chain_id)
        took = origin is not None and origin.crossing
        if order.status in TERMINAL or order.chain_id in self._over:
            self._end(order, done)
            return Heard(filled, took, ended=order.status)
        self.chains[order.chain_id] = order
        was_new = before is None or before.status is OrdStatus.PENDING_NEW
        return Heard(filled, took, acknowledged=was_new and order.status in RESTING)

    def refused(self, update: IntentRefused) -> Asked | None:
        """Take a refusal; return what had been asked."""
        return self._answered(update.n)

    def clear(self) -> None:
        """Forget everything: a new link tells it anew."""
        for table in (self.chains, self.asked, self._origin, self._busy, self._done, self._over):
            table.clear()

    def done_qty(self, parent_id: ParentID) -> int:
        """Return the shares that chains of a parent filled, as far as this table has seen them."""
        live = sum(c.cum_qty for c in self.chains.values() if c.parent_id == parent_id)
        return live + self._done.get(parent_id, 0)

    def crossing(self, chain_id: ClOrdID) -> bool:
        """Say whether a chain was sent to take liquidity."""
        origin = self._origin.get(chain_id)
        return origin is not None and origin.crossing

    def busy(self, chain_id: ClOrdID) -> bool:
        """Say whether something asked of a chain has not been answered."""
        return chain_id in self._busy

    def of(self, parent_id: ParentID) -> list[WorkingOrder]:
        """Return a parent's live chains, oldest first."""
        return [c for c in self.chains.values() if c.parent_id == parent_id]

    def working_qty(self, symbol: Symbol) -> int:
        """Return the shares of a symbol that work at worst or were asked for, over all parents."""
        leaves = sum(
            max(c.qty, c.pending_qty) - c.cum_qty for c in self.chains.values() if c.symbol == symbol
        )
        asked = sum(a.qty for a in self.asked.values() if a.act is Act.SUBMIT and a.symbol == symbol)
        return leaves + asked

    def standing(self, parent_id: ParentID, sign: int, qty: int, cum_qty: int) -> Standing:
        """Return a parent's orders as the executor needs them."""
        chains = tuple(
            Chain(
                c.chain_id,
                c.price_e4,
                c.qty,
                c.cum_qty,
                max(c.qty, c.pending_qty) - c.cum_qty,
                c.status in RESTING and c.chain_id not in self._busy,
                self.crossing(c.chain_id),
            )
            for c in self.chains.values()
            if c.parent_id == parent_id and not c.time_in_force.for_cross
        )
        submits, resting, crossing = 0, 0, 0
        for asked in self.asked.values():
            if asked.parent_id == parent_id and asked.act is Act.SUBMIT and not asked.for_cross:
                submits += 1
                resting += 0 if asked.crossing else asked.qty
                crossing += asked.qty if asked.crossing else 0
        return Standing(sign, qty, cum_qty, chains, submits, resting, crossing)

    def for_cross(self, parent_id: ParentID) -> bool:
        """Say whether an order of a parent waits for an auction, or was asked for."""
        waits = [c.parent_id for c in self.chains.values() if c.time_in_force.for_cross]
        return parent_id in waits or parent_id in [a.parent_id for a in self.asked.values() if a.for_cross]

    def _answered(self, n: int) -> Asked | None:
        asked = self.asked.pop(n, None)
        if asked is not None and asked.chain_id and self._busy.get(asked.chain_id) == n:
            del self._busy[asked.chain_id]
        return asked

    def _end(self, order: WorkingOrder, done: int) -> None:
        live = self.chains.pop(order.chain_id, None) is not None
        first = order.chain_id not in self._over
        self._done[order.parent_id] = self._done.get(order.parent_id, 0) + (
            order.cum_qty if live or first else order.cum_qty - done
        )
        self._over[order.chain_id] = order.cum_qty
        if len(self._over) > OVER_MAX:
            oldest = next(iter(self._over))
            del self._over[oldest]
            self._origin.pop(oldest, None)
        n = self._busy.pop(order.chain_id, None)
        if n is not None:
            self.asked.pop(n, None)
