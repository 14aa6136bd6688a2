"""Many seeds, resumable: `python -m tests.simulation.run --seeds 0:100000 --log simulation.log`.

One JSON line a block goes to the log: which seeds, how long, what was found. A block that stands there is not
played again, so that a run can be ended at any time and taken up later; the last line printed is the sum.
`--seeds 4711:4712 --show` plays one seed and prints what was found.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.simulation.seed import play

BLOCK: Final = 250
FOUND_KEPT: Final = 20


def command(seed: int) -> str:
    """Return how to play a seed again."""
    return f"python -m tests.simulation.run --seeds {seed}:{seed + 1} --show"


def block(first: int, last: int) -> dict[str, Any]:
    """Play a block of seeds and return its line."""
    begun = time.process_time()
    found: list[Any] = []
    lives = messages = 0
    for seed in range(first, last):
        outcome = play(seed)
        lives += outcome.lives
        messages += outcome.messages
        if outcome.found and len(found) < FOUND_KEPT:
            found.append([seed, outcome.families, outcome.found[0], command(seed)])
    seconds = round(time.process_time() - begun, 2)
    return {"seeds": [first, last], "cpu_s": seconds, "lives": lives, "messages": messages, "found": found}


def lines(log: Path) -> Iterator[dict[str, Any]]:
    """Yield what stands in a log; a line that a kill cut short is not counted."""
    if log.exists():
        for text in log.read_text().splitlines():
            try:
                yield json.loads(text)
            except ValueError:
                continue


def total(log: Path) -> dict[str, Any]:
    """Return the sum of a log."""
    done: dict[tuple[int, int], dict[str, Any]] = {tuple(line["seeds"]): line for line in lines(log)}  # type: ignore[misc]
    every = done.values()
    return {
        "seeds": sum(b - a for a, b in done),
        "cpu_s": round(sum(line["cpu_s"] for line in every), 1),
        "lives": sum(line["lives"] for line in every),
        "messages": sum(line["messages"] for line in every),
        "found": [f for line in every for f in line["found"]],
    }


def main(argv: list[str]) -> int:
    """Play what is not in the log yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0:500")
    parser.add_argument("--log", type=Path)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--show", action="store_true")
    args = parser.parse_args(argv)
    first, last = map(int, args.seeds.split(":"))
    if args.show or args.log is None:
        line = block(first, last)
        print(json.dumps(line, indent=1))
        return int(bool(line["found"]))
    end_s = time.monotonic() + args.minutes * 60
    done = {tuple(line["seeds"]) for line in lines(args.log)}
    for start in range(first, last, BLOCK):
        part = (start, min(start + BLOCK, last))
        if part in done:
            continue
        if time.monotonic() > end_s:
            break
        line = block(*part)
        with args.log.open("a") as log:
            log.write(json.dumps(line) + "\n")
        for found in line["found"]:
            print(*found, sep="  ", flush=True)
    summed = total(args.log)
    print(json.dumps(summed))
    return int(bool(summed["found"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
