"""A session's next sequence numbers, kept through kill -9 in one small write each.

quickfix's own file store writes two files a message (9 us warm, 30 cold), to be able to resend what
we never resend: our orders are gap-filled. The numbers alone are 20 bytes. Ours is written before the
bytes leave (a number used twice would end the session), theirs after the message is in the inbound log
(a number not yet counted is asked for again). Like the engine's, the file is not fsynced.
"""

import os
import struct
import zlib
from pathlib import Path
from typing import Final

from gateways.fix.sessions import EngineError

RECORD: Final = struct.Struct("<QQ")
CHECK: Final = struct.Struct("<I")
SIZE: Final = RECORD.size + CHECK.size


class SequenceNumbers:
    """The next numbers of one session, ours and theirs."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        record = os.pread(self._fd, SIZE + 1, 0)
        self.ours, self.theirs = 1, 1
        if record:
            if len(record) != SIZE or CHECK.pack(zlib.crc32(record[: RECORD.size])) != record[RECORD.size :]:
                raise EngineError(f"{path}: damaged; agree the numbers with the broker, then remove it")
            self.ours, self.theirs = RECORD.unpack(record[: RECORD.size])

    def set_ours(self, number: int) -> None:
        """Note the number of our next message."""
        self.ours = number
        self._write()

    def set_theirs(self, number: int) -> None:
        """Note the number of the next message that we want."""
        if number != self.theirs:
            self.theirs = number
            self._write()

    def _write(self) -> None:
        record = RECORD.pack(self.ours, self.theirs)
        os.pwrite(self._fd, record + CHECK.pack(zlib.crc32(record)), 0)
