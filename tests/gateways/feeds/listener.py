"""A consumer of a feed that keeps what it is told, and holds the feed to its sequence."""

import asyncio
from collections.abc import Callable

WAIT_S = 10.0


class Listener:
    """Keeps what it is told; a hole in the sequence is an assertion."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.firsts: list[int] = []
        self.log: list[str] = []
        self.changed = asyncio.Event()

    def feed_up(self, session: str, next_seq: int) -> None:
        self._note(f"up {session} {next_seq}")

    def feed_bytes(self, packets: memoryview, first_seq: int, mono_ns: int) -> None:
        data, at = bytes(packets), 0
        self.firsts.append(first_seq)
        assert first_seq == len(self.messages) + 1
        assert mono_ns >= 0
        while at < len(data):
            end = at + 2 + int.from_bytes(data[at : at + 2], "big")
            if data[at + 2 : at + 3] == b"S":
                self.messages.append(data[at + 3 : end])
            at = end
        assert at == len(data)
        self.changed.set()

    def feed_idle(self, next_seq: int, mono_ns: int) -> None:
        self._note(f"idle {next_seq}")

    def feed_down(self, reason: str) -> None:
        self._note(f"down {reason}")

    def feed_ended(self) -> None:
        self._note("ended")

    def _note(self, text: str) -> None:
        self.log.append(text)
        self.changed.set()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not true():
                self.changed.clear()
                await self.changed.wait()
