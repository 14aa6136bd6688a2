"""Jobs spread over processes of this machine, or over a Ray cluster.

What travels is the command line and a job: who plays it loads policy and plan anew, and sends home what was
played, by the names of its files. Rules are tuned before, each market by one, so that nobody tunes twice.
"""

import argparse
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, NamedTuple

from research.validation.jobs import Job, Jobs
from research.validation.play import PlayError, Table
from research.validation.prepared import Prepared

Tables = dict[str, Table]
AT_HAND: dict[str, Prepared] = {}  # one, in each process that plays


class Piece(NamedTuple):
    """One job for somebody else."""

    args: argparse.Namespace
    job: Job
    tuned: dict[str, dict[str, Any]]
    code: str  # that asked


class Brought(NamedTuple):
    """What came home: episodes by file, and numbers that were tuned."""

    tables: Tables
    tuned: dict[str, dict[str, Any]]


class FanError(Exception):
    """Nobody to play for us: why."""


def played(piece: Piece) -> Brought:
    """Do a job in a process of its own.

    Raises:
        PlayError: the code has become another since the command began.

    """
    prepared = at_hand(piece.args)
    if prepared.code != piece.code:
        raise PlayError("the code was changed while this ran: what was played is kept, start again")
    session = prepared.session
    session.tuned, session.cells.written = dict(piece.tuned), {}
    Jobs(prepared, silent).do(piece.job)
    new = {n: t for n, t in session.tuned.items() if n not in piece.tuned}
    return Brought(session.cells.written, new)


def at_hand(args: argparse.Namespace) -> Prepared:
    """Return a command line made ready, which takes most of a second: the last one is kept by its process."""
    key = repr(sorted(vars(args).items(), key=lambda item: item[0]))
    if key not in AT_HAND:
        AT_HAND.clear()
        AT_HAND[key] = Prepared(args, silent)
    return AT_HAND[key]


def silent(_: str) -> None:
    """Say nothing: who asked tells how far it is."""


def spread(prepared: Prepared, say: Callable[[str], None]) -> None:
    """Have everything played that was not yet, side by side: first what is tuned, then the rest."""
    jobs = Jobs(prepared, say)
    for listed in (jobs.tuning, jobs.playing):
        todo = listed()
        if not todo:
            continue
        pieces = [Piece(prepared.args, job, prepared.session.tuned, prepared.code) for job in todo]
        left = len(pieces)

        def done(at: int, brought: Brought, pieces: list[Piece] = pieces) -> None:
            nonlocal left
            left -= 1
            for name, table in brought.tables.items():
                prepared.session.cells.put(name, table)
            prepared.session.tuned |= brought.tuned
            say(f"{jobs.named(pieces[at].job)}: done, {left} to go")

        if prepared.args.ray is not None:
            on_ray(pieces, prepared.args.ray, done)
        else:
            in_processes(pieces, prepared.args.workers, done)


def in_processes(pieces: list[Piece], workers: int, done: Callable[[int, Brought], None]) -> None:
    """Do pieces in so many processes; `done` hears of each as it is finished."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        waiting = {pool.submit(played, piece): at for at, piece in enumerate(pieces)}
        try:
            for one in as_completed(waiting):
                done(waiting[one], one.result())
        except BaseException:
            for one in waiting:
                one.cancel()
            raise


def on_ray(pieces: list[Piece], address: str, done: Callable[[int, Brought], None]) -> None:
    """Do pieces as tasks of a Ray cluster.

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
    for at, brought in enumerate(found):
        done(at, brought)
