"""How late this machine is with everything just now: a promise in milliseconds is held beside it."""

import threading
import time
from typing import Self

NAP_NS = 2_000_000


class Lateness:
    """While it stands, a thread sleeps in short naps and notes by how much the worst was too long."""

    def __init__(self) -> None:
        self.worst_ns = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._nap, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def allows(self, bound_ns: int, steps: int) -> int:
        """Return a bound for something that waits for a processor in so many steps."""
        return bound_ns + steps * self.worst_ns

    def _nap(self) -> None:
        before = time.monotonic_ns()
        while not self._over.wait(NAP_NS / 1e9):
            now = time.monotonic_ns()
            self.worst_ns = max(self.worst_ns, now - before - NAP_NS)
            before = now
