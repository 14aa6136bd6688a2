"""Run every check of the house: lint, format, types, import contracts, tests. `make test` calls it.

All of them run, even after one has failed; the end lists each with its time. What pytest skipped
is listed with its reason. Options are handed on to pytest: `make test ARGS="-k gate"`.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv" / "bin"
WORKERS_MAX = 4  # each compiles and holds its own kernels: memory, not cores, is the bound


def main(options: list[str]) -> int:
    """Run all checks and return 0 where all of them passed."""
    workers = str(min(os.cpu_count() or 1, WORKERS_MAX))
    checks = {
        "ruff": ["ruff", "check", "."],
        "format": ["ruff", "format", "--check", "."],
        "types": ["mypy"],
        "imports": ["lint-imports", "--no-cache"],
        "tests": ["pytest", "-rs", "-n", workers, "--durations=10", *options],
    }
    rows = []
    for name, command in checks.items():
        print(f"\n== {name}: {' '.join(command)}", flush=True)
        start_s = time.monotonic()
        code = subprocess.run([str(BIN / command[0]), *command[1:]], cwd=ROOT).returncode
        rows.append((name, code, time.monotonic() - start_s))
    print()
    for name, code, seconds in rows:
        print(f"{name:<8} {'passed' if code == 0 else f'FAILED ({code})':<12} {seconds:6.1f} s")
    return 0 if all(code == 0 for _, code, _ in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
