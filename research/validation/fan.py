"""Cells side by side: in processes of this machine, or as Ray tasks; the result is that of one after another.

A piece is the command line and a cell's number: who plays it loads policy and plan anew. Rules are tuned
before, so that nobody tunes twice.
"""

import argparse
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, NamedTuple

from research.validation.play import Table
from research.validation.prepared import Prepared

Tables = dict[str, Table]


class Piece(NamedTuple):
    """One cell for somebody else to play."""

    args: argparse.Namespace
    at: int  # of the plan
    tuned: dict[str, dict[str, Any]]


class FanError(Exception):
    """Nobody to play for us: why."""


def played(piece: Piece) -> Tables:
    """Play a cell in a process of its own."""
    prepared = Prepared(piece.args, silent)
    prepared.session.tuned = piece.tuned
    try:
        return prepared.play(prepared.plan[piece.at])
    finally:
        prepared.session.close()


def silent(_: str) -> None:
    """Say nothing: who asked tells how far it is."""


def in_processes(pieces: list[Piece], workers: int, done: Callable[[int, Tables], None]) -> None:
    """Play pieces in so many processes; `done` hears of each as it is finished."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        waiting = {pool.submit(played, piece): piece.at for piece in pieces}
        try:
            for one in as_completed(waiting):
                done(waiting[one], one.result())
        except BaseException:
            for one in waiting:
                one.cancel()
            raise


def on_ray(pieces: list[Piece], address: str, done: Callable[[int, Tables], None]) -> None:
    """Play pieces as tasks of a Ray cluster.

    Raises:
        FanError: ray is not installed, or there is no cluster at the address.

    """
    try:
        from research.cluster.fan_out import fan_out
        from research.training.learner import TrainingError
    except ModuleNotFoundError as error:
        raise FanError(f"--ray: {error.name} is not installed; pip install '.[cluster]'") from None
    try:
        found = fan_out(played, pieces, address)
    except TrainingError as error:
        raise FanError(str(error)) from None
    for piece, tables in zip(pieces, found, strict=True):
        done(piece.at, tables)
