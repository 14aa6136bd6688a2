"""The raw FIX log: every message as it crossed the wire, with its time, before any validation.

One line a message: `2026-11-21T11:26:00.123456Z IN|OUT <raw message with SOH bytes>`.
Written to the kernel at once; several threads may write, each line is one append.
"""

import contextlib
import os
import time
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from gateways.fix.sessions import EngineError


@lru_cache(8)
def _second_text(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"


class Tap:
    """An append-only file of raw messages.

    Raises:
        EngineError: it cannot be written there.

    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise EngineError(
                f"{path}: the log of raw messages cannot be written: {error.strerror}"
            ) from None

    def write(self, direction: str, raw: str) -> None:
        """Append one message."""
        second, part = divmod(time.time_ns(), 10**9)
        line = f"{_second_text(second)}.{part // 1000:06d}Z {direction} {raw}\n"
        with contextlib.suppress(OSError):  # a full disk: this is a record, the inbound log is the promise
            os.write(self._fd, line.encode("utf-8", "surrogateescape"))

    def sync(self) -> None:
        """Bring it to the disk, where that takes it."""
        with contextlib.suppress(OSError):
            os.fsync(self._fd)
