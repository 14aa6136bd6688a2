"""`env_kernel`: how the environment's kernels are compiled: without the interpreter's lock, cached.

numba's cache does not see a changed callee, and the house's cache folder (market.kernels) covers what
trades. What learns has a folder of its own, which carries the hash of both.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from market.kernels import cache_folder, njit

F = TypeVar("F", bound=Callable[..., Any])
HERE = Path(__file__).parent


def folder() -> str:
    """Return where kernels of exactly these sources live."""
    digest = hashlib.sha256()
    for path in sorted([*HERE.glob("*_kernels.py"), HERE / "layout.py"]):
        digest.update(path.name.encode() + path.read_bytes())
    return str(cache_folder().parent / f"environment-{cache_folder().name}-{digest.hexdigest()[:16]}")


FOLDER = folder()


def env_kernel(function: F) -> F:
    """Compile lean (no reference counts) and without the lock; caches beside the house's kernels."""
    before = numba.config.CACHE_DIR  # type: ignore[attr-defined]
    numba.config.CACHE_DIR = FOLDER  # type: ignore[attr-defined]
    try:
        return cast(F, njit(cache=True, fastmath=False, _nrt=False, nogil=True)(function))
    finally:
        numba.config.CACHE_DIR = before  # type: ignore[attr-defined]
