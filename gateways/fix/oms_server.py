"""The OMS port: an acceptor in plain asyncio that listens on loopback alone.

    server = OmsServer(ours, sessions, tap)
    port = await server.listen(host, port)     # EngineError: one line
    server.close()                             # log out, hang up

A connection's first message is a Logon that names a session by its CompIDs; anybody else is cut off without a
word. One connection a session: a second one is closed, and the first goes on.
"""

import asyncio
import fcntl
import ipaddress
import sys
import termios
import time
from collections.abc import Callable
from typing import Final, cast

import structlog

from gateways.fix.oms_frames import Frames, TooLong
from gateways.fix.oms_session import OmsSession
from gateways.fix.sessions import EngineError
from gateways.fix.tap import Tap
from gateways.fix.wire import SOH, fields
from market.types import NS

CONNECTIONS_MAX: Final = 16  # at once, those that have not logged on included
LOGON_WAIT_S: Final = 5.0  # for the first message of a connection
SECOND_LOOK_S: Final = 0.1  # from a Logon of a session that is up until it is refused
HELD_MAX: Final = 16  # messages of a connection that is not logged on yet
TICK_S: Final = 0.2  # between two looks at heartbeats
BEHIND_S: Final = 0.005  # ... and at what waits to be sent, in pieces: 20,000 messages a second at most
FULL_BYTES: Final = 1_048_576  # unread by an OMS: what is not urgent waits
UNREAD_BYTES_MAX: Final = 16 * 1_048_576  # of an OMS that does not read; it gets the rest at its next logon
UNREAD_TOLD_S: Final = 5  # no byte of what waits was taken: that is told
UNREAD_WAIT_S: Final = 60  # ... until the line is cut: the longest heartbeat of a session is a minute
SECRET: Final = "554="  # noqa: S105  (the tag of a Password, which no log may hold)
log = structlog.get_logger()


class OmsServer:
    """Listens, and hands each connection to the session that it names."""

    def __init__(
        self,
        ours: str,
        sessions: dict[str, OmsSession],
        tap: Tap | None = None,
        mono_ns: Callable[[], int] = time.monotonic_ns,
        unread: Callable[[float], None] = lambda _: None,
    ) -> None:
        """`unread` is told how many bytes wait to be read, all sessions together."""
        self.ours, self.sessions = ours, sessions
        self.tap, self.mono_ns, self._unread = tap, mono_ns, unread
        self.refused = 0
        self._open: dict[Connection, None] = {}  # oldest first
        self._server: asyncio.AbstractServer | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def listen(self, host: str, port: int) -> int:
        """Begin to listen; return the port.

        Raises:
            EngineError: the address is not this host's own, or the port is busy.

        """
        if not ipaddress.ip_address(host).is_loopback:
            raise EngineError(f"gate.oms.host {host}: loopback alone; a TLS forwarder stands in front of it")
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: Connection(self), host, port)
        except OSError as error:
            raise EngineError(f"gate.oms.port {port}: {error.strerror}") from None
        self._tick()
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Log every OMS out."""
        if self._timer is not None:
            self._timer.cancel()
        if self._server is not None:
            self._server.close()
        for session in self.sessions.values():
            session.end("the gate stops")
        for connection in list(self._open):
            connection.close("the gate stops")

    def look(self) -> None:
        """Keep each line alive, or give it up."""
        now_ns = self.mono_ns()
        for session in self.sessions.values():
            session.tick(now_ns)
        self._unread(sum([connection.look(now_ns) for connection in list(self._open)]))

    def _tick(self) -> None:
        self.look()
        behind = any(session.is_behind for session in self.sessions.values())
        self._timer = asyncio.get_running_loop().call_later(BEHIND_S if behind else TICK_S, self._tick)

    def joined(self, connection: "Connection", peer: str) -> bool:
        """Take a connection in."""
        if not ipaddress.ip_address(peer).is_loopback or not self._has_room():
            self.refused += 1
            log.error("oms: connection refused", peer=peer, open=len(self._open))
            return False
        self._open[connection] = None
        return True

    def _has_room(self) -> bool:
        """Return whether one more may come; who has not logged on makes room, for he keeps nobody out."""
        if len(self._open) < CONNECTIONS_MAX:
            return True
        oldest = next((c for c in self._open if not c.is_logged_on), None)
        if oldest is not None:
            del self._open[oldest]
            oldest.close("room for another")
        return oldest is not None

    def left(self, connection: "Connection") -> None:
        """Forget a connection."""
        self._open.pop(connection, None)

    def is_taken(self, raw: str) -> bool:
        """Return whether a Logon names a session that is up."""
        session = self.sessions.get((fields(raw) or {}).get("49", ""))
        return session is not None and session.up

    def first(self, connection: "Connection", raw: str) -> OmsSession | None:
        """Return the session that a connection's first message logs on; None hangs up."""
        tags = fields(raw) or {}
        named = tags.get("35") == "A" and tags.get("8") == "FIX.4.4" and tags.get("56") == self.ours
        session = self.sessions.get(tags.get("49", "")) if named else None
        reason = "no such session" if session is None else session.logon(connection, raw, self.mono_ns())
        if session is None or reason:
            self.refused += 1
            log.error("oms: logon refused", comp_id=tags.get("49", "")[:20], reason=reason)
            return None
        return session


class Connection(asyncio.Protocol):
    """One connection of whoever dials."""

    def __init__(self, server: OmsServer) -> None:
        self._server = server
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self._session: OmsSession | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._held: list[str] = []  # messages that wait for a second look
        self._written = 0  # bytes
        self._left = 0  # ... that have left for the other side's kernel
        self._left_ns = server.mono_ns()  # when that was seen to move, or nothing waited
        self._told = False  # that nothing is read

    @property
    def is_logged_on(self) -> bool:
        """Return whether it is an OMS's."""
        return self._session is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a Logon, not for ever."""
        self._transport = cast(asyncio.Transport, transport)
        if not self._server.joined(self, transport.get_extra_info("peername")[0]):
            self._transport.abort()
            return
        self._patience = asyncio.get_running_loop().call_later(LOGON_WAIT_S, self.close, "no logon")

    def data_received(self, received: bytes) -> None:
        """Take whole messages."""
        try:
            messages = self._frames.feed(received)
        except TooLong as error:
            self._give_up(str(error))
            return
        for raw in messages:
            if self._transport is None or self._transport.is_closing():
                return
            self._record("IN", raw)
            if self._session is not None:
                self._session.receive(raw, self._server.mono_ns())
                continue
            if self._held or self._server.is_taken(raw):
                self._hold(raw)
            else:
                self._log_on(raw)

    def _log_on(self, raw: str) -> None:
        self._session = self._server.first(self, raw)
        self._stop_waiting()
        if self._session is None:
            self.close("logon refused")

    def _hold(self, raw: str) -> None:
        """Wait a moment where the session is taken: the end of its old line may not have been seen yet."""
        if not self._held:
            asyncio.get_running_loop().call_later(SECOND_LOOK_S, self._look_again)
        self._held.append(raw)
        if len(self._held) > HELD_MAX:
            self.close("more than a Logon before its answer")

    def _look_again(self) -> None:
        held, self._held = self._held, []
        for raw in held:
            if self._transport is None or self._transport.is_closing():
                return
            if self._session is not None:
                self._session.receive(raw, self._server.mono_ns())
            else:
                self._log_on(raw)

    def connection_lost(self, error: Exception | None) -> None:
        """The OMS went away."""
        self._stop_waiting()
        self._server.left(self)
        self._transport = None
        session, self._session = self._session, None
        if session is not None and session.holds(self):
            session.lost(str(error) if error else "the OMS closed the connection")

    def send(self, frame: bytes) -> None:
        """Send one message; an OMS that does not read is cut off."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > UNREAD_BYTES_MAX:
            self._give_up("it does not read")
            return
        self._record("OUT", frame.decode("utf-8", "surrogateescape"))
        self._written += len(frame)
        self._transport.write(frame)

    def look(self, now_ns: int) -> int:
        """Tell of, and in the end cut off, a side that reads nothing; return how many bytes wait for it."""
        if self._transport is None:
            return 0
        waits = self._transport.get_write_buffer_size() + in_kernel(self._transport)
        if not waits or self._written - waits != self._left:
            self._left, self._left_ns, self._told = self._written - waits, now_ns, False
            return waits
        silent_s = (now_ns - self._left_ns) // NS
        if silent_s >= UNREAD_WAIT_S:
            self._give_up(f"it read nothing for {silent_s} s, {waits} bytes wait")
        elif silent_s >= UNREAD_TOLD_S and not self._told and self._session is not None:
            self._told = True
            log.warning(
                "oms: it does not read",
                client=self._session.terms.client,
                unread_bytes=waits,
                mend=f"look at the OMS; after {UNREAD_WAIT_S} s it is cut off; its logon gets the rest",
            )
        return waits

    def is_full(self) -> bool:
        """Return whether so much waits to be read that more should wait here."""
        return self._transport is not None and self._transport.get_write_buffer_size() > FULL_BYTES

    def close(self, reason: str) -> None:
        """Hang up after what was sent has left."""
        log.info("oms: connection closed", reason=reason)
        self._stop_waiting()
        if self._transport is not None:
            self._transport.close()

    def _give_up(self, reason: str) -> None:
        client = self._session.terms.client if self._session is not None else ""
        log.error("oms: connection closed", client=client, reason=reason)
        if self._session is not None and self._session.holds(self):
            self._session.lost(reason)
        if self._transport is not None:
            self._transport.abort()

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _record(self, direction: str, raw: str) -> None:
        if self._server.tap is None:
            return
        if SECRET in raw:
            raw = SOH.join(f"{SECRET}***" if f.startswith(SECRET) else f for f in raw.split(SOH))
        self._server.tap.write(direction, raw)


def in_kernel(transport: asyncio.Transport) -> int:
    """Return the bytes that our kernel holds since the other has no room; they move while it reads."""
    found = transport.get_extra_info("socket")
    try:
        held = fcntl.ioctl(found.fileno(), termios.TIOCOUTQ, bytes(4))
    except (OSError, ValueError):
        return 0  # closed by now
    return int.from_bytes(held, sys.byteorder)
