"""The gate's sign of life: a slot of shared memory that its loop writes and the guard reads.

    beat = Heartbeat.make(state_dir)       # the gate: its pid, and that it lives
    beat.write(mono_ns); beat.stop()       # stop: an end in order, nobody need act
    seen = read(state_dir)                 # the guard: None where there is no gate, or no whole slot

The slot is a file, mapped: a write is a store, no system call, and never waits for a disk. A pid alone may
be another process by now, so that the start of the process stands beside it.
"""

import mmap
import os
import struct
from pathlib import Path
from typing import Final

import msgspec

NAME: Final = "heartbeat"
MAGIC: Final = b"STEADYHB"
SLOT: Final = struct.Struct("<8sQQQQ")  # magic, pid, start of the process, beat, stopped
BEAT_AT: Final = 24
STOPPED_AT: Final = 32
WORD: Final = struct.Struct("<Q")
STAT_BYTES_MAX: Final = 4_096  # /proc/PID/stat is one line
START_FIELD: Final = 19  # of what follows the name in /proc/PID/stat: start time in clock ticks


class Beat(msgspec.Struct, frozen=True):
    """What the slot says."""

    pid: int
    started: int
    mono_ns: int
    stopped: bool


class Heartbeat:
    """The gate's end."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory

    @staticmethod
    def make(state_dir: Path, mono_ns: int) -> "Heartbeat":
        """Make the slot anew, for this process; what is there is another's (`clear`)."""
        clear(state_dir)
        descriptor = os.open(state_dir / NAME, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, SLOT.size)
            memory = mmap.mmap(descriptor, SLOT.size)
        finally:
            os.close(descriptor)
        pid = os.getpid()
        SLOT.pack_into(memory, 0, MAGIC, pid, started(pid), mono_ns, 0)
        return Heartbeat(memory)

    def write(self, mono_ns: int) -> None:
        """Give one sign of life."""
        WORD.pack_into(self._memory, BEAT_AT, mono_ns)

    def stop(self) -> None:
        """Say that this was an end in order."""
        WORD.pack_into(self._memory, STOPPED_AT, 1)
        self._memory.close()


def clear(state_dir: Path) -> None:
    """Remove the slot of a process that is gone, or what lies in its place.

    Raises:
        OSError: a directory does, or the disk refuses.

    """
    (state_dir / NAME).unlink(missing_ok=True)


def read(state_dir: Path) -> Beat | None:
    """Return what the slot says, None where there is none."""
    try:
        raw = (state_dir / NAME).read_bytes()
    except OSError:
        return None
    if len(raw) != SLOT.size:
        return None
    magic, pid, begun, mono_ns, stopped = SLOT.unpack(raw)
    return Beat(pid, begun, mono_ns, bool(stopped)) if magic == MAGIC and pid > 0 else None


def started(pid: int) -> int:
    """Return when a process started (clock ticks since boot), 0 where there is none."""
    try:
        with Path(f"/proc/{pid}/stat").open("rb") as file:
            line = file.read(STAT_BYTES_MAX)
    except OSError:
        return 0
    rest = line[line.rfind(b")") + 2 :].split()  # a name may hold spaces and brackets
    return int(rest[START_FIELD]) if len(rest) > START_FIELD else 0
