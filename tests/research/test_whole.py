"""A file is there whole, or as it was before."""

import errno
import os
from pathlib import Path

import pytest

from research.whole import put


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
