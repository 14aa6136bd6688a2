"""System calls of a process that a test lets fail or stand still, by strace."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

STRACE = shutil.which("strace")
ATTACH_S = 10.0
needs_strace = pytest.mark.skipif(STRACE is None, reason="strace is not installed")


class Tracer:
    """While it stands, calls of a process meet what `inject` says (strace's words), on these files alone."""

    def __init__(self, pid: int, calls: str, inject: str, files: Iterable[Path] = ()) -> None:
        self.pid = pid
        command = [str(STRACE), "-f", "-qq", "-p", str(pid), "-o", "/dev/null", "-e", f"trace={calls}"]
        for path in files:
            command += ["-P", str(path)]
        self._process = subprocess.Popen(
            [*command, "-e", f"inject={calls}:{inject}"], stderr=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "Tracer":
        """Wait until strace holds every thread; skip where it may not."""
        deadline = time.monotonic() + ATTACH_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                pytest.skip(f"strace may not attach here: {self._process.communicate()[1].strip()[:200]}")
            tasks = list(Path(f"/proc/{self.pid}/task").iterdir())
            if all("TracerPid:\t0" not in (task / "status").read_text() for task in tasks):
                return self
            os.sched_yield()
        self.__exit__()
        raise TimeoutError("strace did not attach")

    def __exit__(self, *_: object) -> None:
        """Let go: what has exited meanwhile is held by strace until then."""
        self._process.kill()
        self._process.communicate()


def files_of(folder: Path) -> list[Path]:
    """Return every file below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]
