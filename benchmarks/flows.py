"""Events a second on one core of both synthetic flows: queue-reactive beside zero-intelligence, in one run.

    python -m benchmarks.flows [--hours 4] [--rounds 5] [--calibration PATH]

Both play market hours into the same kind of book with nobody of ours in it; an event is one outcome (an
order that rests, a cancel, a trade). The queue-reactive flow has all its layers on: both made-up markets,
both fitted ones, and those of --calibration. Rounds are interleaved; CPU seconds are counted, since on a
shared machine wall time says little.
"""

import argparse
import statistics
import time
from pathlib import Path

from market.flow.calibration import Calibration, load
from market.flow.queue_reactive import QueueReactiveFlow
from market.flow.queue_reactive_defaults import chosen, large_tick, small_tick
from market.flow.zero_intelligence import ZeroIntelligenceFlow
from market.matching import MatchingEngine
from market.types import NS

STEP_NS = 60 * NS
Flow = QueueReactiveFlow | ZeroIntelligenceFlow


def rate(flow: Flow, hours: float) -> float:
    """Return outcomes a CPU second over so many market hours, the warm-up left out."""
    engine = MatchingEngine(1 << 12, 1 << 10, 1 << 15)
    flow.advance(engine, 0)
    count = 0
    begin = time.process_time()
    for until_ns in range(STEP_NS, int(hours * 3600) * NS + 1, STEP_NS):
        count += len(flow.advance(engine, until_ns))
    return count / (time.process_time() - begin)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calibration", type=Path, action="append", default=[])
    args = parser.parse_args()
    shipped = [chosen(name) for name in ("btc-large-tick", "goog-2012")]
    calibrations: list[Calibration] = [large_tick(), small_tick(), *shipped]
    calibrations += [load(path) for path in args.calibration]
    end_ns = int(args.hours * 3600) * NS
    rates: dict[str, list[float]] = {
        name: [] for name in ("zero-intelligence", *(c.name for c in calibrations))
    }
    for round_ in range(args.rounds + 1):  # the first one compiles
        zero = rate(ZeroIntelligenceFlow(round_, 0, end_ns), args.hours)
        found = {c.name: rate(QueueReactiveFlow(round_, 0, end_ns, c), args.hours) for c in calibrations}
        for name, value in ({"zero-intelligence": zero} | found).items():
            if round_:
                rates[name].append(value)
    base = statistics.median(rates["zero-intelligence"])
    print(f"{'flow':24}{'M events/s':>12}{'lowest':>9}{'highest':>9}{'x zero-intelligence':>21}")
    for name, values in rates.items():
        middle = statistics.median(values)
        low, high = min(values) / 1e6, max(values) / 1e6
        print(f"{name:24}{middle / 1e6:12.2f}{low:9.2f}{high:9.2f}{middle / base:21.2f}")


if __name__ == "__main__":
    main()
