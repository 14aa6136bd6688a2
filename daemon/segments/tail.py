"""The segment that is appended to, and how one is found, made and followed by the next.

Nothing here knows of threads: `append`, `mark` and `follow` are for whoever appends, `prepare` for anybody.
"""

import hashlib
import itertools
import os
from pathlib import Path
from typing import Any, Final

from daemon.segments.checkpoints import Mark
from daemon.segments.disk import Disk
from daemon.segments.layout import BEGINNING, FIRST_NUMBER, Header, JournalError, name_of
from daemon.segments.reading import Segment, end_of, files, header_of, is_prepared, opened, segments, size_of

ID_BYTES: Final = 16  # at random: no two journals share one


class Tail:
    """One open segment."""

    def __init__(self, path: Path, fd: int, header: Header, disk: Disk) -> None:
        self.path = path
        self.fd = fd
        self.header = header
        self.place = 0  # bytes in the file
        self.number = header.first  # of the next frame
        self.allocated = 0  # blocks are taken up to here
        self.hash: Any = hashlib.sha256()
        self._disk = disk

    @property
    def end(self) -> int:
        """Return where the journal ends."""
        return self.header.offset + self.place

    def append(self, data: bytes, frames: int) -> int:
        """Write whole frames in one call and return the offset of the first.

        Raises:
            OSError: nothing of them remains.
            JournalError: the disk is full; nothing of them remains.

        """
        place = self.place
        written = self._disk.write(self.fd, data)
        if written != len(data):
            self._disk.truncate(self.fd, place)
            self.allocated = place
            raise JournalError(f"{self.path}: the disk is full")
        self.hash.update(data)
        self.place = place + written
        self.number += frames
        return self.header.offset + place

    def mark(self) -> Mark:
        """Return how far it is."""
        return Mark(self.number, self.end, self.hash.digest())

    def follow(self, path: Path, fd: int) -> "Tail":
        """Begin the next segment in a prepared file.

        Raises:
            OSError, JournalError: it could not be begun; this one goes on.

        """
        header = Header(
            self.header.number + 1, self.end, self.number, self.header.journal, self.hash.digest()
        )
        following = Tail(path, fd, header, self._disk)
        following.append(header.encode(), 0)
        return following


def find(folder: Path, durable: int, disk: Disk) -> tuple[Tail, int]:
    """Return (the tail of a journal, bytes cut off it), and make the journal where there is none.

    `durable`: the offset up to which it is known to have been on the disk.

    Raises:
        JournalError: it is not whole.
        OSError

    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    dropped = _drop_unreached(folder, durable)
    begun = segments(folder)
    if not begun and durable:
        raise JournalError(f"{folder}: all segments are missing or empty; restore them")
    for path in files(folder).values():
        if header_of(path) is None:
            if not is_prepared(path):
                raise JournalError(f"{path}:0: its beginning is gone, frames are behind it; restore the file")
            path.unlink()  # for what never came
    if not begun:
        return _first(folder, disk), 0
    check_chain(begun)
    last = begun[-1]
    if last.packed:
        raise JournalError(f"{last.path}: the last segment is packed; unpack it")
    place, number = end_of(last)
    missing = durable - last.header.offset - place
    if missing > 0:
        where = f"{last.path}:{place}"
        raise JournalError(
            f"{where}: cut: {missing} bytes that were on the disk are missing; restore the file"
        )
    fd = disk.open(last.path)
    torn = os.fstat(fd).st_size - place
    if torn:
        disk.truncate(fd, place)
    tail = Tail(last.path, fd, last.header, disk)
    with opened(last.path) as view:
        tail.hash.update(memoryview(view)[:place] if view else b"")
    tail.place, tail.number, tail.allocated = place, number, place
    return tail, torn + dropped


def _drop_unreached(folder: Path, durable: int) -> int:
    """Take away a last segment whose predecessor a power cut left shorter than it was; return its bytes.

    The new segment's first bytes may reach the disk before the old one's last ones. Where something behind
    the hole was known to be on the disk it is no power cut, and the start is refused with its place.
    """
    begun = [(path, header) for path in files(folder).values() if (header := header_of(path)) is not None]
    if len(begun) < 2:
        return 0
    (before, old), (last, new) = begun[-2:]
    end = old.offset + size_of(before)
    if new.number != old.number + 1 or not durable <= end < new.offset:
        return 0
    size = size_of(last)
    last.unlink()
    return size


def _first(folder: Path, disk: Disk) -> Tail:
    path = folder / name_of(FIRST_NUMBER)
    header = Header(FIRST_NUMBER, 0, FIRST_NUMBER, os.urandom(ID_BYTES), BEGINNING)
    tail = Tail(path, disk.open(path), header, disk)
    tail.append(header.encode(), 0)
    return tail


def check_chain(found: list[Segment]) -> None:
    """Check that each plain segment is, to the last bit, the one that the next was chained to.

    Packed ones are left to `steadyhand journal verify`: no start needs them.

    Raises:
        JournalError: a segment is not what it was.

    """
    for before, segment in itertools.pairwise(found):
        if before.packed:
            continue
        with opened(before.path) as view:
            if hashlib.sha256(view).digest() == segment.header.chain:
                continue
        end_of(before)  # names the frame, where it is one
        raise JournalError(
            f"{before.path}: not what {segment.path.name} was chained to; restore both, or run: "
            "steadyhand journal verify"
        )


def prepare(folder: Path, number: int, reserve_bytes: int, disk: Disk) -> tuple[Path, int]:
    """Make the file of a segment to come and take blocks for it; nothing in it counts yet.

    Raises:
        OSError: there is no room.

    """
    path = folder / name_of(number)
    fd = disk.open(path)
    try:
        if reserve_bytes:
            disk.allocate(fd, 0, reserve_bytes)
        disk.sync_directory(folder)
    except OSError:
        os.close(fd)
        path.unlink(missing_ok=True)
        raise
    return path, fd
