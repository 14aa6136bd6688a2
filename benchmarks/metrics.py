"""What a metric costs who writes it, beside prometheus_client's own in the same process.

    python -m benchmarks.metrics [--rounds 9] [--calls 100000]

Rounds of ours and theirs are interleaved; the least time of the rounds is a call's, since others' work only
adds. Theirs are children with their labels bound, as a careful user of that library has them. Prints a table
in Markdown; exit code 1 where ours is not the cheaper one.
"""

import argparse
import functools
import sys
import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from daemon.metrics.block import Metrics
from daemon.metrics.catalogue import LATENCY_S

Calls = dict[str, Callable[[], object]]


def ours(metrics: Metrics) -> Calls:
    """Return our handles, each with what it is called with."""
    return {
        "Counter.inc": metrics.counter("steadyhand_feed_bytes_total").inc,
        "Gauge.set": functools.partial(metrics.gauge("steadyhand_ready").set, 1.5),
        "Histogram.observe": functools.partial(
            metrics.histogram("steadyhand_intent_to_wire_seconds").observe, 1.3e-4
        ),
    }


def theirs() -> Calls:
    """Return the library's, with the same buckets."""
    registry = CollectorRegistry()
    counter = Counter("bytes", "Bytes.", ["process"], registry=registry).labels("gate")
    gauge = Gauge("ready", "Ready.", ["process"], registry=registry).labels("gate")
    latency = Histogram("latency", "Seconds.", ["process"], registry=registry, buckets=LATENCY_S)
    return {
        "Counter.inc": counter.inc,
        "Gauge.set": functools.partial(gauge.set, 1.5),
        "Histogram.observe": functools.partial(latency.labels("gate").observe, 1.3e-4),
    }


def main() -> int:
    """Measure; 1 where a call of theirs is cheaper."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=9)
    p.add_argument("--calls", type=int, default=100_000)
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        metrics = Metrics(Path(folder), "gate")
        mine, library = ours(metrics), theirs()
        took_us = {(name, who): float("inf") for name in mine for who in ("ours", "theirs")}
        for _ in range(args.rounds):
            for who, calls in (("ours", mine), ("theirs", library)):
                for name, call in calls.items():
                    once_us = timeit.timeit(call, number=args.calls) / args.calls * 1e6
                    took_us[name, who] = min(took_us[name, who], once_us)
        metrics.close()
    print("| call | ours, us | prometheus_client, us | ratio |\n|---|---|---|---|")
    for name in mine:
        us, peer = took_us[name, "ours"], took_us[name, "theirs"]
        print(f"| {name} | {us:.2f} | {peer:.2f} | {peer / us:.1f} |")
    return int(any(took_us[name, "ours"] >= took_us[name, "theirs"] for name in mine))


if __name__ == "__main__":
    sys.exit(main())
