"""What `steadyhand simcheck` said of a scenario's market: whether a passive edge may be claimed."""

from pathlib import Path
from typing import Any, Final

from market.flow.calibration import Calibration
from research.environment.scenarios import Scenario
from research.simcheck import gate
from research.simcheck.gate import read

NOT_IDENTIFIED: Final = gate.NOT_IDENTIFIED
CALIBRATIONS: Final = Path(__file__).parents[2] / "market" / "flow" / "calibrations"


def verdict_of(scenario: Scenario) -> dict[str, Any]:
    """Return the gate's verdict; a market that is nobody's calibration has no recording to be held to."""
    if not isinstance(scenario.market, Calibration):
        return {"passed": False, "line": f"{NOT_IDENTIFIED}: zero intelligence was fitted to no recording"}
    path = CALIBRATIONS / f"{scenario.market.name}.json"
    if not path.is_file():
        name = scenario.market.name
        return {"passed": False, "line": f"{NOT_IDENTIFIED}: {name} was fitted to no recording"}
    found = read(path)
    outside = [cell.name for cell in found.cells if not cell.inside]
    return {"passed": found.passed, "line": found.line, "outside": outside, "source": found.source}
