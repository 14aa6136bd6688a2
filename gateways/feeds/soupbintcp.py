"""SoupBinTCP 4.1, without a socket: how a sequenced feed travels over TCP.

Packets, and what each side makes of the other's bytes: a client's `ClientSession` (bytes and times in, calls
to a `FeedListener` out), a server's `ClientPackets`. No length and no packet type is trusted.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateways.feeds.listener import FeedListener
from gateways.feeds.soupbintcp_kernels import BAD_PACKET, scan_run

HEARTBEAT_S = 1.0  # the standard's interval, for both sides
LOGIN_S = 10.0  # an answer to a login that takes longer is not coming
PACKET_BYTES_MAX = 1 << 12  # no ITCH message is longer than 50 bytes; a longer packet is not ours
SEQ_MAX = 2**62  # of a login's answer: whatever is counted from there fits 64 bits
INBOUND_BYTES_MAX = 1 << 12  # what a server holds of a client that has nothing long to say
LOGIN_REQUEST_BYTES = 47
HEARTBEAT_CLIENT: Final = b"\x00\x01R"
HEARTBEAT_SERVER: Final = b"\x00\x01H"
END_OF_SESSION: Final = b"\x00\x01Z"
LOGOUT: Final = b"\x00\x01O"
NO_SESSION: Final = b"S"  # of a login's rejection; A is the other: not authorised


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
    """Return a login rejection: A or S."""
    return packet("J", reason.encode("ascii"))


class ProtocolError(Exception):
    """The other side does not speak SoupBinTCP."""


class ClientPackets:
    """What a client sends its server: a login, heartbeats, a logout; cut from the stream."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, received: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield type and payload of each packet that is whole.

        Raises:
            ProtocolError: no client sends this.

        """
        self._rest += received
        if len(self._rest) > INBOUND_BYTES_MAX:
            raise ProtocolError("sends more than a client has to say")
        while len(self._rest) >= 3:
            end = 2 + int.from_bytes(self._rest[:2], "big")
            if not 3 <= end <= INBOUND_BYTES_MAX:
                raise ProtocolError("bad packet")
            if len(self._rest) < end:
                return
            kind, payload = self._rest[2:3], self._rest[3:end]
            self._rest = self._rest[end:]
            yield kind, payload


class ClientSession:
    """One session's life on the client's side, without a socket."""

    def __init__(self, listener: FeedListener, login: Login) -> None:
        self.login = login
        self.session = login.session
        self.next_seq = login.next_seq
        self.logged_in = False
        self.ended = False
        self.accepted = False  # a login was, at any time
        self.refused = ""  # why there is no use in dialling again as we are
        self.denied = False  # ... because it is us
        self.distrusted = False  # ... because what was served cannot be true
        self.gap = False  # ... because what is served does not go on where we are
        self.offered = ("", 1)  # ... and what is, as far as it was said: session and number
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
            if self.ended:
                return int(used)  # nothing comes after it

    def distrust(self, reason: str) -> None:
        """Our reader cannot take what it was given: no going on, the book is to be had anew."""
        self.refused, self.gap, self.distrusted = reason, True, True
        self.offered = (self.session, self.next_seq)

    def _control(self, kind: str, payload: bytes) -> None:
        if kind == "A" and not self.logged_in:
            self._accepted(payload)
        elif kind == "J" and not self.logged_in:
            self.refused = f"login rejected: {payload[:1].decode('ascii', 'replace')}"
            self.denied = payload[:1] != NO_SESSION
            self.gap = not self.denied and bool(self.session)
        elif kind == "Z" and self.logged_in:
            self.ended = True
            self._listener.feed_ended()
        elif kind != "+":  # debug text
            raise ProtocolError(f"packet type {kind!r} was not due")

    def _accepted(self, payload: bytes) -> None:
        number = payload[10:30].strip()
        if len(payload) != 30 or not number.isdigit() or not 1 <= int(number) <= SEQ_MAX:
            raise ProtocolError("malformed login acceptance")
        session, seq = payload[:10].decode("ascii", "replace").strip(), int(number)
        if self.session and session != self.session:
            self.refused = f"session {session} instead of {self.session}: the feed began anew"
            self.gap, self.offered = True, (session, 1)
        elif self.next_seq and seq != self.next_seq:
            self.refused = f"the feed goes on at {seq}, we need {self.next_seq}"
            self.gap, self.offered = True, (session, seq)
        if self.refused:
            raise ProtocolError(self.refused)
        self.session, self.next_seq, self.logged_in, self.accepted = session, seq, True, True
        self._listener.feed_up(session, seq)


def warm() -> None:
    """Compile the kernel of the client (or load it from the cache)."""
    _, end, _, heartbeats = scan_run(np.zeros(3, dtype=np.uint8), 0, PACKET_BYTES_MAX)
    assert (end, heartbeats) == (0, 0), "a packet of length 0 is refused"
