"""GLIMPSE-style snapshots, the publisher's side: a reader of our own feed, asked how things stand.

`Mirror` follows the store as any client does, when it is asked and not before, so a snapshot is of
exactly what everybody can see, however late that is shown. Ordinary runs pay nothing for it.
"""

import asyncio
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from gateways.feeds.glimpse import SNAPSHOT_S, end_message
from gateways.feeds.itch import Decoder, new_batch
from gateways.feeds.itch_encode import PACKET_BYTES_MAX, encode_outcomes, pack_symbol
from gateways.feeds.soupbintcp import (
    END_OF_SESSION,
    LOGIN_S,
    ClientPackets,
    ProtocolError,
    decode_login,
    encode_accepted,
    encode_rejected,
    packet,
)
from gateways.feeds.soupbintcp_server import CHUNK_BYTES, PacketStore, SoupServer
from market import book_kernels
from market.book import OrderBook
from market.book_events import Kind
from market.matching_events import OUTCOME, Outcome

log = structlog.get_logger()

CLIENTS_MAX: Final = 4  # at a time: each holds one snapshot in memory
BATCH_ROWS: Final = 1 << 14
ORDERS_MAX: Final = 1 << 17  # as the venue's own book
STATES: Final = (Kind.HALT, Kind.OPERATIONAL, Kind.BREAKER, Kind.NOTICE, Kind.DIRECTORY, Kind.SYSTEM)
PASSING: Final = (ord("I"), ord("V"))  # notices that are of their moment, or of no symbol


class Mirror:
    """The book and the states of a feed of one symbol, as its readers have them."""

    def __init__(self, store: PacketStore, midnight_ns: int, symbol: str) -> None:
        self._store = store
        self._midnight_ns = midnight_ns
        self._packed = pack_symbol(symbol)
        self._decoder = Decoder(midnight_ns)
        self._book: OrderBook | None = None  # twelve megabytes, from the first request on
        self._batch = new_batch(0)
        self._at = 0
        self._locate = 0
        self._last_ns = midnight_ns
        self._latest: dict[tuple[int, int], int] = {}  # kind and letter -> sequence number of the last one

    def snapshot(self) -> tuple[bytes, int]:
        """Return packets that make a fresh reader equal to one who heard everything, and where to go on."""
        if self._book is None:
            self._book, self._batch = OrderBook(ORDERS_MAX), new_batch(BATCH_ROWS)
        self._follow(self._book)
        store = self._store
        states = sorted(self._latest.values())
        raw = b"".join(
            store.read(store.offset(seq), store.offset(seq + 1) - store.offset(seq)) for seq in states
        )
        next_seq = self._decoder.next_seq
        return raw + self._adds(self._book) + packet("S", end_message(next_seq)), next_seq

    def _follow(self, book: OrderBook) -> None:
        """Take in what was published since."""
        while self._at < self._store.size:
            data = self._store.read(self._at, CHUNK_BYTES)
            events, used = self._decoder.decode(data, self._batch)
            assert used, f"our own feed is refused: {self._decoder.error.name}"
            batch = self._batch[:events]
            self._at += used
            book.apply(batch)
            self._note(batch)

    def _note(self, batch: NDArray[Any]) -> None:
        if len(batch):
            self._last_ns = int(batch["ts_ns"][-1])
        for row in batch[np.isin(batch["kind"], STATES)]:
            kind, code = int(row["kind"]), int(row["code"])
            if kind == Kind.NOTICE and code in PASSING:
                continue
            if kind == Kind.DIRECTORY:
                self._locate = int(row["locate"])
            letter = code if kind == Kind.NOTICE else 0
            self._latest[kind, letter] = self._seq(int(row["seq_lo"]))

    def _seq(self, low: int) -> int:
        """Return a sequence number from its low 32 bits: the last one that is not ahead of us."""
        high = self._decoder.next_seq & ~0xFFFFFFFF
        return high | low if (high | low) < self._decoder.next_seq else (high | low) - (1 << 32)

    def _adds(self, book: OrderBook) -> bytes:
        """Return an Add for each resting order, bids first, each side in price-time order."""
        rows: NDArray[np.int64] = np.empty((len(book), 5), dtype=np.int64)
        book_kernels.orders_into(book.arena, rows)
        outcomes = np.zeros(len(rows), dtype=OUTCOME)
        outcomes["kind"], outcomes["ts_ns"] = Outcome.RESTED, self._last_ns
        for column, name in enumerate(("side", "price_e4", "order_id", "leaves")):
            outcomes[name] = rows[:, column]
        out = np.zeros(len(rows) * PACKET_BYTES_MAX, dtype=np.uint8)
        index = np.zeros((len(rows), 2), dtype=np.int64)
        _, used = encode_outcomes(outcomes, self._locate, self._packed, self._midnight_ns, out, index)
        return out[:used].tobytes()


class GlimpseServer:
    """Serves snapshots to whoever may have the feed."""

    def __init__(self, mirror: Mirror, feed: SoupServer) -> None:
        self.served = 0
        self.clients: set[GlimpseConnection] = set()
        self.mirror = mirror
        self.feed = feed
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port. An address that is in use raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: GlimpseConnection(self), host, port)
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Stop listening and close what is open."""
        if self._server is not None:
            self._server.close()
        for client in tuple(self.clients):
            client.close()


class GlimpseConnection(asyncio.Protocol):
    """One client: a login, a snapshot, the end."""

    def __init__(self, server: GlimpseServer) -> None:
        self._server = server
        self._transport: Any = None
        self._inbound = ClientPackets()
        self._served = False
        self._tick: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for a login, not for long."""
        self._transport = transport
        if len(self._server.clients) >= CLIENTS_MAX:
            transport.abort()
            return
        self._server.clients.add(self)
        self._tick = asyncio.get_running_loop().call_later(LOGIN_S, self.close)

    def data_received(self, data: bytes) -> None:
        """Take packets: one login; heartbeats and a logout say nothing to us."""
        try:
            for kind, payload in self._inbound.take(data):
                if kind == b"L" and not self._served:
                    self._log_in(payload)
                elif kind == b"O":
                    self.close()
                if self._transport.is_closing():
                    return
        except ProtocolError:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (clients come and go)
        """Forget the client."""
        if self._tick is not None:
            self._tick.cancel()
        self._server.clients.discard(self)

    def close(self) -> None:
        """Close after what was written."""
        self._transport.close()

    def _log_in(self, payload: bytes) -> None:
        login, server = decode_login(payload), self._server
        answer = "A" if login is None else server.feed.refusal(login)
        if answer:
            self._transport.write(encode_rejected(answer))
            self.close()
            return
        self._served = True
        packets, next_seq = server.mirror.snapshot()
        server.served += 1
        log.info("snapshot_served", next_seq=next_seq, bytes=len(packets))
        self._transport.write(encode_accepted(server.feed.session, 1))
        self._transport.write(packets)
        self._transport.write(END_OF_SESSION)
        if self._tick is not None:
            self._tick.cancel()
        self._tick = asyncio.get_running_loop().call_later(SNAPSHOT_S, self._transport.abort)
