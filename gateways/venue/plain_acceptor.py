"""The venue's own FIX acceptor: plain asyncio, no engine, no codec; for scenarios whose bytes go wrong.

One port a session, on loopback. A second client of a session that is up is cut off. It also serves
raw-byte tests of any client, with `steadyhand venue --acceptor plain`.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

from gateways.fix.sessions import NO_OFFSET, Inbox, LoggedOn, LoggedOut, Received, SessionSpec
from gateways.fix.settings import listening_port
from gateways.fix.tap import Tap
from gateways.venue import actions as a
from gateways.venue.director import AnswerToLogon
from gateways.venue.line import Marks
from gateways.venue.plain_session import PlainSession

log = structlog.get_logger()

LOCALHOST: Final = "127.0.0.1"
TICK_S: Final = 0.25  # heartbeats are whole seconds
CONNECTIONS_MAX: Final = 16  # of one session that wait to log on or for a dead line to live again
SECOND_S: Final = 0.1  # a second client of a session waits so long for the first to be gone
EARLY_BYTES_MAX: Final = 1 << 14  # a Logon, and what a client in a hurry says after it
WRITE_BYTES_MAX: Final = 8 << 20  # not read by the client; the engine's limit is memory
AskLogon = Callable[[str], AnswerToLogon | None]  # None: it is answered by a Logon, as ever


class PlainAcceptor:
    """Every session of a venue."""

    def __init__(
        self,
        specs: list[SessionSpec],
        tap: Path | None,
        inbox: Inbox,
        logon: AskLogon,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._sides = {spec.name: Side(spec, inbox, logon, Tap(tap) if tap else None) for spec in specs}
        self._loop = loop

    async def listen(self) -> None:
        """Open the ports; EngineError: one is busy."""
        for side in self._sides.values():
            await side.listen(self._loop)
        self._tick()

    def stop(self) -> None:
        """Log out and close."""
        for side in self._sides.values():
            side.stop()

    def send(self, name: str, body: str) -> bool:
        """Send a body; False: nobody is logged on."""
        return self._sides[name].session.send(body)

    def send_marked(self, name: str, body: str, marks: Marks) -> bool:
        """Send a body, with what happens to its bytes."""
        return self._sides[name].session.send(body, marks)

    def logged_on(self, name: str) -> bool:
        """Return whether a client is there."""
        return self._sides[name].session.logged_on

    def port(self, name: str) -> int:
        """Return where a session listens."""
        return self._sides[name].port

    def sent(self, name: str) -> int:
        """Return how many application messages were sent since logon."""
        return self._sides[name].session.sent

    def command(self, action: a.LineAction, begin: bool) -> None:
        """Let something begin, or end, on a session."""
        assert isinstance(action, a.OfSession), "what has no session does not come here"
        self._sides[action.session].command(action, begin)

    def _tick(self) -> None:
        for side in self._sides.values():
            side.session.tick()
        self._loop.call_later(TICK_S, self._tick)


class Side:
    """One session's port and connections; the session's host."""

    def __init__(self, spec: SessionSpec, inbox: Inbox, logon: AskLogon, tap: Tap | None) -> None:
        self.spec = spec
        self.port = spec.port
        self.session = PlainSession(spec.sender_comp_id, spec.target_comp_id, spec.version, self)
        self.closed = False  # nobody gets through
        self.current: Connection | None = None  # whose bytes are the session's
        self.connections: dict[Connection, None] = {}  # oldest first
        self._inbox = inbox
        self._ask = logon
        self._tap = tap
        self._server: asyncio.Server | None = None

    async def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Open the port."""
        self.port = listening_port(self.spec.port)
        listener = socket.create_server((LOCALHOST, self.port))
        self._server = await loop.create_server(lambda: Connection(self), sock=listener)

    def stop(self) -> None:
        """Say goodbye, and close."""
        if self.session.logged_on and not self.session.frozen:
            self.session.log_out("")
        if self._server is not None:
            self._server.close()
        for connection in tuple(self.connections):
            connection.transport.close()
        if self._tap is not None:
            self._tap.sync()

    def command(self, action: a.OfSession, begin: bool) -> None:
        """Let something begin, or end."""
        session = self.session
        match action:
            case a.Disconnect(seconds=seconds):
                self.closed = begin and seconds > 0
                if begin and self.current is not None:
                    self.current.transport.abort()
            case a.LogOut(text=text, seconds=seconds):
                self.closed = begin and seconds > 0
                if begin and session.logged_on:
                    session.log_out(text)
            case a.HalfOpen():
                session.frozen = begin
                self._hear(not begin)
            case a.SlowReader():
                session.deaf = begin
                self._hear(not begin)
            case a.Skew(by=by):
                session.skew_ns = round(by * 1e9) if begin else 0
            case a.NoResend():
                session.no_resend = begin
            case a.ResetSequence(by=by) if session.logged_on:
                session.reset_sequence(by)

    def _hear(self, again: bool) -> None:
        for connection in self.connections:
            if again:
                connection.transport.resume_reading()
            else:
                connection.transport.pause_reading()
        if again:
            self.session.awake()

    # --- connections --------------------------------------------------------------------------------

    def came(self, connection: "Connection") -> None:
        """Somebody dialled."""
        if self.closed:
            connection.transport.abort()
            return
        if len(self.connections) >= CONNECTIONS_MAX:  # who says nothing keeps nobody out
            oldest = next(c for c in self.connections if c is not self.current)
            del self.connections[oldest]
            oldest.transport.abort()
        self.connections[connection] = None
        if self.session.frozen or self.session.deaf:
            connection.transport.pause_reading()

    def heard_from(self, connection: "Connection", data: bytes) -> None:
        """Take what a connection says; a session has one at a time."""
        if self.current is None:
            self._adopt(connection)
        if connection is self.current:
            self.session.received(data)
            return
        if not connection.early:  # the one before may be gone and only not yet be seen to be
            asyncio.get_running_loop().call_later(SECOND_S, self._look_again, connection)
        connection.early += data
        if len(connection.early) > EARLY_BYTES_MAX:
            connection.transport.abort()

    def _look_again(self, connection: "Connection") -> None:
        early, connection.early = connection.early, b""
        if self.current not in (None, connection):
            if self.session.logged_on:
                connection.transport.abort()
                return
            self.current.transport.abort()  # half a Logon keeps nobody out
            self.went(self.current, "another client logs on")
        if connection in self.connections:
            self.heard_from(connection, early)

    def went(self, connection: "Connection", reason: str) -> None:
        """A connection is gone."""
        self.connections.pop(connection, None)
        if connection is self.current:
            self.current = None
            self.session.lost(reason)

    def _adopt(self, connection: "Connection") -> None:
        self.current = connection
        self.session.connected()

    # --- what a session asks of its host ------------------------------------------------------------

    def write(self, frame: bytes) -> None:
        """Send bytes."""
        self.tapped("OUT", frame)
        if self.current is not None and not self.current.transport.is_closing():
            self.current.transport.write(frame)
            if self.current.transport.get_write_buffer_size() > WRITE_BYTES_MAX:
                log.warning("client_does_not_read", session=self.spec.name)
                self.current.transport.abort()

    def close(self) -> None:
        """Close the line, after what was written."""
        if self.current is not None:
            self.current.transport.close()

    def logon(self) -> AnswerToLogon | None:
        """How a Logon is answered."""
        return self._ask(self.spec.name)

    def logged_on(self, fields: dict[str, str]) -> None:
        """The session is up."""
        self._inbox(self.spec.name, LoggedOn(fields))

    def logged_out(self, reason: str) -> None:
        """It is down."""
        self._inbox(self.spec.name, LoggedOut(reason))

    def took(self, raw: str, n: int) -> None:
        """An application message."""
        self._inbox(self.spec.name, Received(raw, NO_OFFSET, time.monotonic_ns(), n))

    def tapped(self, direction: str, frame: bytes) -> None:
        """Keep a frame as it crossed the line."""
        if self._tap is not None:
            self._tap.write(direction, frame.decode("utf-8", "surrogateescape"))

    def now_ns(self) -> int:
        """Wall time."""
        return time.time_ns()

    def mono_s(self) -> float:
        """Machine time."""
        return time.monotonic()


class Connection(asyncio.Protocol):
    """One TCP connection."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self.transport: Any = None
        self.early = b""  # what it said while another one was the session's

    def connection_made(self, transport: Any) -> None:
        """Somebody dialled."""
        self.transport = transport
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._side.came(self)

    def data_received(self, data: bytes) -> None:
        """Hand over."""
        self._side.heard_from(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._side.went(self, str(exc) if exc else "the line broke")
