"""A process of the house that SIGKILLs itself at a boundary of the test's choosing, unknown to the house.

    KILL_AT=gate:os.write:half:17 BOUNDARIES=DIR python -m tests.kill_sweep.victim gate --config FILE

A boundary is a call: a write, an fsync, a send, a callback, a step. `before` and `after` stand on its two
sides, `half` cuts a write in the middle. Calls are counted from the process's start, so that recovery has its
boundaries too. DIR/gate.boundaries gets, in mapped memory that outlives the kill, how often each was passed,
and at last whether the chosen one was. The process that makes the gate's snapshots is watched like the others
("snapshot"). SMALL=1: segments and snapshots so small that a short life has many.
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

# What a process of the house calls of these; uvloop, SQLite and C++ write by themselves.
OS_CALLS: Final[dict[str, tuple[str, ...]]] = {
    "gate": ("write", "pwrite", "fsync", "fdatasync", "ftruncate", "replace", "unlink"),
    "snapshot": ("write", "fsync", "rename", "unlink"),
    "trader": ("write", "pwrite", "fsync", "fdatasync", "ftruncate", "replace", "unlink"),
    "venue": ("write",),
}
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
    "snapshot": [
        *("daemon.gate.core:GateCore.step", "daemon.gate.archive_store:_write"),
        *("daemon.gate.archive_store:_insert", "daemon.gate.snapshot_process:make"),
        "daemon.gate.snapshot_process:tidy",
    ],
    "venue": [
        *(*ENGINE, "gateways.venue.ems:Ems.request", "daemon.venue.lines:ClientLines.send_report"),
        "gateways.venue.reference:Reference.tell",
    ],
}
MET: Final = "met"
COUNT: Final = struct.Struct("<Q")
SMALL: Final = {"segment_bytes": 60_000, "SNAPSHOT_BYTES": 100_000, "WAITING": 50}


def sites(command: str) -> list[str]:
    """Return every call of a process that is watched, by the name that KILL_AT gives it."""
    return [f"os.{name}" for name in OS_CALLS[command]] + [path.partition(":")[2] for path in CALLS[command]]


def boundaries(command: str) -> list[tuple[str, str]]:
    """Return every boundary: (call, side)."""
    halves = [(f"os.{name}", "half") for name in OS_CALLS[command] if "write" in name]
    return [(site, when) for site in sites(command) for when in ("before", "after")] + halves


class Passages:
    """Counts calls, and ends the process at the one that was chosen."""

    def __init__(self, command: str, kill_at: str, folder: str) -> None:
        victim, self._site, self._when, number = kill_at.split(":") if kill_at else ("", "", "", "0")
        self._number = int(number) if victim == command else 0
        self._names = {name: n for n, name in enumerate((*sites(command), MET))}
        self._memory: mmap.mmap | None = None
        if folder:
            size = COUNT.size * len(self._names)
            fd = os.open(Path(folder) / f"{command}.boundaries", os.O_RDWR | os.O_CREAT, 0o600)
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
                self._die()
            result = real(*args, **more)
            if chosen:
                self._die()
            return result

        passage.__name__ = name
        setattr(owner, name, passage)

    def _die(self) -> None:
        """End as by a power cut of this process alone."""
        if self._memory is not None:
            COUNT.pack_into(self._memory, COUNT.size * self._names[MET], 1)
        os.kill(os.getpid(), signal.SIGKILL)
        while True:
            signal.pause()


def halve(write: Callable[..., int], fd: int, payload: bytes, *more: Any) -> None:
    """Write the first half of what was to be written."""
    write(fd, bytes(payload)[: len(payload) // 2], *more)


def passed(path: Path, command: str) -> dict[str, int]:
    """Return how often the last process of a name passed each call, and 1 for MET where one was killed."""
    raw = path.read_bytes() if path.exists() else b""
    names = (*sites(command), MET)
    return {name: COUNT.unpack_from(raw, COUNT.size * n)[0] if raw else 0 for n, name in enumerate(names)}


def shrink() -> None:
    """Begin new segments often, and have a gate make snapshots often."""
    from daemon.gate import keeper
    from daemon.journal import Journal

    for name in ("SNAPSHOT_BYTES", "WAITING"):
        vars(keeper)[name] = SMALL[name]
    Journal.open.__kwdefaults__["segment_bytes"] = SMALL["segment_bytes"]


def main(argv: list[str]) -> int:
    """Watch, then run the command."""
    command = argv[0] if argv[0] in CALLS else "snapshot"  # the gate starts that one, by its arguments alone
    passages = Passages(command, os.environ.get("KILL_AT", ""), os.environ.get("BOUNDARIES", ""))
    for path in CALLS[command]:
        module, _, name = path.partition(":")
        owner, _, method = name.partition(".")
        home = import_module(module)
        passages.watch(getattr(home, owner), method, name) if method else passages.watch(home, owner, name)
    for name in OS_CALLS[command]:
        passages.watch(os, name, f"os.{name}")
    if command == "snapshot":
        from daemon.gate import snapshot_process

        return snapshot_process.main(argv)
    if command == "gate":
        from daemon.gate import keeper

        vars(keeper)["MAIN"] = "tests.kill_sweep.victim"
    if os.environ.get("SMALL"):
        shrink()
    from daemon import cli

    return cli.main(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
