"""The static schedules and rules as ordinary policies, so that comparison is like with like.

`twap vwap pov almgren-chriss obizhaeva-wang` cross the spread slice by slice; with `-passive` they join
the touch and cross only to catch up: schedule and tactic are separated. `rule` and `microprice` read the
book on an even schedule; their numbers are options, to be tuned. A policy that learns has to beat the
best of them, not the worst. `twap-improve` rests one tick inside: on a recorded tape nobody undercuts
it, which flatters it. What they do is a kernel each, the same in the daemon and in an environment.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from policies import curves, layout, schedule, schedule_kernels
from policies.policy import Decision, Mask, Observation
from policies.schedule import Situation
from policies.tactic_kernels import tactic, tactics

RULES_VERSION: Final = 1
POV_RATE: Final = 0.10
RHO_T: Final = 8.0  # blocks of a tenth: the book refills eight times while the parent is worked
KAPPA_T_BY_URGENCY: Final = schedule_kernels.KAPPA_T_BY_URGENCY
BY_URGENCY: Final = -1.0  # kappa x T as a kernel takes it where the parent's urgency decides
RULE: Final = (0.5, 0.5, 15.0)  # untuned: imbalance, band, patience
MICROPRICE: Final = (0.5, 0.5)


class Baseline(msgspec.Struct, frozen=True, eq=False):
    """A schedule and a tactic; kinds, params and curve are what kernels take of it."""

    name: str
    sha256: str
    completes: bool
    about: str
    fraction: Callable[[Situation], float]
    schedule_kind: int
    schedule_params: NDArray[Any]
    curve: NDArray[Any]
    tactic_kind: int
    tactic_params: NDArray[Any]
    cadence: None = None  # asked as the trader is configured

    def describe(self) -> str:
        """Say what it does and where its numbers come from."""
        return self.about

    def schedule(self, situation: Situation) -> float:
        """Return the fraction that should be done now."""
        return self.fraction(situation)

    def act(self, obs: Observation, mask: Mask) -> Decision:
        """Follow the rule; where its action is masked, only rest."""
        return Decision(tactic(self.tactic_kind, self.tactic_params, obs, mask, 0))

    def act_batch(self, obs: NDArray[np.float32], allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Follow the rule for many parents at once; `allowed` holds a boolean an action."""
        actions: NDArray[np.int64] = np.zeros(len(obs), dtype=np.int64)
        tactics(self.tactic_kind, self.tactic_params, obs, allowed, actions, actions)
        return actions


TACTICS: Final[dict[str, tuple[int, str]]] = {
    "": (layout.CROSSING, "crosses the spread, slice by slice"),
    "-passive": (layout.PASSIVE, "joins the touch, crosses to catch up"),
    "-improve": (layout.IMPROVING, "rests a tick inside the spread, crosses to catch up"),
}
KINDS: Final = {
    "twap": layout.TWAP,
    "vwap": layout.VWAP,
    "pov": layout.POV,
    "almgren-chriss": layout.ALMGREN_CHRISS,
    "obizhaeva-wang": layout.OBIZHAEVA_WANG,
}
SCHEDULES: Final = tuple(KINDS)
RULES: Final = ("rule", "microprice")
NAMES: Final = (*(s + t for s in SCHEDULES for t in ("", "-passive")), "twap-improve", *RULES)
OPTIONS: Final[dict[str, tuple[tuple[str, float, float], ...]]] = {  # by schedule or rule: name, least, most
    "pov": (("rate", 0.001, 0.5),),
    "almgren-chriss": (("kappa_t", 0.0, 20.0),),
    "obizhaeva-wang": (("rho_t", 0.0, 1_000.0),),
    "rule": (("imbalance", 0.0, 1.0), ("band", 0.0, 2.0), ("patience_s", 0.0, 600.0)),
    "microprice": (("threshold", 0.0, 1.0), ("band", 0.0, 2.0)),
}


class PolicyError(Exception):
    """No such policy, or an option that it does not have."""


def baseline(
    name: str,
    options: dict[str, float | int | str] | None = None,
    curve: curves.VolumeCurve = curves.GENERIC,
) -> Baseline:
    """Return a baseline by name.

    Raises:
        PolicyError: the name or an option is not known, or out of range.

    """
    if name not in NAMES:
        raise PolicyError(f"no policy {name!r}; baselines are {', '.join(NAMES)}")
    if name in RULES:
        return ruled(name, given(name, options or {}))
    base = next(s for s in SCHEDULES if name == s or name.startswith(s + "-"))
    kind, how = TACTICS[name[len(base) :]]
    values = given(base, options or {})
    value = values[0] if values else None
    fraction, when = fraction_of(base, value, curve)
    facts = [RULES_VERSION, name, value, curve.steps if base == "vwap" else None]
    return Baseline(
        name,
        hashed(facts),
        base != "pov",
        f"{name}: {when}; {how}",
        fraction,
        *rows_of(base, value, curve),
        kind,
        np.zeros(layout.PARAMETERS),
    )


def ruled(name: str, values: tuple[float | None, ...]) -> Baseline:
    """Return a rule that reads the book, on an even schedule."""
    usual = RULE if name == "rule" else MICROPRICE
    numbers = [u if v is None else v for u, v in zip(usual, values, strict=True)]
    params = np.zeros(layout.PARAMETERS)
    params[: len(numbers)] = numbers
    said = ", ".join(f"{o[0]} {n:g}" for o, n in zip(OPTIONS[name], numbers, strict=True))
    tuned = "" if any(v is not None for v in values) else " (not tuned)"
    return Baseline(
        name,
        hashed([RULES_VERSION, name, numbers]),
        True,
        f"{name}: evenly in time; joins, crosses and waits by the book's weight: {said}{tuned}",
        schedule.twap,
        *rows_of("twap", None, curves.GENERIC),
        layout.RULE if name == "rule" else layout.MICROPRICE,
        params,
    )


def hashed(facts: list[Any]) -> str:
    """Return the hash of everything that makes a baseline's decisions."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def given(base: str, options: dict[str, float | int | str]) -> tuple[float | None, ...]:
    """Return the options of a schedule or rule in their order, None where one is not given."""
    known = OPTIONS.get(base, ())
    names = [name for name, _, _ in known]
    for key, value in options.items():
        if key not in names:
            has = f"it has {', '.join(map(repr, names))}" if names else "it has none"
            raise PolicyError(f"{base} has no option {key!r}; {has}")
        least, most = known[names.index(key)][1:]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and least <= float(value) <= most):
            raise PolicyError(f"{base}: {key} is a number from {least} to {most}, got {value!r}")
    return tuple(float(options[name]) if name in options else None for name in names)


def rows_of(
    base: str, value: float | None, curve: curves.VolumeCurve
) -> tuple[int, NDArray[Any], NDArray[Any]]:
    """Return a schedule as `schedule_kernels.fraction` takes it: kind, params, curve."""
    usual = {"pov": POV_RATE, "almgren-chriss": BY_URGENCY, "obizhaeva-wang": RHO_T}
    params = np.zeros(layout.PARAMETERS)
    params[0] = usual.get(base, 0.0) if value is None else value
    return KINDS[base], params, schedule.curve_array(curve.steps)


def fraction_of(
    base: str, value: float | None, curve: curves.VolumeCurve
) -> tuple[Callable[[Situation], float], str]:
    """Return a schedule and a word on where its numbers come from."""
    if base == "twap":
        return schedule.twap, "evenly in time"
    if base == "vwap":
        return (lambda s: schedule.vwap(s, curve.steps)), f"volume curve: {curve.source}"
    if base == "pov":
        rate = POV_RATE if value is None else value
        return (lambda s: schedule.pov(s, rate)), f"{rate:.1%} of printed volume"
    if base == "obizhaeva-wang":
        rho_t = RHO_T if value is None else value
        block = f"blocks of {1.0 / (rho_t + 2.0):.1%} at both ends"
        return (lambda s: schedule.obizhaeva_wang(s, rho_t)), f"{block}, rho x T = {rho_t:g}"

    def almgren_chriss(situation: Situation) -> float:
        kappa_t = KAPPA_T_BY_URGENCY[situation.urgency] if value is None else value
        return schedule.almgren_chriss(situation, kappa_t)

    return almgren_chriss, "kappa x T by urgency" if value is None else f"kappa x T = {value:g}"
