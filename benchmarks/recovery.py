"""How long a gate's start takes after 10^5 and 10^6 records, and what a snapshot costs the gate's loop.

    python -m benchmarks.recovery [--records 100000 1000000] [--folder DIR] [--rounds 3]

The journal is made by the gate's own core (benchmarks.made_journal). Each start is a process of its own, as
a gate's is: open the journal (chain, last segment), take the snapshot, step what came since. The snapshots
stand where the gate's keeper would have made them; the tail is the longest that it leaves, SNAPSHOT_BYTES.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.made_journal import write
from daemon.gate import snapshot_process, snapshots
from daemon.gate.archive import Archive
from daemon.gate.core import GateCore
from daemon.gate.journal import JOURNAL_NAME, Replayed, replay
from daemon.gate.keeper import SNAPSHOT_BYTES, Keeper
from daemon.gate.recovery import recover
from daemon.journal import Journal


def timed(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def start_of_gate(folder: Path) -> dict[str, float]:
    """What `Gate._recover` does, in parts."""
    found: dict[str, float] = {}
    begin, cpu = time.perf_counter(), time.process_time()
    journal = Journal.open(folder, JOURNAL_NAME)
    found["open"] = time.perf_counter() - begin
    core = GateCore()
    done = recover(folder, core)
    found["all"] = time.perf_counter() - begin
    found["cpu"] = time.process_time() - cpu
    found["inputs"] = done.inputs
    found["chains"] = len(core.state.chains)
    found["state_hash"] = timed(core.state_hash)
    journal.close()
    return found


def child(what: str, folder: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.recovery", "--child", what, "--folder", str(folder)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    *said, found = done.stdout.splitlines()
    for line in said:
        print(f"  {line}")  # a snapshot that was passed over
    return dict(json.loads(found))


def make_snapshots(folder: Path) -> dict[str, float]:
    """Two snapshots, the last one SNAPSHOT_BYTES before the end, as the keeper's process makes them."""
    journal = Journal.open(folder, JOURNAL_NAME)
    end = journal.end
    journal.close()
    for until in (end - 2 * SNAPSHOT_BYTES, end - SNAPSHOT_BYTES):
        cpu = time.process_time()
        last = timed(lambda until=until: snapshot_process.make(folder, until))  # type: ignore[misc]
        cpu = time.process_time() - cpu
    size = snapshots.found(folder)[0].stat().st_size
    return {"made": last, "cpu": cpu, "bytes": size, "end": end}


def pause(folder: Path) -> dict[str, float]:
    """The longest that a busy loop stood still while the keeper had a snapshot made, and without one."""
    from concurrent.futures import ThreadPoolExecutor

    journal = Journal.open(folder, JOURNAL_NAME)
    core = GateCore()
    recover(folder, core)  # the parent is as large as a gate is then: that is what a fork would copy

    def longest(seconds: float, act: Callable[[], object]) -> float:
        act()
        worst, end = 0, time.perf_counter_ns() + int(seconds * 1e9)
        last = time.perf_counter_ns()
        while last < end:
            now = time.perf_counter_ns()
            worst, last = max(worst, now - last), now
        return worst / 1e6

    with ThreadPoolExecutor(1) as pool:
        calm = [longest(0.1, lambda: None) for _ in range(5)]
        seen = []
        for _ in range(5):
            keeper = Keeper(journal, folder, 0, pool.submit, Archive)
            keeper._made = 0
            seen.append(longest(0.1, keeper.look))
            while keeper._process is None:
                time.sleep(0.01)
            keeper._process.kill()
            keeper._process.wait()
    journal.close()
    return {"calm_ms": statistics.median(calm), "pause_ms": statistics.median(seen), "worst_ms": max(seen)}


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument("--records", type=int, nargs="+", default=[100_000, 1_000_000])
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--folder", type=Path)
    p.add_argument("--child", choices=["start", "snapshots", "pause", "whole"])
    args = p.parse_args()
    if args.child:
        acts = {"start": start_of_gate, "snapshots": make_snapshots, "pause": pause, "whole": whole}
        print(json.dumps(acts[args.child](args.folder)))
        return
    root = args.folder or Path(tempfile.mkdtemp(prefix="recovery-"))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {sys.version.split()[0]}")
    for records in args.records:
        folder = root / str(records)
        if not (folder / JOURNAL_NAME).exists():
            took = timed(lambda f=folder, n=records: write(f, n))  # type: ignore[misc]
            print(f"{records:>9,} records made in {took:.0f} s")
        shutil.rmtree(folder / snapshots.FOLDER, ignore_errors=True)
        if records <= 100_000:
            found = child("whole", folder)
            print(f"  whole journal: {found['s']:.2f} s, {found['cpu']:.2f} of a core")
        made = child("snapshots", folder)
        size, took, cpu = made["bytes"] / 1e6, made["made"], made["cpu"]
        print(f"  snapshot of {size:.1f} MB; it takes its process {took:.1f} s, {cpu:.1f} of a core")
        starts = [child("start", folder) for _ in range(args.rounds)]
        for name in ("open", "all", "cpu", "state_hash"):
            print(f"  start, {name}: " + " ".join(f"{s[name]:.2f}" for s in starts) + " s")
        print(f"  {starts[0]['inputs']:,.0f} inputs, {starts[0]['chains']:,.0f} orders")
        print(f"  loop: {child('pause', folder)}")


def whole(folder: Path) -> dict[str, float]:
    cpu = time.process_time()
    took = timed(lambda: replay(folder / JOURNAL_NAME, GateCore(), Replayed()))
    return {"s": took, "cpu": time.process_time() - cpu}


if __name__ == "__main__":
    main()
