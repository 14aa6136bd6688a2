"""A FIX session without a line: the engine's way of an order, walked so that it stays in the caches.

The session belongs to an acceptor that is built and never started. quickfix opens no socket, binds no
port and starts no thread for it; no connection can ever be given to it; it is never logged on. A body
that is sent here goes through the same code as a real order (message, header, number, `toApp`, text,
checksum) up to the place where quickfix looks for a line and finds none. Number file and raw log are
scratch files of its own folder, which nobody reads.

It is given no engine, no session and no path of the real one, and it refuses to be built under a real
session's CompIDs or in a folder that holds anything of one.
"""

import asyncio
import shutil
from pathlib import Path
from typing import Any, Final

from gateways.fix.engine import Engine
from gateways.fix.numbers import SequenceNumbers
from gateways.fix.sessions import EngineError, Role, SessionSpec
from gateways.fix.wire import SOH

COMP_ID: Final = "REHEARSAL"  # on every message that is rehearsed, whoever may ever look at one
NOBODY: Final = "NOBODY"
SESSION: Final = "rehearsal"
FOLDER: Final = "rehearsal"  # of the scratch files; made anew at every start
RAW_LOG: Final = "raw.scratch"
# What was rehearsed between two emptyings of the scratch files: 1,024 messages of 200 bytes.
MESSAGES_MAX: Final = 1_024


class RehearsalLine:
    """A `Sender` whose messages go nowhere."""

    def __init__(self, folder: Path, real: list[tuple[str, str]], loop: asyncio.AbstractEventLoop) -> None:
        """Build it in a scratch folder; `real` are the CompIDs (sender, target) of the real sessions.

        Raises:
            EngineError: a real session has the rehearsal's name.

        """
        if any(COMP_ID in names or NOBODY in names for names in real):
            raise EngineError(
                f"{COMP_ID} and {NOBODY} are the rehearsal's CompIDs: name the session otherwise"
            )
        assert folder.name == FOLDER, "rehearsed in a folder of its own"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        spec = SessionSpec(name=SESSION, sender_comp_id=COMP_ID, target_comp_id=NOBODY, in_memory=True)
        self._raw_log = folder / RAW_LOG
        self._engine = Engine(Role.ACCEPTOR, [spec], folder, self._raw_log, nobody_hears, loop)
        self._engine.prepare()  # and never `start`
        (self._session,) = self._engine.by_id.values()
        self._session.numbers = SequenceNumbers(folder / "numbers.scratch")
        self._session.logged_on = True  # our own flag alone: quickfix knows better, and sends nothing
        self._sent = 0

    @property
    def faults(self) -> list[str]:
        """Return what failed in a callback; the real engine has callbacks and a flag of its own."""
        return self._engine.failures

    def send(self, name: str, body: str) -> bool:
        """Walk a body's way. Whatever session is named, it is the rehearsal's."""
        assert name == SESSION, "a rehearsal sends on its own session alone"
        passed = self._engine.send(SESSION, body)
        self._sent += 1
        # What quickfix would do on a line, and does not do here: note the number, write the raw log.
        head = f"8=FIX.4.4{SOH}9=0{SOH}35=D{SOH}34={self._sent}{SOH}49={COMP_ID}{SOH}56={NOBODY}{SOH}"
        raw = f"{head}{body}10=000{SOH}"
        self._session.leaves(raw)
        self._engine.tapped("OUT", raw)
        if self._sent >= MESSAGES_MAX:
            self._begin_anew()
        return passed

    def _begin_anew(self) -> None:
        self._sent = 0
        self._session.session.setNextSenderMsgSeqNum(1)
        self._raw_log.write_bytes(b"")


def nobody_hears(session: str, message: Any) -> None:
    """Take what the engine would say, and forget it."""
