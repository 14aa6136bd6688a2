"""A broker's drop copy: every execution once more, on a line of its own, in order and some time later.

Its numbers outlive every break of the line, as the EMS's do, so that an honest one tells everything in the
end. `untold`, `invented` and `other` are chances of what no honest one does: the gate must halt.
"""

import random
from collections.abc import Callable
from typing import Final

from gateways.fix.sessions import VENUE_DROP_COPY_COMP_ID
from tests.simulation.fix_session import SOH, FixSession, Out
from tests.simulation.loop import MS, SECOND, Loop
from tests.simulation.network import End, Road

LATE_MS: Final = (1, 300)
Tags = dict[str, str]


class SecondLine:
    """The same truth, told by another mouth."""

    def __init__(self, loop: Loop, rng: random.Random, road: Road, wall_ns: Callable[[], int]) -> None:
        self.loop, self.rng, self.road = loop, rng, road
        names = (VENUE_DROP_COPY_COMP_ID, "STEADYHAND")
        self.session = FixSession(
            loop, names, self, None, wall_ns, initiator=False, heartbeat_s=10, persist=True
        )
        self.untold = self.invented = self.other = 0.0
        self.lies = 0
        self._due_ns = 0
        road.accept = self.accept
        self._tick()

    def accept(self, end: End) -> bool:
        if self.session.end is not None:
            return False
        self.session.connected(end)
        return True

    def _tick(self) -> None:
        self.session.tick()
        self.loop.after(SECOND, self._tick)

    def tell(self, raw: Tags) -> None:
        """An execution happened."""
        rng = self.rng
        if rng.random() < self.untold:
            self.lies += 1
            return
        self._say(raw)
        if rng.random() < self.invented:
            self.lies += 1
            self._say(raw | {"17": f"{raw['17']}-X"})
        elif rng.random() < self.other:
            self.lies += 1
            self._say(raw | {"17": f"{raw['17']}-X", "37": "O-0", "11": "SH0-0"})

    def _say(self, raw: Tags) -> None:
        body = "".join(f"{tag}={value}{SOH}" for tag, value in raw.items() if tag != "35")
        self._due_ns = max(self._due_ns, self.loop.now_ns + self.rng.randint(*LATE_MS) * MS)
        self.loop.at(self._due_ns, self.session.send, "8", body)

    def on_logon(self) -> None:
        pass

    def on_logout(self) -> None:
        pass

    def to_admin(self, out: Out) -> None:
        pass

    def to_app(self, out: Out) -> bool:
        return True

    def from_admin(self, raw: str) -> None:
        pass

    def from_app(self, raw: str) -> None:
        pass

    def event(self, text: str) -> None:
        pass

    def tap(self, outgoing: bool, raw: str) -> None:
        pass

    def sent(self) -> None:
        pass
