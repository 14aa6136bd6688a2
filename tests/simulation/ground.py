"""The ground that the gate's modules stand on in a simulation: time, asyncio, os, threads, output.

`with Ground(...)` replaces the module objects `time`, `asyncio`, `os`, `threading` inside the gate's modules
by what reads the simulated clock, plans on the simulated loop and writes to the simulated disk. The gate's
code itself is untouched and is what ships. Nothing is left behind when the block ends.
"""

import asyncio
import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Final

import structlog

import daemon.gate.main as gate_main
from daemon import journal
from daemon.gate import power
from daemon.segments import disk as segments_disk
from tests.simulation import quickfix_double
from tests.simulation.disk import Disk, SimOs
from tests.simulation.loop import MS, SECOND, Call, Died, Loop, Process, Sleep

OURS: Final = ("daemon.", "gateways.", "risk.")
# Whose files are the real ones: nothing of what the gate promises hangs on them.
REAL_OS: Final = ("daemon.metrics", "daemon.heartbeat", "daemon.config", "gateways.fix.tap", "daemon.notify")
ENGINE: Final = quickfix_double.load()


class SimTime:
    """Stands in for `time`."""

    def __init__(self, ground: "Ground") -> None:
        self._ground = ground

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def monotonic_ns(self) -> int:
        return self._ground.loop.now_ns

    def monotonic(self) -> float:
        return self._ground.loop.now_ns / SECOND

    perf_counter_ns = monotonic_ns
    perf_counter = monotonic

    def time_ns(self) -> int:
        return self._ground.wall_ns()

    def time(self) -> float:
        return self._ground.wall_ns() / SECOND

    def sleep(self, seconds: float) -> None:
        self._ground.loop.sleep(self._ground.process, int(seconds * SECOND))


class SimAsyncio:
    """Stands in for `asyncio`: the gate's loop is the simulated one."""

    def __init__(self, ground: "Ground") -> None:
        self._ground = ground

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    def get_running_loop(self) -> "Face":
        return self._ground.face

    def sleep(self, seconds: float) -> Sleep:
        return Sleep(int(seconds * SECOND))


class Face:
    """What the gate sees of its event loop."""

    def __init__(self, ground: "Ground", process: Process) -> None:
        self._ground, self._process = ground, process
        self.servers: dict[str, Callable[[], Any]] = {}
        self._last_ns = 0

    def set_exception_handler(self, handler: Any) -> None:
        self._ground.loop.failed = lambda owner, error: handler(
            self, {"message": "a callback failed", "exception": error}
        )

    def call_soon(self, act: Callable[..., Any], *args: Any) -> Call:
        """In order and some time later, as what was read in one go, but for prices: they are seen at once."""
        ground = self._ground
        late = 0 if args and args[0] == "reference" else ground.rng.randint(10_000, 400_000)
        self._last_ns = max(self._last_ns, ground.loop.now_ns + late)
        return ground.loop.at(self._last_ns, act, *args, owner=self._process)

    call_soon_threadsafe = call_soon

    def call_later(self, seconds: float, act: Callable[..., Any], *args: Any) -> Call:
        return self._ground.loop.after(int(seconds * SECOND), act, *args, owner=self._process)

    def time(self) -> float:
        return self._ground.loop.now_ns / SECOND

    def run_in_executor(self, _: Any, act: Callable[..., Any], *args: Any) -> None:
        self._ground.loop.after(MS, act, *args, owner=self._process)

    async def create_unix_server(self, factory: Callable[[], Any], path: str) -> "Server":
        with socket.socket(socket.AF_UNIX) as place:
            place.bind(path)  # what a dead process leaves behind is a socket that nobody listens on
        self.servers[Path(path).name] = factory
        return Server(self, Path(path).name)


class Server:
    def __init__(self, face: Face, name: str) -> None:
        self._face, self._name = face, name

    def close(self) -> None:
        self._face.servers.pop(self._name, None)


class SimThread:
    """A thread of the journal: its loop is run once, each time that it would wake."""

    def __init__(self, ground: "Ground", target: Callable[[], None]) -> None:
        self._ground, self._target, self._process = ground, target, ground.process
        self.ended = False
        self._busy = False

    def start(self) -> None:
        self._ground.threads.append(self)
        self._plan()

    def wake(self) -> None:
        """Somebody has set what it waits for."""
        self._turn()

    def _plan(self) -> None:
        low, high = self._ground.sync_ms
        self._ground.loop.after(self._ground.rng.randint(low, high) * MS, self._wake, owner=self._process)

    def _wake(self) -> None:
        self._turn()
        if not self.ended:
            self._plan()

    def _turn(self) -> None:
        if self.ended or self._busy:
            return
        self._busy = True
        waits = self._ground.waits
        self._ground.waits = 1
        try:
            self._target()
            self.ended = True
        except _Waits:
            pass
        finally:
            self._ground.waits = waits
            self._busy = False

    def join(self, timeout: float | None = None) -> None:
        if not self.ended:
            self._ground.waits, self._busy = 3, True
            with contextlib.suppress(_Waits):
                self._target()
            self.ended, self._busy = True, False

    def is_alive(self) -> bool:
        return not self.ended


class _Waits(BaseException):
    """A thread's next wait: it has had its turn."""


class SimThreading:
    """Stands in for `threading`: the journal's own threads, or whoever waits on one of them."""

    def __init__(self, ground: "Ground", turns: bool) -> None:
        self._ground, self._turns = ground, turns

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)

    def Thread(self, target: Callable[[], None], **_: Any) -> SimThread:  # noqa: N802
        return SimThread(self._ground, target)

    def Event(self) -> "SimEvent":  # noqa: N802
        return SimEvent(self._ground) if self._turns else Blocking(self._ground)


class SimEvent:
    def __init__(self, ground: "Ground") -> None:
        self._ground = ground
        self._is = False

    def set(self) -> None:
        """Who waits wakes soon: a disk takes its time."""
        self._is = True
        ground = self._ground
        for thread in ground.threads:
            ground.loop.after(ground.rng.randint(MS // 5, 8 * MS), thread.wake, owner=ground.process)

    def clear(self) -> None:
        self._is = False

    def is_set(self) -> bool:
        return self._is

    def wait(self, timeout: float | None = None) -> bool:
        if (not self._is and timeout is None) or self._ground.waits <= 0:
            raise _Waits
        self._ground.waits -= 1
        return self._is


class Blocking(SimEvent):
    """A thread waits here while the rest of the world goes on."""

    def set(self) -> None:
        self._is = True

    def wait(self, timeout: float | None = None) -> bool:
        loop = self._ground.loop
        end_ns = loop.now_ns + int((timeout or 0.0) * SECOND)
        while not self._is and loop.now_ns < end_ns:
            loop.run(min(end_ns, loop.now_ns + 5 * MS))
        if not self._ground.process.alive:
            raise Died
        return self._is


class NoSignals:
    """daemon.ending.Ending, as far as the gate uses it."""

    def __init__(self, _name: str, _loop: Any, first: Callable[[int], None]) -> None:
        self._first = first

    def at(self, stage: str, left: Any = ()) -> None:
        """Nobody is late here."""

    def ask(self) -> None:
        self._first(15)


class Silent:
    """A log that nobody reads; the last lines are kept for whoever looks into a seed."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, Any]] = []
        self.keep = False

    def __getattr__(self, level: str) -> Any:
        return self._say if self.keep else _nothing

    def _say(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))


def _nothing(*_: Any, **__: Any) -> None:
    pass


class Ground:
    """Everything that is not the gate, as far as its modules can see it."""

    def __init__(self, loop: Loop, rng: Any, disk: Disk, wall_ns: Callable[[], int]) -> None:
        self.loop, self.rng, self.disk, self.wall_ns = loop, rng, disk, wall_ns
        self.process = Process("none")
        self.face = Face(self, self.process)
        self.os = SimOs(disk, lambda: self.process, "state")
        self.log = Silent()
        self.said: list[dict[str, Any]] = []
        self.printed: list[str] = []
        self.sync_ms = (20, 300)
        self.metrics = True  # no decision hangs on them, and they are a seventh of a run
        self.threads: list[SimThread] = []
        self.waits = 0
        self.boots = 1  # of the host
        self._before: list[tuple[Any, str, Any]] = []

    def begin(self, process: Process) -> None:
        """Another process stands on this ground now."""
        self.os.close_all()
        self.process, self.face = process, Face(self, process)
        self.threads.clear()

    def __enter__(self) -> "Ground":
        fakes: dict[str, Any] = {"time": SimTime(self), "asyncio": SimAsyncio(self)}
        for name, module in list(sys.modules.items()):
            if name.startswith(OURS) and module is not None:
                self._stand(name, module, fakes)
        self._stand(quickfix_double.NAME, ENGINE, fakes)
        self._put(sys.modules, quickfix_double.NAME, ENGINE)
        self._put(gate_main, "gc", Silent())
        if hasattr(gate_main, "Ending"):
            self._put(gate_main, "Ending", NoSignals)  # no thread, no signal: the loop here always answers
        self._put(gate_main.gate_engine, "RUN_LOG", "")  # no tap: the wire is recorded here
        self._put(ENGINE, "Tap", NoTap)
        self._put(gate_main, "TIMER_S", 0.25)
        self._put(gate_main, "HOUSEKEEPING_S", 1.0)
        self._put(power, "boot_id", lambda: f"boot {self.boots}")
        if not self.metrics:
            self._put(gate_main, "GateMetrics", Uncounted)
        self._put(segments_disk, "_libc", self.os)
        return self

    def _stand(self, name: str, module: ModuleType, fakes: dict[str, Any]) -> None:
        for word, real in (("time", time), ("asyncio", asyncio)):
            if getattr(module, word, None) is real:
                self._put(module, word, fakes[word])
        if getattr(module, "os", None) is os and not name.startswith(REAL_OS):
            self._put(module, "os", self.os)
        if hasattr(module, "announce"):
            self._put(module, "announce", lambda event, **more: self.said.append({"event": event, **more}))
        if name.startswith("daemon.gate"):
            self._put(module, "print", lambda *words, **_: self.printed.append(" ".join(map(str, words))))
        if getattr(module, "threading", None) is threading and name.startswith("daemon."):
            self._put(module, "threading", SimThreading(self, name == journal.__name__))
        if isinstance(getattr(module, "log", None), structlog._config.BoundLoggerLazyProxy):
            self._put(module, "log", self.log)

    def _put(self, where: Any, name: str, value: Any) -> None:
        if isinstance(where, dict):
            self._before.append((where, name, where.get(name)))
            where[name] = value
        else:
            self._before.append((where, name, getattr(where, name, _nothing)))
            setattr(where, name, value)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.os.close_all()
        for where, name, value in reversed(self._before):
            if isinstance(where, dict):
                if value is None:
                    where.pop(name, None)
                else:
                    where[name] = value
            elif value is _nothing:
                delattr(where, name)
            else:
                setattr(where, name, value)


class Uncounted:
    """GateMetrics that count nothing."""

    def __init__(self, *_: Any) -> None:
        pass

    def __getattr__(self, name: str) -> "Uncounted":
        return self

    def __call__(self, *_: Any) -> None:
        pass


class NoTap:
    """No second record of the wire."""

    def __init__(self, path: Path) -> None:
        pass

    def write(self, direction: str, raw: str) -> None:
        pass

    def sync(self) -> None:
        pass
