"""No dynamic arbitrage (Gatheral 2010): a learner paid for round trips alone must learn to earn nothing.

What learns is PPO with market orders of either sign, flat at the end of each trip (`research.worlds`); it
is then played, without chance, on trips of other seeds. In a market in which it earns, whoever moves the
price is paid for it, and no policy trained there is to be believed.
"""

from typing import Final

import msgspec

from market.flow.calibration import Calibration
from research.simcheck.checks import NOT_RUN, Check, outcome, shown
from research.simcheck.episodes import scenario_of

NAME: Final = "no dynamic arbitrage (adversarial PPO)"
TARGET: Final = "lower end of gain <= 0"
OPENINGS: Final = 32  # warmed markets that trips begin in
TRIPS: Final = 512  # played after learning; beyond them the interval shrinks slowly


class Earned(msgspec.Struct, frozen=True):
    """What the adversary makes of a trip after learning, in bps of one unit, with its 95 % interval."""

    steps: int  # decisions that it learned from
    trips: int  # on which it was then played
    gain_bps: float
    low: float
    high: float


def earned(calibration: Calibration, steps: int, seed_set: int = 0) -> Earned | None:
    """Train the adversary and play it; None where there is nothing to learn with.

    Raises:
        ModuleNotFoundError: something else than torch is missing.
    """
    try:  # the battery runs without it
        from research.training import adversary
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "torch":
            raise
        return None
    scenario = scenario_of(calibration, OPENINGS)
    found = adversary.earns(scenario, steps, adversary.SEED + seed_set, TRIPS, seed_set)
    return Earned(steps, TRIPS, found.mean, found.mean - found.half, found.mean + found.half)


def check(found: Earned | None, steps: int) -> Check:
    """Return the check: it passes unless the adversary earns beyond doubt."""
    if steps == 0:
        return Check(NAME, NOT_RUN, NOT_RUN, TARGET, "--adversary-steps 0")
    if found is None:
        return Check(NAME, NOT_RUN, NOT_RUN, TARGET, "needs torch: pip install -e '.[torch]'")
    note = f"{found.trips} unseen trips after {found.steps:,} decisions; bps of one unit's value"
    return Check(NAME, outcome(found.low <= 0.0), shown(found.gain_bps, found.low, found.high), TARGET, note)
