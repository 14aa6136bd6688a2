"""asyncio's loop with a clock that jumps: where no socket has anything to say it is the next timer's time."""

import asyncio
import selectors
from typing import Any, Final

SOCKETS_S: Final = 0.0005  # real time for what is on its way over loopback


class JumpingSelector(selectors.DefaultSelector):
    """Waits in the loop's time alone."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0 if timeout == 0 else SOCKETS_S)
        if not ready and timeout is None:
            return super().select(None)
        if not ready and timeout is not None and timeout > 0:
            self.now_s += timeout
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop of which an hour takes a second or two."""

    def __init__(self) -> None:
        self.jumping = JumpingSelector()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now_s
