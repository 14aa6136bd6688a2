"""A disk that forgets and fails: the `os` that the gate's files go through, over real files on tmpfs.

Bytes are in "the kernel" once written, and "on the disk" once synced. A kill leaves the kernel's bytes, and
at a boundary (`point`) the process may die before, within or after a write. A power cut leaves, of what was
not synced, any beginning. The disk may be full, and a sync may fail. Everything else is the real `os`.
"""

import ctypes
import errno
import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.simulation.loop import Died, Process

CL_ORD_ID: Final = re.compile(rb"SH[0-9A-Z]+-\d+")
TORN, BEFORE, AFTER = "torn", "before", "after"
Point = Callable[[str, str], str]  # (kind, file) -> "" or where the process dies
MIB: Final = 1 << 20


class File:
    """One file that is only appended to, or overwritten in place."""

    def __init__(self, path: str, size: int) -> None:
        self.path = path
        self.size = size
        self.durable = size
        self.taken = 0  # blocks are taken up to here
        self.pending: set[bytes] = set()  # ClOrdIDs written since the last sync


class Disk:
    """The files of one gate, over all its lives."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.files: dict[str, File] = {}
        self.inodes: dict[int, int] = {}  # bytes that are on the disk, by the file's number
        self.journaled: set[bytes] = set()  # ClOrdIDs that stand in a journal of the gate
        self.durable: set[bytes] = set()  # ... and on the disk
        self.full = False
        self.free_mb = 10_000
        self.sync_fails = False
        self.sync_failures = 0
        self.point: Point = lambda kind, path: ""
        self.failed_sync: Callable[[str], None] = lambda path: None
        self.wrote = 0

    def file(self, path: str) -> File:
        found = self.files.get(path)
        if found is None:
            size = size_of(path)
            found = self.files[path] = File(path, size)
        return found

    def power_cut(self) -> None:
        """Of what was not synced any beginning stays."""
        for file in self.files.values():
            if not Path(file.path).exists():
                continue
            if is_mapped(file.path):
                self._forget_page(file.path)
                continue
            facts = Path(file.path).stat()
            size, file.durable = facts.st_size, max(file.durable, self.inodes.get(facts.st_ino, 0))
            if size > file.durable:
                left = self.rng.randint(file.durable, size)
                if self.rng.random() < 0.2:
                    left = file.durable
                os.truncate(file.path, left)
                file.size = file.durable = left
        self.read_again()

    def _forget_page(self, path: str) -> None:
        """A mapped page that nobody synced: as it is, or as it was when the file was made."""
        if path.endswith(".numbers") and self.rng.random() < 0.5:
            Path(path).write_bytes(bytes(size_of(path)))

    def made_durable(self, file: File, facts: os.stat_result) -> None:
        """All that the file holds is on the disk now, whatever names it has."""
        self.durable |= file.pending
        file.pending.clear()
        file.durable = facts.st_size
        self.inodes[facts.st_ino] = facts.st_size

    def read_again(self) -> None:
        """Find out what the journals still hold."""
        self.journaled = set()
        for path in sorted(self.files):
            if is_journal(path) and Path(path).exists():
                self.journaled |= set(CL_ORD_ID.findall(Path(path).read_bytes()))
            self.files[path].pending.clear()
        self.durable = set(self.journaled)


def is_journal(path: str) -> bool:
    """The gate's own journal, whatever files it is cut into; not what FIX brought."""
    return "journal" in path and "inbound" not in path and "KILLED" not in path


def size_of(path: str) -> int:
    """Return a file's bytes, 0 where there is none."""
    found = Path(path)
    return found.stat().st_size if found.exists() else 0


def is_mapped(path: str) -> bool:
    """Files that are overwritten in place, through memory."""
    return path.endswith((".numbers", "heartbeat", "lock"))


class SimOs:
    """Stands in for the module `os` where the gate's files are written."""

    def __init__(self, disk: Disk, process: Callable[[], Process], root: str) -> None:
        self._disk = disk
        self._process = process
        self._root = root
        self._fds: dict[int, File] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def _living(self) -> Process:
        process = self._process()
        if not process.alive:
            raise Died
        return process

    def _exit(self, code: int) -> None:
        process = self._process()
        process.die(f"exit {code}")
        raise Died

    def open(self, path: Any, flags: int, *rest: Any, **more: Any) -> int:
        self._living()
        fd = os.open(path, flags, *rest, **more)
        name = os.fspath(path)
        if "state" in str(name) and not flags & os.O_DIRECTORY and flags & (os.O_WRONLY | os.O_RDWR):
            self._fds[fd] = self._disk.file(str(name))
        else:
            self._fds.pop(fd, None)
        return fd

    def close(self, fd: int) -> None:
        self._fds.pop(fd, None)
        os.close(fd)

    def fdopen(self, fd: int, *args: Any, **more: Any) -> Any:
        """A Python file: what it writes is in the kernel at its close, and on the disk if it was synced."""
        return os.fdopen(fd, *args, **more)

    def close_all(self) -> None:
        """The kernel closes what a dead process held."""
        for fd in list(self._fds):
            self.close(fd)

    def write(self, fd: int, data: Any) -> int:
        process, disk, file = self._living(), self._disk, self._fds.get(fd)
        if file is None:
            return os.write(fd, data)
        where = disk.point("write", file.path)
        if where == BEFORE:
            process.die(f"before a write to {file.path}")
            raise Died
        if where == TORN:
            os.write(fd, bytes(data)[: disk.rng.randint(1, max(1, len(data) - 1))])
            process.die(f"within a write to {file.path}")
            raise Died
        if disk.full and file.size + len(data) > file.taken:
            part = disk.rng.choice((0, 0, len(data) // 2))
            if not part:
                raise OSError(errno.ENOSPC, "No space left on device")
            return os.write(fd, bytes(data)[:part])
        written = os.write(fd, data)
        file.size = os.fstat(fd).st_size
        disk.wrote += 1
        if is_journal(file.path):
            names = CL_ORD_ID.findall(bytes(data))
            disk.journaled.update(names)
            file.pending.update(names)
        if where == AFTER:
            process.die(f"after a write to {file.path}")
            raise Died
        return written

    def writev(self, fd: int, parts: Any) -> int:
        return self.write(fd, b"".join(parts))

    def ftruncate(self, fd: int, size: int) -> None:
        self._living()
        os.ftruncate(fd, size)
        file = self._fds.get(fd)
        if file is not None:
            file.size = file.taken = size
            file.durable = min(file.durable, size)

    def fdatasync(self, fd: int) -> None:
        process, disk, file = self._living(), self._disk, self._fds.get(fd)
        if file is None:
            return
        where = disk.point("fsync", file.path)
        if where in (BEFORE, TORN):
            process.die(f"before a sync of {file.path}")
            raise Died
        if disk.sync_fails:
            disk.sync_failures += 1
            disk.failed_sync(file.path)
            raise OSError(errno.EIO, "Input/output error")
        self._disk.made_durable(file, os.fstat(fd))
        if where == AFTER:
            process.die(f"after a sync of {file.path}")
            raise Died

    fsync = fdatasync

    def fallocate(self, fd: int, mode: int, place: Any, size: Any) -> int:
        """libc's, as the journal calls it."""
        self._living()
        if self._disk.full:
            ctypes.set_errno(errno.ENOSPC)
            return -1
        file = self._fds.get(fd)
        if file is not None:
            file.taken = max(file.taken, place.value + size.value)
        return 0

    def urandom(self, count: int) -> bytes:
        """Chance that a seed repeats."""
        return self._disk.rng.randbytes(count)

    def statvfs(self, path: Any) -> Any:
        class Free:
            f_bavail = self._disk.free_mb
            f_bfree = self._disk.free_mb
            f_blocks = 10_000
            f_frsize = MIB
            f_bsize = MIB

        return Free
