"""The trader's shell around its core: stamp, step, send, journal. One thread, no await in between.

The journal comes last, since an order must not wait for it: this one may be lost, the gate's may not
(docs/decisions/0010).

Feed and link call in; what comes out goes to the link. In lockstep it holds everything back until
the gate says which instant it is.
"""

import time
from collections.abc import Callable
from typing import Any, Final

import structlog

from daemon.clock import Clock
from daemon.journal import Journal
from daemon.metrics.block import apart
from daemon.trader.core import TraderCore
from daemon.trader.events import NOTHING, FeedDown, FeedIdle, FeedReset, FeedResumed, FeedUp, Step
from daemon.trader.feed import Intake
from daemon.trader.journal import PIECE_BYTES_MAX, Frame, Input, Midnight, Output, Read, StateHash, encode
from daemon.trader.market import MIDNIGHT
from daemon.trader.metrics import TraderMetrics
from gateways.feeds.glimpse import Snapshot, pieces
from market import events as ev
from market import updates as up
from market.types import NS

log = structlog.get_logger()

HASH_EVERY: Final = 20_000  # inputs between two state hashes in the journal: one takes a millisecond
HELD_MAX: Final = 100_000  # lockstep: reads and updates of one instant; more is no instant


class Shell:
    """What acts. `send` is the link's, `wake_in` the loop's timer; both are set by whoever runs it."""

    def __init__(
        self, core: TraderCore, clock: Clock, metrics: TraderMetrics, journal: Journal | None
    ) -> None:
        self.core = core
        self.clock = clock
        self.lockstep = False
        self.intake: Intake | None = None
        self.send: Callable[[ev.Event], bool] = lambda _: False
        self.wake_in: Callable[[float], None] = lambda _: None
        self.broken: Callable[[str], object] = lambda _: None  # a read did it; nothing more is decided
        self._metrics = metrics
        self._gauges = apart(metrics.second)
        self._journal = journal
        self._held_reads: list[tuple[int, bytes]] = []
        self._held_events: list[Any] = []
        self._inputs = 0
        self._status_second = 0

    # --- what comes ---

    def begin_market(self, ts_ns: int) -> None:
        """Market time is known: the feed's times count from this day's midnight."""
        if self.intake is None:
            instrument = next(iter(self.core.markets.values())).instrument
            midnight_ns = instrument.at(instrument.day_of(ts_ns), MIDNIGHT)
            self.intake = Intake(self.core, midnight_ns)
            self._write(Midnight(midnight_ns))

    def event(self, event: Any, mono_ns: int = 0) -> None:
        """Take one event now, or hold it until its instant."""
        if self.lockstep:
            self._hold(self._held_events, event)
            return
        mono_ns = mono_ns or self.clock.mono_ns()
        self._step(ev.Stamp(self.clock.market_ns(mono_ns), mono_ns), event)
        self._sleep(mono_ns)

    def heard(self) -> None:
        """The feed's server lives, whatever the market does."""
        self._metrics.heard()

    def read(self, packets: memoryview, first_seq: int, mono_ns: int) -> None:
        """Take one read of the feed now, or hold it."""
        if self.lockstep:
            self._hold(self._held_reads, (first_seq, bytes(packets)))
            return
        self._take(ev.Stamp(self.clock.market_ns(mono_ns), mono_ns), first_seq, bytes(packets))
        self._metrics.applied(time.monotonic_ns() - mono_ns)
        self._sleep(mono_ns)

    def resynchronised(self, snapshot: Snapshot) -> None:
        """Take a snapshot at once, in lockstep too: it stands for everything before it."""
        assert self.intake is not None, "the feed begins after market time"
        self._held_reads.clear()
        stamp = self.clock.stamp()
        self._step(stamp, FeedReset())
        for piece in pieces(snapshot.packets):
            self._take(stamp, 0, piece)
        self._step(stamp, FeedResumed(next_seq=snapshot.next_seq))

    def logged_in(self, session: str) -> None:
        """The feed accepted our login."""
        self._metrics.logged_in(session)

    def refused(self, by: str) -> None:
        """A login, or a snapshot, was asked for in vain."""
        self._metrics.refused(by)

    def wake(self) -> None:
        """The timer rang: decide what is due."""
        mono_ns = self.clock.mono_ns()
        ts_ns = self.clock.market_ns(mono_ns)
        due_ns = self.core.next_due_ns()
        if due_ns and ts_ns >= due_ns and not self.lockstep:
            self._step(ev.Stamp(ts_ns, mono_ns), ev.Timer())
        self._sleep(mono_ns)

    def tick(self, tick: up.LockTick) -> None:
        """Lockstep: it is this instant, and everything that belongs to it is here."""
        self.clock.lock(tick.ts_ns)
        stamp = ev.Stamp(tick.ts_ns, tick.ts_ns)
        reads, self._held_reads = self._held_reads, []
        events, self._held_events = self._held_events, []
        if any(isinstance(event, FeedDown) for event in events):
            # A hole that was filled within the instant: the instant says that the feed is whole.
            for event in [e for e in events if isinstance(e, FeedDown | FeedUp)]:
                events.remove(event)
                self._step(stamp, event)
            if not self.core.broken:
                self._step(stamp, FeedIdle())
        first_seq = reads[0][0] if reads else 0
        # However the wire cut it: a decision may hang on where a read ends, and must not on the pace.
        for piece in pieces(b"".join(packets for _, packets in reads), PIECE_BYTES_MAX):
            first_seq += self._take(stamp, first_seq, piece)
        for event in events:
            self._step(stamp, event)
        if self.core.unfit and not self.core.broken:
            self._step(stamp, FeedIdle())  # the instant itself says that the feed is complete
        due_ns = self.core.next_due_ns()
        if due_ns and tick.ts_ns >= due_ns:
            self._step(stamp, ev.Timer())
        if tick.ts_ns // NS != self._status_second:
            self._status_second = tick.ts_ns // NS
            self.send(self.core.status())
        due_ns = self.core.next_due_ns()
        self.send(ev.LockTock(tick=tick.tick, next_ts_ns=max(due_ns, tick.ts_ns + 1) if due_ns else 0))

    def second(self) -> None:
        """Once a second: what the gate and the metrics are told."""
        self._gauges(self.core)
        if not self.lockstep:
            self.send(self.core.status())

    def close(self) -> None:
        """Leave a journal that can be replayed to the end."""
        self._write(StateHash(self.core.state_hash()))
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    # --- journal, step, send ---

    def _hold(self, held: list[Any], what: Any) -> None:
        assert len(held) < HELD_MAX, "more than one instant is held back"
        held.append(what)

    def _step(self, stamp: ev.Stamp, event: Any) -> None:
        taken, step = Input(stamp, event), None
        try:
            step = self.core.step(stamp, event)
            self._send_all(step)
        finally:
            self._write(taken, *self._output(step))
        self._note(step, stamp.mono_ns if type(event) is not ev.Timer else 0)
        self._count()

    def _take(self, stamp: ev.Stamp, first_seq: int, packets: bytes) -> int:
        """Step the core through packets; return how many messages they were."""
        assert len(packets) <= PIECE_BYTES_MAX, "a read is smaller than a journal frame"
        assert self.intake is not None, "the feed begins after market time"
        frames: list[Frame] = [Read(stamp, first_seq, packets)]
        try:
            for step, batch, used in self.intake.take(stamp, packets, first_seq):
                self._send_all(step)
                frames += self._output(step)
                self._metrics.read(batch, used)
                self._note(step, stamp.mono_ns)
        finally:
            self._write(*frames)
        if self.intake.fault and not self.core.broken:
            log.error("feed broken", error=self.intake.fault)
            self._step(stamp, FeedDown(reason=self.intake.fault, broken=True))
        if self.core.broken and first_seq:
            self.broken(self.core.broken)
        self._count()
        return self.intake.decoder.next_seq - first_seq

    def _send_all(self, step: Step) -> None:
        for intent in step.intents:
            self.send(intent)

    def _output(self, step: Step | None) -> tuple[Frame, ...]:
        """Return what the journal keeps of a step: nothing where nothing was decided."""
        if step is None or step is NOTHING:
            return ()
        return (Output(self.core.decisions, self.core.obs_hash, step.intents),)

    def _note(self, step: Step, cause_mono_ns: int) -> None:
        if step is not NOTHING:
            self._metrics.stepped(step, 0 if self.lockstep else cause_mono_ns)

    def _count(self) -> None:
        self._inputs += 1
        if self._inputs % HASH_EVERY == 0:
            self._write(StateHash(self.core.state_hash()))

    def _write(self, *frames: Frame) -> None:
        if self._journal is not None:
            self._journal.append(*(encode(frame) for frame in frames))

    def _sleep(self, mono_ns: int) -> None:
        """Have the timer ring when the next decision falls due."""
        due_ns = self.core.next_due_ns()
        anchor = self.clock.anchor
        if due_ns and anchor is not None and not self.lockstep:
            due_mono_ns = anchor.anchor_mono_ns + (due_ns - anchor.anchor_ts_ns) / anchor.speed
            self.wake_in((due_mono_ns - mono_ns) / NS)
