"""Which code made a result: what git calls the tree that it runs from."""

import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
GIT_S_MAX: Final = 10  # a describe takes milliseconds; a hung disk is not waited for


def commit() -> str:
    """Return what git calls this tree; empty where it is no checkout."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=GIT_S_MAX, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout.strip() if said.returncode == 0 else ""
