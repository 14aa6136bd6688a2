"""A real Prometheus and the metrics side process, on free loopback ports, for a test's lifetime."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
WAIT_S = 60.0  # for anything to happen at all, on a busy machine
POLL_S = 0.1
NOT_READY = 503

T = TypeVar("T")

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed (Debian: prometheus)"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, ask: Callable[[], T | None]) -> T:
    """Ask until there is an answer; bounded."""
    deadline_s = time.monotonic() + WAIT_S
    pause = threading.Event()
    while time.monotonic() < deadline_s:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            answer = ask()
            if answer:
                return answer
        pause.wait(POLL_S)
    raise AssertionError(f"{what} did not come within {WAIT_S:g} s")


class Prometheus:
    """What a test asks of it."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"

    def api(self, path: str, **query: str) -> Any:
        url = f"{self.base}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == NOT_READY:
                raise ConnectionError("it is starting") from None
            return json.load(error)

    def query(self, expression: str) -> list[Any]:
        answer = self.api("query", query=expression)
        assert answer["status"] == "success", (expression, answer)
        return list(answer["data"]["result"])


@contextlib.contextmanager
def metrics_process(directory: Path) -> Iterator[int]:
    """`steadyhand metrics` over a directory; yields its port."""
    command = [sys.executable, "-m", "daemon.cli", "metrics", "--dir", str(directory), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield int(json.loads(server.stdout.readline())["endpoints"]["metrics"])
        finally:
            server.terminate()


@contextlib.contextmanager
def prometheus_process(target_port: int, folder: Path) -> Iterator[Prometheus]:
    """A Prometheus with the shipped configuration, scraping that port; yields its face."""
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    folder.mkdir()
    (folder / "prometheus.yml").write_text(text.replace("127.0.0.1:9464", f"127.0.0.1:{target_port}"))
    shutil.copytree(DEPLOY / "prometheus" / "rules", folder / "rules")
    port = free_port()
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "prometheus.log").open("w") as log, subprocess.Popen(command, stderr=log) as server:
        try:
            face = Prometheus(port)
            wait_for("Prometheus", lambda: face.api("status/runtimeinfo"))
            yield face
        finally:
            server.terminate()
