"""`steadyhand train`: play, learn, evaluate, remember; and end cleanly whatever happens.

Evaluations and checkpoints come at multiples of steps, never by the clock, so a run that is resumed is
the run that was interrupted. On an interrupt the iteration is finished and the last checkpoint stays.
"""

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import torch

from market.unreadable import UNREADABLE
from research.training import checkpoint
from research.training.checkpoint import CheckpointError
from research.training.learner import Learner, TrainingError, UsageError
from research.training.loop import Loop, Progress
from research.training.progress import view
from research.training.run import ARGS, CHECKPOINTS, RUN, STORE, Folder, Plan, learner_of
from research.training.sources import QUIETABLE, SMALL, Source, Where, source
from research.training.warm_start import clone

DONE, NOT_CLEAN, USAGE, CONFIG, INTERRUPTED = 0, 1, 2, 78, 130


def main(options: argparse.Namespace) -> int:
    """Run, and return the exit code; trouble is one line."""
    try:
        return dispatch(options)
    except UsageError as error:
        return complain(error, USAGE)
    except CheckpointError as error:
        return complain(error, CONFIG)
    except TrainingError as error:
        return complain(error, NOT_CLEAN)


def complain(error: Exception, code: int) -> int:
    """Say what is wrong in one line."""
    print(f"steadyhand train: {error}", file=sys.stderr)
    return code


def dispatch(options: argparse.Namespace) -> int:
    """Start a run, go on with one, or hand over to the cluster."""
    if options.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: this torch sees no CUDA device; leave it away to train on the CPU")
    if options.release is not None:
        if options.out is None:
            raise UsageError("--release: give --out, the same again to go on")
        from research.training import release

        return release.main(options.release, options.out, options.minutes)
    if options.resume is not None and (planned := on_workers(options.resume)) is not None:
        from research.cluster import launch

        return launch.main(options, planned)
    if options.resume is not None:
        path = checkpoint.latest(options.resume / CHECKPOINTS)
        plan = plan_of(path)
        found = source(plan.where)
        header, tensors = checkpoint.load(path, found.hashes)
        folder = Folder(options.resume)
        state: Any = (tensors, header.numbers)
    else:
        plan, state = plan_from(options), None
        found, folder = source(plan.where), Folder(options.out)
    if options.sweep is not None or options.ray is not None or plan.workers > 1:
        from research.cluster import launch

        return launch.main(options, plan)
    if state is None:
        folder.begin(plan, found)
    torch.set_num_threads(1)  # at 64 units a layer a second one waits more than it works
    return train(plan, found, folder, state, options.minutes)


def plan_from(options: argparse.Namespace) -> Plan:
    """Return the plan of a command line.

    Raises:
        UsageError: a knob is not known or its value is none.

    """
    knobs: dict[str, Any] = {"seed": options.seed}
    for name in ("steps", "envs", "cvar"):
        if getattr(options, name) is not None:
            knobs[name] = getattr(options, name)
    kind = ARGS[options.learner]
    known = {field.name: field for field in msgspec.structs.fields(kind)}
    if options.cvar is not None and "cvar" not in known:
        raise UsageError("--cvar: only ppo learns from the worst orders")
    for name, text in options.set:
        if name not in known:
            raise UsageError(f"--set {name}: {options.learner} has {', '.join(known)}")
        try:
            knobs[name] = msgspec.json.decode(text)
            msgspec.convert(knobs, kind)
        except msgspec.MsgspecError as error:
            raise UsageError(f"--set {name}={text}: {error}") from None
    if options.continuous and options.learner != "ppo":
        raise UsageError("--continuous: only ppo has continuous actions")
    if options.warm_start and options.learner != "ppo":
        raise UsageError("--warm-start: only ppo begins from a cloned rule")
    fits(options, knobs)
    where = Where(
        world=options.world,
        scenarios=tuple(filter(None, (options.scenarios or "").split(","))),
        calibration=str(options.calibration or ""),
        reward=options.reward,
        quiet=options.quiet,
        continuous=options.continuous,
        interval_ms=options.interval_ms,
        corridor=options.corridor,
        on_fill=options.on_fill,
        on_touch=options.on_touch,
        rule=options.rule,
        episodes=options.episodes,
        threads=options.threads,
    )
    return Plan(
        learner=options.learner,
        where=where,
        knobs=knobs,
        device=options.device,
        learn_threads=options.learn_threads,
        evaluate_every=options.evaluate_every,
        checkpoint_every=options.checkpoint_every,
        patience=options.patience,
        warm_start=options.warm_start or "",
        workers=options.workers,
    )


def fits(options: argparse.Namespace, knobs: dict[str, Any]) -> None:
    """Refuse what a world would pass over in silence.

    Raises:
        UsageError: naming it.

    """
    if options.quiet and (options.continuous or options.reward != QUIETABLE):
        raise UsageError(f"--quiet: only with --reward {QUIETABLE}, and without --continuous")
    if knobs.get("cvar", 1.0) < 1.0 and (options.quiet or options.reward != QUIETABLE):
        raise UsageError(f"--cvar: only with --reward {QUIETABLE}, and without --quiet")
    if options.world not in SMALL:
        return
    for name in ("scenarios", "calibration", "quiet"):
        if getattr(options, name):
            raise UsageError(f"--{name}: --world {options.world} has none")
    if options.reward != QUIETABLE:
        raise UsageError(f"--reward: --world {options.world} pays what it pays")
    if options.continuous and options.world == "known":
        raise UsageError("--continuous: --world known has a table of actions alone")


def plan_of(path: Path) -> Plan:
    """Return the plan that a checkpoint was made under.

    Raises:
        CheckpointError: it holds none.

    """
    header, _ = checkpoint.load(path, {})
    try:
        return msgspec.convert(header.args, Plan)
    except msgspec.ValidationError as error:
        raise CheckpointError(f"{path}: args: {error}") from None


def on_workers(path: Path) -> Plan | None:
    """Return the plan of a run on workers, which keep their checkpoints themselves; None: it is none.

    Raises:
        CheckpointError: what the run was asked cannot be read.

    """
    if not (path / STORE).is_dir():
        return None
    try:
        told = msgspec.json.decode((path / RUN).read_bytes(), type=dict[str, Any])
        plan = msgspec.convert(told.get("plan"), Plan)
    except (OSError, *UNREADABLE) as error:
        raise CheckpointError(f"{path / RUN}: {error}") from None
    return plan if plan.workers > 1 else None


class Stop:
    """Whether an interrupt has come; a second one ends at once."""

    asked = False


@contextmanager
def interrupts() -> Iterator[Stop]:
    """Turn the first interrupt into a wish."""
    stop = Stop()

    def ask(*_: Any) -> None:
        stop.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def train(plan: Plan, found: Source, folder: Folder, state: Any, minutes: int | None) -> int:
    """Train to the end of the plan, from `state` where there is one; return the exit code."""
    with folder.held():
        if state is not None:
            folder.forget_after(state[1]["steps"])
        return trained(plan, found, learner_of(plan, found), folder, state, minutes)


def trained(
    plan: Plan, found: Source, learner: Learner, folder: Folder, state: Any, minutes: int | None
) -> int:
    """Be `train`, with the folder held."""
    trial = found.trial()
    progress = Progress()
    if state is not None:
        learner.load(*state)
        progress = msgspec.convert(state[1]["run"], Progress)
    elif plan.warm_start:
        said = clone(plan, found, learner, trial)
        print(f"cloned {plan.warm_start}: {said.line()}", file=sys.stderr)
    total = plan.args(found).steps
    with view(total) as shown, interrupts() as stop:
        loop = Loop(plan, found, learner, folder, trial, shown, progress)
        if state is None:
            loop.start()
        deadline_s = time.monotonic() + 60.0 * minutes if minutes else None
        while learner.steps < total and not loop.over:
            loop.turn()
            if stop.asked:
                print(f"steadyhand train: {loop.interrupted()}", file=sys.stderr)
                return INTERRUPTED
            if deadline_s is not None and time.monotonic() >= deadline_s:
                break
        said_last = loop.end()
    print(said_last)
    return DONE
