"""Commands on a venue's stdin, one JSON object a line, where somebody is there to write them."""

import asyncio
import contextlib
import json
import os
import stat
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger()

LINE_BYTES_MAX: Final = 4_096  # a command is some fifty bytes
STDIN: Final = 0


class Commands:
    """Reads `{"start": {"anchor_mono_ns": N}}` and `{"stop": true}`."""

    def __init__(
        self, start: Callable[[int | None], None], stop: Callable[[], None], gone: Callable[[], None]
    ) -> None:
        self._start = start
        self._stop = stop
        self._gone = gone
        self._rest = b""

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin, unless stdin is a file or nothing at all."""
        with contextlib.suppress(OSError):
            mode = os.fstat(STDIN).st_mode
            if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(STDIN):
                os.set_blocking(STDIN, False)
                loop.add_reader(STDIN, self._read, loop)

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            data = os.read(STDIN, LINE_BYTES_MAX)
        except BlockingIOError:
            return
        if not data:
            loop.remove_reader(STDIN)
            self._gone()
            return
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:LINE_BYTES_MAX]
        for line in lines:
            self.take(line)

    def take(self, line: bytes) -> None:
        """Obey one line; what is no command is logged and passed over."""
        try:
            command = json.loads(line)
            begin = command.get("start") if isinstance(command, dict) else None
            if isinstance(begin, dict):
                at = begin.get("anchor_mono_ns")
                self._start(None if at is None else int(at))
            elif isinstance(command, dict) and command.get("stop"):
                self._stop()
            elif line.strip():
                log.warning("command_unknown", line=line[:80].decode(errors="replace"))
        except (ValueError, TypeError) as error:
            log.warning("command_unreadable", error=str(error))
