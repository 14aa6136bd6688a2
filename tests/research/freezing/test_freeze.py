"""What a run learnt becomes an artefact whole, or it does not become one, and the line says why."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from safetensors.numpy import save_file

from policies.frozen import FrozenPolicy
from policies.state import OBS_SIZE
from research.freezing import command_options

pytest.importorskip("torch")

SHAPES = {"w1": (8, OBS_SIZE), "b1": (8,), "w2": (8, 8), "b2": (8,), "w3": (13, 8), "b3": (13,)}
ROW = {
    "tier": "T1", "scenario": "plain", "against": "twap", "mean_bps": -0.5, "low_bps": -0.6, "high_bps": -0.4,
    "orders": 1024, "clusters": 1024,
}  # fmt: skip

WHERE = {"world": "environment", "continuous": False, "reward": "averse", "quiet": False}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder as `steadyhand train` leaves it."""
    run = tmp_path_factory.mktemp("runs") / "run"
    run.mkdir()
    chance = np.random.default_rng(1)
    weights = {name: chance.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    save_file(weights, run / "best.safetensors")
    obs = chance.normal(size=(400, OBS_SIZE)).astype(np.float32)
    save_file({"obs": obs, "mask": np.ones((400, 13), np.bool_)}, run / "observations.safetensors")
    sha256 = hashlib.sha256((run / "best.safetensors").read_bytes()).hexdigest()
    (run / "best.json").write_text(json.dumps({"steps": 10, "result": {"cost": 1.0}, "sha256": sha256}))
    facts = {
        "plan": {"learner": "ppo", "where": WHERE},
        "args": {"seed": 3},
        "world": {"scenarios": [{"name": "plain"}], "settings": {"interval_ns": 2_000_000_000}},
        "hashes": {"observation": "x"},
        "commit": "abc",
        "versions": {"torch": "2"},
    }
    (run / "run.json").write_text(json.dumps(facts))
    return run


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def freeze(*argv: object) -> int:
    return command_options.main([str(a) for a in argv])


def test_a_run_becomes_an_artefact_that_says_how_it_is_asked_and_claims_nothing(run: Path) -> None:
    out = run.parent / "mine"
    assert freeze(run, "--out", out) == 0
    policy = FrozenPolicy.load(out)
    assert policy.name == "mine"
    assert policy.cadence.interval_ms == 2_000
    told = json.loads((out / "manifest.json").read_bytes())
    assert told["provenance"]["args"] == {"seed": 3, "reward": "averse", "quiet": False}
    card = (out / "MODEL_CARD.md").read_text()
    assert "every 2000 ms" in card
    assert "No claim is made" in card


def test_what_was_measured_of_these_weights_stands_in_card_and_manifest(run: Path) -> None:
    sha256 = json.loads((run / "best.json").read_text())["sha256"]
    told = run.parent / "evaluation.json"
    goal = {"verdict": "missed", "goal": "T1: shortfall", "measured": "-0.1", "aim": "-20%"}
    more = {"goals": [goal], "not_claimed": ["No tape was replayed."]}
    told.write_text(json.dumps({"weights_sha256": sha256, "rows": [ROW], **more}))
    assert freeze(run, "--out", run.parent / "mine", "--evaluation", told) == 0
    card = (run.parent / "mine" / "MODEL_CARD.md").read_text()
    assert "| T1 | plain | twap | -0.500 |" in card
    assert "| missed | T1: shortfall | -0.1 | -20% |" in card
    assert "- No tape was replayed." in card


def test_a_signed_one_carries_its_signature(run: Path) -> None:
    key = run.parent / "key.pem"
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert freeze(run, "--out", run.parent / "mine", "--key", key) == 0
    assert len((run.parent / "mine" / "manifest.sig").read_text()) == 129


def spoil_weights(run: Path) -> None:
    raw = bytearray((run / "best.safetensors").read_bytes())
    raw[-1] ^= 1
    (run / "best.safetensors").write_bytes(raw)


def small_world(run: Path) -> None:
    facts = json.loads((run / "run.json").read_text())
    facts["plan"]["where"]["world"] = "known"
    (run / "run.json").write_text(json.dumps(facts))


def few_rows(run: Path) -> None:
    save_file({"obs": np.zeros((9, OBS_SIZE), np.float32)}, run / "observations.safetensors")


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no run": (lambda run: shutil.rmtree(run), "run.json: cannot be read"),
    "no best": (lambda run: (run / "best.safetensors").unlink(), "best.safetensors: "),
    "other weights than described": (spoil_weights, "is not what best.json describes"),
    "a run that is no JSON": (lambda run: (run / "run.json").write_text("{"), "run.json: is not JSON"),
    "a small world": (small_world, "only what learnt discrete actions"),
    "too few observations": (few_rows, "256 observations of 40"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_frozen_is_one_line_and_leaves_nothing(
    run: Path, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, says = FAULTS[fault]
    spoil(run)
    assert freeze(run, "--out", run.parent / "mine") == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert not (run.parent / "mine").exists()


def test_an_evaluation_of_other_weights_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = run.parent / "evaluation.json"
    told.write_text(json.dumps({"weights_sha256": "0" * 64, "rows": [ROW]}))
    assert freeze(run, "--out", run.parent / "mine", "--evaluation", told) == 2
    assert "was measured of weights 0000" in capsys.readouterr().err


def test_an_artefact_is_never_written_over(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert freeze(run, "--out", run.parent / "mine") == 0
    assert freeze(run, "--out", run.parent / "mine") == 2
    assert "is there already" in capsys.readouterr().err
