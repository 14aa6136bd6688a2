"""Ending a gate that is stuck: the process by its pidfd, and its order session at once.

    target = Target.of(beat)              # when a gate is first seen: nothing is left to look up later
    found = target.sessions({port})       # its order session
    target.kill(); cut(found)             # SIGKILL, and the session is shut down
    await gone(beat)

A process that is killed closes its sockets when its threads have had the processor, which on a busy host
takes tenths of a second. The guard has the processor already: it shuts the session down itself, where the
kernel lets it have the socket (the same user, no ptrace_scope against it); where not, the kill does it.
"""

import asyncio
import contextlib
import ctypes
import itertools
import os
import signal
import socket
import stat
import time
from pathlib import Path
from typing import Final

from daemon import heartbeat
from daemon.heartbeat import Beat

DIED_WAIT_S: Final = 2.0  # for a killed process to be gone; longer is one that hangs in the kernel
DIED_POLL_S: Final = 0.001
PIDFD_GETFD: Final = 438  # the number of the system call, on every architecture
DESCRIPTORS_MAX: Final = 1_024  # of a gate that are looked through for its session: the unit's LimitNOFILE
_syscall = ctypes.CDLL(None, use_errno=True).syscall


class Target:
    """A gate that may have to be killed: its pidfd, from when it was first seen."""

    def __init__(self, beat: Beat, descriptor: int, fault: str) -> None:
        self.beat, self._descriptor, self.fault = beat, descriptor, fault

    @staticmethod
    def of(beat: Beat) -> "Target":
        """Take hold of the process that the slot names, and of no other."""
        try:
            descriptor = os.pidfd_open(beat.pid)
        except ProcessLookupError:
            return Target(beat, -1, "gone before")
        except OSError as error:
            return Target(beat, -1, f"no pidfd: {error.strerror}")
        if heartbeat.started(beat.pid) not in (0, beat.started):  # 0: /proc does not say; the kernel judges
            os.close(descriptor)
            return Target(beat, -1, "gone before")  # its pid is another process's by now
        return Target(beat, descriptor, "")

    def signal(self, number: int) -> str:
        """Send a signal (0: only ask whether we might); return why it did not go, "" where it did."""
        if self._descriptor < 0:
            return self.fault
        try:
            signal.pidfd_send_signal(self._descriptor, number)
        except ProcessLookupError:
            return "gone before"
        except OSError as error:
            return f"not killed: {error.strerror}"
        return ""

    def kill(self) -> str:
        """Kill it; return what came of it."""
        return self.signal(signal.SIGKILL) or "killed"

    def sessions(self, ports: set[int]) -> list[socket.socket]:
        """Return its connections to these ports, as our own: to be taken before it is killed."""
        found = []
        for theirs in self._sockets() if self._descriptor >= 0 else ():
            mine = _syscall(PIDFD_GETFD, self._descriptor, theirs, 0)
            if mine < 0:
                continue  # not ours to have, or closed by now: the kill closes it
            connection = socket.socket(fileno=mine)
            if port_of(connection) in ports:
                found.append(connection)
            else:
                connection.close()
        return found

    def _sockets(self) -> list[int]:
        """Return the numbers of its descriptors that are sockets."""
        found: list[int] = []
        try:
            with os.scandir(f"/proc/{self.beat.pid}/fd") as entries:
                for entry in itertools.islice(entries, DESCRIPTORS_MAX):
                    with contextlib.suppress(OSError):  # closed by now
                        if stat.S_ISSOCK(entry.stat().st_mode):
                            found.append(int(entry.name))
        except OSError:
            return []  # gone, or not ours to look at
        return found

    def close(self) -> None:
        """Let go of it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self.fault = -1, "let go of"


def port_of(connection: socket.socket) -> int:
    """Return the port that a connection of TCP goes to, 0 for anything else."""
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return 0
    try:
        return int(connection.getpeername()[1])
    except OSError:
        return 0  # not connected


def cut(sessions: list[socket.socket]) -> int:
    """Shut connections down, whoever else holds them; return how many there were."""
    for connection in sessions:
        with contextlib.suppress(OSError):  # closed from the other side
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
    return len(sessions)


async def gone(beat: Beat) -> bool:
    """Wait until a killed process is gone."""
    deadline = time.monotonic() + DIED_WAIT_S
    while heartbeat.started(beat.pid) == beat.started and not is_zombie(beat.pid):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(DIED_POLL_S)
    return True


def is_zombie(pid: int) -> bool:
    """Return whether a process has ended and waits for its parent to look."""
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return True
    return line[line.rfind(b")") + 2 :][:1] in (b"Z", b"X")
