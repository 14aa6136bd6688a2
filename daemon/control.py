"""The control socket: JSON lines over a unix socket, for operators and for paper.

    reply = await control.request(path, {"cmd": "status"})
    async with control.connect(path) as gate:
        gate.send({"cmd": "submit", "parent": {...}})    # answered when it is stepped
        await gate.ask({"cmd": "ping"})                  # waits for its own answer
        await gate.receive()                             # the next answer to what was sent before

Every request may carry an `id`, which comes back with its answer: answers may overtake each other.
An answer has `ok`, and `error` (one line) where it is false. Commands: KINDS in daemon.gate.requests.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

REQUEST_BYTES_MAX: Final = 131_072  # a parent order is about 1 KiB, a signed limits file 40, quoted twice
ANSWER_BYTES_MAX: Final = 64 * 1_048_576  # a status with every order of a day
WAIT_S: Final = 30.0  # for one answer
STOP_WAIT_S: Final = 5.0  # for the one to a kill or halt: where it does not come, another way to stop is due
STOPS: Final = ("kill", "halt")
SILENT: Final = (
    "the gate does not answer within {:g} s: if it hangs, end its process (the broker cancels on disconnect)"
)
SOCKET_PATH_BYTES_MAX: Final = 107  # sun_path of a unix socket holds 108 with its end
SKIPPED_MAX: Final = 10_000  # answers to earlier requests that pile up while one is waited for


class ControlError(Exception):
    """The gate did not answer as it should: one line."""


class Connection:
    """One open control connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._next_id = 0
        self._kept: deque[dict[str, Any]] = deque(maxlen=SKIPPED_MAX)

    def send(self, request: dict[str, Any]) -> int:
        """Send a request and return its id."""
        self._next_id += 1
        line = json.dumps(request | {"id": self._next_id}, separators=(",", ":")).encode() + b"\n"
        if len(line) > REQUEST_BYTES_MAX:
            raise ControlError(f"a request of {len(line)} bytes; {REQUEST_BYTES_MAX} are allowed")
        self._writer.write(line)
        return self._next_id

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return its own answer; earlier answers are kept for `receive`.

        Raises:
            ControlError

        """
        wanted = self.send(request)
        while True:
            answer = await self._line(STOP_WAIT_S if request.get("cmd") in STOPS else WAIT_S)
            if answer.get("id") == wanted or "id" not in answer:  # without one it is about the connection
                return answer
            self._kept.append(answer)

    async def receive(self) -> dict[str, Any]:
        """Return the next answer, of whichever request.

        Raises:
            ControlError

        """
        return self._kept.popleft() if self._kept else await self._line(WAIT_S)

    async def _line(self, wait_s: float) -> dict[str, Any]:
        try:
            line = await asyncio.wait_for(self._reader.readline(), wait_s)
            answer = json.loads(line) if line else None
        except TimeoutError:
            raise ControlError(SILENT.format(wait_s)) from None
        except (ValueError, ConnectionError) as error:
            raise ControlError(f"the gate's answer cannot be read: {error}") from None
        if not isinstance(answer, dict):
            raise ControlError("the gate closed the control connection")
        return answer

    def close(self) -> None:
        """End it."""
        self._writer.close()


@asynccontextmanager
async def connect(path: Path) -> AsyncIterator[Connection]:
    """Open a control connection.

    Raises:
        OSError: nobody listens there.

    """
    reader, writer = await asyncio.open_unix_connection(str(path), limit=ANSWER_BYTES_MAX)
    connection = Connection(reader, writer)
    try:
        yield connection
    finally:
        connection.close()


async def request(path: Path, body: dict[str, Any]) -> dict[str, Any]:
    """Ask one thing.

    Raises:
        OSError, ControlError

    """
    async with connect(path) as gate:
        return await gate.ask(body)
