"""A file is there whole, or as it was before."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from market.flow.queue_reactive_defaults import small_tick
from research.calibrate import command as calibrate
from research.ingest import generate_options
from research.whole import put, put_all
from tests.research.test_simcheck import recorded


def test_a_full_disk_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "found.json"
    put(path, b"before")

    def full(self: Path, raw: bytes) -> int:
        with self.open("wb") as file:
            file.write(raw[:3])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)

    with pytest.raises(OSError, match="No space left"):
        put(path, b"afterwards")

    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("found.json", b"before")]


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file grow beyond a size, as a disk does that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_of_files_that_belong_together_there_are_all_or_none(tmp_path: Path) -> None:
    small, large = tmp_path / "a.json", tmp_path / "b.json"
    put_all({small: b"before", large: b"before"})

    with room_for(100), pytest.raises(OSError, match="File too large"):
        put_all({small: b"after", large: b"x" * 1_000})
    with pytest.raises(IsADirectoryError):
        put_all({small: b"after", tmp_path: b""})

    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {
        "a.json": b"before", "b.json": b"before"
    }  # fmt: skip


def test_a_calibration_is_not_there_with_the_facts_of_another(tmp_path: Path) -> None:
    path = tmp_path / "made.json"
    path.mkdir()

    with pytest.raises(IsADirectoryError):
        calibrate.write(path, small_tick(), recorded())

    assert [one.name for one in tmp_path.iterdir()] == ["made.json"]


def test_a_generated_day_that_finds_no_room_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "day.zip"
    asked = ["lobster", "--out", str(out), "--seed", "1", "--minutes", "1", "--events", "500"]

    with room_for(1_000):
        assert generate_options.main(asked) == 2

    assert "File too large" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert generate_options.main(asked) == 0
