"""Child processes of a paper run: started apart from the terminal, heard line by line, always ended."""

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

PR_SET_PDEATHSIG: Final = 1
LINE_BYTES_MAX: Final = 1 << 20  # a status line of 16 parents and 2,000 chains is about 400 KB
TAIL_LINES: Final = 12  # of stderr, shown when a child dies: enough for one traceback's end
HEED_S: Final = 0.1  # between two looks at whether somebody wants the run to stop
STOP_WAIT_S: Final = 12.0  # SIGTERM promises an end within 10 s
SESSION_NICE: Final = Path("/proc/self/autogroup")  # Linux with CONFIG_SCHED_AUTOGROUP
_LIBC: Final = ctypes.CDLL(None)


class ChildError(Exception):
    """A process of the run ended when it should not have, or never became ready: one line."""

    def __init__(self, name: str, code: int | None, why: str) -> None:
        self.name, self.code = name, code
        super().__init__(f"{name} {ending(code)}{': ' if why else ''}{why}")


class Late(ChildError):  # noqa: N818  (it may yet come)
    """A process runs and has not said what it was waited for."""


class Interrupted(Exception):  # noqa: N818  (a wish, not a mistake)
    """Somebody asked the run to stop while it waited for a process."""


def ending(code: int | None) -> str:
    """Return how a process stands, in words."""
    if code is None:
        return "does not go on"
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"


class Child:
    """One process of the run: its announcements by name, the tail of its log."""

    def __init__(self, name: str, argv: list[str], log: Path, nice: int = 0) -> None:
        self.name = name
        self._nice = nice  # above 0: it gives way to gate and trader where cores are few
        self._argv = [
            sys.executable,
            "-P",
            "-m",
            "daemon.cli",
            *argv,
        ]  # -P: no package of the folder we stand in
        self._log = log
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._process: asyncio.subprocess.Process | None = None
        self._said: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._over = False  # it ended, and everything that it said has been heard

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
            preexec_fn=self._before_exec,
        )
        spawn(self._listen(self._process), f"{self.name} stdout")
        spawn(self._keep_log(self._process), f"{self.name} stderr")

    def _before_exec(self) -> None:
        """Run in the child: nothing of a run outlives the process that started it."""
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        os.nice(self._nice)
        # It leads a session of its own, and where the scheduler weighs sessions first, a task's niceness
        # counts in its session alone.
        with contextlib.suppress(OSError):
            SESSION_NICE.write_text(str(self._nice))

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
    def last_words(self) -> str:
        """The last line that was meant for a person; what came as JSON is in the log file."""
        spoken = [line.strip() for line in self._tail if line.strip() and not line.startswith("{")]
        return spoken[-1].removeprefix(f"steadyhand {self.name}: ") if spoken else ""

    async def said(self, event: str, wait_s: float, stopping: asyncio.Event | None = None) -> dict[str, Any]:
        """Return the announcement `event`, now or when it comes.

        Raises:
            ChildError: it ended first.
            Late: it said nothing within `wait_s`.
            Interrupted: `stopping` was set meanwhile.
        """
        future, deadline = self._future(event), time.monotonic() + wait_s
        while not future.done():
            if stopping is not None and stopping.is_set():
                raise Interrupted
            if self._over:
                raise ChildError(self.name, self.returncode, self.last_words)
            if time.monotonic() > deadline:
                late = f"it did not say {event!r} within {wait_s:g} s"
                raise Late(self.name, self.returncode, self.last_words or late)
            await asyncio.wait({future}, timeout=HEED_S)
        return future.result()

    def has_said(self, event: str) -> bool:
        """Whether the announcement came."""
        future = self._said.get(event)
        return future is not None and future.done()

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
        await process.wait()
        self._over = True

    async def _keep_log(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        with self._log.open("ab", buffering=0) as log:
            async for line in process.stderr:
                with contextlib.suppress(OSError):  # a full disk: the run goes on
                    log.write(line)
                self._tail.append(line.decode(errors="replace").rstrip())
