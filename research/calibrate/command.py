"""`steadyhand calibrate`: a recording into a calibration and the facts that a simulation is held against.

Beside FILE.json it writes FILE.facts.json: numbers, distributions and curves of the recording, from which no
part of it can be had back. Both are written whole or not at all.
"""

import argparse
import json
import sys
from pathlib import Path

import msgspec

from market.flow.calibration import Calibration, Reading, dump, load
from market.tape import TapeError
from research.calibrate import align, facts, fit, refine
from research.calibrate.facts import Facts, FactsError
from research.calibrate.streams import recorded
from research.whole import put_all

FACTS_SUFFIX = ".facts.json"
FIRST_BRANCHING = 0.5  # where the search begins: counting takes trends for excitation
FIRST_KICK_BPS = 1.6
replace = msgspec.structs.replace


def main(args: argparse.Namespace) -> int:
    """Calibrate; 0 done, 2 where tape or place are not as they must be, 130 interrupted."""
    try:
        calibration, measured = calibrate(args)
        write(args.out, calibration, measured)
    except (TapeError, FactsError, ValueError) as error:
        sys.stderr.write(f"steadyhand calibrate: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(
            f"steadyhand calibrate: {args.out}: {error.strerror or error}; make room or give another --out\n"
        )
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("steadyhand calibrate: interrupted: nothing was written\n")
        return 130
    if args.json:
        sys.stdout.write(json.dumps({"out": str(args.out), "fit": calibration.fit}) + "\n")
    else:
        show(calibration, measured)
    return 0


def calibrate(args: argparse.Namespace) -> tuple[Calibration, Facts]:
    """Return the calibration and the facts of the recording."""
    if not args.out.parent.is_dir():
        raise ValueError(f"{args.out.parent}: there is no such folder for --out; make it first")
    stream = recorded(args.tape, args.begin, args.end, args.tick)
    report(f"{stream.source}: {len(stream.events):,} events, tick {stream.tick_e4 / 1e4:g}")
    measured = facts.measure(stream.events, stream.tick_e4, stream.begin_ns, stream.end_ns, stream.source)
    session = args.begin is not None or args.end is not None
    found = fit.first(stream, args.name or args.out.stem, session=session)
    start = load(args.start) if args.start else seeded(found.calibration)
    if args.budget == 0:
        return found.calibration, measured
    if args.start is None:
        start = align.aligned(refine.balanced(start, measured), found.cuts, found.counts, measured)
    best = replace(refine.refine(start, measured, args.budget, report), name=found.calibration.name)
    matched = (
        f"matched: {args.budget} candidates of simulated moments, seeds {refine.SCORE_SEED} and "
        f"{refine.SCALE_SEED} on, {refine.SCORE_SEEDS} x {refine.SCORE_S} s each"
    )
    line = {
        "value": matched + "; jumps from literature",
        "hawkes.branching": matched + "; who excites whom is measured",
        "reading": matched + "; the lives and weights of its fading from literature (a power law of time)",
        "latent": matched + " of impact-free moments; its shape from literature",
        "metaorders": "sizes and participation from literature, share " + matched,
        "search": f"began with {args.start.name}, fitted to the same recording"
        if args.start
        else "from counting",
        "shape over the touch's queue": "measured, then matched: the simulation counted as the recording was",
        "limits, markets, class_hazards": "as measured times one scale each, " + matched,
    }
    return replace(best, provenance=found.calibration.provenance | line), measured


def seeded(calibration: Calibration) -> Calibration:
    """Return where the search begins: what was counted, with plausible layers."""
    value = replace(
        calibration.value,
        sigma_bps=round(calibration.value.sigma_bps * 0.6, 4),
        informed=3.0,
        informed_limits=0.3,
        informed_cancels=6.0,
    )
    return replace(
        calibration,
        value=value,
        hawkes=replace(calibration.hawkes, branching=min(FIRST_BRANCHING, calibration.hawkes.branching)),
        metaorders=replace(calibration.metaorders, share=0.06),
        latent=replace(calibration.latent, limits=0.1, cancels=0.05),
        reading=Reading(kick_bps=FIRST_KICK_BPS, lives_s=(5.0, 60.0, 900.0), weights=(0.8, 0.15, 0.05)),
    )


def facts_beside(calibration: Path) -> Path:
    """Return where the recording's facts stand beside a calibration."""
    return calibration.with_name(calibration.stem + FACTS_SUFFIX)


def write(path: Path, calibration: Calibration, measured: Facts) -> None:
    """Write both files or neither, the calibration last."""
    put_all({facts_beside(path): facts.encoded(measured), path: dump(calibration)})


def report(line: str) -> None:
    """Say how far we are."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def show(calibration: Calibration, measured: Facts) -> None:
    """Print recorded against simulated."""
    sys.stdout.write(f"{'':24}{'recorded':>12}  {'95 % interval':^24}{'simulated':>12}\n")
    for name, target in (measured.numbers | measured.probes).items():
        value = calibration.fit.get(name)
        found = f"{value:12.4g}" if value is not None else f"{'-':>12}"
        band = f"[{target.low:.4g}, {target.high:.4g}]"
        sys.stdout.write(f"{name:24}{target.value:12.4g}  {band:^24}{found}\n")
