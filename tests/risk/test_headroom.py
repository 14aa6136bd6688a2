"""What the limits leave for a parent, in numbers that can be worked out by hand: each limit alone binds.

The desk: 1,040 SYN (40 bought today at 100.00), a buy of 300 at 99.00 and a sell of 200 at 100.00 open, and
500 OTH sold short at 50.00. SYN is worth 100.00, and 110.00 at the worst that the collar lets anybody pay.
"""

from typing import Any

import msgspec
import pytest

from market import events as ev
from market.child_order import ChildOrder
from market.instruments import Instrument, TickBand
from market.orders import NewOrder
from market.parents import ParentOrder, Progress
from market.types import ClOrdID, OrdType, ParentID, Side, Symbol, TimeInForce
from market.updates import Headroom
from risk.headroom import headroom, price_of_market
from tests.daemon.gate_harness import SECOND, SYN, World, limits, parent_order

BUY, SELL = Side.BUY, Side.SELL
OTH = Symbol("OTH")
AMOUNTS = (
    "long_max", "short_max", "gross_max_ccy", "net_max_ccy", "capital_max_ccy",
    "open_orders_max", "open_orders_symbol_max", "open_notional_max_ccy",
)  # fmt: skip
WIDE: dict[str, dict[str, Any]] = {
    "order": {"qty_max": 100_000, "adv_max_bp": 10_000, "notional_max_ccy": 10**9},
    "market": {"collar_bp": 1_000, "close_band_bp": 5_000, "last_required": False},
    "exposure": dict.fromkeys(AMOUNTS, 10**9),
    "participation": {"share_max_bp": 10_000, "free_qty": 0},
    "shorts": {"mark_required": False},
    "day": {"notional_max_ccy": 10**9, "shares_max": 10**9, "messages_max": 10**6},
    "rates": {"orders_per_second": 1_000, "orders_per_second_symbol": 1_000, "changes_per_second": 1_000},
    "sessions": {"in_flight_max": 1_000},
}  # fmt: skip


def law(own: dict[str, Any] | None = None, **changed: dict[str, Any]) -> Any:
    """Wide limits, with some keys narrow; `own`: of the account PAPER alone."""
    tables = {name: values | changed.get(name, {}) for name, values in WIDE.items()}
    found = limits(**(changed | tables))
    return type(found).model_validate(found.model_dump() | {"level": {"account": {"PAPER": own or {}}}})


def chain(name: str, side: Side, qty: int, price_e4: int) -> ChildOrder:
    terms = NewOrder(
        cl_ord_id=ClOrdID(name), parent_id=ParentID("P1" if side is BUY else "P2"), account="PAPER",
        symbol=SYN, mic="XNAS", side=side, qty=qty, ord_type=OrdType.LIMIT, price_e4=price_e4,
        time_in_force=TimeInForce.DAY,
    )  # fmt: skip
    return ChildOrder(
        chain_id=terms.cl_ord_id, terms=terms, cl_ord_id=terms.cl_ord_id, order_qty=qty, price_e4=price_e4
    )


def desk(own: dict[str, Any] | None = None, **changed: dict[str, Any]) -> World:
    w = World(
        law(own, **changed),
        instruments=(Instrument(symbol=SYN, adv=2_000_000), Instrument(symbol=OTH, adv=2_000_000)),
        positions=(("PAPER", SYN, 1_000), ("PAPER", OTH, -500)),
    )
    w.open(price=False)
    w.price(999_000, 1_001_000, last_e4=1_000_000)
    w.step(ev.ReferencePrice(symbol=OTH, bid_e4=499_900, ask_e4=500_100, bid_qty=1, ask_qty=1))
    risk = w.core.state.risk
    scopes = risk.scopes.of("PAPER", "twap", SYN)
    bought, sold = chain("B", BUY, 300, 990_000), chain("S", SELL, 200, 1_000_000)
    for scope in scopes:
        scope.ledger.execute(bought, 40, 40 * 1_000_000, 0)
        scope.tally.note_fill(w.ts, 40, 40 * 1_000_000)
        for one in (bought, sold):
            scope.ledger.track(one)
        for _ in range(3):
            scope.tally.sent.add(w.now)
        for _ in range(4):
            scope.tally.note_change(w.now)
        scope.tally.messages.used = 88
    risk.ledger.unanswered[ClOrdID("B")] = None
    return w


def room(w: World, side: Side = BUY, qty: int = 50_000, cum_qty: int = 0, **fields: Any) -> Headroom:
    parent = msgspec.structs.replace(parent_order(qty, side, "P1" if side is BUY else "P2"), **fields)
    stamp = ev.Stamp(w.ts, w.now)
    return headroom(w.core.state.risk, parent, Progress(qty=qty, cum_qty=cum_qty), "twap", stamp, True)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize(
    ("table", "values", "buy", "sell"),
    [
        ("exposure", {"long_max": 2_000}, 2_000 - 1_340, None),
        ("exposure", {"short_max": 500}, None, 500 + 840),
        # gross: 134,000 of SYN at most and 25,000 of OTH
        ("exposure", {"gross_max_ccy": 203_000}, 178_000 // 110 - 1_340, 178_000 // 110 + 840),
        ("exposure", {"net_max_ccy": 150_000}, 175_000 // 110 - 1_340, 125_000 // 110 + 840),
        # used: 4,000 paid, 29,700 promised, 25,000 of OTH short; a sale of what is held uses none
        ("exposure", {"capital_max_ccy": 100_000}, 41_300 // 110, 41_300 // 110 + 840),
    ],
)
def test_each_cap_on_exposure_leaves_its_own_room(
    own: bool, table: str, values: dict[str, int], buy: int | None, sell: int | None
) -> None:
    w = desk({table: values}) if own else desk(None, **{table: values})

    assert room(w).buy_qty_max == (buy if buy is not None else 50_000 - 300)
    assert room(w, SELL).sell_qty_max == (sell if sell is not None else 50_000 - 200)
    assert room(w).sell_qty_max == room(w, SELL).buy_qty_max == 0


def test_a_signal_lowers_every_cap_on_exposure_that_r75_holds() -> None:
    for values, buy, sell in (
        ({"long_max": 4_000}, 2_000 - 1_340, None),
        ({"short_max": 1_000}, None, 500 + 840),
        ({"gross_max_ccy": 406_000}, 178_000 // 110 - 1_340, 178_000 // 110 + 840),
        ({"net_max_ccy": 300_000}, 175_000 // 110 - 1_340, 125_000 // 110 + 840),
    ):
        w = desk(exposure=values, dynamic={"multiplier_min_bp": 1_000})
        risk = w.core.state.risk
        assert risk.memory.multipliers.signal("F", "vix", 5_000, risk.limits.dynamic, w.now)

        assert room(w).buy_qty_max == (buy if buy is not None else 50_000 - 300)
        assert room(w, SELL).sell_qty_max == (sell if sell is not None else 50_000 - 200)


@pytest.mark.parametrize(
    ("changed", "size"),
    [
        ({}, 100_000),
        ({"order": {"qty_max": 300}}, 300),
        ({"order": {"adv_max_bp": 2}}, 400),
        ({"order": {"notional_max_ccy": 33_109}}, 300),  # at 110.00
        ({"day": {"shares_max": 1_000}}, 1_000 - 40 - 500),
        ({"day": {"notional_max_ccy": 100_000}}, (100_000 - 4_000 - 29_700 - 20_000) // 110),
        ({"day": {"shares_max": 10}}, 0),
    ],
)
def test_each_cap_on_an_order_leaves_its_own_size(changed: dict[str, Any], size: int) -> None:
    for side in (BUY, SELL):
        assert room(desk(None, **changed), side).order_qty_max == size
    if "day" in changed:
        assert room(desk(changed)).order_qty_max == size


def test_a_size_is_no_larger_than_what_a_signal_or_the_parent_leaves() -> None:
    w = desk(order={"qty_max": 600}, dynamic={"multiplier_min_bp": 1_000})
    assert room(w, max_display=250).order_qty_max == 250
    assert room(w, max_display=700).order_qty_max == 600
    risk = w.core.state.risk
    risk.memory.multipliers.signal("S/SYN", "vix", 5_000, risk.limits.dynamic, w.now)
    assert room(w).order_qty_max == 300

    w = desk(order={"notional_max_ccy": 66_218}, dynamic={"multiplier_min_bp": 1_000})
    risk = w.core.state.risk
    risk.memory.multipliers.signal("A/PAPER", "vix", 5_000, risk.limits.dynamic, w.now)
    assert room(w).order_qty_max == 300


def test_what_is_done_or_works_is_no_longer_free() -> None:
    w = desk()

    assert room(w, qty=2_000, cum_qty=150).buy_qty_max == 2_000 - 150 - 300
    assert room(w, SELL, qty=2_000, cum_qty=150).sell_qty_max == 2_000 - 150 - 200
    assert room(w, qty=400, cum_qty=150).buy_qty_max == 0


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize(
    ("table", "values", "name", "free"),
    [
        ("exposure", {"open_orders_max": 7}, "orders_free", 5),
        ("exposure", {"open_orders_symbol_max": 5}, "orders_free", 3),
        ("exposure", {"open_orders_max": 1}, "orders_free", 0),
        ("rates", {"orders_per_second": 10}, "rate_free", 7),
        ("rates", {"changes_per_second": 10}, "rate_free", 6),
        ("rates", {"changes_per_second": 3}, "rate_free", 0),
        ("day", {"messages_max": 100}, "rate_free", 12),
    ],
)
def test_orders_and_messages_that_are_left(
    own: bool, table: str, values: dict[str, int], name: str, free: int
) -> None:
    w = desk({table: values}) if own else desk(None, **{table: values})

    assert getattr(room(w), name) == free


def test_messages_of_a_symbol_and_answers_that_are_due_are_left_as_well() -> None:
    assert room(desk(sessions={"in_flight_max": 5})).rate_free == 4
    w = desk(rates={"orders_per_second_symbol": 5})
    for _ in range(2):
        w.core.state.risk.rates.note_sent(SYN, w.now)
    assert room(w).rate_free == 3
    w.core.state.risk.rates.speed = 4.0
    assert room(w).rate_free == 18
    w.now += SECOND
    assert room(w).rate_free == 20


def test_rates_that_run_faster_leave_more() -> None:
    for table, free in (({"orders_per_second": 10}, 40 - 3), ({"changes_per_second": 10}, 40 - 4)):
        w = desk(rates=table)
        w.core.state.risk.rates.speed = 4.0

        assert room(w).rate_free == free


def test_a_sale_is_of_what_is_held_where_sales_are_marked() -> None:
    w = desk(shorts={"mark_required": True})
    assert room(w, SELL).sell_qty_max == 1_040 - 200
    assert room(w).buy_qty_max == 50_000 - 300
    assert room(desk(), SELL).sell_qty_max == 50_000 - 200


def test_a_short_sale_is_of_what_is_located_and_not_used() -> None:
    key, short = f"PAPER {SYN}", Side.SELL_SHORT
    assert room(desk(shorts={"permitted": False, "locate_required": False}), short).sell_qty_max == 0
    w = desk(shorts={"permitted": True, "locate_required": False})
    assert room(w, short).sell_qty_max == 50_000 - 200
    w = desk(shorts={"permitted": True, "locate_required": True})
    assert room(w, short).sell_qty_max == 0
    w.core.state.risk.memory.locates[key] = 900
    assert room(w, short).sell_qty_max == 900 - 200
    w.core.state.risk.memory.shorted[key] = 100
    assert room(w, short).sell_qty_max == 900 - 100 - 200


def test_who_holds_nothing_and_has_located_nothing_sells_nothing() -> None:
    for side, shorts in (
        (SELL, {"mark_required": True}),
        (Side.SELL_SHORT, {"permitted": True, "locate_required": True}),
    ):
        w = World(law(None, shorts=shorts))
        w.open()
        assert room(w, side).sell_qty_max == 0


@pytest.mark.parametrize(("held", "sells"), [(0, 10), (-4, 10), (3, 13)])
def test_a_short_sale_uses_capital_and_what_is_held_does_not(held: int, sells: int) -> None:
    w = World(
        law(None, exposure={"capital_max_ccy": 1_100 + 100 * max(0, -held)}),
        positions=(("PAPER", SYN, held),),
    )
    w.open(price=False)
    w.price(999_000, 1_001_000, last_e4=1_000_000)

    assert room(w, SELL).sell_qty_max == sells


def test_a_symbol_that_is_no_instrument_has_neither_size_nor_price() -> None:
    w = desk(order={"qty_max": 70})
    risk = w.core.state.risk
    nowhere = Symbol("NONE")
    w.step(ev.ReferencePrice(symbol=nowhere, bid_e4=999_000, ask_e4=1_001_000, bid_qty=1, ask_qty=1))

    assert room(w, symbol=nowhere).order_qty_max == 70
    assert (
        price_of_market(risk, risk.limits.market, nowhere, BUY)
        == price_of_market(risk, risk.limits.market, nowhere, SELL)
        == 0
    )


def test_a_share_of_the_volume_leaves_its_room_and_nothing_is_free_once_something_crosses() -> None:
    w = desk(participation={"share_max_bp": 2_000, "free_qty": 60})
    volumes, window = (
        w.core.state.risk.memory.volumes,
        w.core.state.risk.limits.participation.window_ms * 10**6,
    )
    assert room(w).buy_qty_max == 60
    volumes.printed(SYN, 0, w.ts, window)
    volumes.printed(SYN, 1_000, w.ts, window)
    volumes.traded(SYN, 100, w.ts, window)
    assert room(w).buy_qty_max == 900 // 4 - 100
    assert room(w, SELL).sell_qty_max == 900 // 4 - 100

    volumes.printed(SYN, 2_000, w.ts, window)
    w.core.state.ledger.track(chain("X", BUY, 30, 1_001_000))
    assert room(w).buy_qty_max == 1_900 // 4 - 100 - 30
    volumes.traded(SYN, 1_000, w.ts, window)
    assert room(w).buy_qty_max == 0, "what is free is free while nothing crosses"
    assert room(w, SELL).sell_qty_max == 60


@pytest.mark.parametrize(
    ("price", "market", "low", "high"),
    [
        ({}, {}, 900_000, 1_100_000),
        ({"last_e4": 1_050_000}, {}, 945_000, 1_100_000),
        ({"last_e4": 950_000}, {}, 900_000, 1_045_000),
        ({"close_e4": 1_000_000}, {"close_band_bp": 500}, 950_000, 1_050_000),
        ({"close_e4": 1_060_000}, {"close_band_bp": 1_000}, 954_000, 1_100_000),
        ({"close_e4": 940_000}, {"close_band_bp": 1_000}, 900_000, 1_034_000),
        ({"last_e4": 0}, {"last_required": True}, 0, 0),
        ({"last_e4": 0}, {}, 900_000, 1_100_000),
        ({}, {"close_required": True}, 0, 0),
        ({"close_e4": 1_000_000}, {"close_required": True}, 900_000, 1_100_000),
        ({"ask_e4": 0}, {}, 0, 0),
    ],
)
def test_the_collar_is_the_narrowest_of_mid_last_and_close(
    price: dict[str, Any], market: dict[str, Any], low: int, high: int
) -> None:
    w = World(law(None, market=WIDE["market"] | market))
    w.open(price=False)
    fields = {"bid_e4": 999_000, "ask_e4": 1_001_000, "last_e4": 1_000_000} | price
    w.step(ev.ReferencePrice(symbol=SYN, bid_qty=1, ask_qty=1, **fields))

    found = room(w)

    assert (found.collar_low_e4, found.collar_high_e4) == (low, high)


def test_the_collar_is_inside_the_bands_of_the_venue() -> None:
    w = desk()
    for low, high, expected in (
        (950_000, 1_050_000, (950_000, 1_050_000)),
        (850_000, 1_150_000, (900_000, 1_100_000)),
    ):
        w.step(ev.SecurityStatus(symbol=SYN, trading=True, band_low_e4=low, band_high_e4=high))
        found = room(w)
        assert (found.collar_low_e4, found.collar_high_e4) == expected


def test_a_market_order_leaves_at_the_last_tick_inside_the_collar() -> None:
    w = desk(market={"collar_bp": 1_000})
    risk = w.core.state.risk
    w.price(999_130, 1_001_130, last_e4=0)
    assert (
        price_of_market(risk, risk.limits.market, SYN, BUY),
        price_of_market(risk, risk.limits.market, SYN, SELL),
    ) == (1_100_000, 900_200)
    ticks = (TickBand(0, 100), TickBand(1_000_000, 700))
    risk.instruments[SYN] = msgspec.structs.replace(risk.instruments[SYN], ticks=ticks)
    assert (
        price_of_market(risk, risk.limits.market, SYN, BUY),
        price_of_market(risk, risk.limits.market, SYN, SELL),
    ) == (1_099_700, 900_200)


def test_worth_is_the_highest_of_collar_last_and_ask() -> None:
    w = desk(order={"notional_max_ccy": 1_100_000}, market={"collar_bp": 0, "spread_max_bp": 10_000})
    w.price(900_000, 1_100_000, last_e4=0)
    assert room(w).order_qty_max == 1_100_000 // 110
    w.price(900_000, 1_100_000, last_e4=1_210_000)
    assert room(w).order_qty_max == 1_100_000 // 121


def test_a_parent_hears_of_its_symbol_alone_and_whether_it_can_trade() -> None:
    w = desk()
    parent = parent_order(900)
    stamp = ev.Stamp(w.ts, w.now)
    progress = Progress(qty=900)
    assert headroom(w.core.state.risk, parent, progress, "twap", stamp, True).can_trade
    assert not headroom(w.core.state.risk, parent, progress, "twap", stamp, False).can_trade
    other: ParentOrder = msgspec.structs.replace(parent, symbol=OTH, parent_id=ParentID("P9"))

    found = headroom(w.core.state.risk, other, progress, "twap", stamp, True)

    assert (found.buy_qty_max, found.collar_high_e4) == (900, 550_000)
