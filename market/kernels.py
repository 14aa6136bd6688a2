"""`kernel`: how this house compiles a leaf with numba, typed, cached, without fastmath.

numba's cache looks at the file of a kernel but not at the kernels that it calls in other files, so
the cache folder carries a hash of every source that defines one: a changed callee is a new folder.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

njit: Any = numba.njit  # its stubs do not know `_nrt`
F = TypeVar("F", bound=Callable[..., Any])
ROOT = Path(__file__).parents[1]
KERNEL_PACKAGES = ("market", "policies", "gateways", "risk")


def sources_hash() -> str:
    """Return a hash over every module that defines or feeds a kernel."""
    digest = hashlib.sha256(numba.__version__.encode())
    for package in KERNEL_PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_bytes()
            if b"kernel" in text or path.name == "checks.py":
                digest.update(str(path.relative_to(ROOT)).encode())
                digest.update(text)
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Return where compiled kernels of exactly these sources live."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "steadyhand" / "kernels" / sources_hash()


numba.config.CACHE_DIR = str(cache_folder())  # type: ignore[attr-defined]


def kernel(function: F) -> F:
    """Compile `function` in nopython mode on first use, cached on disk; float order is as written."""
    return cast(F, njit(cache=True, fastmath=False)(function))


def lean_kernel(function: F) -> F:
    """Compile like `kernel`, without reference counts: for what allocates nothing and returns no array.

    Between small kernels that hand on an array the counts are half of the time of matching (an atomic
    operation on entry and exit). numba refuses to compile an allocation here, so the condition is checked.
    """
    return cast(F, njit(cache=True, fastmath=False, _nrt=False)(function))


def inlined_kernel(function: F) -> F:
    """Compile like `lean_kernel`, and into whoever calls it: for what one hot loop calls.

    An array is seven words of a call. Left to itself LLVM calls where it could inline, which took a third of
    the time of the queue-reactive flow.
    """
    return cast(F, njit(cache=True, fastmath=False, _nrt=False, forceinline=True)(function))


def typed_kernel(*arguments: Any) -> Callable[[F], F]:
    """Compile a lean leaf for these argument types alone, on import, cached on disk.

    For what many kernels call: left to itself numba makes one body for each mix of literals and narrow
    integers that callers pass, which takes most of the time of a cold start.
    """

    def compiled(function: F) -> F:
        return cast(F, njit(arguments, cache=True, fastmath=False, _nrt=False)(function))

    return compiled
