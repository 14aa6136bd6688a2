"""FrozenPolicy: a trained network as data, verified before use and run by a kernel.

Nothing of the framework that trained it is imported. Anything wrong with an artefact refuses it; a
policy that loads has repeated its 256 golden rows on this machine.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors

from policies import manifest as manifests
from policies import network
from policies.actions import ACTIONS
from policies.baselines import SCHEDULES, fraction_of, rows_of
from policies.curves import GENERIC
from policies.manifest import MANIFEST, WEIGHTS, ArtefactError, Manifest
from policies.policy import Decision, Mask, Observation
from policies.schedule import Situation
from policies.state import OBS_SIZE

LOGIT_TOLERANCE: Final = 1e-6  # times max(1, |logit|)
CLEAR_MARGIN: Final = 1e-5  # a golden action may differ only where the choice was a tie
ALL_ACTIONS: Final = (1 << len(ACTIONS)) - 1


class FrozenPolicy:
    """A verified artefact, ready to act."""

    def __init__(self, found: Manifest, weights: dict[str, NDArray[np.float32]], sha256: str) -> None:
        self.name = found.policy_id
        self.sha256 = sha256
        self.completes = True
        self.label = found.label
        self.cadence = found.cadence
        self.ties = 0  # golden rows that were too close to call
        self._fraction, _ = fraction_of(found.schedule, None, GENERIC)
        self.schedule_kind, self.schedule_params, self.curve = rows_of(found.schedule, None, GENERIC)
        self._net = network.arena(weights)
        self._first, self._second = found.shape[1], found.shape[2]

    @staticmethod
    def load(folder: Path) -> "FrozenPolicy":
        """Verify an artefact and return its policy.

        Raises:
            ArtefactError: naming the artefact and what is wrong; the process exits with 78.

        """
        found, raws, sha256 = manifests.load(folder)
        if found.schedule not in SCHEDULES:
            raise ArtefactError(f"{folder / MANIFEST}: schedule {found.schedule!r} is not known")
        weights = tensors(folder / WEIGHTS, raws[WEIGHTS], found.shape)
        policy = FrozenPolicy(found, weights, sha256)
        policy.repeat_golden(folder / MANIFEST, found)
        return policy

    def describe(self) -> str:
        """Say in one line what it is."""
        return f"{self.name}: {self.label}"

    def schedule(self, situation: Situation) -> float:
        """Return the fraction that should be done now."""
        return self._fraction(situation)

    def act(self, obs: Observation, mask: Mask) -> Decision:
        """Run the network; ties go to the lower index."""
        action, margin = network.act(obs, self._net, self._first, self._second, mask)
        return Decision(action, margin)

    def act_batch(self, obs: NDArray[np.float32], allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Choose for many parents at once; `allowed` holds a boolean an action."""
        actions: NDArray[np.int64] = np.zeros(len(obs), dtype=np.int64)
        network.act_rows(obs, self._net, self._first, self._second, allowed, actions)
        return actions

    def logits(self, obs: Observation) -> NDArray[np.float32]:
        """Return the logits of an observation."""
        outputs = network.forward(obs, self._net, self._first, self._second)
        return self._net[-outputs:].copy()

    def repeat_golden(self, path: Path, found: Manifest) -> None:
        """Hold this machine's numbers to those of the machine that froze them.

        Raises:
            ArtefactError: a row is off.

        """
        for number, row in enumerate(found.golden):
            obs = np.array(row.obs, dtype=np.float32)
            expected = np.array(row.logits, dtype=np.float64)
            off = np.abs(self.logits(obs).astype(np.float64) - expected)
            if not (off <= LOGIT_TOLERANCE * np.maximum(1.0, np.abs(expected))).all():
                raise ArtefactError(f"{path}: golden row {number}: a logit is off by {off.max():.3g}")
            decision = self.act(obs, ALL_ACTIONS)
            if decision.action != row.action:
                if not decision.margin < CLEAR_MARGIN:
                    raise ArtefactError(
                        f"{path}: golden row {number}: action {decision.action}, {row.action} is due"
                    )
                self.ties += 1


def tensors(path: Path, raw: bytes, shape: list[int]) -> dict[str, NDArray[np.float32]]:
    """Return the weights of a safetensors file, held to a shape.

    Raises:
        ArtefactError: naming the tensor that is wrong.

    """
    try:
        found: dict[str, NDArray[Any]] = load_tensors(raw)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ArtefactError(f"{path}: is not a safetensors file: {error}") from None
    inputs, first, second, outputs = shape
    due = {
        "w1": (first, inputs),
        "b1": (first,),
        "w2": (second, first),
        "b2": (second,),
        "w3": (outputs, second),
        "b3": (outputs,),
    }
    if found.keys() != due.keys():
        raise ArtefactError(f"{path}: holds {sorted(found)}, {sorted(due)} are due")
    for name, size in due.items():
        tensor = found[name]
        if tensor.dtype != np.float32 or tensor.shape != size:
            raise ArtefactError(f"{path}: {name} is {tensor.dtype}{tensor.shape}, float32{size} is due")
        if not np.isfinite(tensor).all():
            raise ArtefactError(f"{path}: {name} holds a value that is not finite")
    return found


def warm() -> None:
    """Compile (or load) the forward pass."""
    obs, outputs = np.zeros(OBS_SIZE, np.float32), len(ACTIONS)
    net = np.zeros(OBS_SIZE + 1 + 2 + 2 * outputs + 2 + outputs, np.float32)
    assert network.forward(obs, net, 1, 1) == outputs
    network.act(obs, net, 1, 1, ALL_ACTIONS)
