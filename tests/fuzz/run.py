"""Feed millions: python -m tests.fuzz.run --inputs 1000000 --seed 1 [--only itch]. Prints what was fed."""

import argparse
import sys
import time

import structlog

from tests.fuzz.targets import fuzz, targets

BLOCK = 50_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())  # a refusal is logged, by the million
    total = 0
    for target in targets():
        if args.only and target.name != args.only:
            continue
        began = time.perf_counter()
        for block in range(0, args.inputs, BLOCK):
            fuzz(target, args.seed * 1_000_000 + block // BLOCK, min(BLOCK, args.inputs - block))
        total += args.inputs
        took = time.perf_counter() - began
        print(f"{target.name}: {args.inputs:,} inputs, {args.inputs / took:,.0f} a second", flush=True)
    print(f"{total:,} inputs, nothing raised that is not said")
    return 0


if __name__ == "__main__":
    sys.exit(main())
