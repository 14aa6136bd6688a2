"""The lines of a running venue: what the cores decide goes on record, then on its way.

A report for a client that is away is kept until it is back. Cancel on disconnect is done where the
client asked for it at logon, unless the scenario that broke the line says otherwise.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from daemon.venue.outbound import Outbound
from gateways.fix.fix42 import told
from gateways.fix.sessions import DROP_COPY, FIX_44, ORDER, REFERENCE
from gateways.fix.wire import fields
from gateways.venue import actions as a
from gateways.venue.line import PLAIN, Marks
from market.types import EXECUTIONS

if TYPE_CHECKING:
    from daemon.venue.parts import Parts

log = structlog.get_logger()

OFFLINE_REPORTS_MAX: Final = 100_000  # kept for a client that is away; beyond it the run is not clean
CANCEL_ON_DISCONNECT: Final = "7001"  # our profile's Logon(A) field, "Y"


class Acceptor(Protocol):
    """What takes FIX connections: the engine, or the venue's own acceptor where bytes must go wrong."""

    def stop(self) -> None:
        """Log out."""

    def send(self, name: str, body: str) -> bool:
        """Send a body; False: refused here, no number used."""

    def logged_on(self, name: str) -> bool:
        """Return whether a client is there."""

    def port(self, name: str) -> int:
        """Return where a session listens."""

    def sent(self, name: str) -> int:
        """Return how many application messages were sent since logon."""


class FaultyAcceptor(Acceptor, Protocol):
    """One that lets bytes go wrong."""

    def send_marked(self, name: str, body: str, marks: Marks) -> bool:
        """Send a body, with what happens to its bytes."""

    def command(self, action: a.LineAction, begin: bool) -> None:
        """Let something begin, or end, on a session."""


class ClientLines:
    """Order session, reference session and feed, as the cores see them."""

    def __init__(self, record: Outbound, lost: Callable[[], None], version: str = FIX_44) -> None:
        """`lost`: reports had to be thrown away, the run is not clean; `version`: of the order session."""
        self._version = version
        self.record = record
        self.acceptor: Acceptor | None = None
        self.faulty: FaultyAcceptor | None = None  # the same, where it is one
        self.lockstep_report: Callable[[str], None] | None = None
        self._lost = lost
        self._parts: Parts | None = None
        self._offline: list[tuple[str, Marks]] = []
        self._copies: list[str] = []  # executions that the drop copy has not told yet
        self._asked = False  # the client wants its orders canceled when the line breaks
        self._cancel = "asked"  # what the scenario says of that, of the next break

    def bind(self, parts: "Parts") -> None:
        """Learn what it is that these lines belong to."""
        self._parts = parts

    # --- what the cores say -------------------------------------------------------------------------

    def report(self, body: str, marks: Marks) -> None:
        """A message of the order session: at once, in lockstep after the modelled latency."""
        self.record.report(self._now_ns, body, marks)
        if self.lockstep_report is not None:
            self.lockstep_report(body)
        else:
            self.send_report(body, marks)

    def reference(self, body: str) -> None:
        """A message of the reference session; who is not there misses it."""
        self.record.reference(self._now_ns, body)
        if self.acceptor is not None:
            self.acceptor.send(REFERENCE, body)

    def command(self, action: a.LineAction, begin: bool) -> None:
        """Let something happen to a line."""
        self.record.command(self._now_ns, action, begin)
        assert self._parts is not None, "bound at the start"
        match action:
            case a.Silence(of="feed", dead=dead):
                self._parts.server.silence(begin, dead)
            case a.FeedGap(messages=messages, line=line):
                self._parts.server.lose(messages, line)
            case a.FeedDisconnect():
                self._parts.server.disconnect()
            case a.Silence() | a.UnknownOrder():
                pass  # done where prices and orders are
            case _:
                assert self.faulty is not None, "refused at the start where there is none"
                if isinstance(action, a.Disconnect) and action.session == ORDER and begin:
                    self._cancel = action.cancel
                self.faulty.command(action, begin)

    def send_report(self, body: str, marks: Marks = PLAIN) -> None:
        """Send on the order session, or keep it until the client is back, behind what is kept already."""
        if not self._offline and self._send(body, marks):
            return
        if len(self._offline) >= OFFLINE_REPORTS_MAX:
            log.error("reports_lost", kept=OFFLINE_REPORTS_MAX)
            self._lost()
            return
        self._offline.append((body, marks))

    def _send(self, body: str, marks: Marks) -> bool:
        if self._version != FIX_44:
            body = told(body)
        if self.faulty is not None:
            return self.faulty.send_marked(ORDER, body, marks)
        return self.acceptor is not None and self.acceptor.send(ORDER, body)

    def copy(self, body: str) -> None:
        """Tell an execution on the drop copy session, or keep it until its client is there."""
        tags = fields(body) or {}
        if tags.get("35") != "8" or tags.get("150") not in EXECUTIONS:
            return
        if len(self._copies) >= OFFLINE_REPORTS_MAX:
            log.error("copies_lost", kept=OFFLINE_REPORTS_MAX)
            self._lost()
            return
        self._copies.append(body)
        self.send_copies()

    def send_copies(self) -> None:
        """Send what waits for the drop copy's client, in order."""
        while self._copies and self.acceptor is not None and self.acceptor.send(DROP_COPY, self._copies[0]):
            del self._copies[0]

    @property
    def _now_ns(self) -> int:
        return self._parts.exchange.now_ns if self._parts is not None else 0

    # --- the client ---------------------------------------------------------------------------------

    def client_came(self, fields: dict[str, str]) -> None:
        """The order session is up, with these fields of the client's Logon."""
        self._asked = fields.get(CANCEL_ON_DISCONNECT) == "Y"
        kept, self._offline = self._offline, []
        for body, marks in kept:
            self.send_report(body, marks)

    def client_went(self) -> bool:
        """The order session is gone; return whether its orders are to be canceled."""
        asked, self._asked = self._asked, False
        cancel, self._cancel = self._cancel, "asked"
        return cancel == "always" or (cancel == "asked" and asked)
