"""The accepting side of an OMS session between two hands: messages written as text, answers read by tag."""

from datetime import UTC, datetime
from pathlib import Path

from gateways.fix.oms_frames import Frames
from gateways.fix.oms_session import OmsSession, Terms
from gateways.fix.oms_store import OmsStore

SOH = "\x01"
NS = 1_000_000_000
NOON_NS = 1_704_196_800 * NS


class OmsLine:
    """One session, its store, its desk and its wire, played by the test."""

    def __init__(self, folder: Path, **terms: object) -> None:
        self.folder = folder
        self.terms = Terms(client="OMS", ours="GATE", **terms)  # type: ignore[arg-type]
        self.now = 5 * NS
        self.taken: list[str] = []
        self.came: list[tuple[bool, bool, str]] = []
        self.bodies: list[str] = []
        self.answers: list[str] = []  # put into the outbox by each request
        self.closed = ""
        self.full = False
        self.frames = Frames()
        self.out: list[dict[str, str]] = []
        self.desk = _Desk(self)
        self.store = OmsStore(folder, "OMS")
        self.session = OmsSession(self.terms, self.store, self.desk, lambda: NOON_NS + self.now)

    def restart(self) -> None:
        """The process dies and begins again; what the journal makes is there at once."""
        self.store.close()
        self.store = OmsStore(self.folder, "OMS")
        self.closed = ""
        self.session = OmsSession(self.terms, self.store, self.desk, lambda: NOON_NS + self.now)

    # --- the OMS ----------------------------------------------------------------------------------

    def message(self, text: str, number: int, sent_ns: int | None = None) -> str:
        """Return a message as it comes off the wire."""
        at = datetime.fromtimestamp((NOON_NS + self.now if sent_ns is None else sent_ns) / NS, UTC)
        time = f"{at:%Y%m%d-%H:%M:%S}"
        kind, _, rest = text.partition("|")
        more = f"{rest}|" if rest else ""
        whole = f"8=FIX.4.4|9=0|{kind}|49=OMS|56=GATE|34={number}|52={time}|{more}10=000|"
        return whole.replace("|", SOH)

    def logon(self, number: int = 1, more: str = "") -> tuple[str, list[dict[str, str]]]:
        """Log on; return the refusal and what was said."""
        text = "35=A|98=0|108=10" + (f"|{more}" if more else "")
        return self.session.logon(self, self.message(text, number), self.now), self.said()

    def says(self, text: str, number: int, sent_ns: int | None = None) -> list[dict[str, str]]:
        """Send a message; return what was said."""
        self.session.receive(self.message(text, number, sent_ns), self.now)
        return self.said()

    def waits(self, seconds: float) -> list[dict[str, str]]:
        """Let time pass; return what was said."""
        self.now += int(seconds * NS)
        self.session.tick(self.now)
        return self.said()

    def said(self) -> list[dict[str, str]]:
        """Return what came since the last look, each by tag."""
        out, self.out = self.out, []
        return out

    # --- the desk and the wire ----------------------------------------------------------------------

    def report_up(self, body: str) -> None:
        """Put a report into the outbox."""
        self.bodies.append(body.replace("|", SOH))
        self.session.flush()

    def send(self, frame: bytes) -> None:
        for raw in self.frames.feed(frame):
            self.out.append(dict(f.split("=", 1) for f in raw.split(SOH)[:-1]))

    def is_full(self) -> bool:
        return self.full

    def close(self, reason: str) -> None:
        self.closed = reason


class _Desk:
    """The gate's side of a session."""

    def __init__(self, line: OmsLine) -> None:
        self.line = line

    def take(self, client: str, raw: str) -> None:
        assert client == "OMS"
        self.line.taken.append(raw)
        for body in self.line.answers:
            self.line.report_up(body)

    def session(self, _: str, up: bool, restate: bool, reason: str) -> None:
        self.line.came.append((up, restate, reason))

    def reports(self, _: str) -> int:
        return len(self.line.bodies)

    def report(self, _: str, place: int) -> str:
        return self.line.bodies[place]

    def full(self, _: str) -> str:
        return ""
