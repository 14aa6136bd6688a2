"""A guard as a process, beside a gate that the test stops in mid-trade."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.daemon.gate_process import ROOT, WAIT_S

FIRM = (
    "import sys, pathlib, gateways.fix.profile as p; p.PROFILES = pathlib.Path(sys.argv.pop(1)); "
    "from daemon import cli; sys.exit(cli.main(['guard', *sys.argv[1:]]))"
)


class GuardProcess:
    """Started with a configuration; what it says is read line by line."""

    def __init__(self, config: Path, profiles: Path | None = None) -> None:
        argv = ["-m", "daemon.cli", "guard"] if profiles is None else ["-c", FIRM, str(profiles)]
        self.process = subprocess.Popen(
            [sys.executable, *argv, "--config", str(config)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def wait(self, event: str) -> dict[str, Any]:
        """Return the next announcement of that name."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            line = self.process.stdout.readline()
            assert line, f"ended before {event!r}"
            said = dict(json.loads(line))
            if said["event"] == event:
                return said
        raise TimeoutError(event)

    def close(self) -> int:
        """Stop it and return the exit code."""
        self.process.terminate()
        code = self.process.wait(WAIT_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code
