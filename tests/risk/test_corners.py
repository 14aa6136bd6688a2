"""Corners that no ordinary order reaches: shapes that cannot be, names, empty books, bounds of memory."""

from typing import Any

import msgspec
import pytest

from market import events as ev
from market.child_order import ChildOrder
from market.instruments import Instrument
from market.orders import NewOrder
from market.parents import Progress
from market.types import ExecType, OrdStatus, OrdType, ParentStatus, Side, TimeInForce
from risk import checks, memory, posture, rates
from risk.case import Decision
from risk.controls import money, sanity, trips
from risk.headroom import collar, headroom, price_of_market
from risk.ledger import ANY_PRICE_E4, Ledger, SymbolBook
from risk.overlay import Context
from risk.rates import Prices, Rates, Ring
from risk.reference import Picture, References
from risk.verdict import Approved, Failure, Refused
from risk.volumes import Sums, Volumes
from tests.daemon.gate_harness import ASK, BID, SECOND, SYN, World, limits, parent_order
from tests.daemon.people import lift
from tests.risk.boundary_world import BUY, SELL, ask
from tests.risk.test_levels import own


def world(side: Side = BUY, law: Any = None, **more: Any) -> World:
    w = World(law or limits(), **more)
    w.open()
    assert w.parent(qty=100_000, side=side)["ok"]
    return w


def judged(w: World, stamp: ev.Stamp | None = None, **fields: Any) -> tuple[str, ...]:
    """What the overlay says of an order that no intent could make."""
    g = w.core.state
    order = NewOrder(
        **{
            "cl_ord_id": "SH-1",
            "parent_id": "P1",
            "account": "PAPER",
            "symbol": SYN,
            "mic": "XNAS",
            "side": Side.BUY,
            "qty": 10,
            "ord_type": OrdType.LIMIT,
            "price_e4": BID,
            "time_in_force": TimeInForce.DAY,
        }
        | fields
    )
    parent = g.parents["P1"]
    made = Decision(w.now, "twap", "", 1)
    verdict = g.risk.check(
        order, Context(stamp or ev.Stamp(w.ts, w.now), None, parent.order, parent.progress, made)
    )
    return verdict.controls if isinstance(verdict, Refused) else ()


@pytest.mark.parametrize(
    ("fields", "control"),
    [
        ({"ord_type": OrdType.MARKET, "price_e4": BID}, "R01"),
        ({"ord_type": "X"}, "R01"),
        ({"time_in_force": "DAY"}, "R01"),
        ({"cl_ord_id": "a b"}, "R01"),
        ({"account": "x\x01y"}, "R01"),
        ({"symbol": "syn"}, "R01"),
        ({"symbol": "OTHER"}, "R02"),
        ({"mic": "XNYS"}, "R02"),
        ({"account": "OTHER"}, "R02"),
        ({"account": "OTHER"}, "R14"),
        ({"ord_type": OrdType.MARKET, "price_e4": None}, "R05"),
        ({"ord_type": OrdType.MARKET, "price_e4": None, "side": Side.SELL}, "R05"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], control: str) -> None:
    assert control in judged(world(), **fields)


def test_without_market_time_nothing_passes() -> None:
    w = world()

    assert judged(w, ev.Stamp(0, w.now)) == ("R01",)


def test_a_lot_and_a_list() -> None:
    w = World(limits(), instruments=(Instrument(symbol=SYN, adv=2_000_000, lot=10),))
    w.open()
    assert w.parent(qty=1_000)["ok"]
    assert ask(w, BUY, 11, BID) == ("R02",)
    listed = world(law=limits(allowed={"policies": ("pov",)}, policy={"invalid_to_halt": 100}))
    assert judged(listed) == ("R50",)
    frozen = world(law=limits(allowed={"artefacts": ("b" * 64,)}))
    g = frozen.core.state
    decision = Decision(frozen.now, "frozen", "a" * 64, 1)
    parent = g.parents["P1"]
    context = Context(ev.Stamp(frozen.ts, frozen.now), None, parent.order, parent.progress, decision)
    verdict = g.risk.check(order_of(frozen), context)
    assert isinstance(verdict, Refused)

    assert verdict.controls == ("R50",)


def order_of(w: World, **more: Any) -> NewOrder:
    fields: dict[str, Any] = {
        "cl_ord_id": "SH-1",
        "parent_id": "P1",
        "account": "PAPER",
        "symbol": SYN,
        "mic": "XNAS",
        "side": Side.BUY,
        "qty": 10,
        "ord_type": OrdType.LIMIT,
        "price_e4": BID,
        "time_in_force": TimeInForce.DAY,
    } | more
    return NewOrder(**fields)


def test_an_order_of_nobody() -> None:
    w = world()
    risk = w.core.state.risk
    verdict = risk.check(order_of(w), Context(ev.Stamp(w.ts, w.now), None, None, None, None))
    assert isinstance(verdict, Refused)

    assert set(verdict.controls) == {"R14", "R50"}
    assert "R14 no such parent: P1 against" in repr(verdict.failures[0])
    assert repr(Failure("R50", "", "", "no decision")) == "R50 no decision"


def test_an_approval_cannot_be_made_or_used_twice() -> None:
    w = world()
    with pytest.raises(TypeError, match="approves orders"):
        Approved(order_of(w), seal=object())
    approved = w.core.state.risk.check(
        order_of(w),
        Context(
            ev.Stamp(w.ts, w.now), None, w.ask_parent().order, w.ask_parent().progress,
            Decision(w.now, "twap", "", 1),
        ),
    )  # fmt: skip
    approved.spend()
    with pytest.raises(RuntimeError, match="one message"):
        approved.spend()


def test_without_a_last_trade_or_a_close_where_they_are_required() -> None:
    w = world(law=limits(market={"last_required": True, "close_required": True}))
    w.core.state.references.pictures[SYN].last_e4 = 0

    assert judged(w) == ("R05", "R05")


def test_an_order_without_any_price_to_value_it_with() -> None:
    w = world()
    w.core.state.references.pictures[SYN] = Picture(symbol=SYN)

    assert {"R04", "R05", "R06"} <= set(judged(w, ord_type=OrdType.MARKET, price_e4=None))


def test_equal_own_prices_meet_whatever_stands_first() -> None:
    w = world()
    book = w.core.state.ledger.book(SYN)
    for n, price in enumerate((ASK + 200, ASK)):
        chain = ChildOrder(
            chain_id=f"S{n}",
            terms=order_of(w, side=Side.SELL),
            cl_ord_id=f"S{n}",
            order_qty=1,
            price_e4=price,
        )
        book.sells[chain.chain_id] = chain
        book.price(chain.chain_id, False, price)
    failures = w.intent(10, ASK).text
    assert "R16 would trade with S1" in failures
    book.sells.clear()
    book.sells_e4.clear()
    market = ChildOrder(chain_id="B", terms=order_of(w), cl_ord_id="B", order_qty=1, price_e4=0)
    book.buys["B"] = market
    book.price("B", True, ANY_PRICE_E4)

    assert "R16" in judged(w, side=Side.SELL, price_e4=ASK + 10_000)


# --- what is remembered is bounded ------------------------------------------------------------


def test_kinds_of_parents_and_equal_orders_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "REPEAT_KEYS_MAX", 2)
    monkeypatch.setattr(rates, "EQUAL_KEYS_MAX", 2)
    w = world()
    kept = w.core.state.risk.memory
    kept.starts.clear()
    for n, ts in enumerate((0, 10, 100, 101)):
        kept.started(("twap", SYN, "1", n), ts, 50)
    assert [k[3] for k in kept.starts] == [2, 3]
    found = Rates(0)
    for n, ts in enumerate((0, 10, 100, 101)):
        found.note_order((SYN, "1", n, 0), ts, 50)

    assert [k[2] for k in found.equal] == [2, 3]
    assert found.state()


def test_a_ring_forgets_what_is_old_and_what_is_of_another_boot() -> None:
    ring = Ring(50)
    for now in (0, 10, 60):
        ring.add(now)
    assert (ring.peek(60), ring.count(60), ring.count(60)) == (1, 1, 1)
    assert ring.count(5) == 0
    own = Prices(50)
    for now in (0, 10):
        own.add(now, 5, 100)
    own.expire(59)
    assert (own.qty, own.value_e4) == (5, 500)
    own.expire(1_000)

    assert (own.qty, own.value_e4) == (0, 0)


def test_volumes_leave_with_their_buckets() -> None:
    window = 64 * 10
    others, ours = Sums(young=False), Sums(young=True)
    for sums in (others, ours):
        for ts in (0, 5, 9, 20):
            sums.add(ts, 1, window)
    assert (others.now(window, window), ours.now(window, window)) == (1, 4)
    assert (others.now(window + 9, window), ours.now(window + 9, window)) == (1, 1)
    assert (others.now(window * 2, window), ours.now(window * 3, window)) == (0, 0)
    volumes = Volumes()
    volumes.printed(SYN, 100, 0, window)
    volumes.printed(SYN, 90, 1, window)  # a day's volume never falls
    volumes.printed(SYN, 150, 2, window)
    volumes.traded(SYN, 60, 2, window)
    assert volumes.others(SYN, 3, window) == 0
    assert volumes.own("OTHER", 3, window) == volumes.others("OTHER", 3, window) == 0

    assert volumes.state()


def test_the_rest_of_the_arithmetic() -> None:
    assert checks.participation_room(10_000, 0, 10) == checks.NO_CAP
    assert checks.reject_share_trips(1, 2, 5_000)
    assert not checks.reject_share_trips(1, 2, 5_001)
    assert checks.drawdown_micros(5, 9) == 0
    assert sanity.qty_cap(limits().order, 0) == limits().order.qty_max


# --- room -------------------------------------------------------------------------------------


def test_where_nothing_is_known_there_is_no_price_and_the_room_says_so() -> None:
    w = World(limits())
    w.open(price=False)
    risk = w.core.state.risk
    order = parent_order()
    room = headroom(risk, order, Progress(qty=2_000), "twap", ev.Stamp(w.ts, w.now), False)
    assert (room.collar_low_e4, room.collar_high_e4) == (0, 0)
    assert (room.order_qty_max, room.buy_qty_max) == (5_000, 2_000)
    assert price_of_market(risk, risk.limits.market, SYN, BUY) == 0
    assert price_of_market(risk, risk.limits.market, "NONE", BUY) == 0
    unknown = msgspec.structs.replace(order, symbol="NONE")
    assert headroom(risk, unknown, Progress(qty=5), "twap", ev.Stamp(w.ts, w.now), False).buy_qty_max == 5
    w.step(ev.ReferencePrice(symbol=SYN, bid_e4=BID, ask_e4=ASK, bid_qty=1, ask_qty=1))
    low, high = collar(risk, risk.limits.market, SYN)
    assert low < BID < high
    w.price(close_e4=BID)

    assert collar(risk, risk.limits.market, SYN) == (max(low, 980_000), min(high, 1_020_000))


def test_the_brokers_word_is_in_the_room() -> None:
    w = world()
    w.core.state.risk.memory.buying_power_micros = 10_202 * 10**6
    room = headroom(
        w.core.state.risk, w.ask_parent().order, w.ask_parent().progress, "twap", ev.Stamp(w.ts, w.now), True
    )

    assert room.buy_qty_max == 100


# --- books ------------------------------------------------------------------------------------


def test_worth_of_other_symbols_is_kept_as_they_change() -> None:
    alt = Instrument(symbol="ALT", adv=1_000_000)
    w = World(
        limits(exposure={"gross_max_ccy": 60_000}),
        instruments=(Instrument(symbol=SYN, adv=2_000_000), alt),
        positions=(("PAPER", "ALT", -300), ("PAPER", SYN, 0)),
    )
    w.open()
    w.step(ev.ReferencePrice(symbol="ALT", bid_e4=1_000_000, ask_e4=1_000_100, bid_qty=1, ask_qty=1))
    assert w.parent(qty=10_000)["ok"]
    assert ask(w, BUY, 301, BID) == ("R11",)  # 30,001.5 of ALT
    w.core.state.risk.watch(ev.Stamp(w.ts, w.now))
    assert w.core.state.ledger.shorted_e4 == 300 * 1_000_050
    w.core.state.ledger.unvalued["ALT"] = None

    assert ask(w, BUY, 299, BID) == ()


def test_a_price_that_comes_values_what_had_none() -> None:
    ledger, references = Ledger(), References()
    ledger.start_of_day("A", SYN, 10)
    money.settle_values(ledger, references, limits(), 0)
    assert ledger.unpriced == {SYN: None}
    references.picture(SYN).last_e4 = 100
    ledger.unvalued[SYN] = None
    money.settle_values(ledger, references, limits(), 0)
    assert (ledger.unpriced, ledger.gross_e4) == ({}, 1_000)
    ledger.book("FLAT")
    ledger.revalue("FLAT", 0)
    assert ledger.unpriced == {}
    references.picture(SYN).unfit_since_ns = 1
    references.picture(SYN).last_e4 = 0
    references.picture(SYN).bid_e4 = 200
    ledger.unvalued[SYN] = None
    money.settle_values(ledger, references, limits(), 10 * SECOND)

    assert ledger.gross_e4 == 2_200  # 10 % on what is left of a price
    assert SymbolBook(symbol=SYN, sod_qty=5).inventory_micros(Picture(symbol=SYN)) == 0


def test_an_order_that_ends_before_it_lived_leaves_nothing() -> None:
    w = world()
    ledger = Ledger()
    chain = ChildOrder(
        chain_id="X", terms=order_of(w, price_e4=None), cl_ord_id="X", order_qty=10, price_e4=0
    )
    ledger.track(chain)
    assert ledger.books[SYN].buy_top_e4 == ANY_PRICE_E4
    ledger.track(chain)
    sell = ChildOrder(
        chain_id="Y", terms=order_of(w, side=Side.SELL), cl_ord_id="Y", order_qty=10, price_e4=0
    )
    ledger.track(sell)
    assert ledger.books[SYN].sell_low_e4 == 0
    for each in (chain, sell):
        each.withdraw(each.chain_id)
        ledger.track(each)
        ledger.track(each)

    assert (ledger.open_orders, ledger.open_qty, ledger.books[SYN].buy_top_e4) == (0, 0, 0)


def test_a_parent_that_is_not_working_and_a_sell_beyond_its_limit() -> None:
    w = World(limits())
    w.open()
    assert w.parent(qty=1_000, side=SELL, limit_price_e4=ASK)["ok"]
    assert ask(w, SELL, 10, ASK - 100) == ("R08",)
    assert ask(w, SELL, 10, ASK) == ()
    w.ask_parent().update(status=ParentStatus.PAUSED)

    assert ask(w, SELL, 10, ASK) == ("R08",)


def test_pictures_keep_what_is_not_told_again() -> None:
    w = world()
    picture = w.core.state.references.picture(SYN)
    w.price(last_e4=BID + 100, close_e4=BID - 100)
    w.step(ev.ReferencePrice(symbol=SYN, bid_e4=BID, ask_e4=ASK, bids=((BID, 5), (BID - 100, 7))))
    assert (picture.last_e4, picture.close_e4, picture.bids) == (
        BID + 100,
        BID - 100,
        ((BID, 5), (BID - 100, 7)),
    )
    assert [Picture(symbol=SYN, **f).price_e4 for f in ({"ask_e4": 7}, {"close_e4": 9}, {})] == [7, 9, 0]
    w.price(BID, BID)
    w.now += SECOND // 2
    w.price(BID, BID)
    assert picture.locked_since_ns == w.now - SECOND // 2
    w.step(ev.SecurityStatus(symbol=SYN, trading=False))
    assert w.core.state.references.fault(picture, w.now, limits().market) == "not trading: halted"
    w.step(ev.SecurityStatus(symbol=SYN, trading=True, band_low_e4=5, band_high_e4=9))
    w.step(ev.SecurityStatus(symbol=SYN, trading=True))

    assert (picture.band_low_e4, picture.band_high_e4) == (5, 9)


def test_a_first_signature_may_be_given_again() -> None:
    table = posture.PostureTable()
    table.raise_("R70", "x", 1)
    assert table.sign("ann", 2) == ["R70"]
    assert table.sign("ann", 3) == ["R70"]
    assert table.countersign("ann", 3) == []
    assert table.countersign("bob", 4) == ["R70"]
    assert table.posture is posture.Posture.REDUCE_ONLY
    table.raise_("R30S", "y", 5)

    assert lift(table, 6) == []


def verdict_of(w: World, order: NewOrder, parent: Any, progress: Any) -> tuple[str, ...]:
    made = Decision(w.now, "twap", "", 1)
    found = w.core.state.risk.check(order, Context(ev.Stamp(w.ts, w.now), None, parent, progress, made))
    return found.controls if isinstance(found, Refused) else ()


def test_a_parent_without_progress_has_no_quantity() -> None:
    w = world()

    assert verdict_of(w, order_of(w), w.ask_parent().order, None) == ("R14",)


def test_a_market_order_is_beyond_any_limit_price() -> None:
    w = World(limits())
    w.open()
    assert w.parent(qty=1_000, limit_price_e4=BID)["ok"]

    assert {"R05", "R08"} <= set(judged(w, ord_type=OrdType.MARKET, price_e4=None))


def test_a_symbol_that_is_configured_and_not_listed() -> None:
    w = world()
    allowed = w.core.state.risk.limits.allowed.model_copy(update={"symbols": ("OTHER",)})
    risk = w.core.state.risk
    risk.limits = risk.scopes.limits = risk.limits.model_copy(update={"allowed": allowed})

    assert judged(w) == ("R02",)


def test_a_crossing_order_of_a_symbol_that_nobody_configured_or_whose_volume_is_not_known() -> None:
    w = world()
    w.step(ev.ReferencePrice(symbol="NONE", bid_e4=BID, ask_e4=ASK, bid_qty=50, ask_qty=50))
    assert "R07" not in judged(w, symbol="NONE", price_e4=ASK)
    bare = World(limits(), instruments=(Instrument(symbol=SYN, daily_volatility_bps=100.0),))
    bare.open()
    assert bare.parent(qty=1_000)["ok"]

    assert ask(bare, BUY, 10, ASK) == ()


def test_open_shorts_count_and_open_longs_do_not() -> None:
    w = World(limits(shorts={"permitted": True, "locate_required": True}), positions=(("PAPER", SYN, 500),))
    w.open()
    w.core.state.risk.memory.locates = {"PAPER SYN": 1_000}
    assert w.parent(side=Side.SELL, qty=400)["ok"]
    assert w.parent(side=Side.SELL_SHORT, qty=1_000, pid="P2")["ok"]
    w.working(400, ASK, side=SELL)
    w.working(600, ASK, side=Side.SELL_SHORT, pid="P2")
    w.core.state.risk.memory.locates = {"PAPER SYN": 700}

    assert ask(w, Side.SELL_SHORT, 101, ASK, pid="P2") == ("R17",)
    assert ask(w, Side.SELL_SHORT, 100, ASK, pid="P2") == ()


def test_a_market_order_that_stands_has_no_worth_of_its_own() -> None:
    ledger, references = Ledger(), References()
    w = world()
    chain = ChildOrder(
        chain_id="X", terms=order_of(w, price_e4=None), cl_ord_id="X", order_qty=10, price_e4=0
    )
    ledger.track(chain)
    money.settle_values(ledger, references, limits(), 0)
    assert ledger.unpriced == {SYN: None}  # open, and nothing to value it with
    references.picture(SYN).last_e4 = 100
    ledger.unvalued[SYN] = None
    money.settle_values(ledger, references, limits(), 0)

    assert (ledger.gross_e4, ledger.unpriced) == (1_000, {})


def test_an_own_symbol_without_a_price_is_valued_with_the_order() -> None:
    w = world(positions=(("PAPER", SYN, 5),))
    w.core.state.ledger.unpriced[SYN] = None

    assert judged(w) == ()


def test_a_correction_without_shares_moves_money_alone() -> None:
    book = SymbolBook(symbol=SYN)
    book.book(BUY, 100, 1_000, 0)
    book.book(SELL, 0, 50, 0)

    assert (book.exec_qty, book.paid_e4, book.open_cost_e4) == (100, 950, 950)


def test_what_rests_beside_what_crosses_locks_nothing_in() -> None:
    w = world()
    book = SymbolBook(symbol=SYN)
    for name, side, price in (("B", BUY, 105), ("C", BUY, 99), ("S", SELL, 110), ("T", SELL, 0)):
        terms = order_of(w, side=side)
        chain = ChildOrder(chain_id=name, terms=terms, cl_ord_id=name, order_qty=10, price_e4=price)
        (book.buys if side is BUY else book.sells)[name] = chain
        book.price(name, side is BUY, price)
    marks = Picture(symbol=SYN, mark_bid_e4=100, mark_ask_e4=102)

    assert book.adverse_micros(marks) == 10 * 5 * 100


def test_a_star_stands_alone() -> None:
    law = limits()
    mixed = law.model_copy(update={"allowed": law.allowed.model_copy(update={"symbols": ("*", "A")})})

    assert mixed.faults("paper") == ["allowed.symbols: '*' stands alone or not at all"]


def test_the_state_hash_sees_rejects_and_faults() -> None:
    w = world()
    before = w.core.state_hash()
    order = w.intent(10, BID)
    w.report(order.cl_ord_id, ExecType.REJECTED, OrdStatus.REJECTED)
    w.intent(10, BID * 2)
    memory_ = w.core.state.risk.memory
    memory_.sold_short("PAPER", SYN, 0)

    assert memory_.shorted == {}
    assert w.core.state_hash() != before


def test_bands_of_one_side_are_none() -> None:
    w = world()
    plain = collar(w.core.state.risk, w.core.state.risk.limits.market, SYN)
    w.step(ev.SecurityStatus(symbol=SYN, trading=True, band_low_e4=BID))

    assert collar(w.core.state.risk, w.core.state.risk.limits.market, SYN) == plain
    w.core.state.references.picture(SYN).last_e4 = 0
    assert collar(w.core.state.risk, w.core.state.risk.limits.market, SYN)[0] <= plain[0]


def test_a_new_scope_is_fed_with_orders_that_never_traded_as_well() -> None:
    w = world()
    w.working(10, BID)
    tight = own("account", exposure={"long_max": 500})
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2, "limits": tight.model_dump_json()}))
    scope = w.core.state.risk.scopes.own["A/PAPER"]

    assert (scope.ledger.open_qty, scope.tally.traded_qty) == (10, 0)
    assert len(w.core.state.risk.scopes.state()) == 2
    w.step(ev.ReferencePrice(symbol=SYN, bid_e4=BID, ask_e4=ASK, asks=((ASK, 1), (ASK + 100, 2))))
    assert w.core.state.references.picture(SYN).asks == ((ASK, 1), (ASK + 100, 2))


def test_a_parent_that_has_no_arrival_price_costs_nothing_yet() -> None:
    assert trips.parent_cost(limits(), parent_order(), Progress(qty=10, cum_qty=5)) == ""
