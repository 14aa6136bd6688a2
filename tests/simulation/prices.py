"""The source of reference prices: a second session, a random walk, silences, crossed books and halts."""

import random
from collections.abc import Callable
from typing import Final

from tests.simulation.fix_session import SOH, FixSession, Out, tags_of
from tests.simulation.loop import MS, SECOND, Loop
from tests.simulation.network import End, Road
from tests.simulation.venue import decimal

START_E4: Final = 1_000_000
SHOWN: Final = 10_000


class Prices:
    """One symbol's market, as the gate is told it."""

    def __init__(self, loop: Loop, rng: random.Random, road: Road, wall_ns: Callable[[], int]) -> None:
        self.loop, self.rng, self.road = loop, rng, road
        self.session = FixSession(
            loop, ("VENUE", "STEADYREF"), self, None, wall_ns, initiator=False, heartbeat_s=1, persist=True
        )
        self.subscribed = False
        self.silent_until_ns = 0
        self.crossed_until_ns = 0
        self.mid_e4 = START_E4
        self.pace_ms = (250, 750)
        self.open = True
        road.accept = self.accept
        self._tick()
        self._move()

    def accept(self, end: End) -> bool:
        if not self.open or self.silent or self.session.end is not None:
            return False
        self.session.connected(end)
        return True

    @property
    def silent(self) -> bool:
        return self.loop.now_ns < self.silent_until_ns

    def _tick(self) -> None:
        if not self.silent:
            self.session.tick()
        self.loop.after(SECOND, self._tick)

    def _move(self) -> None:
        rng = self.rng
        self.mid_e4 += rng.choice((0, 0, 100, -100, 200, -200))
        self.mid_e4 = min(1_030_000, max(970_000, self.mid_e4))
        if self.subscribed and not self.silent:
            self.say()
        self.loop.after(rng.randint(*self.pace_ms) * MS, self._move)

    def say(self) -> None:
        """One whole picture."""
        half = -300 if self.loop.now_ns < self.crossed_until_ns else 100
        bid, ask = self.mid_e4 - half, self.mid_e4 + half
        entries = [("0", bid, SHOWN), ("1", ask, SHOWN), ("2", bid, 1)]
        groups = "".join(
            f"269={kind}{SOH}270={decimal(price)}{SOH}271={size}{SOH}" for kind, price, size in entries
        )
        self.session.send("W", f"262=MD-1{SOH}55=SYN{SOH}268=3{SOH}{groups}")

    def halt(self, trading: bool) -> None:
        """35=f."""
        self.session.send("f", f"324=S{SOH}55=SYN{SOH}326={'3' if trading else '2'}{SOH}")

    def on_logon(self) -> None:
        pass

    def on_logout(self) -> None:
        self.subscribed = False

    def to_admin(self, out: Out) -> None:
        pass

    def to_app(self, out: Out) -> bool:
        return not out.poss_dup

    def from_admin(self, raw: str) -> None:
        pass

    def from_app(self, raw: str) -> None:
        if tags_of(raw)["35"] == "V":
            self.subscribed = True
            if not self.silent:
                self.say()

    def event(self, text: str) -> None:
        pass

    def tap(self, outgoing: bool, raw: str) -> None:
        pass

    def sent(self) -> None:
        pass
