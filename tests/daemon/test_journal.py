"""The journal: what was appended is there, a torn tail is cut, anything else that is wrong is refused."""

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon import journal as journals
from daemon.journal import FIRST, FRAME, FRAME_MAX, Journal, JournalError, read

PAYLOADS = [b"first", b"\x00" * 7, bytes(range(64)), b"last"]


def written(directory: Path, payloads: list[bytes]) -> Path:
    journal = Journal.open(directory)
    for payload in payloads:
        journal.append(payload)
    journal.close()
    return journal.path


def payloads_of(path: Path, from_offset: int = FIRST) -> list[bytes]:
    return [payload for _, payload in read(path, from_offset)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path, PAYLOADS)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=300), max_size=20))
def test_what_was_appended_is_read(tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes]) -> None:
    path = written(tmp_path_factory.mktemp("journal"), payloads)

    assert payloads_of(path) == payloads


def test_offsets_lead_to_their_frames(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    offsets = [journal.append(payload) for payload in PAYLOADS]

    assert [offset for offset, _ in read(journal.path)] == offsets
    assert payloads_of(journal.path, offsets[2]) == PAYLOADS[2:]
    assert payloads_of(journal.path, journal.end) == []
    journal.close()


def test_reopened_journal_goes_on(path: Path) -> None:
    journal = Journal.open(path.parent)
    journal.append(b"more")
    journal.close()

    assert journal.torn == 0
    assert payloads_of(path) == [*PAYLOADS, b"more"]


def test_truncation_at_every_byte_keeps_every_whole_frame(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    ends = [offset + FRAME.size + len(payload) for offset, payload in read(path)]

    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        kept = [p for p, end in zip(PAYLOADS, ends, strict=True) if end <= size]
        assert payloads_of(path) == kept
        journal = Journal.open(tmp_path)
        assert journal.torn == size - max(
            [e for e in ends if e <= size], default=min(size, FIRST) if size >= FIRST else 0
        )
        journal.append(b"after")
        journal.close()
        assert payloads_of(path) == [*kept, b"after"]


def test_flipped_bit_anywhere_is_refused_or_costs_the_last_frame_alone(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    last = len(whole) - FRAME.size - len(PAYLOADS[-1])

    for at in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << bit
            path.write_bytes(damaged)
            if at in range(last, last + 4) and is_longer(damaged, last):
                # Looks like a write that was never finished.
                assert payloads_of(path) == PAYLOADS[:-1]
                continue
            with pytest.raises(JournalError, match=str(path)):
                payloads_of(path)
            with pytest.raises(JournalError, match=str(path)):
                Journal.open(tmp_path)


def is_longer(data: bytearray, offset: int) -> bool:
    length, _ = FRAME.unpack_from(data, offset)
    return offset + FRAME.size + length > len(data) and length <= FRAME_MAX


def test_zeros_that_a_power_cut_left_are_a_torn_tail(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0" * 4096)

    journal = Journal.open(path.parent)

    assert journal.torn == 4096
    journal.close()
    assert payloads_of(path) == PAYLOADS


def test_corruption_names_file_and_offset(path: Path) -> None:
    second = list(read(path))[1][0]
    data = bytearray(path.read_bytes())
    data[second + FRAME.size] ^= 1
    path.write_bytes(data)

    with pytest.raises(JournalError, match=rf"{path}:{second}: corrupt"):
        Journal.open(path.parent)


def test_file_that_is_no_journal_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"something else entirely")

    with pytest.raises(JournalError, match="not a journal"):
        Journal.open(tmp_path)

    assert (tmp_path / "journal").read_bytes() == b"something else entirely"


def test_journal_of_another_version_is_refused(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[8] = 9
    path.write_bytes(data)

    with pytest.raises(JournalError, match="version"):
        Journal.open(path.parent)


@pytest.mark.parametrize("payload", [b"", b"x" * (FRAME_MAX + 1)])
def test_frames_are_bounded(tmp_path: Path, payload: bytes) -> None:
    journal = Journal.open(tmp_path)

    with pytest.raises(JournalError, match="bytes"):
        journal.append(payload)
    journal.append(b"x" * FRAME_MAX)

    journal.close()
    assert [len(p) for p in payloads_of(journal.path)] == [FRAME_MAX]


def test_directory_has_one_holder_who_is_named(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)

    with pytest.raises(JournalError, match=f"held by process {os.getpid()}; stop it"):
        Journal.open(tmp_path)

    journal.close()
    Journal.open(tmp_path).close()


def test_what_was_appended_survives_kill_9(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib\n"
        "from daemon.journal import Journal\n"
        "journal = Journal.open(pathlib.Path(sys.argv[1]))\n"
        "for n in range(1000): journal.append(b'%d' % n)\n"
        "os.kill(os.getpid(), 9)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=Path(__file__).parents[2], timeout=30
    )

    assert done.returncode == -signal.SIGKILL
    assert payloads_of(tmp_path / "journal") == [b"%d" % n for n in range(1000)]
    Journal.open(tmp_path).close()  # the lock died with its holder


def test_close_makes_everything_durable(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    for payload in PAYLOADS:
        journal.append(payload)

    journal.close()

    assert journal.durable_offset == journal.end


@pytest.fixture
def failing_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def fail(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(journals.os, "fdatasync", fail)
    return


@pytest.mark.usefixtures("failing_disk")
def test_disk_that_fails_is_told_once_and_stops_the_journal(tmp_path: Path) -> None:
    told: list[OSError] = []
    heard = threading.Event()

    def on_failure(error: OSError) -> None:
        told.append(error)
        heard.set()

    journal = Journal.open(tmp_path, on_failure=on_failure)
    journal.append(b"lost?")
    assert heard.wait(10)

    with pytest.raises(JournalError, match="has stopped"):
        journal.append(b"never")
    journal.close()
    assert len(told) == 1
    assert journal.durable_offset < journal.end


def test_full_disk_leaves_no_half_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal.open(tmp_path)
    journal.append(b"whole")
    real = os.write
    monkeypatch.setattr(journals.os, "write", lambda fd, data: real(fd, data[:5]))

    with pytest.raises(JournalError, match="full"):
        journal.append(b"half of it")

    monkeypatch.undo()
    journal.append(b"space again")
    journal.close()
    assert payloads_of(journal.path) == [b"whole", b"space again"]
