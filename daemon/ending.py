"""An end within the time that was promised, whatever loop, network or disk do.

    ending = Ending("gate", loop, runtime.stop)     # from now on SIGTERM and SIGINT come here
    ending.at("cancels", open_orders)               # where the end is, and what it would leave
    ending.ask()                                    # an end that no signal asked for

A thread of its own takes both signals by sigwait, since a loop that stands still in a write or a callback
would not hear them. The first one asks the loop to end, and from then on the process has END_S; the second
one is now. Whoever is late says in one line where it stood and what it left, and exits 1.
"""

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

END_S: Final = 9.0  # of the 10 s that are promised; the rest is the kernel's
LAST_WORDS_S: Final = 0.5  # a log that nobody reads keeps nobody alive
ORDERS_NAMED_MAX: Final = 20  # of those left open; the journal has them all
EXIT_NOT_CLEAN: Final = 1
SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT})


class Ending:
    """One for a process; made by the thread that made no other one yet."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop, first: Callable[[int], None]) -> None:
        self._name, self._loop, self._first = name, loop, first
        self._stage = "the loop did not answer"
        self._left: tuple[str, ...] = ()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # threads made from here on inherit it
        threading.Thread(target=self._wait, name="signals", daemon=True).start()

    def at(self, stage: str, left: tuple[str, ...] | list[str] = ()) -> None:
        """Note how far the end has come, and what it would leave open now."""
        self._stage, self._left = stage, tuple(left)

    def ask(self) -> None:
        """Ask for an end, as a signal would."""
        os.kill(os.getpid(), signal.SIGTERM)

    def _wait(self) -> None:
        number = signal.sigwait(SIGNALS)
        deadline_s = time.monotonic() + END_S
        self._loop.call_soon_threadsafe(self._first, number)
        second = signal.sigtimedwait(SIGNALS, max(0.0, deadline_s - time.monotonic()))
        if second is None:
            self._say(f"not ended in {END_S:g} s, at: {self._stage}{self._open()}; exiting now")
            os._exit(EXIT_NOT_CLEAN)
        self._say(f"a second signal: exiting now, at: {self._stage}{self._open()}")
        os._exit(128 + second.si_signo)

    def _open(self) -> str:
        left = self._left
        if not left:
            return ""
        more = f" and {len(left) - ORDERS_NAMED_MAX} more" if len(left) > ORDERS_NAMED_MAX else ""
        return f", orders not confirmed cancelled: {' '.join(left[:ORDERS_NAMED_MAX])}{more}"

    def _say(self, text: str) -> None:
        """Write one line, on a thread that may be left behind: stderr may be a pipe that is full."""
        line = f"steadyhand {self._name}: {text}\n".encode()
        words = threading.Thread(target=os.write, args=(sys.stderr.fileno(), line), daemon=True)
        words.start()
        words.join(LAST_WORDS_S)
