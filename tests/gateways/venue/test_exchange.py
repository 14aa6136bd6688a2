"""The exchange: a tape and a synthetic flow through engine, feed and the day's numbers, ours among them."""

import numpy as np
import pytest

from gateways.venue.exchange import NS_PER_SAMPLE
from market.book_events import MARKET_EVENT, Flag, Kind
from market.flow.flow import ENDED
from market.flow.tape import TapeFlow
from market.flow.zero_intelligence import ZeroIntelligenceFlow
from tests.gateways.venue.desk import BEGIN_NS, END_NS, INSTRUMENT, Desk

S = 10**9


def tape(*rows: dict[str, int]) -> TapeFlow:
    events = np.zeros(len(rows), dtype=MARKET_EVENT)
    for event, row in zip(events, rows, strict=True):
        for name, value in row.items():
            event[name] = value
    return TapeFlow(events)


def standing(order_id: int, side: int, price_e4: int, size: int) -> dict[str, int]:
    return {
        "ts_ns": BEGIN_NS,
        "kind": Kind.ADD,
        "order_id": order_id,
        "side": side,
        "price_e4": price_e4,
        "size": size,
        "flags": Flag.REVEAL,
    }


def test_a_tape_without_ours_is_published_as_it_was() -> None:
    flow = tape(
        standing(1, 1, 99_900, 100),
        standing(2, -1, 100_100, 100),
        {"ts_ns": BEGIN_NS + S, "kind": Kind.ADD, "order_id": 3, "side": 1, "price_e4": 100_000, "size": 50},
        {"ts_ns": BEGIN_NS + 2 * S, "kind": Kind.EXECUTE, "order_id": 3, "size": 20, "side": 1},
        {"ts_ns": BEGIN_NS + 3 * S, "kind": Kind.HIDDEN, "price_e4": 100_050, "size": 7, "side": 1},
        {"ts_ns": BEGIN_NS + 4 * S, "kind": Kind.CANCEL, "order_id": 2, "size": 60},
        {"ts_ns": BEGIN_NS + 5 * S, "kind": Kind.DELETE, "order_id": 3},
    )
    desk = Desk(flow).opened()

    desk.exchange.advance(END_NS)

    assert desk.rebuilt().state_hash() == desk.engine.book.state_hash()
    assert (desk.exchange.volume, desk.exchange.last_e4) == (27, 100_050)
    assert [tuple(sample)[1:] for sample in desk.exchange.series[:6]] == [
        (99_900, 100_100, 0, 0),
        (100_000, 100_100, 0, 0),
        (100_000, 100_100, 100_000, 20),
        (100_000, 100_100, 100_050, 27),
        (100_000, 100_100, 100_050, 27),
        (99_900, 100_100, 100_050, 27),
    ]


def test_a_halt_is_published_and_holds_until_trading_resumes() -> None:
    flow = tape(
        standing(1, 1, 99_900, 100),
        {"ts_ns": BEGIN_NS + S, "kind": Kind.HALT, "code": ord("H")},
        {"ts_ns": BEGIN_NS + 2 * S, "kind": Kind.HALT, "code": ord("T")},
    )
    desk = Desk(flow).opened()

    desk.exchange.advance(BEGIN_NS + S)
    assert not desk.exchange.trading
    assert not desk.rebuilt().trading
    assert desk.new("A", 1, 100, "9.00")[0]["103"] == "2"
    desk.exchange.advance(BEGIN_NS + 2 * S)

    assert desk.exchange.trading
    assert desk.rebuilt().trading
    assert desk.new("B", 1, 100, "9.00")[0]["39"] == "0"


def test_our_order_in_a_tapes_queue_is_filled_and_the_feed_says_so() -> None:
    flow = tape(
        standing(1, 1, 99_900, 100),
        standing(2, -1, 100_100, 100),
        {"ts_ns": BEGIN_NS + 2 * S, "kind": Kind.EXECUTE, "order_id": 1, "size": 100, "side": 1},
    )
    desk = Desk(flow).opened()
    desk.new("A", 1, 40, "10.00")

    desk.exchange.advance(BEGIN_NS + 3 * S)

    assert (desk.sent[-1]["150"], desk.sent[-1]["14"]) == ("F", "40")
    assert desk.ems.table.fills[0].maker
    assert desk.rebuilt().state_hash() == desk.engine.book.state_hash()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_feed_of_a_busy_minute_with_ours_in_it_rebuilds_the_book(seed: int) -> None:
    desk = Desk(ZeroIntelligenceFlow(seed, BEGIN_NS, END_NS, INSTRUMENT)).opened()
    rng = np.random.default_rng(seed)
    names: list[tuple[str, int]] = []
    for number in range(300):
        desk.exchange.advance(BEGIN_NS + number * S // 5)
        book = desk.engine.book
        side = 1 if rng.random() < 0.5 else 2
        near = book.best_bid_e4 if side == 1 else book.best_ask_e4
        price = f"{(near + int(rng.integers(-3, 4)) * 100) / 10_000:.2f}"
        choice = rng.random()
        if choice < 0.5 or not names:
            names.append((f"N{number}", side))
            desk.new(f"N{number}", side, int(rng.integers(1, 5)) * 100, price, (59, rng.choice([0, 0, 3, 4])))
        elif choice < 0.8:
            at = int(rng.integers(len(names)))
            orig, side = names[at]
            (answer, *_) = desk.replace(f"R{number}", orig, side, int(rng.integers(1, 9)) * 50, price)
            if answer["35"] == "8":
                names[at] = (f"R{number}", side)
        else:
            orig, side = names.pop(int(rng.integers(len(names))))
            desk.cancel(f"C{number}", orig, side)
        if number % 50 == 0:
            assert desk.rebuilt().state_hash() == desk.engine.book.state_hash()

    table = desk.ems.table
    assert desk.rebuilt().state_hash() == desk.engine.book.state_hash()
    assert len(table.fills) > 20
    for order in table.orders:
        fills = [f for f in table.fills if f.order_id == order.order_id]
        assert sum(f.qty for f in fills) == order.cum_qty
        assert sum(f.qty * f.price_e4 for f in fills) == order.notional_e4
        assert desk.engine.book.leaves(order.engine_id) == order.leaves_qty


def test_time_does_not_go_back_and_the_flow_ends_with_the_window() -> None:
    desk = Desk(ZeroIntelligenceFlow(1, BEGIN_NS, END_NS + 60 * S, INSTRUMENT)).opened()

    desk.exchange.advance(END_NS + 30 * S)
    desk.exchange.advance(BEGIN_NS)

    assert desk.exchange.now_ns == END_NS + 30 * S
    assert desk.exchange.next_ts_ns() == ENDED
    assert len(desk.exchange.series) == (END_NS - BEGIN_NS) // NS_PER_SAMPLE + 1
    assert desk.new("A", 1, 100, "9.00")[0]["60"] == "20240102-15:10:30.000"


def test_what_is_held_back_shows_when_it_is_due() -> None:
    desk = Desk(ZeroIntelligenceFlow(1, BEGIN_NS, END_NS, INSTRUMENT), delay_ns=S)
    desk.exchange.open()
    assert desk.publisher.last_seq == 0
    assert desk.publisher.next_due_ns == BEGIN_NS + S

    desk.exchange.advance(BEGIN_NS + 10 * S)
    desk.publisher.release(BEGIN_NS + 5 * S)

    assert desk.publisher.last_seq > 4
    assert desk.publisher.next_due_ns > BEGIN_NS + 5 * S
    desk.publisher.release_all()
    assert desk.rebuilt().state_hash() == desk.engine.book.state_hash()
