"""`put`: a small file whole, or what was there before; a disk that is full keeps nothing of it."""

import os
from pathlib import Path


def put(path: Path, raw: bytes) -> None:
    """Write a file. An OSError leaves nothing behind."""
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        partial.write_bytes(raw)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
