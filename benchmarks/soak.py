"""Half an hour of many messages and random faults: does memory stand still, and are the books right?

    python -m benchmarks.soak [--minutes 30] [--load 20] [--seed 1] [--folder DIR]

Venue, gate and trader as real processes in paper, the gate's two FIX sessions through a proxy. `--load 1` is
what a paper run of one parent sends, two messages a second. Every few seconds a fault: a line is delayed,
stalled or cut, a process is stopped for a moment, the trader is killed and started again. Resident memory and
descriptors of the gate and the venue are read each second.

Orders that have ended leave the gate's memory (docs/decisions/0031): its slope must include 0 once what is
bounded has filled, which takes some 7,000 orders. It is printed with its 95 % interval, over means of thirty
stretches, after two fifths of the time. What is resident moves in steps and hardly ever back, so that what
is left of the line is no noise of its own: `steps_low` and `steps_high` hold for a walk as well, they come
from how much one stretch differs from the next. At the end every execution and the position are held
against the venue's log. Prints JSON; exit code 1 where they differ.
"""

import argparse
import contextlib
import dataclasses
import json
import math
import random
import resource
import shutil
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import psutil

from tests.daemon.fault_proxy import FaultProxy
from tests.kill_sweep.world import World, stop_in_order

SCRIPT: Final = (
    ("submit 3 @ bid-2", 1_400),
    ("submit 5 @ ask ioc", 1_800),
    ("replace first 7 @ bid-1", 2_200),
    ("cancel first", 3_000),
)
PAUSE_S: Final = (3.0, 9.0)  # between two faults
STRETCHES: Final = 30
WARM: Final = 0.4  # of the time is not counted: caches, pools and what waits for the archive fill
T_95: Final = 2.048  # Student's t for 28 degrees of freedom


class Faults:
    """What goes wrong next."""

    def __init__(self, world: World, order: FaultProxy, reference: FaultProxy, rng: random.Random) -> None:
        self.world, self.order, self.reference, self.rng = world, order, reference, rng
        self.done: dict[str, int] = {}

    def one(self) -> None:
        """Let one happen, to its end."""
        act = self.rng.choice(
            (self.delay, self.stall, self.stall, self.cut, self.stop, self.stop, self.trader)
        )
        self.done[act.__name__] = self.done.get(act.__name__, 0) + 1
        act()

    def delay(self) -> None:
        """A slow line."""
        self.order.delay(self.rng.random() * 0.1)
        time.sleep(2)
        self.order.delay(0)

    def stall(self) -> None:
        """A line on which nothing passes."""
        line = self.rng.choice((self.order, self.reference))
        line.stall(up=self.rng.random() < 0.7, down=self.rng.random() < 0.7)
        time.sleep(self.rng.random() * 3)
        line.flow()

    def cut(self) -> None:
        """A line that is gone, and back at the next dial."""
        self.rng.choice((self.order, self.reference)).cut()

    def stop(self) -> None:
        """A process that stands still for a moment."""
        process = self.rng.choice((self.world.gate, self.world.venue, self.world.trader))
        assert process is not None
        process.process.send_signal(signal.SIGSTOP)
        time.sleep(self.rng.random() * 1.5)
        process.process.send_signal(signal.SIGCONT)

    def trader(self) -> None:
        """A trader that dies, and comes again."""
        assert self.world.trader is not None
        self.world.trader.kill()
        self.world.start_trader()


def soak(
    folder: Path,
    seconds: float,
    load: float,
    seed: int,
    pause_s: tuple[float, float] = PAUSE_S,
) -> dict[str, Any]:
    """Run it; `pause_s`: between two faults, at least and at most."""
    world, rng = World(folder, seed), random.Random(seed)
    # A line that was stalled brings a burst: what comes in a second there is not what was sent in one here.
    law = dataclasses.replace(world.law, per_second=10**6, per_second_symbol=10**6, duplicates=10**6)
    world.law = dataclasses.replace(law, changes_per_second=10**6)
    world.script.write_text("".join(f"every {max(1, round(ms / load))}ms {text}\n" for text, ms in SCRIPT))
    try:
        world.start_venue()
        with FaultProxy(world.ports["fix"]) as order, FaultProxy(world.ports["reference"]) as reference:
            world.write_config(fix=str(order.port), reference=str(reference.port))
            world.start_gate()
            world.begin_time()
            world.start_trader().said("ready")
            world.until(lambda s: s["posture"] == "ACTIVE" and "SYN" in s["reference"] and s["trader"]["fit"])
            world.submit()
            faults = Faults(world, order, reference, rng)
            samples = watch(world, faults, seconds, pause_s)
            (folder / "samples.json").write_text(json.dumps(samples))
            world.until(lambda s: s["posture"] == "ACTIVE" and s["trader"]["fit"])
            problems = world.compare() + world.compare_all()
        status = world.status()
    finally:
        world.close()
    counters = status["counters"]
    return {
        "seconds": seconds,
        "load": load,
        "faults": faults.done,
        "messages": sum(counters[name] for name in ("orders", "replaces", "cancels")),
        "fills": counters["fills"],
        "problems": problems,
        "breaks": status["breaks"],
        "gate": judged(samples, "gate"),
        "venue": judged(samples, "venue"),
    }


def watch(world: World, faults: Faults, seconds: float, pause_s: tuple[float, float]) -> list[dict[str, Any]]:
    """Let faults happen, and read both processes each second."""
    assert world.gate is not None
    assert world.venue is not None
    processes = {
        "gate": psutil.Process(world.gate.process.pid),
        "venue": psutil.Process(world.venue.process.pid),
    }
    samples: list[dict[str, Any]] = []
    began = time.monotonic()
    next_fault = began + faults.rng.uniform(*pause_s)
    orders = 0
    while (now := time.monotonic()) < began + seconds:
        if now >= next_fault and now < began + seconds - pause_s[1]:
            faults.one()
            next_fault = time.monotonic() + faults.rng.uniform(*pause_s)
        with contextlib.suppress(OSError, ValueError):
            orders = world.status()["counters"]["orders"]
        sample: dict[str, Any] = {"at": time.monotonic() - began, "orders": orders}
        for name, process in processes.items():
            sample[name] = (process.memory_info().rss, process.num_fds())
        samples.append(sample)
        time.sleep(max(0.0, 1.0 - (time.monotonic() - now)))
    return samples


def judged(samples: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Return slopes of memory and what became of descriptors."""
    kept = samples[int(len(samples) * WARM) :]
    rss = [s[name][0] for s in kept]
    fds = [s[name][1] for s in kept]
    at = [s["at"] for s in kept]
    return {
        "orders": samples[-1]["orders"],
        "rss_mib": [round(rss[0] / 2**20, 1), round(rss[-1] / 2**20, 1)],
        "rss_kib_per_min": slope(at, rss),
        "descriptors": {"first": fds[0], "last": fds[-1], "median": statistics.median(fds), "max": max(fds)},
    }


def slope(at: list[float], values: list[float]) -> dict[str, float]:
    """Return KiB a minute by least squares over means of stretches, with two 95 % intervals (see above)."""
    size = max(1, len(at) // STRETCHES)
    xs = [statistics.fmean(at[n : n + size]) / 60 for n in range(0, len(at) - size + 1, size)]
    ys = [statistics.fmean(values[n : n + size]) / 1024 for n in range(0, len(at) - size + 1, size)]
    mean_x, mean_y = statistics.fmean(xs), statistics.fmean(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    b = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread
    rest = sum((y - mean_y - b * (x - mean_x)) ** 2 for x, y in zip(xs, ys, strict=True))
    error = math.sqrt(rest / max(1, len(xs) - 2) / spread)
    found = {"slope": b, "low": b - T_95 * error, "high": b + T_95 * error}
    moved = [(y - x) / (u - t) for x, y, t, u in zip(ys, ys[1:], xs, xs[1:], strict=False)]
    mean, error = statistics.fmean(moved), statistics.stdev(moved) / math.sqrt(len(moved))
    found |= {"steps_low": mean - T_95 * error, "steps_high": mean + T_95 * error}
    return {name: round(value, 1) for name, value in found.items()}


def main() -> int:
    """Run the command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--minutes", type=float, default=30.0)
    p.add_argument("--load", type=float, default=20.0)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--folder", type=Path)
    o = p.parse_args()
    stop_in_order()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    folder = o.folder or Path(tempfile.mkdtemp(prefix="soak-"))
    found = soak(folder, o.minutes * 60, o.load, o.seed)
    print(json.dumps(found, indent=1))
    if o.folder is None and not found["problems"]:
        shutil.rmtree(folder)
    return 1 if found["problems"] or found["breaks"] else 0


if __name__ == "__main__":
    sys.exit(main())
