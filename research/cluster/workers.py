"""One learner in several processes: each has worlds of its own, gradients are summed over all of them.

Ray Train starts the workers, joins them by torch.distributed (gloo), keeps their checkpoints, and starts
them again from the last one when a worker or its machine is lost. The worker of rank 0 evaluates and
writes the run's folder. On several machines the folder must be one that all of them see.
"""

import json
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec
import ray
import ray.train
import torch
import torch.distributed
from ray.train.torch import TorchConfig, TorchTrainer
from torch import Tensor

from research.training import checkpoint
from research.training.checkpoint import write_whole
from research.training.learner import TrainingError, UsageError
from research.training.loop import Loop, Progress, State
from research.training.progress import View
from research.training.run import STORE, Folder, Plan, learner_of
from research.training.sources import source

FAILURES_MAX: Final = 3  # a worker that is lost again and again is not chance
INTERRUPTED: Final = 130
WORKERS: Final = "workers"  # in the run's folder: who works where
ENDED: Final = "ended.txt"  # in the run's folder: the first worker's last word


def run(plan: Plan, out: Path, resumed: bool) -> int:
    """Train on workers to the end of the plan; return the exit code.

    Raises:
        UsageError: the folder holds another kind of run.
        TrainingError: the run ended otherwise.

    """
    out = out.resolve()
    folder = Folder(out)
    if not resumed:
        folder.begin(plan, source(plan.where))
    elif not (out / STORE).is_dir():
        raise UsageError(f"{out}: was not trained on workers; resume it without --workers")
    (out / WORKERS).mkdir(exist_ok=True)
    trainer = TorchTrainer(
        work,
        train_loop_config={"plan": msgspec.to_builtins(plan), "out": str(out)},
        torch_config=TorchConfig(backend="gloo"),
        scaling_config=ray.train.ScalingConfig(num_workers=plan.workers, use_gpu=plan.device == "cuda"),
        run_config=ray.train.RunConfig(
            name="run",
            storage_path=str(out / STORE),
            failure_config=ray.train.FailureConfig(max_failures=FAILURES_MAX),
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=checkpoint.KEPT),
        ),
    )
    try:
        with folder.held():  # by this process: workers come and go
            trainer.fit()
    except SystemExit:  # of Ray's own handler of interrupts, which exits where it stands
        print(
            f"steadyhand train: interrupted; `--resume {out}` goes on from its last checkpoint",
            file=sys.stderr,
        )
        return INTERRUPTED
    except (ray.exceptions.RayError, RuntimeError) as error:
        raise TrainingError(f"workers: {str(error).splitlines()[-1]}") from None
    print((out / ENDED).read_text(), end="")
    return 0


def work(config: dict[str, Any]) -> None:
    """Be one worker."""
    plan, out = msgspec.convert(config["plan"], Plan), Path(config["out"])
    context = ray.train.get_context()
    rank, workers = context.get_world_rank(), context.get_world_size()
    who = {"pid": os.getpid(), "host": socket.gethostname(), "node": ray.get_runtime_context().get_node_id()}
    write_whole(out / WORKERS / f"{rank}.json", json.dumps(who).encode())
    torch.set_num_threads(1)
    found = source(plan.where)
    learner = learner_of(plan, found, rank, workers, add_up)
    folder, progress = Folder(out), Progress()
    state = given(rank, found.hashes)
    if state is not None:
        learner.load(*state)
        progress = msgspec.convert(state[1]["run"], Progress)

    def keep(state: State) -> None:
        with tempfile.TemporaryDirectory() as made:
            own = Path(made) / f"rank-{rank}"
            own.mkdir()
            checkpoint.save(own, plan.learner, config["plan"], found.hashes, state)
            facts = {"steps": learner.steps, "episodes": learner.episodes}
            ray.train.report(facts, checkpoint=ray.train.Checkpoint.from_directory(made))

    total = plan.args(found).steps
    first = rank == 0
    trial, shown = (found.trial(), View(total, None, None)) if first else (None, None)
    if first:
        folder.forget_after(learner.steps if state is not None else -1)
    loop = Loop(plan, found, learner, folder, trial, shown, progress, keep, anybody)
    if state is None:
        loop.start()
    while learner.steps < total and not loop.over:
        loop.turn()
    said = loop.end()
    if first:
        write_whole(out / ENDED, f"{said}\n".encode())


def given(rank: int, hashes: dict[str, str]) -> State | None:
    """Return what this rank goes on from, if there is something."""
    kept = ray.train.get_checkpoint()
    if kept is None:
        return None
    with kept.as_directory() as made:
        header, tensors = checkpoint.load(checkpoint.latest(Path(made) / f"rank-{rank}"), hashes)
    return tensors, header.numbers


def add_up(tensor: Tensor) -> None:
    """Sum a tensor over all workers, in place."""
    torch.distributed.all_reduce(tensor)


def anybody(said: bool) -> bool:
    """Say whether any worker says so."""
    votes = torch.tensor([float(said)])
    torch.distributed.all_reduce(votes)
    return bool(votes[0])
