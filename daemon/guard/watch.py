"""When the guard acts: a pure judgement of the gate's heartbeats as they were seen.

    watch = Watch(stuck_ns)
    word = watch.observe(beat, mono_ns)      # IDLE, ALIVE, STUCK (once for each gate)

A guard that was itself held up has seen nothing meanwhile: an interval between two looks counts as two
polls at most, so that a machine that stood still for seconds kills no gate that stood still with it.
"""

from enum import StrEnum
from typing import Final

from daemon.heartbeat import Beat

POLL_NS: Final = 20_000_000  # between two looks: a fiftieth of the least `stuck_ms`
LATE_POLLS: Final = 2  # an interval between looks counts as so many polls at most


class Word(StrEnum):
    """What one look means."""

    IDLE = "idle"  # no gate, or one that has ended in order
    ALIVE = "alive"
    STUCK = "stuck"


class Watch:
    """What was seen of one gate after the other."""

    def __init__(self, stuck_ns: int) -> None:
        self._stuck_ns = stuck_ns
        self._gate = (0, 0)  # pid and start of the process
        self._beat_ns = 0
        self._seen_ns = 0
        self._done = False
        self.still_ns = 0  # for so long, as seen, no beat came

    def observe(self, beat: Beat | None, mono_ns: int) -> Word:
        """Take one look."""
        since = min(max(0, mono_ns - self._seen_ns), LATE_POLLS * POLL_NS)
        self._seen_ns = mono_ns
        if beat is None or beat.stopped:
            self._gate, self.still_ns = (0, 0), 0
            return Word.IDLE
        if (beat.pid, beat.started) != self._gate:
            self._gate, self._done = (beat.pid, beat.started), False
            self._beat_ns, self.still_ns = beat.mono_ns, 0
            return Word.ALIVE
        if self._done:
            return Word.IDLE
        if beat.mono_ns != self._beat_ns:
            self._beat_ns, self.still_ns = beat.mono_ns, 0
            return Word.ALIVE
        self.still_ns += since
        if self.still_ns < self._stuck_ns:
            return Word.ALIVE
        self._done = True
        return Word.STUCK
