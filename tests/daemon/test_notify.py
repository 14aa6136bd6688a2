"""What the service manager hears, on a real datagram socket."""

import os
import re
import socket
import time
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
    assert notify.ready("trading")
    assert heard(manager) == ["READY=1", "STATUS=trading"]

    assert notify.watchdog()
    assert heard(manager) == ["WATCHDOG=1"]

    assert notify.status("two parents\nand a half")
    assert heard(manager) == ["STATUS=two parents and a half"]

    assert notify.stopping()
    assert heard(manager) == ["STOPPING=1", "STATUS=stopping"]

    assert notify.extend_timeout(1.5)
    assert heard(manager) == ["EXTEND_TIMEOUT_USEC=1500000"]


def test_reloading_carries_the_monotonic_time_that_systemd_compares(manager: socket.socket) -> None:
    before_us = time.monotonic_ns() // 1000

    notify.reloading()

    first, second = heard(manager)
    found = re.fullmatch(r"MONOTONIC_USEC=(\d+)", second)
    assert first == "RELOADING=1"
    assert found
    assert before_us <= int(found.group(1)) <= time.monotonic_ns() // 1000


@pytest.mark.parametrize("name", ["", "relative/socket", "/nowhere/at/all"])
def test_a_manager_that_does_not_listen_is_no_trouble(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", name)

    assert not notify.ready()


@pytest.mark.parametrize(
    ("demanded", "pid", "expected"),
    [
        ("5000000", None, 2.5),
        ("5000000", "ours", 2.5),
        ("5000000", "1", None),
        ("0", None, None),
        ("soon", None, None),
        (None, None, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_demanded(
    demanded: str | None, pid: str | None, expected: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in (("WATCHDOG_USEC", demanded), ("WATCHDOG_PID", pid)):
        if value is None:
            monkeypatch.delenv(key, raising=False)
        else:
            monkeypatch.setenv(key, str(os.getpid()) if value == "ours" else value)

    assert notify.watchdog_interval_s() == expected
