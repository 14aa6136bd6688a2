"""Behaviour cloning: teach a small network what the passive TWAP does, and freeze it.

An honest first artefact: it proves the road from training to the trader, and its skill is the rule's,
no more. The teacher is asked on every state; what is then done is sometimes something else, so that
the pupil also sees states that the teacher avoids. Deterministic by seed on one machine.

    python -m research.training.clone --out tests/artefacts/cloned-twap-passive
"""

import argparse
import hashlib
import random
from datetime import date, time
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from daemon.trader.core import TraderCore
from daemon.trader.events import Settings
from market.flow.zero_intelligence import SYN, ZeroIntelligenceFlow
from market.parents import ParentOrder
from market.types import ParentID, Side
from policies.actions import ACTIONS
from policies.baselines import Baseline, baseline
from policies.frozen import ALL_ACTIONS
from policies.manifest import GOLDEN_ROWS, Provenance
from policies.policy import Cadence, Decision, Mask, Observation
from policies.schedule import Situation
from policies.state import OBS_SIZE
from research.freezing.freeze import freeze
from research.training.offline import Run

POLICY_ID: Final = "cloned-twap-passive"
TEACHER: Final = "twap-passive"
LABEL: Final = (
    "behaviour-cloned from the rule twap-passive on synthetic zero-intelligence flow; "
    "not trained for cost, no claim of skill"
)
NS: Final = 1_000_000_000
WANDER: Final = (0.0, 0.0, 0.4, 0.8)  # share of time in which an episode does something else than the teacher
WANDER_STEPS: Final = 40  # at most so long at a stretch
CORRIDORS: Final = (0.1, 0.2, 0.3)
CADENCE: Final = Cadence(interval_ms=1_000, gap_ms=250, on_fill=True, on_touch=True, corridor=0.2)
IDLE: Final = (0, 0, 0, 3, 6, 9, 1, 4, 2, 12)  # what it then does: mostly nothing, so that it falls behind


class Args(msgspec.Struct, frozen=True, kw_only=True):
    """Every knob."""

    episodes: int = 96
    held_out: int = 16
    hidden: int = 64
    epochs: int = 60
    batch: int = 1_024
    learning_rate: float = 2e-3
    seed: int = 7
    minutes: int = 6


class Recorder:
    """A policy that does what the teacher does, or wanders, and writes down what the teacher would do."""

    def __init__(self, teacher: Baseline, wander: float, seed: int) -> None:
        self.name, self.sha256, self.completes, self.cadence = "recorder", "", True, None
        self.observations: list[Observation] = []
        self.actions: list[int] = []
        self._teacher = teacher
        self._wander = wander
        self._chance = random.Random(seed)  # noqa: S311  (a simulation's dice)
        self._left = 0
        self._odd = 0

    def describe(self) -> str:
        """Say what it is."""
        return f"records {self._teacher.name}"

    def schedule(self, situation: Situation) -> float:
        """Return the teacher's schedule."""
        return self._teacher.schedule(situation)

    def act(self, obs: Observation, mask: Mask) -> Decision:
        """Record the teacher's choice, then do it or something else."""
        self.observations.append(obs)
        self.actions.append(self._teacher.act(obs, ALL_ACTIONS).action)
        if self._left == 0 and self._chance.random() < self._wander / WANDER_STEPS * 2:
            self._left = self._chance.randrange(1, WANDER_STEPS)
            self._odd = self._chance.choice(IDLE)
        if self._left:
            self._left -= 1
            return Decision(self._odd if mask >> self._odd & 1 else 0)
        return self._teacher.act(obs, mask)


def episode(policy: Any, seed: int, minutes: int) -> Run:
    """Play one parent of random size, side and limits under a policy."""
    chance = random.Random(seed * 7_919 + 1)  # noqa: S311  (a simulation's dice)
    start = SYN.at(date(2024, 1, 2), time(10, 0)) + chance.randrange(0, 4 * 3_600) * NS
    end = start + minutes * 60 * NS
    side = chance.choice((Side.BUY, Side.SELL))
    qty = int(10 ** chance.uniform(2.0, 3.9))
    limit_e4 = 1_000_000 + side.sign * 100 * chance.randrange(0, 20)
    parent = ParentOrder(
        parent_id=ParentID("P1"),
        account="CLONE",
        side=side,
        qty=qty,
        symbol=SYN.symbol,
        mic=SYN.mic,
        start_ns=start + 30 * NS,
        end_ns=end - 2 * NS,
        limit_price_e4=limit_e4 if chance.random() < 0.25 else None,
        max_participation_bp=chance.choice((1_000, 2_500)) if chance.random() < 0.25 else None,
        must_complete=chance.random() < 0.5,
    )
    settings = Settings(
        interval_ns=NS,
        gap_ns=NS // 4,
        corridor=chance.choice(CORRIDORS),
        orders_max=20_000,
        levels_max=4_000,
    )
    core = TraderCore(settings, {SYN.symbol: SYN}, policy)
    run = Run(core, ZeroIntelligenceFlow(seed, start, end), SYN, (start, end), [parent])
    run.play()
    return run


def collect(args: Args, first: int, count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return observations and the teacher's actions of some episodes."""
    observations: list[Observation] = []
    actions: list[int] = []
    for n in range(first, first + count):
        recorder = Recorder(baseline(TEACHER), WANDER[n % len(WANDER)], args.seed * 1_000 + n)
        episode(recorder, args.seed * 1_000 + n, args.minutes)
        observations += recorder.observations
        actions += recorder.actions
    return np.stack(observations), np.array(actions, dtype=np.int64)


def network(hidden: int) -> torch.nn.Sequential:
    """Return the network that the kernel runs."""
    return torch.nn.Sequential(
        torch.nn.Linear(OBS_SIZE, hidden),
        torch.nn.Tanh(),
        torch.nn.Linear(hidden, hidden),
        torch.nn.Tanh(),
        torch.nn.Linear(hidden, len(ACTIONS)),
    )


def train(args: Args, obs: NDArray[np.float32], actions: NDArray[np.int64]) -> torch.nn.Sequential:
    """Fit the network to the teacher's choices; rare choices weigh as much as frequent ones."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    model = network(args.hidden)
    counts = np.bincount(actions, minlength=len(ACTIONS)).astype(np.float64)
    weights = torch.tensor(
        np.where(counts > 0, np.sqrt(counts.max() / np.maximum(counts, 1)), 0), dtype=torch.float32
    )
    loss_of = torch.nn.CrossEntropyLoss(weight=weights)
    optimiser = torch.optim.Adam(model.parameters(), lr=args.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, args.epochs)
    x, y = torch.from_numpy(obs), torch.from_numpy(actions)
    order = torch.Generator().manual_seed(args.seed)
    for _ in range(args.epochs):
        mixed = torch.randperm(len(x), generator=order)
        for rows in torch.split(mixed, args.batch):
            optimiser.zero_grad()
            loss_of(model(x[rows]), y[rows]).backward()
            optimiser.step()
        schedule.step()
    return model


def agreement(model: torch.nn.Sequential, obs: NDArray[np.float32], actions: NDArray[np.int64]) -> float:
    """Return the share of states in which the pupil does what the teacher does."""
    with torch.no_grad():
        chosen = model(torch.from_numpy(obs)).argmax(dim=1).numpy()
    return float((chosen == actions).mean())


def tensors(model: torch.nn.Sequential) -> dict[str, NDArray[np.float32]]:
    """Return the weights by the names of the artefact."""
    layers = [layer for layer in model if isinstance(layer, torch.nn.Linear)]
    named: dict[str, NDArray[np.float32]] = {}
    for number, layer in enumerate(layers, 1):
        named[f"w{number}"] = layer.weight.detach().numpy().copy()
        named[f"b{number}"] = layer.bias.detach().numpy().copy()
    return named


def golden_sample(args: Args, obs: NDArray[np.float32], actions: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return observations for the golden rows: every action of the teacher is among them."""
    chance = np.random.default_rng(args.seed)
    picked: list[int] = []
    kinds = np.unique(actions)
    for kind in kinds:
        rows = np.flatnonzero(actions == kind)
        picked += chance.choice(rows, min(len(rows), GOLDEN_ROWS // len(kinds)), replace=False).tolist()
    rest = np.setdiff1d(np.arange(len(obs)), picked)
    picked += chance.choice(rest, GOLDEN_ROWS - len(picked), replace=False).tolist()
    return np.ascontiguousarray(obs[np.sort(picked)])


def clone(args: Args, out: Path) -> dict[str, Any]:
    """Collect, train, freeze; return how well the pupil has learnt."""
    obs, actions = collect(args, 0, args.episodes)
    held_obs, held_actions = collect(args, args.episodes, args.held_out)
    model = train(args, obs, actions)
    golden = golden_sample(args, held_obs, held_actions)
    with torch.no_grad():
        logits = model(torch.from_numpy(golden)).numpy()
    provenance = Provenance(
        made_by="research.training.clone",
        commit="",
        simulator={"flow": "zero intelligence", "instrument": "SYN"},
        data={"observations and choices": hashlib.sha256(obs.tobytes() + actions.tobytes()).hexdigest()},
        seeds={"episodes": "seed x 1000 + episode"},
        limits={"corridor": list(CORRIDORS)},
        args=msgspec.to_builtins(args),
        results={
            "teacher": TEACHER,
            "rows": len(obs),
            "rows_held_out": len(held_obs),
            "agreement": round(agreement(model, obs, actions), 5),
            "agreement_held_out": round(agreement(model, held_obs, held_actions), 5),
            "torch": str(torch.__version__),
        },
    )
    freeze(out, POLICY_ID, LABEL, tensors(model), golden, logits, CADENCE, provenance)
    return provenance.results


def main() -> None:
    """Make the artefact."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--out", type=Path, required=True, help="folder of the artefact")
    p.add_argument("--seed", type=int, default=Args().seed)
    options = p.parse_args()
    print(msgspec.json.encode(clone(Args(seed=options.seed), options.out)).decode())


if __name__ == "__main__":
    main()
