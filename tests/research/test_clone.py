"""Cloning is deterministic by seed, and what it freezes is what the trader loads."""

from pathlib import Path

import numpy as np
import pytest

from policies.frozen import FrozenPolicy
from policies.manifest import Provenance
from policies.state import OBS_SIZE
from research.freezing.freeze import ParityError, freeze

pytest.importorskip("torch")

from research.training import clone

NOWHERE = Provenance(
    made_by="a test", commit="", simulator={}, data={}, seeds={}, limits={}, args={}, results={}
)
SMALL = clone.Args(episodes=4, held_out=4, minutes=2, epochs=2, hidden=8)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_same_seed_makes_the_same_artefact(tmp_path: Path) -> None:
    first = clone.clone(SMALL, tmp_path / "a")
    second = clone.clone(SMALL, tmp_path / "b")

    assert first == second
    for name in ("manifest.json", "weights.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert FrozenPolicy.load(tmp_path / "a").describe().startswith("cloned-twap-passive: behaviour-cloned")


def test_nothing_is_frozen_where_kernel_and_framework_disagree(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    shapes = {"w1": (4, OBS_SIZE), "b1": (4,), "w2": (4, 4), "b2": (4,), "w3": (13, 4), "b3": (13,)}
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    rows = rng.normal(size=(256, OBS_SIZE)).astype(np.float32)

    with pytest.raises(ParityError, match="off by"):
        freeze(
            tmp_path / "x",
            "x",
            "none",
            weights,
            rows,
            np.zeros((256, 13), np.float32),
            clone.CADENCE,
            NOWHERE,
        )

    assert not (tmp_path / "x").exists()
