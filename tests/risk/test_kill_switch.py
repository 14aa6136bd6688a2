"""The latch: two files, of the firm and of scopes; what cannot be read is a kill."""

from pathlib import Path

import pytest

from risk.kill_switch import KillLatch


@pytest.fixture
def latch(tmp_path: Path) -> KillLatch:
    return KillLatch(tmp_path / "KILLED", tmp_path / "KILL")


def test_nothing_is_killed_where_there_is_no_file(latch: KillLatch) -> None:
    assert latch.held() is None
    assert latch.scopes() == {}
    assert not latch.touched()


def test_a_kill_is_there_for_the_next_start_until_it_is_cleared(latch: KillLatch, tmp_path: Path) -> None:
    latch.set("R30 loss")
    latch.sync()

    assert KillLatch(tmp_path / "KILLED", tmp_path / "KILL").held() == "R30 loss"
    latch.clear()
    latch.clear()
    assert latch.held() is None


def test_a_scope_is_killed_alone(latch: KillLatch) -> None:
    latch.set("cli: odd fills", "S/GOOG")
    latch.set("cli: mad", "T/twap")

    assert latch.held() is None
    assert latch.scopes() == {"S/GOOG": "cli: odd fills", "T/twap": "cli: mad"}
    latch.set("everything")
    assert latch.held() == "everything"
    assert set(latch.scopes()) == {"S/GOOG", "T/twap"}


def test_a_reason_is_one_line_and_forges_no_scope(latch: KillLatch) -> None:
    latch.set("first\n@S/GOOG second")

    assert latch.scopes() == {}
    assert latch.held() == "first @S/GOOG second"


@pytest.mark.parametrize("end", ["\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_a_scopes_reason_of_several_lines_kills_no_more_than_the_scope(latch: KillLatch, end: str) -> None:
    latch.set(f"cli: odd fills{end}see the log", "S/GOOG")

    assert latch.held() is None
    assert latch.scopes() == {"S/GOOG": "cli: odd fills see the log"}


def test_the_touch_file_kills_whatever_it_holds(latch: KillLatch, tmp_path: Path) -> None:
    for text in ("", "why", "@S/GOOG why"):
        (tmp_path / "KILL").write_text(text)
        assert latch.held()
        assert latch.touched()
    latch.clear()
    assert latch.touched(), "it is a person's to remove"


@pytest.mark.parametrize("name", ["KILLED", "KILL"])
def test_what_cannot_be_read_is_a_kill(latch: KillLatch, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()

    assert "cannot be read" in (latch.held() or "")
    assert latch.scopes() == {}


def test_an_empty_latch_is_a_kill(latch: KillLatch, tmp_path: Path) -> None:
    (tmp_path / "KILLED").touch()

    assert "exists" in (latch.held() or "")


def test_a_kill_file_that_is_made_while_the_gate_is_killed_is_one_more_call(tmp_path: Path) -> None:
    file = tmp_path / "KILL"
    latch = KillLatch(tmp_path / "KILLED", file)
    assert not latch.called()
    file.touch()
    assert [latch.called(), latch.called()] == [True, False]
    file.unlink()
    assert not latch.called()
    file.touch()
    assert latch.called()
    assert not KillLatch(tmp_path / "KILLED", file).called(), "what was there at a start is told with it"
