"""Contenders: what is compared, each a schedule, a corridor and a tactic in the same environment.

A contender is data and a function of batches. All of them are asked as often as the policy that they
are held against, move in a corridor of the same width, and go through the same plan, executor and
checks: what differs is the schedule and what they choose.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from policies import layout
from policies.baselines import PolicyError, baseline
from policies.tactic_kernels import tactics
from research.environment.vector import Settings
from research.worlds.world import Act, Actions, Bools, Floats

CROSSING, PASSIVE = "", "-passive"
DRAWS_SEED: Final = 0x5EED  # of the random legal action
STATIC: Final = ("twap", "vwap", "pov", "almgren-chriss", "obizhaeva-wang")
WITH_BOTH_TACTICS: Final = tuple(name + tactic for name in STATIC for tactic in (CROSSING, PASSIVE))
TUNED: Final = ("rule", "microprice", "constant")  # searched on the seeds for tuning
NAMES: Final = (*WITH_BOTH_TACTICS, "twap-improve", *TUNED, "random")


class Contender(msgspec.Struct, frozen=True, eq=False):
    """One policy or rule with everything that decides what it does."""

    name: str
    about: str
    settings: Settings
    begin: Callable[[], Act]  # a fresh one, without memory of earlier episodes
    sha256: str  # of all that makes its decisions, the settings among them
    budget: int = 0  # episodes that its numbers were chosen on


def contender(
    name: str, settings: Settings, numbers: tuple[float, ...] = (), about: str = "", budget: int = 0
) -> Contender:
    """Return a baseline by name; `numbers` are those of its schedule or rule, () = as shipped.

    Raises:
        PolicyError: the name is not known.

    """
    if name in ("random", "constant"):
        kind = layout.RANDOM if name == "random" else layout.CONSTANT
        what = about or ("any legal action, drawn" if name == "random" else f"action {numbers[0]:g}, always")
        return made(name, what, settings, kind, numbers, budget)
    options = options_of(name, numbers)
    rule = baseline(name, options)
    held = msgspec.structs.replace(
        settings,
        schedule=rule.schedule_kind,
        params=tuple(rule.schedule_params.tolist()),
        curve=tuple(rule.curve.tolist()),
        completes=True,
    )
    row = tuple(rule.tactic_params.tolist())
    return made(name, about or rule.about, held, rule.tactic_kind, row, budget)


def options_of(name: str, numbers: tuple[float, ...]) -> dict[str, float | int | str]:
    """Return numbers as the options that a baseline names."""
    from policies.baselines import OPTIONS

    base = name.removesuffix(PASSIVE)
    known = OPTIONS.get(base, ())
    if len(numbers) > len(known):
        raise PolicyError(f"{name}: has {len(known)} numbers, got {len(numbers)}")
    return {known[at][0]: value for at, value in enumerate(numbers)}


def made(
    name: str, about: str, settings: Settings, kind: int, numbers: tuple[float, ...], budget: int
) -> Contender:
    """Return a contender whose tactic is a kernel."""
    params = np.zeros(layout.PARAMETERS)
    params[: len(numbers)] = numbers
    facts = ["tactic", kind, params.tolist(), msgspec.to_builtins(settings)]
    return Contender(name, about, settings, lambda: Tactic(kind, params), hashed(facts), budget)


def network(name: str, about: str, settings: Settings, act: Act, facts: list[Any]) -> Contender:
    """Return a contender that is a network; `facts` is what its decisions depend on."""
    return Contender(name, about, settings, lambda: act, hashed([*facts, msgspec.to_builtins(settings)]))


def hashed(facts: Any) -> str:
    """Return the hash of some facts."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class Tactic:
    """A rule over batches; what it draws is a counter's, so the same batches give the same actions."""

    def __init__(self, kind: int, params: NDArray[np.float64]) -> None:
        self._kind, self._params = kind, params
        self._chance = np.random.Generator(np.random.Philox(DRAWS_SEED)) if kind == layout.RANDOM else None

    def __call__(self, obs: Floats, mask: Bools) -> Actions:
        """Choose for each row."""
        rows = len(obs)
        draws: NDArray[np.int64] = np.zeros(rows, dtype=np.int64)
        if self._chance is not None:
            draws = self._chance.integers(0, 1 << 31, rows)
        actions: NDArray[np.int64] = np.zeros(rows, dtype=np.int64)
        tactics(self._kind, self._params, np.ascontiguousarray(obs), mask, draws, actions)
        return actions
