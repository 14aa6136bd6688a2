"""What a policy is worth in paper: the same parents on the same tape through the whole daemon, as another's.

    python -m benchmarks.paper_pairs --tape TAPES/GOOG --tape TAPES/AAPL --policy NAME --against twap-passive

Windows are those of `validate` T4 (the validation split alone), a parent each, both sides, a share of the
window's printed volume; every run is `steadyhand paper --lockstep`, so the same command gives the same fills.
The unit is a parent, the cluster its window. A replay does not react: see docs/VALIDATION.md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np

from research.environment.scenarios import SCENARIOS
from research.validation.statistics import paired
from research.validation.tape_world import NS, Window, fitted, windows

SIDES: Final = ("BUY", "SELL")
ROUND: Final = 10  # shares that sizes are rounded to
RUN_S_MAX: Final = 1_800  # of one run: an hour and a half of a tape takes a few minutes
LEAD_NS: Final = 120 * NS  # of tape before the first parent
GAP_NS: Final = 5 * NS  # between a parent's end and the next one's begin


def main() -> int:
    """Run every pair, print what came of it."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--tape", type=Path, action="append", required=True)
    p.add_argument("--policy", required=True)
    p.add_argument("--against", default="twap-passive")
    p.add_argument("--share", type=float, default=0.05, help="of a window's volume (default 0.05)")
    p.add_argument("--minutes", type=int, default=10)
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--json", action="store_true")
    args = p.parse_args()
    known = fitted(SCENARIOS.values())
    cut = {folder: windows(folder, None, None, args.minutes, known)[0] for folder in args.tape}
    todo = [
        (folder, side, policy)
        for folder in args.tape
        for side in SIDES
        for policy in (args.policy, args.against)
    ]
    with ThreadPoolExecutor(args.jobs) as pool:
        costs = list(pool.map(lambda one: run(one[0], cut[one[0]], one[1], one[2], args.share), todo))
    found = dict(zip(todo, costs, strict=True))
    ours, theirs, clusters = [], [], []
    for number, folder in enumerate(args.tape):
        for side in SIDES:
            ours += found[folder, side, args.policy]
            theirs += found[folder, side, args.against]
            clusters += [1_000 * number + at for at in range(len(cut[folder]))]
    made = summed(np.array(ours), np.array(theirs), np.array(clusters))
    print(json.dumps(made, sort_keys=True) if args.json else told(made, args))
    return 0


def run(folder: Path, cut: list[Window], side: str, policy: str, share: float) -> list[float]:
    """Return the shortfall of each window's parent, in the order of the windows."""
    tape = cut[0].tape
    clock = tape.instrument.clock

    def at(ns: int) -> str:
        return str(clock(ns))[:8]

    parents: list[str] = []
    for w in cut:
        qty = max(ROUND, round(share * w.volume / ROUND) * ROUND)
        parents += ["--parent", f"{side} {qty} {tape.symbol} {at(w.begin_ns)}-{at(w.end_ns - GAP_NS)}"]
    with tempfile.TemporaryDirectory() as out:
        command = [
            sys.executable, "-m", "daemon.cli", "paper", "--tape", str(folder), "--lockstep",
            "--policy", policy, "--from", at(cut[0].begin_ns - LEAD_NS)[:5],
            "--to", at(cut[-1].end_ns + 60 * NS)[:5],
            *parents, "--json", "--out", f"{out}/run",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S_MAX, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{policy} on {folder}: exit {done.returncode}: {done.stderr.strip()[-500:]}")
    rows: list[dict[str, Any]] = json.loads(done.stdout)["parents"]
    rows.sort(key=lambda row: row["start_ns"])
    assert len(rows) == len(cut), "a parent for each window"
    return [float(row["shortfall_bps"]) for row in rows]


def summed(ours: Any, theirs: Any, clusters: Any) -> dict[str, Any]:
    """Return the paired difference with its interval."""
    found = paired(ours, theirs, clusters)
    d = found.difference
    return {
        "parents": d.units, "windows": d.clusters, "ours": float(ours.mean()), "theirs": float(theirs.mean()),
        "difference": d.mean, "low": d.low, "high": d.high, "p": d.p, "detectable": found.detectable,
        "wins": found.wins,
    }  # fmt: skip


def told(made: dict[str, Any], args: argparse.Namespace) -> str:
    """Return it in a line."""
    return (
        f"{args.policy} against {args.against}: {made['ours']:.3f} and {made['theirs']:.3f} bps, difference "
        f"{made['difference']:+.3f} [{made['low']:+.3f}, {made['high']:+.3f}], p {made['p']:.3f}, "
        f"{made['parents']} parents in {made['windows']} windows, {made['detectable']:.2f} detectable"
    )


if __name__ == "__main__":
    sys.exit(main())
