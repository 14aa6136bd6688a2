"""SoupBinTCP 4.1: how a sequenced feed travels over TCP; packets, and the client's side of a session.

`ClientSession` is pure: bytes and times in, calls to a listener out. `SoupClient` gives it a socket:
it dials, logs in from the next sequence number that it has not seen, and dials again when the line
breaks, so a listener sees every message once and in order. It trusts no length and no packet type.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from gateways.feeds.soupbintcp_kernels import BAD_PACKET, scan_run

log = structlog.get_logger()

HEARTBEAT_S = 1.0  # the standard's interval, for both sides
SILENCE_S = 5.0  # five heartbeats missed: the line is dead, whatever TCP believes
LOGIN_S = 10.0  # an answer to a login that takes longer is not coming
RECONNECT_S = 0.5  # between two attempts; a venue that starts is up within seconds
READ_BYTES = 1 << 18  # one read: 256 KiB, 6,000 messages, about 1.5 ms of work for a trader
PACKET_BYTES_MAX = 1 << 12  # no ITCH message is longer than 50 bytes; a longer packet is not ours
LOGIN_REQUEST_BYTES = 47
HEARTBEAT_CLIENT: Final = b"\x00\x01R"
HEARTBEAT_SERVER: Final = b"\x00\x01H"
END_OF_SESSION: Final = b"\x00\x01Z"
LOGOUT: Final = b"\x00\x01O"


class Login(NamedTuple):
    """What a client asks for: `session` blank = the current one, `next_seq` 0 = from now on."""

    username: str
    password: str
    session: str = ""
    next_seq: int = 1


def packet(kind: str, payload: bytes = b"") -> bytes:
    """Return one packet: big-endian length of the rest, type, payload."""
    return (len(payload) + 1).to_bytes(2, "big") + kind.encode() + payload


def encode_login(login: Login) -> bytes:
    """Return a login request: fields padded with spaces to 6, 10, 10 and 20 bytes."""
    text = f"{login.username:<6.6}{login.password:<10.10}{login.session:>10.10}{login.next_seq:>20}"
    return packet("L", text.encode("ascii"))


def decode_login(payload: bytes) -> Login | None:
    """Return the request in a payload of type L, None where it is not one."""
    if len(payload) != LOGIN_REQUEST_BYTES - 1 or not payload.isascii():
        return None
    text = payload.decode("ascii")
    number = text[26:46].strip()
    if not number.isdigit():
        return None
    return Login(text[:6].rstrip(), text[6:16].rstrip(), text[16:26].strip(), int(number))


def encode_accepted(session: str, next_seq: int) -> bytes:
    """Return a login acceptance."""
    return packet("A", f"{session:>10.10}{next_seq:>20}".encode("ascii"))


def encode_rejected(reason: str) -> bytes:
    """Return a login rejection: A = not authorised, S = no such session."""
    return packet("J", reason.encode("ascii"))


class FeedListener(Protocol):
    """Who listens to a client. Nothing here may block."""

    def feed_up(self, session: str, next_seq: int) -> None:
        """Logged in; the next message will be `next_seq`."""

    def feed_bytes(self, packets: memoryview, first_seq: int, mono_ns: int) -> None:
        """Whole packets of one read, sequenced ones and heartbeats, valid only during the call.

        `first_seq` belongs to the first sequenced packet; `mono_ns` is when the read was made.
        """

    def feed_idle(self, next_seq: int, mono_ns: int) -> None:
        """A server heartbeat: nothing was held back; we are up to date at `next_seq`."""

    def feed_down(self, reason: str) -> None:
        """The line is gone; the client dials again unless the session ended."""

    def feed_ended(self) -> None:
        """End of session: nothing more will come."""


class ProtocolError(Exception):
    """The other side does not speak SoupBinTCP."""


class ClientSession:
    """One session's life on the client's side, without a socket."""

    def __init__(self, listener: FeedListener, login: Login) -> None:
        self.login = login
        self.session = login.session
        self.next_seq = login.next_seq
        self.logged_in = False
        self.ended = False
        self.refused = ""  # why there is no use in dialling again
        self.gap = False  # ... because what we need next is not to be had any more
        self._listener = listener
        self._run: NDArray[np.int64] = np.zeros(4, dtype=np.int64)

    def request(self) -> bytes:
        """Return the login request that goes on where we are."""
        self.logged_in = False
        return encode_login(self.login._replace(session=self.session, next_seq=self.next_seq))

    def receive(self, buffer: memoryview, mono_ns: int) -> int:
        """Take whole packets from the front of `buffer`; return the bytes used.

        Raises:
            ProtocolError: the connection is of no use any more.

        """
        data = np.frombuffer(buffer, dtype=np.uint8)
        used = 0
        while True:
            error, end, sequenced, heartbeats = scan_run(data, used, PACKET_BYTES_MAX)
            if (sequenced or heartbeats) and not self.logged_in:
                raise ProtocolError("packets before the login was accepted")
            if sequenced:
                self._listener.feed_bytes(buffer[used:end], self.next_seq, mono_ns)
                self.next_seq += sequenced
            if heartbeats:
                self._listener.feed_idle(self.next_seq, mono_ns)
            if error == BAD_PACKET:
                raise ProtocolError(f"bad packet after sequence number {self.next_seq - 1}")
            length = int.from_bytes(buffer[end : end + 2], "big")
            if len(buffer) - end < 3 or len(buffer) - end < 2 + length:
                return int(end)
            self._control(chr(buffer[end + 2]), bytes(buffer[end + 3 : end + 2 + length]))
            used = end + 2 + length

    def _control(self, kind: str, payload: bytes) -> None:
        if kind == "A" and not self.logged_in:
            self._accepted(payload)
        elif kind == "J" and not self.logged_in:
            self.refused = f"login rejected: {payload[:1].decode('ascii', 'replace')}"
        elif kind == "Z":
            self.ended = True
            self._listener.feed_ended()
        elif kind != "+":  # debug text
            raise ProtocolError(f"packet type {kind!r} was not due")

    def _accepted(self, payload: bytes) -> None:
        number = payload[10:30].strip()
        if len(payload) != 30 or not number.isdigit():
            raise ProtocolError("malformed login acceptance")
        session, seq = payload[:10].decode("ascii", "replace").strip(), int(number)
        if self.session and session != self.session:
            self.refused = f"session {session} instead of {self.session}: the feed began anew"
        elif self.next_seq and seq != self.next_seq:
            self.refused = f"the feed goes on at {seq}, we need {self.next_seq}"
            self.gap = seq > self.next_seq
        if self.refused:
            raise ProtocolError(self.refused)
        self.session, self.next_seq, self.logged_in = session, seq, True
        self._listener.feed_up(session, seq)


class SoupClient(asyncio.BufferedProtocol):
    """A `ClientSession` with a socket, heartbeats and a watch on the line."""

    def __init__(
        self,
        listener: FeedListener,
        login: Login,
        mono_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.state = ClientSession(listener, login)
        self._listener = listener
        self._mono_ns = mono_ns
        self._memory = memoryview(bytearray(READ_BYTES))
        self._filled = 0
        self._transport: asyncio.Transport | None = None
        self._gone: asyncio.Event = asyncio.Event()
        self._stopped = False
        self._heard_s = 0.0
        self._reason = ""
        self._tick: asyncio.TimerHandle | None = None

    @property
    def next_seq(self) -> int:
        """Sequence number of the next message."""
        return self.state.next_seq

    async def run(self, host: str, port: int) -> None:
        """Keep the feed up until `close`, end of session or a refusal (`state.refused`)."""
        loop = asyncio.get_running_loop()
        failures = 0
        while not (self._stopped or self.state.ended or self.state.refused):
            self._gone.clear()
            try:
                await loop.create_connection(lambda: self, host, port)
            except OSError as error:
                failures += 1
                if failures == 1:
                    log.warning("feed_unreachable", host=host, port=port, error=str(error))
                await asyncio.sleep(RECONNECT_S)
                continue
            failures = 0
            await self._gone.wait()
            if not (self._stopped or self.state.ended or self.state.refused):
                await asyncio.sleep(RECONNECT_S)

    def close(self) -> None:
        """Log out and end `run`."""
        self._stopped = True
        if self._transport is not None:
            self._transport.write(LOGOUT)
            self._transport.close()
        self._gone.set()

    def connection_made(self, transport: Any) -> None:
        """Log in."""
        loop = asyncio.get_running_loop()
        self._transport, self._filled, self._reason = transport, 0, ""
        self._heard_s = loop.time()
        transport.write(self.state.request())
        self._tick = loop.call_later(HEARTBEAT_S, self._beat)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  (the loop's guess)
        """Return where the next read goes: behind the part of a packet that is still incomplete."""
        return self._memory[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Hand over what has come, in whole packets."""
        mono_ns = self._mono_ns()
        self._heard_s = asyncio.get_running_loop().time()
        stop = self._filled + nbytes
        try:
            used = self.state.receive(self._memory[:stop], mono_ns)
        except ProtocolError as error:
            self._drop(str(error))
            return
        if used:
            rest = bytes(self._memory[used:stop])
            self._memory[: len(rest)] = rest
        self._filled = stop - used
        if self.state.refused:
            self._drop(self.state.refused)
        elif self.state.ended and self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The line is gone."""
        self._transport = None
        if self._tick is not None:
            self._tick.cancel()
        if not self.state.ended:
            self._listener.feed_down(self._reason or (str(exc) if exc else "closed"))
        self._gone.set()

    def eof_received(self) -> bool:
        """The server closed its side: so do we."""
        return False

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        if self._transport is None:
            return
        silence_s = loop.time() - self._heard_s
        if silence_s > (SILENCE_S if self.state.logged_in else LOGIN_S):
            self._drop(f"silent for {silence_s:.1f} s")
            return
        self._transport.write(HEARTBEAT_CLIENT)
        self._tick = loop.call_later(HEARTBEAT_S, self._beat)

    def _drop(self, reason: str) -> None:
        log.warning("feed_dropped", reason=reason, next_seq=self.state.next_seq)
        self._reason = reason
        if self._transport is not None:
            self._transport.abort()


def warm() -> None:
    """Compile the kernel of the client (or load it from the cache)."""
    _, end, _, heartbeats = scan_run(np.zeros(3, dtype=np.uint8), 0, PACKET_BYTES_MAX)
    assert (end, heartbeats) == (0, 0), "a packet of length 0 is refused"
