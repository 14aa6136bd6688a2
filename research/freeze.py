"""Freeze: weights and their provenance into the artefact that the trader runs.

Golden rows come from the kernel that will run them, on observations that the training saw; the
framework's own numbers for the same rows are checked against them before anything is written.
"""

import hashlib
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as save_tensors

from policies import manifest as m
from policies.actions import ACTION_TABLE_SHA256, action_table
from policies.frozen import ALL_ACTIONS, FrozenPolicy
from policies.state import STATE_SPEC_SHA256

Tensors = dict[str, NDArray[np.float32]]
PARITY: Final = 1e-6  # of max(1, |logit|)


class ParityError(Exception):
    """The kernel and the framework disagree: nothing is frozen."""


def freeze(
    folder: Path,
    policy_id: str,
    label: str,
    weights: Tensors,
    observations: NDArray[np.float32],
    framework_logits: NDArray[np.float32],
    provenance: dict[str, Any],
    schedule: str = "twap",
) -> FrozenPolicy:
    """Write an artefact and return it as loaded. `observations`: as many as there are golden rows.

    Raises:
        ParityError: the kernel's logits are not those of the framework that trained the weights.

    """
    assert observations.shape[0] == m.GOLDEN_ROWS, f"{m.GOLDEN_ROWS} golden rows are due"
    raw = save_tensors(weights)
    shape = [weights["w1"].shape[1], *(weights[name].shape[0] for name in ("w1", "w2", "w3"))]
    base = m.Manifest(
        schema=m.SCHEMA,
        policy_id=policy_id,
        label=label,
        network="mlp-tanh",
        shape=shape,
        schedule=schedule,
        state_spec_sha256=STATE_SPEC_SHA256,
        action_table=action_table(),
        action_table_sha256=ACTION_TABLE_SHA256,
        files={m.WEIGHTS: hashlib.sha256(raw).hexdigest()},
        golden=[],
        provenance=provenance,
    )
    golden = golden_rows(FrozenPolicy(base, weights, ""), observations, framework_logits)
    manifest = m.canonical(msgspec.to_builtins(msgspec.structs.replace(base, golden=golden)))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / m.WEIGHTS).write_bytes(raw)
    (folder / m.MANIFEST).write_bytes(manifest)
    return FrozenPolicy.load(folder)


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
