"""The sixteen numbers: fourteen of the recording, exponent and decay of impact from literature."""

import math
from typing import Final

import msgspec

from research.calibrate.facts import Facts

TOLERANCE: Final = 0.25  # of a recorded value: as close as a market of one parameter set is asked to come
EXPONENT: Final = (0.4, 0.6)  # the square root law, 0.5 +- 0.1
DECAY: Final = (0.5, 0.75)  # of the peak, five times the duration after the end
RECORDED, LITERATURE = "recorded", "literature"


class Number(msgspec.Struct, frozen=True):
    """One of the sixteen."""

    name: str
    origin: str
    target: float | None
    low: float
    high: float
    simulated: float | None
    passed: bool


def compare(
    recorded: Facts, simulated: dict[str, float], exponent: float | None, decay: float | None
) -> list[Number]:  # fmt: skip
    """Return the numbers with their verdicts; the band is the interval or a quarter, whichever is wider."""
    rows = []
    for name, target in recorded.numbers.items():
        low = min(target.low, target.value - TOLERANCE * abs(target.value))
        high = max(target.high, target.value + TOLERANCE * abs(target.value))
        value = simulated.get(name)
        passed = value is not None and low <= value <= high
        rows.append(Number(name, RECORDED, target.value, low, high, value, passed))
    for name, found, band in (("impact_exponent", exponent, EXPONENT), ("impact_decay", decay, DECAY)):
        value = found if found is not None and math.isfinite(found) else None
        passed = value is not None and band[0] <= value <= band[1]
        rows.append(Number(name, LITERATURE, None, *band, value, passed))
    return rows
