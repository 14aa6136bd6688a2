"""How long a command line takes to answer: `--help` and a mistake, of every sub-command.

    python -m benchmarks.command_line [--rounds 9]

The floor of each round is the interpreter with argparse alone. Rounds are interleaved over all commands.
Prints a table in Markdown: median and worst of the rounds.
"""

import argparse
import statistics
import subprocess
import sys
import time
from importlib.metadata import entry_points

FLOOR = [sys.executable, "-c", "import argparse; argparse.ArgumentParser().parse_args()"]
GOAL_MS = 200


def wall_ms(command: list[str]) -> float:
    """Return how long a command ran."""
    start_s = time.perf_counter()
    subprocess.run(command, capture_output=True, check=False)
    return (time.perf_counter() - start_s) * 1e3


def main() -> int:
    """Measure; 1 where a median misses the goal."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=9)
    rounds = p.parse_args().rounds
    names = sorted(point.name for point in entry_points(group="steadyhand.commands"))
    run = [sys.executable, "-m", "daemon.cli"]
    asked = {("(argparse alone)", "-"): FLOOR}
    asked |= {(name, option): [*run, name, option] for name in names for option in ("--help", "--wrong")}
    times_ms: dict[tuple[str, str], list[float]] = {key: [] for key in asked}
    for _ in range(rounds):
        for key, command in asked.items():
            times_ms[key].append(wall_ms(command))
    print("| command | option | median, ms | worst, ms |\n|---|---|---|---|")
    for (name, option), walls in times_ms.items():
        print(f"| {name} | {option} | {statistics.median(walls):.0f} | {max(walls):.0f} |")
    return int(max(map(statistics.median, times_ms.values())) > GOAL_MS)


if __name__ == "__main__":
    sys.exit(main())
