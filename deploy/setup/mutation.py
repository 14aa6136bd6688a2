"""Mutation testing: `python deploy/setup/mutation.py [--sample 500] [--seed 4] [--log FILE] [--only PATH]`.

One small fault at a time is put into the code, and some test must notice. All of risk/controls,
risk/checks.py and risk/overlay.py are mutated; of the rest of risk/, daemon/gate and market/order_table.py a
seeded sample. Tests are collected once; each mutant is a fork of that process, in which the code of one
function (or one table) is replaced and the tests that run its line are tried, those that found the last ones
first. The log, one JSON line a mutant, lies outside the tree: what stands in it is not tried again
(`--survivors`: what survived is). What survived has its reason in docs/MUTATION.md.
"""

import argparse
import hashlib
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy.setup.mutants import ROOT, SAMPLED, WHOLE, Mutant, files, mutants
from deploy.setup.mutation_runs import Runner, inside

TESTS: Final = (
    "tests/risk", "tests/market/test_order_table.py", "tests/daemon/test_gate_core.py",
    "tests/daemon/test_gate_day.py", "tests/daemon/test_gate_people.py",
    "tests/daemon/test_gate_scenarios.py", "tests/daemon/test_gate_disagreement.py",
    "tests/daemon/test_gate_metrics.py", "tests/daemon/test_gate_scrape.py", "tests/daemon/test_archive.py",
    "tests/daemon/test_gate_42.py", "tests/daemon/test_gate_rims.py", "tests/daemon/test_control_turns.py",
    "tests/daemon/test_gate_drop_copy.py", "tests/daemon/test_gate_oms.py", "tests/daemon/test_close_pct.py",
    "tests/daemon/test_external_orders.py", "tests/daemon/test_why.py", "tests/daemon/test_bad_limits.py",
    "tests/daemon/test_two_keys.py", "tests/daemon/test_absence.py", "tests/daemon/test_basket.py",
    "tests/daemon/test_held.py", "tests/daemon/test_line_faults.py", "tests/daemon/test_out_of_range.py",
    "tests/daemon/test_power.py", "tests/daemon/test_recovery.py", "tests/daemon/test_snapshots.py",
    "tests/daemon/test_sod_files.py", "tests/daemon/test_control_server.py",
    "tests/daemon/test_gate_journal.py",
    "tests/daemon/test_lost_requests.py", "tests/daemon/test_oms_crashes.py",
    "tests/daemon/test_gate_disk.py",
    "tests/daemon/test_positions.py", "tests/daemon/test_gate_counts.py", "tests/daemon/test_beginnings.py",
    "tests/daemon/test_birthplace.py",
    "tests/daemon/test_oms_port.py", "tests/daemon/test_housekeeping.py", "tests/daemon/test_gate_end.py",
    "tests/daemon/test_gate_desks.py", "tests/daemon/stories", "tests/daemon/test_gate_edges.py",
    "tests/daemon/test_gate_positions.py", "tests/daemon/test_retiring.py",
    "tests/daemon/test_retiring_model.py", "tests/daemon/test_limits_in_midday.py",
    "tests/daemon/test_why_combined.py", "tests/daemon/test_why_answers.py",
    "tests/daemon/test_status_facts.py", "tests/daemon/test_state_codec.py",
    "tests/daemon/test_state_facts.py", "tests/daemon/test_written_bounds.py",
    "tests/test_states.py", "tests/test_traceability.py",
    "tests/scenarios", "tests/simulation/test_simulation.py",
)  # fmt: skip
REVIEWED: Final = ROOT / "docs" / "MUTATION.md"
SEED: Final = 4
SAMPLE: Final = 500


def choose(sample: int, only: str, seed: int) -> tuple[list[Mutant], list[Mutant]]:
    """Return all mutants of the controls, and a seeded sample of the others."""
    whole = files(WHOLE)
    all_of = [m for path in whole for m in mutants(path)]
    others = [m for path in files(SAMPLED) if path not in whole for m in mutants(path)]
    # By hash and not by place: a module that changes leaves the sample of the others as it is.
    some = sorted(others, key=lambda m: hashlib.sha256(f"{seed} {m.key}".encode()).digest())[:sample]
    some.sort(key=lambda m: (m.path, m.line))
    return ([m for m in all_of if only in m.path], [m for m in some if only in m.path])


def reviewed() -> set[tuple[str, str, str]]:
    """Return what docs/MUTATION.md says changes nothing: path, function, change."""
    found = set()
    for line in REVIEWED.read_text().splitlines() if REVIEWED.exists() else ():
        cells = [cell.strip().strip("`") for cell in line.strip("| ").split(" | ")]
        if len(cells) == 4 and cells[0].endswith(".py"):
            found.add((cells[0], cells[1], cells[2]))
    return found


def report(name: str, chosen: list[Mutant], done: dict[str, dict[str, Any]]) -> None:
    """Print the score of a group, by file."""
    fates: dict[str, Counter[str]] = {}
    same = reviewed()
    for mutant in chosen:
        fate = done.get(mutant.key, {}).get("fate", "not tried")
        if fate == "survived" and (mutant.path, mutant.scope, mutant.what) in same:
            fate = "the same"
        fates.setdefault(mutant.path, Counter())[fate] += 1
    total: Counter[str] = sum(fates.values(), Counter())
    for path, counts in [*sorted(fates.items()), (f"all: {name}", total)]:
        found = counts["killed"] + counts["timeout"]
        judged = found + counts["survived"] + counts["the same"]
        share = f"{100 * found / judged:.1f} %" if judged else "-"
        rest = " ".join(f"{name} {counts[name]}" for name in ("survived", "the same", "not tried"))
        print(f"{path:<30} {judged:>5} judged {found:>5} found {share:>8}  {rest}")


def main() -> int:
    """Try what was not tried yet, and say how it stands."""
    parser = argparse.ArgumentParser(description="Put faults into the risk code, one at a time.")
    parser.add_argument(
        "--sample", type=int, default=SAMPLE, help="mutants of the rest (default %(default)s)"
    )
    parser.add_argument("--log", type=Path, default=Path.home() / ".cache" / "steadyhand-mutation.jsonl")
    parser.add_argument("--seed", type=int, default=SEED, help="which sample (default %(default)s)")
    parser.add_argument("--only", default="", help="paths that contain this")
    parser.add_argument("--survivors", action="store_true", help="try again what survived")
    parser.add_argument("--tests", default="", help="only tests whose name contains one of these, by commas")
    parser.add_argument("--part", default="1/1", help="of what is to try, one of several: 2/3")
    parser.add_argument("--report", action="store_true", help="only say how it stands")
    parser.add_argument("--inside", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        return inside(args.inside[0], sys.stdin.read(), args.inside[1:])
    args.log.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in args.log.read_text().splitlines()] if args.log.exists() else []
    done = {row["key"]: row for row in rows}
    whole, some = choose(args.sample, args.only, args.seed)
    again = ("survived", "timeout") if args.survivors else ()
    same = reviewed()
    todo = [m for m in [*some, *whole] if m.key not in done or done[m.key]["fate"] in again]
    todo = [m for m in todo if m.key not in done or (m.path, m.scope, m.what) not in same]
    print(f"{len(whole)} mutants of the controls, {len(some)} of the rest; {len(todo)} to try", flush=True)
    words = [word for word in args.tests.split(",") if word]
    if words:  # what these cannot see the others were asked about before
        todo = [m for m in todo if m.key in done]
    part, parts = map(int, args.part.split("/"))
    todo = todo[part - 1 :: parts]
    if todo and not args.report:
        plugins = [f"-pno:{name}" for name in ("cacheprovider", "terminal", "asyncio")]
        options = ["-o", "addopts=--import-mode=importlib", *plugins, *TESTS]
        os.chdir(ROOT)
        pytest.main(options, plugins=[Runner(todo, done, args.log, words)])
    report("controls, checks, overlay", whole, done)
    report("sample of the rest", some, done)
    left = [m for m in [*whole, *some] if done.get(m.key, {}).get("fate") == "survived"]
    print(*(f"survived: {m}" for m in left if (m.path, m.scope, m.what) not in same), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
