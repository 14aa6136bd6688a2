"""The shells' ground: uvloop, one task group, signals. The only place where tasks are started."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, NoReturn

import structlog
import uvloop

EXIT_DONE = 0
EXIT_NOT_CLEAN = 1
EXIT_USAGE = 2
EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h: config, limits or artefact
EXIT_INTERRUPTED = 130


class Runtime:
    """What a shell's `main` gets: tasks by name, and `stopping`, set by the first SIGTERM or SIGINT.

    A task that fails stops the process: there is no half of a daemon.
    """

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self.stopping = asyncio.Event()
        self.signal_no: int | None = None

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run `work` beside the rest, under a name that logs and stack dumps show."""
        return self._tasks.create_task(work, name=name)

    def on_signal(self, number: signal.Signals, act: Callable[[], None]) -> None:
        """Call `act` on the loop whenever the signal comes."""
        asyncio.get_running_loop().add_signal_handler(number, act)

    def stop(self, number: int | None = None) -> None:
        """Ask everything to end; a second ask is immediate."""
        if self.stopping.is_set():
            raise SystemExit(128 + (number or signal.SIGTERM))
        self.signal_no = number
        self.stopping.set()


Main = Callable[[Runtime], Coroutine[Any, Any, int]]


async def _supervise(main: Main) -> int:
    async with asyncio.TaskGroup() as tasks:
        runtime = Runtime(tasks)
        for number in (signal.SIGTERM, signal.SIGINT):
            runtime.on_signal(number, lambda n=number: runtime.stop(n))  # type: ignore[misc]
        code = await main(runtime)
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()
    return code


def run(main: Main) -> int:
    """Run a shell to its end and return its exit code; an unforeseen error is logged and returns 1."""
    code = EXIT_NOT_CLEAN
    try:
        code = uvloop.run(_supervise(main))
    except* Exception as failures:
        for failure in failures.exceptions:
            structlog.get_logger().error("stopped by an error", error=repr(failure), exc_info=failure)
    return code


def run_and_exit(main: Main, tidy: Callable[[], None] = lambda: None) -> NoReturn:
    """Run a shell with quickfix loaded, then end the process: the interpreter's own exit crashes."""
    try:
        code = run(main)
    except SystemExit as second:  # a second signal: now
        code = second.code if isinstance(second.code, int) else EXIT_NOT_CLEAN
    tidy()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextlib.contextmanager
def umask_private() -> Iterator[None]:
    """Files and sockets made inside belong to this user alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
