"""SoupBinTCP 4.1, the server's side.

Everything that was published is kept, and replayed to whoever logs in from whatever sequence number.
Nobody's slowness holds anybody else up: who falls too far behind is disconnected.
"""

import asyncio
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from gateways.feeds.soupbintcp import (
    END_OF_SESSION,
    HEARTBEAT_S,
    HEARTBEAT_SERVER,
    LOGIN_S,
    ClientPackets,
    Login,
    ProtocolError,
    decode_login,
    encode_accepted,
    encode_rejected,
)
from gateways.feeds.soupbintcp_kernels import without_types

log = structlog.get_logger()

CHUNK_BYTES = 1 << 16  # of one write; a replay shares the loop with the market
SLOW_BYTES_MAX = 8 << 20  # 200,000 messages: a client that far behind the market is no client
STALL_S = 30.0  # a replay that does not move for so long has lost its reader
CLIENT_SILENCE_S = 15.0  # the standard's limit for a client without heartbeats
CLIENTS_MAX = 64  # one trader a symbol group, and whoever looks on
STORE_BYTES_MAX = 2 << 30  # 50 million messages, five times a busy day of one large symbol
PACKETS_MIN: Final = 1 << 16  # the index begins at so many packets and doubles


class StoreFullError(Exception):
    """More was published than one run may publish."""


class PacketStore:
    """Every sequenced packet of a run, as it goes over the wire, found by sequence number."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends: NDArray[np.int64] = np.zeros(PACKETS_MIN, dtype=np.int64)
        self._count = 0

    @property
    def next_seq(self) -> int:
        """Sequence number of the next packet."""
        return self._count + 1

    @property
    def size(self) -> int:
        """Bytes held."""
        return len(self._bytes)

    def append(self, packets: bytes | memoryview, lengths: NDArray[Any]) -> None:
        """Keep packets that follow one another, with the length of each.

        Raises:
            StoreFullError: the run must end.

        """
        if len(self._bytes) + len(packets) > STORE_BYTES_MAX:
            raise StoreFullError(f"{STORE_BYTES_MAX >> 20} MiB were published; shorten the window")
        count = self._count + len(lengths)
        while count > len(self._ends):
            self._ends = np.concatenate([self._ends, np.zeros_like(self._ends)])
        np.cumsum(lengths, out=self._ends[self._count : count])
        self._ends[self._count : count] += len(self._bytes)
        self._bytes += packets
        self._count = count

    def offset(self, seq: int) -> int:
        """Return where the packet of a sequence number begins."""
        assert 1 <= seq <= self.next_seq, "sequence number was checked"
        return int(self._ends[seq - 2]) if seq > 1 else 0

    def read(self, at: int, size: int) -> bytes:
        """Return at most `size` bytes from an offset."""
        return bytes(self._bytes[at : at + size])

    def write_messages(self, path: Path) -> None:
        """Write every message with a two-byte big-endian length, from sequence number 1."""
        packets = np.frombuffer(bytes(self._bytes), dtype=np.uint8)
        out = np.empty(len(packets), dtype=np.uint8)
        used = without_types(packets, out)
        path.write_bytes(out[:used].data)


class SoupServer:
    """Accepts clients and keeps each at the end of the store."""

    def __init__(self, store: PacketStore, session: str, username: str, password: str) -> None:
        self.store = store
        self.session = session
        self.clients: set[SoupConnection] = set()
        self.ended = False
        self.held = False  # a fault: nothing is published
        self.dead = False  # ... nor said that the line lives
        self._lost = 0  # a fault: so many messages are passed over at the next logins
        self._login = (username, password)
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port. An address that is in use raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: SoupConnection(self), host, port)
        return int(self._server.sockets[0].getsockname()[1])

    def publish(self) -> None:
        """Send what was appended to the store."""
        for client in tuple(self.clients):
            client.pump()

    def end_session(self) -> None:
        """Tell everyone that nothing more will come, after everything that did."""
        self.ended, self.held = True, False
        self.publish()

    def disconnect(self, lose: int = 0) -> None:
        """Cut everyone off; the next login is answered `lose` messages further on than it asks."""
        self._lost += lose
        for client in tuple(self.clients):
            client.cut()

    def close(self) -> None:
        """Stop listening and close what is open."""
        if self._server is not None:
            self._server.close()
        for client in tuple(self.clients):
            client.close()

    def refusal(self, login: Login) -> str:
        """Return why a login is refused: A = not authorised, S = no such session; "" = it is not."""
        if (login.username, login.password) != self._login:
            return "A"
        return "S" if login.session and login.session != self.session else ""

    def admit(self, login: Login) -> int | str:
        """Return the sequence number to begin with, or why not (A, S)."""
        refused = self.refusal(login)
        if refused:
            return refused
        if login.next_seq == 0:
            return self.store.next_seq
        lost, self._lost = self._lost, 0
        return min(login.next_seq + lost, self.store.next_seq)


class SoupConnection(asyncio.Protocol):
    """One client."""

    def __init__(self, server: SoupServer) -> None:
        self._server = server
        self._transport: Any = None
        self._inbound = ClientPackets()
        self._at = -1  # offset in the store; -1 = not logged in
        self._live = False  # has once been at the end of the store
        self._paused = False
        self._ended = False
        self._sent_since_beat = False
        self._heard_s = self._moved_s = time.monotonic()
        self._tick: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for a login."""
        self._transport = transport
        if len(self._server.clients) >= CLIENTS_MAX:
            self._drop(f"{CLIENTS_MAX} clients are connected already")
            return
        self._server.clients.add(self)
        self._tick = asyncio.get_running_loop().call_later(HEARTBEAT_S, self._beat)

    def data_received(self, data: bytes) -> None:
        """Take the client's packets: a login, heartbeats, a logout."""
        self._heard_s = time.monotonic()
        try:
            for kind, payload in self._inbound.take(data):
                self._take(kind, payload)
        except ProtocolError as error:
            self._drop(str(error))

    def _take(self, kind: bytes, payload: bytes) -> None:
        if kind == b"L" and self._at < 0:
            self._log_in(payload)
        elif kind == b"O":
            self.close()
        elif kind not in (b"R", b"+", b"U"):  # unsequenced data has no taker here
            self._drop(f"packet type {kind!r} was not due")

    def _log_in(self, payload: bytes) -> None:
        login = decode_login(payload)
        answer: int | str = "A" if login is None else self._server.admit(login)
        if isinstance(answer, str):
            self._transport.write(encode_rejected(answer))
            log.warning("feed_login_rejected", peer=self._peer, reason=answer)
            self.close()
            return
        self._at = self._server.store.offset(answer)
        self._transport.write(encode_accepted(self._server.session, answer))
        log.info("feed_login", peer=self._peer, next_seq=answer)
        self.pump()

    def pump(self) -> None:
        """Write what the client has not had yet, as fast as it takes it."""
        if self._at < 0 or self._server.held or self._transport.is_closing():
            return
        store = self._server.store
        while not self._paused and self._at < store.size:
            data = store.read(self._at, CHUNK_BYTES)
            self._at += len(data)
            self._sent_since_beat = True
            self._moved_s = time.monotonic()
            self._transport.write(data)
        if self._at == store.size:
            if not self._live:
                self._transport.write(HEARTBEAT_SERVER)  # "this is all": nobody need wait a second for it
            self._live = True
            if self._server.ended and not self._ended:
                self._ended = True
                self._transport.write(END_OF_SESSION)
        elif self._live and store.size - self._at > SLOW_BYTES_MAX:
            self._drop(f"slow: {store.size - self._at} bytes behind the market")

    def pause_writing(self) -> None:
        """The client does not read as fast as we write."""
        self._paused = True

    def resume_writing(self) -> None:
        """It has caught up with what was written."""
        self._paused = False
        self.pump()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (clients come and go)
        """Forget the client."""
        if self._tick is not None:
            self._tick.cancel()
        self._server.clients.discard(self)

    def close(self) -> None:
        """Close after what was written."""
        self._transport.close()

    def _beat(self) -> None:
        now_s = time.monotonic()
        self._tick = asyncio.get_running_loop().call_later(HEARTBEAT_S, self._beat)
        if now_s - self._heard_s > (LOGIN_S if self._at < 0 else CLIENT_SILENCE_S):
            self._drop(f"silent for {now_s - self._heard_s:.0f} s")
        elif self._paused and now_s - self._moved_s > STALL_S:
            self._drop(f"has read nothing for {STALL_S:.0f} s")
        elif self._may_beat and not self._sent_since_beat:
            self._transport.write(HEARTBEAT_SERVER)
        self._sent_since_beat = False

    @property
    def _may_beat(self) -> bool:
        """True where a heartbeat is true, or where a fault says so."""
        server = self._server
        return self._at >= 0 and not server.dead and (server.held or self._at == server.store.size)

    def cut(self) -> None:
        """Break the line, now."""
        self._transport.abort()

    def _drop(self, reason: str) -> None:
        log.warning("feed_client_dropped", peer=self._peer, reason=reason)
        self._transport.abort()

    @property
    def _peer(self) -> str:
        return str(self._transport.get_extra_info("peername"))


def warm() -> None:
    """Compile the kernel of the store (or load it from the cache)."""
    used = without_types(np.frombuffer(HEARTBEAT_SERVER, dtype=np.uint8), np.empty(3, dtype=np.uint8))
    assert used == 2, "one packet without payload"
