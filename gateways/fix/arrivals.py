"""What came for a client in one turn of the loop, handed over in one call and in its order.

    arrivals = Arrivals(inbox, loop)
    arrivals.post(session_name, message)

quickfix reads many messages at once where many wait. Of those of one session that follow each other all but
the last are marked: what concerns them together can then be done once (`Received.last`).
"""

import asyncio
import contextlib

import msgspec

from gateways.fix.sessions import Inbox, Message, Received


class Arrivals:
    """Messages between quickfix's callbacks and the loop."""

    def __init__(self, inbox: Inbox, loop: asyncio.AbstractEventLoop) -> None:
        self._inbox, self._loop = inbox, loop
        self._waiting: list[tuple[str, Message]] = []

    def post(self, name: str, message: Message) -> None:
        """Hand a message over once this turn's reading is done."""
        waiting = self._waiting
        if waiting and isinstance(message, Received):
            before, earlier = waiting[-1]
            if before == name and isinstance(earlier, Received):
                waiting[-1] = name, msgspec.structs.replace(earlier, last=False)
        waiting.append((name, message))
        if len(waiting) == 1:
            with contextlib.suppress(RuntimeError):  # the loop has closed: there is nobody to tell
                self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        waiting, self._waiting = self._waiting, []
        for name, message in waiting:
            self._inbox(name, message)
