"""The kill latch: a file beside the journal. Either says killed, or cannot be read: killed (R70).

A line is a reason, and kills the firm; `@S/GOOG reason` kills one scope (A account, T strategy, P parent,
S symbol). A second file, the touch file, is a person's: that it exists is a kill of the firm.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

LATCH_NAME: Final = "KILLED"  # in the state directory
REASON_CHARS_MAX: Final = 200  # of what is told of it
SCOPED: Final = "@"


class KillLatch:
    """Survives every restart until two people rearm."""

    def __init__(self, latch: Path, touch: Path) -> None:
        self._latch = latch
        self._touch = touch
        self._there = True  # what is there at a start is told with it

    def held(self) -> str | None:
        """Return why the firm is killed, None where neither file says so."""
        for path in (self._latch, self._touch):
            try:
                text = path.read_text(errors="replace").strip()
            except FileNotFoundError:
                continue
            except OSError as error:
                return f"{path} cannot be read: {error.strerror}"
            lines = [line for line in text.splitlines() if path is self._touch or line[:1] != SCOPED]
            if lines or not text:
                return "\n".join(lines)[:REASON_CHARS_MAX] or f"{path} exists"
        return None

    def scopes(self) -> dict[str, str]:
        """Return the scopes that are killed, each with its reason."""
        try:
            lines = self._latch.read_text(errors="replace").splitlines()
        except OSError:
            return {}  # absent, or unreadable: then the firm is killed
        parts = [line[1:].partition(" ") for line in lines if line[:1] == SCOPED]
        return {scope: reason[:REASON_CHARS_MAX] for scope, _, reason in parts}

    def touched(self) -> bool:
        """Return whether somebody made the kill file (or made it unreadable)."""
        try:
            os.stat(self._touch)  # noqa: PTH116  (Path.exists swallows errors; any but absence is a kill)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True

    def called(self) -> bool:
        """Return whether the kill file was made since the last look: of a killed gate, one more call."""
        was, self._there = self._there, self.touched()
        return self._there and not was

    def set(self, reason: str, scope: str = "") -> None:
        """Latch, in the kernel before this returns: it survives whatever becomes of this process.

        The disk is for `sync`: an order to cancel does not wait for one.
        """
        line = (f"{SCOPED}{scope} " if scope else "") + " ".join(reason.splitlines())
        descriptor = os.open(self._latch, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, (line + "\n").encode())
        finally:
            os.close(descriptor)

    def sync(self) -> None:
        """Bring the latch to the disk; takes as long as the disk does."""
        with contextlib.suppress(OSError):  # what a disk refuses now the journal's own sync will report
            for path, flags in ((self._latch, os.O_RDONLY), (self._latch.parent, os.O_DIRECTORY)):
                descriptor = os.open(path, flags | os.O_CLOEXEC)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def clear(self) -> None:
        """Rearmed. The touch file is a person's to remove."""
        with contextlib.suppress(FileNotFoundError):
            self._latch.unlink()
