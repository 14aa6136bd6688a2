"""What the gate's housekeeping does for its next start and for its disk, beside the loop.

keeper = Keeper(journals, state_dir, keep_mb, beside)
keeper.look()                      # often; starts a process that makes a snapshot, where one is due
keeper.end()
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from daemon.gate import snapshots
from daemon.gate.archive import Archive
from daemon.journal import Journal
from daemon.segments.layout import FIRST

SNAPSHOT_BYTES: Final = 5 << 20  # of journal between two snapshots: 25,000 records, stepped in a second
WAITING: Final = 2_000  # archived records in memory, about a kilobyte each; a snapshot takes them out
MAIN: Final = "daemon.gate.snapshot_process"
log = structlog.get_logger()


class Keeper:
    """One gate's."""

    def __init__(
        self,
        journal: Journal,
        state_dir: Path,
        keep_mb: int,
        beside: Callable[[Callable[[], None]], object],
        archive: Callable[[], Archive],
    ) -> None:
        """`beside` runs a call on a thread: to start a process takes a millisecond or two."""
        self._archive = archive
        self._journal = journal
        self._state_dir, self._keep_mb, self._beside = state_dir, keep_mb, beside
        places = [int(path.stem) for path in snapshots.found(state_dir) if path.stem.isdigit()]
        self._made = max(places, default=FIRST)  # offset of the last one, good or not
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = False

    def look(self) -> None:
        """Start a snapshot where one is due; take note of one that is done."""
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return
            self._process = None
            if code:
                log.error("no snapshot: the next start takes longer", exit_code=code)
            else:
                self._archive().follow()
        much = self._journal.durable_offset - self._made >= SNAPSHOT_BYTES or len(self._archive()) >= WAITING
        if not self._starting and much and self._journal.durable_offset > self._made:
            self._made, self._starting = self._journal.durable_offset, True
            self._beside(self._start)

    def _start(self) -> None:
        told = [str(self._state_dir), str(self._made), str(self._keep_mb), str(os.getpid())]
        command = [sys.executable, "-P", "-m", MAIN, *told]  # -P: no module of the working directory
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        except OSError as error:
            log.error("no snapshot: the next start takes longer", error=error.strerror)
        finally:
            self._starting = False
