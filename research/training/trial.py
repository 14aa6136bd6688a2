"""What a policy under training is held to: a fixed set of episodes, and what plain rules pay on them.

The set is for choosing (early stopping, the best weights of a run); no claim is made on it. Differences
are paired by episode. The normal interval is enough to steer by; validation has better ones.
"""

import math
from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np

from research.validation.statistics import cvar
from research.worlds.world import Act, Reals

Z: Final = 1.959964  # 95 % of a normal law


class Difference(msgspec.Struct, frozen=True):
    """A policy's cost less a rule's, in bps, and half of its 95 % interval."""

    mean: float
    half: float

    @property
    def better(self) -> bool:
        """Say whether the policy is cheaper beyond doubt."""
        return self.mean + self.half < 0.0


class Result(msgspec.Struct, frozen=True):
    """One evaluation."""

    cost: float  # mean
    half: float
    episodes: int
    against: dict[str, Difference]
    worst: float | None = None  # mean of the worst share, where that is what counts (CVaR)

    @property
    def aim(self) -> float:
        """Return what a run seeks to make least."""
        return self.cost if self.worst is None else self.worst

    def line(self) -> str:
        """Return it in words."""
        parts = [f"cost {self.cost:.3f} ± {self.half:.3f}"]
        parts += [f"worst {self.worst:.3f}"] if self.worst is not None else []
        parts += [f"{d.mean:+.3f} ± {d.half:.3f} against {name}" for name, d in self.against.items()]
        return ", ".join(parts)


class Trial:
    """A set of episodes; what the rules pay is played once and kept."""

    def __init__(
        self,
        play: Callable[[Act], Reals],
        rules: dict[str, Act],
        play_rule: Callable[[Act], Reals] | None = None,
    ) -> None:
        """`play_rule`: where rules act by the table and the policy does not."""
        self._play, self._play_rule = play, play_rule or play
        self.rules = rules
        self._paid: dict[str, Reals] = {}

    def paid(self, name: str) -> Reals:
        """Return what a rule pays, episode by episode."""
        if name not in self._paid:
            self._paid[name] = self._play_rule(self.rules[name])
        return self._paid[name]

    def played(self, act: Act) -> Reals:
        """Return what a policy pays, episode by episode."""
        return self._play(act)

    def result(self, act: Act, share: float = 1.0) -> Result:
        """Play a policy and compare; `share` below 1: the mean of so many of the worst is what counts."""
        costs = self.played(act)
        against = {name: difference(costs, self.paid(name)) for name in self.rules}
        mean = interval(costs)
        worst = cvar(costs, share) if share < 1.0 else None
        return Result(mean.mean, mean.half, len(costs), against, worst)


def difference(costs: Reals, others: Reals) -> Difference:
    """Return the paired difference of two policies on the same episodes."""
    return interval(costs - others)


def interval(values: Reals) -> Difference:
    """Return a mean and half of its 95 % interval."""
    if len(values) < 2:
        return Difference(float(values.mean()), math.inf)
    return Difference(float(values.mean()), float(Z * np.std(values, ddof=1) / math.sqrt(len(values))))
