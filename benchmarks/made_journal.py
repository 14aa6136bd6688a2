"""A gate's journal of any length, made by the gate's own core: orders and their answers, prices, timers.

    steady, records = write(folder, records)     # the core as it stood at the end

Of ten records four are an order's (intent, decision, acceptance, fill), the others prices and timers.
"""

from pathlib import Path

from daemon.gate.core import GateCore
from daemon.gate.effects import Effect
from daemon.gate.journal import DIGEST_EVERY, JOURNAL_NAME, Digest, Input, Output, decisions, encode
from daemon.gate.rehearsal import open_limits
from daemon.journal import Journal
from market import events as ev
from market.orders import NewOrder
from market.types import TimeInForce
from tests.daemon.gate_harness import ASK, BID, LIMITS, World

PARENT_QTY = 100_000
ORDER_QTY = 100
STEP_NS = 20_000_000


class Writer(World):
    """A world whose every step is journaled as the gate's shell does it."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal.open(folder, JOURNAL_NAME)
        self.inputs = 0
        law = open_limits(LIMITS)
        super().__init__(
            law.model_copy(update={"allowed": law.allowed.model_copy(update={"symbols": ("*",)})})
        )

    def step(self, event: ev.Event) -> list[Effect]:
        stamp = ev.Stamp(self.ts, self.now)
        step = self.core.step(stamp, event)
        sent = decisions(step.effects)
        frames = [encode(Input(stamp, event))] + ([encode(Output(sent))] if sent else [])
        self.journal.append(*frames)
        self.inputs += 1
        if self.inputs % DIGEST_EVERY == 0:
            self.journal.append(encode(Digest(self.core.state_hash(False), False)))
        return list(step.effects)

    def order(self) -> None:
        """Send an order and have it filled; a parent that is worked off makes room for the next."""
        parents = self.core.state.live_parents
        if not parents:
            name, end_ns = f"P{len(self.core.state.parents) + 1}", self.ts + 3_600 * 10**9
            answer = self.parent(pid=name, qty=PARENT_QTY, start_ns=self.ts, end_ns=end_ns)
            assert answer["ok"], answer
        pid = next(iter(self.core.state.live_parents))
        order = self.intent(ORDER_QTY, BID, pid=pid, time_in_force=TimeInForce.IOC)
        assert isinstance(order, NewOrder), order
        self.accept(order)
        self.fill(order.cl_ord_id, ORDER_QTY, BID)


def write(folder: Path, records: int, orders_max: int = 95_000) -> tuple[GateCore, int]:
    """Write a journal of so many records."""
    writer = Writer(folder)
    writer.open()
    turn = 0
    while writer.journal.number <= records:
        turn += 1
        writer.now += STEP_NS
        writer.ts += STEP_NS // 200
        if turn % 7 == 0 and len(writer.core.state.chains) < orders_max:
            writer.order()
        elif turn % 2:
            writer.price(BID, ASK + 100 * (turn % 3))
        else:
            writer.step(ev.Timer())
    writer.journal.append(encode(Digest(writer.core.state_hash())))
    writer.journal.close()
    return writer.core, writer.journal.number - 1
