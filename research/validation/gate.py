"""What `steadyhand simcheck` said of a scenario's market: whether a passive edge may be claimed."""

import functools
from pathlib import Path
from typing import Any, Final

from market.flow.calibration import Calibration, load
from research.environment.scenarios import Scenario
from research.simcheck import gate
from research.simcheck.gate import read

NOT_IDENTIFIED: Final = gate.NOT_IDENTIFIED
CALIBRATIONS: Final = Path(__file__).parents[2] / "market" / "flow" / "calibrations"


def verdict_of(scenario: Scenario) -> dict[str, Any]:
    """Return the gate's verdict; a market that is nobody's calibration has no recording to be held to."""
    if not isinstance(scenario.market, Calibration):
        return {"passed": False, "line": f"{NOT_IDENTIFIED}: zero intelligence was fitted to no recording"}
    name = scenario.market.name
    path = next((p for p in sorted(CALIBRATIONS.glob("*.json")) if called(p) == name), None)
    if path is None:
        return {"passed": False, "line": f"{NOT_IDENTIFIED}: {name} was fitted to no recording"}
    found = read(path)
    outside = [cell.name for cell in found.cells if not cell.inside]
    return {"passed": found.passed, "line": found.line, "outside": outside, "source": found.source}


@functools.cache
def called(path: Path) -> str:
    """Return the name that a shipped calibration gives itself, "" for what is none."""
    try:
        return load(path).name
    except ValueError:
        return ""
