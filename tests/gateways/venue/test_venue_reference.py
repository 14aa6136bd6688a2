"""Reference prices of the venue: whole pictures, conflated; trading state when it changes."""

from random import Random
from typing import Any

import pytest

from gateways.fix import inbound, market_data
from gateways.fix.reference import Reference as GateReference
from gateways.fix.sessions import Received
from gateways.venue import reference as module
from gateways.venue.reference import DEPTH_MAX, INTERVAL_NS, SUBSCRIPTIONS_MAX
from market.events import ReferencePrice, SecurityStatus
from market.types import Symbol
from tests.gateways.venue.desk import SOH, Desk

ALL = ("0", "1", "2", "5", "B")


@pytest.fixture
def desk() -> Desk:
    return Desk().opened()


def ask(desk: Desk, msg_type: str, *fields: tuple[int, object]) -> list[str]:
    before = len(desk.reference_bodies)
    desk.reference.request(desk.message(msg_type, *fields))
    return desk.reference_bodies[before:]


def subscribe(
    desk: Desk,
    req_id: str = "M1",
    how: int = 1,
    depth: int = 5,
    types: Any = ALL,
    symbol: str = "SYN",
    update: object = 0,
) -> list[str]:
    entries: list[tuple[int, object]] = [(269, t) for t in types]
    return ask(
        desk,
        "V",
        *((262, req_id), (263, how), (264, depth), (265, update), (267, len(types))),
        *entries,
        *((146, 1), (55, symbol)),
    )


def tell(desk: Desk, clock_ns: int) -> list[str]:
    before = len(desk.reference_bodies)
    desk.reference.tell(clock_ns)
    return desk.reference_bodies[before:]


def entries(body: str) -> list[tuple[str, int | None, int | None]]:
    decoded = inbound.decode(f"8=FIX.4.4{SOH}{body}")
    assert isinstance(decoded, market_data.MarketData)
    assert decoded.full
    return [(e.entry_type, e.price_e4, e.qty) for e in decoded.entries]


def test_a_picture_has_levels_best_first_then_trade_and_volume(desk: Desk) -> None:
    desk.rest(1, 99_900, 100)
    desk.rest(1, 99_800, 200)
    desk.rest(-1, 100_100, 300)
    desk.new("A", 1, 50, "10.01")

    (body,) = subscribe(desk)

    assert entries(body) == [
        ("0", 99_900, 100),
        ("0", 99_800, 200),
        ("1", 100_100, 250),
        ("2", 100_100, None),
        ("B", None, 50),
    ]


def test_an_empty_market_is_a_picture_without_prices(desk: Desk) -> None:
    (body,) = subscribe(desk)

    assert entries(body) == [("B", None, 0)]


def test_depth_and_types_are_those_asked_for(desk: Desk) -> None:
    for i in range(20):
        desk.rest(1, 99_900 - 100 * i, 100)

    (one,) = subscribe(desk, "M1", depth=1, types=("0",))
    (many,) = subscribe(desk, "M2", depth=0, types=("0",))

    assert entries(one) == [("0", 99_900, 100)]
    assert len(entries(many)) == DEPTH_MAX


def test_changes_are_told_at_most_once_an_interval(desk: Desk) -> None:
    subscribe(desk)
    now_ns = 10**12
    desk.rest(1, 99_900, 100)
    assert len(tell(desk, now_ns)) == 1
    desk.rest(1, 99_800, 100)
    desk.rest(1, 99_700, 100)

    assert tell(desk, now_ns + INTERVAL_NS - 1) == []
    assert desk.reference.next_due_ns(now_ns + 1) == now_ns + INTERVAL_NS
    (body,) = tell(desk, now_ns + INTERVAL_NS)
    assert len(entries(body)) == 4
    assert tell(desk, now_ns + 9 * INTERVAL_NS) == []  # nothing has changed
    assert desk.reference.next_due_ns(now_ns) == 2**63 - 1


def got(body: str) -> Received:
    return Received(raw=f"8=FIX.4.4{SOH}{body}", offset=0, mono_ns=0, n=1)


def changes(body: str) -> list[tuple[str, str, int | None, int | None]]:
    decoded = inbound.decode(f"8=FIX.4.4{SOH}{body}")
    assert isinstance(decoded, market_data.MarketData)
    assert not decoded.full
    assert {e.symbol for e in decoded.entries} == {"SYN"}
    return [(e.action, e.entry_type, e.price_e4, e.qty) for e in decoded.entries]


def test_an_incremental_subscription_gets_the_whole_once_and_then_what_changed(desk: Desk) -> None:
    first = desk.rest(1, 99_900, 100)
    desk.rest(-1, 100_100, 300)
    (whole,) = subscribe(desk, update=1, types=("0", "1", "2"))
    assert entries(whole) == [("0", 99_900, 100), ("1", 100_100, 300)]

    desk.engine.cancel(first)
    desk.rest(1, 99_800, 200)
    desk.new("A", 1, 50, "10.01")
    (told,) = tell(desk, 10**12)

    assert told.startswith(f"35=X{SOH}262=M1{SOH}268=4{SOH}279=2{SOH}269=0{SOH}278=0-99900{SOH}55=SYN{SOH}")
    assert changes(told) == [
        ("2", "0", 99_900, 100),
        ("1", "1", 100_100, 250),
        ("0", "0", 99_800, 200),
        ("0", "2", 100_100, None),
    ]
    assert tell(desk, 10**12 + 9 * INTERVAL_NS) == []
    assert desk.reference.next_due_ns(10**12) == 2**63 - 1


def test_changes_add_up_to_the_whole_at_every_step(desk: Desk) -> None:
    """Held to the gate's own reader, with more levels in the book than the subscription sees."""
    random = Random(7)
    reader = GateReference(lambda _: True, (Symbol("SYN"),))
    seen = [reader.receive(got(body)) for body in subscribe(desk, update=1, depth=3)]
    resting: list[int] = []
    for step in range(300):
        if resting and random.random() < 0.45:
            desk.engine.cancel(resting.pop(random.randrange(len(resting))))
        else:
            side = random.choice((1, -1))
            resting.append(desk.rest(side, 100_000 - side * 100 * random.randint(1, 9), 100))
        seen += [reader.receive(got(b)) for b in tell(desk, 10**12 + step * INTERVAL_NS)]
        (price,) = seen[-1]
        book = desk.engine.book
        assert isinstance(price, ReferencePrice)
        assert (price.bid_e4, price.ask_e4) == (book.best_bid_e4, book.best_ask_e4)
        assert price.bid_qty == book.size_at(1, price.bid_e4)
    assert len(seen) > 100


def test_a_malformed_request_is_told_what_is_wrong_with_it(desk: Desk) -> None:
    (body,) = ask(desk, "V", (262, "M1"), (263, 9), (264, 5), (146, 1), (55, "SYN"))

    assert f"{SOH}380=5{SOH}" in body
    assert "263" in body


def test_a_snapshot_is_no_subscription_and_a_subscription_can_end(desk: Desk) -> None:
    subscribe(desk, "M1", how=0)
    subscribe(desk, "M2", how=1)
    assert subscribe(desk, "M2", how=2) == []
    desk.rest(1, 99_900, 100)

    assert tell(desk, 10**12) == []


def test_a_session_that_is_gone_is_told_nothing(desk: Desk) -> None:
    subscribe(desk)
    ask(desk, "e", (324, "S1"), (55, "SYN"), (263, 1))
    desk.reference.forget()
    desk.rest(1, 99_900, 100)
    desk.exchange.trading = False

    assert tell(desk, 10**12) == []


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"symbol": "OTHER"}, "0"),
        ({"req_id": "TAKEN"}, "1"),
        ({"types": ("0", "J")}, "8"),
        ({"update": 2}, "6"),
    ],
)
def test_what_cannot_be_subscribed_is_refused_with_its_reason(
    desk: Desk, more: dict[str, Any], reason: str
) -> None:
    subscribe(desk, "TAKEN")

    (body,) = subscribe(desk, **{"req_id": "M1", **more})

    assert body.startswith(f"35=Y{SOH}")
    assert f"{SOH}281={reason}{SOH}" in body


def test_subscriptions_are_bounded(desk: Desk) -> None:
    for number in range(SUBSCRIPTIONS_MAX):
        subscribe(desk, f"M{number}")

    (body,) = subscribe(desk, "ONE-MORE")

    assert f"{SOH}281={module.TOO_MANY}{SOH}" in body


def test_trading_state_is_told_at_once_and_when_it_changes(desk: Desk) -> None:
    (now,) = ask(desk, "e", (324, "S1"), (55, "SYN"), (263, 1))
    desk.exchange.trading = False
    (halted,) = tell(desk, 1)
    desk.exchange.trading = True
    (resumed,) = tell(desk, 2)

    states = [inbound.decode(f"8=FIX.4.4{SOH}{body}") for body in (now, halted, resumed)]
    assert [s.trading for s in states if isinstance(s, SecurityStatus)] == [True, False, True]
    assert tell(desk, 3) == []


def test_an_unknown_symbol_does_not_trade(desk: Desk) -> None:
    (body,) = ask(desk, "e", (324, "S1"), (55, "OTHER"), (263, 0))

    status = inbound.decode(f"8=FIX.4.4{SOH}{body}")
    assert isinstance(status, SecurityStatus)
    assert not status.trading


def test_orders_do_not_belong_here(desk: Desk) -> None:
    (body,) = ask(desk, "D", (11, "A"), (55, "SYN"), (54, 1), (38, 1), (40, 1))

    assert body.startswith(f"35=j{SOH}")
    assert f"{SOH}372=D{SOH}" in body
    assert f"{SOH}379=A{SOH}" in body
    assert len(desk.engine.book) == 0
