"""The journal: append-only frames that survive kill -9, and the disk a moment later.

    journal = Journal.open(directory, "gate.journal", on_failure=post_fatal)   # JournalError: one line
    journal.torn                       # bytes of an unfinished last frame that were cut off
    offset = journal.append(payload)   # in the kernel when this returns
    journal.durable_offset             # everything before it is on the disk
    for offset, payload in read(path, from_offset): ...
    journal.close()

A file is a header (magic, version) and frames of u32 length, u32 CRC-32 of length and payload, payload,
little-endian. One thread fsyncs in groups, off the loop; an fsync error is final (`on_failure`, and
every later append raises): a kernel that failed to write once has dropped the pages, so a retry lies.
An unfinished last frame is what a crash leaves: cut off and reported. Anything else that does not
check is corruption: refused with file and offset, for a person to look at.
"""

import fcntl
import mmap
import os
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

MAGIC: Final = b"STEADYJ\n"
VERSION: Final = 1
HEADER: Final = struct.Struct("<8sII")  # magic, version, reserved
FRAME: Final = struct.Struct("<II")  # length, CRC-32
LENGTH: Final = struct.Struct("<I")
FRAME_MAX: Final = 1 << 20  # a feed read is 64 KiB, an event a few hundred bytes
FIRST: Final = HEADER.size  # offset of the first frame
# Appends of 20 ms share one fsync. The thread looks by itself: woken by an append it would want the
# interpreter's lock in the very moment in which the order that was journaled is sent (measured: 0.2 ms).
GATHER_S: Final = 0.02
CLOSE_WAIT_S: Final = 10.0  # an fsync that takes longer is a disk that fails
LOCK_NAME: Final = "lock"


class JournalError(Exception):
    """What the operator must mend (busy directory, corruption), or a disk that failed: one line."""


class Journal:
    """One file, one writer thread; `append` must always be called by the same thread."""

    def __init__(
        self, path: Path, fd: int, end: int, torn: int, on_failure: Callable[[OSError], None] | None
    ) -> None:
        self.path = path
        self.torn = torn
        self.failure: OSError | None = None
        self._fd = fd
        self._end = end
        self._durable = end
        self._on_failure = on_failure
        self.synced: Callable[[float], None] = lambda _: (
            None
        )  # told how many seconds each sync took, on its thread
        self._lock: DirectoryLock | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._sync_groups, name=f"fsync {path.name}", daemon=True)

    @staticmethod
    def open(
        directory: Path,
        name: str = "journal",
        *,
        lock: bool = True,
        on_failure: Callable[[OSError], None] | None = None,
    ) -> "Journal":
        """Open or create a journal, check every frame, cut off an unfinished last one.

        Raises:
            JournalError: another process holds the directory, the file is corrupt, the disk fails.

        """
        held = lock_directory(directory) if lock else None
        try:
            fd, end, torn = _open_file(directory / name)
        except BaseException:
            if held is not None:
                held.release()
            raise
        journal = Journal(directory / name, fd, end, torn, on_failure)
        journal._lock = held
        journal._thread.start()
        return journal

    def append(self, *payloads: bytes) -> int:
        """Write frames to the kernel, all in one call, and return the first one's offset.

        Raises:
            JournalError: the disk is full or has failed; nothing of the frames remains.

        """
        if self.failure is not None:
            raise JournalError(f"{self.path}: {self.failure.strerror}; the journal has stopped")
        frames = b"".join([self._frame(payload) for payload in payloads])
        offset = self._end
        try:
            written = os.write(self._fd, frames)
        except OSError as error:
            raise JournalError(f"{self.path}: {error.strerror}") from None
        if written != len(frames):
            os.ftruncate(self._fd, offset)
            raise JournalError(f"{self.path}: the disk is full")
        self._end = offset + written
        return offset

    def _frame(self, payload: bytes) -> bytes:
        if not 0 < len(payload) <= FRAME_MAX:
            raise JournalError(f"{self.path}: a frame of {len(payload)} bytes; 1 to {FRAME_MAX} fit")
        length = LENGTH.pack(len(payload))
        return length + LENGTH.pack(zlib.crc32(payload, zlib.crc32(length))) + payload

    @property
    def end(self) -> int:
        """Return where the next frame will begin."""
        return self._end

    @property
    def durable_offset(self) -> int:
        """Return the end of what is known to be on the disk."""
        return self._durable

    def sync(self) -> bool:
        """Bring everything to the disk now, on this thread; never from a loop's hot path."""
        if self.failure is None:
            self._sync(self._end)
        return self.failure is None

    def close(self) -> None:
        """Bring everything to the disk, end the thread, let the directory go."""
        self._closing.set()
        self._thread.join(CLOSE_WAIT_S)
        os.close(self._fd)
        if self._lock is not None:
            self._lock.release()

    def _sync_groups(self) -> None:
        while True:
            self._closing.wait(GATHER_S)
            end = self._end
            if end > self._durable:
                self._sync(end)
            if self.failure is not None or (self._closing.is_set() and self._end == end):
                return

    def _sync(self, end: int) -> None:
        start_ns = time.monotonic_ns()
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            self.failure = error
            if self._on_failure is not None:
                self._on_failure(error)
        else:
            self._durable = max(self._durable, end)
            self.synced((time.monotonic_ns() - start_ns) * 1e-9)


def _open_file(path: Path) -> tuple[int, int, int]:
    """Return (fd, end of the last whole frame, bytes cut off) of a file that is ready for appends."""
    fd = -1
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        end = _end_of(path)
        torn = os.fstat(fd).st_size - end
        if torn:
            os.ftruncate(fd, end)
        if end < FIRST:
            end = os.write(fd, HEADER.pack(MAGIC, VERSION, 0))
        os.fsync(fd)
        _sync_directory(path.parent)
    except OSError as error:
        if fd >= 0:
            os.close(fd)
        raise JournalError(f"{path}: {error.strerror}") from None
    except JournalError:
        os.close(fd)
        raise
    return fd, end, torn


def read(path: Path, from_offset: int = FIRST) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, payload) of every whole frame from an offset on; an unfinished last one is left out.

    Raises:
        JournalError: corruption, with file and offset.

    """
    with _mapped(path) as view:
        if _check_header(path, view):
            yield from _frames(path, view, from_offset)


# --- one holder per directory -------------------------------------------------------------------


class DirectoryLock:
    """An flock on a file of the directory; it ends with the process, however that ends."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def release(self) -> None:
        """Let another process in."""
        os.close(self._fd)


def lock_directory(directory: Path) -> DirectoryLock:
    """Take a directory for this process.

    Raises:
        JournalError: another process holds it, named by its pid.

    """
    path = directory / LOCK_NAME
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        raise JournalError(
            f"{directory}: held by process {holder}; stop it, or choose another state directory"
        ) from None
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return DirectoryLock(fd)


# --- reading ------------------------------------------------------------------------------------


class _mapped:  # noqa: N801  (used as a verb)
    """A file's bytes, without copying them."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                self._map = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) if size else None
        except OSError as error:
            raise JournalError(f"{path}: {error.strerror}") from None

    def __enter__(self) -> bytes | mmap.mmap:
        return self._map if self._map is not None else b""

    def __exit__(self, *_: object) -> None:
        if self._map is not None:
            self._map.close()


def _check_header(path: Path, view: bytes | mmap.mmap) -> bool:
    """Return False for a file whose header was never finished."""
    whole = HEADER.pack(MAGIC, VERSION, 0)
    head = bytes(view[:FIRST])
    if head == whole:
        return True
    if len(view) < FIRST and whole.startswith(head):
        return False
    if head.startswith(MAGIC):
        raise JournalError(f"{path}:8: journal version {head[8:12].hex()} is not known, {VERSION} is")
    raise JournalError(f"{path}:0: not a journal")


def _end_of(path: Path) -> int:
    """Return the end of the last whole frame, 0 without a header."""
    with _mapped(path) as view:
        if not _check_header(path, view):
            return 0
        end = FIRST
        for offset, payload in _frames(path, view, FIRST):
            end = offset + FRAME.size + len(payload)
        return end


def _frames(path: Path, view: bytes | mmap.mmap, offset: int) -> Iterator[tuple[int, bytes]]:
    size = len(view)
    if not FIRST <= offset <= size:
        raise JournalError(f"{path}:{offset}: no frame begins there, the file has {size} bytes")
    while offset < size:
        payload = _frame_at(view, offset)
        if payload is None:
            if not _is_torn(view, offset):
                raise JournalError(
                    f"{path}:{offset}: corrupt frame; restore the file or start a new directory"
                )
            return
        yield offset, payload
        offset += FRAME.size + len(payload)


def _frame_at(view: bytes | mmap.mmap, offset: int) -> bytes | None:
    """Return the payload of a whole and correct frame, None otherwise."""
    if offset + FRAME.size > len(view):
        return None
    length, checksum = FRAME.unpack_from(view, offset)
    start = offset + FRAME.size
    if not 0 < length <= FRAME_MAX or start + length > len(view):
        return None
    payload = bytes(view[start : start + length])
    return payload if zlib.crc32(payload, zlib.crc32(LENGTH.pack(length))) == checksum else None


def _is_torn(view: bytes | mmap.mmap, offset: int) -> bool:
    """Tell an unfinished last write (True) from corruption.

    One frame is one write, so what a crash leaves is shorter than a frame, or blocks of zeros that a
    power cut left. A length that was damaged looks unfinished too, but then whole frames follow it.
    """
    rest = bytes(view[offset : offset + FRAME.size + FRAME_MAX])
    if offset + len(rest) < len(view):
        return False
    if not rest.strip(b"\0"):
        return True
    if len(rest) >= FRAME.size:
        length, _ = FRAME.unpack_from(rest, 0)
        if FRAME.size + length <= len(rest) or length > FRAME_MAX:
            return False
    return all(_frame_at(rest, start) is None for start in range(1, len(rest)))


def _sync_directory(directory: Path) -> None:
    """Make the file's name durable, not only its bytes."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
