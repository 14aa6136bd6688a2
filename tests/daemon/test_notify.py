"""What the service manager hears, on a real datagram socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import notify


@pytest.fixture(params=["path", "abstract"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """A socket as systemd opens one."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@steadyhand-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0", 1))
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield listener


def heard(manager: socket.socket) -> list[str]:
    return manager.recv(4096).decode().split("\n")


def test_each_word_reaches_the_manager(manager: socket.socket) -> None:
    assert notify.ready("two parents\nand a half")
    assert heard(manager) == ["READY=1", "STATUS=two parents and a half"]

    assert notify.watchdog()
    assert heard(manager) == ["WATCHDOG=1"]

    assert notify.stopping()
    assert heard(manager) == ["STOPPING=1", "STATUS=stopping"]


@pytest.mark.parametrize("name", ["", "relative/socket", "/nowhere/at/all"])
def test_a_manager_that_does_not_listen_is_no_trouble(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", name)

    assert not notify.ready()
