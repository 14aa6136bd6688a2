"""Step journals of simulated gates anew, in a process whose hashes fall otherwise; print what came of it."""

import hashlib
import json
import sys
from pathlib import Path

from daemon.gate.core import GateCore
from daemon.gate.journal import JOURNAL_NAME, Input, decisions, frames, replay, stepped


def facts(journal: Path) -> dict[str, object]:
    """Return the state and every decision of a journal, by hash, and whether they are those that it holds."""
    core, every = GateCore(), hashlib.sha256()
    for _, frame in frames(journal):
        if isinstance(frame, Input):
            every.update(repr(decisions(stepped(core, frame).effects)).encode())
    done = replay(journal, again := GateCore())
    return {
        "inputs": done.inputs,
        "outputs": done.outputs,
        "differences": done.differences,
        "state": core.state_hash(),
        "again": again.state_hash(),
        "decisions": every.hexdigest(),
    }


def main(folders: list[str]) -> None:
    """Print the facts of each folder's journal."""
    print(json.dumps([facts(Path(folder) / JOURNAL_NAME) for folder in folders]))


if __name__ == "__main__":
    main(sys.argv[1:])
