"""Trials over knobs, on Ray Tune: every combination of a file's values, each a run of its own."""

import itertools
import json
from pathlib import Path
from typing import Any, Final

import msgspec
import torch
from ray import tune

from market.unreadable import UNREADABLE
from research.training.checkpoint import write_whole
from research.training.learner import TrainingError, UsageError
from research.training.loop import Loop, Progress
from research.training.progress import View
from research.training.run import Folder, Plan, learner_of
from research.training.sources import source

TRIALS_MAX: Final = 1_000  # each is minutes of training
RESULTS: Final = "sweep.json"


def sweep(path: Path, plan: Plan, out: Path) -> int:
    """Run every combination, write what each paid, best first; return the exit code.

    Raises:
        UsageError: the file cannot be used.
        TrainingError: a trial failed.

    """
    out = out.resolve()
    grid = read(path, plan)
    names = sorted(grid)
    combinations = [dict(zip(names, v, strict=True)) for v in itertools.product(*(grid[n] for n in names))]
    if len(combinations) > TRIALS_MAX:
        raise UsageError(f"{path}: {len(combinations)} combinations; {TRIALS_MAX} at most")
    folder, found = Folder(out), source(plan.where)
    folder.begin(plan, found)
    space = {
        "plan": msgspec.to_builtins(plan),
        "out": str(out),
        "trial": tune.grid_search([{"number": n, "knobs": knobs} for n, knobs in enumerate(combinations)]),
    }
    tuner = tune.Tuner(
        attempt,
        param_space=space,
        tune_config=tune.TuneConfig(metric="cost", mode="min"),
        run_config=tune.RunConfig(name="tune", storage_path=str(out / "ray"), verbose=0),
    )
    grid_of = tuner.fit()
    results = [grid_of[n] for n in range(len(grid_of))]
    failed = [r for r in results if r.error is not None]
    rows = [
        {"trial": r.config["trial"]["number"], "knobs": r.config["trial"]["knobs"], **figures(r.metrics)}
        for r in results
        if r.error is None and r.config is not None
    ]
    rows.sort(key=lambda row: row["cost"])
    write_whole(out / RESULTS, json.dumps(rows, indent=1).encode() + b"\n")
    for row in rows:
        print(f"{row['cost']:9.4f}  {row['steps']:,} steps  {row['knobs']}")
    folder.describe(plan, found, {"status": "failed" if failed else "finished", "trials": len(rows)})
    if failed:
        raise TrainingError(
            f"{len(failed)} of {len(combinations)} trials failed; the rest is in {out / RESULTS}"
        )
    return 0


def figures(metrics: dict[str, Any] | None) -> dict[str, Any]:
    """Return what a trial reported last."""
    return {name: (metrics or {})[name] for name in ("cost", "steps", "seconds")}


def read(path: Path, plan: Plan) -> dict[str, list[Any]]:
    """Return the values of each knob.

    Raises:
        UsageError: the file is not one of knobs and lists of their values.

    """
    try:
        grid = msgspec.json.decode(path.read_bytes(), type=dict[str, list[Any]])
    except (OSError, *UNREADABLE) as error:
        raise UsageError(f'{path}: write {{"learning_rate": [1e-4, 3e-4], ...}}: {error}') from None
    found = source(plan.where)
    for name, values in grid.items():
        for value in values:
            try:
                msgspec.structs.replace(plan, knobs={**plan.knobs, name: value}).args(found)
            except msgspec.ValidationError as error:
                raise UsageError(f"{path}: {name} = {value}: {error}") from None
    return grid


def attempt(config: dict[str, Any]) -> None:
    """Be one trial: an ordinary run in a folder of its own."""
    plan = msgspec.convert(config["plan"], Plan)
    plan = msgspec.structs.replace(plan, knobs={**plan.knobs, **config["trial"]["knobs"]})
    torch.set_num_threads(1)
    found = source(plan.where)
    folder = Folder(Path(config["out"]) / f"trial-{config['trial']['number']}")
    folder.begin(plan, found)
    learner = learner_of(plan, found)
    total = plan.args(found).steps
    loop = Loop(plan, found, learner, folder, found.trial(), View(total, None, None), Progress())
    loop.start()
    while learner.steps < total and not loop.over:
        loop.turn()
    loop.end()
    p = loop.progress
    tune.report({"cost": p.best, "steps": learner.steps, "seconds": p.seconds})
