"""Old segments: packed once no start needs them, thrown away only as configured.

    pack(folder, before)                 # compress segments that end at or before an offset
    throw_away(folder, keep_bytes)       # the oldest packed ones, until so much is left

A packed segment is written whole, read back and compared before the plain one goes; a crash between leaves
both, and the plain one counts. What is thrown away is named in `thrown-away`, so that `verify` can tell it
from what was taken.
"""

import gzip
import hashlib
import os
from pathlib import Path
from typing import Final

import msgspec

from daemon.segments.disk import DISK
from daemon.segments.layout import JournalError
from daemon.segments.reading import Segment, segments, unpacked
from market.unreadable import UNREADABLE

GONE: Final = "thrown-away"
LEVEL: Final = 6
TURN_MAX: Final = 64  # segments packed in one go: 4 GiB


class Gone(msgspec.Struct, frozen=True):
    """One segment that was thrown away."""

    number: int
    end: int  # offset behind it
    sha256: str


def pack(folder: Path, before: int) -> list[Path]:
    """Compress plain segments that end at or before an offset; return what was made.

    Raises:
        JournalError: the journal is not whole, or the disk does not allow it.

    """
    over = [s for s in segments(folder) if not s.last and not s.packed and s.end <= before]
    return [_pack(segment) for segment in over[:TURN_MAX]]


def _pack(segment: Segment) -> Path:
    path = segment.path
    target = path.with_name(path.name + ".gz")
    half = path.with_name(path.name + ".half")
    try:
        whole = path.read_bytes()
        with half.open("wb") as file:
            os.fchmod(file.fileno(), 0o400)
            with gzip.GzipFile("", "wb", LEVEL, file, mtime=0) as packer:
                packer.write(whole)
            file.flush()
            os.fsync(file.fileno())
        if unpacked(half) != whole:
            raise JournalError(f"{half}: does not read back as it was written; the disk fails")
        half.rename(target)
        DISK.sync_directory(path.parent)
        path.unlink()
    except OSError as error:
        half.unlink(missing_ok=True)
        raise JournalError(f"{target}: {error.strerror}") from None
    return target


def throw_away(folder: Path, keep_bytes: int) -> list[Path]:
    """Delete the oldest packed segments until no more than so many bytes of them are left.

    Raises:
        JournalError: the journal is not whole, or the disk does not allow it.

    """
    packed = [s for s in segments(folder) if s.packed]
    sizes = {s.path: s.path.stat().st_size for s in packed}
    left, gone = sum(sizes.values()), []
    try:
        for segment in packed:
            if left <= keep_bytes:
                break
            digest = hashlib.sha256(unpacked(segment.path)).hexdigest()
            _note(folder, Gone(segment.header.number, segment.end, digest))
            segment.path.unlink()
            left -= sizes[segment.path]
            gone.append(segment.path)
    except OSError as error:
        raise JournalError(f"{folder}: {error.strerror}") from None
    return gone


def _note(folder: Path, gone: Gone) -> None:
    fd = os.open(folder / GONE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, msgspec.json.encode(gone) + b"\n")
        os.fsync(fd)
    finally:
        os.close(fd)


def gone(folder: Path) -> dict[int, Gone]:
    """Return what was thrown away, by number.

    Raises:
        JournalError: the list cannot be read.

    """
    path = folder / GONE
    try:
        lines = path.read_bytes().split(b"\n")
        found = [msgspec.json.decode(line, type=Gone) for line in lines if line]
    except FileNotFoundError:
        return {}
    except (OSError, *UNREADABLE) as error:
        raise JournalError(f"{path}: cannot be read: {error}") from None
    return {g.number: g for g in found}
