"""Lockstep: time goes on only when the gate has nothing more to say; the same run twice is one run."""

from collections.abc import Callable

import pytest

from gateways.fix.wire import read_utc_ns
from gateways.venue.lockstep import GRID_NS, IDLE_NS, Latency, Lockstep, on_grid
from market.events import LockAdvance, LockIdle
from market.flow.zero_intelligence import ZeroIntelligenceFlow
from tests.gateways.venue.desk import BEGIN_NS, END_NS, INSTRUMENT, SOH, Desk, NoFlow

MS = 1_000_000
LATENCY = Latency(order_ns=2 * MS, feed_ns=MS // 2)


class Gate:
    """Answers every instant; `orders` says what it sends at which, by (ts_ns, tick)."""

    def __init__(self, desk: Desk, seed: int = 1, latency: Latency = LATENCY) -> None:
        self.desk = desk
        self.advances: list[LockAdvance] = []
        self.reports: list[tuple[int, str]] = []  # (ts_ns of the instant at which it was seen, body)
        self.feed: list[tuple[int, int]] = []  # (ts_ns, last visible sequence number)
        self.ended = 0
        self.paused: list[Callable[[], None]] = []
        self._unseen: list[str] = []
        self._orders = 0
        self.lockstep = Lockstep(
            desk.exchange, desk.director, desk.reference, self, latency, seed, self._window_over
        )
        desk.report = lambda body, marks: self.lockstep.report(body)  # type: ignore[method-assign]

    def send_report(self, body: str) -> None:
        self._unseen.append(body)

    def publish(self) -> None:
        pass

    def sent(self) -> tuple[int, int]:
        return len(self.reports) + len(self._unseen), len(self.desk.reference_bodies)

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        self.paused.append(act)

    def advance(self, message: LockAdvance) -> None:
        self.advances.append(message)
        self.feed.append((message.ts_ns, message.feed_seq))
        self.reports += [(message.ts_ns, body) for body in self._unseen]
        self._unseen.clear()

    def idle(self, *orders: str, next_ts_ns: int = 0) -> LockAdvance:
        """Send orders, say idle; return the next instant."""
        tick, before = self.advances[-1].tick, len(self.advances)
        for raw in orders[:-1]:
            self._send(raw)
        self._orders += bool(orders)
        self.lockstep.gate_idle(
            LockIdle(tick=tick, order_messages=self._orders, reference_messages=0, next_ts_ns=next_ts_ns)
        )
        if orders:
            assert len(self.advances) == before  # the last order has not come yet: it is waited for
            self.lockstep.order(orders[-1], self._orders)
        return self.advances[-1]

    def _send(self, raw: str) -> None:
        self._orders += 1
        self.lockstep.order(raw, self._orders)

    def _window_over(self) -> None:
        self.ended += 1


def order(desk: Desk, cl_ord_id: str, side: int, qty: int, price: str) -> str:
    return desk.message(
        "D", (11, cl_ord_id), (1, "ACC"), (55, "SYN"), (54, side), (38, qty), (40, 2), (44, price)
    )


def fields(body: str) -> dict[str, str]:
    return dict(f.split("=", 1) for f in body.split(SOH)[:-1])


def market_ns(body: str) -> int:
    """Return TransactTime of a report."""
    ns = read_utc_ns(fields(body)["60"])
    assert ns is not None
    return ns


def quiet() -> Gate:
    gate = Gate(Desk(NoFlow(), delay_ns=LATENCY.feed_ns))
    gate.lockstep.begin()
    return gate


def test_an_order_arrives_after_its_latency_and_is_reported_after_the_feeds() -> None:
    gate = quiet()
    assert gate.advances[-1].ts_ns == BEGIN_NS

    gate.idle(order(gate.desk, "A", 1, 100, "10.00"))
    while not gate.reports:
        instant = gate.idle()

    ((seen_ns, body),) = gate.reports
    arrived = market_ns(body) - BEGIN_NS
    assert 1 * MS <= arrived <= 3 * MS
    assert seen_ns == instant.ts_ns
    assert 0 <= seen_ns - BEGIN_NS - arrived - LATENCY.feed_ns < MS  # TransactTime is in ms
    assert instant.order_messages == 1


def test_a_fill_by_the_flow_is_reported_after_its_own_time() -> None:
    flow = ZeroIntelligenceFlow(3, BEGIN_NS, END_NS, INSTRUMENT)
    gate = Gate(Desk(flow, delay_ns=LATENCY.feed_ns))
    gate.lockstep.begin()
    bid = f"{gate.desk.engine.book.best_bid_e4 / 10_000:.2f}"
    gate.idle(order(gate.desk, "A", 1, 1_000, bid), next_ts_ns=BEGIN_NS + 60 * 10**9)
    while len(gate.reports) < 4:
        gate.idle()

    for seen_ns, body in gate.reports:
        assert 0 <= seen_ns - LATENCY.feed_ns - market_ns(body) < 2 * MS


def test_orders_of_an_instant_do_not_overtake_one_another() -> None:
    gate = quiet()
    names = [f"A{i}" for i in range(50)]

    gate.idle(*(order(gate.desk, name, 1, 100, "10.00") for name in names))
    while len(gate.reports) < 50:
        gate.idle()

    assert [fields(body)["11"] for _, body in gate.reports] == names
    times = [ns for ns, _ in gate.reports]
    assert times == sorted(times)


def test_a_wish_is_the_next_instant() -> None:
    gate = quiet()
    gate.idle()  # the opening messages become visible

    assert gate.idle(next_ts_ns=BEGIN_NS + 7 * MS + 13).ts_ns == BEGIN_NS + 7 * MS + 13


def test_without_anything_to_do_time_goes_on_by_seconds() -> None:
    gate = quiet()
    first = gate.idle()

    assert gate.idle().ts_ns == first.ts_ns + IDLE_NS


def test_the_answer_to_another_tick_is_passed_over() -> None:
    gate = quiet()
    before = len(gate.advances)

    gate.lockstep.gate_idle(LockIdle(tick=77, order_messages=0, reference_messages=0, next_ts_ns=0))

    assert len(gate.advances) == before


def test_the_feed_is_seen_after_its_latency_on_the_grid() -> None:
    gate = Gate(Desk(ZeroIntelligenceFlow(3, BEGIN_NS, END_NS, INSTRUMENT), delay_ns=LATENCY.feed_ns))
    gate.lockstep.begin()
    for _ in range(500):
        gate.idle()

    seen = gate.desk.store
    assert seen.next_seq - 1 == gate.feed[-1][1]
    for (at_ns, seq), (_, before) in zip(gate.feed[1:], gate.feed, strict=False):
        assert seq >= before
        if seq > before:
            assert (at_ns - BEGIN_NS) % GRID_NS == 0


def test_the_window_ends_once_and_orders_are_served_on() -> None:
    gate = quiet()
    while gate.advances[-1].ts_ns < END_NS:
        gate.idle(next_ts_ns=END_NS)
    assert gate.ended == 1

    gate.idle(order(gate.desk, "A", 1, 100, "10.00"))
    gate.idle(gate.desk.message("F", (11, "B"), (41, "A"), (55, "SYN"), (54, 1)))

    assert [fields(body)["150"] for _, body in gate.reports] == ["0", "4"]
    assert gate.ended == 1


def test_idle_steps_after_the_window_are_paced() -> None:
    gate = quiet()
    while not gate.paused:
        gate.idle(next_ts_ns=END_NS if gate.advances[-1].ts_ns < END_NS else 0)
    before = gate.advances[-1]

    gate.paused.pop()()

    assert gate.advances[-1].ts_ns == before.ts_ns + IDLE_NS


def test_a_gate_that_comes_again_goes_on() -> None:
    gate = quiet()
    gate.lockstep.logged_on(0)

    gate.lockstep.resume()

    assert gate.advances[-1].ts_ns == BEGIN_NS + GRID_NS


def run(seed: int, gate_seed: int) -> tuple[bytes, list[tuple[int, str]], int]:
    """Play a minute with an order each second; return feed, reports and the book's hash."""
    flow = ZeroIntelligenceFlow(seed, BEGIN_NS, END_NS, INSTRUMENT)
    desk = Desk(flow, delay_ns=LATENCY.feed_ns)
    gate = Gate(desk, gate_seed)
    gate.lockstep.begin()
    number, next_ns = 0, BEGIN_NS + 10**9
    while gate.advances[-1].ts_ns < BEGIN_NS + 60 * 10**9:
        if gate.advances[-1].ts_ns >= next_ns:
            number += 1
            next_ns += 10**9
            book = desk.engine.book
            price = book.best_ask_e4 if number % 2 else book.best_bid_e4 - 300
            gate.idle(order(desk, f"A{number}", 1, 100, f"{price / 10_000:.2f}"), next_ts_ns=next_ns)
        else:
            gate.idle(next_ts_ns=next_ns)
    desk.publisher.release_all()
    assert desk.rebuilt().state_hash() == desk.engine.book.state_hash()
    assert any(fields(body)["150"] == "F" for _, body in gate.reports)
    return desk.store.read(0, desk.store.size), gate.reports, desk.engine.book.state_hash()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_seed_and_the_same_orders_are_the_same_run(seed: int) -> None:
    assert run(seed, 5) == run(seed, 5)


def test_another_seed_of_latencies_is_another_run() -> None:
    assert run(1, 5)[1] != run(1, 6)[1]


def test_on_grid_rounds_up() -> None:
    assert [on_grid(ns) for ns in (0, 1, MS, MS + 1)] == [0, MS, MS, 2 * MS]
