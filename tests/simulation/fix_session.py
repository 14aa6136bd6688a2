"""A FIX session as quickfix 1.16 behaves: numbers, resend, gap fill, queue, heartbeats; both roles.

Written from its source's rules (decision 28), not with our codec. The suite in test_engine_conformance.py
runs the same scripts on this double, under the house's engine, and on quickfix itself. Framing (8, 9, 10) is
not simulated: one message is one text, and a bad checksum is a message that never came.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Protocol

from tests.simulation.loop import SECOND, Loop, Process
from tests.simulation.network import End

SOH: Final = "\x01"
ADMIN: Final = frozenset("0123457A") - {"7"}
LOGON_WAIT_NS: Final = 10 * SECOND
LOGOUT_WAIT_NS: Final = 2 * SECOND


class App(Protocol):
    """Who is told, and asked."""

    def on_logon(self) -> None: ...
    def on_logout(self) -> None: ...
    def to_admin(self, out: "Out") -> None: ...
    def to_app(self, out: "Out") -> bool: ...
    def from_admin(self, raw: str) -> None: ...
    def from_app(self, raw: str) -> None: ...
    def event(self, text: str) -> None: ...
    def tap(self, outgoing: bool, raw: str) -> None: ...
    def sent(self) -> None: ...


class Out:
    """One message about to leave."""

    __slots__ = ("body", "kind", "number", "poss_dup", "raw")

    def __init__(self, kind: str, body: str, number: int, poss_dup: bool = False) -> None:
        self.kind, self.body, self.number, self.poss_dup = kind, body, number, poss_dup
        self.raw = ""


def tags_of(raw: str) -> dict[str, str]:
    """Return a message by tag."""
    return dict([f.split("=", 1) for f in raw.split(SOH)[:-1]])


@lru_cache(256)
def _second(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y%m%d-%H:%M:%S}"


class FixSession:
    """One session of one side."""

    def __init__(
        self,
        loop: Loop,
        names: tuple[str, str],
        app: App,
        owner: Process | None,
        wall_ns: Callable[[], int],
        *,
        initiator: bool,
        heartbeat_s: int,
        persist: bool,
        logon_fields: str = "",
    ) -> None:
        self.loop, self.app, self.owner, self.wall_ns = loop, app, owner, wall_ns
        self.sender, self.target = names
        self.initiator, self.persist, self.logon_fields = initiator, persist, logon_fields
        self.heartbeat_ns = heartbeat_s * SECOND
        self.next_out = self.next_in = 1
        self.store: dict[int, tuple[str, str]] = {}
        self.end: End | None = None
        self.enabled = True
        self.queue: dict[int, str] = {}
        self.dropped: Callable[[str], None] = lambda raw: None  # queued, and never looked at
        self._clear()

    def _clear(self) -> None:
        self.sent_logon = self.received_logon = self.sent_logout = False
        self.received_reset = False
        self.logout_reason = ""
        self._drop(max(self.queue, default=0) + 1)
        self.resend_from = 0
        self.resend_to = 0
        self.sent_ns = self.received_ns = self.loop.now_ns
        self.tests = 0

    @property
    def logged_on(self) -> bool:
        return self.sent_logon and self.received_logon

    # --- the line ---------------------------------------------------------------------------------

    def connected(self, end: End) -> None:
        """A connection stands; an initiator speaks first."""
        self._clear()
        self.end = end
        end.on_text, end.on_close = self.receive, self.disconnect
        if self.initiator:
            self.app.event("Created session")
            self._logon()

    def _logon(self) -> None:
        hb = self.heartbeat_ns // SECOND
        self._admin("A", f"98=0{SOH}108={hb}{SOH}{self.logon_fields}")
        self.sent_logon = True
        self.app.event("Initiated logon request" if self.initiator else "Responding to logon request")

    def disconnect(self) -> None:
        """The line is gone, or is ended."""
        end, self.end = self.end, None
        if end is not None:
            self.app.event("Disconnecting")
            end.close()
        if self.received_logon or self.sent_logon:
            self.received_logon = self.sent_logon = False
            self.app.on_logout()
        self._clear()

    def tick(self) -> None:
        """Once a second: logon, heartbeats, time-outs."""
        if self.end is None:
            return
        now = self.loop.now_ns
        if not self.enabled and self.logged_on and not self.sent_logout:
            self._logout(self.logout_reason)
        if not self.received_logon:
            if now - self.sent_ns >= LOGON_WAIT_NS:
                self.app.event("Timed out waiting for logon response")
                self.disconnect()
            return
        if self.sent_logout and now - self.sent_ns >= LOGOUT_WAIT_NS:
            self.app.event("Timed out waiting for logout response")
            self.disconnect()
            return
        beat, silent = self.heartbeat_ns, now - self.received_ns
        if silent < beat and now - self.sent_ns < beat:
            return
        if silent >= beat * 24 // 10:
            self.app.event("Timed out waiting for heartbeat")
            self.disconnect()
        elif silent >= (self.tests + 1) * beat * 12 // 10:
            self.tests += 1
            self._admin("1", f"112=TEST{SOH}")
        elif now - self.sent_ns >= beat:
            self._admin("0", "")

    def logout(self, reason: str = "") -> None:
        """Say Logout at the next tick, and dial no more."""
        self.enabled, self.logout_reason = False, reason

    def _logout(self, text: str = "") -> None:
        self.sent_logout = True
        self._admin("5", f"58={text}{SOH}" if text else "")

    # --- sending ----------------------------------------------------------------------------------

    def _raw(self, out: Out) -> str:
        wall = self.wall_ns()
        time = f"{_second(wall // SECOND)}.{wall // 1_000_000 % 1000:03d}"
        dup = f"43=Y{SOH}122={time}{SOH}" if out.poss_dup else ""
        head = f"8=FIX.4.4{SOH}9=0{SOH}35={out.kind}{SOH}34={out.number}{SOH}49={self.sender}{SOH}"
        return f"{head}52={time}{SOH}56={self.target}{SOH}{dup}{out.body}10=000{SOH}"

    def _put(self, raw: str) -> bool:
        self.app.tap(True, raw)
        self.sent_ns = self.loop.now_ns
        if self.end is None:
            return False
        self.end.send(raw)
        self.app.sent()
        return True

    def _count(self, out: Out) -> None:
        if self.persist:
            self.store[out.number] = (out.kind, out.body)
        self.next_out = out.number + 1

    def _admin(self, kind: str, body: str) -> None:
        out = Out(kind, body, self.next_out)
        out.raw = self._raw(out)
        self.app.to_admin(out)
        out.raw = self._raw(out)
        self._count(out)
        if kind in "A524" or self.logged_on:
            self._put(out.raw)

    def send(self, kind: str, body: str) -> bool:
        """sendToTarget: False where `to_app` says DoNotSend; True even where nobody is logged on."""
        out = Out(kind, body, self.next_out)
        out.raw = self._raw(out)
        if not self.app.to_app(out):
            return False
        self._count(out)
        if self.logged_on:
            self._put(out.raw)
        return True

    def _gap_fill(self, first: int, after: int) -> None:
        body = f"36={after}{SOH}123=Y{SOH}"
        out = Out("4", body, first, poss_dup=True)
        out.raw = self._raw(out)
        self.app.to_admin(out)
        self._put(out.raw)

    def _resend(self, first: int, last: int) -> None:
        last = self.next_out - 1 if last == 0 else min(last, self.next_out - 1)
        if not self.persist:
            self._gap_fill(first, last + 1)
            return
        gap = 0
        for number in range(first, last + 1):
            kind, body = self.store.get(number, ("0", ""))
            out = Out(kind, body, number, poss_dup=True)
            out.raw = self._raw(out)
            if kind in ADMIN or not self.app.to_app(out):
                gap = gap or number
                continue
            if gap:
                self._gap_fill(gap, number)
                gap = 0
            self._put(out.raw)
        if gap:
            self._gap_fill(gap, last + 1)

    # --- receiving --------------------------------------------------------------------------------

    def receive(self, raw: str) -> None:
        """One message of the other side."""
        self.app.tap(False, raw)
        self._next(raw)

    def _next(self, raw: str) -> None:
        tags = tags_of(raw)
        kind = tags["35"]
        valid = (kind == "A") != self.received_logon or kind in "34" or (kind == "5" and self.sent_logon)
        if not valid and not self.received_reset:
            self.app.event("Logon state is not valid for message")
            self.disconnect()
            return
        rule = getattr(self, f"_take_{kind}", None)
        if rule is not None:
            rule(raw, tags)
        elif self._verify(raw, tags):
            self.next_in += 1
        if self.end is not None:
            self._next_queued()

    def _next_queued(self) -> None:
        while self.end is not None and self.next_in in self.queue:
            raw = self.queue.pop(self.next_in)
            tags = tags_of(raw)
            if tags["35"] in "A2":
                self.next_in += 1
            else:
                self._next(raw)

    def _drop(self, before: int) -> None:
        for number in [n for n in self.queue if n < before]:
            self.dropped(self.queue.pop(number))

    def _verify(self, raw: str, tags: dict[str, str], high: bool = True, low: bool = True) -> bool:
        number = int(tags["34"])
        if high and number > self.next_in:
            self._too_high(raw, number)
            return False
        if low and number < self.next_in:
            if tags.get("43") != "Y":
                text = f"MsgSeqNum too low, expecting {self.next_in} but received {number}"
                self.app.event(text)
                self._logout(text)
                self.disconnect()
            return False
        if (high or low) and self.resend_to and number >= self.resend_to:
            self.resend_from = self.resend_to = 0
        self.received_ns, self.tests = self.loop.now_ns, 0
        (self.app.from_admin if tags["35"] in ADMIN else self.app.from_app)(raw)
        return True

    def _too_high(self, raw: str, number: int) -> None:
        self.queue[number] = raw
        if self.resend_to and number >= self.resend_from:
            return
        self.resend_from, self.resend_to = self.next_in, number - 1
        self._admin("2", f"7={self.next_in}{SOH}16=0{SOH}")

    def _take_A(self, raw: str, tags: dict[str, str]) -> None:  # noqa: N802
        if not self.enabled:
            self.disconnect()
            return
        if tags.get("141") == "Y":
            self.app.event("Logon contains ResetSeqNumFlag=Y, resetting sequence numbers to 1")
            self.received_reset = True
            self.next_out = self.next_in = 1
            self.store.clear()
        if not self._verify(raw, tags, high=False):
            return
        self.received_logon = True
        if not self.initiator:
            self.heartbeat_ns = int(tags.get("108", "10")) * SECOND
        if not self.initiator or self.received_reset:
            self._logon()
        else:
            self.app.event("Received logon response")
        self.received_reset = False
        number = int(tags["34"])
        if number > self.next_in:
            self._too_high(raw, number)
        else:
            self.next_in += 1
        if self.logged_on:
            self.app.on_logon()

    def _take_5(self, raw: str, tags: dict[str, str]) -> None:
        if not self._verify(raw, tags, high=False, low=False):
            return
        if not self.sent_logout:
            self.app.event("Received logout request")
            self._logout()
            self.app.event("Sending logout response")
        else:
            self.app.event("Received logout response")
        self.next_in += 1
        self.disconnect()

    def _take_2(self, raw: str, tags: dict[str, str]) -> None:
        if not self._verify(raw, tags, high=False, low=False):
            return
        self._resend(int(tags["7"]), int(tags["16"]))
        if int(tags["34"]) == self.next_in:
            self.next_in += 1

    def _take_4(self, raw: str, tags: dict[str, str]) -> None:
        fill = tags.get("123") == "Y"
        if not self._verify(raw, tags, high=fill, low=fill):
            return
        number = int(tags["36"])
        if number > self.next_in:
            self.next_in = number
            self._drop(number)
        elif number < self.next_in:
            text = "Value is incorrect (out of range) for this tag"
            self._admin("3", f"45={tags['34']}{SOH}372=4{SOH}373=5{SOH}58={text}{SOH}")
            if int(tags["34"]) == self.next_in:
                self.next_in += 1

    def _take_1(self, raw: str, tags: dict[str, str]) -> None:
        if self._verify(raw, tags):
            self._admin("0", f"112={tags.get('112', '')}{SOH}")
            self.next_in += 1

    def facts(self) -> dict[str, Any]:
        """Return what a person would look at."""
        return {"ours": self.next_out, "theirs": self.next_in, "on": self.logged_on}
