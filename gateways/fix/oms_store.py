"""What must outlive the process of an OMS session: both next numbers, and which report left under which.

The reports themselves are the core's outbox, which a replay of the journal makes again; this file says how
far it has been numbered, and what to send again under an old number. A record is in the kernel before its
bytes leave. Numbers are gateways.fix.numbers; a torn last record is cut off, since its message never left.

After a power cut (the host was started anew) the last records and numbers may be lost: some numbers are left
out, so that none is used twice. The OMS sees a gap, asks, and is told that nothing was there; a report whose
record was lost comes again, under a new number and its old ExecID.
"""

import os
import struct
import time
import zlib
from pathlib import Path
from typing import Final, NamedTuple

from gateways.fix.numbers import SequenceNumbers
from gateways.fix.sessions import EngineError

RECORD: Final = struct.Struct("<QQQ")  # number, place in the outbox, wall time
CHECK: Final = struct.Struct("<I")
RECORD_BYTES: Final = RECORD.size + CHECK.size
RESET: Final = 0  # number of a record that says: numbers began again at 1
SKIP: Final = (
    10_000  # numbers left out after a power cut: more than a second's messages, a disk's worst delay
)
ADMIN: Final = -1  # place of a message that is no report: filled as a gap when it is asked for


class Sent(NamedTuple):
    """A report that has left."""

    place: int
    wall_ns: int


class OmsStore:
    """One session's numbers."""

    def __init__(self, directory: Path, name: str, boot_id: str = "") -> None:
        """Read what was; EngineError where it is damaged. `boot_id`: of this host's kernel."""
        directory.mkdir(parents=True, exist_ok=True)
        self._numbers = SequenceNumbers(directory / f"{name}.numbers")
        self._path = directory / f"{name}.sent"
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._sent: dict[int, Sent] = {}
        self.places = 0  # reports that have a number
        boot = directory / f"{name}.boot"
        self.cut = boot.exists() and boot.read_text() != boot_id
        self._read(self.cut)
        if self.cut:
            self._numbers.set_ours(self._numbers.ours + SKIP)
        boot.write_text(boot_id)

    @property
    def next_out(self) -> int:
        """Return the number of our next message."""
        return self._numbers.ours

    @property
    def next_in(self) -> int:
        """Return the number of the message that we want next."""
        return self._numbers.theirs

    def set_in(self, number: int) -> None:
        """Note the number of the message that we want next, the one before it being journaled."""
        self._numbers.set_theirs(number)

    def out(self, place: int = ADMIN) -> tuple[int, int]:
        """Take the next number for a message that is about to leave; return it and the wall time."""
        number, wall_ns = self._numbers.ours, time.time_ns()
        if place != ADMIN:
            self._append(number, place, wall_ns)
        self._numbers.set_ours(number + 1)
        return number, wall_ns

    def sent(self, number: int) -> Sent | None:
        """Return the report that left under a number, None where it was none."""
        return self._sent.get(number)

    def reset(self) -> None:
        """Both sides agreed to begin again at 1; how far the outbox has been numbered stays."""
        if self.places:
            self._append(RESET, self.places - 1, time.time_ns())
        self._numbers.set_theirs(1)
        self._numbers.set_ours(1)

    def forget(self, places: int) -> None:
        """After a power cut that took more of the journal: what that does not make was never told."""
        held = self._path.read_bytes()
        for at in range(0, len(held), RECORD_BYTES):
            if RECORD.unpack_from(held, at)[1] >= places:
                os.ftruncate(self._fd, at)
                break
        self._sent = {number: sent for number, sent in self._sent.items() if sent.place < places}
        self.places = places

    def close(self) -> None:
        """Bring it to the disk."""
        os.fsync(self._fd)
        os.close(self._fd)

    def _append(self, number: int, place: int, wall_ns: int) -> None:
        record = RECORD.pack(number, place, wall_ns)
        os.write(self._fd, record + CHECK.pack(zlib.crc32(record)))
        self._take(number, place, wall_ns)

    def _take(self, number: int, place: int, wall_ns: int) -> None:
        if number == RESET:
            self._sent.clear()
        else:
            self._sent[number] = Sent(place, wall_ns)
        self.places = place + 1

    def _read(self, cut: bool) -> None:
        """Take in what is there; after a power cut (`cut`) up to what is not whole."""
        held = self._path.read_bytes()
        whole = len(held) - len(held) % RECORD_BYTES
        for at in range(0, whole, RECORD_BYTES):
            record = held[at : at + RECORD.size]
            number, place, wall_ns = RECORD.unpack(record)
            fit = CHECK.pack(zlib.crc32(record)) == held[at + RECORD.size : at + RECORD_BYTES]
            if not fit and (cut or at + RECORD_BYTES == whole):
                whole = at
                break
            if not fit or place != self.places - (number == RESET):
                raise EngineError(
                    f"{self._path}:{at}: damaged; agree the numbers with the OMS, then remove it"
                )
            self._take(number, place, wall_ns)
        os.ftruncate(self._fd, whole)
        last = max(self._sent, default=0)
        if self._numbers.ours <= last:  # the record was written, the number not yet
            self._numbers.set_ours(last + 1)
