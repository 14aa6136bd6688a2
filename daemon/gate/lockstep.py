"""The gate in lockstep: the venue owns time, and waits until gate and trader have nothing more to say.

    advance (venue) -> everything that FIX brought up to its counts, commands, a timer -> tick (trader)
    -> its intents -> tock -> idle (venue)

What FIX brings between two instants is kept until the counts say that all of it has come, so that the
order of events is the venue's and not the network's.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

from daemon.clock import Clock
from daemon.gate.links import Links
from daemon.gate.shell import GateShell
from gateways.fix.sessions import ORDER, REFERENCE, Received
from gateways.link import FromVenue, Peer
from market import events as ev
from market import updates as up
from market.people_events import SignedCommand, StopScope
from risk import commands

WAIT_S: Final = 30.0  # for what a count promised, and for a trader's tock: a run that hangs says so
GRID_NS: Final = 1_000_000  # the venue's grid: answers of this instant are seen at the next
CONNECT_TRIES: Final = 60  # 30 s in all: the bound of every wait in lockstep
CONNECT_WAIT_S: Final = 0.5  # between two tries
QUEUE_MAX: Final = 100_000  # FIX messages of one instant, commands between two
log = structlog.get_logger()


class LockstepGate:
    """One run in virtual time. `step` takes FIX messages into the core; `failed` ends the process."""

    def __init__(
        self,
        shell: GateShell,
        clock: Clock,
        links: Links,
        sent: Callable[[str], int],
        step: Callable[[str, Received], None],
        failed: Callable[[str], None],
    ) -> None:
        self._shell = shell
        self._clock = clock
        self._links = links
        self._sent = sent
        self._step = step
        self._failed = failed
        self._peer: Peer | None = None
        self._advance: ev.LockAdvance | None = None
        self._queues: dict[str, deque[Received]] = {ORDER: deque(), REFERENCE: deque()}
        self._received = {ORDER: 0, REFERENCE: 0}
        self._commands: deque[ev.Event] = deque()
        self._waiting: set[int] = set()  # epochs whose tock is due
        self._next_ns = 0
        self._told = 0
        self._timeout: asyncio.TimerHandle | None = None
        clock.lock(0)  # before the first instant time is not known

    async def connect(self, path: Path) -> None:
        """Dial the venue.

        Raises:
            OSError: nobody listens there.

        """
        loop = asyncio.get_running_loop()
        for attempt in range(CONNECT_TRIES):
            try:
                await loop.create_unix_connection(
                    lambda: Peer(FromVenue, self._messages, self._closed, self._opened), str(path)
                )
            except OSError:
                if attempt == CONNECT_TRIES - 1:
                    raise
                await asyncio.sleep(CONNECT_WAIT_S)
            else:
                return

    def logged_on(self, session: str) -> None:
        """Counts of a session begin anew at its logon."""
        self._queues[session].clear()
        self._received[session] = 0

    def received(self, session: str, message: Received) -> None:
        """Keep a FIX message until its instant."""
        if message.n == 0:  # a session-level reject is not counted: it belongs to no instant
            self._step(session, message)
            return
        queue = self._queues[session]
        if len(queue) >= QUEUE_MAX:
            self._failed(f"lockstep: more than {QUEUE_MAX} FIX messages in one instant")
            return
        queue.append(message)
        self._received[session] = message.n
        self._try()

    def command(self, event: ev.Event) -> None:
        """Keep a command until the next instant; a kill does not wait."""
        if isinstance(event, ev.Kill | ev.Shutdown | StopScope) or stops(event):
            self._shell.post(event)
        elif len(self._commands) < QUEUE_MAX:
            self._commands.append(event)

    def tock(self, epoch: int, tock: ev.LockTock) -> None:
        """A trader has nothing more to say at this instant."""
        if self._advance is None or tock.tick != self._advance.tick or epoch not in self._waiting:
            return
        self._waiting.discard(epoch)
        if tock.next_ts_ns and (not self._next_ns or tock.next_ts_ns < self._next_ns):
            self._next_ns = tock.next_ts_ns
        if not self._waiting:
            self._idle()

    def trader_gone(self, epoch: int) -> None:
        """Do not wait for a trader that is gone."""
        if epoch in self._waiting:
            self._waiting.discard(epoch)
            if not self._waiting:
                self._idle()

    # --- the venue's line -------------------------------------------------------------------------

    def _opened(self, peer: Peer) -> None:
        self._peer = peer

    def _closed(self, _: Peer, reason: str) -> None:
        self._peer = None
        self._stop_waiting()
        log.info("lockstep: the venue is gone", reason=reason)

    def _messages(self, _: Peer, messages: list[Any]) -> None:
        for message in messages:
            if self._advance is not None:
                self._failed(
                    f"lockstep: tick {message.tick} came before tick {self._advance.tick} was answered"
                )
                return
            self._advance = message
            self._wait_for(f"the FIX messages of tick {message.tick}")
            self._try()

    def _try(self) -> None:
        """Step the instant when everything that the venue counted has come."""
        advance = self._advance
        if advance is None or self._waiting:
            return
        if self._received[ORDER] < advance.order_messages:
            return
        if self._received[REFERENCE] < advance.reference_messages:
            return
        self._stop_waiting()
        self._clock.lock(advance.ts_ns)
        for session, count in ((ORDER, advance.order_messages), (REFERENCE, advance.reference_messages)):
            queue = self._queues[session]
            while queue and queue[0].n <= count:
                self._step(session, queue.popleft())
        while self._commands:
            self._shell.post(self._commands.popleft())
        self._shell.post(ev.Timer())
        self._tick(advance)

    def _tick(self, advance: ev.LockAdvance) -> None:
        self._next_ns = 0
        self._waiting = set(self._links.epochs)
        tick = up.LockTick(tick=advance.tick, ts_ns=advance.ts_ns, feed_seq=advance.feed_seq)
        for epoch in self._links.epochs:
            self._links.tell(epoch, tick)
        self._told = self._links.told
        if self._waiting:
            self._wait_for(f"the trader's tock to tick {advance.tick}")
        else:
            self._idle()

    def _idle(self) -> None:
        """Tell the venue that this instant is over."""
        self._stop_waiting()
        advance, self._advance = self._advance, None
        assert advance is not None
        wishes = [self._next_ns, self._shell.core.next_wake_ns(self._clock.stamp())]
        if self._links.told > self._told:
            wishes.append(advance.ts_ns + GRID_NS)
        idle = ev.LockIdle(
            tick=advance.tick,
            order_messages=self._sent(ORDER),
            reference_messages=self._sent(REFERENCE),
            next_ts_ns=min((w for w in wishes if w > 0), default=0),
        )
        if self._peer is not None:
            self._peer.send(idle)

    def _wait_for(self, what: str) -> None:
        self._stop_waiting()
        loop = asyncio.get_running_loop()
        self._timeout = loop.call_later(WAIT_S, self._failed, f"lockstep: waited {WAIT_S:g} s for {what}")

    def _stop_waiting(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None


def stops(event: ev.Event) -> bool:
    """Return whether a signed command kills or halts."""
    if not isinstance(event, SignedCommand):
        return False
    return isinstance(commands.read(event.text).body, commands.KillOrder | commands.HaltOrder)
