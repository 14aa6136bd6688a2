"""The two clocks of a process: monotonic machine time, and market time read off a shared anchor."""

import time
from typing import Final

from daemon.options import SPEED_MAX
from market.events import ClockAnchor, Stamp

MARKET_NS_MAX: Final = 2**62  # the year 2116; what a journal can hold ends at 2**63


class Clock:
    """Stamps events. In lockstep both times are the instant that the venue announced."""

    def __init__(self, anchor: ClockAnchor | None = None) -> None:
        self._anchor = anchor
        self._lock_ts_ns: int | None = None

    @property
    def anchor(self) -> ClockAnchor | None:
        """Return the anchor, None while market time is not known."""
        return self._anchor

    def set_anchor(self, anchor: ClockAnchor) -> None:
        """Begin market time; a second, different anchor is a bug in whoever sent it."""
        assert self._anchor is None or self._anchor == anchor, "market time has one anchor"
        self._anchor = anchor

    def lock(self, ts_ns: int) -> None:
        """Lockstep: it is `ts_ns`, for both clocks, until told otherwise."""
        self._lock_ts_ns = ts_ns

    def mono_ns(self) -> int:
        """Return monotonic machine time (CLOCK_MONOTONIC, shared by all processes of a host)."""
        return time.monotonic_ns() if self._lock_ts_ns is None else self._lock_ts_ns

    def market_ns(self, mono_ns: int | None = None) -> int:
        """Return market time in UTC ns at a monotonic instant, 0 while it is not known."""
        if self._lock_ts_ns is not None:
            return self._lock_ts_ns
        if self._anchor is None:
            return 0
        elapsed = (time.monotonic_ns() if mono_ns is None else mono_ns) - self._anchor.anchor_mono_ns
        return self._anchor.anchor_ts_ns + int(elapsed * self._anchor.speed)

    def stamp(self) -> Stamp:
        """Return now, in both times."""
        mono_ns = self.mono_ns()
        return Stamp(self.market_ns(mono_ns), mono_ns)


def wall_anchor() -> ClockAnchor:
    """Return the anchor of live trading: market time is UTC."""
    return ClockAnchor(anchor_ts_ns=time.time_ns(), anchor_mono_ns=time.monotonic_ns(), speed=1.0)


def is_sound(anchor: ClockAnchor) -> bool:
    """Return whether an anchor gives a time that a journal can hold, now."""
    instants = (anchor.anchor_ts_ns, abs(anchor.anchor_mono_ns))
    if not 0 < anchor.speed <= SPEED_MAX or max(instants) >= MARKET_NS_MAX:
        return False
    elapsed_ns = (time.monotonic_ns() - anchor.anchor_mono_ns) * anchor.speed
    return anchor.anchor_ts_ns > 0 and 0 < anchor.anchor_ts_ns + elapsed_ns < MARKET_NS_MAX
