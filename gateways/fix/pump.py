"""Calls quickfix's initiator from the loop, so that it needs no thread (docs/decisions/0034).

    pump = Pump(connector, addresses, wakers, keep_time, loop)
    pump.start()          # quickfix's ConfigError where it does not like its settings
    pump.poll()           # let it read, write and keep time once
    pump.changed = True   # a connection came or went: the next poll looks for it

A poll is due when one of quickfix's sockets can be read, and fifty times a second for its timers and its
dialling. It does not name its sockets, so they are found among this process's descriptors: connections by
the address that they go to, its waker by having come with the connector.
"""

import asyncio
import contextlib
import fcntl
import os
import socket
import stat
import time
from collections.abc import Callable, Set
from termios import TIOCOUTQ
from typing import Any, Final

TICK_S: Final = 0.02  # so late at most it dials or sends a heartbeat; it counts in seconds itself
FLUSH_TICK_S: Final = 0.001
FLUSH_POLLS: Final = 32  # messages that a tick of flushing can write: quickfix writes one a poll
FLUSH_CALM_S: Final = 1.0  # nothing on its way for so long: all of it was written

Address = tuple[str, int]
Line = tuple[int, int]  # a connection: descriptor, and inode, for the same number soon stands for another


class Pump:
    """Calls quickfix when there is something to read, to write, or a second has passed."""

    def __init__(
        self,
        connector: Any,
        addresses: Set[Address],
        wakers: Set[int],
        keep_time: Callable[[], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.changed = True
        self._connector = connector
        self._addresses = addresses
        self._wakers = wakers
        self._keep_time = keep_time
        self._loop = loop
        self._lines: frozenset[Line] = frozenset()  # that are read
        self._flush_until_s = 0.0

    def start(self) -> None:
        """Begin to dial."""
        self._tick()
        for fd in self._wakers:
            self._loop.add_reader(fd, self._write_on)

    def poll(self) -> None:
        """Let quickfix read, write and keep time; then see to its connections."""
        self._connector.poll()
        self._watch()

    def _tick(self) -> None:
        self.poll()
        self._keep_time()  # a poll thinks of heartbeats only where it found nothing to read
        self._watch()  # now: what it closed may be the descriptor of somebody else's connection next
        self._loop.call_later(TICK_S, self._tick)

    def _watch(self) -> None:
        """Wait for what comes on connections that are new, and no more for those that are gone."""
        if not self.changed:
            return
        self.changed = False
        now = connections(self._addresses)
        for fd, _ in self._lines - now:
            self._loop.remove_reader(fd)
        for fd, _ in now - self._lines:
            self._loop.add_reader(fd, self.poll)
        self._lines = now

    def _write_on(self) -> None:
        """Be told, by its waker, that quickfix was not rid of a message at once."""
        idle = time.monotonic() >= self._flush_until_s
        self._flush_until_s = time.monotonic() + FLUSH_CALM_S
        self.poll()
        if idle:
            self._flush()

    def _flush(self) -> None:
        """Write what waits, until nothing has been on its way for a while."""
        for _ in range(FLUSH_POLLS):
            self.poll()
        now_s = time.monotonic()
        if any(on_its_way(fd) for fd, _ in self._lines):
            self._flush_until_s = now_s + FLUSH_CALM_S
        if now_s < self._flush_until_s:
            self._loop.call_later(FLUSH_TICK_S, self._flush)


def sockets() -> frozenset[int]:
    """Return the descriptors of this process that are sockets."""
    with os.scandir("/proc/self/fd") as entries:
        return frozenset(fd for fd in (int(entry.name) for entry in entries) if is_socket(fd))


def is_socket(fd: int) -> bool:
    """Return whether a descriptor is a socket's; one that is closed is none."""
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False


def connections(addresses: Set[Address]) -> frozenset[Line]:
    """Return the connections of this process to one of these addresses."""
    found: set[Line] = set()
    for fd in sockets():
        with contextlib.suppress(OSError):  # closed by now
            if peer(fd) in addresses:
                found.add((fd, os.fstat(fd).st_ino))
    return frozenset(found)


def peer(fd: int) -> Address | None:
    """Return where a connection over IPv4 goes; OSError: it is not connected."""
    with socket.socket(fileno=os.dup(fd)) as found:
        return found.getpeername() if found.family == socket.AF_INET else None


def on_its_way(fd: int) -> bool:
    """Return whether something was written to a connection that the other side has not acknowledged."""
    try:
        return any(fcntl.ioctl(fd, TIOCOUTQ, bytes(4)))
    except OSError:
        return False  # closed by now
