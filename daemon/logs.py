"""Logs: structlog, JSON for machines, colours on a terminal; always on stderr.

stdout belongs to the protocol between a daemon and whoever started it: one JSON object a line
(`announce`), endpoints first.
"""

import json
import logging
import sys
from typing import Any, TextIO, cast

import structlog


def configure(process: str, level: str = "info", stream: TextIO | None = None) -> None:
    """Set logging up for this process. `level` is debug, info, warning or error."""
    out = stream if stream is not None else sys.stderr
    renderer: Any = structlog.dev.ConsoleRenderer() if out.isatty() else structlog.processors.JSONRenderer()

    def name_process(_: Any, __: str, event: Any) -> Any:
        """Say who speaks. No contextvar: callbacks of other threads come without ours."""
        return {"process": process} | event

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            name_process,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, Lossy(out))),
        cache_logger_on_first_use=True,
    )


class Lossy:
    """A log that ends nobody: what a full disk, or a reader that has gone, does not take is counted and lost.

    The journal is what must be written. The logger holds a lock from `write` to `flush`.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._line = ""
        self._lost = 0

    def write(self, text: str) -> int:
        """Take a line."""
        self._line += text
        return len(text)

    def flush(self) -> None:
        """Write it, behind the count of those that were lost before it."""
        line, self._line = self._line, ""
        before = (
            json.dumps({"event": "lines of the log lost", "count": self._lost}) + "\n" if self._lost else ""
        )
        try:
            self._stream.write(before + line)
            self._stream.flush()
        except OSError:
            self._lost += 1
        else:
            self._lost = 0


def announce(event: str, **fields: Any) -> None:
    """Tell the starter of this process something, as one JSON line on stdout."""
    print(json.dumps({"event": event, **fields}, separators=(",", ":")), flush=True)
