"""How often to try again, and how often to say why the last try failed.

A publisher that fails over is away for seconds or for hours: the pauses grow to a bound and stay there, and a
reason is told once, again where it changes, and once a minute.
"""

import re
import time
from collections.abc import Callable
from typing import Final

PAUSE_S: Final = 0.5  # before the first try again: most absences are shorter
PAUSE_MAX_S: Final = 5.0  # doubled up to here: who comes back is found soon, and not besieged meanwhile
TOLD_EVERY_S: Final = 60.0  # the same reason again: a log that is read by day is not full by then


class Patience:
    """Of one thing that is tried until it succeeds."""

    def __init__(self, pause_s: float = PAUSE_S, mono_s: Callable[[], float] = time.monotonic) -> None:
        self._first_s = pause_s
        self._next_s = pause_s
        self._mono_s = mono_s
        self._reason = ""
        self._told_s = 0.0
        self._worked_s: float | None = None

    def failed(self, reason: str) -> bool:
        """Note why a try failed; return whether that is to be told: not where only its numbers moved."""
        now_s, kind = self._mono_s(), re.sub(r"\d+", "", reason)
        known = kind == self._reason and (self._worked_s is None or self.soon)
        if known and now_s - self._told_s < TOLD_EVERY_S:
            return False
        self._reason, self._told_s = kind, now_s
        return True

    def worked(self) -> None:
        """It did; what fails later is told as new."""
        self._worked_s = self._mono_s()

    @property
    def soon(self) -> bool:
        """Whether it worked just now: what fails again at once is no new failure, and waits like the old."""
        return self._worked_s is not None and self._mono_s() - self._worked_s < PAUSE_MAX_S

    def pause_s(self) -> float:
        """Return how long to wait now: twice as long as the last time, or as at first where it had worked."""
        if self._worked_s is not None and not self.soon:
            self._next_s = self._first_s
        self._worked_s = None
        pause_s, self._next_s = self._next_s, min(2 * self._next_s, PAUSE_MAX_S)
        return pause_s
