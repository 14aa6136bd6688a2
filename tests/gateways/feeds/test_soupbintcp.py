"""SoupBinTCP over loopback: logins, resume from any sequence number, heartbeats, slow readers."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.feeds import soupbintcp as soup
from gateways.feeds import soupbintcp_client
from gateways.feeds import soupbintcp_server as server_module
from gateways.feeds.soupbintcp import ClientSession, Login, ProtocolError, packet
from gateways.feeds.soupbintcp_client import SoupClient
from gateways.feeds.soupbintcp_server import PacketStore, SoupServer, StoreFullError
from tests.gateways.feeds.listener import WAIT_S, Listener

LOGIN = Login("trader", "paper")


def texts(count: int, first: int = 1) -> list[bytes]:
    return [f"message {i}".encode() * (i % 5 + 1) for i in range(first, first + count)]


def fill(store: PacketStore, messages: list[bytes]) -> None:
    packets = [packet("S", m) for m in messages]
    store.append(b"".join(packets), np.array([len(p) for p in packets], dtype=np.int64))


def play(scene: Callable[[SoupServer, int], Awaitable[None]], count: int = 0) -> None:
    """Run a scene against a server that has published `count` messages."""

    async def main() -> None:
        store = PacketStore()
        fill(store, texts(count))
        server = SoupServer(store, "RUN1", LOGIN.username, LOGIN.password)
        port = await server.start("127.0.0.1", 0)
        try:
            await scene(server, port)
        finally:
            server.close()

    uvloop.run(main())


async def follow(client: SoupClient, port: int) -> "asyncio.Future[None]":
    return asyncio.ensure_future(client.run("127.0.0.1", port))


def test_a_client_gets_everything_from_the_beginning_then_live() -> None:
    async def scene(server: SoupServer, port: int) -> None:
        listener = Listener()
        client = SoupClient(listener, LOGIN)
        running = await follow(client, port)
        await listener.until(lambda: len(listener.messages) == 5_000)
        fill(server.store, texts(10, 5_001))
        server.publish()
        await listener.until(lambda: len(listener.messages) == 5_010)

        assert listener.messages == texts(5_010)
        assert listener.log[0] == "up RUN1 1"
        assert "idle 5001" in listener.log  # told at once that this is all
        client.close()
        await running

    play(scene, 5_000)


@pytest.mark.parametrize("start", [1, 2, 777, 1_999, 2_000, 2_001])
def test_resume_from_any_sequence_number(start: int) -> None:
    async def scene(server: SoupServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(soup.encode_login(LOGIN._replace(session="RUN1", next_seq=start)))
        want = soup.encode_accepted("RUN1", start)
        want += b"".join(packet("S", m) for m in texts(2_001 - start, start))

        assert await reader.readexactly(len(want)) == want
        writer.close()

    play(scene, 2_000)


def test_sequence_number_zero_means_from_now_on() -> None:
    async def scene(server: SoupServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(soup.encode_login(LOGIN._replace(next_seq=0)))
        want = soup.encode_accepted("RUN1", 101) + soup.HEARTBEAT_SERVER

        assert await reader.readexactly(len(want)) == want
        writer.close()

    play(scene, 100)


def test_a_client_resumes_without_loss_or_doubling_after_every_break(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(soupbintcp_client, "RECONNECT_S", 0.01)

    async def scene(server: SoupServer, port: int) -> None:
        listener = Listener()
        client = SoupClient(listener, LOGIN)
        running = await follow(client, port)
        for part in range(3):
            await listener.until(lambda: len(listener.messages) == server.store.next_seq - 1)
            for connection in tuple(server.clients):
                connection.close()
            fill(server.store, texts(50, 50 * part + 101))
        await listener.until(lambda: len(listener.messages) == 250)

        assert listener.messages == texts(250)
        assert [entry.split()[0] for entry in listener.log].count("down") == 3
        client.close()
        await running

    play(scene, 100)


def test_end_of_session_ends_the_client() -> None:
    async def scene(server: SoupServer, port: int) -> None:
        listener = Listener()
        client = SoupClient(listener, LOGIN)
        running = await follow(client, port)
        await listener.until(lambda: len(listener.messages) == 10)
        server.end_session()
        async with asyncio.timeout(WAIT_S):
            await running

        assert listener.log[-1] == "ended"
        assert client.state.ended

    play(scene, 10)


@pytest.mark.parametrize(
    ("login", "reason"),
    [
        (LOGIN._replace(password="wrong"), "login rejected: A"),
        (LOGIN._replace(username="nobody"), "login rejected: A"),
        (LOGIN._replace(session="OTHER"), "login rejected: S"),
        (LOGIN._replace(next_seq=500), "the feed goes on at 11, we need 500"),
    ],
)
def test_a_login_that_cannot_be_is_final(login: Login, reason: str) -> None:
    async def scene(server: SoupServer, port: int) -> None:
        listener = Listener()
        client = SoupClient(listener, login)
        async with asyncio.timeout(WAIT_S):
            await (await follow(client, port))

        assert client.state.refused == reason
        assert not listener.messages

    play(scene, 10)


def test_a_slow_reader_is_cut_off_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "SLOW_BYTES_MAX", 1 << 20)

    async def scene(server: SoupServer, port: int) -> None:
        stuck = socket.create_connection(("127.0.0.1", port))
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        stuck.sendall(soup.encode_login(LOGIN))
        listener = Listener()
        client = SoupClient(listener, LOGIN)
        running = await follow(client, port)
        await listener.until(lambda: len(server.clients) == 2 and len(listener.messages) == 10)
        sent = 10
        while len(server.clients) == 2 and sent < 400_000:
            fill(server.store, [b"x" * 1_000] * 1_000)
            sent += 1_000
            server.publish()
            await listener.until(lambda: len(listener.messages) == sent)  # noqa: B023
        assert len(server.clients) == 1

        stuck.close()
        client.close()
        await running

    play(scene, 10)


@pytest.mark.parametrize("garbage", [b"\0\0", b"\0\5Zabcd", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 5_000])
def test_garbage_from_a_client_drops_it_alone(garbage: bytes) -> None:
    async def scene(server: SoupServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(garbage)
        writer.write_eof()

        async with asyncio.timeout(WAIT_S):
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await reader.readexactly(1)
        writer.close()
        listener = Listener()
        client = SoupClient(listener, LOGIN)
        running = await follow(client, port)
        await listener.until(lambda: len(listener.messages) == 3)
        client.close()
        await running

    play(scene, 3)


def test_a_busy_port_is_an_os_error() -> None:
    async def scene(server: SoupServer, port: int) -> None:
        other = SoupServer(PacketStore(), "RUN2", "a", "b")

        with pytest.raises(OSError, match="in use"):
            await other.start("127.0.0.1", port)

    play(scene)


def test_the_store_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "STORE_BYTES_MAX", 100)
    store = PacketStore()
    fill(store, [b"x" * 50])

    with pytest.raises(StoreFullError):
        fill(store, [b"x" * 50])


def test_messages_are_written_with_their_lengths(tmp_path: Path) -> None:
    store = PacketStore()
    fill(store, texts(100))

    store.write_messages(tmp_path / "itch.bin")

    want = b"".join(len(m).to_bytes(2, "big") + m for m in texts(100))
    assert (tmp_path / "itch.bin").read_bytes() == want


def test_login_fields_are_padded_as_the_standard_says() -> None:
    encoded = soup.encode_login(Login("ab", "secret", "S1", 42))

    assert encoded == b"\x00\x2fLab    secret            S1                  42"
    assert soup.decode_login(encoded[3:]) == Login("ab", "secret", "S1", 42)


# --- the client's state without a socket --------------------------------------------------------


def session() -> tuple[ClientSession, Listener]:
    listener = Listener()
    state = ClientSession(listener, LOGIN)
    state.request()
    return state, listener


def wire(messages: list[bytes]) -> bytes:
    return soup.encode_accepted("RUN1", 1) + b"".join(packet("S", m) for m in messages)


@given(st.lists(st.integers(1, 60), max_size=30))
@settings(max_examples=100, deadline=None)
def test_any_cut_of_the_stream_gives_the_same_messages(cuts: list[int]) -> None:
    state, listener = session()
    data = wire(texts(40)) + soup.HEARTBEAT_SERVER + soup.END_OF_SESSION
    rest = b""
    at = 0
    for size in [*cuts, len(data)]:
        rest += data[at : at + size]
        at += size
        used = state.receive(memoryview(bytearray(rest)), 1)
        rest = rest[used:]

    assert listener.messages == texts(40)
    assert state.next_seq == 41
    assert state.ended


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_random_bytes_after_login_raise_nothing_but_a_protocol_error(data: bytes) -> None:
    state, _ = session()
    try:
        used = state.receive(memoryview(soup.encode_accepted("RUN1", 1) + data), 1)
    except ProtocolError:
        return
    assert used <= 33 + len(data)


@pytest.mark.parametrize(
    "data",
    [
        packet("S", b"before login"),
        soup.HEARTBEAT_SERVER,
        soup.encode_accepted("RUN1", 1) + soup.encode_accepted("RUN1", 1),
        soup.encode_accepted("RUN1", 1) + b"\xff\xffS" + b"x" * 70_000,
        packet("A", b"short"),
        packet("X"),
        soup.END_OF_SESSION,
    ],
)
def test_what_is_not_the_protocol_is_refused(data: bytes) -> None:
    state, _ = session()

    with pytest.raises(ProtocolError):
        state.receive(memoryview(data), 1)


@pytest.mark.parametrize("seq", [0, 10**19])
def test_a_feed_that_goes_on_at_no_number_is_refused(seq: int) -> None:
    """0 would be asked for again as "from now on", and what lies between be lost."""
    listener = Listener()
    state = ClientSession(listener, LOGIN._replace(next_seq=0))

    with pytest.raises(ProtocolError):
        state.receive(memoryview(soup.encode_accepted("RUN1", seq) + packet("S", b"x")), 1)
    assert listener.messages == []


def test_another_session_after_a_break_is_refused() -> None:
    state, _ = session()
    state.receive(memoryview(wire(texts(3))), 1)
    state.request()

    with pytest.raises(ProtocolError):
        state.receive(memoryview(soup.encode_accepted("RUN2", 4)), 1)
    assert "RUN2" in state.refused


def test_nothing_is_taken_after_the_end_of_the_session() -> None:
    state, listener = session()
    state.receive(memoryview(wire(texts(3)) + soup.END_OF_SESSION + packet("S", b"more")), 1)
    assert listener.messages == texts(3)
    assert listener.log[-1] == "ended"


@pytest.mark.parametrize("greeting", [b"", soup.encode_accepted("RUN1", 1)], ids=["no login", "logged in"])
def test_a_server_that_says_nothing_whole_is_left(greeting: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debug texts are no answer to a login, and bytes of a packet that never ends are no heartbeat."""
    for name, seconds in (("HEARTBEAT_S", 0.01), ("LOGIN_S", 0.1), ("SILENCE_S", 0.1)):
        monkeypatch.setattr(soupbintcp_client, name, seconds)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting + (b"\x0f\xffS" if greeting else b""))
        while await reader.read(64):
            writer.write(b"x" if greeting else packet("+", b"in a moment"))
        writer.close()

    async def scene() -> None:
        listener = Listener()
        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        client = SoupClient(listener, LOGIN)
        running = await follow(client, server.sockets[0].getsockname()[1])
        try:
            await listener.until(lambda: any(text.startswith("down silent for") for text in listener.log))
        finally:
            client.close()
            await running
            server.close()

    uvloop.run(scene())
