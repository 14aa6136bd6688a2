"""The process that makes a snapshot: it steps what the journal has had since the last one, and writes it.

    python -m daemon.gate.snapshot_process STATE_DIR OFFSET KEEP_MB GATE

OFFSET: what is on the disk; GATE: the process that started it, without which it does nothing. It reads the
journal, never the gate; it writes the snapshot whole or not at all, then packs segments that no start needs
any more. Exit codes: 0 done, 1 not, and one line says why: then a start takes longer.
"""

import contextlib
import ctypes
import gc
import os
import signal
import sys
from pathlib import Path
from typing import Final

from daemon.gate import snapshots
from daemon.gate.journal import INBOUND_NAME, JOURNAL_NAME, NOT_INBOUND
from daemon.runtime import EXIT_DONE, EXIT_NOT_CLEAN, EXIT_USAGE
from daemon.segments.layout import JournalError
from daemon.segments.retention import pack, throw_away

NICE: Final = 19  # it may wait: the gate may not
MB: Final = 1_000_000
PR_SET_PDEATHSIG: Final = 1


def make(state_dir: Path, until: int) -> Path:
    """Write a snapshot of the journal up to an offset, and return its path.

    Raises:
        JournalError, SnapshotError: one line.

    """
    journal = state_dir / JOURNAL_NAME
    core, done = snapshots.resume(state_dir, journal, complain, until)
    if done.differences:
        raise JournalError(f"no snapshot: it would be another state: {done.differences[0]}")
    return snapshots.write(state_dir, core, done, journal)


def tidy(state_dir: Path, keep_mb: int) -> None:
    """Pack what lies before the older of two snapshots that are good; throw away what is configured.

    Raises:
        JournalError: one line.

    """
    journal, inbound = state_dir / JOURNAL_NAME, state_dir / INBOUND_NAME
    good = [place for path in snapshots.found(state_dir) if (place := snapshots.place_of(path, journal))]
    if len(good) < snapshots.KEPT_MAX:
        return
    pack(journal, good[-1].offset)
    if good[-1].inbound_offset != NOT_INBOUND:
        pack(inbound, good[-1].inbound_offset)
    if keep_mb:
        throw_away(journal, keep_mb * MB)
        throw_away(inbound, keep_mb * MB)


def complain(text: str) -> None:
    """Say one line."""
    print(f"steadyhand gate: snapshot: {text}", file=sys.stderr, flush=True)


def main(argv: list[str]) -> int:
    """Make one; return the exit code."""
    if len(argv) != 4 or not all(word.isdigit() for word in argv[1:]):
        complain("usage: STATE_DIR OFFSET KEEP_MB GATE")
        return EXIT_USAGE
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # with the gate: what is half done is worthless
    if os.getppid() != int(argv[3]):  # it ended while this began: the next gate packs, and writes the archive
        return EXIT_NOT_CLEAN
    with contextlib.suppress(OSError):
        os.nice(NICE)  # a sandbox may forbid it
    gc.disable()  # nothing here is garbage before the end
    state_dir = Path(argv[0])
    try:
        make(state_dir, int(argv[1]))
        tidy(state_dir, int(argv[2]))
    except (JournalError, snapshots.SnapshotError) as error:
        complain(str(error))
        return EXIT_NOT_CLEAN
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
