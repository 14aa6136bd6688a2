"""Ctrl-C exactly while a process loads: the run ends with 130, without a traceback, and leaves nothing.

The process is held, not raced: its interpreter gets a finder that, asked for one module, reports to us
and waits. It waits for good, so that whatever ends it was the interrupt.
"""

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
WAIT_S = 120.0
HOLD = """
import os, socket, sys

class Hold:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["HELD_MODULE"]:
            line = socket.socket(socket.AF_UNIX)
            line.connect(os.environ["HELD_SOCKET"])
            line.recv(1)

if os.environ["HELD_COMMAND"] in sys.orig_argv:
    sys.meta_path.insert(0, Hold())
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder whose path is short enough for unix sockets."""
    path = Path(tempfile.mkdtemp(prefix="sh-"))
    (path / "tmp").mkdir()
    (path / "sitecustomize.py").write_text(HOLD)
    yield path
    shutil.rmtree(path)


def pid_of(line: socket.socket) -> int:
    pid, _, _ = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(pid)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("run", "held", "module"),
    [
        (["paper", "--out", "run"], "paper", "uvloop"),
        (["paper", "--out", "run"], "venue", "market.matching_kernels"),
        (["paper", "--out", "run"], "gate", "quickfix"),
        (["paper", "--out", "run"], "trader", "market.book_kernels"),
        (["venue"], "venue", "market.matching_kernels"),
        (["gate", "--config", str(ROOT / "deploy/paper.toml")], "gate", "quickfix"),
        (["trader", "--config", str(ROOT / "deploy/paper.toml")], "trader", "market.book_kernels"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else str(value),
)
def test_interrupt_while_loading(place: Path, run: list[str], held: str, module: str) -> None:
    env = os.environ | {
        "HELD_COMMAND": held,
        "HELD_MODULE": module,
        "HELD_SOCKET": str(place / "held"),
        "PYTHONPATH": f"{place}{os.pathsep}{ROOT}",
        "TMPDIR": str(place / "tmp"),
    }
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place / "held"))
        listener.listen()
        listener.settimeout(WAIT_S)
        with subprocess.Popen(
            [sys.executable, "-m", "daemon.cli", *run],
            cwd=place,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            line, _ = listener.accept()
            family = [psutil.Process(pid_of(line)), *psutil.Process(process.pid).children(recursive=True)]

            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=WAIT_S)
            line.close()
    _, alive = psutil.wait_procs(family, timeout=WAIT_S)

    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert not alive
    assert sorted(p.name for p in place.iterdir()) == ["held", "sitecustomize.py", "tmp"]
    assert not any((place / "tmp").iterdir())
