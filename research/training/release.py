"""A release: several seeds under one recipe, side by side, each a run of its own that can be gone on with.

    steadyhand train --release --out DIR          # the shipped recipe, release.json beside this file
    steadyhand train --release FILE.json --out DIR

DIR/seed-N are runs like any other, what `validate` and `freeze` take. The same command again goes on: what
is finished stays, what was interrupted is resumed, a folder of another recipe is refused. Openings and what
the rules pay on the held-out set are played once, then a process is forked for each seed, all at once: cores
are busy to the end whatever their number, and whoever stops early has five policies of the same age.
"""

import multiprocessing
import os
import shutil
import signal
import sys
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, Final

import msgspec
import torch

from market.unreadable import UNREADABLE
from research.training import checkpoint
from research.training.checkpoint import CheckpointError
from research.training.learner import TrainingError, UsageError
from research.training.run import CHECKPOINTS, RUN, Folder, Plan
from research.training.sources import Source, source
from research.training.train import DONE, INTERRUPTED, NOT_CLEAN, plan_of, train

RECIPE: Final = "recipe.json"
SEEDS_MAX: Final = 64  # processes that share this machine's memory


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is trained, and from which seeds."""

    about: str = ""
    seeds: tuple[int, ...]
    plan: Plan

    def seeded(self, seed: int) -> Plan:
        """Return the plan of one seed."""
        return msgspec.structs.replace(self.plan, knobs={**self.plan.knobs, "seed": seed})


def told(recipe: Recipe) -> bytes:
    """Return a recipe as a file."""
    return msgspec.json.format(msgspec.json.encode(recipe), indent=1) + b"\n"


def read(path: Path) -> Recipe:
    """Return a recipe.

    Raises:
        UsageError: it cannot be read, or is none.

    """
    try:
        recipe = msgspec.json.decode(path.read_bytes(), type=Recipe)
    except OSError as error:
        raise UsageError(f"--release {path}: cannot be read: {error.strerror}") from None
    except UNREADABLE as error:
        raise UsageError(f"--release {path}: is no recipe: {error}") from None
    if not 1 <= len(set(recipe.seeds)) == len(recipe.seeds) <= SEEDS_MAX:
        raise UsageError(f"--release {path}: seeds: 1 to {SEEDS_MAX}, each once")
    if recipe.plan.workers > 1:
        raise UsageError(f"--release {path}: workers: a release trains its seeds side by side; leave it away")
    return recipe


def main(path: Path, out: Path, minutes: int | None) -> int:
    """Train every seed of a recipe; return the exit code.

    Raises:
        UsageError: the recipe cannot be read, or `out` holds another one's runs.

    """
    recipe = read(path)
    torch.set_num_threads(1)  # before the fork: a pool of threads does not live through it
    found = source(recipe.plan.where)
    keep(recipe, out)
    left = [seed for seed in recipe.seeds if not finished(out, seed)]
    if not left:
        print(f"{out}: all {len(recipe.seeds)} seeds are trained")
        return DONE
    found = prepared(recipe.plan, found)
    fork = multiprocessing.get_context("fork")
    work = [fork.Process(target=child, args=(recipe.seeded(n), found, out, n, minutes)) for n in left]
    for process in work:
        process.start()
    said = f"{len(left)} seeds; {folder_of(out, left[0])}.log and its like say how each stands"
    print(f"steadyhand train: {said}", file=sys.stderr, flush=True)
    return ended(work)


def ended(work: list[Any]) -> int:
    """Wait for every process; return the exit code. An interrupt is handed on to each."""
    for process in work:
        while process.is_alive():
            try:
                process.join()
            except KeyboardInterrupt:
                for other in work:
                    if other.is_alive():
                        os.kill(other.pid, signal.SIGINT)  # it finishes its turn, and says where it stopped
    codes = {process.exitcode for process in work}
    if codes == {DONE}:
        return DONE
    return INTERRUPTED if codes <= {DONE, INTERRUPTED} else NOT_CLEAN


def folder_of(out: Path, seed: int) -> Path:
    """Return the folder of a seed's run."""
    return out / f"seed-{seed}"


def keep(recipe: Recipe, out: Path) -> None:
    """Write down what a folder of runs is made under.

    Raises:
        UsageError: it was made under something else, or cannot be written.

    """
    path = out / RECIPE
    try:
        out.mkdir(parents=True, exist_ok=True)
        there = path.read_bytes() if path.is_file() else None
    except OSError as error:
        raise UsageError(f"{out}: cannot be made: {error.strerror}") from None
    if there is None and any(out.iterdir()):
        raise UsageError(f"{out}: is not empty, and no release's; give another folder")
    if there not in (None, told(recipe)):
        raise UsageError(f"{path}: is another recipe; give another folder")
    checkpoint.write_whole(path, told(recipe))


def finished(out: Path, seed: int) -> bool:
    """Say whether a seed's run came to its end."""
    try:
        facts = msgspec.json.decode((folder_of(out, seed) / RUN).read_bytes(), type=dict[str, Any])
    except (OSError, *UNREADABLE):
        return False
    args = facts.get("args", {})
    return facts.get("status") == "stopped early" or facts.get("steps", 0) >= args.get("steps", 1)


def prepared(plan: Plan, found: Source) -> Source:
    """Play what all seeds share: openings, and the rules on the held-out set."""
    found.make(plan.args(found).envs)(0)
    trial = found.trial()
    for name in trial.rules:
        trial.paid(name)
    return msgspec.structs.replace(found, trial=lambda: trial)


def child(plan: Plan, found: Source, out: Path, seed: int, minutes: int | None) -> None:
    """Train one seed in a process of its own, which ends with its exit code."""
    os.setsid()  # a scheduler that shares the cores out by session gives each seed a share
    log = folder_of(out, seed).with_suffix(".log")
    with log.open("a", buffering=1) as file, redirect_stderr(file):
        try:
            code = one(plan, found, folder_of(out, seed), minutes)
        except (TrainingError, CheckpointError) as error:
            print(f"steadyhand train: seed {seed}: {error}", file=sys.__stderr__)
            code = NOT_CLEAN
    sys.stdout.flush()
    os._exit(code)  # nothing of the parent's is to be cleaned up here


def one(plan: Plan, found: Source, path: Path, minutes: int | None) -> int:
    """Begin a seed's run, or go on with it."""
    folder = Folder(path)
    state: Any = None
    if any((path / CHECKPOINTS).glob("step-*.json")):
        newest = checkpoint.latest(path / CHECKPOINTS)
        plan = plan_of(newest)
        header, tensors = checkpoint.load(newest, found.hashes)
        state = (tensors, header.numbers)
    else:
        if path.exists():
            shutil.rmtree(path)  # cut before its first checkpoint: there is nothing to go on from
        folder.begin(plan, found)
    return train(plan, found, folder, state, minutes)
