"""Cells: what one contender paid in one scenario, kept on disk by the hash of all that it depends on.

An interrupted validation goes on where it was; a changed policy, scenario, seed or line of code is
another cell. Files are numpy archives without pickle, written whole.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import msgspec
import numpy as np
from numpy.typing import NDArray

from research.environment.scenarios import Scenario
from research.validation.play import COUNTS, NUMBERS, Table

ROOT: Final = Path(__file__).parents[2]
SOURCES: Final = ("market", "policies", "risk", "research/environment", "research/baselines")
OWN_SOURCES: Final = ("play.py", "twins.py", "propagator.py", "tape_world.py", "tape_play.py")
NEEDED: Final = frozenset((*NUMBERS, *COUNTS))


def code_sha256() -> str:
    """Return the hash of all code that an episode runs through."""
    digest = hashlib.sha256()
    paths = [path for source in SOURCES for path in (ROOT / source).rglob("*.py")]
    paths += [Path(__file__).with_name(name) for name in OWN_SOURCES]
    for path in sorted(p for p in paths if p.is_file()):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def scenario_sha256(scenario: Scenario) -> str:
    """Return the hash of a scenario, its market with it."""
    return hashlib.sha256(json.dumps(msgspec.to_builtins(scenario), sort_keys=True).encode()).hexdigest()


def seeds_sha256(seeds: NDArray[np.int64]) -> str:
    """Return the hash of some seeds as they are played."""
    return hashlib.sha256(seeds.astype("<i8").tobytes()).hexdigest()


class Cells:
    """A folder of tables by key."""

    def __init__(self, folder: Path, code: str) -> None:
        self.folder, self.code = folder, code
        self.written: dict[str, Table] = {}  # by file, since this was made: what a worker sends home
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, facts: list[str]) -> Path:
        """Return where the table of some facts lies."""
        return self.folder / (hashlib.sha256("\n".join([self.code, *facts]).encode()).hexdigest() + ".npz")

    def read(self, facts: list[str], needed: frozenset[str] = NEEDED) -> Table | None:
        """Return a table that was played before; a damaged one is as good as none."""
        path = self.path(facts)
        if not path.is_file():
            return None
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
                table: dict[str, NDArray[Any]] = {name: found[name] for name in found.files}
        except (OSError, ValueError, BadZipFile, KeyError):
            return None
        return table if table.keys() >= needed else None

    def has(self, facts: list[str]) -> bool:
        """Say whether a table was played before."""
        return self.path(facts).is_file()

    def write(self, facts: list[str], table: Table) -> None:
        """Keep a table."""
        path = self.path(facts)
        self.put(path.name, table)
        self.written[path.name] = table

    def put(self, name: str, table: Table) -> None:
        """Keep a table under the name that another's `write` gave it."""
        path = self.folder / name
        partial = path.with_suffix(f".partial-{os.getpid()}")
        try:
            with partial.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **table)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
