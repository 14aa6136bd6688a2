"""A run of training: the same run when resumed, one line for whatever goes wrong, nothing half-written."""

import errno
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from research.cluster import launch
from research.training import checkpoint, sources, train
from research.training.flat import Flat
from research.training.loop import Loop
from research.training.run import Folder, Plan
from research.training.train_options import main
from research.worlds import known

SMALL = ["--world", "known", "--envs", "32", "--episodes", "64", "--evaluate-every", "1000"]
KNOBS = {
    "ppo": ["--set", "horizon=16", "--set", "minibatch=128"],
    "dqn": ["--set", "starts=500", "--set", "batch=32", "--set", "buffer=4000", "--set", "prioritised=0.6"],
    "qlearning": ["--learner", "qlearning", "--set", "horizon=16"],
}
STEPS = {"ppo": "6000", "dqn": "25000", "qlearning": "6000"}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def asked(learner: str, *more: str) -> list[str]:
    return [*SMALL, "--learner", learner, "--steps", STEPS[learner], *KNOBS[learner], *more]


def interrupted_after(turns: int, patch: pytest.MonkeyPatch) -> None:
    """Send ourselves an interrupt in the middle of a turn."""
    original = Loop.turn
    seen = {"turns": 0}

    def turn(self: Loop) -> None:
        seen["turns"] += 1
        if seen["turns"] == turns:
            os.kill(os.getpid(), signal.SIGINT)
        original(self)

    patch.setattr(Loop, "turn", turn)


def curve_of(folder: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def tensors_of(folder: Path) -> bytes:
    return checkpoint.latest(folder / "checkpoints").with_suffix(".safetensors").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("learner", "more"), [("ppo", []), ("ppo", ["--cvar", "0.2"]), ("dqn", []), ("qlearning", [])]
)
def test_a_run_that_is_resumed_is_the_run_that_was_interrupted(
    learner: str,
    more: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    every = "8000" if learner == "dqn" else "2000"
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    assert main(asked(learner, *more, "--checkpoint-every", every, "--out", str(whole))) == 0

    with monkeypatch.context() as patch:
        interrupted_after(3 if learner == "dqn" else 6, patch)
        assert main(asked(learner, *more, "--checkpoint-every", every, "--out", str(halved))) == 130
    assert "goes on from step" in capsys.readouterr().err
    assert main(["--resume", str(halved)]) == 0

    assert curve_of(halved) == curve_of(whole)
    assert tensors_of(halved) == tensors_of(whole)
    assert (halved / "best.json").read_bytes() == (whole / "best.json").read_bytes()


def test_the_same_seed_gives_the_same_run_and_another_seed_another(tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert main(asked("ppo", "--seed", seed, "--out", str(tmp_path / name))) == 0

    assert tensors_of(tmp_path / "a") == tensors_of(tmp_path / "b")
    assert tensors_of(tmp_path / "a") != tensors_of(tmp_path / "c")


def test_a_run_says_what_it_was(tmp_path: Path) -> None:
    assert main(asked("ppo", "--out", str(tmp_path / "run"))) == 0

    run = json.loads((tmp_path / "run" / "run.json").read_text())
    best = json.loads((tmp_path / "run" / "best.json").read_text())
    assert run["status"] == "finished"
    assert run["args"]["minibatch"] == 128
    assert run["world"]["world"] == "known"
    assert {"cross", "join"} == best["result"]["against"].keys()
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "run.json", "curve.jsonl", "checkpoints", "best.json", "best.safetensors", "observations.safetensors",
    }  # fmt: skip


def test_a_run_stops_when_the_held_out_set_gets_no_better(tmp_path: Path) -> None:
    more = ["--set", "learning_rate=0", "--patience", "2", "--out", str(tmp_path / "run")]

    assert main(asked("ppo", *more)) == 0

    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["status"] == "stopped early"
    assert run["steps"] < 6_000


@pytest.mark.slow
def test_a_warm_start_begins_from_the_rule(tmp_path: Path) -> None:
    more = ["--warm-start", "join", "--set", "critic_first=2", "--out", str(tmp_path / "run")]

    assert main(asked("ppo", *more)) == 0

    first = curve_of(tmp_path / "run")[0]["result"]
    assert abs(first["against"]["join"]["mean"]) < 0.3


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--set", "speed=3"], "--set speed: ppo has envs"),
        (["--set", "clip=wide"], "--set"),
        (["--set", "learning_rate=-1"], "--set learning_rate=-1: Expected `float` >= 0.0"),
        (["--set", "learning_rate=1e30"], "Expected `float` <= 1.0"),
        (["--set", "minibatch=0"], "Expected `int` >= 1"),
        (["--set", "envs=0"], "Expected `int` >= 1"),
        (["--set", "hidden=1000000000"], "Expected `int` <= 1024"),
        (["--learner", "dqn", "--set", "buffer=0"], "Expected `int` >= 1"),
        (["--learner", "dqn", "--continuous"], "--continuous: only ppo"),
        (["--learner", "dqn", "--warm-start", "join"], "--warm-start: only ppo"),
        (["--continuous"], "--continuous: --world known has a table"),
        (["--scenarios", "plain"], "--scenarios: --world known has none"),
        (["--reward", "averse"], "--reward: --world known pays what it pays"),
        (["--quiet"], "--quiet: --world known has none"),
        (["--learner", "dqn", "--cvar", "0.1"], "--cvar: only ppo"),
        (["--world", "environment", "--cvar", "0.1", "--quiet"], "--cvar: only with --reward shortfall"),
        (["--world", "environment", "--set", "cvar=0.1", "--reward", "averse"], "--cvar: only with --reward"),
        (
            ["--world", "environment", "--quiet", "--reward", "averse"],
            "--quiet: only with --reward shortfall",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    more: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SMALL, *more, "--out", str(tmp_path / "run")]) == 2

    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_an_iteration_that_no_memory_holds_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--set", "horizon=65536", "--set", "envs=4096"]

    assert main([*SMALL, *more, "--out", str(tmp_path / "run")]) == 2

    assert "envs x horizon: 268,435,456 decisions" in capsys.readouterr().err


def test_a_folder_that_holds_something_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("thesis")

    assert main([*SMALL, "--out", str(tmp_path)]) == 2

    assert "is not empty" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_a_run_without_a_checkpoint_is_told_from_one_to_go_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(asked("ppo", "--out", str(tmp_path / "run"))) == 0
    assert main(asked("ppo", "--out", str(tmp_path / "run"))) == 2
    assert "or --resume this one" in capsys.readouterr().err
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        path.unlink()

    assert main(asked("ppo", "--out", str(tmp_path / "run"))) == 2

    assert "ended before its first checkpoint" in capsys.readouterr().err


def test_a_folder_in_which_another_process_trains_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert main(asked("ppo", "--out", str(folder))) == 0
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    capsys.readouterr()

    with Folder(folder).held():
        assert main(["--resume", str(folder)]) == 2

    assert "another process trains here" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert main(["--resume", str(folder)]) == 0


class Poisoned(known.Known):
    """A world whose rewards stop being numbers."""

    def step(self, actions: Any) -> Any:
        obs, reward, done, mask, infos = super().step(actions)
        return obs, reward * np.float32("nan"), done, mask, infos


class Blind(known.Known):
    """A world whose observations stop being numbers."""

    def look(self) -> Any:
        obs, mask = super().look()
        if self._period.max() > 3:
            obs[5, 3] = np.nan
        return obs, mask


@pytest.mark.parametrize("learner", ["ppo", "dqn", "qlearning"])
def test_a_reward_that_is_no_number_ends_the_run_in_one_line(
    learner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sources.known, "Known", Poisoned)

    assert main(asked(learner, "--out", str(tmp_path / "run"))) == 1

    assert "a reward is not a number" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("learner", ["ppo", "dqn"])
def test_a_loss_that_is_no_number_ends_the_run_in_one_line(
    learner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Flat, "follow", lambda self, *_: self.weights.data.fill_(float("nan")))

    assert main(asked(learner, "--out", str(tmp_path / "run"))) == 1

    assert "the loss is not a number" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("learner", ["ppo", "qlearning"])
def test_a_feature_that_is_no_number_is_named(
    learner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sources.known, "Known", Blind)

    assert main(asked(learner, "--out", str(tmp_path / "run"))) == 1

    assert "feature 3 of an observation is not a number" in capsys.readouterr().err.splitlines()[-1]


def test_a_full_disk_leaves_the_last_checkpoint_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = {"writes": 0}
    original = os.fsync

    def fsync(number: int) -> None:
        calls["writes"] += 1
        if calls["writes"] > 24:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(number)

    monkeypatch.setattr(checkpoint.os, "fsync", fsync)
    folder = tmp_path / "run"

    assert main(asked("ppo", "--checkpoint-every", "1000", "--out", str(folder))) == 1

    assert "No space left on device" in capsys.readouterr().err.splitlines()[-1]
    assert not list(folder.rglob("*.part"))
    header, tensors = checkpoint.load(checkpoint.latest(folder / "checkpoints"), {})
    assert header.numbers["steps"] > 0
    assert len(tensors) == 5


def damaged(folder: Path, what: str) -> str:
    """Damage a run's last checkpoint; return what is then said."""
    path = checkpoint.latest(folder / "checkpoints")
    tree = json.loads(path.read_text())
    if what == "tensors":
        other = path.with_suffix(".safetensors")
        other.write_bytes(other.read_bytes()[:-1])
        return "SHA-256 differs"
    if what == "world":
        tree["hashes"]["world"] = "0" * 64
        said = "was made for another world; train anew"
    elif what == "schema":
        tree["schema"] = 2
        said = "schema 2; this version reads 1"
    elif what == "plan":
        tree["args"]["colour"] = "blue"
        said = "colour"
    path.write_text("{" if what == "torn" else json.dumps(tree))
    return "is not a checkpoint" if what == "torn" else said


@pytest.mark.parametrize("what", ["tensors", "world", "schema", "plan", "torn"])
def test_a_checkpoint_of_another_kind_is_refused(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert main(asked("ppo", "--out", str(folder))) == 0
    said = damaged(folder, what)
    capsys.readouterr()

    assert main(["--resume", str(folder)]) == 78

    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_a_folder_without_a_checkpoint_cannot_be_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--resume", str(tmp_path)]) == 78

    assert "holds no checkpoint" in capsys.readouterr().err


def test_a_run_on_workers_goes_on_on_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They keep checkpoints elsewhere: it was told that it holds none."""
    plan = Plan(where=sources.Where(world="known"), workers=2)
    Folder(tmp_path / "run").begin(plan, sources.source(plan.where))
    (tmp_path / "run" / "ray").mkdir()
    asked_of = []
    monkeypatch.setattr(launch, "main", lambda options, found: asked_of.append((options.resume, found)) or 0)

    assert main(["--resume", str(tmp_path / "run")]) == 0

    assert asked_of == [(tmp_path / "run", plan)]


def test_a_run_on_workers_that_says_no_more_what_it_was_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run" / "ray").mkdir(parents=True)
    (tmp_path / "run" / "run.json").write_text('{"plan": 3}')

    assert main(["--resume", str(tmp_path / "run")]) == 78

    assert "run.json: Expected `object`, got `int`" in capsys.readouterr().err


def test_a_second_interrupt_ends_at_once(tmp_path: Path) -> None:
    with train.interrupts() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
