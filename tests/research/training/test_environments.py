"""Learning in the environment: what runs there runs twice alike, and gets better."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from research.environment import vector
from research.environment.layout import Openings
from research.environment.scenarios import SCENARIOS, Scenario
from research.training import checkpoint
from research.training.sources import Where, source
from research.training.train_options import main
from research.worlds.round_trips import RoundTrips, Settings

SMALL = ["--scenarios", "plain", "--envs", "16", "--episodes", "16", "--threads", "1", "--steps", "1500"]
SMALL += ["--set", "horizon=16", "--set", "minibatch=128", "--evaluate-every", "100000"]
SMALL += ["--learn-threads", "1"]

pytestmark = pytest.mark.slow


def last_of(folder: Path) -> bytes:
    return checkpoint.latest(folder / "checkpoints").with_suffix(".safetensors").read_bytes()


def test_a_run_in_the_environment_is_the_same_twice(tmp_path: Path) -> None:
    assert main([*SMALL, "--checkpoint-every", "500", "--out", str(tmp_path / "a")]) == 0
    assert main([*SMALL, "--checkpoint-every", "500", "--threads", "2", "--out", str(tmp_path / "b")]) == 0

    assert last_of(tmp_path / "a") == last_of(tmp_path / "b")
    best = json.loads((tmp_path / "a" / "best.json").read_text())
    assert {"twap", "twap-passive", "twap-improve", "rule"} == best["result"]["against"].keys()
    assert best["result"]["episodes"] == 16


def test_who_names_no_scenario_learns_in_all_but_the_illustration() -> None:
    names = [scenario["name"] for scenario in source(Where()).about["scenarios"]]
    assert sorted([*names, "MIDCAP-15"]) == sorted(SCENARIOS)


@pytest.mark.parametrize("more", [["--continuous"], ["--reward", "published"]])
def test_a_plug_in_learns_too(more: list[str], tmp_path: Path) -> None:
    assert main([*SMALL, *more, "--steps", "1000", "--out", str(tmp_path / "run")]) == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--scenarios", "moon"], "--scenarios moon"),
        (["--reward", "fame"], "--reward fame"),
        (["--rule", "1,2"], "--rule: give imbalance"),
        (["--rule", "7,0,0"], "--rule: "),
        (["--calibration", "nowhere.json"], "--calibration nowhere.json: cannot be read"),
    ],
)
def test_what_is_not_there_is_named(
    more: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SMALL, *more, "--out", str(tmp_path / "run")]) == 2

    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_world_asked_for_again_begins_as_a_new_one_does() -> None:
    where = Where(scenarios=("plain",), threads=1)
    make = source(where).make(8)
    first = [array.copy() for array in make(5).reset()]
    make(6).reset()

    again = make(5).reset()

    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)


def test_openings_are_played_once_whoever_needs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[int] = []
    original = vector.openings

    def openings(scenarios: list[Scenario]) -> Openings:
        played.append(len(scenarios))
        return original(scenarios)

    monkeypatch.setattr(vector, "openings", openings)
    where = Where(scenarios=("plain",), episodes=8, threads=1, quiet=True)
    alone = source(where).trial().paid("twap")
    found = source(where)
    found.make(8)(1)
    found.make(4)(1)

    np.testing.assert_array_equal(found.trial().paid("twap"), alone)
    assert played == [1, 1]


def test_an_adversary_is_paid_what_its_round_trips_make() -> None:
    world = RoundTrips(SCENARIOS["plain"], 8, 3, Settings(steps=6))
    chance = np.random.default_rng(1)
    obs, mask = world.reset()
    total = np.zeros(8)
    for _ in range(6):
        actions = np.where(mask, chance.random(mask.shape), -1.0).argmax(axis=1)
        obs, reward, done, mask, infos = world.step(actions)
        total += reward

    assert done.all()
    np.testing.assert_allclose(-total, infos["cost"], rtol=1e-4, atol=1e-3)
    assert infos["cost"].mean() > 0.0  # whoever trades at random pays the spread
    assert obs[:, 1].tolist() == [0.0] * 8


def test_whoever_does_nothing_makes_nothing_in_the_same_market_twice() -> None:
    world = RoundTrips(SCENARIOS["plain"], 4, 3, Settings(steps=3))
    seen = []
    for _ in range(2):
        world.reseed(5)
        world.reset()
        for _ in range(3):
            obs, reward, _, _, infos = world.step(np.zeros(4, np.int64))
            assert not reward.any()
        seen.append(obs.copy())
        assert not infos["cost"].any()

    np.testing.assert_array_equal(*seen)
