"""Snapshots: a reader who has one is as one who heard everything; a part of one is none."""

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.feeds import glimpse
from gateways.feeds import moldudp64 as mold
from gateways.feeds.glimpse import Collector, SnapshotError, end_message, pieces, read_end
from gateways.feeds.glimpse_server import GlimpseConnection, GlimpseServer, Mirror
from gateways.feeds.itch import Decoder, new_batch
from gateways.feeds.moldudp64 import Arbiter
from gateways.feeds.soupbintcp import ClientSession, Login, ProtocolError, encode_accepted, packet
from gateways.feeds.soupbintcp_server import PacketStore, SoupServer
from market.book import OrderBook
from market.flow.zero_intelligence import ZeroIntelligenceFlow
from tests.gateways.feeds.listener import Listener
from tests.gateways.feeds.test_moldudp64 import datagram
from tests.gateways.venue.desk import BEGIN_NS, END_NS, INSTRUMENT, MIDNIGHT_NS, Desk

S = 10**9


def played(seconds: int = 60, delay_ns: int = 0) -> Desk:
    desk = Desk(ZeroIntelligenceFlow(5, BEGIN_NS, END_NS, INSTRUMENT), delay_ns=delay_ns).opened()
    desk.exchange.advance(BEGIN_NS + seconds * S)
    return desk


def mirror(desk: Desk) -> Mirror:
    return Mirror(desk.store, MIDNIGHT_NS, "SYN")


def book_of(packets: bytes) -> OrderBook:
    book, batch, decoder, at = OrderBook(1 << 14, 1 << 12), new_batch(256), Decoder(MIDNIGHT_NS), 0
    while at < len(packets):
        events, used = decoder.decode(packets[at:], batch)
        assert used, decoder.error
        at += used
        book.apply(batch[:events])
    assert book.counters.anomalies == 0
    return book


def order_of(book: OrderBook) -> list[tuple[int, int, int, int]]:
    return [(o.side, o.price_e4, o.order_id, o.leaves) for o in book.orders()]


def test_a_snapshot_and_what_follows_are_the_whole_feed() -> None:
    desk = played()
    looking = mirror(desk)
    for seconds in (61, 90, 91):
        packets, next_seq = looking.snapshot()
        assert next_seq == desk.store.next_seq
        assert order_of(book_of(packets)) == order_of(desk.engine.book)
        desk.exchange.advance(BEGIN_NS + seconds * S)
        rest = desk.store.read(desk.store.offset(next_seq), desk.store.size)
        assert order_of(book_of(packets + rest)) == order_of(desk.engine.book)


def test_a_snapshot_shows_what_is_visible_and_not_what_has_happened() -> None:
    desk = played(delay_ns=5 * S)
    desk.publisher.release(BEGIN_NS + 30 * S)
    packets, next_seq = mirror(desk).snapshot()
    assert next_seq == desk.store.next_seq
    assert order_of(book_of(packets)) == order_of(desk.rebuilt())
    assert order_of(book_of(packets)) != order_of(desk.engine.book)


def test_states_are_part_of_a_snapshot_as_they_hold() -> None:
    desk = played()
    states = desk.exchange.states
    states.restrict_shorts(True)
    states.halt("T1")
    states.resume()
    states.break_market(1)
    packets, _ = mirror(desk).snapshot()
    book = book_of(packets)
    assert not book.trading
    assert book.notices == 1
    states.resume()
    packets, _ = mirror(desk).snapshot()
    assert book_of(packets).trading


def test_the_end_names_the_next_message_and_nothing_else_is_an_end() -> None:
    body = packet("S", b"x" * 30)
    assert read_end(body + packet("S", end_message(77))) == 77
    for wrong in (b"", body, packet("S", end_message(0)), packet("S", b"G" + b"x" * 20), end_message(7)):
        assert read_end(wrong) is None


def test_pieces_are_whole_packets_and_lose_nothing() -> None:
    packets, _ = mirror(played()).snapshot()
    cut = list(pieces(packets, 1_000))
    assert b"".join(cut) == packets
    assert max(map(len, cut)) <= 1_000
    assert all(len(book_of(piece).arena) for piece in cut[:1])


def test_a_snapshot_cut_anywhere_is_none() -> None:
    desk = played(1)
    packets, _ = mirror(desk).snapshot()
    wire = encode_accepted("S", 1) + packets
    for cut in range(len(wire)):
        collector = Collector()
        ClientSession(collector, Login("u", "p")).receive(memoryview(wire[:cut]), 0)
        assert collector.whole() is None
    collector = Collector()
    ClientSession(collector, Login("u", "p")).receive(memoryview(wire), 0)
    found = collector.whole()
    assert found is not None
    assert (found.session, found.next_seq) == ("S", desk.store.next_seq)


# --- over sockets -------------------------------------------------------------------------------------


async def served(desk: Desk, login: Login) -> tuple[Any, GlimpseServer]:
    server = GlimpseServer(mirror(desk), SoupServer(desk.store, "RUN1", "trader", "paper"))
    port = await server.start("127.0.0.1", 0)
    try:
        return await glimpse.fetch("127.0.0.1", port, login), server
    finally:
        server.close()


def test_a_client_fetches_a_whole_one() -> None:
    desk = played()
    found, server = asyncio.run(served(desk, Login("trader", "paper", "RUN1")))
    assert order_of(book_of(found.packets)) == order_of(desk.engine.book)
    assert (found.session, found.next_seq, server.served) == ("RUN1", desk.store.next_seq, 1)


@pytest.mark.parametrize("login", [Login("trader", "wrong"), Login("trader", "paper", "RUN2")])
def test_a_stranger_gets_none(login: Login) -> None:
    with pytest.raises(SnapshotError, match="login rejected"):
        asyncio.run(served(played(1), login))


def test_nobody_there_is_one_line() -> None:
    with pytest.raises(SnapshotError, match=r"the snapshot at 127\.0\.0\.1:1"):
        asyncio.run(glimpse.fetch("127.0.0.1", 1, Login("trader", "paper")))


# --- after a loss -------------------------------------------------------------------------------------


def lost(tail: int = 12) -> tuple[Arbiter, Listener]:
    """Return an arbiter that has given up on message 2, and has heard 5 up to `tail` since."""
    heard = Listener()
    a = Arbiter(heard)
    a.receive(a.lines[0], datagram(1, b"m1"), 0)
    a.receive(a.lines[0], datagram(5, b"m5"), 0)
    for n in range(mold.TRIES_MAX + 1):
        a.due(mold.ARBITRATION_NS + n * mold.RETRY_NS)
    assert a.lost
    for seq in range(6, tail + 1):
        a.receive(a.lines[0], datagram(seq, b"m%d" % seq), 0)
    assert heard.messages == [b"m1"]
    return a, heard


@pytest.mark.parametrize("next_seq", [2, 4, 5, 9, 12, 13])
def test_after_a_snapshot_the_feed_goes_on_behind_it(next_seq: int) -> None:
    a, heard = lost()
    heard.messages = [b"?"] * (next_seq - 1)
    assert a.resume(next_seq, 0)
    if next_seq < 5:
        assert a.gap is not None, "what the snapshot did not cover is asked for again"
        assert heard.messages == [b"?"] * (next_seq - 1)
    else:
        assert heard.messages[next_seq - 1 :] == [b"m%d" % n for n in range(next_seq, 13)]
        assert a.gap is None
        assert heard.log[-1].startswith("up")
    assert a.counters.snapshots == 1


def test_a_snapshot_ahead_of_the_lines_waits_for_them() -> None:
    a, heard = lost()
    heard.messages = [b"?"] * 19
    assert a.resume(20, 0)
    a.receive(a.lines[0], datagram(13, *(b"m%d" % n for n in range(13, 23))), 0)
    assert heard.messages[19:] == [b"m20", b"m21", b"m22"]


def test_a_snapshot_older_than_what_was_heard_is_refused() -> None:
    a, heard = lost()
    assert not a.resume(1, 0)
    assert a.lost
    assert heard.messages == [b"m1"]


def test_the_store_is_asked_for_nothing_that_is_not_there() -> None:
    store = PacketStore()
    looking = Mirror(store, MIDNIGHT_NS, "SYN")
    packets, next_seq = looking.snapshot()
    assert (packets, next_seq) == (packet("S", end_message(1)), 1)


# --- bytes that are no snapshot -----------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_whatever_a_server_sends_is_a_whole_snapshot_or_none(raw: bytes, accepted: bool) -> None:
    collector = Collector()
    session = ClientSession(collector, Login("u", "p"))
    with contextlib.suppress(ProtocolError):
        session.receive(memoryview((encode_accepted("S", 1) if accepted else b"") + raw), 0)
    found = collector.whole()
    assert found is None or found.next_seq >= 1


class Sink:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.out = b""
        self.gone = False

    def write(self, data: bytes) -> None:
        self.out += data

    def close(self) -> None:
        self.gone = True

    abort = close

    def is_closing(self) -> bool:
        return self.gone


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=6))
def test_whatever_a_client_sends_only_a_login_is_served(pieces_: list[bytes]) -> None:
    server = GlimpseServer(
        Mirror(PacketStore(), MIDNIGHT_NS, "SYN"), SoupServer(PacketStore(), "R", "trader", "paper")
    )
    loop = asyncio.new_event_loop()
    try:
        connection, sink = GlimpseConnection(server), Sink()

        async def talk() -> None:
            connection.connection_made(sink)
            for piece in pieces_:
                if not sink.gone:
                    connection.data_received(piece)
            connection.connection_lost(None)

        loop.run_until_complete(talk())
    finally:
        loop.close()
    assert server.served == 0
    assert sink.out in (b"", b"\x00\x02JA")


async def told(wire: bytes) -> Any:
    """Return what a client makes of a server that says this and hangs up."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64)
        writer.write(wire)
        writer.close()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        return await glimpse.fetch("127.0.0.1", port, Login("trader", "paper"))
    finally:
        server.close()


def test_a_snapshot_with_a_message_that_nobody_can_read_is_none() -> None:
    packets, _ = mirror(played(1)).snapshot()
    good = encode_accepted("S", 1) + packets
    asyncio.run(told(good))
    bad = encode_accepted("S", 1) + packet("S", b"A" + b"\xff" * 35) + packets
    with pytest.raises(SnapshotError, match="message 1 of it is refused: bad field"):
        asyncio.run(told(bad))
    with pytest.raises(SnapshotError, match="cut short"):
        asyncio.run(told(good[: len(good) // 2]))
