"""An artefact is used only if everything about it is right; each fault is named."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from daemon.paper.options import DEFAULT_POLICY
from policies import frozen, manifest, network
from policies.actions import ACTIONS
from policies.choose import ARTEFACTS, shipped_artefacts
from policies.frozen import ALL_ACTIONS, FrozenPolicy
from policies.manifest import ArtefactError, canonical
from policies.state import OBS_SIZE
from tests.artefacts.shelf import CLONED

Spoil = Callable[[Path], None]


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CLONED, tmp_path / "policy"))


def edit(**changes: Any) -> Spoil:
    """Change fields of the manifest, written canonically."""

    def spoil(folder: Path) -> None:
        tree = json.loads((folder / "manifest.json").read_bytes())
        (folder / "manifest.json").write_bytes(canonical(tree | changes))

    return spoil


def reweigh(change: Callable[[dict[str, np.ndarray]], None]) -> Spoil:
    """Change weights, with a manifest that names their new hash."""

    def spoil(folder: Path) -> None:
        weights = load_file(folder / "weights.safetensors")
        change(weights)
        save_file(weights, folder / "weights.safetensors")
        sha256 = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
        edit(files={"weights.safetensors": sha256})(folder)

    return spoil


def golden(change: Callable[[list[dict[str, Any]]], None]) -> Spoil:
    """Change golden rows."""

    def spoil(folder: Path) -> None:
        tree = json.loads((folder / "manifest.json").read_bytes())
        change(tree["golden"])
        (folder / "manifest.json").write_bytes(canonical(tree))

    return spoil


def put(name: str, value: float) -> Callable[[dict[str, np.ndarray]], None]:
    def change(weights: dict[str, np.ndarray]) -> None:
        weights[name].flat[3] = value

    return change


def flip_byte(folder: Path) -> None:
    raw = bytearray((folder / "weights.safetensors").read_bytes())
    raw[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(raw)


def link_weights(folder: Path) -> None:
    (folder / "weights.safetensors").rename(folder.parent / "elsewhere")
    (folder / "weights.safetensors").symlink_to(folder.parent / "elsewhere")


def grow(folder: Path) -> None:
    with (folder / "weights.safetensors").open("ab") as file:
        file.truncate(manifest.BYTES_MAX + 1)


def indent(folder: Path) -> None:
    tree = json.loads((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_text(json.dumps(tree, indent=1, sort_keys=True))


def nan_in_json(folder: Path) -> None:
    raw = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").write_bytes(raw.replace(b'"obs":[', b'"obs":[NaN,', 1))


def not_tensors(folder: Path) -> None:
    (folder / "weights.safetensors").write_bytes(b"PK\x03\x04 no tensors")
    sha256 = hashlib.sha256(b"PK\x03\x04 no tensors").hexdigest()
    edit(files={"weights.safetensors": sha256})(folder)


def deep(folder: Path) -> None:
    (folder / "manifest.json").write_bytes(b"[" * 100_000 + b"]" * 100_000)


CADENCE = {"interval_ms": 1_000, "gap_ms": 250, "on_fill": True, "on_touch": True, "corridor": 0.2}


def card(folder: Path) -> None:
    (folder / "MODEL_CARD.md").write_text("# Better than it is\n")
    weights = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    edit(files={"weights.safetensors": weights, "MODEL_CARD.md": "0" * 64})(folder)


FAULTS: dict[str, tuple[Spoil, str]] = {
    "a byte of the weights": (flip_byte, "weights.safetensors: SHA-256 is"),
    "an extra file": (lambda f: (f / "notes.txt").write_text("hi"), "notes.txt: is not named"),  # type: ignore[dict-item]
    "an extra folder": (lambda f: (f / "more").mkdir(), "more: is a link or no plain file"),
    "no weights": (lambda f: (f / "weights.safetensors").unlink(), "weights.safetensors: is missing"),
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "has no manifest.json"),
    "a link": (link_weights, "weights.safetensors: is a link"),
    "too large": (grow, "has at most 8388608"),
    "not canonical": (indent, "is not canonical JSON"),
    "NaN in the manifest": (nan_in_json, "NaN is no number"),
    "no JSON": (lambda f: (f / "manifest.json").write_bytes(b"\x80\x04"), "is not JSON"),  # type: ignore[dict-item]
    "a bomb of brackets": (deep, "is not JSON"),
    "no tensors": (not_tensors, "is not a safetensors file"),
    "another schema": (edit(schema=3), "schema 3"),
    "another network": (edit(network="lstm"), "network 'lstm'"),
    "another schedule": (edit(schedule="dream"), "schedule 'dream'"),
    "another STATE_SPEC": (edit(state_spec_sha256="0" * 64), "was made for STATE_SPEC 000000"),
    "another action table": (edit(action_table_sha256="0" * 64), "another action table"),
    "other rows of the table": (edit(action_table=[]), "another action table"),
    "another shape": (edit(shape=[OBS_SIZE + 1, 64, 64, 13]), "shape [41, 64, 64, 13]"),
    "a shape that weights have not": (edit(shape=[OBS_SIZE, 32, 64, 13]), "w1 is float32(64, 40)"),
    "a huge layer": (edit(shape=[OBS_SIZE, 5_000, 64, 13]), "1 to 1024 units"),
    "an unknown field": (edit(license="mine"), "unknown field"),
    "a wrong type": (edit(label=5), "Expected `str`"),
    "a policy_id that writes on terminals": (edit(policy_id="good\x1b[2Jevil"), "`$.policy_id`"),
    "a policy_id of two lines": (edit(policy_id="good\n"), "`$.policy_id`"),
    "a label that writes on terminals": (edit(label="good\x1b[2J"), "`$.label`"),
    "an observation beyond float32": (golden(lambda g: g[3]["obs"].__setitem__(0, 1e39)), "`$.golden[3].obs"),
    "a whole number beyond float": (golden(lambda g: g[3]["obs"].__setitem__(0, 10**400)), "manifest.json"),
    "a logit beyond float32": (golden(lambda g: g[3]["logits"].__setitem__(0, -1e39)), "`$.golden[3].log"),
    "a huge observation": (golden(lambda g: g[3]["obs"].__setitem__(0, 3e38)), "golden row 3: "),
    "two weight files": (edit(files={"a": "b"}), "a: is missing"),
    "a NaN weight": (reweigh(put("w2", float("nan"))), "w2 holds a value that is not finite"),
    "an infinite weight": (reweigh(put("b3", float("inf"))), "b3 holds a value that is not finite"),
    "another weight": (reweigh(put("b3", 0.5)), "golden row 0: a logit is off"),
    "float64 weights": (reweigh(lambda w: w.update(w1=w["w1"].astype(np.float64))), "w1 is float64"),
    "a tensor too many": (reweigh(lambda w: w.update(w4=w["w1"])), "holds ['b1'"),
    "a tensor too few": (reweigh(lambda w: w.pop("b2")), "holds ['b1', 'b3'"),  # type: ignore[arg-type, return-value]
    "a cadence beyond reason": (edit(cadence=CADENCE | {"interval_ms": 1}), "`$.cadence.interval_ms`"),
    "an evaluation without an interval": (edit(evaluation=[{"tier": "T1"}]), "missing required field"),
    "a provenance of another kind": (edit(provenance={"made_by": "me"}), "missing required field"),
    "another card": (card, "MODEL_CARD.md: SHA-256 is"),
    "a golden row too few": (golden(lambda g: g.pop()), "255 golden rows"),  # type: ignore[arg-type, return-value]
    "a golden logit": (golden(lambda g: g[7]["logits"].__setitem__(2, 1e9)), "golden row 7: a logit is off"),
    "a golden action": (golden(lambda g: g[9].update(action=11)), "golden row 9: action"),
    "a golden row of another shape": (golden(lambda g: g[4]["obs"].pop()), "golden row 4 does not fit"),
}


@pytest.mark.parametrize("name", shipped_artefacts())
def test_the_shipped_artefacts_load_and_say_what_they_are(name: str) -> None:
    policy = FrozenPolicy.load(ARTEFACTS / name)

    assert policy.describe().startswith(f"{name}: ")
    assert policy.ties == 0
    assert len(policy.sha256) == 64


@pytest.mark.parametrize("field", ["label", "evaluation", "provenance", "golden", "cadence", "policy_id"])
def test_every_bit_of_what_ships_counts(field: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ARTEFACTS / DEFAULT_POLICY, tmp_path / "policy"))
    raw = bytearray((folder / "manifest.json").read_bytes())
    raw[raw.index(b'"%s":' % field.encode()) + len(field) + 12] ^= 1
    (folder / "manifest.json").write_bytes(raw)

    with pytest.raises(ArtefactError, match=r"manifest\.json: its SHA-256 is not the one in"):
        FrozenPolicy.load(folder)


def test_a_checksum_that_says_anything_else_is_refused(artefact: Path) -> None:
    (artefact / "manifest.sha256").write_bytes(manifest.checksum((artefact / "manifest.json").read_bytes()))
    FrozenPolicy.load(artefact)
    with (artefact / "manifest.sha256").open("ab") as file:
        file.write(b"\n")

    with pytest.raises(ArtefactError, match=r"manifest\.sha256"):
        FrozenPolicy.load(artefact)


def test_what_paper_takes_by_default_ships() -> None:
    assert DEFAULT_POLICY in shipped_artefacts()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("fault", FAULTS)
def test_anything_wrong_refuses_it_by_name(artefact: Path, fault: str) -> None:
    spoil, text = FAULTS[fault]
    spoil(artefact)

    with pytest.raises(ArtefactError) as refusal:
        FrozenPolicy.load(artefact)

    assert text in str(refusal.value)
    assert str(artefact) in str(refusal.value)
    assert str(refusal.value).isprintable()


def test_a_folder_that_is_a_link_is_refused(artefact: Path) -> None:
    link = artefact.parent / "link"
    link.symlink_to(artefact)

    with pytest.raises(ArtefactError, match="is not a folder"):
        FrozenPolicy.load(link)


def test_ties_go_to_the_lower_index_and_the_mask_is_kept() -> None:
    logits = np.array([1.0, 3.0, 3.0, 2.0] + [0.0] * 9, dtype=np.float32)

    assert network.best(logits, ALL_ACTIONS) == (1, 0.0)
    assert network.best(logits, ALL_ACTIONS & ~0b10) == (2, 1.0)
    assert network.best(logits, 1)[0] == 0


def test_act_is_pure() -> None:
    policy = FrozenPolicy.load(CLONED)
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(50, OBS_SIZE)).astype(np.float32)

    once = [policy.act(obs, ALL_ACTIONS) for obs in rows]
    again = [policy.act(obs, ALL_ACTIONS) for obs in rows[::-1]][::-1]

    assert once == again


@pytest.mark.slow
def test_the_kernel_is_held_to_torch() -> None:
    torch = pytest.importorskip("torch")
    policy = FrozenPolicy.load(CLONED)
    weights = load_file(CLONED / "weights.safetensors")
    found, _, _ = manifest.load(CLONED)
    rows = np.array([row.obs for row in found.golden], dtype=np.float32)

    x = torch.from_numpy(rows)
    for n in (1, 2, 3):
        x = torch.nn.functional.linear(
            x, torch.from_numpy(weights[f"w{n}"]), torch.from_numpy(weights[f"b{n}"])
        )
        x = torch.tanh(x) if n < 3 else x
    expected = x.numpy().astype(np.float64)
    logits = np.stack([policy.logits(obs) for obs in rows]).astype(np.float64)

    assert (np.abs(logits - expected) <= 1e-6 * np.maximum(1.0, np.abs(expected))).all()
    assert logits.shape == (256, len(ACTIONS))


def test_the_golden_rows_hold_more_than_one_action() -> None:
    found, _, _ = manifest.load(CLONED)

    assert {row.action for row in found.golden} >= {3, 5}


def test_warm_needs_no_artefact() -> None:
    frozen.warm()
