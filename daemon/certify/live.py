"""Plays cases against a real counterparty: ours leaves through the FIX engine, theirs is waited for.

Messages are stepped in the order in which they come, each where a `<` line claims it; what no line claims
fails the case. Time is the machine's; TransactTime(60) is the wall's, while the gate's market time is a
trading day's that is always open: a certification may be at night.
"""

import asyncio
import time
from collections import deque
from typing import Final

from daemon.certify.desk import OPEN_NS, Desk
from daemon.certify.notation import Case, Line, Who
from daemon.certify.play import Mismatch, Player
from daemon.certify.words import REPORTS
from daemon.gate.recovery import event_of
from gateways.fix.reference import Reference
from gateways.fix.sessions import REFERENCE, Alarm, LoggedOn, LoggedOut, Message, Received
from market import events as ev

POLL_S: Final = 0.02  # between two looks at what came; a person does not notice, a core hardly
HEARD_MAX: Final = 10_000  # messages that wait to be claimed: a broker that floods fails the case
LOGON_WAIT_S: Final = 30.0  # engines dial again each second; brokers take their time after a logout
CLEAN_WAIT_S: Final = 10.0  # for the cancels at the end of a case
SETTLE_S: Final = 1.0  # for what may come, where nothing must follow


class Silent(Exception):  # noqa: N818
    """The session never came up: there is nothing to certify against."""


class Wire:
    """The sessions as a case sees them: up or down, and what came."""

    def __init__(self) -> None:
        self.up = False
        self.reason = ""
        self.heard: deque[str] = deque(maxlen=HEARD_MAX)
        self.desk: Desk | None = None
        self.reference: Reference | None = None
        self.prices: ev.ReferencePrice | None = None
        self.priced = asyncio.Event()

    def inbox(self, session: str, message: Message) -> None:
        """Take what the engine says (on the loop)."""
        if session == REFERENCE and self.reference is not None:
            for event in self.reference.receive(message):
                if isinstance(event, ev.ReferencePrice):
                    self._priced(event)
        elif isinstance(message, LoggedOn):
            self.up = True
        elif isinstance(message, LoggedOut):
            self.up, self.reason = False, message.reason
        elif isinstance(message, Received):
            self.heard.append(message.raw)
        elif isinstance(message, Alarm) and self.desk is not None:
            self.desk.step(ev.EngineAlarm(text=message.text, fatal=message.fatal))

    def _priced(self, event: ev.ReferencePrice) -> None:
        if event.bid_e4 and event.ask_e4:
            self.prices = event
            self.priced.set()
        if self.desk is not None and event.bid_e4 and event.ask_e4:
            self.desk.price(event.bid_e4, event.ask_e4)


def clock() -> ev.Stamp:
    """Return now: machine time, and a market time that runs beside it through an open day."""
    now_ns = time.monotonic_ns()
    return ev.Stamp(OPEN_NS + now_ns - STARTED_NS, now_ns)


STARTED_NS: Final = time.monotonic_ns()


class LivePlayer(Player):
    """One case on one desk, over the wire."""

    def __init__(self, case: Case, desk: Desk, wire: Wire, wait_s: float) -> None:
        super().__init__(case, desk)
        self._wire, self._wait_s = wire, wait_s
        self._began_s = time.monotonic()
        self.passed: list[int] = []  # numbers of the lines that held
        self.skipped: list[int] = []  # `<?` that did not come

    async def play(self) -> None:
        """Play every line.

        Raises:
            Mismatch: a line does not hold.

        """
        await self._begin()
        lines = deque(self.case.lines)
        while lines:
            line = lines.popleft()
            if line.who is not Who.MAYBE:
                await self._play_line(line)
                continue
            group = [line]
            while lines and lines[0].who is Who.MAYBE:
                group.append(lines.popleft())
            await self._perhaps(group, due=bool(lines) and lines[0].who is Who.THEIRS)
        self.nothing_else()
        if self._wire.heard:
            raise self.fault(None, f"it said more than the case: {_readable(self._wire.heard[0])}")
        self.finish()

    async def clean(self) -> list[str]:
        """Cancel what the case left; return what is not confirmed."""
        self._hear_all()
        self.desk.step(ev.Shutdown())
        deadline = time.monotonic() + CLEAN_WAIT_S
        while self.desk.core.open_orders and time.monotonic() < deadline and self._wire.up:
            self._hear_all()
            await self._tick()
        self.desk.sent.clear()
        return [chain.cl_ord_id for chain in self.desk.core.state.live_chains()]

    async def _begin(self) -> None:
        self._wire.heard.clear()
        await self._logged_on()
        self.begin()
        deadline = time.monotonic() + LOGON_WAIT_S
        while not self.desk.core.state.session.trading:
            self._hear_all()
            if time.monotonic() > deadline:
                raise self.fault(None, "the gate does not come to trade: its questions have no answer")
            await self._tick()
        waited = time.monotonic() + 1.1  # R20 counts the first second as full
        while time.monotonic() < waited:
            await self._tick()
        self.desk.sent.clear()
        self._began_s = time.monotonic()

    async def _logged_on(self) -> None:
        deadline = time.monotonic() + LOGON_WAIT_S
        while not self._wire.up:
            if time.monotonic() > deadline:
                raise Silent(self._wire.reason or f"no logon within {LOGON_WAIT_S:g} s")
            await asyncio.sleep(POLL_S)

    async def _play_line(self, line: Line) -> None:
        await self._until_time(line)
        if line.who is Who.GATE:
            await self._until_sent()
        else:
            self.nothing_else(line)
        if line.who is Who.THEIRS:
            await self._theirs(line)
        elif line.who is Who.EVENT:
            await self._happen(line)
        else:
            self.ours(line)
        self.check(line)
        self.passed.append(line.number)

    async def _until_time(self, line: Line) -> None:
        while time.monotonic() < self._began_s + line.at / 10:
            await self._tick()

    async def _until_sent(self) -> None:
        deadline = time.monotonic() + self._wait_s
        while not self.desk.sent and time.monotonic() < deadline:
            await self._tick()

    async def _theirs(self, line: Line) -> None:
        deadline, heard = time.monotonic() + self._wait_s, 0
        while True:
            while not self._wire.heard and time.monotonic() < deadline:
                await self._tick()
            raw = self._wire.heard[0] if self._wire.heard else ""
            difference = self._differs(line, raw) if raw else f"nothing came within {self._wait_s:g} s"
            if difference and heard and line.expected is None:
                return
            if difference:
                raise self.fault(line, f"{difference}: {_readable(raw)}")
            self._hear(self._wire.heard.popleft())
            heard += 1
            if "many" not in line.options or (line.expected is not None and self._holds(line)):
                return

    async def _perhaps(self, group: list[Line], *, due: bool) -> None:
        """Take what may come, in any order, until something else comes, or for a while where nothing must."""
        await self._until_time(group[0])
        self.nothing_else(group[0])
        deadline = time.monotonic() + (self._wait_s if due else SETTLE_S)
        open_lines = list(group)
        while open_lines and time.monotonic() < deadline:
            if not self._wire.heard:
                await self._tick()
                continue
            raw = self._wire.heard[0]
            line = next((line for line in open_lines if not self._differs(line, raw)), None)
            if line is None:
                break
            self._hear(self._wire.heard.popleft())
            self.check(line)
            self.passed.append(line.number)
            if "many" not in line.options:
                open_lines.remove(line)
        self.skipped += [line.number for line in open_lines if line.number not in self.passed]

    def _holds(self, line: Line) -> bool:
        try:
            self.check(line)
        except Mismatch:
            return False
        return True

    def _differs(self, line: Line, raw: str) -> str:
        """Return how a message is not what a line says, "" where it is."""
        event = event_of(raw, {})
        if line.verb in REPORTS:
            if not isinstance(event, ev.ExecutionReport) or event.exec_type is not REPORTS[line.verb]:
                return f"this is no {line.verb}"
            if line.status is not None and event.ord_status is not line.status:
                return f"OrdStatus is {event.ord_status.name.lower()}"
            said = (event.order_qty or 0, event.cum_qty, event.leaves_qty, event.last_qty)
            if line.numbers and said[: len(line.numbers)] != line.numbers:
                return "OrderQty CumQty LeavesQty LastQty are " + " ".join(
                    map(str, said[: len(line.numbers)])
                )
            return self._ids_differ(line, event.cl_ord_id, event.orig_cl_ord_id or "")
        if line.verb == "cancel_reject":
            if not isinstance(event, ev.OrderCancelReject):
                return "this is no cancel reject"
            if line.status is not None and event.ord_status is not line.status:
                return f"OrdStatus is {event.ord_status.name.lower()}"
            return self._ids_differ(line, event.cl_ord_id, "")
        kinds = {"business_reject": ev.MessageRejected, "session_reject": ev.MessageRejected}
        kind = kinds.get(line.verb, ev.MassCancelReport)
        return "" if isinstance(event, kind) else f"this is no {line.verb}"

    def _ids_differ(self, line: Line, cl_ord_id: str, orig: str) -> str:
        if self.ids.get(line.name, line.name) != (cl_ord_id or "NONE"):
            return f"ClOrdID is {self.said(cl_ord_id)}"
        if line.orig and orig and self.ids.get(line.orig, line.orig) != orig:
            return f"OrigClOrdID is {self.said(orig)}"
        return ""

    async def _happen(self, line: Line) -> None:
        if line.verb in ("down", "up"):
            self.session(line.verb == "up")
            deadline = time.monotonic() + LOGON_WAIT_S
            while self._wire.up != (line.verb == "up"):
                if time.monotonic() > deadline:
                    raise self.fault(line, f"the session does not go {line.verb}")
                await asyncio.sleep(POLL_S)
        self.event(line)

    def session(self, up: bool) -> None:
        """Log the session on or out; set by who owns the engine."""
        raise NotImplementedError

    def _hear_all(self) -> None:
        while self._wire.heard:
            self._hear(self._wire.heard.popleft())

    def _hear(self, raw: str) -> None:
        event = event_of(raw, self.desk.profile.ours())
        if event is not None:
            self.desk.step(event)

    async def _tick(self) -> None:
        await asyncio.sleep(POLL_S)
        self.desk.timer()


def _readable(raw: str) -> str:
    return raw.replace("\x01", "|")[:400]
