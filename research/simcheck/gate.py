"""The hard gate on passive edge: whether resting orders fare in the simulation as on the recording.

Fill probability by position in the queue and what fills realise after 1, 5 and 30 s must lie inside the
recording's 95 % interval over blocks of time. Otherwise nobody may claim an edge from resting orders, and
the verdict, which `validate` reads, says so.
"""

from pathlib import Path

import msgspec

from market.tape import sha256
from market.unreadable import UNREADABLE
from research.calibrate.facts import Facts

NOT_IDENTIFIED = "passive edge not identified"
IDENTIFIED = "passive edge identified"
SUFFIX = ".gate.json"


class Cell(msgspec.Struct, frozen=True):
    """One comparison."""

    name: str
    recorded: float
    low: float
    high: float
    simulated: float | None  # None: the simulation has no such observation
    inside: bool


class Verdict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the gate says of one calibration."""

    calibration: str
    calibration_sha256: str
    source: str
    block_s: float
    passed: bool
    line: str
    cells: tuple[Cell, ...]
    unsound: tuple[str, ...] = ()  # checks that failed and without which no gain is to be believed


def judged(name: str) -> bool:
    """Say whether a probe's statistic is one that the gate looks at."""
    return name.startswith(("fill_front", "fill_position_")) or (
        name.startswith("realised_") and not name.endswith("_front")
    )


def verdict(recorded: Facts, simulated: dict[str, float], name: str, path: Path) -> Verdict:
    """Compare a simulation's probes with the recording's intervals."""
    cells = []
    for probe, target in recorded.probes.items():
        if not judged(probe):
            continue
        value = simulated.get(probe)
        inside = value is not None and target.low <= value <= target.high
        cells.append(Cell(probe, target.value, target.low, target.high, value, inside))
    passed = bool(cells) and all(cell.inside for cell in cells)
    return Verdict(
        calibration=name,
        calibration_sha256=sha256(path),
        source=recorded.source,
        block_s=recorded.block_s,
        passed=passed,
        line=IDENTIFIED if passed else NOT_IDENTIFIED,
        cells=tuple(cells),
    )


def beside(calibration: Path) -> Path:
    """Return where the verdict on a calibration is kept, for whoever uses it."""
    return calibration.with_name(calibration.stem + SUFFIX)


def read(calibration: Path) -> Verdict:
    """Return the verdict on a calibration as it stands; of a changed or unchecked one: not identified."""
    path = beside(calibration)
    none = Verdict(
        calibration=calibration.stem,
        calibration_sha256=sha256(calibration),
        source="",
        block_s=0.0,
        passed=False,
        line=f"{NOT_IDENTIFIED}: no verdict on this calibration, run `steadyhand simcheck`",
        cells=(),
    )
    if not path.is_file():
        return none
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Verdict)
    except UNREADABLE:
        return none
    return found if found.calibration_sha256 == none.calibration_sha256 else none
