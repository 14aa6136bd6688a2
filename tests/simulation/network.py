"""Connections that are late, stall, break and lie, in simulated time; one message is one text.

A connection delivers in order or not at all. `stall` holds everything back (a half-open line: both sides
believe in it); `sever` loses what is on its way, and each side learns of it some time later.
"""

import random
from collections.abc import Callable
from typing import Any

from tests.simulation.loop import MS, Loop, Process

Lost = Callable[[str, str], None]  # who sent it, what


class End:
    """One side of a connection."""

    def __init__(self, line: "Connection", name: str, owner: Process | None) -> None:
        self.line = line
        self.name = name
        self.owner = owner
        self.other: End
        self.on_text: Callable[[str], None] = lambda _: None
        self.on_close: Callable[[], None] = lambda: None
        self.open = True
        self._last_ns = 0

    def send(self, text: str) -> bool:
        """Send one message; what is sent into a broken line is lost."""
        if not self.open:
            return False
        line = self.line
        if line.severed:
            line.road.lost(self.name, text)
            return True
        low, high = line.road.latency_ns
        due = line.loop.now_ns + line.rng.randint(low, high)
        self._last_ns = max(due, self._last_ns, line.stalled_until_ns)
        item = [self.name, text]
        line.flying.append(item)
        line.loop.at(self._last_ns, line.arrive, self, item)
        return True

    def close(self) -> None:
        """Hang up: the other side learns of it after what was sent before."""
        if not self.open:
            return
        self.open = False
        line = self.line
        due = max(self._last_ns, line.loop.now_ns + MS, line.stalled_until_ns)
        line.loop.at(due, line.closed, self.other)


class Connection:
    """Two ends."""

    def __init__(self, road: "Road", names: tuple[str, str], owners: tuple[Any, Any]) -> None:
        self.road, self.loop, self.rng = road, road.loop, road.rng
        self.severed = False
        self.stalled_until_ns = road.stalled_until_ns
        self.flying: list[list[str]] = []
        self.ends = tuple(End(self, n, o) for n, o in zip(names, owners, strict=True))
        self.ends[0].other, self.ends[1].other = self.ends[1], self.ends[0]

    def arrive(self, sender: End, item: list[str]) -> None:
        """Bring one message to the other side."""
        if self.severed:
            return
        if self.loop.now_ns < self.stalled_until_ns:
            self.loop.at(self.stalled_until_ns, self.arrive, sender, item)
            return
        self.flying.remove(item)
        end = sender.other
        if not end.open or (end.owner is not None and not end.owner.alive):
            self.road.lost(item[0], item[1])
            return
        if self.road.garble > 0 and self.rng.random() < self.road.garble:
            self.road.lost(item[0], item[1])  # a wrong checksum: the engine drops it, and will miss it
            return
        end.on_text(item[1])

    def closed(self, end: End) -> None:
        """Let one side learn that the line is gone."""
        if end.open:
            end.open = False
            if end.owner is None or end.owner.alive:
                end.on_close()

    def sever(self) -> None:
        """Lose everything that is on its way; both sides learn of it later."""
        if self.severed:
            return
        self.severed = True
        for name, text in self.flying:
            self.road.lost(name, text)
        self.flying.clear()
        for end in self.ends:
            self.loop.after(self.rng.randint(0, 200 * MS), self.closed, end)


class Road:
    """Where one kind of connection runs: whether it can be dialled, how late it is, what it loses."""

    def __init__(self, loop: Loop, rng: random.Random, latency_ns: tuple[int, int]) -> None:
        self.loop, self.rng, self.latency_ns = loop, rng, latency_ns
        self.passable = True
        self.garble = 0.0
        self.stalled_until_ns = 0
        self.lost: Lost = lambda name, text: None
        self.accept: Callable[[End], bool] | None = None
        self.now: Connection | None = None

    def dial(self, name: str, owner: Process) -> End | None:
        """Connect, where somebody listens."""
        if not self.passable or self.accept is None:
            return None
        line = Connection(self, (name, "venue"), (owner, None))
        if not self.accept(line.ends[1]):
            return None
        self.now = line
        return line.ends[0]

    def sever(self) -> None:
        """Break the connection that stands."""
        if self.now is not None:
            self.now.sever()

    def stall(self, ns: int) -> None:
        """Hold everything back for some time."""
        self.stalled_until_ns = self.loop.now_ns + ns
        if self.now is not None:
            self.now.stalled_until_ns = self.stalled_until_ns
