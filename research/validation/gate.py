"""What `steadyhand simcheck` said of a scenario's market: whether a gain there may be claimed.

The verdict is of the market as it is played, not of its name: a calibration that was changed has none. One
of the user's own is looked for beside the file that the run was trained with.
"""

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from market.flow.calibration import Calibration, load
from research.environment.scenarios import SCENARIOS, Scenario
from research.simcheck import gate
from research.simcheck.gate import read

NOT_IDENTIFIED: Final = gate.NOT_IDENTIFIED
CALIBRATIONS: Final = Path(__file__).parents[2] / "market" / "flow" / "calibrations"
UNCHECKED: Final = "never checked"


def verdict_of(scenario: Scenario, beside: Iterable[Path] = ()) -> dict[str, Any]:
    """Return the gate's verdict; a market that is nobody's calibration has no recording to be held to."""
    market = scenario.market
    if not isinstance(market, Calibration):
        return {"passed": False, "line": f"{NOT_IDENTIFIED}: zero intelligence was fitted to no recording"}
    name = market.name
    path = next((p for p in (*sorted(CALIBRATIONS.glob("*.json")), *beside) if held(p) == market), None)
    found = read(path) if path is not None else None
    if found is not None and found.cells:
        outside = [cell.name for cell in found.cells if not cell.inside]
        told = {"passed": found.passed, "line": found.line, "outside": outside, "source": found.source}
        return told | ({"unsound": list(found.unsound)} if found.unsound else {})
    if any(shipped.market == market for shipped in SCENARIOS.values()):
        return {"passed": False, "line": f"{NOT_IDENTIFIED}: {name} was fitted to no recording"}
    line = f"{NOT_IDENTIFIED}: no verdict on {name} as it was played, run `steadyhand simcheck FILE --keep`"
    return {"passed": False, "line": line, "unsound": [UNCHECKED]}


@functools.cache
def held(path: Path) -> Calibration | None:
    """Return the calibration of a file, None for what is none."""
    try:
        return load(path)
    except ValueError:
        return None


def doubtful(found: dict[str, Any], *rows: dict[str, Any]) -> bool:
    """Say whether a difference is no claim: passive fills that no gate has passed, or an unsound market."""
    if unsound(found):
        return bool(rows)
    return not found["gate"]["passed"] and any(row["rests_on_passive_fills"] for row in rows)


def unsound(found: dict[str, Any]) -> dict[str, list[str]]:
    """Return what simcheck found wrong, by market; a market that nobody checked is among them."""
    markets = found["gate"].get("markets", {})
    return {name: one["unsound"] for name, one in markets.items() if one.get("unsound")}


def unsound_text(found: dict[str, Any]) -> str:
    """Return it in words."""
    return "; ".join(f"{name} ({', '.join(what)})" for name, what in unsound(found).items())
