"""The same function on many pieces, on Ray: for validation, where every piece is a set of episodes.

The result is that of `[function(piece) for piece in pieces]`, in the same order; where a machine is lost,
Ray plays its pieces again elsewhere.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import ray

from research.cluster.launch import connect

RETRIES_MAX: Final = 3  # of a piece whose machine was lost

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def fan_out(
    function: Callable[[Piece], Result], pieces: Sequence[Piece], address: str | None = None
) -> list[Result]:
    """Return what a function says of each piece.

    Raises:
        UsageError: there is no cluster at the address.

    """
    connect(ray, address)
    task: Any = ray.remote(num_cpus=1, max_retries=RETRIES_MAX)(call)
    found: list[Result] = ray.get([task.remote(function, piece) for piece in pieces])
    return found


def call(function: Callable[[Piece], Result], piece: Piece) -> Result:
    """Be one task."""
    return function(piece)
