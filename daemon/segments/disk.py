"""What a journal asks of the disk. One object, so that a test can put another, worse disk in its place."""

import ctypes
import errno
import os
from pathlib import Path
from typing import Final

KEEP_SIZE: Final = 1  # FALLOC_FL_KEEP_SIZE: blocks behind the end of the file
CANNOT: Final = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_libc: Final = ctypes.CDLL(None, use_errno=True)


class Disk:
    """The kernel's own. Every method may raise OSError."""

    def open(self, path: Path) -> int:
        """Open a file for appends, made where it is not there."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, fd: int, data: bytes) -> int:
        """Append; the kernel has what it says that it took."""
        return os.write(fd, data)

    def truncate(self, fd: int, size: int) -> None:
        """Cut a file, and give back what was allocated behind its end."""
        os.ftruncate(fd, size)

    def sync(self, fd: int) -> None:
        """Bring a file's bytes to the disk."""
        os.fdatasync(fd)

    def allocate(self, fd: int, place: int, size: int) -> bool:
        """Take blocks for a part of a file without making it longer; False: this file system cannot."""
        fallocate = getattr(_libc, "fallocate", None)
        if fallocate is None:
            return False
        if fallocate(fd, KEEP_SIZE, ctypes.c_int64(place), ctypes.c_int64(size)) == 0:
            return True
        number = ctypes.get_errno()
        if number in CANNOT:
            return False
        raise OSError(number, os.strerror(number))

    def sync_directory(self, folder: Path) -> None:
        """Make the names in a folder durable, not only bytes."""
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


DISK: Final = Disk()
