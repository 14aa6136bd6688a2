"""The log of raw messages: where it cannot be written the start is refused in one line."""

from pathlib import Path

import pytest

from gateways.fix.sessions import EngineError
from gateways.fix.tap import Tap


def test_a_log_that_cannot_be_written_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "fix-gate.log").mkdir()

    with pytest.raises(EngineError, match=r"fix-gate\.log: the log of raw messages cannot be written"):
        Tap(tmp_path / "fix-gate.log")


def test_a_disk_that_takes_nothing_is_no_fault_of_a_session() -> None:
    tap = Tap(Path("/dev/full"))

    tap.write("IN", "8=FIX.4.4|")
    tap.sync()
