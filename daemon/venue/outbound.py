"""What left a venue, in the order in which it was decided: for a replay to compare, to the byte.

`outbound.jsonl` has a line for each message and command of the order session: market time, body, marks.
Of the reference session, which says the same as the feed, only count and hash are kept.
"""

import hashlib
import json
from pathlib import Path
from typing import IO, Any, Final

from gateways.venue import actions as a
from gateways.venue.line import PLAIN, Marks

OUTBOUND_FILE: Final = "outbound.jsonl"


class Outbound:
    """Keeps the record of one run; without a folder, the hashes alone."""

    def __init__(self, folder: Path | None) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] | None = (folder / OUTBOUND_FILE).open("w", buffering=1) if folder else None
        self._hashes = {"order": hashlib.sha256(), "reference": hashlib.sha256()}
        self._counts = {"order": 0, "reference": 0}

    def report(self, ts_ns: int, body: str, marks: Marks) -> None:
        """Note a message of the order session."""
        done = {} if marks is PLAIN else {f: v for f in marks.__struct_fields__ if (v := getattr(marks, f))}
        self._order([ts_ns, "report", body, done])

    def command(self, ts_ns: int, action: a.LineAction, begin: bool) -> None:
        """Note what was done to a line."""
        self._order([ts_ns, "begin" if begin else "end", action.action, action.model_dump(mode="json")])

    def reference(self, ts_ns: int, body: str) -> None:
        """Note a message of the reference session."""
        self._counts["reference"] += 1
        self._hashes["reference"].update(f"{ts_ns} {body}\n".encode())

    def account(self) -> dict[str, Any]:
        """Return how much left, and its hash, by session."""
        return {
            name: {"messages": count, "sha256": self._hashes[name].hexdigest()}
            for name, count in self._counts.items()
        }

    def close(self) -> None:
        """Bring it to the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _order(self, row: list[Any]) -> None:
        line = json.dumps(row, sort_keys=True)
        self._counts["order"] += 1
        self._hashes["order"].update(line.encode())
        if self._file is not None:
            self._file.write(line + "\n")
