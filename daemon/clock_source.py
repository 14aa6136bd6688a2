"""What the gate's machine is like: its clock (R63), its loop (R64), its disk (R66).

The clock is held against the counterparties', by SendingTime(52) of what they send.

    offset = ClockOffset()
    offset.observe(raw, wall_ns)          # of every message; one that carries no good time says nothing
    offset.take_us()                      # the nearest seen since the last call, None where nothing came

A message is older than its sending by the way it had, so that the smallest distance of many is the clocks'
own. It needs no privilege, and it is the very clock that fills are stamped with.
"""

import os
import re
import time
from pathlib import Path
from typing import Final

from gateways.fix.wire import read_utc_ns
from market.desk_events import MachineMeasured

ORIG_SENDING_TIME: Final = re.compile(r"\x01122=([^\x01]*)\x01")
SENDING_TIME: Final = re.compile(r"\x0152=([^\x01]*)\x01")
US: Final = 1_000
MB: Final = 1_048_576


class ClockOffset:
    """The smallest distance of late."""

    def __init__(self) -> None:
        self._nearest_ns: int | None = None

    def observe(self, raw: str, wall_ns: int) -> None:
        """Take one message."""
        sent_ns = sending_time_ns(raw)
        if sent_ns is None:
            return
        distance = wall_ns - sent_ns
        if self._nearest_ns is None or abs(distance) < abs(self._nearest_ns):
            self._nearest_ns = distance

    def take_us(self) -> int | None:
        """Return the nearest distance in microseconds, and begin anew."""
        nearest, self._nearest_ns = self._nearest_ns, None
        return None if nearest is None else nearest // US


class Machine:
    """All three, since the last time that they were told."""

    def __init__(self) -> None:
        self.clock = ClockOffset()
        self._late_s = 0.0

    def late(self, seconds: float) -> None:
        """A timer came so late."""
        self._late_s = max(self._late_s, seconds)

    def measured(self, place: Path) -> MachineMeasured:
        """Return what was seen, and begin anew."""
        lag_ms, self._late_s = int(self._late_s * 1000), 0.0
        try:
            disk = os.statvfs(place)
            free_mb: int | None = disk.f_bavail * disk.f_frsize // MB
        except OSError:
            free_mb = None
        return MachineMeasured(clock_offset_us=self.clock.take_us(), loop_lag_ms=lag_ms, disk_free_mb=free_mb)


def late_ns(raw: str) -> int:
    """Return how long ago a message was first sent, by the clocks of both sides; 0 where it does not say.

    Clocks that are apart make it older, or 0: then its line's own age is left, and R63 says so.
    """
    sent = [ns for ns in (time_ns(SENDING_TIME, raw), time_ns(ORIG_SENDING_TIME, raw)) if ns is not None]
    return max(0, time.time_ns() - min(sent)) if sent else 0


def sending_time_ns(raw: str) -> int | None:
    """Return SendingTime(52) in UTC ns, None where there is none that can be read."""
    return time_ns(SENDING_TIME, raw)


def time_ns(field: re.Pattern[str], raw: str) -> int | None:
    """Return the time in a field in UTC ns, None where there is none that can be read."""
    match = field.search(raw)
    return None if match is None else read_utc_ns(match[1])
