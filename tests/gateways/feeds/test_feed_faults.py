"""Faults of the feed's servers: held back, dead, cut off, lost on a line; readers find each of them out."""

import asyncio
from typing import Any

import numpy as np

from gateways.feeds.moldudp64_server import MoldServer
from gateways.feeds.soupbintcp import HEARTBEAT_SERVER, Login, encode_login, packet
from gateways.feeds.soupbintcp_server import PacketStore, SoupConnection, SoupServer
from gateways.venue.feeds import Feeds

LOGIN = encode_login(Login("trader", "paper"))


def add(store: PacketStore, *texts: bytes) -> None:
    for text in texts:
        data = packet("S", text)
        store.append(data, np.array([len(data)]))


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.data = b""
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.data += data

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def get_extra_info(self, name: str) -> str:
        return name


class Line:
    """Sends nowhere: keeps datagrams."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def sendto(self, data: bytes, address: Any) -> None:
        self.sent.append(data)


def client(server: SoupServer) -> tuple[SoupConnection, Wire]:
    wire, connection = Wire(), SoupConnection(server)
    connection.connection_made(wire)
    connection.data_received(LOGIN)
    return connection, wire


def soup() -> SoupServer:
    return SoupServer(PacketStore(), "DAY", "trader", "paper")


def test_a_held_feed_says_that_it_lives_and_catches_up_afterwards() -> None:
    async def scene() -> None:
        server = soup()
        feeds = Feeds(server, None)
        connection, wire = client(server)
        feeds.silence(begin=True, dead=False)
        add(server.store, b"A", b"B")
        before = len(wire.data)
        feeds.publish()
        connection._beat()
        assert wire.data[before:] == HEARTBEAT_SERVER
        feeds.silence(begin=False, dead=False)
        assert wire.data[before:] == HEARTBEAT_SERVER + packet("S", b"A") + packet("S", b"B")
        connection.connection_lost(None)

    asyncio.run(scene())


def test_a_dead_feed_says_nothing() -> None:
    async def scene() -> None:
        server = soup()
        connection, wire = client(server)
        Feeds(server, None).silence(begin=True, dead=True)
        before = wire.data
        connection._beat()
        assert wire.data == before
        connection.connection_lost(None)

    asyncio.run(scene())


def test_a_gap_of_soupbintcp_is_a_login_answered_further_on_once() -> None:
    async def scene() -> None:
        server = soup()
        add(server.store, *[b"%d" % n for n in range(9)])
        connection, wire = client(server)
        Feeds(server, None).lose(4, "both")  # there is no MoldUDP64
        assert wire.aborted
        again, second = client(server)
        assert second.data.startswith(packet("A", b"       DAY" + b"%20d" % 5))
        third, once = client(server)
        assert once.data.startswith(packet("A", b"       DAY" + b"%20d" % 1))
        for each in (connection, again, third):
            each.connection_lost(None)

    asyncio.run(scene())


def test_a_line_of_moldudp64_loses_what_the_other_brings() -> None:
    store = PacketStore()
    server = MoldServer(store, "DAY", (("127.0.0.1", 1), ("127.0.0.1", 2)))
    lines = [Line(), Line()]
    server._sockets = lines  # type: ignore[assignment]
    feeds = Feeds(SoupServer(store, "DAY", "t", "p"), server)
    feeds.lose(2, "a")
    for text in (b"A", b"B", b"C"):
        add(store, text)
        feeds.publish()

    assert [len(line.sent) for line in lines] == [1, 3]
    assert lines[0].sent == lines[1].sent[2:]


def test_both_lines_lose_and_a_request_brings_it_back() -> None:
    store = PacketStore()
    server = MoldServer(store, "DAY", (("127.0.0.1", 1), ("127.0.0.1", 2)))
    lines = [Line(), Line()]
    server._sockets = lines  # type: ignore[assignment]
    feeds = Feeds(SoupServer(store, "DAY", "t", "p"), server)
    feeds.lose(1, "both")
    add(store, b"A")
    feeds.publish()
    feeds.silence(begin=True, dead=False)
    add(store, b"B")
    feeds.publish()
    assert [line.sent for line in lines] == [[], []]
    feeds.silence(begin=False, dead=False)

    assert [len(line.sent) for line in lines] == [1, 1]
    (answer,) = server.answer(b"       DAY" + (1).to_bytes(8, "big") + (1).to_bytes(2, "big"))
    assert answer.endswith(b"\x00\x01A")
