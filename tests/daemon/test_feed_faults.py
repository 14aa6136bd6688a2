"""The trader on a feed that loses, doubles, swaps and garbles: the same decisions, or none until it is whole.

UDP carries a checksum, so a datagram whose bytes were changed on the way does not come; what may come is
one that is cut, foreign or no datagram of ours at all.
"""

import random
from pathlib import Path
from typing import Any

import pytest

from daemon.replay import TraderReplay
from daemon.trader.events import FeedDown, FeedUp
from gateways.feeds.glimpse import Snapshot
from gateways.feeds.glimpse_server import Mirror
from gateways.feeds.moldudp64 import ARBITRATION_NS, HEADER, HEARTBEAT, RETRY_NS, Arbiter
from gateways.feeds.moldudp64_server import MoldServer
from gateways.feeds.soupbintcp import ClientSession, Login, encode_accepted, packet
from gateways.feeds.soupbintcp_server import PacketStore
from market.book_events import Kind
from tests.daemon.trader_world import NS, START, ShellRun

SESSION = "RUN1"
SEEDS = range(12)


class Faulty(ShellRun):
    """A `ShellRun` whose feed comes over two bad UDP lines."""

    def __init__(self, folder: Path | None, seed: int | None, loss: float = 0.2) -> None:
        super().__init__("twap-passive", folder)
        self.store = PacketStore()
        self.sink = self.store  # type: ignore[assignment]
        self.exchange.publisher.store = self.store
        self.server = MoldServer(self.store, SESSION, ())
        self.arbiter = Arbiter(self, session=SESSION)
        self.random = random.Random(seed)
        self.loss = loss if seed is not None else 0.0
        self.mono_ns = 0
        self.late: list[tuple[Any, bytes]] = []
        self.answering = True

    # --- what the arbiter tells -----------------------------------------------------------------------

    def feed_up(self, session: str, next_seq: int) -> None:
        self.shell.event(FeedUp(next_seq=next_seq))

    def feed_bytes(self, packets: memoryview, first_seq: int, mono_ns: int) -> None:
        self.shell.read(packets, first_seq, mono_ns)

    def feed_idle(self, next_seq: int, mono_ns: int) -> None:
        self.shell.heard()

    def feed_down(self, reason: str) -> None:
        self.shell.event(FeedDown(reason=reason))

    def feed_ended(self) -> None:
        pass

    # --- the way --------------------------------------------------------------------------------------

    def deliver(self, stamp: Any) -> None:
        """Send what was published over both lines; then wait until the trader has all of it."""
        self._publish()
        for _ in range(10_000):
            if self.arbiter.next_seq == self.store.next_seq or self.arbiter.lost:
                break
            self._ask()
        else:
            raise AssertionError("never whole")
        self.seen_seq = self.arbiter.next_seq
        self._finish(stamp)

    def _publish(self) -> None:
        datagrams = []
        while self.server._next_seq < self.store.next_seq:
            made, count = self.server._datagram(self.server._next_seq, self.store.next_seq)
            datagrams.append(made)
            self.server._next_seq += count
        sent = [(line, d) for line in self.arbiter.lines for d in datagrams]
        self._carry_over([*self.late, *sent])
        if sent:
            beat = HEADER.pack(self.server.session, self.server._next_seq, HEARTBEAT)
            self.arbiter.receive(self.arbiter.lines[0], beat, self.mono_ns)

    def _ask(self) -> None:
        self.mono_ns += ARBITRATION_NS if self.arbiter.gap is None else RETRY_NS
        for request in self.arbiter.due(self.mono_ns):
            if self.answering:
                self._carry_over([(self.arbiter.answers, d) for d in self.server.answer(request)])

    def _carry_over(self, sent: list[tuple[Any, bytes]]) -> None:
        self.late = []
        if self.loss:
            self.random.shuffle(sent)
        for line, datagram in sent:
            fate = self.random.random() if self.loss else 1.0
            if fate < self.loss:
                continue
            if fate < self.loss + 0.05:
                self.late.append((line, datagram))
                continue
            if fate < self.loss + 0.10:
                self.arbiter.receive(line, datagram[: self.random.randrange(len(datagram))], self.mono_ns)
                self.arbiter.receive(line, self.random.randbytes(40), self.mono_ns)
                self.arbiter.receive(line, b"OTHER".rjust(10) + datagram[10:], self.mono_ns)
            if fate < self.loss + 0.20:
                self.arbiter.receive(line, datagram, self.mono_ns)
            self.arbiter.receive(line, datagram, self.mono_ns)

    def _finish(self, stamp: Any) -> None:
        from market import updates as up

        for update in self.delivered():
            self.shell.event(update)
        self._tick += 1
        self.shell.tick(up.LockTick(tick=self._tick, ts_ns=stamp.ts_ns, feed_seq=self.seen_seq - 1))


def played(seed: int | None, folder: Path | None = None) -> Faulty:
    run = Faulty(folder, seed)
    run.play()
    return run


def outcome(run: ShellRun) -> tuple[Any, ...]:
    return (
        run.core.decisions,
        run.core.obs_hash,
        run.sent,
        [p.cum_qty for p in run.gate.progress.values()],
        {s: m.book.state_hash() for s, m in run.core.markets.items()},
    )


@pytest.fixture(scope="module")
def faultless() -> tuple[Any, ...]:
    return outcome(played(None))


@pytest.mark.parametrize("seed", SEEDS)
def test_faults_on_both_lines_change_no_decision(seed: int, faultless: tuple[Any, ...]) -> None:
    run = played(seed)
    assert run.arbiter.counters.requests > 0
    assert run.arbiter.counters.refused
    assert outcome(run) == faultless


def test_a_feed_over_udp_decides_as_one_over_tcp(faultless: tuple[Any, ...]) -> None:
    run = ShellRun("twap-passive", None)
    run.play()
    assert outcome(run) == faultless


def test_a_journal_of_a_bad_feed_replays(tmp_path: Path) -> None:
    run = played(3, tmp_path)
    run.shell.close()
    verdict = TraderReplay(tmp_path / "trader-1.journal").run()
    assert verdict.differences == []
    assert verdict.decisions == run.core.decisions > 30


# --- a loss that requests do not mend -----------------------------------------------------------------


class Losing(Faulty):
    """Loses everything from `begin_s` for `seconds`, retransmissions too; then a snapshot is had."""

    def __init__(self, folder: Path | None = None, snapshot: bool = True) -> None:
        super().__init__(folder, None)
        self.mirror = Mirror(self.store, self.exchange.publisher.midnight_ns, "SYN")
        self.decided: list[tuple[int, int]] = []
        self.unfit: list[str] = []
        self.snapshot = snapshot

    def deliver(self, stamp: Any) -> None:
        since_s = (stamp.ts_ns - START) / NS
        if not 10 <= since_s < 20:
            if self.arbiter.lost and self.snapshot:
                self._resynchronise()
            if self.arbiter.lost:
                self._publish()
                return
            super().deliver(stamp)
        else:
            self.server._next_seq = self.store.next_seq  # nobody heard it
            self.shell.lockstep = False  # the instants of lockstep would wait; this feed's time is its own
            self.shell.clock.lock(stamp.ts_ns)
            for _ in range(60):
                beat = HEADER.pack(self.server.session, self.server._next_seq, HEARTBEAT)
                self.arbiter.receive(self.arbiter.lines[0], beat, self.mono_ns)
                self.mono_ns += RETRY_NS
                self.arbiter.due(self.mono_ns)
            self.seen_seq = self.arbiter.next_seq
            for update in self.delivered():
                self.shell.event(update)
            self.shell.wake()
            self.shell.lockstep = True
        self.decided.append((int(since_s), self.core.decisions))
        self.unfit.append(self.core.why_unfit)

    def _resynchronise(self) -> None:
        packets, next_seq = self.mirror.snapshot()
        from gateways.feeds.glimpse import END_BYTES, TAIL

        body = packets[: -(END_BYTES + len(TAIL))]
        self.shell.resynchronised(Snapshot(SESSION, body, next_seq))
        assert self.arbiter.resume(next_seq, self.mono_ns)


def test_nothing_is_decided_from_the_loss_to_the_snapshot_and_again_after_it(tmp_path: Path) -> None:
    run = Losing(tmp_path)
    run.play()
    run.shell.close()

    during = {n for s, n in run.decided if 11 <= s < 20}
    assert len(during) == 1
    assert run.core.decisions > max(during) + 5
    assert any("missing" in text or "did not come" in text for text in run.unfit)
    assert run.core.fit
    assert (run.core.feed_gaps, run.core.feed_recoveries, run.core.feed_snapshots) == (1, 1, 1)
    (market,) = run.core.markets.values()
    want = [(o.side, o.price_e4, o.order_id, o.leaves) for o in run.exchange.engine.book.orders()]
    assert [(o.side, o.price_e4, o.order_id, o.leaves) for o in market.book.orders()] == want
    assert market.anomalies == 0
    assert TraderReplay(tmp_path / "trader-1.journal").run().differences == []


def test_a_message_that_nobody_can_read_is_told_and_a_snapshot_mends_the_book() -> None:
    run = Faulty(None, None)
    run.begin()
    while run.now_ns < START + 10 * NS:
        run.instant(run.next_ns())
    told: list[str] = []
    run.shell.broken = told.append
    run.shell.lockstep = False
    run.shell.read(memoryview(packet("S", b"A123")), run.arbiter.next_seq, run.mono_ns)
    assert told == [run.core.why_unfit]
    assert "was refused: wrong length" in told[0]
    run.shell.lockstep = True

    mirror = Mirror(run.store, run.exchange.publisher.midnight_ns, "SYN")
    packets, next_seq = mirror.snapshot()
    run.shell.resynchronised(Snapshot(SESSION, packets[:-24], next_seq))
    assert run.core.broken == ""
    decisions = run.core.decisions
    while run.now_ns < START + 20 * NS:
        run.instant(run.next_ns())
    assert run.core.fit
    assert run.core.decisions > decisions
    assert len(told) == 1


def test_without_a_snapshot_it_stays_unfit() -> None:
    run = Losing(snapshot=False)
    run.play()
    assert not run.core.fit
    assert run.core.decisions == max(n for s, n in run.decided if s < 11)


def test_own_orders_find_their_places_in_the_queue_by_a_snapshot() -> None:
    """A snapshot in mid-run changes nothing of what is known of the book or of our places in it."""
    plain, reset = Faulty(None, None), Faulty(None, None)
    for run in (plain, reset):
        run.begin()
        while run.now_ns < START + 15 * NS:
            run.instant(run.next_ns())
    (before,), (market,) = plain.core.markets.values(), reset.core.markets.values()
    packets, next_seq = Mirror(reset.store, reset.exchange.publisher.midnight_ns, "SYN").snapshot()
    reset.shell.resynchronised(Snapshot(SESSION, packets[:-24], next_seq))

    assert market.book.state_hash() == before.book.state_hash()
    assert market.touch == before.touch
    assert market.builder.volume == before.builder.volume
    assert len(market.builder.rows) > 0
    for was, now in zip(before.builder.own.tolist(), market.builder.own.tolist(), strict=True):
        assert now[:4] + now[5:7] + now[8:] == was[:4] + was[5:7] + was[8:]
        assert now[4] == was[4] or not was[7], "an order that was seen before keeps its place"


# --- SoupBinTCP, cut at every byte --------------------------------------------------------------------


class Heard:
    def __init__(self) -> None:
        self.packets = bytearray()
        self.next_seq = 1

    def feed_up(self, session: str, next_seq: int) -> None:
        assert next_seq == self.next_seq

    def feed_bytes(self, packets: memoryview, first_seq: int, mono_ns: int) -> None:
        assert first_seq == self.next_seq
        at = 0
        while at < len(packets):
            end = at + 2 + int.from_bytes(packets[at : at + 2], "big")
            if packets[at + 2] == ord("S"):
                self.packets += packets[at:end]
                self.next_seq += 1
            at = end

    def feed_idle(self, next_seq: int, mono_ns: int) -> None:
        assert next_seq == self.next_seq

    def feed_down(self, reason: str) -> None: ...

    def feed_ended(self) -> None: ...


def test_a_line_cut_at_any_byte_goes_on_where_it_was() -> None:
    run = played(None)
    store = run.store
    messages = 40
    whole = store.read(0, store.offset(messages + 1))
    wire = encode_accepted(SESSION, 1) + whole
    for cut in range(len(wire) + 1):
        heard = Heard()
        session = ClientSession(heard, Login("u", "p"))
        session.request()
        session.receive(memoryview(wire[:cut]), 0)
        again = session.request()
        seq = int(again[-20:])
        assert seq == heard.next_seq == session.next_seq
        answer = encode_accepted(SESSION, seq) + store.read(store.offset(seq), len(whole) - store.offset(seq))
        for step in (answer[:7], answer[7:]):
            rest = getattr(session, "_rest", b"") + step
            used = session.receive(memoryview(rest), 0)
            session._rest = rest[used:]  # type: ignore[attr-defined]
        assert bytes(heard.packets) == whole


def test_a_crossed_book_decides_nothing_until_it_is_not() -> None:
    run = Faulty(None, None)
    run.begin()
    while run.now_ns < START + 10 * NS:
        run.instant(run.next_ns())
    sent = len(run.sent)
    run.exchange.states.show_crossed(2)
    while run.now_ns < START + 15 * NS:
        run.instant(run.next_ns())
    assert "crossed" in run.core.status().text
    assert not any(type(i).__name__ == "SubmitIntent" for i in run.sent[sent:])
    run.exchange.states.hide_crossed()
    while run.now_ns < START + 30 * NS:
        run.instant(run.next_ns())
    assert run.core.status().text == ""
    assert len(run.sent) > sent


def test_a_circuit_breaker_stops_every_symbol_and_a_halt_of_one_market_this_one() -> None:
    run = Faulty(None, None)
    run.begin()
    states = run.exchange.states
    for stop in (lambda: states.break_market(1), states.operational_halt, lambda: states.halt("T1")):
        while run.now_ns % (5 * NS) or run.now_ns == START:
            run.instant(min(run.next_ns(), (run.now_ns // (5 * NS) + 1) * 5 * NS))
        stop()
        before = len(run.sent)
        for _ in range(5):
            run.instant(run.now_ns + NS)
        assert "not trading" in run.core.status().text
        assert len(run.sent) == before
        states.resume()
        run.instant(run.now_ns + NS // 2)
        assert run.core.status().text == ""
    assert int(Kind.BREAKER) == 13
