"""Child processes of a paper run: started apart from the terminal, heard line by line, always ended."""

import asyncio
import ctypes
import json
import signal
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

PR_SET_PDEATHSIG: Final = 1
LINE_BYTES_MAX: Final = 1 << 20  # a status line of 16 parents and 2,000 chains is about 400 KB
TAIL_LINES: Final = 12  # of stderr, shown when a child dies: enough for one traceback's end
STOP_WAIT_S: Final = 12.0  # SIGTERM promises an end within 10 s
_LIBC: Final = ctypes.CDLL(None)


class ChildError(Exception):
    """A process of the run ended when it should not have, or never became ready."""

    def __init__(self, name: str, code: int | None, tail: str) -> None:
        self.name, self.code, self.tail = name, code, tail
        super().__init__(f"{name} ended with {code}: {tail or 'it said nothing'}")


def die_with_parent() -> None:
    """Run in the child before exec: nothing of a run outlives the process that started it."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """One process of the run: its announcements by name, the tail of its log."""

    def __init__(self, name: str, argv: list[str], log: Path) -> None:
        self.name = name
        self._argv = [sys.executable, "-m", "daemon.cli", *argv]
        self._log = log
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._process: asyncio.subprocess.Process | None = None
        self._said: dict[str, asyncio.Future[dict[str, Any]]] = {}

    async def start(self, spawn: Callable[..., Any]) -> None:
        """Start it; `spawn` is `Runtime.spawn`."""
        # A session of its own: Ctrl-C reaches the run, which then ends its children in order.
        self._process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_BYTES_MAX,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        spawn(self._listen(self._process), f"{self.name} stdout")
        spawn(self._keep_log(self._process), f"{self.name} stderr")

    @property
    def pid(self) -> int:
        """Process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit code, None while it runs."""
        return self._process.returncode if self._process else None

    @property
    def tail(self) -> str:
        """The last lines of its log."""
        return "\n".join(self._tail)

    async def said(self, event: str, wait_s: float) -> dict[str, Any]:
        """Return the announcement `event`, now or when it comes.

        Raises:
            ChildError: it ended first, or said nothing within `wait_s`.
        """
        future = self._future(event)
        done, _ = await asyncio.wait({future}, timeout=wait_s)
        if not done:
            raise ChildError(self.name, self.returncode, f"no {event!r} within {wait_s:g} s\n{self.tail}")
        return future.result()

    def has_said(self, event: str) -> bool:
        """Whether the announcement came."""
        future = self._said.get(event)
        return future is not None and future.done() and future.exception() is None

    def tell(self, message: dict[str, Any]) -> None:
        """Write one JSON line to its stdin."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def stop(self) -> int:
        """End it: SIGTERM, and SIGKILL where the promise of 10 s is broken. Returns its exit code."""
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_WAIT_S)
            except TimeoutError:
                process.kill()
        return await process.wait()

    async def wait(self) -> int:
        """Return the exit code once it ends."""
        assert self._process is not None
        return await self._process.wait()

    def _future(self, event: str) -> asyncio.Future[dict[str, Any]]:
        return self._said.setdefault(event, asyncio.get_running_loop().create_future())

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            try:
                message = json.loads(line)
                event = message["event"]
            except (ValueError, KeyError, TypeError):
                self._tail.append(line.decode(errors="replace").rstrip())
                continue
            future = self._future(event)
            if not future.done():
                future.set_result(message)
        code = await process.wait()
        for future in self._said.values():
            if not future.done():
                future.set_exception(ChildError(self.name, code, self.tail))
                future.exception()  # seen: whoever waits gets it, nobody is warned otherwise

    async def _keep_log(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        with self._log.open("ab", buffering=0) as log:
            async for line in process.stderr:
                log.write(line)
                self._tail.append(line.decode(errors="replace").rstrip())
