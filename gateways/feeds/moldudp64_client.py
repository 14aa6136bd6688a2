"""The sockets of a MoldUDP64 feed: one a line, and one to ask for what is missing.

A line is a unicast or multicast group address. Whatever arrives goes to the `Arbiter`; while it waits for
something, a timer asks it every few milliseconds what to do.
"""

import asyncio
import ipaddress
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog

from gateways.feeds.listener import FeedListener
from gateways.feeds.moldudp64 import ARBITRATION_NS, Arbiter, plain
from gateways.feeds.moldudp64_lines import Line

log = structlog.get_logger()

Address = tuple[str, int]
WATCH_S: Final = 0.25  # how often silence is looked for: so much longer than its bound is it believed
ASK_S: Final = ARBITRATION_NS / 1e9  # while something is missing
ENDED_S: Final = 3.0  # three heartbeats: a line that goes on takes back what said that the session had ended
# A burst of a second waits in the kernel while we are busy for as long; what the kernel drops we ask for.
RECEIVE_BYTES: Final = 4 << 20


class MoldClient:
    """An `Arbiter` with sockets."""

    def __init__(
        self,
        listener: FeedListener,
        lines: tuple[Address, ...],
        requests: Address | None,
        *,
        interface: str = "127.0.0.1",
        session: str = "",
        next_seq: int = 1,
        follows: bool = False,
        mono_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """`requests`: where to ask for what is missing; None: a gap that both lines have is lost at once.

        `follows`: a snapshot can be had; a session that comes in place of another is a loss like any.
        """
        self.arbiter = Arbiter(listener, len(lines), session, next_seq)
        self._addresses = lines
        self._requests = requests
        self._interface = interface
        self._follows = follows
        self._mono_ns = mono_ns
        self._transports: list[Any] = []
        self._asking: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._gone = asyncio.Event()

    @property
    def next_seq(self) -> int:
        """Sequence number of the next message."""
        return self.arbiter.next_seq

    @property
    def lost(self) -> str:
        """Why it cannot go on, "" while it can."""
        return self.arbiter.lost

    @property
    def ports(self) -> list[int]:
        """The ports that the lines are bound to."""
        return [int(t.get_extra_info("sockname")[1]) for t in self._transports[: len(self._addresses)]]

    async def open(self) -> None:
        """Bind every line.

        Raises:
            OSError: an address that cannot be had.

        """
        loop = asyncio.get_running_loop()
        for address, line in zip(self._addresses, self.arbiter.lines, strict=True):
            bound = bind(address, self._interface)
            transport, _ = await loop.create_datagram_endpoint(lambda line=line: Ear(self, line), sock=bound)  # type: ignore[misc]
            self._transports.append(transport)
        if self._requests is not None:
            asking, _ = await loop.create_datagram_endpoint(
                lambda: Ear(self, self.arbiter.answers), remote_addr=self._requests
            )
            self._asking = asking
            self._transports.append(asking)
        self._timer = loop.call_later(WATCH_S, self._look)

    async def run(self) -> None:
        """Follow the feed until `close`, its end, or a loss that requests do not mend (`lost`).

        After a loss the sockets stay open and what comes is kept: `resume`, then `run` again.
        """
        await self._gone.wait()

    def wanted(self) -> tuple[str, int]:
        """Return the session that a snapshot must be of, and the least number at which it may go on."""
        if self._follows and self.arbiter.succeed(self._mono_ns()):
            log.error("feed_lost", reason=self.arbiter.lost)
        return plain(self.arbiter.session), self.arbiter.wanted_seq

    def resume(self, next_seq: int, session: str = "") -> bool:
        """Go on from a snapshot's end; False where it is too old."""
        if not self.arbiter.resume(next_seq, self._mono_ns(), session):
            return False
        self._gone.clear()
        if self.arbiter.ended:
            self._again(ENDED_S)
        else:
            self._look()
        return True

    def distrust(self, reason: str) -> None:
        """Our reader cannot take what we passed on: end `run` with a loss."""
        if not (self.lost or self.arbiter.ended):
            self.arbiter.distrust(reason)
            self._look()

    def close(self) -> None:
        """Let go of every socket and end `run`."""
        if self._timer is not None:
            self._timer.cancel()
        if self._transports:
            log.info("feed_lines_closed", **msgspec.structs.asdict(self.arbiter.counters))
        for transport in self._transports:
            transport.close()
        self._transports.clear()
        self._gone.set()

    def heard(self, line: Line, datagram: bytes) -> None:
        """Take a datagram."""
        arbiter, waited = self.arbiter, self.arbiter.gap is not None
        was_ended, was_lost = arbiter.ended, bool(arbiter.lost)
        arbiter.receive(line, datagram, self._mono_ns())
        if arbiter.ended != was_ended:
            self._again(ENDED_S if arbiter.ended else WATCH_S)
        elif arbiter.lost:
            if not was_lost:
                self._look()
        elif arbiter.gap is not None and (not waited or line is arbiter.answers):
            self._look() if waited else self._again(ASK_S)

    def _look(self) -> None:
        """Ask for what is due; look again sooner while something is missing; end with the session."""
        arbiter = self.arbiter
        if arbiter.ended:
            self.close()
            return
        if self._follows:
            arbiter.succeed(self._mono_ns())
        for request in arbiter.due(self._mono_ns()):
            if self._asking is not None:
                self._asking.sendto(request)
            else:
                arbiter.give_up("cannot be asked for: no requests address")
        if arbiter.lost:
            log.error("feed_lost", reason=arbiter.lost)
            self._gone.set()
            return
        self._again(WATCH_S if arbiter.gap is None else ASK_S)

    def _again(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)


class Ear(asyncio.DatagramProtocol):
    """One socket's datagrams, with the line that they count for."""

    def __init__(self, client: MoldClient, line: Line) -> None:
        self._client = client
        self._line = line

    def datagram_received(self, data: bytes, addr: Any) -> None:  # noqa: ARG002  (UDP proves no sender)
        """Hand it over."""
        self._client.heard(self._line, data)

    def error_received(self, exc: Exception) -> None:
        """Nobody answers our requests; they are made again."""
        log.debug("feed_request_refused", error=str(exc))


def address(text: str) -> Address:
    """Return HOST:PORT as a pair."""
    host, _, port = text.rpartition(":")
    return host, int(port)


def bind(address: Address, interface: str) -> socket.socket:
    """Return a socket that hears an address; joins the group where it is one."""
    host, port = address
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        if ipaddress.ip_address(host).is_multicast:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((host, port))
            member = struct.pack("4s4s", socket.inet_aton(host), socket.inet_aton(interface))
            bound.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        else:
            bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound
