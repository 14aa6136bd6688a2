"""A gate that takes a request and says nothing: one line, soon where somebody wants to stop."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import control
from daemon.people import one_line, operator
from tests.daemon.test_line_faults import BASE


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    Path("config.toml").write_text(BASE)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("c")
        listener.listen()  # the kernel takes connections; nobody reads them
        yield ["--config", "config.toml"]


def test_who_wants_to_stop_is_told_how_soon(
    silent: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert control.STOP_WAIT_S < control.WAIT_S / 3
    monkeypatch.setattr(control, "STOP_WAIT_S", 0.01)

    for stop in (operator.kill, operator.halt):
        assert stop([*silent, "--reason", "odd"]) == one_line.REFUSED
        said = capsys.readouterr().err
        assert "does not answer within 0.01 s: if it hangs, end its process" in said
        assert "KILL` kills everything, now and at every start" in said
        assert len(said.splitlines()) == 1


def test_who_looks_is_told_that_it_does_not_answer(
    silent: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(control, "WAIT_S", 0.01)

    assert operator.status(silent) == one_line.DOWN
    assert "does not answer within 0.01 s" in capsys.readouterr().err
