"""Orders that wait for the disk (`durability = "disk"`): no byte of one leaves before its intent is there.

    held.take(effect)                  # True: it waits; whatever concerns the same order waits behind it
    held.release(durable_offset)       # on the loop, when the disk has come so far

The loop never waits. What is released is asked for once more: `SendDue` is an event like any other, journaled
and judged by the core (daemon.gate.at_send), which answers with SendHeld or DropHeld. Mass cancels wait for
nothing.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from daemon.gate.core import GateCore
from daemon.gate.effects import AskStatus, Effect, SendCancel, SendOrder
from daemon.journal import Journal
from market.events import Event, SendDue, SendFailed
from market.orders import NewOrder
from market.types import ClOrdID

HELD_MAX: Final = 10_000  # R65 allows some dozens in flight; what is asked about them waits too


class Held:
    """What waits, in order."""

    def __init__(
        self,
        core: GateCore,
        journal: Journal,
        post: Callable[[Event], None],
        act: Callable[[Effect], None],
    ) -> None:
        """`post` takes an event, `act` carries an effect out."""
        self._core, self._journal, self._post, self._act = core, journal, post, act
        self._queue: deque[tuple[int, ClOrdID, Effect, int]] = deque()  # offset, chain, effect, posture
        self._orders: dict[ClOrdID, SendOrder] = {}
        self._chains: dict[ClOrdID, int] = {}  # how much of each waits

    def take(self, effect: Effect) -> bool:
        """Hold an order back, and what concerns one that is; False: it may leave at once."""
        if isinstance(effect, SendOrder):
            order = effect.approved.order
            self._orders[order.cl_ord_id] = effect
            terms = order if isinstance(order, NewOrder) else order.terms
            chain_id = self._core.state.chain_of[order.cl_ord_id]
            strategy = self._core.state.strategies.get(chain_id, "")
            table = self._core.state.posture
            posture = int(table.of(terms.account, strategy, terms.parent_id, terms.symbol))
            self._journal.hurry()
        elif isinstance(effect, SendCancel | AskStatus):
            asked = effect.order.cl_ord_id if isinstance(effect, SendCancel) else effect.request.cl_ord_id
            chain_id, posture = self._core.state.chain_of.get(asked, asked), 0
            if chain_id not in self._chains:
                return False
        else:
            return False
        assert len(self._queue) < HELD_MAX, "orders in flight are bounded (R65)"
        self._queue.append((self._journal.end, chain_id, effect, posture))
        self._chains[chain_id] = self._chains.get(chain_id, 0) + 1
        return True

    def release(self, durable: int) -> None:
        """Go on with everything that is on the disk."""
        while self._queue and self._queue[0][0] <= durable:
            _, chain_id, effect, posture = self._queue.popleft()
            left = self._chains[chain_id] - 1
            if left:
                self._chains[chain_id] = left
            else:
                del self._chains[chain_id]
            if isinstance(effect, SendOrder):
                name = effect.approved.order.cl_ord_id
                self._post(SendDue(cl_ord_id=name, posture=posture, decided_mono_ns=effect.decided_mono_ns))
            elif (chain := self._core.state.chains.get(chain_id)) is not None and chain.live:
                self._act(effect)
            elif isinstance(effect, SendCancel):
                reason = "the order that it speaks of was never sent"
                self._post(SendFailed(msg_type="F", ref_id=effect.order.cl_ord_id, reason=reason))

    def give(self, cl_ord_id: ClOrdID) -> SendOrder | None:
        """Hand out an order that waited; it is held no more."""
        return self._orders.pop(cl_ord_id, None)

    def __len__(self) -> int:
        return len(self._queue)
