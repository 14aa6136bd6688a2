"""A run of training as a folder: what it was asked, its curve, its checkpoints, its best weights.

run.json             arguments, commit, versions, hashes, and at the end how it ended
curve.jsonl          a line for each evaluation
checkpoints/         the last two (checkpoint.py)
best.safetensors     the weights that paid least on the held-out set, by the names of an artefact
best.json            when that was and what they paid
observations.safetensors   observations and masks of held-out episodes, for golden rows
"""

import fcntl
import hashlib
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from safetensors.numpy import save as save_tensors

from research.checkout import commit
from research.training import dqn, ppo, qlearning
from research.training.checkpoint import write_whole
from research.training.learner import Learner, Make, Numbers, Tensors, UsageError
from research.training.sources import Source, Where
from research.training.trial import Result
from research.worlds.world import Bools, Floats

RUN, CURVE, CHECKPOINTS = "run.json", "curve.jsonl", "checkpoints"
STORE: Final = "ray"  # what workers remember, in place of `checkpoints`
BEST, BEST_WEIGHTS, OBSERVATIONS = "best.json", "best.safetensors", "observations.safetensors"
FILES: Final = {RUN, CURVE, CHECKPOINTS, BEST, BEST_WEIGHTS, OBSERVATIONS}

Args = ppo.Args | dqn.Args | qlearning.Args
ARGS: Final[dict[str, type[Args]]] = {"ppo": ppo.Args, "dqn": dqn.Args, "qlearning": qlearning.Args}


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run was asked. A run that is resumed goes on under the plan that it began with."""

    learner: str = "ppo"
    where: Where = Where()
    knobs: dict[str, Any] = {}
    device: str = "cpu"
    learn_threads: int = 2  # that ppo cuts its minibatches for; torch itself gets one
    evaluate_every: int = 200_000  # steps
    checkpoint_every: int = 500_000  # steps
    patience: int = 0  # evaluations without a better one before the run stops; 0 = never
    warm_start: str = ""  # the rule that is cloned first
    warm_steps: int = 100_000
    workers: int = 1

    def args(self, source: Source) -> Args:
        """Return the learner's own arguments."""
        knobs = dict(self.knobs)
        if self.learner == "qlearning" and not knobs.get("axes"):
            knobs["axes"] = msgspec.to_builtins(source.axes)
        return msgspec.convert(knobs, ARGS[self.learner])


def learner_of(plan: Plan, source: Source, rank: int = 0, workers: int = 1, reduce: Any = None) -> Learner:
    """Return the learner that a plan asks for."""
    args = plan.args(source)
    make: Make = source.make(args.envs)
    if isinstance(args, qlearning.Args):
        if workers > 1:
            raise UsageError("qlearning learns in one process: leave --workers away")
        return qlearning.QLearning(args, make)
    if isinstance(args, dqn.Args):
        return dqn.DQN(args, make, plan.device, rank, workers, reduce)
    return ppo.PPO(args, make, plan.device, rank, workers, reduce, plan.learn_threads)


class Folder:
    """The files of a run, each written whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / CHECKPOINTS
        self._curve: list[dict[str, Any]] = []

    def begin(self, plan: Plan, source: Source) -> None:
        """Make the folder of a new run.

        Raises:
            UsageError: it is there and not empty, or cannot be made.

        """
        try:
            names = {path.name for path in self.path.iterdir()} if self.path.exists() else set()
            if RUN in names <= FILES and not any(self.checkpoints.glob("step-*.json")):
                raise UsageError(
                    f"{self.path}: holds a run that ended before its first checkpoint, with nothing to go on "
                    "from; give another folder"
                )
            if names:
                raise UsageError(f"{self.path}: is not empty; give another folder, or --resume this one")
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{self.path}: cannot be made: {error.strerror}") from None
        self.describe(plan, source, {"status": "running"})

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other process out; the lock goes with this one, however it ends.

        Raises:
            UsageError: another process trains here.

        """
        here = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(here, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise UsageError(f"{self.path}: another process trains here; end it first") from None
        finally:
            os.close(here)

    def describe(self, plan: Plan, source: Source, ended: dict[str, Any]) -> None:
        """Write what the run is and how it stands."""
        tree = {
            "plan": msgspec.to_builtins(plan),
            "args": msgspec.to_builtins(plan.args(source)),
            "world": source.about,
            "hashes": source.hashes,
            "commit": commit(),
            "versions": {
                "python": platform.python_version(),
                "numpy": np.__version__,
                "torch": str(torch.__version__),
            },
            **ended,
        }
        write_whole(self.path / RUN, pretty(tree))

    def forget_after(self, steps: int) -> None:
        """Keep of the curve only what lies before a checkpoint."""
        try:
            lines = (self.path / CURVE).read_text().splitlines()
        except OSError:
            lines = []
        self._curve = [row for row in map(json.loads, lines) if row["steps"] <= steps]
        self.write_curve()

    def add(self, row: dict[str, Any]) -> None:
        """Write one point of the curve."""
        self._curve.append(row)
        self.write_curve()

    def write_curve(self) -> None:
        """Write the curve; it is some hundred lines at most."""
        write_whole(self.path / CURVE, b"".join(json.dumps(row).encode() + b"\n" for row in self._curve))

    def best(self, weights: Tensors, steps: int, result: Result) -> None:
        """Write the best weights so far and what they paid."""
        raw = save_tensors(weights) if weights else b""
        if raw:
            write_whole(self.path / BEST_WEIGHTS, raw)
        facts = {
            "steps": steps,
            "result": msgspec.to_builtins(result),
            "sha256": hashlib.sha256(raw).hexdigest() if raw else "",
        }
        write_whole(self.path / BEST, pretty(facts))

    def sample(self, obs: Floats, mask: Bools) -> None:
        """Write observations for golden rows."""
        tensors: dict[str, Any] = {"obs": obs, "mask": mask}
        write_whole(self.path / OBSERVATIONS, save_tensors(tensors))


def pretty(tree: Numbers) -> bytes:
    """Return a tree as JSON that a person can read."""
    return json.dumps(tree, sort_keys=True, indent=1, default=str).encode() + b"\n"
