"""What keeps the gate's journal: its key, the watch over its disk, snapshots for the next start.

    keeping = Keeping(section, mode)
    journal, inbound = keeping.open()              # JournalError, ConfigError: one line
    keeping.begin(shell, loop)                     # once there is a shell
    keeping.look()                                 # often, from housekeeping

R66: little space left reduces, less halts and takes back what works; how little is the limits' to say. Where
not even the blocks that the journal wants ahead can be had, it is halted at once, with blocks in hand for
hours of cancels and fills; prices are then no longer taken in, since each would use some up. An fsync that
fails ends the process (P9): it is not tried again, and what can be cancelled is cancelled first.
"""

import asyncio
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

from daemon import heartbeat
from daemon.config import GateSection
from daemon.gate import birthplace, last_words
from daemon.gate.journal import INBOUND_NAME, JOURNAL_NAME
from daemon.gate.keeper import Keeper
from daemon.gate.shell import GateShell
from daemon.journal import RESERVE_BYTES, Journal
from daemon.people.keys import PrivateKey, load_private, make_private
from daemon.runtime import EXIT_NOT_CLEAN
from daemon.segments.layout import FIRST, JournalError
from market.desk_events import Condition, MachineMeasured

MB: Final = 1_048_576
GASP_WAIT_S: Final = 1.0  # for cancels to be handed to the engine, once the disk has failed
WIRE_WAIT_S: Final = 0.1  # for its thread to write them
NOTE_EVERY_S: Final = (
    10.0  # an older state that is put back over this one is seen where it is older than that
)
log = structlog.get_logger()


class Keeping:
    """One gate's."""

    def __init__(self, section: GateSection, mode: str) -> None:
        self._section, self._mode = section, mode
        self._shell: GateShell | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._keeper: Keeper | None = None
        self._little: tuple[bool, bool] | None = None
        self._failing = threading.Lock()
        self.displaced = ""  # how the directory is not the one that was begun here
        self._noted = (0.0, 0)  # when its place was last written down, and how far the journal was
        self._at_home = False  # the disk took it

    def open(self) -> tuple[Journal, Journal]:
        """Open the gate's journal (which holds the directory) and the FIX inbound log.

        Raises:
            JournalError: held by another process, or not whole.
            ConfigError: its key cannot be read.

        """
        folder = self._section.state_dir
        self.displaced = birthplace.fault(folder, self._section.account, self._mode)
        key: list[PrivateKey] = []

        def signer() -> PrivateKey:  # asked for by who holds the directory, and no other
            key.append(self._key(folder))
            return key[0]

        both: dict[str, Any] = {"on_failure": self.disk_failed, "reserve_bytes": RESERVE_BYTES}
        journal = Journal.open(folder, JOURNAL_NAME, signer=signer, **both)
        inbound = Journal.open(folder, INBOUND_NAME, lock=False, signer=lambda: key[0], **both)
        try:
            heartbeat.clear(folder)  # the guard sees no gate until this one says that it lives
        except OSError as error:
            raise JournalError(f"{folder / heartbeat.NAME}: {error.strerror}; move it away") from None
        if journal.end <= FIRST:  # nothing of it was ever done
            self.displaced = ""
            self.at_home()
        return journal, inbound

    def at_home(self) -> None:
        """Write down that this is the place of this state: it is new, or people will be asked."""
        try:
            birthplace.note(self._section.state_dir, self._section.account, self._mode)
            self._at_home = True
        except OSError as error:  # tried again while the journal grows
            self._at_home = False
            log.warning("the state's birthplace is not written", error=error.strerror)

    def still_at_home(self) -> None:
        """Write it down anew; for a state that was put in the place of ours nobody vouches."""
        other = birthplace.fault(self._section.state_dir, self._section.account, self._mode)
        if other and self._at_home:
            log.error("the state was exchanged while the gate ran", reason=other)
        else:
            self.at_home()

    def _key(self, folder: Path) -> PrivateKey:
        """Return the key that signs checkpoints: the operator's, or one that is made once and lies here."""
        if self._section.journal_key is not None:
            return load_private(self._section.journal_key)
        path = folder / birthplace.KEY
        return load_private(path) if path.exists() else make_private(path, paper=self._mode == "paper")

    def begin(self, shell: GateShell, journals: tuple[Journal, Journal], lockstep: bool) -> None:
        """Watch from now on. In lockstep no snapshot is made: nobody waits for a start of it."""
        self._shell, self._loop = shell, asyncio.get_running_loop()
        for journal in journals:
            journal.on_full = self._tell_full
            if journal.full:
                self._tell_full(True)
        if self._section.durability == "disk":
            shell.journal.sync()
            shell.wait_for_disk(self._later)
        if not lockstep:
            folder, keep_mb, loop = self._section.state_dir, self._section.journal_keep_mb, self._loop
            beside: Callable[[Callable[[], None]], object] = lambda act: loop.run_in_executor(None, act)  # noqa: E731
            core = shell.core
            self._keeper = Keeper(journals[0], folder, keep_mb, beside, lambda: core.state.archive)

    def look(self) -> None:
        """Make a snapshot where one is due; say where space is little, or is no longer."""
        if self._keeper is None:
            return  # in lockstep the machine's time does not count
        self._keeper.look()
        shell = self._shell
        assert shell is not None, "begun before it looks"
        self._note_again(shell.journal.durable_offset, time.monotonic())
        caps = shell.core.state.risk.limits.machine
        try:
            disk = os.statvfs(self._section.state_dir)
        except OSError:
            return
        free_mb = disk.f_bavail * disk.f_frsize // MB
        little = (free_mb <= caps.disk_reduce_mb, free_mb <= caps.disk_halt_mb)
        if little != (self._little or (False, False)):
            shell.post(MachineMeasured(disk_free_mb=free_mb))
        self._little = little

    def _note_again(self, durable: int, now_s: float) -> None:
        """Write the place down anew where the journal has grown, beside the loop: it takes an fsync."""
        noted_s, noted = self._noted
        if durable != noted and now_s >= noted_s + NOTE_EVERY_S and self._loop is not None:
            self._noted = (now_s, durable)
            self._loop.run_in_executor(None, self.still_at_home)

    # --- on the journals' threads ---------------------------------------------------------------

    def _later(self, act: Callable[[], None]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and the gate with it
                self._loop.call_soon_threadsafe(act)

    def _tell_full(self, full: bool) -> None:
        self._later(lambda: self._full(full))

    def _full(self, full: bool) -> None:
        shell = self._shell
        if shell is None:
            return
        shell.spare = full
        if full:
            log.error("the disk is full", reserved_bytes=RESERVE_BYTES)
            text = "the disk is full: what is reserved is for cancels and fills"
            shell.post(Condition(cause="R66", text=text))
        else:
            log.warning("the disk has room again: two people rearm")

    def disk_failed(self, error: OSError) -> None:
        """An fsync failed: never retried, the process ends; what works is cancelled first."""
        if not self._failing.acquire(blocking=False):
            return
        line = f"steadyhand gate: journal: {error.strerror}; stopping at once"
        print(line, file=sys.stderr, flush=True)
        shell, loop = self._shell, self._loop
        if shell is not None and loop is not None:
            shell.closed = True  # now, not when the loop comes to it: no order leaves in between
            done = threading.Event()
            self._later(lambda: last_words.say(shell, done))
            if done.wait(GASP_WAIT_S):
                time.sleep(WIRE_WAIT_S)
        os._exit(EXIT_NOT_CLEAN)
