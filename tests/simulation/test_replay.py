"""P14: journals of simulated worlds, stepped anew under three hash seeds: same state, same decisions."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.checker import Checker
from tests.simulation.gate import STATE
from tests.simulation.replay_journals import facts
from tests.simulation.seed import play
from tests.simulation.world import World

ROOT = Path(__file__).parents[2]
WORLDS: dict[int, list[str]] = {
    8: ["crashes", "manners"],
    9: ["power", "takes_back"],
    10: ["snapshots", "trader"],
    11: ["people", "network"],
    12: ["full", "prices", "storm"],
}
HASH_SEEDS = ("0", "1", "4711")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The state directories that the worlds left."""
    base = tmp_path_factory.mktemp("journals")

    def keep(w: World, c: Checker) -> None:
        shutil.copytree(STATE, base / str(w.seed))

    for seed, families in WORLDS.items():
        assert play(seed, families, replayed=True, finish=keep).found == []
    return [base / str(seed) for seed in WORLDS]


@pytest.mark.slow
@pytest.mark.parametrize("hash_seed", HASH_SEEDS)
def test_a_journal_replays_under_any_hash_seed(kept: list[Path], hash_seed: str) -> None:
    command = [sys.executable, "-m", "tests.simulation.replay_journals", *map(str, kept)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)

    assert found == [facts(folder / "gate.journal") for folder in kept]
    for of_world in found:
        assert of_world["differences"] == []
        assert of_world["state"] == of_world["again"]
        assert of_world["inputs"] > 50
    assert sum(of_world["outputs"] for of_world in found) > 20
