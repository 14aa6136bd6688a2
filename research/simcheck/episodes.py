"""A/A on episodes of the environment: TWAP against TWAP on disjoint sets of seeds.

Orders are worked as in training and validation, by plan, executor and gate; a test at 5 % must then find a
difference between blocks of seeds 5 % of the time. More often: the seeds are not independent, and every
interval that validation prints is too narrow.
"""

from typing import Final

import msgspec
import numpy as np

from market.flow.calibration import Calibration
from research.environment.scenarios import Scenario
from research.simcheck.checks import AA_BAND, NOT_RUN, Check, outcome

NAME: Final = "A/A, TWAP in the environment"
TARGET: Final = "5 % +- 1.5 %"
ORDERS_MAX: Final = 4_096  # a book that somebody has pushed about holds more than others
LEVELS_MAX: Final = 1_024  # as above
SIDE_BY_SIDE: Final = 256  # episodes at a time: a book each
OPENINGS: Final = 128  # warmed markets that episodes begin in; with few of them episodes resemble each other
RUN: Final = 1  # the first set of seeds of its own; validation's is 0


class Same(msgspec.Struct, frozen=True):
    """How often TWAP was found to differ from itself."""

    rejects: float
    pairs: int  # of disjoint blocks of seeds
    orders: int


def scenario_of(calibration: Calibration, openings: int = OPENINGS) -> Scenario:
    """Return a calibration as a scenario in which nothing varies but chance."""
    return Scenario(
        name=calibration.name,
        market=calibration,
        price_e4=calibration.price_e4,
        tick_e4=calibration.tick_e4,
        orders_max=ORDERS_MAX,
        levels_max=LEVELS_MAX,
        openings=openings,
    )


def against_itself(calibration: Calibration, orders: int, seed_set: int = 0) -> Same | None:
    """Work so many orders by TWAP and compare blocks of them; None where scipy is missing.

    Raises:
        ModuleNotFoundError: something else is missing.
    """
    try:
        from research.validation import compare
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "scipy":
            raise
        return None
    from policies.baselines import baseline
    from research.environment.vector import VectorEnv
    from research.validation.seeds import AA, seeds
    from research.worlds.world import costs

    act = baseline("twap").act_batch
    env = VectorEnv([scenario_of(calibration)], SIDE_BY_SIDE, 0)
    batches = -(-orders // SIDE_BY_SIDE)
    listed = seeds(AA, batches * SIDE_BY_SIDE, RUN + seed_set).reshape(batches, SIDE_BY_SIDE, 1)
    found = []
    for batch in listed:
        env.listed(batch, np.zeros_like(batch))
        found.append(costs(env, act))
    env.close()
    compared = compare.aa({"cost": np.concatenate(found)[:orders]})
    return Same(float(compared["rejects"]), compared["repetitions"], compared["orders"])


def check(found: Same | None) -> Check:
    """Return the check."""
    if found is None:
        return Check(NAME, NOT_RUN, NOT_RUN, TARGET, "needs scipy: pip install -e '.[research]'")
    note = f"{found.pairs:,} pairs of disjoint blocks of {found.orders:,} orders"
    inside = AA_BAND[0] <= found.rejects <= AA_BAND[1]
    return Check(NAME, outcome(inside), f"{found.rejects:.1%}", TARGET, note)
