"""What an append costs, beside its floor (one os.write of the same bytes), and how long the disk takes.

    python -m benchmarks.journal [--appends 50000] [--rounds 5]

Rounds take turns in one process, so that a busy machine is busy for both. A payload is 220 bytes, an event of
the gate; `pair` is two frames in one call, an input and what it led to.
"""

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from daemon.journal import Journal
from daemon.segments.disk import DISK
from daemon.segments.layout import encode_frame
from daemon.segments.reading import segments
from daemon.segments.tail import check_chain, find
from daemon.segments.verifying import verify

PAYLOAD = os.urandom(220)
CUTS = (0.5, 0.99, 0.999)


def quantiles(samples: list[int]) -> str:
    ordered = sorted(samples)
    return "  ".join(f"{ordered[int(cut * len(ordered))] / 1e3:7.1f}" for cut in CUTS)


def floor(fd: int, count: int, frame: bytes) -> list[int]:
    samples = []
    for _ in range(count):
        start = time.perf_counter_ns()
        os.write(fd, frame)
        samples.append(time.perf_counter_ns() - start)
    return samples


def appends(journal: Journal, count: int, pair: bool) -> list[int]:
    samples = []
    for _ in range(count):
        start = time.perf_counter_ns()
        if pair:
            journal.append(PAYLOAD, PAYLOAD)
        else:
            journal.append(PAYLOAD)
        samples.append(time.perf_counter_ns() - start)
    return samples


def to_the_disk(folder: Path, count: int) -> list[int]:
    """From an append to the word that it is on the disk, as `durability = "disk"` waits for it."""
    journal = Journal.open(folder, "disk")
    told, samples = threading.Event(), []
    journal.on_durable = lambda durable: told.set() if durable >= journal.end else None
    for _ in range(count):
        told.clear()
        start = time.perf_counter_ns()
        journal.append(PAYLOAD)
        journal.hurry()
        told.wait()
        samples.append(time.perf_counter_ns() - start)
    journal.close()
    return samples


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument("--appends", type=int, default=50_000)
    p.add_argument("--rounds", type=int, default=5)
    args = p.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory(prefix="journal-") as place:
        folder = Path(place)
        journal = Journal.open(folder, "any", reserve_bytes=8 << 20)
        fd = os.open(folder / "floor", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        one = encode_frame(1, PAYLOAD)
        found: dict[str, list[list[int]]] = {"floor": [], "append": [], "floor pair": [], "append pair": []}
        for _ in range(args.rounds):
            found["floor"].append(floor(fd, args.appends, one))
            found["append"].append(appends(journal, args.appends, False))
            found["floor pair"].append(floor(fd, args.appends, one + one))
            found["append pair"].append(appends(journal, args.appends, True))
        print("us                 p50      p99    p99.9   (median of the rounds' p50: ratio to the floor)")
        medians = {}
        for name, rounds in found.items():
            medians[name] = statistics.median(statistics.median(r) for r in rounds) / 1e3
            print(f"  {name:12s} {quantiles([s for r in rounds for s in r])}   {medians[name]:.2f}")
        for name in ("append", "append pair"):
            print(f"  {name} / floor: {medians[name] / medians[name.replace('append', 'floor')]:.2f}")
        journal.close()
        size = sum(s.size for s in segments(journal.path))
        begin = time.perf_counter()
        check_chain(segments(journal.path))
        chain_s = time.perf_counter() - begin
        begin = time.perf_counter()
        find(journal.path, 0, DISK)
        open_s = time.perf_counter() - begin
        begin = time.perf_counter()
        assert verify(journal.path).clean
        verify_s = time.perf_counter() - begin
        print(f"  {size / 1e6:.0f} MB in {len(segments(journal.path))} segments: chain {chain_s:.2f} s, "
              f"opened in {open_s:.2f} s, verified in {verify_s:.1f} s")  # fmt: skip
        os.close(fd)
        print(f"  on the disk  {quantiles(to_the_disk(folder, 2_000))}   us from append to fdatasync'd")


if __name__ == "__main__":
    main()
