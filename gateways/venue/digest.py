"""The kernel that reads a batch of outcomes for what the venue itself wants to know of it."""

from typing import Any

import numpy as np

from market.kernel_types import ARENA, OUTCOMES
from market.kernels import typed_kernel
from market.matching_events import OUTCOME, Outcome, OutcomeFlag

LAST_E4 = 0
VOLUME = 1
OWN = 2  # how many rows of the last batch concern participants
TRADE, PRINT = int(Outcome.TRADE), int(Outcome.PRINT)
CROSS = int(OutcomeFlag.CROSS)


@typed_kernel(OUTCOMES, ARENA, ARENA)
def digest(outcomes: Any, totals: Any, own: Any) -> None:
    """Add to last price and volume; list the rows that concern orders of participants."""
    count = 0
    for i in range(outcomes.shape[0]):
        o = outcomes[i]
        if (o.kind == TRADE and not o.flags & CROSS) or o.kind == PRINT:  # a cross is printed once
            totals[LAST_E4] = o.price_e4
            totals[VOLUME] += o.size
        if o.owner > 0 or o.resting_owner > 0:
            own[count] = i
            count += 1
    totals[OWN] = count


def warm() -> None:
    """Compile the kernel (or load it from the cache)."""
    digest(np.zeros(1, dtype=OUTCOME), np.zeros(4, dtype=np.int64), np.zeros(1, dtype=np.int64))
