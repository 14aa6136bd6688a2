"""A venue as a process, the way `steadyhand paper` starts it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[3]
READY_S = 120.0  # the first start on a machine compiles the kernels


class VenueProcess:
    """Started with `options`; stopped by the end of the `with`."""

    def __init__(self, *options: str, out: Path | None = None) -> None:
        argv = [sys.executable, "-m", "daemon.cli", "venue", *options]
        if out is not None:
            argv += ["--out", str(out)]
        self.out = out
        self._process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self.endpoints = self.wait("ready")["endpoints"]
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def wait(self, event: str) -> dict[str, Any]:
        """Return the announcement of that name."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            line = self._process.stdout.readline()
            assert line, f"ended before {event!r}: {self._process.communicate()}"
            said = json.loads(line)
            self.said.append(said)
            if said["event"] == event:
                return said
        raise TimeoutError(event)

    def tell(self, command: dict[str, Any]) -> None:
        """Write a command to its stdin."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def stop(self) -> tuple[int, dict[str, Any], str]:
        """Stop it in good order; return exit code, its account and its log."""
        self.tell({"stop": True})
        self.summary = self.wait("summary")
        _, log = self._process.communicate(timeout=30)
        account = json.loads((self.out / "venue.json").read_text()) if self.out else {}
        return self._process.returncode, account, log

    def end(self) -> tuple[int, str]:
        """Wait for it to end by itself; return exit code and log."""
        _, log = self._process.communicate(timeout=READY_S)
        return self._process.returncode, log
