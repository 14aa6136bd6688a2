"""When to rehearse: a process that slept comes back to cold caches, so an order's way is walked now and then.

A `Pacer` calls a walk every so often, on the loop, between real events, and leaves it out where real work
went the same way since the last time. What is walked is a stand-in's affair (daemon.gate.rehearsal,
daemon.trader.rehearsal); nothing here knows of an order. A walk that fails ends the rehearsing, not the
process: nobody depends on a stand-in. Decision 14 says why all this is there, and what it costs.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from daemon.journal import Journal
from daemon.segments.disk import DISK
from daemon.segments.layout import Header, JournalError
from daemon.segments.tail import Tail
from gateways.fix.sessions import EngineError

# Whatever a stand-in may run into: our own assertions, its sockets and scratch files, quickfix's refusals.
FAULTS: Final = (
    AssertionError,
    ArithmeticError,
    AttributeError,
    EngineError,
    JournalError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
DRAIN_BYTES: Final = 1 << 16  # more than one walk leaves
log = structlog.get_logger()


class ScratchJournal(Journal):
    """A journal that is written like a real one, never synced and never read."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        scratch = Tail(path, DISK.open(path), Header(1, 0, 1, b"", b""), DISK)
        super().__init__(path, scratch, 0, None)
        self.empty()

    def empty(self) -> None:
        """Forget everything."""
        os.ftruncate(self._tail.fd, 0)
        self._tail.place = 0


class Pacer:
    """One rehearsal's clock."""

    def __init__(self, period_us: int, walk: Callable[[], None], worked: Callable[[], int]) -> None:
        """`worked` counts what real work went the same way."""
        self._period_s = period_us * 1e-6
        self._walk = walk
        self._worked = worked
        self._seen = 0
        self._timer: asyncio.TimerHandle | None = None
        self.walks = 0
        self.fault = ""

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Rehearse from now on."""
        self._timer = loop.call_later(self._period_s, self._ring, loop)

    def end(self) -> None:
        """Rehearse no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(self._period_s, self._ring, loop)
        worked = self._worked()
        if worked != self._seen:
            self._seen = worked
            return
        try:
            self._walk()
            self.walks += 1
        except FAULTS as error:
            self.end()
            self.fault = repr(error)
            log.error("rehearsal ended", walks=self.walks, error=self.fault)


def pair() -> tuple[socket.socket, socket.socket]:
    """Return a connected pair that lives in this process alone."""
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    return ends


def drain(end: socket.socket) -> None:
    """Throw away what came: nobody takes what is rehearsed."""
    with contextlib.suppress(BlockingIOError):
        while len(end.recv(DRAIN_BYTES)) == DRAIN_BYTES:
            pass
