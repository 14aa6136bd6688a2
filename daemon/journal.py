"""The journal: append-only frames that survive kill -9, and the disk a moment later.

    journal = Journal.open(directory, "gate.journal", on_failure=post_fatal)   # JournalError: one line
    journal.torn                       # bytes of an unfinished last frame that were cut off
    offset = journal.append(payload)   # in the kernel when this returns
    journal.durable_offset             # everything before it is on the disk
    for offset, payload in read(path, from_offset): ...
    journal.close()

It is a folder of chained segments (daemon.segments.layout). One thread does what takes time, off the loop: it
fsyncs in groups, takes blocks ahead of the end so that a full disk is known before it is felt, prepares
the next segment, signs checkpoints. An fsync error is final (`on_failure`, and every later append
raises): a kernel that failed to write once has dropped the pages, so a retry lies.
"""

import contextlib
import errno
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from daemon.segments import checkpoints, tail
from daemon.segments.checkpoints import Mark, Signer
from daemon.segments.disk import DISK, Disk
from daemon.segments.layout import FRAME_MAX, JournalError, encode_frame, old_version
from daemon.segments.lock import DirectoryLock, lock_directory
from daemon.segments.reading import segments
from daemon.segments.tail import Tail

# Appends of 20 ms share one fsync. The thread looks by itself: woken by an append it would want the
# interpreter's lock in the very moment in which the order that was journaled is sent (measured: 0.2 ms).
GATHER_S: Final = 0.02
CLOSE_WAIT_S: Final = 10.0  # an fsync that takes longer is a disk that fails
SEGMENT_BYTES: Final = 64 << 20  # hashed in 40 ms at a start; a busy day of a gate has a dozen
RESERVE_BYTES: Final = 4 << 20  # taken ahead: cancels and fills of hours, once nothing else is written
CHECKPOINTS_BYTES: Final = 1 << 16  # taken ahead of checkpoints: some 350 of them
CHECKPOINT_FRAMES: Final = 1_000  # between two signatures, or
CHECKPOINT_NS: Final = 60_000_000_000
RETRY_NS: Final = 1_000_000_000  # between two tries to take blocks of a full disk

Failed = Callable[[OSError], None]


class Journal:
    """One folder, one thread beside it; `append` must always be called by the same thread."""

    def __init__(
        self,
        path: Path,
        found: Tail,
        torn: int,
        on_failure: Failed | None,
        disk: Disk = DISK,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        reserve_bytes: int = 0,
        signer: Signer | None = None,
    ) -> None:
        self.path = path
        self.torn = torn
        self.failure: OSError | None = None
        self.full = False  # no blocks can be taken ahead: what was taken is the reserve
        self.synced: Callable[[float], None] = lambda _: None  # told the seconds of each sync, on its thread
        self.on_durable: Callable[[int], None] | None = None  # told how far the disk is, on its thread
        self.on_full: Callable[[bool], None] | None = None  # told that the disk is full, or no longer
        self._tail = found
        self._durable = 0
        self._on_failure = on_failure
        self._disk = disk
        self._segment_bytes, self._reserve_bytes = segment_bytes, reserve_bytes
        self._signer = signer
        self._next: tuple[Path, int] | None = None  # the file of the next segment
        self._retired: deque[Tail] = deque()  # segments that are over and not yet on the disk
        self._due: Mark | None = None  # to be signed once it is on the disk
        self._marked = found.number
        self._marked_ns = time.monotonic_ns()
        self._want_mark = False
        self._retry_ns = 0
        self._signed, self._signable = -1, 0  # file of checkpoints; bytes taken ahead in it
        self._lock: DirectoryLock | None = None
        self._syncing = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name=f"journal {path.name}", daemon=True)

    @staticmethod
    def open(
        directory: Path,
        name: str = "journal",
        *,
        lock: bool = True,
        on_failure: Failed | None = None,
        disk: Disk = DISK,
        segment_bytes: int = SEGMENT_BYTES,
        reserve_bytes: int = 0,
        signer: Callable[[], Signer] | None = None,
    ) -> "Journal":
        """Open or create a journal, check its chain and its last segment, cut off an unfinished last frame.

        Raises:
            JournalError: another process holds the directory, the journal is not whole, the disk fails.

        """
        held = lock_directory(directory) if lock else None
        folder = directory / name
        try:
            found, torn, signed = _found(folder, disk)
            key = signer() if signer is not None else None  # made only by who holds the directory
        except BaseException:
            if held is not None:
                held.release()
            raise
        journal = Journal(
            folder,
            found,
            torn,
            on_failure,
            disk,
            segment_bytes=segment_bytes,
            reserve_bytes=reserve_bytes,
            signer=key,
        )
        journal._durable, journal._signed, journal._lock = found.end, signed, held
        journal._attend()
        journal._thread.start()
        return journal

    def append(self, *payloads: bytes) -> int:
        """Write frames to the kernel, all in one call, and return the first one's offset.

        Raises:
            JournalError: the disk is full or has failed; nothing of the frames remains.

        """
        if self.failure is not None:
            raise JournalError(f"{self.path}: {self.failure.strerror}; the journal has stopped")
        found = self._tail
        data = b"".join([self._frame(found.number + n, p) for n, p in enumerate(payloads)])
        if found.place + len(data) > self._segment_bytes and self._next is not None:
            found = self._rotate(found)
        try:
            offset = found.append(data, len(payloads))
        except OSError as error:
            raise JournalError(f"{self.path}: {error.strerror}") from None
        if found.number - self._marked >= CHECKPOINT_FRAMES or self._want_mark:
            self._marked, self._want_mark, self._due = found.number, False, found.mark()
        return offset

    def _frame(self, number: int, payload: bytes) -> bytes:
        if not 0 < len(payload) <= FRAME_MAX:
            raise JournalError(f"{self.path}: a frame of {len(payload)} bytes; 1 to {FRAME_MAX} fit")
        return encode_frame(number, payload)

    def _rotate(self, found: Tail) -> Tail:
        """Go on in the next segment; where it cannot be begun, in this one."""
        prepared = self._next
        assert prepared is not None, "asked for only where one is prepared"
        try:
            following = found.follow(*prepared)
        except (OSError, JournalError):
            self._next = None
            os.close(prepared[1])
            return found
        following.allocated = max(self._reserve_bytes, following.place)
        self._retired.append(found)  # before the tail changes: the thread syncs what is in here first
        self._tail = following
        self._next = None  # after it: where the thread sees none, it sees the new tail too (_take_ahead)
        return following

    @property
    def end(self) -> int:
        """Return where the next frame will begin."""
        return self._tail.end

    @property
    def number(self) -> int:
        """Return the number of the next frame."""
        return self._tail.number

    @property
    def durable_offset(self) -> int:
        """Return the end of what is known to be on the disk."""
        return self._durable

    def hurry(self) -> None:
        """Sync now, on the thread: somebody waits for it."""
        self._wake.set()

    def sync(self) -> bool:
        """Bring everything to the disk now, on this thread; never from a loop's hot path."""
        if self.failure is None:
            self._sync()
        return self.failure is None

    def close(self) -> None:
        """Bring everything to the disk, sign it, end the thread, let the directory go."""
        self._closing = True
        self._wake.set()
        self._thread.join(CLOSE_WAIT_S)
        if self.failure is None and not self._thread.is_alive():
            if self._tail.number != self._marked or self._due is not None:
                self._due = self._tail.mark()
            self._checkpoint()
            self._give_back()
        for fd in (self._tail.fd, self._signed, self._next[1] if self._next else -1):
            if fd >= 0:
                os.close(fd)
        if self._lock is not None:
            self._lock.release()

    # --- the thread ---------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            self._wake.wait(GATHER_S)
            self._wake.clear()
            closing = self._closing
            if self.end > self._durable or self._retired:
                self._sync()
            if self.failure is not None:
                return
            self._checkpoint()
            if self.failure is not None:
                return
            if closing and self.end == self._durable:
                return
            self._attend()

    def _sync(self) -> None:
        start_ns = time.monotonic_ns()
        try:
            with self._syncing:
                found = self._tail
                end = found.end
                self._sync_retired(found)
                self._disk.sync(found.fd)
                self._durable = max(self._durable, end)
        except OSError as error:
            self._fail(error)  # without the lock: the last words may need it
            return
        self.synced((time.monotonic_ns() - start_ns) * 1e-9)
        if self.on_durable is not None:
            self.on_durable(self._durable)

    def _sync_retired(self, found: Tail) -> None:
        """Bring segments that are over to the disk before the one that goes on, and close them."""
        while self._retired and self._retired[0] is not found:
            over = self._retired.popleft()
            self._disk.truncate(over.fd, over.place)  # gives back what was taken ahead
            self._disk.sync(over.fd)
            os.close(over.fd)
            self._disk.sync_directory(self.path)

    def _checkpoint(self) -> None:
        """Sign what is due and on the disk; ask for a mark where the last one is old."""
        due, now_ns = self._due, time.monotonic_ns()
        if due is not None and due.offset <= self._durable:
            self._write(checkpoints.sign(self._tail.header.journal, due, self._signer).encode())
            self._due = None if self._due is due else self._due
            self._marked_ns = now_ns
        elif now_ns - self._marked_ns >= CHECKPOINT_NS and self._tail.number != self._marked:
            self._want_mark, self._marked_ns = True, now_ns

    def _write(self, record: bytes) -> None:
        """Write a checkpoint; on a full disk none: the next one says as much and more."""
        size = os.fstat(self._signed).st_size
        try:
            if self._disk.write(self._signed, record) == len(record):
                self._disk.sync(self._signed)
                self._signable -= len(record)
                return
        except OSError as error:
            if error.errno != errno.ENOSPC:
                self._fail(error)
                return
        with contextlib.suppress(OSError):
            self._disk.truncate(self._signed, size)  # no half record stays

    def _fail(self, error: OSError) -> None:
        self.failure = error
        if self._on_failure is not None:
            self._on_failure(error)

    def _attend(self) -> None:
        """Take blocks ahead, and the file of the next segment; say where there is no room."""
        now_ns = time.monotonic_ns()
        if self.full and now_ns < self._retry_ns:
            return
        try:
            with self._syncing:
                self._take_ahead(self._tail)
        except OSError:
            self._retry_ns = now_ns + RETRY_NS
            self._tell_full(True)
        else:
            self._tell_full(False)

    def _take_ahead(self, found: Tail) -> None:
        if self._reserve_bytes and found.allocated - found.place < self._reserve_bytes:
            place = max(found.allocated, found.place)
            ahead = found.place + 2 * self._reserve_bytes
            if self._disk.allocate(found.fd, place, ahead - place):
                found.allocated = ahead
            else:
                self._reserve_bytes = 0  # this file system takes nothing ahead: its free space is watched
        if self._reserve_bytes and self._signable < CHECKPOINTS_BYTES:
            size = os.fstat(self._signed).st_size
            self._disk.allocate(self._signed, size, 2 * CHECKPOINTS_BYTES)
            self._signable = 2 * CHECKPOINTS_BYTES
        if self._next is None and self._tail is found and 2 * found.place > self._segment_bytes:
            number = found.header.number + 1
            self._next = tail.prepare(self.path, number, self._reserve_bytes, self._disk)

    def _tell_full(self, full: bool) -> None:
        if full != self.full:
            self.full = full
            if self.on_full is not None:
                self.on_full(full)

    def _give_back(self) -> None:
        """Leave no blocks behind the end, and no segment that was not begun."""
        with contextlib.suppress(OSError):
            if self._reserve_bytes:
                self._disk.truncate(self._tail.fd, self._tail.place)
            if self._next is not None:
                self._next[0].unlink()


def _found(folder: Path, disk: Disk) -> tuple[Tail, int, int]:
    """Return a journal's tail, the bytes cut off, and its file of checkpoints, ready for appends."""
    if folder.is_file():
        raise old_version(folder)
    try:
        last, size = checkpoints.last(folder)
        found, torn = tail.find(folder, last.mark.offset if last is not None else 0, disk)
        signed = disk.open(folder / checkpoints.NAME)
        if os.fstat(signed).st_size != size:
            disk.truncate(signed, size)
        _sync_before(folder, found, last.mark.offset if last is not None else 0, disk)
        disk.sync(found.fd)
        disk.sync_directory(folder)
        disk.sync_directory(folder.parent)
    except OSError as error:
        raise JournalError(f"{folder}: {error.strerror}") from None
    return found, torn, signed


def _sync_before(folder: Path, found: Tail, signed: int, disk: Disk) -> None:
    """Bring segments that no checkpoint covers to the disk: who wrote them may have ended before he did."""
    for segment in segments(folder):
        if segment.header.number < found.header.number and segment.end > signed and not segment.packed:
            fd = disk.open(segment.path)
            try:
                disk.sync(fd)
            finally:
                os.close(fd)
