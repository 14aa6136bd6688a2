"""One holder of a directory: a lock that ends with its process, however that ends."""

import fcntl
import os
from pathlib import Path
from typing import Final

from daemon.segments.layout import JournalError

LOCK_NAME: Final = "lock"


class DirectoryLock:
    """An flock on a file of the directory."""

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
    try:
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    except OSError:
        pass  # the lock holds all the same: its holder has no name while the disk is full
    return DirectoryLock(fd)
