"""MoldUDP64: whatever the lines lose, double and swap, each message is heard once and in order."""

import asyncio
import random
import socket

import numpy as np
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.feeds import moldudp64 as mold
from gateways.feeds import moldudp64_client
from gateways.feeds.moldudp64 import END_OF_SESSION, HEADER, Arbiter, Refusal
from gateways.feeds.moldudp64_client import MoldClient
from gateways.feeds.moldudp64_lines import SILENCE_NS
from gateways.feeds.moldudp64_server import MoldServer
from gateways.feeds.soupbintcp import packet
from gateways.feeds.soupbintcp_server import PacketStore
from market.types import MS
from tests.gateways.feeds.listener import WAIT_S, Listener

SESSION = "20240102"
WIRE_SESSION = SESSION.rjust(10).encode()


def store_of(messages: list[bytes]) -> PacketStore:
    store = PacketStore()
    for message in messages:
        store.append(packet("S", message), np.array([len(message) + 3]))
    return store


def datagram(seq: int, *messages: bytes, session: bytes = WIRE_SESSION, count: int | None = None) -> bytes:
    blocks = b"".join(len(m).to_bytes(2, "big") + m for m in messages)
    return HEADER.pack(session, seq, len(messages) if count is None else count) + blocks


def made(number: int) -> list[bytes]:
    return [b"message %d" % n * (1 + n % 3) for n in range(1, number + 1)]


def test_the_first_copy_counts_and_the_second_is_passed_over() -> None:
    heard = Listener()
    a = Arbiter(heard)
    for line in a.lines:
        a.receive(line, datagram(1, b"one", b"two"), 1)
    assert heard.messages == [b"one", b"two"]
    assert [line.first for line in a.lines] == [2, 0]
    assert [line.repeated for line in a.lines] == [0, 2]
    assert heard.log == [f"up {SESSION} 1"]


def test_what_one_line_loses_the_other_brings_and_nobody_is_asked() -> None:
    heard = Listener()
    a = Arbiter(heard)
    a.receive(a.lines[0], datagram(1, b"one"), 0)
    a.receive(a.lines[0], datagram(3, b"three"), 10)
    assert a.gap is not None
    assert a.due(11) == []
    a.receive(a.lines[1], datagram(2, b"two"), 12)
    assert heard.messages == [b"one", b"two", b"three"]
    assert a.gap is None
    assert a.counters.gaps == 0


def test_each_hole_waits_for_the_other_line_from_its_own_beginning() -> None:
    heard = Listener()
    a = Arbiter(heard)
    a.receive(a.lines[0], datagram(1, b"one"), 0)
    a.receive(a.lines[0], datagram(3, b"three"), 0)
    a.receive(a.lines[0], datagram(5, b"five"), mold.ARBITRATION_NS - 1)
    a.receive(a.lines[1], datagram(2, b"two"), mold.ARBITRATION_NS - 1)
    assert a.due(mold.ARBITRATION_NS) == [], "the second hole is a nanosecond old"
    assert len(a.due(2 * mold.ARBITRATION_NS)) == 1


def test_what_both_lose_is_asked_for_and_the_feed_is_down_meanwhile() -> None:
    heard = Listener()
    a = Arbiter(heard)
    a.receive(a.lines[0], datagram(1, b"one"), 0)
    a.receive(a.lines[1], datagram(4, b"four"), 0)
    assert a.due(mold.ARBITRATION_NS - 1) == []
    assert a.due(mold.ARBITRATION_NS) == [HEADER.pack(WIRE_SESSION, 2, 2)]
    assert heard.log[-1] == "down 2 messages from 2 on are missing"
    assert a.due(mold.ARBITRATION_NS + mold.RETRY_NS - 1) == []
    assert len(a.due(mold.ARBITRATION_NS + mold.RETRY_NS)) == 1, "an answer may be lost too"
    a.receive(a.answers, datagram(2, b"two", b"three"), 60 * MS)
    assert heard.messages == [b"one", b"two", b"three", b"four"]
    assert heard.log[-1] == f"up {SESSION} 5"
    assert (a.counters.gaps, a.counters.recovered, a.counters.requests) == (1, 1, 2)


def test_a_heartbeat_shows_that_the_last_packet_is_missing() -> None:
    heard = Listener()
    a = Arbiter(heard)
    a.receive(a.lines[0], datagram(1, b"one"), 0)
    a.receive(a.lines[0], datagram(3, count=0), 0)
    assert a.due(mold.ARBITRATION_NS) == [HEADER.pack(WIRE_SESSION, 2, 1)]
    assert not any(text.startswith("idle") for text in heard.log)


def test_who_comes_late_asks_for_everything_from_the_first_message_on() -> None:
    heard = Listener()
    a = Arbiter(heard)
    a.receive(a.lines[0], datagram(5_001, b"late"), 0)
    (request,) = a.due(mold.ARBITRATION_NS)
    assert HEADER.unpack(request)[1:] == (1, mold.REQUEST_MESSAGES_MAX)


def test_requests_end_and_say_what_is_lost() -> None:
    heard = Listener()
    a = Arbiter(heard)
    a.receive(a.lines[0], datagram(2, b"two"), 0)
    now = mold.ARBITRATION_NS
    for _ in range(mold.TRIES_MAX + 1):
        a.due(now)
        now += mold.RETRY_NS
    assert a.lost == f"1 messages from 1 on did not come in {mold.TRIES_MAX} requests"
    a.receive(a.lines[0], datagram(1, b"one"), now)
    assert heard.messages == [], "after a loss only a new start helps"


def test_silence_on_every_line_takes_the_feed_down_and_a_heartbeat_brings_it_back() -> None:
    heard = Listener()
    a = Arbiter(heard)
    a.receive(a.lines[0], datagram(1, b"one"), 0)
    a.receive(a.lines[1], datagram(2, count=0), SILENCE_NS - 1)
    a.due(SILENCE_NS)
    assert not any(text.startswith("down") for text in heard.log), "one line still speaks"
    a.due(2 * SILENCE_NS)
    assert heard.log[-1] == "down every line is silent"
    a.receive(a.lines[1], datagram(2, count=0), 2 * SILENCE_NS)
    assert heard.log[-2:] == [f"up {SESSION} 2", "idle 2"]


def test_the_end_comes_after_everything_before_it() -> None:
    heard = Listener()
    a = Arbiter(heard)
    a.receive(a.lines[0], datagram(2, count=END_OF_SESSION), 0)
    assert not a.ended
    a.receive(a.lines[1], datagram(1, b"one"), 1)
    assert heard.messages == [b"one"]
    assert heard.log[-1] == "ended"
    a.receive(a.lines[1], datagram(2, count=0), 2)
    assert a.counters.refused == {Refusal.ENDED: 1}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (b"", Refusal.SHORT),
        (datagram(1, b"one")[:-1], Refusal.SHORT),
        (datagram(1, b"one") + b"x", Refusal.SHORT),
        (datagram(1, b"one", count=2), Refusal.SHORT),
        (datagram(1, b""), Refusal.SHORT),
        (datagram(0, b"one"), Refusal.RANGE),
        (datagram(2**63, b"one"), Refusal.RANGE),
        (datagram(2, b"one", session=b"    another"[:10]), Refusal.SESSION),
    ],
)
def test_what_makes_no_sense_is_counted_and_forgotten(wrong: bytes, why: Refusal) -> None:
    heard = Listener()
    a = Arbiter(heard, session=SESSION)
    a.receive(a.lines[0], wrong, 0)
    assert a.counters.refused == {why: 1}
    assert (heard.messages, heard.log, a.gap, a.next_seq) == ([], [], None, 1)


@given(st.binary(max_size=80), st.integers(0, 3))
def test_bytes_of_any_kind_change_nothing_but_counters(noise: bytes, cut: int) -> None:
    heard = Listener()
    a = Arbiter(heard, session=SESSION)
    a.receive(a.lines[0], datagram(1, b"one"), 0)
    before = (a.next_seq, list(heard.messages))
    a.receive(a.lines[1], noise, 1)
    a.receive(a.lines[1], datagram(2, b"two", b"three")[: -1 - cut], 1)
    assert (a.next_seq, heard.messages) == before


def test_memory_is_bounded_behind_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mold, "HELD_BYTES_MAX", 100)
    heard = Listener()
    a = Arbiter(heard)
    for seq in range(2, 12):
        a.receive(a.lines[0], datagram(seq, b"x" * 20), 0)
    assert a.counters.overflows == 8
    messages = [b"x" * 20] * 12
    server = MoldServer(store_of(messages), SESSION, ())
    server.publish()
    now = 0
    while heard.messages != messages[:11]:
        now += mold.RETRY_NS
        for request in a.due(now):
            for answer in server.answer(request):
                a.receive(a.answers, answer, now)
    assert a.gap is None


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), number=st.integers(1, 300), loss=st.sampled_from((0.0, 0.1, 0.5)))
def test_two_bad_lines_and_a_bad_server_make_one_good_feed(seed: int, number: int, loss: float) -> None:
    rng = random.Random(seed)
    messages = made(number)
    server = MoldServer(store_of(messages), SESSION, ())
    server.publish()
    packets, seq = [], 1
    while seq <= number:
        count = min(rng.randint(1, 7), number + 1 - seq)
        packets.append(datagram(seq, *messages[seq - 1 : seq - 1 + count]))
        seq += count
    packets.append(datagram(number + 1, count=END_OF_SESSION))
    flights = []
    for line in range(2):
        for n, sent in enumerate(packets):
            copies = 0 if rng.random() < loss else 1 + (rng.random() < 0.1)
            flights += [(n + rng.choice((0, 0, 0, 3, 9)), rng.random(), line, sent)] * copies
    heard = Listener()
    a = Arbiter(heard)
    now = 0
    for at, _, line, sent in sorted(flights):
        now = at * MS
        a.receive(a.lines[line], sent, now)
    while not a.ended:
        now += 5 * MS
        a.receive(a.lines[0], packets[-1], now)  # a heartbeat
        for request in a.due(now):
            for answer in server.answer(request):
                if rng.random() >= loss / 2:
                    a.receive(a.answers, answer, now)
    assert heard.messages == messages
    assert heard.log[-1] == "ended"


def test_a_server_answers_what_it_published_and_nothing_else() -> None:
    messages = made(2_000)
    server = MoldServer(store_of(messages), SESSION, ())
    assert server.answer(HEADER.pack(WIRE_SESSION, 1, 1)) == [], "nothing is published yet"
    server.publish()
    answers = server.answer(HEADER.pack(WIRE_SESSION, 1, 0xFFFF))
    assert sum(HEADER.unpack_from(d)[2] for d in answers) == mold.REQUEST_MESSAGES_MAX
    assert max(map(len, answers)) < 1_500 - 28
    for wrong in (b"", b"x" * 19, HEADER.pack(b"another123", 1, 1), HEADER.pack(WIRE_SESSION, 0, 1)):
        assert server.answer(wrong) == []
    assert server.answer(HEADER.pack(WIRE_SESSION, 2_001, 1)) == []


class Lossy(asyncio.DatagramProtocol):
    """A line that drops what a seed says and passes on the rest."""

    def __init__(self, to: tuple[str, int], seed: int) -> None:
        self._to, self._rng = to, random.Random(seed)
        self._out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def datagram_received(self, data: bytes, addr: object) -> None:
        if self._rng.random() > 0.3:
            self._out.sendto(data, self._to)

    def connection_lost(self, exc: Exception | None) -> None:
        self._out.close()


async def follow() -> tuple[list[bytes], MoldClient]:
    loop = asyncio.get_running_loop()
    messages = made(3_000)
    store = PacketStore()
    heard = Listener()
    asked = free_port()
    client = MoldClient(heard, (("127.0.0.1", 0), ("127.0.0.1", 0)), ("127.0.0.1", asked))
    await client.open()
    lines = []
    for seed, port in enumerate(client.ports):
        transport, _ = await loop.create_datagram_endpoint(
            lambda seed=seed, port=port: Lossy(("127.0.0.1", port), seed), local_addr=("127.0.0.1", 0)
        )
        lines.append(transport)
    to = tuple(("127.0.0.1", t.get_extra_info("sockname")[1]) for t in lines)
    server = MoldServer(store, SESSION, to)
    await server.start("127.0.0.1", asked)
    for start in range(0, len(messages), 50):
        for message in messages[start : start + 50]:
            store.append(packet("S", message), np.array([len(message) + 3]))
        server.publish()
        while len(heard.messages) < start // 2:
            await wait(heard)
    server.end_session()
    await asyncio.wait_for(client.run(), WAIT_S)
    assert heard.messages == messages
    assert "ended" in heard.log
    server.close()
    for transport in lines:
        transport.close()
    return heard.messages, client


async def wait(heard: Listener) -> None:
    heard.changed.clear()
    await asyncio.wait_for(heard.changed.wait(), WAIT_S)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_over_real_sockets_a_third_of_the_packets_may_be_lost_on_either_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(moldudp64_client, "ENDED_S", 0.0)
    messages, client = uvloop.run(follow())
    assert len(messages) == 3_000
    assert client.arbiter.counters.requests > 0


async def heard_in_a_group() -> list[bytes]:
    group = ("239.255.77.77", free_port())
    heard = Listener()
    client = MoldClient(heard, (group,), None)
    await client.open()
    server = MoldServer(store_of(made(5)), SESSION, (group,))
    await server.start("127.0.0.1", 0)
    server.publish()
    while len(heard.messages) < 5:
        await wait(heard)
    client.close()
    server.close()
    return heard.messages


def test_a_multicast_group_on_loopback_is_heard() -> None:
    try:
        messages = uvloop.run(heard_in_a_group())
    except OSError as error:
        pytest.skip(f"no multicast on this machine: {error}")
    assert messages == made(5)
