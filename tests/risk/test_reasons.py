"""What a refusal says: value and limit of each control, as a person reads them; and the units behind them."""

import importlib
import pkgutil
from typing import Any

import pytest

import risk
import risk.controls
from market import events as ev
from market.child_order import ChildOrder
from market.instruments import Instrument
from market.types import OrdType, Side
from risk import checks, overlay
from risk.case import Decision
from risk.controls import money, policy, sanity
from risk.ledger import ANY_PRICE_E4, Ledger
from risk.overlay import Context
from risk.reference import Picture
from risk.verdict import Refused
from tests.daemon.gate_harness import ASK, BID, OPEN_NS, SECOND, SYN, World, limits
from tests.risk.boundary_world import BUY, SELL
from tests.risk.test_corners import order_of, world

MID = (BID + ASK) // 2
PATTERN = "[A-Z0-9._-]{1,20}"
OPENS_NS = OPEN_NS - 1_800 * SECOND
CLOSES_NS = OPENS_NS + 23_400 * SECOND
MS = 1_000_000
Reason = tuple[str, Any, Any]


def reasons(w: World, made: Decision | None = None, overdue: int = 0, **fields: Any) -> list[Reason]:
    """Control, value and limit of each reason to refuse an order."""
    g = w.core.state
    stamp = fields.pop("stamp", ev.Stamp(w.ts, w.now))
    parent = g.parents["P1"]
    made = made or Decision(w.now, "twap", "", 1)
    context = Context(stamp, None, parent.order, parent.progress, made, overdue)
    found = g.risk.check(order_of(w, **fields), context)
    return [(f.control, f.value, f.limit) for f in found.failures] if isinstance(found, Refused) else []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"qty": 0}, ("R01", "0", 2**31 - 1)),
        ({"qty": 2**31}, ("R01", str(2**31), 2**31 - 1)),
        ({"qty": True}, ("R01", "True", 2**31 - 1)),
        ({"price_e4": 0}, ("R01", "0", 2**53)),
        ({"price_e4": 2**53 + 1}, ("R01", str(2**53 + 1), 2**53)),
        ({"ord_type": OrdType.MARKET, "price_e4": BID}, ("R01", str(BID), 0)),
        ({"cl_ord_id": "x" * 80}, ("R01", ("'" + "x" * 80)[:60], PATTERN)),
        ({"account": "a b"}, ("R01", "'a b'", PATTERN)),
        ({"stamp": ev.Stamp(0, SECOND)}, ("R01", 0, 1)),
    ],
)
def test_what_cannot_be_is_named_alone(fields: dict[str, Any], reason: Reason) -> None:
    assert reasons(world(), **fields) == [reason]


@pytest.mark.parametrize(
    "fields", [{"qty": 2**31 - 1}, {"price_e4": 2**53}, {"price_e4": 1}, {"stamp": ev.Stamp(1, SECOND)}]
)
def test_what_can_just_be_is_judged_by_the_others(fields: dict[str, Any]) -> None:
    assert "R01" not in [control for control, _, _ in reasons(world(), **fields)]


def test_an_order_without_any_price() -> None:
    w = world()
    w.core.state.references.pictures[SYN] = Picture(symbol=SYN)
    found = reasons(w, ord_type=OrdType.MARKET, price_e4=None)

    assert [r for r in found if r[0] in ("R04", "R05")] == [("R04", 0, 3_000_000 * 10**6), ("R05", 0, 0)]


def test_a_market_order_is_worth_the_other_side_and_a_collar_and_its_price_is_named() -> None:
    w = world(law=limits(order={"notional_max_ccy": 1}))
    w.price(990_000, 1_010_000, last_e4=0)
    for side, touch in ((BUY, 1_010_000), (SELL, 990_000)):
        found = reasons(w, side=side, ord_type=OrdType.MARKET, price_e4=None)
        worth = 10 * (touch * 10_200 // 10_000) * 100
        assert ("R04", worth, 10**6) in found
        assert ("R05", 0, 1_000_000) in found


def test_the_collar_names_what_it_was_held_against() -> None:
    w = world()
    w.price(BID, ASK, last_e4=BID + 30_000)
    assert reasons(w, price_e4=BID + 25_000) == [("R05", BID + 25_000, MID)]
    w.price(BID, ASK, last_e4=BID - 10_000)
    assert reasons(w, price_e4=BID + 15_000) == [("R05", BID + 15_000, BID - 10_000)]
    w.price(BID, ASK, last_e4=BID, close_e4=BID * 2)
    assert reasons(w) == [("R05", BID, BID * 2)]
    w = world(law=limits(market={"last_required": True, "close_required": True}))
    w.core.state.references.pictures[SYN].last_e4 = 0
    assert reasons(w) == [("R05", BID, 0), ("R05", BID, 0)]
    w.price(0, ASK)
    assert ("R05", BID, 0) in reasons(w)


def test_prices_of_a_unit_are_prices() -> None:
    w = world(law=limits(market={"collar_bp": 10_000, "last_required": True, "close_required": True}))
    picture = w.core.state.references.picture(SYN)
    picture.last_e4 = picture.close_e4 = 1
    assert ("R05", 100, 0) not in reasons(w, price_e4=100)
    w.price(0, 0)
    picture.bid_e4 = picture.ask_e4 = 1

    assert ("R05", 100, 0) not in reasons(w, price_e4=100)
    assert "R04" not in [control for control, _, _ in reasons(w, price_e4=1)]


def test_an_empty_side_is_told_once_and_a_trade_that_never_was_is_no_anchor() -> None:
    w = World(limits())
    w.open(price=False)
    w.price(BID, ASK, last_e4=0)
    w.wait(1.0)
    assert w.parent()["ok"]
    assert w.core.state.references.picture(SYN).last_e4 == 0
    assert reasons(w) == []
    w.price(0, ASK, last_e4=0)

    assert [r for r in reasons(w) if r[0] == "R05"] == [("R05", BID, 0)]


def test_own_orders_that_it_would_meet_are_named_with_their_price() -> None:
    w = world()
    w.working(10, BID - 100)
    assert reasons(w, side=SELL, price_e4=BID - 100)[0] == ("R14", SYN, SYN)
    assert ("R16", BID - 100, BID - 100) in reasons(w, side=SELL, price_e4=BID - 100)
    book = w.core.state.ledger.book(SYN)
    market = ChildOrder(chain_id="M", terms=order_of(w), cl_ord_id="M", order_qty=1, price_e4=0)
    book.buys["M"] = market
    book.price("M", True, ANY_PRICE_E4)

    assert ("R16", ASK, 0) in reasons(w, side=SELL, price_e4=ASK)


@pytest.mark.parametrize(("held", "limit"), [(-50, 0), (0, 0), (7, 7)])
def test_a_sale_of_more_than_is_held(held: int, limit: int) -> None:
    positions = (("PAPER", SYN, held),) if held else ()
    w = World(limits(shorts={"mark_required": True}), positions=positions)
    w.open()
    assert w.parent(side=SELL)["ok"]

    assert reasons(w, side=SELL, price_e4=ASK) == [("R17", 10, limit)]
    assert reasons(w, side=SELL, price_e4=ASK, qty=max(1, limit)) == ([] if limit else [("R17", 1, 0)])


def test_a_short_sale_of_what_was_not_located_or_at_the_bid_under_restriction() -> None:
    w = World(limits(shorts={"permitted": True}))
    w.open()
    w.core.state.risk.memory.locates = {"PAPER SYN": 100}
    assert w.parent(side=Side.SELL_SHORT, qty=100)["ok"]
    w.core.state.risk.memory.locates = {}
    assert reasons(w, side=Side.SELL_SHORT, price_e4=ASK, qty=1) == [("R17", 1, 0)]
    w.core.state.risk.memory.locates = {"PAPER SYN": 100}
    w.step(ev.SecurityStatus(symbol=SYN, trading=True, short_restricted=True))
    assert reasons(w, side=Side.SELL_SHORT, price_e4=BID) == [("R17", BID, BID)]
    w = world()
    found = reasons(w, side=Side.SELL_SHORT, price_e4=ASK)

    assert ("R17", "SELL_SHORT", "shorts.permitted") in found


def test_how_far_into_the_session_it_is() -> None:
    w = world(law=limits(session={"opening_ms": 1_000, "closing_ms": 2_000}))
    w.ts = OPENS_NS + 400 * MS
    assert ("R40", 400, 1_000) in reasons(w)
    w.ts = CLOSES_NS - 300 * MS
    assert ("R40", 300, 2_000) in reasons(w)
    w.ts = CLOSES_NS
    assert ("R40", "after the close", "continuous") in reasons(w)


def test_halts_bands_and_limit_states() -> None:
    w = world(law=limits(market={"band_required": True}))
    assert reasons(w) == [("R41", BID, 0)]
    w = world()
    status = {"symbol": SYN, "trading": True, "band_low_e4": BID - 500, "band_high_e4": ASK + 500}
    w.step(ev.SecurityStatus(**status))
    assert reasons(w, price_e4=BID - 600) == [("R41", BID - 600, BID - 500)]
    assert reasons(w, price_e4=ASK + 600) == [("R41", ASK + 600, ASK + 500)]
    assert reasons(w, price_e4=ASK + 500) == reasons(w, price_e4=BID - 500) == []
    w.step(ev.SecurityStatus(**status, limit_state=True))
    assert reasons(w, price_e4=ASK) == [("R41", ASK, ASK)]
    assert ("R41", BID, BID) in reasons(w, price_e4=BID, side=SELL)
    for text in ("news pending", ""):
        w.step(ev.SecurityStatus(symbol=SYN, trading=False, text=text))
        assert ("R41", text or "halted", "trading") in reasons(w)


def test_who_decided_and_when() -> None:
    w = world(
        law=limits(allowed={"policies": ("pov",), "artefacts": ("b" * 64,)}, policy={"invalid_to_halt": 99})
    )
    assert reasons(w) == [("R50", "twap", "allowed")]
    assert reasons(w, Decision(w.now, "frozen", "a" * 64, 1)) == [("R50", "a" * 64, "allowed")]
    w = world(law=limits(policy={"invalid_to_halt": 99, "decision_age_max_ms": 1}))
    age = w.core.state.risk.limits.policy.decision_age_max_ms * MS
    for late in (-1, age + 1):
        assert reasons(w, Decision(w.now - late, "twap", "", 1)) == [("R50", late, age)]
    assert (
        reasons(w, Decision(w.now - age, "twap", "", 1)) == reasons(w, Decision(w.now, "twap", "", 1)) == []
    )
    early = ev.Stamp(w.ts, 2)
    found = [
        [r for r in reasons(w, Decision(at, "twap", "", 1), stamp=early) if r[0] == "R50"] for at in (0, 1)
    ]
    assert found == [[("R50", 2, age)], []]
    assert policy.MS == MS


def test_which_order_of_a_decision_it_is_and_what_waits() -> None:
    w = world()
    assert reasons(w, Decision(w.now, "twap", "", 0)) == [("R24", 0, 1)]
    assert reasons(w, Decision(w.now, "twap", "", 1, 2)) == [("R24", 3, 2)]
    assert reasons(w, overdue=2) == [("R61", 2, 0)]


def test_a_control_that_cannot_run_says_so_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Any) -> None:
        raise LookupError("x" * 500)

    w = world()
    monkeypatch.setattr(overlay, "AFTER_SCHEMA", (broken,))
    said = repr(LookupError("x" * 500))[:120]

    assert reasons(w) == [("GR1", said, "")]
    assert w.core.state.posture.causes["GR1"] == said


def test_the_last_fault_that_halts_is_named_by_its_first_reason() -> None:
    w = world(law=limits(policy={"invalid_to_halt": 1}, order={"qty_max": 1}))
    reasons(w, Decision(0, "twap", "", 1))

    assert w.core.state.posture.causes["R50"].startswith("1 refusals in 60 s, the last: R03 order quantity")


def test_an_impact_says_the_average_price_and_what_is_shown() -> None:
    law = limits(impact={"walk_max_bp": 1, "depth_max_bp": 5_000}, market={"vwap_collar_bp": 10_000})
    w = world(law=law)
    bids = ((BID, 40), (BID - 100, 30), (BID - 900, 10))
    asks = ((ASK, 40), (ASK + 100, 30), (ASK + 900, 10))
    w.step(ev.ReferencePrice(symbol=SYN, bid_e4=BID, ask_e4=ASK, bids=bids, asks=asks))
    average = (40 * ASK + 30 * (ASK + 100) + 30 * (ASK + 500)) // 100

    assert reasons(w, qty=100, price_e4=ASK + 500) == [("R07", average, MID), ("R07", 100, 35)]
    assert reasons(w, qty=35, price_e4=ASK + 500) == []


def test_a_model_of_nothing_known_says_nothing() -> None:
    for adv, volatility in ((0, 100.0), (1_000, 0.0)):
        law = limits(impact={"model_max_bp": 0}, parents={"adv_unknown_ok": True, "adv_max_bp": 10_000})
        instrument = Instrument(symbol=SYN, adv=adv, daily_volatility_bps=volatility)
        w = World(law, instruments=(instrument,))
        w.open()
        assert w.parent(qty=100)["ok"]
        assert reasons(w, price_e4=ASK) == []


def test_what_the_day_has_left_in_whole_units() -> None:
    w = world(law=limits(day={"notional_max_ccy": 7, "shares_max": 9}))

    assert reasons(w) == [("R19", 1_000, 7), ("R19", 10, 9)]  # 10 at 100.01 is worth 1,000.1


def test_money_is_told_in_whole_units() -> None:
    w = world(law=limits(exposure={"gross_max_ccy": 7, "net_max_ccy": 8, "capital_max_ccy": 9}))
    assert reasons(w) == [("R11", 1_000, 7), ("R11", 1_000, 8), ("R13", 1_000, 9)]
    w = world(law=limits(exposure={"open_notional_max_ccy": 7}))

    assert reasons(w) == [("R12", 10 * ASK * 100, 7 * 10**6)]


def test_a_replace_opens_no_order_and_is_held_to_limits_that_came_since() -> None:
    w = world()
    first = w.working(10, BID)
    w.working(11, BID)
    law = w.core.state.risk.limits
    tight = law.model_copy(
        update={
            "exposure": law.exposure.model_copy(update={"open_orders_max": 2, "open_orders_symbol_max": 2})
        }
    )
    risk = w.core.state.risk
    risk.firm.limits = tight
    assert not hasattr(w.replace(first, 12, BID), "controls")
    risk.firm.limits = law.model_copy(
        update={
            "exposure": law.exposure.model_copy(update={"open_orders_max": 1, "open_orders_symbol_max": 1})
        }
    )
    second = list(w.core.state.chains)[1]

    assert w.replace(second, 13, BID).controls == ("R12", "R12")


# --- units --------------------------------------------------------------------------------------

UNITS = {
    "MS": 10**6,
    "MICROS": 10**6,
    "E4": 10**4,
    "SECOND_NS": 10**9,
    "NS": 10**9,
    "HOUR_NS": 3_600 * 10**9,
    "BP": 10**4,
}


def modules() -> list[Any]:
    found = []
    for package in (risk, risk.controls):
        names = [m.name for m in pkgutil.iter_modules(package.__path__) if not m.ispkg]
        found += [importlib.import_module(f"{package.__name__}.{name}") for name in names]
    return found


@pytest.mark.parametrize("module", modules(), ids=lambda m: m.__name__)
def test_a_unit_is_the_same_wherever_it_is_written(module: Any) -> None:
    for name, value in UNITS.items():
        assert vars(module).get(name, value) == value


def test_what_was_received_is_no_capital() -> None:
    assert money.capital_e4(Ledger(paid_e4=-5, open_buy_e4=7, shorted_e4=11)) == 18


def test_bounds_are_what_counterparties_take() -> None:
    assert (sanity.QTY_MAX, sanity.PRICE_E4_MAX) == (2**31 - 1, 2**53)
    assert checks.NO_CAP == 2**62  # fits 64 bits with its sign, and is more than QTY_MAX x orders of a day
    assert sanity.is_name("A-1.B_C")
    assert not sanity.is_name("a b")
    assert sanity.is_name.cache_info().maxsize == sanity.NAMES_MAX == 4_096


# --- the arithmetic at its edges ----------------------------------------------------------------


def test_a_band_passes_at_both_of_its_ends() -> None:
    assert [checks.band_passes(p, 1_000, 1_000) for p in (899, 900, 1_100, 1_101)] == [
        False,
        True,
        True,
        False,
    ]


def test_leaves_that_a_replace_adds_are_never_less_than_none() -> None:
    assert checks.replace_adds(100, 50, 0, 150) == 0


def test_nothing_is_priced_like_a_market_order_but_a_market_order() -> None:
    assert [checks.crosses(b, s) for b, s in ((0, 9), (5, 0), (5, 6), (-1, 0), (5, 5))] == [
        True,
        True,
        False,
        True,
        True,
    ]
    assert not checks.crosses(0 + 1, 2)
    assert not checks.crosses(1, 2)


def test_one_share_is_long_and_minus_one_is_short() -> None:
    assert [checks.pnl_micros(q, 0, 10, 20) for q in (1, 0, -1)] == [1_000, 0, -2_000]


def test_from_flat_nothing_reduces_and_one_share_can_be_closed() -> None:
    for is_buy, held in ((True, -1), (False, 1)):
        assert not checks.opens_or_flips(is_buy, 1, held, 0)
        assert checks.opens_or_flips(is_buy, 2, held, 0)
        assert checks.opens_or_flips(is_buy, 1, held, 1)
        assert checks.opens_or_flips(is_buy, 1, 0, 0)
        assert checks.opens_or_flips(is_buy, 1, -held, 0)
        assert checks.opens_or_flips(is_buy, 0, 0, 0)


def test_fees_are_a_cost_and_no_cost_is_no_shortfall() -> None:
    arrival = 100 * 100
    assert not checks.shortfall_trips(True, 10, 1_000, arrival, 0, 0)
    assert checks.shortfall_trips(True, 10, 1_000, arrival, 1, 0)
    assert not checks.shortfall_trips(True, 10, 1_000, arrival, -1, 0)
    assert checks.shortfall_trips(False, 10, 990, arrival, 0, 100)
    assert not checks.shortfall_trips(False, 10, 1_010, arrival, 0, 0)
