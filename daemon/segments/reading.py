"""Read a journal: its segments in order, their frames, where the last whole one ends. Nothing is written.

    for offset, payload in read(folder, from_offset): ...      # JournalError: corruption, file and offset
    segments(folder)                                           # what is there, in order and checked
    for place, number, payload in frames(segment, view): ...

An unfinished last frame of the last segment is what a crash leaves: it is left out. Anything else that
does not check is corruption, named by file and offset in that file.
"""

import gzip
import hashlib
import mmap
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import google_crc32c
import msgspec

from daemon.segments.layout import (
    BODY,
    FIRST,
    FRAME,
    FRAME_MAX,
    HEADER,
    PACKED,
    Header,
    JournalError,
    decode_header,
    name_of,
    number_of,
    old_version,
)

BLOCK_BYTES: Final = 1 << 20  # looked at in one read
UNPACKED_MAX: Final = 256 << 20  # of a packed segment: four times what is ever written into one
View = bytes | mmap.mmap


class Segment(msgspec.Struct, frozen=True):
    """One file of a journal."""

    path: Path
    header: Header
    size: int  # bytes, unpacked
    last: bool

    @property
    def end(self) -> int:
        """Return the offset behind it."""
        return self.header.offset + self.size

    @property
    def packed(self) -> bool:
        """Return whether it is compressed."""
        return self.path.name.endswith(PACKED)


def files(folder: Path) -> dict[int, Path]:
    """Return the files of all segments by number; where one is there plain and packed, the plain one.

    Raises:
        JournalError: it cannot be read, or is a journal of version 1.

    """
    found: dict[int, Path] = {}
    try:
        if folder.is_file():
            raise old_version(folder)
        names = sorted(p.name for p in folder.iterdir())
    except OSError as error:
        raise JournalError(f"{folder}: {error.strerror}") from None
    for name in names:  # "8.seg" sorts before "8.seg.gz"
        number = number_of(name)
        if number is not None:
            found.setdefault(number, folder / name)
    return dict(sorted(found.items()))


def segments(folder: Path) -> list[Segment]:
    """Return the segments of a journal in order, each continuing the one before.

    Segments that were only prepared are left out, and so are old ones that were thrown away.

    Raises:
        JournalError: one is missing, swapped, of another journal, or cut.

    """
    found: list[Segment] = []
    paths = files(folder)
    begun = [(n, p, h) for n, p in paths.items() if (h := header_of(p)) is not None]
    for at, (number, path, header) in enumerate(begun):
        size = size_of(path)
        segment = Segment(path, header, size, at == len(begun) - 1)
        if header.number != number:
            raise JournalError(
                f"{path}:0: this is segment {header.number}; it belongs in {name_of(header.number)}"
            )
        if found:
            fault = _unfit(found[-1], segment)
            if fault:
                raise JournalError(fault)
        found.append(segment)
    return found


def _unfit(before: Segment, segment: Segment) -> str:
    """Return why a segment does not continue the one before it, "" where it does."""
    header, place = segment.header, f"{segment.path}:0"
    if header.journal != before.header.journal:
        return f"{place}: a segment of another journal"
    if header.number != before.header.number + 1:
        missing = name_of(before.header.number + 1)
        return f"{segment.path.with_name(missing)}: the segment is missing; restore it"
    if header.offset > before.end:
        return f"{before.path}:{before.size}: cut: {header.offset - before.end} bytes are missing"
    if header.offset < before.end:
        return f"{before.path}:{header.offset - before.header.offset}: bytes that do not belong there"
    return ""


def header_of(path: Path) -> Header | None:
    """Return a segment's header, None for one that was prepared and not begun."""
    try:
        if path.name.endswith(PACKED):
            with gzip.open(path, "rb") as packed:
                return decode_header(path, packed.read(HEADER.size))
        with path.open("rb") as file:
            return decode_header(path, file.read(HEADER.size))
    except (OSError, EOFError, zlib.error) as error:
        raise JournalError(f"{path}: {error}") from None


def is_prepared(path: Path) -> bool:
    """Return whether a file without a whole header was never more than begun: nothing is behind it."""
    if path.name.endswith(PACKED):
        return False
    with path.open("rb") as file:
        file.seek(HEADER.size)
        while block := file.read(BLOCK_BYTES):
            if block.strip(b"\0"):
                return False
    return True


def size_of(path: Path) -> int:
    """Return a segment's unpacked size."""
    if not path.name.endswith(PACKED):
        return path.stat().st_size
    with path.open("rb") as file:  # gzip keeps it in its last four bytes
        file.seek(-4, os.SEEK_END)
        return int.from_bytes(file.read(4), "little")


class opened:  # noqa: N801  (used as a verb)
    """A segment's bytes, without copying them where it is plain."""

    def __init__(self, path: Path) -> None:
        self._map: View
        try:
            if path.name.endswith(PACKED):
                self._map = unpacked(path)
                return
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                self._map = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) if size else b""
        except OSError as error:
            raise JournalError(f"{path}: {error.strerror or error}") from None

    def __enter__(self) -> View:
        return self._map

    def __exit__(self, *_: object) -> None:
        if isinstance(self._map, mmap.mmap):
            self._map.close()


def unpacked(path: Path) -> bytes:
    """Return the bytes of a packed segment.

    Raises:
        JournalError: it is damaged.

    """
    try:
        with gzip.open(path, "rb") as file:
            whole = file.read(UNPACKED_MAX + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise JournalError(f"{path}: damaged: {error}; restore the file") from None
    if len(whole) > UNPACKED_MAX:
        raise JournalError(f"{path}: unpacks to more than {UNPACKED_MAX} bytes")
    return whole


def read(folder: Path, from_offset: int = FIRST) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, payload) of every whole frame from an offset on.

    Raises:
        JournalError: corruption, with file and offset; nothing is there.

    """
    found = segments(folder)
    if found and from_offset == FIRST and found[0].header.offset:
        raise JournalError(f"{found[0].path}: begins at offset {found[0].header.offset}: older ones are gone")
    if from_offset > FIRST and not any(s.header.offset + HEADER.size <= from_offset <= s.end for s in found):
        raise JournalError(f"{folder}:{from_offset}: no frame begins there")
    for segment in found:
        if segment.end <= from_offset and not (segment.last and segment.end == from_offset):
            continue
        base = segment.header.offset
        with opened(segment.path) as view:
            for place, _, payload in frames(segment, view, max(HEADER.size, from_offset - base)):
                yield base + place, payload


def frames(segment: Segment, view: View, place: int = HEADER.size) -> Iterator[tuple[int, int, bytes]]:
    """Yield (place in the file, number, payload) of every whole frame of a segment from a place on.

    Raises:
        JournalError: corruption.

    """
    size, path = len(view), segment.path
    number = segment.header.first if place == HEADER.size else None
    while place < size:
        found = frame_at(view, place)
        if found is None:
            if segment.last and is_torn(view, place):
                return
            raise JournalError(f"{path}:{place}: corrupt frame; restore the file or start a new directory")
        if number is not None and found[0] != number:
            raise JournalError(f"{path}:{place}: frame {found[0]} stands where frame {number} belongs")
        yield place, found[0], found[1]
        number = found[0] + 1
        place += FRAME.size + len(found[1])


def frame_at(view: View, place: int) -> tuple[int, bytes] | None:
    """Return number and payload of a whole and correct frame, None otherwise."""
    start = place + FRAME.size
    if start > len(view):
        return None
    checksum, length, number = FRAME.unpack_from(view, place)
    if not 0 < length <= FRAME_MAX or start + length > len(view):
        return None
    body = view[place + FRAME.size - BODY.size : start + length]
    if google_crc32c.value(bytes(body)) != checksum:
        return None
    return number, bytes(body[BODY.size :])


def is_torn(view: View, place: int) -> bool:
    """Tell an unfinished last write (True) from corruption.

    What a crash leaves is shorter than a frame, or blocks of zeros that a power cut left. A length that was
    damaged looks unfinished too, but then whole frames follow it.
    """
    rest = bytes(view[place : place + FRAME.size + FRAME_MAX])
    if place + len(rest) < len(view):
        return False
    if not rest.strip(b"\0"):
        return True
    if len(rest) >= FRAME.size:
        _, length, _ = FRAME.unpack_from(rest, 0)
        if FRAME.size + length <= len(rest) or length > FRAME_MAX:
            return False
    return all(frame_at(rest, start) is None for start in range(1, len(rest)))


def chain_at(folder: Path, offset: int) -> bytes:
    """Return the chain of a journal at an offset: a hash that speaks of every byte before it.

    Raises:
        JournalError: the journal does not reach so far, or no longer so far back.

    """
    for segment in segments(folder):
        if segment.header.offset < offset <= segment.end:
            with opened(segment.path) as view:
                return hashlib.sha256(memoryview(view)[: offset - segment.header.offset]).digest()
    raise JournalError(f"{folder}: has no offset {offset}")


def head_sha256(folder: Path, size: int) -> str:
    """Return the hash of a journal's first bytes, over all its segments.

    Raises:
        JournalError: they cannot be read.

    """
    digest = hashlib.sha256()
    for segment in segments(folder):
        left = size - segment.header.offset
        if left > 0:
            with opened(segment.path) as view:
                digest.update(view[:left])
    return digest.hexdigest()


def end_of(segment: Segment) -> tuple[int, int]:
    """Return where the last whole frame of a segment ends, and the number of the next."""
    place, number = HEADER.size, segment.header.first
    with opened(segment.path) as view:
        for at, found, payload in frames(segment, view):
            place, number = at + FRAME.size + len(payload), found + 1
    return place, number
