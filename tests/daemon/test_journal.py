"""The journal: what was appended is there, a torn tail is cut, anything else that is wrong is refused."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.journal import Journal
from daemon.segments import checkpoints
from daemon.segments.disk import Disk
from daemon.segments.layout import FIRST, FRAME, FRAME_MAX, HEADER, JournalError, encode_frame
from daemon.segments.reading import read

PAYLOADS = [b"first", b"\x00" * 7, bytes(range(64)), b"last"]


def written(directory: Path, payloads: list[bytes]) -> Path:
    journal = Journal.open(directory)
    for payload in payloads:
        journal.append(payload)
    journal.close()
    return journal.path


def segment(path: Path, number: int = 1) -> Path:
    return path / f"{number:08d}.seg"


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
    whole = segment(path).read_bytes()
    ends = [offset + FRAME.size + len(payload) for offset, payload in read(path)]
    (path / "checkpoints").unlink()  # of a journal that was cut, and not by a crash: see below

    for size in range(FIRST, len(whole)):
        segment(path).write_bytes(whole[:size])
        kept = [p for p, end in zip(PAYLOADS, ends, strict=True) if end <= size]
        assert payloads_of(path) == kept
        journal = Journal.open(tmp_path)
        assert journal.torn == size - max([e for e in ends if e <= size], default=FIRST)
        journal.append(b"after")
        journal.close()
        assert payloads_of(path) == [*kept, b"after"]
        (path / "checkpoints").unlink()


def test_a_folder_that_may_not_be_looked_at_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="xxx: File name too long"):  # what a folder of others is to them
        list(read(tmp_path / ("x" * 300)))


def test_a_journal_that_a_crash_left_without_a_whole_header_begins_anew(tmp_path: Path) -> None:
    path = written(tmp_path, [b"x"])
    whole = segment(path).read_bytes()
    for size in range(FIRST):
        shutil.rmtree(path)
        path.mkdir()
        segment(path).write_bytes(whole[:size])

        journal = Journal.open(tmp_path)
        journal.append(b"first")
        journal.close()

        assert payloads_of(path) == [b"first"]


def test_what_was_on_the_disk_and_is_missing_refuses_the_start(path: Path, tmp_path: Path) -> None:
    whole = segment(path).read_bytes()
    segment(path).write_bytes(whole[:-1])

    with pytest.raises(JournalError, match=rf"{segment(path)}:\d+: cut: \d+ bytes that were on the disk"):
        Journal.open(tmp_path)


def test_flipped_bit_anywhere_is_refused_or_costs_the_last_frame_alone(path: Path, tmp_path: Path) -> None:
    whole = segment(path).read_bytes()
    last = len(whole) - FRAME.size - len(PAYLOADS[-1])
    (path / "checkpoints").unlink()  # it would find the last frame too

    for at in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << bit
            segment(path).write_bytes(damaged)
            if at in range(last + 4, last + 8) and is_longer(damaged, last):
                # Looks like a write that was never finished.
                assert payloads_of(path) == PAYLOADS[:-1]
                continue
            with pytest.raises(JournalError, match=str(path)):
                payloads_of(path)
            if bit == at % 8:
                with pytest.raises(JournalError, match=str(path)):
                    Journal.open(tmp_path)


def is_longer(data: bytearray, place: int) -> bool:
    _, length, _ = FRAME.unpack_from(data, place)
    return place + FRAME.size + length > len(data) and length <= FRAME_MAX


def test_zeros_that_a_power_cut_left_are_a_torn_tail(path: Path) -> None:
    with segment(path).open("ab") as file:
        file.write(b"\0" * 4096)

    journal = Journal.open(path.parent)

    assert journal.torn == 4096
    journal.close()
    assert payloads_of(path) == PAYLOADS


def test_corruption_names_file_and_offset(path: Path) -> None:
    second = list(read(path))[1][0]
    data = bytearray(segment(path).read_bytes())
    data[second + FRAME.size] ^= 1
    segment(path).write_bytes(data)

    with pytest.raises(JournalError, match=rf"{segment(path)}:{second}: corrupt"):
        Journal.open(path.parent)


def test_file_that_is_no_journal_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    segment(tmp_path / "journal").write_bytes(b"something else entirely")

    with pytest.raises(JournalError, match="not a segment"):
        Journal.open(tmp_path)

    assert segment(tmp_path / "journal").read_bytes() == b"something else entirely"


def test_journal_of_another_version_is_refused(path: Path) -> None:
    data = bytearray(segment(path).read_bytes())
    data[8] = 9
    segment(path).write_bytes(data)

    with pytest.raises(JournalError, match="version"):
        Journal.open(path.parent)


def test_a_journal_of_version_1_is_refused_in_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"STEADYJ\n\1\0\0\0\0\0\0\0")

    with pytest.raises(JournalError, match=r"version 1.* finish the day with the program that wrote it"):
        Journal.open(tmp_path)
    with pytest.raises(JournalError, match="version 1"):
        payloads_of(tmp_path / "journal")


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


class FailingDisk(Disk):
    def sync(self, fd: int) -> None:
        if os.fstat(fd).st_size > FIRST:
            raise OSError(errno.EIO, "Input/output error")


def test_disk_that_fails_is_told_once_and_stops_the_journal(tmp_path: Path) -> None:
    told: list[OSError] = []
    heard = threading.Event()

    def on_failure(error: OSError) -> None:
        told.append(error)
        heard.set()

    journal = Journal.open(tmp_path, on_failure=on_failure, disk=FailingDisk())
    journal.append(b"lost?")
    assert heard.wait(10)

    with pytest.raises(JournalError, match="has stopped"):
        journal.append(b"never")
    journal.close()
    assert len(told) == 1
    assert journal.durable_offset < journal.end


class CutDisk(Disk):
    room = FIRST + FRAME.size + 10

    def write(self, fd: int, data: bytes) -> int:
        return super().write(fd, data[: max(0, self.room - os.fstat(fd).st_size)])


def test_full_disk_leaves_no_half_frame(tmp_path: Path) -> None:
    disk = CutDisk()
    journal = Journal.open(tmp_path, disk=disk)
    journal.append(b"whole")

    with pytest.raises(JournalError, match="full"):
        journal.append(b"half of it")

    disk.room = 1 << 20
    journal.append(b"space again")
    journal.close()
    assert payloads_of(journal.path) == [b"whole", b"space again"]


# --- segments -----------------------------------------------------------------------------------


def rotated(folder: Path, count: int = 40, **options: Any) -> Path:
    """Write a journal of several segments."""
    journal = Journal.open(folder, segment_bytes=400, **options)
    for n in range(count):
        journal._attend()  # what its thread does every 20 ms
        journal.append(b"%030d" % n)
    journal.close()
    return journal.path


def test_segments_follow_each_other_and_read_as_one(tmp_path: Path) -> None:
    path = rotated(tmp_path)
    offsets = [offset for offset, _ in read(path)]

    assert len(list(path.glob("*.seg"))) > 4
    assert all(p.stat().st_size <= 400 for p in path.glob("*.seg"))
    assert payloads_of(path) == [b"%030d" % n for n in range(40)]
    assert payloads_of(path, offsets[17]) == [b"%030d" % n for n in range(17, 40)]

    journal = Journal.open(tmp_path, segment_bytes=400)
    journal.append(b"more")
    journal.close()
    assert payloads_of(path)[-2:] == [b"%030d" % 39, b"more"]


def test_a_segment_that_is_missing_swapped_or_anothers_is_named(tmp_path: Path) -> None:
    path = rotated(tmp_path / "a")
    other = rotated(tmp_path / "b")
    third = segment(path, 3)

    def refused(change: Callable[[Path], object], text: str) -> None:
        folder = tmp_path / "copy" / "journal"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(path, folder)
        change(folder)
        with pytest.raises(JournalError, match=text.replace("PATH", str(folder))):
            payloads_of(folder)
        with pytest.raises(JournalError, match=text.replace("PATH", str(folder))):
            Journal.open(folder.parent)

    def swap(folder: Path) -> None:
        a, b = segment(folder, 2), segment(folder, 3)
        whole = a.read_bytes()
        a.write_bytes(b.read_bytes())
        b.write_bytes(whole)

    def cut(folder: Path) -> None:
        segment(folder, 3).write_bytes(third.read_bytes()[:-7])

    refused(lambda f: segment(f, 3).unlink(), "PATH/00000003.seg: the segment is missing")
    refused(swap, "PATH/00000002.seg:0: this is segment 3")
    refused(cut, r"PATH/00000003.seg:\d+: cut: 7 bytes are missing")
    refused(lambda f: segment(f, 3).write_bytes(segment(other, 3).read_bytes()), "of another journal")


def test_a_segment_that_was_changed_with_its_checksums_is_not_what_the_next_was_chained_to(
    tmp_path: Path,
) -> None:
    path = rotated(tmp_path)
    raw = segment(path, 2).read_bytes()
    number = FRAME.unpack_from(raw, HEADER.size)[2]
    forged = encode_frame(number, b"%030d" % 999)
    segment(path, 2).write_bytes(raw[: HEADER.size] + forged + raw[HEADER.size + len(forged) :])

    with pytest.raises(JournalError, match=r"00000002.seg: not what 00000003.seg was chained to"):
        Journal.open(tmp_path)


def test_a_kill_between_two_segments_loses_nothing(tmp_path: Path) -> None:
    path = rotated(tmp_path)
    following = len(list(path.glob("*.seg"))) + 1
    (path / "checkpoints").unlink()
    for header in (b"", b"STEADYJ\n\2", bytes(200)):  # prepared, half begun, blocks of zeros
        segment(path, following).write_bytes(header)

        journal = Journal.open(tmp_path, segment_bytes=400)
        journal.close()

        assert payloads_of(path) == [b"%030d" % n for n in range(40)]


def test_a_segment_that_has_begun_is_not_prepared_again(tmp_path: Path) -> None:
    """The thread may have looked at the tail just before it was followed: it would prepare the living one."""
    journal = Journal.open(tmp_path, segment_bytes=400)
    before = journal._tail
    while journal._tail is before:
        journal._attend()
        journal.append(b"%030d" % 0)
    with journal._syncing:  # its own thread waits
        if journal._next is not None:
            os.close(journal._next[1])
            journal._next[0].unlink()
            journal._next = None
        journal._take_ahead(before)
        assert journal._next is None
    journal.append(b"the last")
    journal.close()
    assert payloads_of(journal.path)[-1] == b"the last"


class NotingDisk(Disk):
    """Notes which files it was asked to sync."""

    def __init__(self) -> None:
        self.synced: list[int] = []

    def sync(self, fd: int) -> None:
        self.synced.append(os.fstat(fd).st_ino)
        super().sync(fd)


def test_a_start_syncs_what_a_life_before_it_may_have_left_in_the_kernel(tmp_path: Path) -> None:
    """Else a power cut after it would take the end of a segment that has others behind it."""
    path = rotated(tmp_path)
    inodes = [segment.stat().st_ino for segment in sorted(path.glob("*.seg"))]
    disk = NotingDisk()
    Journal.open(tmp_path, lock=False, disk=disk).close()
    assert disk.synced[0] == inodes[-1], "a checkpoint says that the others are there"

    (path / "checkpoints").write_bytes(b"")
    disk = NotingDisk()
    Journal.open(tmp_path, lock=False, disk=disk).close()
    assert disk.synced[: len(inodes)] == inodes, "each before the one that goes on"


def test_a_segment_goes_on_while_the_next_cannot_be_made(tmp_path: Path) -> None:
    disk = FullDisk()
    journal = Journal.open(tmp_path, segment_bytes=400, reserve_bytes=4096, disk=disk)
    told: list[bool] = []
    journal.on_full = told.append
    disk.full = True
    for n in range(40):
        journal._attend()
        journal.append(b"%030d" % n)

    assert journal.full
    assert told == [True]
    assert len(list(journal.path.glob("*.seg"))) == 1

    disk.full = False
    journal._retry_ns = 0
    journal._attend()
    journal.append(b"space again")
    journal.close()
    assert told == [True, False]
    assert len(payloads_of(journal.path)) == 41


class FullDisk(Disk):
    full = False

    def allocate(self, fd: int, place: int, size: int) -> bool:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().allocate(fd, place, size)


def test_blocks_taken_ahead_are_no_part_of_the_file_and_given_back(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, reserve_bytes=1 << 20)
    journal.append(b"x" * 100)
    taken = segment(journal.path).stat()
    if not journal._reserve_bytes:
        pytest.skip("this file system takes no blocks ahead")

    assert taken.st_size == FIRST + FRAME.size + 100
    assert taken.st_blocks * 512 >= 1 << 20
    journal.close()
    assert segment(journal.path).stat().st_blocks * 512 < 1 << 20


class HalfDisk(Disk):
    """Takes half of each checkpoint while it is full, or fails at its sync."""

    full = failing = False

    def write(self, fd: int, data: bytes) -> int:
        if self.full and data.startswith(b"CHK2"):
            return super().write(fd, data[:50])
        return super().write(fd, data)

    def sync(self, fd: int) -> None:
        if self.failing and os.pread(fd, 4, 0) == b"CHK2":
            raise OSError(errno.EIO, "Input/output error")
        super().sync(fd)


def checkpoint(journal: Journal) -> None:
    journal.append(b"more")
    journal._due = journal._tail.mark()
    journal.sync()
    journal._checkpoint()


def test_a_checkpoint_that_finds_no_room_leaves_no_half_of_it(tmp_path: Path) -> None:
    disk = HalfDisk()
    journal = Journal.open(tmp_path, disk=disk)
    checkpoint(journal)
    disk.full = True
    checkpoint(journal)
    disk.full = False
    checkpoint(journal)
    journal.close()

    numbers = [c.mark.number for _, c in checkpoints.read(journal.path)]
    assert sorted(set(numbers)) == [2, 4]  # the journal's own thread may have been as quick


def test_a_disk_that_fails_a_checkpoint_has_failed(tmp_path: Path) -> None:
    disk, told = HalfDisk(), []
    journal = Journal.open(tmp_path, disk=disk, on_failure=told.append)
    checkpoint(journal)
    disk.failing = True

    checkpoint(journal)

    assert len(told) == 1
    with pytest.raises(JournalError, match="has stopped"):
        journal.append(b"never")
    journal.close()
