"""`steadyhand simcheck`: the realism battery, printed and written as JSON and one self-contained page.

Exit code 0: everything passed; 1: something did not, or was not run; 2: it could not begin. Where the gate on
passive edge fails, the last line says so, and no claim on it may be made from this calibration.
"""

import argparse
import sys
from pathlib import Path

import msgspec

from market.flow.calibration import Calibration, load
from market.flow.queue_reactive_defaults import CALIBRATIONS
from research.calibrate import facts
from research.calibrate.command import facts_beside, report
from research.calibrate.facts import Facts, FactsError
from research.simcheck import battery, gate
from research.simcheck.battery import Budget, Result
from research.simcheck.checks import NOT_RUN, PASSED, STATED
from research.simcheck.page import page
from research.whole import put_all

JSON_FILE, PAGE_FILE, GATE_FILE = "simcheck.json", "simcheck.html", "gate.json"


def main(args: argparse.Namespace) -> int:
    """Run the battery."""
    shipped = CALIBRATIONS / f"{args.calibration}.json"
    path = shipped if shipped.is_file() and not args.calibration.exists() else args.calibration
    try:
        if args.keep and args.quick:
            raise ValueError("--keep: a quick look is no verdict to keep; leave --quick away")
        calibration = load(path)
        recorded = facts.read(facts_beside(path))
        belongs(path, calibration, recorded)
        args.out.mkdir(parents=True, exist_ok=True)
        result = battery.battery(path, calibration, recorded, budget_of(args), report, args.seed_set)
        write(args.out, result, gate.beside(path) if args.keep else None)
    except (ValueError, FactsError) as error:
        sys.stderr.write(f"steadyhand simcheck: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(
            f"steadyhand simcheck: {args.out}: {error.strerror or error}; make room or give another --out\n"
        )
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("steadyhand simcheck: interrupted: nothing was written\n")
        return 130
    if args.json:
        sys.stdout.write(msgspec.json.encode(result.gate).decode() + "\n")
    else:
        show(result)
    return 0 if clean(result) else 1


def belongs(path: Path, calibration: Calibration, recorded: Facts) -> None:
    """Hold the facts to the calibration that they stand beside: the gate judges by them.

    Raises:
        FactsError: they are of another recording or other hours, or lack what sizes come from.

    """
    beside, told = facts_beside(path), calibration.provenance
    fitted = told.get("source", recorded.source), told.get("interval_utc_ns", hours(recorded))
    if fitted != (recorded.source, hours(recorded)):
        raise FactsError(
            f"{beside}: are of {recorded.source}, {hours(recorded)}; {path.name} was fitted to {fitted[0]}, "
            f"{fitted[1]}: put the facts beside it that `steadyhand calibrate` wrote with it"
        )
    for name in ("trade_size", "trades_per_s"):
        if name not in recorded.numbers or not recorded.numbers[name].value > 0.0:
            raise FactsError(f"{beside}: {name} is not there or not over 0; make it again")


def hours(recorded: Facts) -> str:
    """Return the interval of facts as a calibration's provenance writes it."""
    return f"{recorded.begin_ns}..{recorded.end_ns}"


def budget_of(args: argparse.Namespace) -> Budget:
    """Return how much is simulated."""
    budget = battery.QUICK if args.quick else battery.FULL
    if args.adversary_steps is None:
        return budget
    return msgspec.structs.replace(budget, adversary_steps=args.adversary_steps)


def clean(result: Result) -> bool:
    """Say whether everything passed."""
    rows = [row.passed for row in result.numbers] + [row.passed for row in result.distances]
    return all(rows) and result.gate.passed and all(row.outcome in (PASSED, STATED) for row in result.checks)


def encoded(value: object) -> bytes:
    """Return a value as JSON that a person can read; what is not a number becomes null."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def write(folder: Path, result: Result, beside: Path | None = None) -> None:
    """Write the result, the verdict and the page, and the verdict to be kept; all of them or none."""
    files = {
        folder / JSON_FILE: encoded(result),
        folder / GATE_FILE: encoded(result.gate),
        folder / PAGE_FILE: page(result).encode(),
    }
    put_all(files | ({beside: encoded(result.gate)} if beside is not None else {}))


def number(value: float | None) -> str:
    """Return a number for a table."""
    return "-" if value is None else f"{value:.4g}"


def show(result: Result) -> None:
    """Print the battery."""
    out = sys.stdout
    kind = ", quick" if result.quick else ""
    out.write(f"{result.calibration} against {result.source}, seeds {result.seed_set}{kind}\n\n")
    for row in result.numbers:
        target = row.origin if row.target is None else number(row.target)
        band = f"[{row.low:.4g}, {row.high:.4g}]"
        word = "pass" if row.passed else "FAIL"
        out.write(f"{row.name:22}{target:>12}  {band:^24}{number(row.simulated):>12}  {word}\n")
    out.write("\nWasserstein-1, in standard deviations (in brackets: the recording's own halves)\n")
    for d in result.distances:
        out.write(f"{d.feature:22}{d.w1:12.3f}  [{d.halves:.3f}]  {'pass' if d.passed else 'FAIL'}\n")
    out.write("\n")
    for check in result.checks:
        note = f"  ({check.note})" if check.outcome in (NOT_RUN, STATED) and check.note else ""
        out.write(f"{check.name:42}{check.value:34}{check.target:26}{check.outcome}{note}\n")
    out.write("\nThe gate on passive edge\n")
    for cell in result.gate.cells:
        band = f"[{cell.low:.4g}, {cell.high:.4g}]"
        word = "inside" if cell.inside else "OUTSIDE"
        out.write(f"{cell.name:22}{cell.recorded:12.4g}  {band:^24}{number(cell.simulated):>12}  {word}\n")
    out.write(f"{result.gate.line}\n")
