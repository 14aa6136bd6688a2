"""The kill latch: a file beside the journal. Either says killed, or cannot be read: killed (R70)."""

import contextlib
import os
from pathlib import Path


class KillLatch:
    """Survives every restart until a person rearms."""

    def __init__(self, latch: Path, touch: Path) -> None:
        self._latch = latch
        self._touch = touch

    def held(self) -> str | None:
        """Return why trading is killed, None where neither file is there."""
        for path in (self._latch, self._touch):
            try:
                return path.read_text(errors="replace").strip()[:200] or f"{path} exists"
            except FileNotFoundError:
                continue
            except OSError as error:
                return f"{path} cannot be read: {error.strerror}"
        return None

    def touched(self) -> bool:
        """Return whether somebody made the kill file (or made it unreadable)."""
        try:
            os.stat(self._touch)  # noqa: PTH116  (Path.exists swallows errors; any but absence is a kill)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True

    def set(self, reason: str) -> None:
        """Latch, in the kernel before this returns."""
        descriptor = os.open(self._latch, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, (reason + "\n").encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def clear(self) -> None:
        """Rearmed. The touch file is a person's to remove."""
        with contextlib.suppress(FileNotFoundError):
            self._latch.unlink()
