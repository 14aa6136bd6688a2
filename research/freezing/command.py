"""`steadyhand freeze RUN`: the only way from training into an artefact.

It takes the run's best weights, repeats them with the framework that trained them, writes golden rows and a
model card, and puts beside them what `steadyhand validate` measured of exactly these weights. Exit 0, or 2
with one line that says what is missing; no half-written folder.
"""

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from daemon.runtime import EXIT_DONE, EXIT_USAGE
from market.unreadable import UNREADABLE
from policies import manifest as m
from policies import signature
from policies.policy import Cadence
from policies.state import OBS_SIZE
from research.environment.vector import Settings
from research.freezing.card import card
from research.freezing.freeze import ParityError, Tensors, freeze
from research.training.run import BEST, BEST_WEIGHTS, OBSERVATIONS, RUN

NS_PER_MS: Final = 1_000_000
ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# By the codes of policies.layout.
SCHEDULES: Final = ("twap", "vwap", "pov", "almgren-chriss", "obizhaeva-wang")


class FreezeError(Exception):
    """A run that cannot be frozen: what is wrong, and where."""


class Evaluated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `validate` writes for an artefact."""

    weights_sha256: str
    rows: list[m.Evaluation]
    goals: list[dict[str, str]] = []
    not_claimed: list[str] = []


def main(args: argparse.Namespace) -> int:
    """Run `steadyhand freeze`."""
    name = args.name or args.out.name
    try:
        if not ID.fullmatch(name):
            raise FreezeError(f"--name {name!r}: letters, digits, . _ and -, at most 64")
        key = signature.private_key(args.key) if args.key is not None else None
        policy = run_into(args.run, args.out, name, args.label, args.evaluation)
        if key is not None:
            signature.sign(args.out, key)
            signature.check(args.out, key.public_key())
    except (FreezeError, ParityError, FileExistsError, signature.KeyFileError, m.ArtefactError) as error:
        print(f"steadyhand freeze: {error}", file=sys.stderr)
        return EXIT_USAGE
    except OSError as error:
        print(f"steadyhand freeze: {args.out}: cannot be written: {error.strerror}", file=sys.stderr)
        return EXIT_USAGE
    if args.json:
        print(
            json.dumps({"policy": name, "folder": str(args.out), "sha256": policy, "signed": key is not None})
        )
    else:
        print(f"{args.out}  {policy}" + ("  signed" if key is not None else ""))
    return EXIT_DONE


def run_into(run: Path, out: Path, name: str, label: str | None, evaluation: Path | None) -> str:
    """Freeze a run's best weights; return the artefact's SHA-256.

    Raises:
        FreezeError: the run lacks something, or does not fit.

    """
    facts = read_json(run / RUN)
    best = read_json(run / BEST)
    weights = load(run / BEST_WEIGHTS)
    observations = golden_sample(load(run / OBSERVATIONS), run)
    if facts["plan"]["where"]["world"] != "environment" or facts["plan"]["where"].get("continuous"):
        raise FreezeError(f"{run / RUN}: only what learnt discrete actions in the environment can trade")
    sha256 = hashlib.sha256((run / BEST_WEIGHTS).read_bytes()).hexdigest()
    if sha256 != best["sha256"]:
        raise FreezeError(
            f"{run / BEST_WEIGHTS}: is not what {BEST} describes; the run was interrupted, resume it"
        )
    found = claims(evaluation, sha256) if evaluation is not None else Evaluated(sha256, [])
    rows = found.rows
    settings = msgspec.convert(facts["world"].get("settings", {}), Settings)
    cadence = Cadence(
        interval_ms=settings.interval_ns // NS_PER_MS,
        gap_ms=settings.gap_ns // NS_PER_MS,
        on_fill=settings.on_fill,
        on_touch=settings.on_touch,
        corridor=settings.corridor,
    )
    provenance = provenance_of(facts, best, sha256, settings)
    text = label or f"{facts['plan']['learner']}, trained in the simulated market; see its evaluation"
    policy = freeze(
        out,
        name,
        text,
        weights,
        observations,
        framework_logits(weights, observations),
        cadence,
        provenance,
        rows,
        SCHEDULES[settings.schedule],
        card(name, text, cadence, rows, provenance, found.goals, found.not_claimed),
    )
    return policy.sha256


def provenance_of(
    facts: dict[str, Any], best: dict[str, Any], sha256: str, settings: Settings
) -> m.Provenance:
    """Return where the weights come from, as the run says."""
    simulator = {k: v for k, v in facts["world"].items() if k != "settings"}
    told = json.dumps(simulator, sort_keys=True, default=str).encode()
    names = [s["name"] for s in simulator.get("scenarios", [])]
    return m.Provenance(
        made_by="steadyhand train, steadyhand freeze",
        commit=facts["commit"],
        simulator={"scenarios": names, "sha256": hashlib.sha256(told).hexdigest(), **facts["hashes"]},
        data={"weights": sha256},
        seeds={"training": facts["args"].get("seed", 0)},
        limits=msgspec.to_builtins(settings.limits),
        args={**facts["args"], **{name: facts["plan"]["where"][name] for name in ("reward", "quiet")}},
        results={"steps": best["steps"], "selection": best["result"], "versions": facts["versions"]},
    )


def read_json(path: Path) -> dict[str, Any]:
    """Return a file of a run."""
    try:
        tree = json.loads(path.read_bytes())
    except OSError as error:
        raise FreezeError(f"{path}: cannot be read: {error.strerror}; give the folder of a run") from None
    except ValueError as error:
        raise FreezeError(f"{path}: is not JSON: {error}") from None
    if not isinstance(tree, dict):
        raise FreezeError(f"{path}: is not an object")
    return tree


def load(path: Path) -> Tensors:
    """Return tensors of a run."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise FreezeError(f"{path}: {error}; has the run evaluated at least once?") from None


def claims(path: Path, sha256: str) -> Evaluated:
    """Return what was measured, if it was measured of these weights."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Evaluated)
    except (OSError, *UNREADABLE) as error:
        raise FreezeError(f"{path}: {error}") from None
    if found.weights_sha256 != sha256:
        raise FreezeError(
            f"{path}: was measured of weights {found.weights_sha256[:16]}..., not of {sha256[:16]}..."
        )
    return found


def golden_sample(tensors: Tensors, run: Path) -> NDArray[np.float32]:
    """Return observations for the golden rows, spread evenly over those of the run."""
    obs = tensors.get("obs")
    if obs is None or obs.ndim != 2 or obs.shape[1] != OBS_SIZE or len(obs) < m.GOLDEN_ROWS:
        raise FreezeError(f"{run / OBSERVATIONS}: {m.GOLDEN_ROWS} observations of {OBS_SIZE} numbers are due")
    at = np.linspace(0, len(obs) - 1, m.GOLDEN_ROWS).astype(int)
    return np.ascontiguousarray(obs[at], dtype=np.float32)


def framework_logits(weights: Tensors, observations: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the framework that trained the weights says of each observation."""
    with torch.no_grad():
        x = torch.from_numpy(observations)
        for layer in (1, 2, 3):
            w, b = torch.from_numpy(weights[f"w{layer}"]), torch.from_numpy(weights[f"b{layer}"])
            x = torch.nn.functional.linear(x, w, b)
            x = torch.tanh(x) if layer < 3 else x
        logits: NDArray[np.float32] = x.numpy()
    return logits
