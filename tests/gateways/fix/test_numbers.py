"""Sequence numbers in mapped memory: they outlive the process, and a writing cut in half is not believed."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateways.fix.numbers import FILE_SIZE, SLOT, SequenceNumbers
from gateways.fix.sessions import EngineError

ROOT = Path(__file__).parents[3]
DIES = """
import os, signal, sys
from pathlib import Path
from gateways.fix.numbers import SequenceNumbers
numbers = SequenceNumbers(Path(sys.argv[1]))
for n in range(2, 500):
    numbers.set_ours(n)
    numbers.set_theirs(2 * n)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_new_file_begins_at_one(tmp_path: Path) -> None:
    numbers = SequenceNumbers(tmp_path / "n")

    assert (numbers.ours, numbers.theirs) == (1, 1)
    assert (tmp_path / "n").stat().st_size == FILE_SIZE


def test_they_are_read_back(tmp_path: Path) -> None:
    numbers = SequenceNumbers(tmp_path / "n")
    for n in (2, 3, 4):
        numbers.set_ours(n)
    numbers.set_theirs(9)

    again = SequenceNumbers(tmp_path / "n")

    assert (again.ours, again.theirs) == (4, 9)


def test_a_reset_to_one_is_believed(tmp_path: Path) -> None:
    numbers = SequenceNumbers(tmp_path / "n")
    numbers.set_ours(700)
    numbers.set_ours(1)

    assert SequenceNumbers(tmp_path / "n").ours == 1


@pytest.mark.parametrize(("spoil", "says"), [(Path.touch, "damaged"), (Path.mkdir, "Is a directory")])
def test_an_empty_file_and_a_directory_are_refused(
    tmp_path: Path, spoil: Callable[[Path], None], says: str
) -> None:
    """Only a file that is not there is a beginning: removing it is how a person says so."""
    spoil(tmp_path / "n")

    with pytest.raises(EngineError, match=f"{tmp_path}/n: {says}; .*numbers"):
        SequenceNumbers(tmp_path / "n")


def test_they_outlive_kill_9(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", DIES, tmp_path / "n"], cwd=ROOT, check=False)

    numbers = SequenceNumbers(tmp_path / "n")

    assert (numbers.ours, numbers.theirs) == (499, 998)


@pytest.mark.parametrize("cut", range(1, SLOT))
def test_a_writing_cut_in_half_leaves_the_one_before(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "n"
    numbers = SequenceNumbers(path)
    for n in range(2, 260):  # over a byte's edge: the bytes of the number differ
        numbers.set_ours(n)
    before = path.read_bytes()
    numbers.set_ours(260)
    after = path.read_bytes()
    changed = [i for i in range(FILE_SIZE) if before[i] != after[i]]
    begin = changed[0] // SLOT * SLOT

    path.write_bytes(before[:begin] + after[begin : begin + cut] + before[begin + cut :])

    torn = SequenceNumbers(path)
    assert (torn.ours, torn.theirs) in ((259, 1), (260, 1))
    assert torn.ours == 259 or after[begin + cut :] == before[begin + cut :]


@pytest.mark.parametrize("content", [b"\x01" * 20, b"\x01" * FILE_SIZE, b"\0" * (FILE_SIZE - 1)])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "n").write_bytes(content)

    with pytest.raises(EngineError, match="damaged"):
        SequenceNumbers(tmp_path / "n")
