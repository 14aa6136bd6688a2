"""Rows copied word by word: numba's own copy of one array into another would allocate."""

from typing import Any

from research.environment.compiled import env_kernel


@env_kernel
def copy(to: Any, of: Any) -> None:
    """Copy one row into another of the same length."""
    for at in range(of.shape[0]):
        to[at] = of[at]


@env_kernel
def copy_words(to: Any, of: Any, first: int, last: int) -> None:
    """Copy some words of one row into another."""
    for at in range(first, last):
        to[at] = of[at]


@env_kernel
def close_gap(table: Any, gap: int, rows: int) -> None:
    """Move the rows behind `gap` one up; `rows` remain."""
    for at in range(gap, rows):
        for word in range(table.shape[1]):
            table[at, word] = table[at + 1, word]
