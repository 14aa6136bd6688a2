"""A session's next sequence numbers, kept through kill -9 in mapped memory: no system call a message.

quickfix's own file store writes two files a message (9 us warm, 30 cold), to be able to resend what
we never resend: our orders are gap-filled. The numbers alone are 16 bytes. Ours is written before the
bytes leave (a number used twice would end the session), theirs after the message is in the inbound log
(a number not yet counted is asked for again). Like the engine's, the file is not fsynced.

A mapped page belongs to the kernel: what is stored in it outlives the process, however that ends. A store
may be cut in half, though, so each number has two slots with a check sum, written in turn: the one that was
being written is whole or known to be torn, and then the other one holds, the last that anybody acted on. The
two numbers share no slot: ours is written by whoever sends, one at a time, theirs where the engine reads.
"""

import mmap
import os
import struct
import zlib
from pathlib import Path
from typing import Final

from gateways.fix.sessions import EngineError

RECORD: Final = struct.Struct("<QQ")  # which writing this is, the number
CHECK: Final = struct.Struct("<I")
SLOT: Final = RECORD.size + CHECK.size
SLOTS: Final = 2
FILE_SIZE: Final = 2 * SLOTS * SLOT


class SequenceNumbers:
    """The next numbers of one session, ours and theirs."""

    def __init__(self, path: Path) -> None:
        try:
            page = self._open(path)
        except OSError as error:
            raise EngineError(f"{path}: {error.strerror}; it holds the numbers of a FIX session") from None
        if page is not None:
            self._ours, self._theirs = Number(page, 0), Number(page, SLOTS * SLOT)
        if page is None or self._ours.damaged or self._theirs.damaged:
            raise EngineError(f"{path}: damaged; agree the numbers with the broker, then remove it")

    @staticmethod
    def _open(path: Path) -> mmap.mmap | None:
        """Map the file, a new one where there is none; None where it is of another size, as an empty one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(path):
            new = path.with_name(f".{path.name}.new")  # whoever finds the file finds all of it
            new.touch(0o600)
            os.truncate(new, FILE_SIZE)
            new.rename(path)
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            return mmap.mmap(fd, FILE_SIZE) if os.fstat(fd).st_size == FILE_SIZE else None
        finally:
            os.close(fd)

    @property
    def ours(self) -> int:
        """Return the number of our next message."""
        return self._ours.value

    @property
    def theirs(self) -> int:
        """Return the number of the next message that we want."""
        return self._theirs.value

    def set_ours(self, number: int) -> None:
        """Note the number of our next message."""
        self._ours.set(number)

    def set_theirs(self, number: int) -> None:
        """Note the number of the next message that we want."""
        if number != self.theirs:
            self._theirs.set(number)


class Number:
    """One number in two slots."""

    def __init__(self, page: mmap.mmap, at: int) -> None:
        self._page, self._at = page, at
        whole = [record for n in range(SLOTS) if (record := self._read(n)) is not None]
        self._writing, self.value = max(whole, default=(0, 1))
        self.damaged = not whole and any(page[at : at + SLOTS * SLOT])

    def set(self, value: int) -> None:
        """Write it into the slot that does not hold the last one."""
        self.value = value
        self._writing += 1
        record = RECORD.pack(self._writing, value)
        at = self._at + SLOT * (self._writing % SLOTS)
        self._page[at : at + SLOT] = record + CHECK.pack(zlib.crc32(record))

    def _read(self, n: int) -> tuple[int, int] | None:
        at = self._at + SLOT * n
        record, check = self._page[at : at + RECORD.size], self._page[at + RECORD.size : at + SLOT]
        if not any(record) or CHECK.pack(zlib.crc32(record)) != check:
            return None
        writing, value = RECORD.unpack(record)
        return writing, value
