"""A process of the house that SIGKILLs itself at a boundary of the test's choosing, unknown to the house.

    KILL_AT=os.write:half:17 BOUNDARIES=FILE python -m tests.kill_sweep.victim gate --config FILE

A boundary is a call: a write, an fsync, a send, a callback, a step. `before` and `after` stand on its two
sides, `half` cuts a write in the middle. Calls are counted from the process's start, so that recovery has its
boundaries too. FILE gets, in mapped memory that outlives the kill, how often each was passed.
"""

import mmap
import os
import signal
import struct
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

OS_CALLS: Final = (
    "write",
    "writev",
    "pwrite",
    "fsync",
    "fdatasync",
    "ftruncate",
    "rename",
    "replace",
    "unlink",
)
CALLBACKS: Final = ("onLogon", "onLogout", "toAdmin", "toApp", "fromAdmin", "fromApp")
ENGINE: Final = [f"gateways.fix.engine:_Application.{name}" for name in CALLBACKS]
ENGINE += ["gateways.fix.engine:Engine.send", "gateways.fix.engine:Engine.post"]
NUMBERS: Final = [f"gateways.fix.numbers:SequenceNumbers.{name}" for name in ("set_ours", "set_theirs")]
LINK: Final = ["gateways.link:Peer.send", "gateways.link:Peer.data_received"]
JOURNAL: Final = ["daemon.journal:Journal.append"]
CALLS: Final[dict[str, list[str]]] = {
    "gate": [
        *(*JOURNAL, *ENGINE, *NUMBERS, *LINK, "daemon.gate.core:GateCore.step"),
        *("daemon.gate.shell:GateShell._send_order", "daemon.gate.shell:GateShell._send_cancel"),
    ],
    "trader": [
        *(*JOURNAL, *LINK, "daemon.trader.core:TraderCore.step", "daemon.trader.core:TraderCore.feed"),
        "daemon.trader.setup:Epochs.next",
    ],
    "venue": [
        *(*ENGINE, "gateways.venue.ems:Ems.request", "daemon.venue.shell:Venue.send_report"),
        "gateways.venue.reference:Reference.tell",
    ],
}
WHENS: Final = ("before", "half", "after")
COUNT: Final = struct.Struct("<Q")


def sites(command: str) -> list[str]:
    """Return every call of a process that is watched, by the name that KILL_AT gives it."""
    return [f"os.{name}" for name in OS_CALLS] + [path.partition(":")[2] for path in CALLS[command]]


def boundaries(command: str) -> list[tuple[str, str]]:
    """Return every boundary: (call, side)."""
    halves = [("os.write", "half"), ("os.pwrite", "half")]
    return [(site, when) for site in sites(command) for when in ("before", "after")] + halves


class Passages:
    """Counts calls, and ends the process at the one that was chosen."""

    def __init__(self, command: str, kill_at: str, path: str) -> None:
        self._site, self._when, number = (*kill_at.split(":"), "", "", "0")[:3] if kill_at else ("", "", "0")
        self._number = int(number)
        self._names = {name: n for n, name in enumerate(sites(command))}
        self._memory: mmap.mmap | None = None
        if path:
            size = COUNT.size * len(self._names)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            os.ftruncate(fd, size)
            self._memory = mmap.mmap(fd, size)
            os.close(fd)
        self._counts = [0] * len(self._names)

    def watch(self, owner: Any, name: str, site: str) -> None:
        """Put a passage around a function or a method."""
        real = getattr(owner, name, None)
        if real is None:
            return
        index, armed = self._names[site], site == self._site

        def passage(*args: Any, **more: Any) -> Any:
            self._counts[index] = count = self._counts[index] + 1
            if self._memory is not None:
                COUNT.pack_into(self._memory, COUNT.size * index, count)
            chosen = armed and count == self._number
            if chosen and self._when != "after":
                if self._when == "half":
                    halve(real, *args)
                die()
            result = real(*args, **more)
            if chosen:
                die()
            return result

        passage.__name__ = name
        setattr(owner, name, passage)


def halve(write: Callable[..., int], fd: int, payload: bytes, *more: Any) -> None:
    """Write the first half of what was to be written."""
    write(fd, bytes(payload)[: len(payload) // 2], *more)


def die() -> None:
    """End as by a power cut of this process alone."""
    os.kill(os.getpid(), signal.SIGKILL)
    while True:
        signal.pause()


def passed(path: Path, command: str) -> dict[str, int]:
    """Return how often a process that has ended passed each call."""
    raw = path.read_bytes()
    return {name: COUNT.unpack_from(raw, COUNT.size * n)[0] for n, name in enumerate(sites(command))}


def main(argv: list[str]) -> int:
    """Watch, then run the command."""
    command = argv[0]
    passages = Passages(command, os.environ.get("KILL_AT", ""), os.environ.get("BOUNDARIES", ""))
    for path in CALLS[command]:
        module, _, name = path.partition(":")
        owner, _, method = name.partition(".")
        passages.watch(getattr(import_module(module), owner), method, name)
    for name in OS_CALLS:
        passages.watch(os, name, f"os.{name}")
    from daemon import cli

    return cli.main(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
