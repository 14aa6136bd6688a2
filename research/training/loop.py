"""One run, turn by turn: play and learn, evaluate, remember; in one process as in many workers.

Evaluations and checkpoints come at multiples of steps, never by the clock.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

import msgspec
import numpy as np

from research.training import checkpoint
from research.training.learner import Learner, Numbers, Tensors
from research.training.progress import View
from research.training.run import Folder, Plan
from research.training.sources import Source
from research.training.trial import Trial
from research.worlds.world import Bools, Floats

SAMPLED: Final = 4_096  # observations kept for golden rows
SAMPLED_ENVS: Final = 64

State = tuple[Tensors, Numbers]


class Progress(msgspec.Struct):
    """What a run remembers beside its learner."""

    seconds: float = 0.0  # of playing and learning, without evaluations
    best: float | None = None
    waited: int = 0  # evaluations since


class Loop:
    """A learner, what it is held to, and the folder that remembers it."""

    def __init__(
        self,
        plan: Plan,
        found: Source,
        learner: Learner,
        folder: Folder,
        trial: Trial | None,
        shown: View | None,
        progress: Progress,
        keep: Callable[[State], None] | None = None,
        agree: Callable[[bool], bool] = bool,
    ) -> None:
        """`trial` and `shown` are the first worker's alone; `agree` says whether any worker says so."""
        self.plan, self.found, self.learner, self.folder = plan, found, learner, folder
        self.trial, self.shown, self.progress = trial, shown, progress
        self.over = False
        self._keep, self._agree = keep or self.write, agree
        self._evaluated = self._saved = learner.steps
        self._written = learner.steps  # of the last checkpoint

    def start(self) -> None:
        """Evaluate what a new run begins with, and keep observations for golden rows."""
        self.evaluate({})
        if self.trial is not None:
            self.folder.sample(*observations(self.found, self.learner))

    def turn(self) -> None:
        """Play and learn once; evaluate and remember where it is time to."""
        began_s = perf_counter()
        facts = self.learner.iterate()
        self.progress.seconds += perf_counter() - began_s
        steps = self.learner.steps
        if self.shown is not None:
            self.shown.step(steps, facts)
        if passed(self._evaluated, steps, self.plan.evaluate_every):
            self._evaluated = steps
            self.evaluate(facts)
        if passed(self._saved, steps, self.plan.checkpoint_every):
            self._saved = steps
            self.save()

    def evaluate(self, facts: dict[str, float]) -> None:
        """Play the held-out set; keep the weights where they are the best so far."""
        if self.trial is not None and self.shown is not None:
            self.judge(self.trial, self.shown, facts)
        self.over = self._agree(self.over)

    def judge(self, trial: Trial, shown: View, facts: dict[str, float]) -> None:
        """Compare the policy of now with the rules and with its own best."""
        result = trial.result(self.learner.greedy(), self.plan.knobs.get("cvar", 1.0))
        steps, p = self.learner.steps, self.progress
        shown.evaluated(steps, p.seconds, result)
        row: dict[str, Any] = {"steps": steps, "episodes": self.learner.episodes}
        row |= {"seconds": round(p.seconds, 3), "result": msgspec.to_builtins(result), "facts": facts}
        self.folder.add(row)
        if p.best is None or result.aim < p.best:
            p.best, p.waited = result.aim, 0
            self.folder.best(self.learner.policy(), steps, result)
        else:
            p.waited += 1
            self.over = bool(self.plan.patience) and p.waited >= self.plan.patience

    def save(self) -> None:
        """Write a checkpoint, and begin new worlds as whoever resumes it will."""
        tensors, numbers = self.learner.save()
        numbers["run"] = msgspec.to_builtins(self.progress)
        self._keep((tensors, numbers))
        self.learner.renew()
        self._written = self.learner.steps

    def write(self, state: State) -> None:
        """Write a checkpoint into the run's folder."""
        args = msgspec.to_builtins(self.plan)
        checkpoint.save(self.folder.checkpoints, self.plan.learner, args, self.found.hashes, state)

    def interrupted(self) -> str:
        """Say what is left to go on from."""
        begun = f"interrupted after step {self.learner.steps:,}"
        if not self._written:
            return f"{begun}, before the first checkpoint: nothing to go on from"
        return f"{begun}; `--resume {self.folder.path}` goes on from step {self._written:,}"

    def end(self) -> str:
        """Evaluate and remember the last weights; return the line that says how it ended."""
        if self._evaluated != self.learner.steps:
            self.evaluate({})
        if self._saved != self.learner.steps:
            self.save()
        p, steps, episodes = self.progress, self.learner.steps, self.learner.episodes
        if self.trial is not None:
            status = "stopped early" if self.over else "finished"
            ended = {"status": status, "steps": steps, "episodes": episodes, "seconds": round(p.seconds, 3)}
            self.folder.describe(self.plan, self.found, ended)
        best = "unknown" if p.best is None else f"{p.best:.4f}"
        worst = " of the worst orders" if self.plan.knobs.get("cvar", 1.0) < 1.0 else ""
        return (
            f"{self.folder.path}: {steps:,} steps, {episodes:,} episodes in {p.seconds:.1f} s; "
            f"best cost{worst} on the held-out set {best}"
        )


def passed(before: int, now: int, every: int) -> bool:
    """Say whether a multiple of `every` lies between two counts of steps."""
    return now // every > before // every


def observations(found: Source, learner: Learner) -> tuple[Floats, Bools]:
    """Return observations and masks of some episodes under the first policy."""
    world = found.make(SAMPLED_ENVS)(0)
    obs, mask = world.reset()
    act = learner.greedy()
    seen: list[Floats] = []
    masks: list[Bools] = []
    while len(seen) * SAMPLED_ENVS < SAMPLED:
        seen.append(obs.copy())
        masks.append(mask.copy())
        obs, _, _, mask, _ = world.step(act(obs, mask))
    return np.concatenate(seen), np.concatenate(masks)
