"""The feed over sockets: after a loss that no login and no request mends, a snapshot and what follows."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from daemon.config import FeedSection
from daemon.runtime import EXIT_CONFIG, EXIT_NOT_CLEAN
from daemon.trader.source import Source
from gateways.feeds import glimpse, moldudp64_client, moldudp64_lines, moldudp64_server
from gateways.feeds.glimpse import Snapshot
from gateways.feeds.glimpse_server import GlimpseServer, Mirror
from gateways.feeds.moldudp64 import END_OF_SESSION, HEADER
from gateways.feeds.moldudp64_server import MoldServer
from gateways.feeds.soupbintcp import Login
from gateways.feeds.soupbintcp_server import SoupServer
from market.flow.zero_intelligence import ZeroIntelligenceFlow
from tests.gateways.feeds.test_glimpse import book_of, order_of
from tests.gateways.feeds.test_moldudp64 import free_port
from tests.gateways.venue.desk import BEGIN_NS, END_NS, INSTRUMENT, MIDNIGHT_NS, Desk

S = 10**9
WAIT_S = 20.0


class Reader:
    """What a trader is to its source: it keeps the packets that make its book."""

    def __init__(self) -> None:
        self.packets = bytearray()
        self.next_seq = 1
        self.log: list[str] = []
        self.failed: list[tuple[str, int]] = []
        self.changed = asyncio.Event()

    def feed_up(self, session: str, next_seq: int) -> None:
        self._note(f"up {session} {next_seq}")

    def feed_bytes(self, packets: memoryview, first_seq: int, mono_ns: int) -> None:
        assert first_seq == self.next_seq
        at = 0
        while at < len(packets):
            end = at + 2 + int.from_bytes(packets[at : at + 2], "big")
            if packets[at + 2] == ord("S"):
                self.packets += packets[at:end]
                self.next_seq += 1
            at = end
        self.changed.set()

    def feed_idle(self, next_seq: int, mono_ns: int) -> None:
        self.changed.set()

    def feed_down(self, reason: str) -> None:
        self._note(f"down {reason}")

    def feed_ended(self) -> None:
        self._note("ended")

    def resynchronised(self, snapshot: Snapshot) -> None:
        self.packets = bytearray(snapshot.packets)
        self.next_seq = snapshot.next_seq
        self._note("snapshot")

    def fail(self, text: str, code: int) -> None:
        self.failed.append((text, code))
        self._note("failed")

    def _note(self, text: str) -> None:
        self.log.append(text)
        self.changed.set()

    async def until(self, true: Callable[[], bool]) -> None:
        async def wait() -> None:
            while not true():
                self.changed.clear()
                await self.changed.wait()

        await asyncio.wait_for(wait(), WAIT_S)


class Exchange:
    """A venue's feed with all its servers, and a reader of it."""

    def __init__(self) -> None:
        self.desk = Desk(ZeroIntelligenceFlow(5, BEGIN_NS, END_NS, INSTRUMENT)).opened()
        self.at_s = 0
        store = self.desk.store
        self.soup = SoupServer(store, "RUN1", "trader", "paper")
        self.glimpse = GlimpseServer(Mirror(store, MIDNIGHT_NS, "SYN"), self.soup)
        self.reader = Reader()
        self.source: Source | None = None

    async def serve(self) -> None:
        self.port = await self.soup.start("127.0.0.1", 0)
        self.snapshots = await self.glimpse.start("127.0.0.1", 0)

    def follow(self, **config: Any) -> asyncio.Task[None]:
        section = FeedSection(**{"port": self.port, "snapshot": f"127.0.0.1:{self.snapshots}"} | config)
        reader = self.reader
        self.source = Source(section, reader, reader.resynchronised, reader.fail)
        return asyncio.get_running_loop().create_task(self.source.follow())

    async def leave(self, following: asyncio.Task[None]) -> None:
        assert self.source is not None
        self.source.close()
        await following

    def play(self, seconds: int) -> None:
        self.at_s += seconds
        self.desk.exchange.advance(BEGIN_NS + self.at_s * S)
        self.soup.publish()

    async def whole(self) -> None:
        await self.reader.until(lambda: self.reader.next_seq == self.desk.store.next_seq)
        assert order_of(book_of(bytes(self.reader.packets))) == order_of(self.desk.engine.book)

    def close(self) -> None:
        assert self.source is not None
        self.source.close()
        self.soup.close()
        self.glimpse.close()


def run(story: Callable[[Exchange], Awaitable[None]]) -> Exchange:
    async def main() -> Exchange:
        exchange = Exchange()
        await exchange.serve()
        await story(exchange)
        exchange.close()
        return exchange

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


def test_a_line_that_goes_on_too_late_is_mended_by_a_snapshot() -> None:
    async def story(e: Exchange) -> None:
        following = e.follow()
        e.play(5)
        await e.whole()
        e.soup.disconnect(lose=7)
        e.play(20)
        await e.reader.until(lambda: "snapshot" in e.reader.log)
        e.play(5)
        await e.whole()
        await e.leave(following)

    exchange = run(story)
    assert exchange.reader.failed == []
    assert exchange.glimpse.served == 1


def test_a_cut_line_goes_on_without_one() -> None:
    async def story(e: Exchange) -> None:
        following = e.follow()
        e.play(5)
        await e.whole()
        e.soup.disconnect()
        e.play(20)
        await e.whole()
        await e.leave(following)

    assert run(story).glimpse.served == 0


def test_a_late_start_begins_with_the_book_as_it_is() -> None:
    async def story(e: Exchange) -> None:
        e.play(30)
        following = e.follow(start="snapshot")
        await e.reader.until(lambda: "snapshot" in e.reader.log)
        e.play(10)
        await e.whole()
        await e.leave(following)

    exchange = run(story)
    assert exchange.reader.log[0] == "snapshot"


def test_without_a_snapshot_the_loss_is_one_line_that_says_what_would_help() -> None:
    async def story(e: Exchange) -> None:
        following = e.follow(snapshot=None)
        e.play(5)
        await e.whole()
        e.soup.disconnect(lose=7)
        e.play(20)
        await following

    ((text, code),) = run(story).reader.failed
    assert "we need" in text
    assert "trader.feed.snapshot = HOST:PORT would mend it" in text
    assert code == EXIT_NOT_CLEAN


def test_a_refused_login_is_a_matter_of_configuration() -> None:
    async def story(e: Exchange) -> None:
        await e.follow(password="wrong")

    ((text, code),) = run(story).reader.failed
    assert "login rejected" in text
    assert code == EXIT_CONFIG


def test_udp_beyond_requests_is_mended_by_a_snapshot() -> None:
    async def story(e: Exchange) -> None:
        mold = MoldServer(e.desk.store, "RUN1", (("127.0.0.1", 0),))
        probe = asyncio.DatagramProtocol()
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: probe, local_addr=("127.0.0.1", 0)
        )
        port = transport.get_extra_info("sockname")[1]
        transport.close()
        mold.lines = (("127.0.0.1", port),)
        await mold.start("127.0.0.1", 0)
        following = e.follow(protocol="moldudp64", lines=[f"127.0.0.1:{port}"], requests=None)
        await asyncio.sleep(0)
        e.play(5)
        mold.publish()
        await e.whole()
        e.play(5)
        mold._next_seq = e.desk.store.next_seq  # nobody heard these
        e.play(5)
        mold.publish()
        await e.reader.until(lambda: "snapshot" in e.reader.log)
        e.play(5)
        mold.publish()
        await e.whole()
        await e.leave(following)
        mold.close()

    exchange = run(story)
    assert exchange.reader.failed == []
    assert any("cannot be asked for" in text for text in exchange.reader.log)


def test_a_failover_to_another_session_is_mended_by_its_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exchange goes on under a new session whose numbers begin at 1 again; both lines carry it."""
    monkeypatch.setattr(moldudp64_lines, "SILENCE_NS", S // 4)
    monkeypatch.setattr(moldudp64_client, "WATCH_S", 0.01)
    monkeypatch.setattr(moldudp64_server, "HEARTBEAT_S", 0.02)

    async def story(e: Exchange) -> None:
        ports = (free_port(), free_port())
        lines = tuple(("127.0.0.1", port) for port in ports)
        old = MoldServer(e.desk.store, "RUN1", lines)
        await old.start("127.0.0.1", 0)
        requests, snapshots = free_port(), free_port()  # of whoever publishes
        following = e.follow(
            protocol="moldudp64",
            lines=[f"127.0.0.1:{port}" for port in ports],
            requests=f"127.0.0.1:{requests}",
            snapshot=f"127.0.0.1:{snapshots}",
        )
        await asyncio.sleep(0)
        e.play(5)
        old.publish()
        await e.whole()
        old.close()

        e.desk = Desk(ZeroIntelligenceFlow(6, BEGIN_NS, END_NS, INSTRUMENT)).opened()
        store = e.desk.store
        glimpse = GlimpseServer(
            Mirror(store, MIDNIGHT_NS, "SYN"), SoupServer(store, "RUN2", "trader", "paper")
        )
        new = MoldServer(store, "RUN2", lines)
        await new.start("127.0.0.1", requests)
        new.publish()
        await e.reader.until(lambda: any("RUN2 came in place of RUN1" in text for text in e.reader.log))
        e.play(5)
        new.publish()
        await glimpse.start("127.0.0.1", snapshots)  # later than the lines: it is asked again
        await e.reader.until(lambda: "snapshot" in e.reader.log)
        e.play(5)
        new.publish()
        await e.whole()
        await e.reader.until(lambda: e.reader.log[-1].startswith("up RUN2 "))
        await e.leave(following)
        glimpse.close()
        new.close()

    exchange = run(story)
    assert exchange.reader.failed == []


def test_lines_that_name_their_session_while_a_snapshot_of_another_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A late start in a failover: whoever has the old session's snapshot has nothing of ours."""
    fetch, heard = glimpse.fetch, list[str]()

    async def story(e: Exchange) -> None:
        port = free_port()
        snapshots = free_port()
        old = GlimpseServer(Mirror(e.desk.store, MIDNIGHT_NS, "SYN"), e.soup)
        await old.start("127.0.0.1", snapshots)
        e.play(30)
        e.desk = Desk(ZeroIntelligenceFlow(6, BEGIN_NS, END_NS, INSTRUMENT)).opened()
        store = e.desk.store
        ours = GlimpseServer(Mirror(store, MIDNIGHT_NS, "SYN"), SoupServer(store, "RUN2", "trader", "paper"))
        lines = MoldServer(store, "RUN2", (("127.0.0.1", port),))

        async def slow(host: str, port: int, login: Login) -> Snapshot:
            found = await fetch(host, port, login)
            heard.append(found.session)
            if len(heard) == 1:
                old.close()
                await lines.start("127.0.0.1", 0)
                lines.publish()
                assert e.source is not None
                arbiter = e.source._client.arbiter  # type: ignore[union-attr]
                await e.reader.until(lambda: bool(arbiter.session))
                await ours.start("127.0.0.1", snapshots)
            return found

        monkeypatch.setattr(glimpse, "fetch", slow)
        following = e.follow(
            protocol="moldudp64",
            start="snapshot",
            lines=[f"127.0.0.1:{port}"],
            snapshot=f"127.0.0.1:{snapshots}",
        )
        await e.reader.until(lambda: "snapshot" in e.reader.log)
        e.play(5)
        lines.publish()
        await e.whole()
        await e.leave(following)
        ours.close()
        lines.close()

    exchange = run(story)
    assert heard == ["RUN1", "RUN2"]
    assert exchange.reader.log.count("snapshot") == 1
    assert exchange.reader.failed == []


def test_a_liar_on_the_line_is_found_out_and_the_book_is_whole_again() -> None:
    """He sends false messages before the publisher says them, a number far ahead, and an end of the day."""

    async def story(e: Exchange) -> None:
        port = free_port()
        mold = MoldServer(e.desk.store, "RUN1", (("127.0.0.1", port),))
        requests = await mold.start("127.0.0.1", 0)
        following = e.follow(
            protocol="moldudp64", lines=[f"127.0.0.1:{port}"], requests=f"127.0.0.1:{requests}"
        )
        await asyncio.sleep(0)

        def publish() -> None:
            e.play(5)
            mold.publish()

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as liar:

            def lie(seq: int, count: int, blocks: bytes = b"") -> None:
                liar.sendto(HEADER.pack(b"RUN1".rjust(10), seq, count) + blocks, ("127.0.0.1", port))

            publish()
            await e.whole()
            false = b"\x00\x0cS\x00\x00\x00\x00" + bytes(6) + b"O"
            lie(e.desk.store.next_seq, 3, false * 3)
            await e.reader.until(lambda: e.reader.next_seq == e.desk.store.next_seq + 3)
            publish()
            await e.reader.until(lambda: "snapshot" in e.reader.log)
            await e.whole()
            lie(2**62, 1, false)
            lie(e.desk.store.next_seq, END_OF_SESSION)
            await e.reader.until(lambda: "ended" in e.reader.log or "down" in e.reader.log[-1])
            publish()
            await e.whole()
            await e.reader.until(lambda: e.reader.log[-1].startswith("up"))
        await e.leave(following)
        mold.close()

    exchange = run(story)
    assert exchange.reader.failed == []
    assert any("came twice, and not the same" in text for text in exchange.reader.log)
