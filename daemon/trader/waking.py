"""How the trader's loop comes to be awake: at an instant, and for a while after something came."""

import asyncio
import time
from collections.abc import Callable


class Alarm:
    """Rings once, at the earliest instant that was asked for; whoever hears it asks anew."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0

    def wake_in(self, seconds: float) -> None:
        """Ring in so many seconds, or before."""
        due_s = self._loop.time() + max(0.0, seconds)
        if self._timer is not None:
            if self._due_s <= due_s:
                return  # it rings earlier, and then looks again
            self._timer.cancel()
        self._due_s = due_s
        self._timer = self._loop.call_at(due_s, self._rings)

    def _rings(self) -> None:
        self._timer = None
        self._ring()


class Wakefulness:
    """Busy-polls for a bounded time after something came: the next message then finds the loop awake."""

    def __init__(self, busy_poll_us: int) -> None:
        self._busy_poll_ns = busy_poll_us * 1_000
        self._loop = asyncio.get_running_loop()
        self._until_ns = 0
        self._polling = False

    def prolong(self) -> None:
        """Something came."""
        if self._busy_poll_ns:
            self._until_ns = time.monotonic_ns() + self._busy_poll_ns
            if not self._polling:
                self._polling = True
                self._loop.call_soon(self._poll)

    def _poll(self) -> None:
        if time.monotonic_ns() < self._until_ns:
            self._loop.call_soon(self._poll)  # the loop looks at its sockets in between, without sleeping
        else:
            self._polling = False
