"""An engine in a process of its own, driven by JSON lines: as it runs in gate and venue.

quickfix does not survive the interpreter's own exit, so tests keep it out of theirs.
"""

import asyncio
import contextlib
import json
import os
import queue
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from daemon.journal import Journal
from gateways.fix import settings as fix_settings
from gateways.fix.engine import Engine
from gateways.fix.pump import sockets
from gateways.fix.sessions import EngineError, Message, Role, SessionSpec


def say(**fields: Any) -> None:
    os.write(1, (json.dumps(fields) + "\n").encode())  # one write, whole


def inbox(name: str, message: Message) -> None:
    say(session=name, kind=type(message).__name__, **msgspec.to_builtins(message))


def appender(how: str, state_dir: Path) -> Any:
    if how == "journal":
        return Journal.open(state_dir, "inbound").append
    if how == "kill":
        journal = Journal.open(state_dir, "inbound")

        def append_and_die(payload: bytes) -> int:
            journal.append(payload)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError("dead")

        return append_and_die
    if how == "raise":

        def fail(payload: bytes) -> int:
            raise ValueError("a bug of ours")

        return fail
    if how == "exit":

        def leave(payload: bytes) -> int:
            raise SystemExit(3)

        return leave
    return None


def sends_at_once() -> list[bool]:
    """Return of each of our TCP connections whether what is written leaves without waiting for an answer."""
    found = []
    for fd in sockets():
        with socket.socket(fileno=os.dup(fd)) as line, contextlib.suppress(OSError):
            line.getpeername()
            if line.family == socket.AF_INET:
                found.append(bool(line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
    return found


async def main() -> None:
    options = json.loads(sys.argv[1])
    state_dir = Path(options["state_dir"])
    specs = [
        SessionSpec(
            **{**spec, "logon_fields": tuple(tuple(f) for f in spec.get("logon_fields", ()))},
            append_inbound=appender(options.get("append", ""), state_dir),
        )
        for spec in options["sessions"]
    ]
    if options.get("taken_port"):  # another process takes the free port before quickfix binds it
        ports = iter([options["taken_port"]])
        real = fix_settings.free_port
        fix_settings.free_port = lambda: next(ports, None) or real()
    loop = asyncio.get_running_loop()
    try:
        engine = Engine(Role(options["role"]), specs, state_dir, Path(options["tap"]), inbox, loop)
        engine.start()
    except EngineError as error:
        say(error=str(error))
        os._exit(1)
    say(ports={spec.name: engine.port(spec.name) for spec in specs})
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        if "send" in command:
            sent = [engine.send(command["send"], command["body"]) for _ in range(command.get("times", 1))]
            say(sent=all(sent), n=engine.sent(command["send"]))
        elif "numbers" in command:
            say(numbers=engine.numbers(command["numbers"]))
        elif "status" in command:
            facts = {"threads": threading.active_count(), "at_once": sends_at_once()}
            say(halted=engine.halted, failures=engine.failures, **facts)
        else:
            break
    engine.stop()
    say(stopped=True)
    os._exit(0)


class EngineProcess:
    """The test's side."""

    def __init__(self, **options: Any) -> None:
        import subprocess

        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.gateways.fix.engine_process", json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        self.lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self.kept: list[dict[str, Any]] = []
        self.pumping = threading.Thread(target=self.pump, daemon=True)
        self.pumping.start()

    def pump(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def next(self, key: str, value: Any = None, wait_s: float = 15.0) -> dict[str, Any]:
        """Return the next line that has a key (and a value); the others are kept for later."""
        for line in list(self.kept):
            if key in line and (value is None or line[key] == value):
                self.kept.remove(line)
                return line
        while True:
            line = self.lines.get(timeout=wait_s)
            if key in line and (value is None or line[key] == value):
                return line
            self.kept.append(line)

    def command(self, **fields: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(fields) + "\n")
        self.process.stdin.flush()

    def send(self, body: str, name: str = "order", times: int = 1) -> bool:
        self.command(send=name, body=body.replace("|", "\x01"), times=times)
        return bool(self.next("sent")["sent"])

    def status(self) -> dict[str, Any]:
        self.command(status=1)
        return self.next("halted")

    def numbers(self, name: str = "order") -> list[int]:
        self.command(numbers=name)
        return list(self.next("numbers")["numbers"])

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.pumping.join(10)  # it reads to the end of the pipe
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


if __name__ == "__main__":
    uvloop.run(main())
