"""TraderCore decides only while it is fit, and never more than it may, whatever comes in what order."""

from datetime import date, time
from typing import Any

import msgspec
import numpy as np
import pytest

from daemon.trader.core import TraderCore
from daemon.trader.events import FeedDown, FeedIdle, FeedUp, LinkDown, LinkUp, Settings
from market import events as ev
from market import updates as up
from market.book_events import MARKET_EVENT, Kind
from market.instruments import Instrument
from market.parents import ParentOrder, Progress
from market.types import ClOrdID, OrdStatus, ParentID, ParentStatus, Side, Symbol
from policies.baselines import baseline

NS = 1_000_000_000
ABC = Instrument(symbol=Symbol("ABC"))
XYZ = Instrument(symbol=Symbol("XYZ"))
TEN = ABC.at(date(2024, 1, 2), time(10, 0))
SETTINGS = Settings(interval_ns=NS, gap_ns=NS // 4, corridor=0.2, orders_max=1_000, levels_max=100)
P1 = ParentID("P1")


def stamp(seconds: float) -> ev.Stamp:
    return ev.Stamp(TEN + int(seconds * NS), 10**12 + int(seconds * NS))


def parent(**more: Any) -> ParentOrder:
    fields: dict[str, Any] = {
        "parent_id": P1,
        "account": "A",
        "side": Side.BUY,
        "qty": 600,
        "symbol": ABC.symbol,
        "mic": "XNAS",
        "start_ns": TEN,
        "end_ns": TEN + 600 * NS,
    }
    return ParentOrder(**(fields | more))


def told(
    status: ParentStatus = ParentStatus.WORKING, cum: int = 0, order: ParentOrder | None = None, **room: Any
) -> up.ParentUpdate:
    head: dict[str, Any] = {
        "order_qty_max": 1_000,
        "buy_qty_max": 600 - cum,
        "sell_qty_max": 600 - cum,
        "orders_free": 10,
        "collar_low_e4": 900_000,
        "collar_high_e4": 1_100_000,
        "rate_free": 10,
        "can_trade": True,
    }
    order = order or parent()
    progress = Progress(status=status, qty=order.qty, cum_qty=cum, arrival_mid_micros=99_995_000)
    return up.ParentUpdate(parent=order, progress=progress, headroom=up.Headroom(**(head | room)))


def rows(*found: tuple[int, int, int, int, float], locate: int = 1) -> np.ndarray:
    """ADDs: id, side, price, size, seconds."""
    batch = np.zeros(len(found), dtype=MARKET_EVENT)
    for row, (order_id, side, price_e4, size, seconds) in zip(batch, found, strict=True):
        row["kind"], row["order_id"], row["side"] = Kind.ADD, order_id, side
        row["price_e4"], row["size"], row["locate"] = price_e4, size, locate
        row["ts_ns"] = TEN + int(seconds * NS)
    return batch


def directory(locate: int = 1, symbol: str = "ABC") -> np.ndarray:
    batch = np.zeros(1, dtype=MARKET_EVENT)
    batch[0]["kind"], batch[0]["locate"], batch[0]["ts_ns"] = Kind.DIRECTORY, locate, TEN
    batch[0]["new_id"] = int.from_bytes(symbol.ljust(8).encode(), "big")
    return batch


class World:
    """A core, and the sequence numbers that it is due."""

    def __init__(self, policy: str = "twap-passive", instruments: tuple[Instrument, ...] = (ABC,)) -> None:
        self.core = TraderCore(SETTINGS, {i.symbol: i for i in instruments}, baseline(policy))
        self.seq = 1

    def feed(self, seconds: float, batch: np.ndarray) -> tuple[Any, ...]:
        first, self.seq = self.seq, self.seq + len(batch)
        return self.core.feed(stamp(seconds), batch.copy(), first, self.seq).intents

    def step(self, seconds: float, event: Any) -> tuple[Any, ...]:
        return self.core.step(stamp(seconds), event).intents

    def begin(self) -> None:
        self.step(0, LinkUp(epoch=7))
        self.step(0, told())
        self.step(0, up.Synced())
        self.step(0, FeedUp(next_seq=1))
        self.feed(0, directory())


def quoted(policy: str = "twap-passive") -> World:
    world = World(policy)
    world.begin()
    world.feed(0.1, rows((1, 1, 999_900, 300, 0.1), (2, -1, 1_000_000, 300, 0.1)))
    return world


def answer(n: int, intent: Any, status: OrdStatus, cum: int = 0, **more: Any) -> up.OrderUpdate:
    order = up.WorkingOrder(
        chain_id=ClOrdID(f"C{intent.n}"),
        parent_id=P1,
        symbol=ABC.symbol,
        side=intent.side,
        price_e4=intent.price_e4,
        qty=intent.qty,
        cum_qty=cum,
        status=status,
    )
    return up.OrderUpdate(order=order, epoch=7 if n else 0, n=n, **more)


def test_a_working_parent_with_a_market_gets_an_order() -> None:
    world = quoted()

    (intent,) = world.step(20, ev.Timer())

    assert isinstance(intent, ev.SubmitIntent)
    assert (intent.epoch, intent.n, intent.parent_id, intent.price_e4) == (7, 1, P1, 999_900)
    assert intent.cause_mono_ns == 0
    assert world.core.decisions > 0


def test_the_bytes_that_caused_a_decision_are_named() -> None:
    world = quoted()

    (intent,) = world.feed(30, rows((3, 1, 999_950, 100, 29.99)))

    assert intent.cause_mono_ns == stamp(30).mono_ns


@pytest.mark.parametrize(
    "missing",
    ["synced", "feed", "fresh", "working", "may trade", "market time reached", "link"],
)
def test_nothing_is_decided_without(missing: str) -> None:
    world = World()
    world.step(0, LinkUp(epoch=7))
    status = ParentStatus.PAUSED if missing == "working" else ParentStatus.WORKING
    order = parent(start_ns=TEN + 100 * NS) if missing == "market time reached" else None
    world.step(0, told(status, order=order, can_trade=missing != "may trade"))
    if missing != "synced":
        world.step(0, up.Synced())
    world.step(0, FeedUp(next_seq=1))
    if missing != "feed":
        world.feed(0, directory())
        late = 5.0 if missing == "fresh" else 0.1
        world.feed(late, rows((1, 1, 999_900, 300, 0.1), (2, -1, 1_000_000, 300, 0.1)))
    if missing == "link":
        world.step(1, LinkDown())

    assert world.step(20, ev.Timer()) == ()


def test_a_heartbeat_shows_that_an_idle_line_is_up_to_date() -> None:
    world = World()
    world.begin()
    world.feed(5, rows((1, 1, 999_900, 300, 0.1), (2, -1, 1_000_000, 300, 0.1)))
    assert world.core.why_unfit == "catching up with the feed"

    intents = world.step(20, FeedIdle())

    assert len(intents) == 1
    assert world.core.fit


def test_a_gap_makes_it_unfit_for_good() -> None:
    world = quoted()

    world.seq += 3
    world.feed(1, rows((3, 1, 999_900, 300, 1)))

    assert "feed gap: message 7 came, 4 was due" in world.core.why_unfit
    assert world.step(20, FeedIdle()) == ()


def test_what_fills_a_hole_is_no_reason_to_decide_before_it_is_whole() -> None:
    world = quoted()

    world.step(20, FeedDown(reason="feed down: 3 messages from 4 on are missing"))
    assert world.feed(21, rows((3, 1, 999_900, 100, 21))) == ()
    assert not world.core.fit
    assert len(world.step(21, FeedUp(next_seq=5)) + world.step(21, FeedIdle())) == 1


def test_a_broken_feed_and_a_dead_line_stop_decisions_and_a_line_can_come_back() -> None:
    world = quoted()

    world.step(1, FeedDown(reason="feed down: closed"))
    assert world.step(20, ev.Timer()) == ()
    world.step(21, FeedUp(next_seq=4))
    assert len(world.feed(22, rows((3, 1, 999_900, 100, 22)))) == 1
    world.step(23, FeedDown(reason="garbage", broken=True))

    assert world.step(40, FeedIdle()) == ()
    assert world.core.why_unfit == "garbage"


def test_events_that_do_not_fit_the_book_stop_decisions() -> None:
    world = quoted()
    odd = rows(*((900 + n, 1, 999_900, 100, 1) for n in range(20)))
    odd["kind"] = Kind.DELETE

    world.feed(1, odd)

    assert "do not fit the book" in world.core.why_unfit


def test_a_halt_stops_decisions_and_leaves_orders() -> None:
    world = quoted()
    halt = rows((0, 0, 0, 0, 1))
    halt["kind"], halt["code"] = Kind.HALT, ord("H")

    world.feed(1, halt)

    assert world.step(20, ev.Timer()) == ()


def test_a_gap_of_time_lies_between_two_decisions() -> None:
    world = quoted()
    world.step(20, ev.Timer())
    decided = world.core.decisions

    world.feed(20.1, rows((3, 1, 999_950, 100, 20.1)))
    assert world.core.decisions == decided
    assert world.core.next_due_ns() == TEN + int(20.25 * NS)
    world.step(20.25, ev.Timer())

    assert world.core.decisions == decided + 1
    assert world.core.next_due_ns() == TEN + int(21.25 * NS)


def test_what_is_in_flight_is_not_asked_for_again() -> None:
    world = quoted()
    (intent,) = world.step(20, ev.Timer())

    assert world.step(21, ev.Timer()) == ()
    world.step(21, answer(1, intent, OrdStatus.PENDING_NEW))
    assert world.step(22, ev.Timer()) == ()


def test_a_fill_is_worth_a_decision_and_leaves_the_volume() -> None:
    world = quoted()
    (intent,) = world.step(20, ev.Timer())
    world.step(20, answer(1, intent, OrdStatus.PENDING_NEW))
    world.step(20.01, answer(0, intent, OrdStatus.NEW))
    decided = world.core.decisions

    world.step(
        20.5, answer(0, intent, OrdStatus.FILLED, intent.qty, last_qty=intent.qty, ts_ns=TEN + 20 * NS)
    )

    assert world.core.decisions == decided + 1
    assert world.core.markets[ABC.symbol].builder.own_volume == intent.qty
    assert world.core.parents[P1].cum_qty == intent.qty  # before the gate's ParentUpdate says so


def test_a_refusal_makes_it_wait_longer_each_time() -> None:
    world = quoted()
    times = []
    for tenth in range(200, 800):
        for intent in world.step(tenth / 10, ev.Timer()):
            times.append(tenth // 10)
            world.step(tenth / 10, up.IntentRefused(epoch=7, n=intent.n, controls=("R05",)))

    gaps = np.diff(times)
    assert (gaps >= np.array([1, 2, 4, 8, 16])[: len(gaps)]).all()
    assert world.core.parents[P1].constraint == "refused: R05"


def test_a_new_link_forgets_what_was_in_flight_and_numbers_anew() -> None:
    world = quoted()
    world.step(20, ev.Timer())

    world.step(21, LinkDown())
    world.step(22, LinkUp(epoch=8))
    world.step(22, told(cum=100))
    (intent,) = world.step(22, up.Synced())

    assert (intent.epoch, intent.n) == (8, 1)


def test_an_ended_parent_is_forgotten() -> None:
    world = quoted()

    world.step(1, told(ParentStatus.EXPIRED))

    assert world.core.parents == {}
    assert world.core.next_due_ns() == 0


def test_symbols_are_kept_apart() -> None:
    world = World(instruments=(ABC, XYZ))
    world.begin()
    world.feed(0, directory(2, "XYZ"))
    mixed = np.concatenate(
        [
            rows((1, 1, 999_900, 300, 0.1), (2, -1, 1_000_000, 300, 0.1)),
            rows((3, 1, 499_900, 100, 0.1), (4, -1, 500_000, 100, 0.1), locate=2),
        ]
    )

    world.feed(0.1, mixed[[0, 2, 1, 3]])

    markets = world.core.markets
    assert markets[ABC.symbol].builder.bid_ask_e4 == (999_900, 1_000_000)
    assert markets[XYZ.symbol].builder.bid_ask_e4 == (499_900, 500_000)
    (intent,) = world.step(20, ev.Timer())
    assert intent.price_e4 == 999_900


def test_a_decision_outside_the_table_is_counted_and_does_nothing() -> None:
    world = quoted()

    class Wild:
        name, sha256, completes = "wild", "", True

        def describe(self) -> str:
            return "wild"

        def schedule(self, _: Any) -> float:
            return 0.0

        def act(self, _obs: Any, _mask: Any) -> Any:
            return msgspec.defstruct("D", [("action", int)])(99)

    world.core.policy = Wild()

    assert world.step(20, ev.Timer()) == ()
    assert world.core.invalid == 1


def test_the_same_inputs_give_the_same_state() -> None:
    one, other = quoted(), quoted()
    for world in (one, other):
        world.step(20, ev.Timer())
        world.feed(21, rows((3, 1, 999_950, 100, 21)))

    assert one.core.state_hash() == other.core.state_hash()
    assert one.core.obs_hash == other.core.obs_hash
    other.step(22, ev.Timer())
    assert one.core.state_hash() != other.core.state_hash()


def test_status_tells_volume_and_fitness() -> None:
    world = quoted()

    status = world.core.status()

    assert (status.epoch, status.fit, status.text, status.volume) == (7, True, "", {"ABC": 0})
