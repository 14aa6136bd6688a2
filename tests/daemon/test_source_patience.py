"""A feed that is gone for long: the trader stays, says why, tries on, and comes back by itself.

Loopback, and a clock that jumps: minutes of absence take no time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from daemon.config import FeedSection
from daemon.runtime import EXIT_CONFIG, EXIT_NOT_CLEAN
from daemon.trader import source
from daemon.trader.source import Source
from gateways.feeds import glimpse
from gateways.feeds.glimpse import Snapshot, SnapshotError
from gateways.feeds.moldudp64 import HEADER
from gateways.feeds.moldudp64_client import MoldClient
from gateways.feeds.patience import PAUSE_MAX_S, TOLD_EVERY_S, Patience
from gateways.feeds.soupbintcp import (
    HEARTBEAT_SERVER,
    ClientPackets,
    Login,
    decode_login,
    encode_accepted,
    encode_rejected,
    packet,
)
from tests.daemon.jumping_loop import JumpingLoop
from tests.gateways.feeds.test_moldudp64 import free_port

MINUTES_S = 600.0


class Server:
    """A SoupBinTCP server that answers logins as it is told; it publishes numbered messages."""

    def __init__(self) -> None:
        self.session, self.next_seq, self.first_seq = "A", 1, 1
        self.reject = b""
        self.hung = False  # it takes heartbeats, and sends none
        self.logins: list[Login] = []
        self.clients: set[asyncio.StreamWriter] = set()
        self.port = free_port()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()

    def cut(self) -> None:
        for client in self.clients:
            client.close()
        self.clients.clear()

    def publish(self, count: int) -> None:
        for client in self.clients:
            client.write(packet("S", b"x") * count + HEARTBEAT_SERVER)
        self.next_seq += count

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        packets, served = ClientPackets(), False
        while data := await reader.read(1 << 12):
            for kind, payload in packets.take(data):
                login = decode_login(payload) if kind == b"L" else None
                if login is not None:
                    self.logins.append(login)
                    served = self._log_in(login, writer)
            if served and not self.hung:
                writer.write(HEARTBEAT_SERVER)
        writer.close()

    def _log_in(self, login: Login, writer: asyncio.StreamWriter) -> bool:
        if self.reject:
            writer.write(encode_rejected(self.reject.decode()))
            return False
        seq = min(max(login.next_seq, self.first_seq), self.next_seq)
        writer.write(encode_accepted(self.session, seq) + packet("S", b"x") * (self.next_seq - seq))
        self.clients.add(writer)
        return True


class Desk:
    """A trader's place: a server, a source, snapshots as they are set, and what was said."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = Server()
        self.log: list[tuple[float, str]] = []
        self.failed: list[tuple[str, int]] = []
        self.refused: list[str] = []
        self.asked: list[tuple[float, str]] = []
        self.snapshot: Snapshot | Exception = SnapshotError("no snapshot there")
        self.next_seq = 1
        self.fit = False
        self.source: Source
        monkeypatch.setattr(glimpse, "fetch", self._fetch)
        monkeypatch.setattr(source, "log", self)
        self.warned: list[str] = []

    async def _fetch(self, host: str, port: int, login: Login) -> Snapshot:
        self.asked.append((self.now_s, login.session))
        if isinstance(self.snapshot, Exception):
            raise self.snapshot
        return self.snapshot

    def warning(self, what: str, **facts: Any) -> None:
        self.warned.append(f"{what} {facts.get('reason', '')}")

    @property
    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def follow(self, **config: Any) -> asyncio.Task[None]:
        section = FeedSection(**{"port": self.server.port, "snapshot": "127.0.0.1:1"} | config)
        self.source = Source(
            section, self, self.resynchronised, lambda *why: self.failed.append(why), self.refused.append
        )
        return asyncio.get_running_loop().create_task(self.source.follow())

    def feed_up(self, session: str, next_seq: int) -> None:
        self.fit = True
        self._note(f"up {session} {next_seq}")

    def feed_bytes(self, packets: memoryview, first_seq: int, mono_ns: int) -> None:
        assert self.fit
        assert first_seq == self.next_seq
        self.next_seq += bytes(packets).count(packet("S", b"x"))

    def feed_idle(self, next_seq: int, mono_ns: int) -> None:
        assert next_seq == self.next_seq

    def feed_down(self, reason: str) -> None:
        self.fit = False
        self._note(f"down {reason}")

    def feed_ended(self) -> None:
        self._note("ended")

    def resynchronised(self, snapshot: Snapshot) -> None:
        self.next_seq = snapshot.next_seq
        self._note("snapshot")

    def _note(self, text: str) -> None:
        self.log.append((self.now_s, text))

    @property
    def said(self) -> list[str]:
        return [text for _, text in self.log]

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait, in the loop's time."""
        for _ in range(20_000):
            if true():
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"never: {self.log[-5:]}")


def run(story: Callable[[Desk], Awaitable[None]], monkeypatch: pytest.MonkeyPatch) -> Desk:
    async def main() -> Desk:
        desk = Desk(monkeypatch)
        await story(desk)
        told = list(desk.log)
        desk.source.close()
        await asyncio.sleep(1)
        if desk.server._server is not None:
            desk.server.stop()
        await asyncio.sleep(1)
        desk.log = told
        return desk

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(main())


async def up(d: Desk) -> asyncio.Task[None]:
    """Begin to follow a server that is well, and hear ten messages."""
    await d.server.start()
    following = d.follow()
    await d.until(lambda: d.fit)
    d.server.publish(10)
    await d.until(lambda: d.next_seq == 11)
    return following


# --- snapshots ----------------------------------------------------------------------------------------


def test_a_publisher_that_is_gone_for_ten_minutes_ends_no_trader(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(d: Desk) -> None:
        port = free_port()
        following = d.follow(protocol="moldudp64", lines=[f"127.0.0.1:{port}"], start="snapshot")
        await asyncio.sleep(MINUTES_S)
        assert not following.done()
        assert not d.fit
        d.snapshot = Snapshot("A", b"", 100)
        await d.until(lambda: "snapshot" in d.said)
        d.source._client.heard(  # type: ignore[union-attr]
            d.source._client.arbiter.lines[0],  # type: ignore[union-attr]
            HEADER.pack(b"A".rjust(10), 100, 0),
        )
        assert d.fit
        d.source.close()
        await following

    desk = run(story, monkeypatch)
    assert desk.failed == []
    pauses = [round(b - a, 1) for (a, _), (b, _) in zip(desk.asked, desk.asked[1:], strict=False)]
    assert pauses[:6] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert set(pauses[6:]) == {5.0}
    assert desk.refused == ["snapshot"] * (len(desk.asked) - 1)
    refusal = "begins with a snapshot; no snapshot there"
    assert set(desk.said[:-2]) == {f"down {refusal}"}
    assert 10 <= len(desk.said[:-2]) <= MINUTES_S / TOLD_EVERY_S + 1
    assert len([w for w in desk.warned if refusal in w]) == len(desk.said[:-2])


def test_another_reason_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(d: Desk) -> None:
        d.follow(protocol="moldudp64", lines=[f"127.0.0.1:{free_port()}"], start="snapshot")
        await asyncio.sleep(30)
        d.snapshot = SnapshotError("it is cut short")
        await asyncio.sleep(PAUSE_MAX_S)

    assert run(story, monkeypatch).said == [
        "down begins with a snapshot; no snapshot there",
        "down begins with a snapshot; it is cut short",
    ]


def test_a_name_that_no_server_has_ever_taken_is_a_matter_of_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(d: Desk) -> None:
        d.snapshot = glimpse.SnapshotDenied("login rejected: A")
        await d.follow(start="snapshot")

    assert run(story, monkeypatch).failed == [("login rejected: A", EXIT_CONFIG)]


def test_a_snapshot_server_that_denies_us_in_mid_day_is_asked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(d: Desk) -> None:
        await up(d)
        d.snapshot = glimpse.SnapshotDenied("login rejected: A")
        d.server.next_seq, d.server.first_seq = 50, 50
        d.server.cut()
        await asyncio.sleep(MINUTES_S)
        assert not d.fit
        d.snapshot = Snapshot("A", b"", 50)
        await d.until(lambda: d.fit)

    desk = run(story, monkeypatch)
    assert desk.failed == []
    assert "down the feed goes on at 50, we need 11; login rejected: A" in desk.said


def test_snapshots_behind_which_nothing_goes_on_are_not_taken_without_a_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A snapshot server that is another than the feed's: each of its books is refused by a login."""

    async def story(d: Desk) -> None:
        await up(d)
        d.snapshot = Snapshot("A", b"", 50)
        d.server.first_seq = d.server.next_seq = 60

        async def stale(host: str, port: int, login: Login) -> Snapshot:
            d.server.first_seq = d.server.next_seq = d.server.next_seq + 1  # it never gets there
            return Snapshot("A", b"", d.server.next_seq - 1)

        monkeypatch.setattr(glimpse, "fetch", stale)
        d.server.cut()
        await asyncio.sleep(MINUTES_S)
        assert not d.fit

    desk = run(story, monkeypatch)
    assert desk.failed == []
    assert 100 < desk.said.count("snapshot") < MINUTES_S / PAUSE_MAX_S + 10


@pytest.mark.parametrize("protocol", ["moldudp64", "soupbintcp"])
def test_a_book_that_its_reader_gave_up_is_taken_anew(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that nobody can read came from a liar, or a line was wrong once: not the end of a day."""

    async def story(d: Desk) -> None:
        await d.server.start()
        d.follow(protocol=protocol, lines=[f"127.0.0.1:{free_port()}"])

        def beat(seq: int) -> None:
            if isinstance(d.source._client, MoldClient):
                line = d.source._client.arbiter.lines[0]
                d.source._client.heard(line, HEADER.pack(b"A".rjust(10), seq, 0))

        await asyncio.sleep(1)
        beat(1)
        await d.until(lambda: d.fit)
        d.source.distrust("message 1 was refused")
        await d.until(lambda: not d.fit)
        await asyncio.sleep(60)
        assert not d.fit
        assert d.asked
        d.snapshot, d.server.next_seq = Snapshot("A", b"", 5), 5
        await d.until(lambda: "snapshot" in d.said)
        beat(5)
        await d.until(lambda: d.fit)

    desk = run(story, monkeypatch)
    assert desk.failed == []
    assert "down message 1 was refused; no snapshot there" in desk.said


def test_without_a_snapshot_a_book_that_was_given_up_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(d: Desk) -> None:
        await d.server.start()
        d.follow(snapshot=None)
        await d.until(lambda: d.fit)
        d.source.distrust("message 1 was refused")
        await asyncio.sleep(60)
        assert d.fit, "the core itself decides nothing any more"

    assert run(story, monkeypatch).failed == []


@pytest.mark.parametrize("protocol", ["moldudp64", "soupbintcp"])
@pytest.mark.parametrize("begin_s", [0.0, 0.3, 0.9])
def test_a_silence_is_believed_no_longer_than_its_bound(
    protocol: str, begin_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it falls between two looks."""

    async def story(d: Desk) -> None:
        await d.server.start()
        d.server.hung = True
        d.follow(protocol=protocol, lines=[f"127.0.0.1:{free_port()}"])
        await asyncio.sleep(1 + begin_s)
        client = d.source._client
        if isinstance(client, MoldClient):
            client._mono_ns = lambda: int(d.now_s * 1e9)
            client.heard(client.arbiter.lines[0], HEADER.pack(b"A".rjust(10), 1, 0))
        elif client is not None:
            for writer in d.server.clients:
                writer.write(HEARTBEAT_SERVER)
        await asyncio.sleep(0.01)
        assert d.fit
        heard_s = d.now_s
        await d.until(lambda: not d.fit)
        silence_s = d.log[-1][0] - heard_s
        bound_s = 5.0 if protocol == "soupbintcp" else 3.0
        assert bound_s - 0.1 <= silence_s <= bound_s + 0.3

    run(story, monkeypatch)


# --- SoupBinTCP ---------------------------------------------------------------------------------------


def test_a_server_that_is_not_there_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(d: Desk) -> None:
        d.follow()
        await asyncio.sleep(MINUTES_S)
        await d.server.start()
        await d.until(lambda: d.fit)

    desk = run(story, monkeypatch)
    assert desk.failed == []
    refusals = [text for text in desk.said if text.startswith("down")]
    assert f"127.0.0.1:{desk.server.port}: " in refusals[0]
    assert len(refusals) <= MINUTES_S / TOLD_EVERY_S + 1


def test_a_server_that_comes_back_after_minutes_goes_on_where_we_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(d: Desk) -> None:
        await up(d)
        d.server.stop()
        await asyncio.sleep(MINUTES_S)
        assert not d.fit
        d.server.next_seq = 20
        await d.server.start()
        await d.until(lambda: d.next_seq == 20)

    desk = run(story, monkeypatch)
    assert desk.failed == []
    assert desk.asked == []


def test_a_login_that_was_good_and_is_refused_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(d: Desk) -> None:
        await up(d)
        d.server.reject = b"A"
        d.server.cut()
        await asyncio.sleep(MINUTES_S)
        assert not d.fit
        d.server.reject = b""
        await d.until(lambda: d.fit)

    desk = run(story, monkeypatch)
    assert desk.failed == []
    assert any("login rejected: A" in text for text in desk.said)
    assert 100 < len(desk.server.logins) < MINUTES_S / PAUSE_MAX_S + 10
    assert len(desk.log) < 20
    assert set(desk.refused) == {"login"}


def test_a_day_whose_session_has_not_begun_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(d: Desk) -> None:
        d.server.reject = b"S"
        await d.server.start()
        d.follow(snapshot=None)
        await asyncio.sleep(MINUTES_S)
        d.server.reject = b""
        await d.until(lambda: d.fit)

    assert run(story, monkeypatch).failed == []


@pytest.mark.parametrize("rejects", [False, True])
def test_another_session_in_mid_day_is_mended_by_its_snapshot(
    rejects: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server says it by its answer, or by refusing ours; until its snapshot is there nobody decides."""

    async def story(d: Desk) -> None:
        await up(d)
        d.server.session, d.server.next_seq = "B", 6
        d.server.reject = b"S" if rejects else b""
        d.server.cut()
        await asyncio.sleep(60)
        assert not d.fit
        d.server.reject = b""
        d.snapshot = Snapshot("B", b"", 5)
        await d.until(lambda: d.next_seq == 6)

    desk = run(story, monkeypatch)
    assert desk.failed == []
    assert desk.said[-1] == "up B 5"


@pytest.mark.parametrize(
    ("session", "next_seq", "first_seq", "says"),
    [("B", 6, 1, "began anew"), ("A", 50, 50, "goes on at 50, we need 11"), ("A", 5, 1, "goes on at 5")],
)
def test_without_a_snapshot_only_a_new_start_helps(
    session: str, next_seq: int, first_seq: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(d: Desk) -> None:
        await d.server.start()
        following = d.follow(snapshot=None)
        await d.until(lambda: d.fit)
        d.server.publish(10)
        await d.until(lambda: d.next_seq == 11)
        d.server.session, d.server.next_seq, d.server.first_seq = session, next_seq, first_seq
        d.server.cut()
        await following

    ((text, code),) = run(story, monkeypatch).failed
    assert says in text
    assert "trader.feed.snapshot = HOST:PORT would mend it" in text
    assert code == EXIT_NOT_CLEAN


def test_a_server_that_fell_behind_us_and_caught_up_is_believed_by_its_snapshot_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it says now under numbers that we have seen may be something else."""

    async def story(d: Desk) -> None:
        await up(d)
        d.server.next_seq = 5
        d.server.cut()
        await asyncio.sleep(30)
        d.server.publish(20)
        await asyncio.sleep(MINUTES_S)
        assert not d.fit
        d.snapshot = Snapshot("A", b"", 20)
        await d.until(lambda: d.next_seq == 25)

    desk = run(story, monkeypatch)
    assert desk.failed == []
    assert desk.said[-2:] == ["snapshot", "up A 20"]


def test_a_server_that_was_ahead_and_serves_all_again_needs_no_snapshot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(d: Desk) -> None:
        await up(d)
        d.server.next_seq = d.server.first_seq = 50
        d.server.cut()
        await asyncio.sleep(60)
        assert not d.fit
        d.server.first_seq = 1
        await d.until(lambda: d.next_seq == 50)

    assert run(story, monkeypatch).failed == []


# --- patience itself ----------------------------------------------------------------------------------


def test_pauses_double_to_their_bound_and_begin_anew_after_a_time_of_peace() -> None:
    now = [0.0]
    patience = Patience(0.5, lambda: now[0])
    assert [patience.pause_s() for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    patience.worked()
    now[0] += PAUSE_MAX_S - 1
    assert patience.soon
    assert patience.pause_s() == 5.0
    patience.worked()
    now[0] += PAUSE_MAX_S
    assert not patience.soon
    assert patience.pause_s() == 0.5


def test_a_reason_is_told_once_a_minute_and_where_more_than_its_numbers_changes() -> None:
    now = [0.0]
    patience = Patience(0.5, lambda: now[0])
    assert patience.failed("at 5")
    assert not patience.failed("at 6")
    assert patience.failed("gone")
    now[0] += TOLD_EVERY_S - 1
    assert not patience.failed("gone")
    now[0] += 1
    assert patience.failed("gone")
    patience.worked()
    assert not patience.failed("gone")
    now[0] += PAUSE_MAX_S
    assert patience.failed("gone")
