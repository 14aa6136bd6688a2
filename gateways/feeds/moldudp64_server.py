"""MoldUDP64, the publisher's side: the same packets on every line, heartbeats, and answers to requests.

It reads the store that the SoupBinTCP server reads, so that both feeds carry the same messages under
the same sequence numbers.
"""

import asyncio
import ipaddress
import socket
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from gateways.feeds.moldudp64 import END_OF_SESSION, HEADER, HEARTBEAT, REQUEST_MESSAGES_MAX
from gateways.feeds.moldudp64_kernels import HEADER_BYTES
from gateways.feeds.soupbintcp_kernels import without_types
from gateways.feeds.soupbintcp_server import PacketStore

log = structlog.get_logger()

Address = tuple[str, int]
HEARTBEAT_S: Final = 1.0  # the standard's interval
PAYLOAD_BYTES: Final = 1_400  # of a datagram: with all headers below an Ethernet frame's 1,500
ENDS: Final = 3  # heartbeats that say the session ended; any of them may be lost
# An answer of so many messages is some 40 datagrams; who needs more asks again.
ANSWER_MESSAGES_MAX: Final = REQUEST_MESSAGES_MAX


class MoldServer:
    """Publishes a store on lines, and serves requests."""

    def __init__(
        self, store: PacketStore, session: str, lines: tuple[Address, ...], interface: str = "127.0.0.1"
    ) -> None:
        self.store = store
        self.session = session.rjust(10).encode("ascii")[:10]
        self.sent = 0  # datagrams, all lines
        self.answered = 0  # requests
        self._next_seq = 1  # to be published
        self.lines = lines
        self._interface = interface
        self._sockets: list[socket.socket] = []
        self._asked: asyncio.DatagramTransport | None = None
        self._tick: asyncio.TimerHandle | None = None
        self._out: NDArray[np.uint8] = np.zeros(PAYLOAD_BYTES * 2, dtype=np.uint8)
        self._ended = False
        self.held = False  # a fault: nothing is published
        self.dead = False  # ... nor said that the line lives
        self._lose = [0] * len(lines)  # a fault: so many messages of each line are not sent

    async def start(self, host: str, port: int) -> int:
        """Open the lines and listen for requests; return the port. An address in use raises OSError."""
        loop = asyncio.get_running_loop()
        for line in self.lines:
            self._sockets.append(speaker(line, self._interface))
        self._asked, _ = await loop.create_datagram_endpoint(lambda: Requests(self), local_addr=(host, port))
        self._tick = loop.call_later(HEARTBEAT_S, self._beat)
        return int(self._asked.get_extra_info("sockname")[1])

    def publish(self) -> None:
        """Send what was appended to the store."""
        while self._next_seq < self.store.next_seq and not self.held:
            datagram, count = self._datagram(self._next_seq, self.store.next_seq)
            self._say(datagram, count)
            self._next_seq += count

    def lose(self, messages: int, lines: slice) -> None:
        """Do not send so many messages on some of the lines."""
        for n in range(len(self._lose))[lines]:
            self._lose[n] += messages

    def end_session(self) -> None:
        """Say that nothing more will come, after everything that did."""
        self.held = False
        self.publish()
        self._ended = True
        for _ in range(ENDS):
            self._say(HEADER.pack(self.session, self._next_seq, END_OF_SESSION))

    def close(self) -> None:
        """Let go of everything."""
        if self._tick is not None:
            self._tick.cancel()
        if self._asked is not None:
            self._asked.close()
        for line in self._sockets:
            line.close()
        self._sockets.clear()

    def answer(self, request: bytes) -> list[bytes]:
        """Return the datagrams of a retransmission; none for what makes no sense."""
        if len(request) != HEADER_BYTES:
            return []
        session, seq, count = HEADER.unpack(request)
        stop = min(seq + min(count, ANSWER_MESSAGES_MAX), self._next_seq)
        if session != self.session or not 1 <= seq < stop:
            return []
        self.answered += 1
        out = []
        while seq < stop:
            datagram, messages = self._datagram(seq, stop)
            out.append(datagram)
            seq += messages
        return out

    def _datagram(self, seq: int, stop: int) -> tuple[bytes, int]:
        """Return a datagram of as many messages from `seq` as fit, at least one, and their number."""
        store = self.store
        at, last = store.offset(seq), seq + 1
        while last < stop and store.offset(last + 1) - at <= PAYLOAD_BYTES:
            last += 1
        packets = np.frombuffer(store.read(at, store.offset(last) - at), dtype=np.uint8)
        used = int(without_types(packets, self._out))
        return HEADER.pack(self.session, seq, last - seq) + self._out[:used].tobytes(), last - seq

    def _say(self, datagram: bytes, messages: int = 0) -> None:
        for n, (line, address) in enumerate(zip(self._sockets, self.lines, strict=True)):
            if messages and self._lose[n] > 0:
                self._lose[n] -= messages
                continue
            try:
                line.sendto(datagram, address)
                self.sent += 1
            except (BlockingIOError, ConnectionRefusedError):
                continue  # the kernel's queue is full, or nobody listens: UDP loses, receivers ask

    def _beat(self) -> None:
        kind = END_OF_SESSION if self._ended else HEARTBEAT
        if not self.dead:
            self._say(HEADER.pack(self.session, self._next_seq, kind))
        self._tick = asyncio.get_running_loop().call_later(HEARTBEAT_S, self._beat)


class Requests(asyncio.DatagramProtocol):
    """The port that receivers ask."""

    def __init__(self, server: MoldServer) -> None:
        self._server = server
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Keep the way back."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answer whoever asks."""
        for datagram in self._server.answer(data):
            self._transport.sendto(datagram, addr)


def speaker(address: Address, interface: str) -> socket.socket:
    """Return a socket that sends to a line; a group's packets stay on the interface."""
    sending = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sending.setblocking(False)
    if ipaddress.ip_address(address[0]).is_multicast:
        sending.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
        sending.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
        sending.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    return sending
