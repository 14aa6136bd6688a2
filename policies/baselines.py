"""The static schedules as ordinary policies: each with two tactics, so schedule and tactic are separated.

`twap vwap pov almgren-chriss` cross the spread slice by slice; with `-passive` they join the touch
and cross only to catch up. A policy that learns has to beat the best of them, not the worst.
`twap-improve` rests one tick inside: on a recorded tape nobody undercuts it, which flatters it.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Final

import msgspec

from policies import curves, schedule
from policies.policy import Decision, Mask, Observation
from policies.schedule import Situation
from policies.state_features import I_CLOSING, I_CORRIDOR, I_LAG_SLICES

RULES_VERSION: Final = 1
NOTHING, CROSS_ONE, CROSS_TWO = 0, 2, 12  # rows of actions.ACTIONS
JOIN, JOIN_CROSS, IMPROVE, IMPROVE_CROSS = 3, 5, 6, 8
CATCH_UP_AT: Final = 0.9  # of the corridor's half width: just before the plan would force it
ROUNDING: Final = 1e-4  # one slice behind is one slice behind, in float32 too
POV_RATE: Final = 0.10
KAPPA_T_BY_URGENCY: Final = (1.5, 0.5, 1.0, 1.5, 2.5, 4.0)  # [0]: urgency not said


class Baseline(msgspec.Struct, frozen=True):
    """A schedule and a tactic."""

    name: str
    sha256: str
    completes: bool
    about: str
    fraction: Callable[[Situation], float]
    tactic: Callable[[Observation], int]
    cadence: None = None

    def describe(self) -> str:
        """Say what it does and where its numbers come from."""
        return self.about

    def schedule(self, situation: Situation) -> float:
        """Return the fraction that should be done now."""
        return self.fraction(situation)

    def act(self, obs: Observation, mask: Mask) -> Decision:
        """Follow the rule; where crossing is masked, only rest."""
        action = self.tactic(obs)
        if not mask >> action & 1:
            action = action // 3 * 3 if action != CROSS_TWO else NOTHING
        if not mask >> action & 1:
            action = JOIN if mask >> JOIN & 1 else NOTHING
        return Decision(action)


def crossing(obs: Observation) -> int:
    """Cross whole slices as they fall due; two where more than one is missing."""
    behind = float(obs[I_LAG_SLICES]) * 10.0
    if behind >= 2.0 - ROUNDING:
        return CROSS_TWO
    return CROSS_ONE if behind >= 1.0 - ROUNDING or (obs[I_CLOSING] and behind > 0) else NOTHING


def passive(obs: Observation) -> int:
    """Join the touch; cross a slice near the corridor's lower edge."""
    return JOIN_CROSS if float(obs[I_CORRIDOR]) >= CATCH_UP_AT else JOIN


def improving(obs: Observation) -> int:
    """Rest one tick inside the spread; cross a slice near the corridor's lower edge."""
    return IMPROVE_CROSS if float(obs[I_CORRIDOR]) >= CATCH_UP_AT else IMPROVE


TACTICS: Final[dict[str, tuple[Callable[[Observation], int], str]]] = {
    "": (crossing, "crosses the spread, slice by slice"),
    "-passive": (passive, "joins the touch, crosses to catch up"),
    "-improve": (improving, "rests a tick inside the spread, crosses to catch up"),
}
SCHEDULES: Final = ("twap", "vwap", "pov", "almgren-chriss")
NAMES: Final = (*(s + t for s in SCHEDULES for t in ("", "-passive")), "twap-improve")
OPTIONS: Final[dict[str, tuple[str, float, float]]] = {  # option by schedule: name, least, most
    "pov": ("rate", 0.001, 0.5),
    "almgren-chriss": ("kappa_t", 0.0, 20.0),
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
    base = next(s for s in SCHEDULES if name == s or name.startswith(s + "-"))
    tactic, how = TACTICS[name[len(base) :]]
    value = option(base, options or {})
    fraction, when = fraction_of(base, value, curve)
    facts = [RULES_VERSION, name, value, curve.steps if base == "vwap" else None]
    sha256 = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    return Baseline(name, sha256, base != "pov", f"{name}: {when}; {how}", fraction, tactic)


def option(base: str, options: dict[str, float | int | str]) -> float | None:
    """Return the one option of a schedule, None where it is not given."""
    known = OPTIONS.get(base)
    for key, value in options.items():
        if known is None or key != known[0]:
            has = f"it has {known[0]!r}" if known else "it has none"
            raise PolicyError(f"{base} has no option {key!r}; {has}")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and known[1] <= float(value) <= known[2]):
            raise PolicyError(f"{base}: {key} is a number from {known[1]} to {known[2]}, got {value!r}")
        return float(value)
    return None


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

    def almgren_chriss(situation: Situation) -> float:
        kappa_t = KAPPA_T_BY_URGENCY[situation.urgency] if value is None else value
        return schedule.almgren_chriss(situation, kappa_t)

    return almgren_chriss, "kappa x T by urgency" if value is None else f"kappa x T = {value:g}"
