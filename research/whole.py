"""`put`: small files whole, or what was there before; a disk that is full keeps nothing of them."""

import errno
import os
from pathlib import Path


def put(path: Path, raw: bytes) -> None:
    """Write a file. An OSError leaves nothing behind."""
    put_all({path: raw})


def put_all(files: dict[Path, bytes]) -> None:
    """Write files that belong together: there is room for all of them before the first is in its place."""
    for path in files:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    partials = {path: path.with_name(f".{path.name}.partial-{os.getpid()}") for path in files}
    try:
        for path, raw in files.items():
            partials[path].write_bytes(raw)
        for path, partial in partials.items():
            partial.replace(path)
    finally:
        for partial in partials.values():
            partial.unlink(missing_ok=True)
