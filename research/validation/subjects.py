"""What is to be validated: a policy by name or folder, or the best weights of a training run."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from market.flow.calibration import Calibration
from market.flow.zero_intelligence_state import Rates
from policies import network
from policies.choose import ERRORS, choose
from policies.frozen import FrozenPolicy, tensors
from policies.manifest import WEIGHTS, ArtefactError
from policies.state import OBS_SIZE, STATE_SPEC_SHA256
from research.baselines.contenders import Contender, contender
from research.baselines.contenders import network as network_contender
from research.environment.scenarios import SCENARIOS, Differs, Latency, Parents, Scenario
from research.environment.vector import ACTIONS, Settings
from research.worlds.world import Actions, Bools, Floats

RUN, BEST, BEST_WEIGHTS = "run.json", "best.json", "best.safetensors"
NS_PER_MS: Final = 1_000_000


class SubjectError(Exception):
    """Nothing that can be validated: which, and what is wrong. Exit 78 where it is an artefact."""


class Subject(msgspec.Struct, frozen=True, eq=False):
    """One policy under validation."""

    contender: Contender
    weights_sha256: str  # "" for a rule
    trained_on: tuple[str, ...]  # names of scenarios
    episodes: int  # that it was trained on; a rule may be tuned on as many
    chosen_by: float  # its cost on the set for choosing, NaN where that is not known
    seed: int
    own: tuple[Scenario, ...] = ()  # regimes of a calibration of one's own, as the run has them
    calibration: str = ""  # its file, as the run was told


def subject(spec: str, settings: Settings) -> Subject:
    """Return what a word of the command line names.

    Raises:
        SubjectError: there is no such thing, or it cannot be used.

    """
    folder = Path(spec)
    if (folder / RUN).is_file():
        return of_run(folder)
    if (folder / "manifest.json").is_file() and "/" not in spec:
        spec = f"./{spec}"
    try:
        policy: Any = choose(spec)
    except ERRORS as error:
        raise SubjectError(str(error)) from None
    if not isinstance(policy, FrozenPolicy):
        if not hasattr(policy, "schedule_kind"):
            raise SubjectError(f"{spec}: a script has no batches; give a policy, a baseline or a run")
        return Subject(contender(spec, settings), "", (), 0, float("nan"), 0)
    return of_artefact(spec, policy, settings)


def of_artefact(spec: str, policy: FrozenPolicy, settings: Settings) -> Subject:
    """Return an artefact's policy under its own cadence."""
    from policies import manifest as m
    from policies.choose import ARTEFACTS

    folder = Path(spec) if "/" in spec else ARTEFACTS / spec
    found, raws, sha256 = m.load(folder)
    cadence = found.cadence
    held = msgspec.structs.replace(
        settings,
        interval_ns=cadence.interval_ms * NS_PER_MS,
        gap_ns=max(1, cadence.gap_ms * NS_PER_MS),
        on_fill=cadence.on_fill,
        on_touch=cadence.on_touch,
        corridor=cadence.corridor,
        schedule=policy.schedule_kind,
        params=tuple(policy.schedule_params.tolist()),
        curve=tuple(policy.curve.tolist()),
    )
    who = network_contender(found.policy_id, found.label, held, policy.act_batch, ["artefact", sha256])
    simulator = found.provenance.simulator
    trained = tuple(str(name) for name in simulator.get("scenarios", []))
    seed = found.provenance.seeds.get("training", 0)
    weights = hashlib.sha256(raws[WEIGHTS]).hexdigest()
    seen = found.provenance.results.get("episodes", 0)
    return Subject(who, weights, trained, int(seen or 0), float("nan"), seed if isinstance(seed, int) else 0)


def of_run(folder: Path) -> Subject:
    """Return the best weights of a training run.

    Raises:
        SubjectError: a file is missing or does not fit this house.

    """
    facts, best = read_json(folder / RUN), read_json(folder / BEST)
    try:
        raw = (folder / BEST_WEIGHTS).read_bytes()
    except OSError as error:
        raise SubjectError(f"{folder / BEST_WEIGHTS}: {error.strerror}; has the run evaluated yet?") from None
    sha256 = hashlib.sha256(raw).hexdigest()
    if sha256 != best.get("sha256"):
        raise SubjectError(f"{folder / BEST_WEIGHTS}: is not what {BEST} describes; resume the run")
    if facts.get("hashes", {}).get("observation") not in (None, STATE_SPEC_SHA256):
        raise SubjectError(
            f"{folder / RUN}: was trained on other observations than this house has; train anew"
        )
    if facts["plan"]["where"].get("continuous"):
        raise SubjectError(f"{folder}: continuous actions cannot trade yet; give a run with the action table")
    weights = shaped(folder / BEST_WEIGHTS, raw)
    try:
        settings = msgspec.convert(facts["world"].get("settings", {}), Settings)
    except msgspec.ValidationError as error:
        raise SubjectError(f"{folder / RUN}: settings: {error}") from None
    act = Network(weights)
    about = f"{facts['plan']['learner']}, seed {facts['args'].get('seed', 0)}, {best['steps']:,} steps"
    who = network_contender(folder.name, about, settings, act, ["weights", sha256])
    trained = tuple(s["name"] for s in facts["world"].get("scenarios", []))
    cost = float(best["result"]["cost"])
    seen, seed = int(facts.get("episodes", 0)), int(facts["args"].get("seed", 0))
    told = str(facts["plan"]["where"].get("calibration", ""))
    return Subject(who, sha256, trained, seen, cost, seed, own(folder / RUN, facts), told)


def own(path: Path, facts: dict[str, Any]) -> tuple[Scenario, ...]:
    """Return the scenarios of a run that this house does not ship, or ships with another market."""
    kinds = {"differs": Differs, "parents": Parents, "latency": Latency}
    made = []
    for raw in facts["world"].get("scenarios", []):
        try:
            market = Calibration if "class_hazards" in raw["market"] else Rates
            parts = {n: msgspec.convert(raw[n], kind) for n, kind in (kinds | {"market": market}).items()}
            scenario = Scenario(**raw | parts)
        except (msgspec.ValidationError, KeyError, TypeError) as error:
            raise SubjectError(f"{path}: scenario {raw.get('name')}: {error}") from None
        shipped = SCENARIOS.get(scenario.name)
        if shipped is None or shipped.market != scenario.market:
            made.append(scenario)
    return tuple(made)


def shaped(path: Path, raw: bytes) -> dict[str, NDArray[np.float32]]:
    """Return the weights of a run, held to the shape of a network."""
    from safetensors.numpy import load as load_tensors

    try:
        found = load_tensors(raw)
        shape = [OBS_SIZE, found["w1"].shape[0], found["w2"].shape[0], ACTIONS]
        return tensors(path, raw, shape)
    except (SafetensorError, ValueError, KeyError, IndexError) as error:
        raise SubjectError(f"{path}: is not a network of this house: {error}") from None
    except ArtefactError as error:
        raise SubjectError(str(error)) from None


class Network:
    """Weights as a function of batches, by the kernel that trades."""

    def __init__(self, weights: dict[str, NDArray[np.float32]]) -> None:
        self._net = network.arena(weights)
        self._first, self._second = weights["w1"].shape[0], weights["w2"].shape[0]

    def __call__(self, obs: Floats, mask: Bools) -> Actions:
        """Choose for each row."""
        actions: NDArray[np.int64] = np.zeros(len(obs), dtype=np.int64)
        network.act_rows(obs, self._net, self._first, self._second, mask, actions)
        return actions


def read_json(path: Path) -> dict[str, Any]:
    """Return a file of a run."""
    try:
        tree = json.loads(path.read_bytes())
    except OSError as error:
        raise SubjectError(f"{path}: {error.strerror}; give the folder of a run") from None
    except ValueError as error:
        raise SubjectError(f"{path}: is not JSON: {error}") from None
    if not isinstance(tree, dict):
        raise SubjectError(f"{path}: is not an object")
    return tree
