"""Freeze: weights and their provenance into the artefact that the trader runs.

Golden rows come from the kernel that will run them, on observations that the training saw; the
framework's own numbers for the same rows are checked against them before anything is written.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as save_tensors

from policies import manifest as m
from policies.actions import ACTION_TABLE_SHA256, action_table
from policies.frozen import ALL_ACTIONS, FrozenPolicy
from policies.policy import Cadence
from policies.state import STATE_SPEC_SHA256

Tensors = dict[str, NDArray[np.float32]]
PARITY: Final = 1e-5  # of max(1, |logit|): float32 sums of 64 terms in two orders differ by some 2e-6


class ParityError(Exception):
    """The kernel and the framework disagree: nothing is frozen."""


def freeze(
    folder: Path,
    policy_id: str,
    label: str,
    weights: Tensors,
    observations: NDArray[np.float32],
    framework_logits: NDArray[np.float32],
    cadence: Cadence,
    provenance: m.Provenance,
    evaluation: Sequence[m.Evaluation] = (),
    schedule: str = "twap",
    card: str = "",
) -> FrozenPolicy:
    """Write an artefact and return it as loaded. `observations`: as many as there are golden rows.

    The folder appears whole or not at all: it is written beside its place and renamed into it.

    Raises:
        ParityError: the kernel's logits are not those of the framework that trained the weights.
        FileExistsError: the folder is there already.

    """
    assert observations.shape[0] == m.GOLDEN_ROWS, f"{m.GOLDEN_ROWS} golden rows are due"
    files = {m.WEIGHTS: save_tensors(weights)} | ({m.CARD: card.encode()} if card else {})
    shape = [weights["w1"].shape[1], *(weights[name].shape[0] for name in ("w1", "w2", "w3"))]
    base = m.Manifest(
        schema=m.SCHEMA,
        policy_id=policy_id,
        label=label,
        network="mlp-tanh",
        shape=shape,
        schedule=schedule,
        cadence=cadence,
        state_spec_sha256=STATE_SPEC_SHA256,
        action_table=action_table(),
        action_table_sha256=ACTION_TABLE_SHA256,
        files={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        golden=[],
        evaluation=list(evaluation),
        provenance=provenance,
    )
    golden = golden_rows(FrozenPolicy(base, weights, ""), observations, framework_logits)
    manifest = m.canonical(msgspec.to_builtins(msgspec.structs.replace(base, golden=golden)))
    write_whole(folder, files | {m.MANIFEST: manifest, m.CHECKSUM: m.checksum(manifest)})
    return FrozenPolicy.load(folder)


def write_whole(folder: Path, files: dict[str, bytes]) -> None:
    """Write a folder of files so that it is there whole or not at all."""
    if folder.exists():
        raise FileExistsError(f"{folder} is there already; an artefact is never written over")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as name:
        half = Path(name) / folder.name
        half.mkdir()
        for file, data in files.items():
            (half / file).write_bytes(data)
        FrozenPolicy.load(half)
        half.rename(folder)


def golden_rows(
    policy: FrozenPolicy, observations: NDArray[np.float32], framework_logits: NDArray[np.float32]
) -> list[m.GoldenRow]:
    """Return what the kernel says of each observation, held to what the framework says."""
    rows = []
    for obs, expected in zip(observations, framework_logits, strict=True):
        logits = policy.logits(obs)
        off = np.abs(logits.astype(np.float64) - expected.astype(np.float64))
        if not (off <= PARITY * np.maximum(1.0, np.abs(expected))).all():
            raise ParityError(f"a logit is off by {off.max():.3g}")
        action = policy.act(obs, ALL_ACTIONS).action
        rows.append(m.GoldenRow([float(x) for x in obs], [float(x) for x in logits], action))
    return rows
