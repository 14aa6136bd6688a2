"""A release: seeds side by side under one recipe, gone on with by the same command."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from research.training import release
from research.training.learner import TrainingError
from research.training.run import Plan
from research.training.sources import Where
from research.training.train_options import SHIPPED, main

KNOBS = {"envs": 32, "horizon": 16, "minibatch": 128, "steps": 3_000}
PLAN = Plan(
    where=Where(world="known", episodes=64, threads=1),
    knobs=KNOBS,
    learn_threads=1,
    evaluate_every=1_000,
    checkpoint_every=1_000,
)


def recipe(path: Path, seeds: tuple[int, ...] = (3, 4)) -> Path:
    path.write_bytes(release.told(release.Recipe(seeds=seeds, plan=PLAN)))
    return path


def trained(path: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own: a fork wants a parent without threads."""
    command = [sys.executable, "-m", "daemon.cli", "train", "--release", str(path), "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_every_seed_is_a_run_and_the_same_command_goes_on(tmp_path: Path) -> None:
    path, out = recipe(tmp_path / "recipe.json"), tmp_path / "out"

    first = trained(path, out)

    assert first.returncode == 0, first.stderr
    best = {seed: json.loads((out / f"seed-{seed}" / "best.json").read_text()) for seed in (3, 4)}
    assert best[3]["sha256"] != best[4]["sha256"]
    assert json.loads((out / "seed-4" / "run.json").read_text())["args"]["seed"] == 4

    (out / "seed-4" / "run.json").write_text("{}")  # as if it had been cut: it goes on from its checkpoint
    again = trained(path, out)
    assert again.returncode == 0, again.stderr
    assert "1 seeds" in again.stderr
    assert "all 2 seeds are trained" in trained(path, out).stdout

    other = trained(recipe(tmp_path / "other.json", seeds=(3, 5)), out)
    assert other.returncode == 2
    assert "is another recipe" in other.stderr


def test_what_is_no_recipe_is_said_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{"seeds": [1], "plan": {"learnr": "ppo"}}')
    assert main(["--release", str(bad), "--out", str(tmp_path / "out")]) == 2
    assert "is no recipe" in capsys.readouterr().err
    assert main(["--release", str(tmp_path / "none.json"), "--out", str(tmp_path / "out")]) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

    with pytest.raises(TrainingError, match="each once"):
        release.read(recipe(tmp_path / "twice.json", seeds=(3, 3)))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("keep")
    with pytest.raises(TrainingError, match="is not empty"):
        release.keep(release.Recipe(seeds=(1,), plan=PLAN), mine)


def test_the_shipped_recipe_can_be_read() -> None:
    shipped = release.read(SHIPPED)
    assert len(shipped.seeds) == 5
    assert shipped.plan.learner == "ppo"
