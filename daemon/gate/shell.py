"""The gate's shell around its core: journal, step, act. One thread, no await in between.

Every input is stamped; it and what the step decided are in the kernel before a byte of it leaves
(docs/decisions/0010). Then the last check is the engine's own: logged on or not.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import structlog

from daemon.clock import Clock
from daemon.gate.core import GateCore
from daemon.gate.effects import (
    AskMassStatus,
    AskPositions,
    AskStatus,
    ClearKill,
    DropHeld,
    DropTrader,
    Effect,
    LatchKill,
    Note,
    ParentEnded,
    Reply,
    SendCancel,
    SendDontKnow,
    SendHeld,
    SendMassCancel,
    SendOrder,
    Tell,
    TellOms,
)
from daemon.gate.held import Held
from daemon.gate.journal import DIGEST_EVERY, NOT_INBOUND, Digest, Input, Output, decisions, encode
from daemon.gate.metrics import GateMetrics
from daemon.journal import Journal
from daemon.latency import Latency
from gateways.fix.order_entry import OrderEntry, SendResult
from market.events import EngineAlarm, Event, ReferenceAlive, ReferencePrice, SendFailed, Stamp, TraderStatus
from market.orders import ReplaceOrder
from market.updates import Update
from risk.kill_switch import KillLatch

# Of an order's way: from the decision to the gate's ears; then journal, core, journal; then the engine.
STAGES: Final = ("decision_to_gate", "intent_to_wire", "journal_and_step", "engine")
SPARED: Final = frozenset({ReferencePrice, ReferenceAlive, TraderStatus})
log = structlog.get_logger()

TellTrader = Callable[[int, Update], None]
Answer = Callable[[int, dict[str, Any]], None]


class GateShell:
    """What acts. `tell`, `drop` and `answer` are the link's and the control socket's."""

    def __init__(
        self,
        core: GateCore,
        clock: Clock,
        journal: Journal,
        latch: KillLatch,
        metrics: GateMetrics,
        lockstep: bool,
    ) -> None:
        self.core = core
        self.clock = clock
        self.journal = journal
        self.metrics = metrics
        self.lockstep = lockstep
        self.entry: OrderEntry | None = None  # set when the engine stands
        self.tell: TellTrader = lambda *_: None
        self.drop: Callable[[int, str], None] = lambda *_: None
        self.answer: Answer = lambda *_: None
        self.tell_oms: Callable[[str], None] = lambda _: None
        self.note: Callable[[Note], None] = write_note
        self.beside: Callable[[Callable[[], None]], object] = lambda act: act()  # the gate's: on a thread
        self.latency = {name: Latency() for name in ("tick_to_order", *STAGES)}
        self._latch = latch
        self.inputs = 0
        self.closed = False
        self.spare = False  # the disk is full: prices are no longer taken in
        self.held: Held | None = None  # with durability = "disk": what waits for it
        self._follow_ups: deque[Event] = deque()  # failed sends: no more than a step has effects
        self._acts: dict[type[Effect], Callable[[Any], None]] = {
            Tell: lambda e: self.tell(e.epoch, e.update),
            Reply: lambda e: self.answer(e.request_id, e.body),
            TellOms: lambda e: self.tell_oms(e.client),
            DropTrader: lambda e: self.drop(e.epoch, e.reason),
            SendHeld: self._send_held,
            DropHeld: self._drop_held,
            SendCancel: self._send_cancel,
            AskStatus: self._ask_status,
            AskMassStatus: self._ask_mass_status,
            AskPositions: self._ask_positions,
            SendMassCancel: self._send_mass_cancel,
            SendDontKnow: self._send_dont_know,
            LatchKill: self._latch_kill,
            ClearKill: lambda _: self._latch.clear(),
            ParentEnded: self.metrics.parent_ended,
            Note: lambda e: self.note(e),
        }
        self._stamp = Stamp(0, 0)
        self._sync_first = False

    def post_all(self, events: list[tuple[Event, int]]) -> None:
        """Post events that came together, with their offsets: what they have in common is done once."""
        for left, (event, offset) in zip(reversed(range(len(events))), events, strict=True):
            self.post(event, offset, more=left > 0)

    def post(self, event: Event, offset: int = NOT_INBOUND, more: bool = False) -> None:
        """Journal, step and carry out one event, and what its sending led to; `more`: see `GateCore.step`."""
        if self.spare and type(event) in SPARED:
            return  # what is left of the disk is for cancels and fills
        if self.closed:
            return  # after the end nothing is taken in: it is asked for at the next start
        self._post(event, offset, more)
        while self._follow_ups:
            self._post(self._follow_ups.popleft(), NOT_INBOUND)

    def _post(self, event: Event, offset: int, more: bool = False) -> None:
        stamp = self._stamp = self.clock.stamp()
        try:
            taken = encode(Input(stamp, event, offset, more))  # type: ignore[arg-type]
        except (OverflowError, UnicodeEncodeError) as error:  # every reader bounds these; this one did not
            event = EngineAlarm(text=f"{type(event).__name__} is not taken: {error}")
            taken = encode(Input(stamp, event, offset))
        step = None
        try:
            step = self.core.step(stamp, event, more)
        finally:
            if step is None:
                self.journal.append(taken)  # what broke us is the first thing that anybody will ask for
        decided = decisions(step.effects)
        # A step has no effect until it is carried out, so input and decisions are one write.
        size = self.journal.append(taken, encode(Output(decided))) if decided else self.journal.append(taken)
        held = self.held
        for effect in step.effects:
            if held is not None and held.take(effect):
                continue
            if type(effect) is SendOrder:
                self._send_order(effect)
            else:
                self._acts[type(effect)](effect)
        self.metrics.stepped(event, step, size)
        self.inputs += 1
        if self.inputs % DIGEST_EVERY == 0:
            self.write_digest(whole=False)

    def write_digest(self, whole: bool = True) -> None:
        """Journal a hash of the state, for whoever replays."""
        self.journal.append(encode(Digest(self.core.state_hash(whole), whole)))

    def wait_for_disk(self, later: Callable[[Callable[[], None]], object]) -> None:
        """Send no order before its intent is on the disk. `later` runs a call on the loop, from a thread.

        In lockstep time stands still meanwhile, so that the loop itself may wait.
        """
        if self.lockstep:
            self._sync_first = True
            return
        held = self.held = Held(self.core, self.journal, self.post, lambda e: self._acts[type(e)](e))

        def told(durable: int) -> None:
            later(lambda: held.release(durable))

        self.journal.on_durable = told

    # --- acts ---------------------------------------------------------------------------------

    def _send_held(self, effect: SendHeld) -> None:
        order = self.held.give(effect.cl_ord_id) if self.held is not None else None
        if order is not None:  # a replay of an event that came twice
            self._send_order(order)

    def _drop_held(self, effect: DropHeld) -> None:
        if self.held is not None:
            self.held.give(effect.cl_ord_id)

    def _send_order(self, effect: SendOrder) -> None:
        order = effect.approved.order
        if self._sync_first:
            self.journal.sync()
        decided_ns = time.monotonic_ns()
        result = self._line.send(effect.approved, self._stamp.ts_ns)
        self._heed("G" if isinstance(order, ReplaceOrder) else "D", order.cl_ord_id, result)
        if self.lockstep or not result.sent:
            return
        now_ns = time.monotonic_ns()
        arrived_ns = self._stamp.mono_ns
        self.latency["intent_to_wire"].observe(now_ns - arrived_ns)
        self.latency["journal_and_step"].observe(decided_ns - arrived_ns)
        self.latency["engine"].observe(now_ns - decided_ns)
        self.metrics.intent_to_wire.observe((now_ns - arrived_ns) / 1e9)
        if effect.cause_mono_ns > 0:
            self.latency["tick_to_order"].observe(now_ns - effect.cause_mono_ns)
        if effect.decided_mono_ns > 0:
            self.latency["decision_to_gate"].observe(arrived_ns - effect.decided_mono_ns)

    def _send_cancel(self, effect: SendCancel) -> None:
        self._heed("F", effect.order.cl_ord_id, self._line.cancel(effect.order, self._stamp.ts_ns))

    def _ask_status(self, effect: AskStatus) -> None:
        self._heed("H", effect.request.cl_ord_id, self._line.status(effect.request, self._stamp.ts_ns))

    def _ask_mass_status(self, effect: AskMassStatus) -> None:
        self._heed("AF", effect.request.req_id, self._line.mass_status(effect.request))

    def _ask_positions(self, effect: AskPositions) -> None:
        now_ns = self._stamp.ts_ns or time.time_ns()  # it is asked before anybody may have told market time
        self._heed("AN", effect.request.req_id, self._line.positions(effect.request, now_ns))

    def _send_mass_cancel(self, effect: SendMassCancel) -> None:
        self._heed("q", effect.request.cl_ord_id, self._line.mass_cancel(effect.request, self._stamp.ts_ns))

    def _send_dont_know(self, effect: SendDontKnow) -> None:
        self._heed("Q", effect.order.exec_id, self._line.dont_know(effect.order))

    @property
    def _line(self) -> OrderEntry:
        assert self.entry is not None, "the engine stands before anything is sent"
        return self.entry

    def _heed(self, msg_type: str, ref_id: str, result: SendResult) -> None:
        """Have the core hear of what did not leave."""
        if not result.sent:
            failed = SendFailed(
                msg_type=msg_type, ref_id=ref_id, reason=result.reason, unsupported=result.unsupported
            )
            self._follow_ups.append(failed)

    def _latch_kill(self, effect: LatchKill) -> None:
        """Latch in the kernel now, and on the disk beside the cancels that follow."""
        latch, scope = self._latch, effect.scope
        try:
            known = scope in latch.scopes() if scope else latch.held() is not None
            if not known or (not scope and latch.touched()):
                latch.set(effect.reason, scope)
                self.beside(latch.sync)
        except OSError as error:  # a full disk: the journal has it, and cancels follow
            log.error("the kill latch is not written", error=error.strerror)


def write_note(effect: Note) -> None:
    """Put a note of the core into the log."""
    getattr(log, effect.level)(effect.event, **effect.fields)
