"""Small parts of the overlay at both sides of every edge: times of a day, buckets, reasons, latches."""

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from market import events as ev
from market.events import ReferencePrice, SecurityStatus
from market.instruments import Instrument, to_ns
from market.types import Symbol, TimeInForce
from risk import canary
from risk.calendar import DayPhase, Phase, load
from risk.commands import is_scope
from risk.kill_switch import REASON_CHARS_MAX, KillLatch
from risk.limit_tables import OrderCaps
from risk.limit_units import count, listed, millis, money, points, shares, switch, times
from risk.limits import partial
from risk.posture import CAUSES, Posture, PostureTable
from risk.reference import Picture, References
from risk.scopes import Scope
from risk.tally import Tally
from risk.tightening import Multipliers, Tightening
from risk.utilisation import utilisation
from risk.volumes import BUCKETS, Sums
from tests.daemon.gate_harness import LIMITS, SYN, World, limits
from tests.daemon.people import lift
from tests.risk.test_levels import own

S = 1_000_000_000
MS = 1_000_000


# --- a day with a break -----------------------------------------------------------------------


def tokyo(clock: str) -> int:
    return to_ns(datetime.fromisoformat(f"2024-11-05T{clock}:00+09:00"))


DAY = ("2024-11-05", tokyo("09:00"), tokyo("15:30"))
TOMORROW = to_ns(datetime.fromisoformat("2024-11-06T00:00:00+09:00"))


@pytest.mark.parametrize(
    ("ts_ns", "phase", "from_ns", "until_ns"),
    [
        (tokyo("00:00"), Phase.PRE_OPEN, tokyo("00:00"), tokyo("09:00")),
        (tokyo("09:00") - 1, Phase.PRE_OPEN, tokyo("00:00"), tokyo("09:00")),
        (tokyo("09:00"), Phase.CONTINUOUS, tokyo("09:00"), tokyo("11:30")),
        (tokyo("11:30") - 1, Phase.CONTINUOUS, tokyo("09:00"), tokyo("11:30")),
        (tokyo("11:30"), Phase.BREAK, tokyo("11:30"), tokyo("12:30")),
        (tokyo("12:30"), Phase.CONTINUOUS, tokyo("12:30"), tokyo("15:30")),
        (tokyo("15:30"), Phase.POST_CLOSE, tokyo("15:30"), TOMORROW),
        (TOMORROW - 1, Phase.POST_CLOSE, tokyo("15:30"), TOMORROW),
    ],
)
def test_a_day_with_a_break_opens_once_and_closes_once(
    ts_ns: int, phase: Phase, from_ns: int, until_ns: int
) -> None:
    name, open_ns, close_ns = DAY
    calendar = load().of(Instrument(symbol=Symbol("7203"), mic="XTKS"))

    assert calendar.phase(ts_ns) == DayPhase(phase, name, open_ns, close_ns, from_ns, until_ns)


# --- an order that crosses --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("is_buy", "price", "bid", "ask", "crosses"),
    [
        (True, 99, 90, 100, False), (True, 100, 90, 100, True), (True, 101, 90, 100, True),
        (True, 100, 90, 0, False), (True, 1, 0, 1, True), (True, 0, 90, 100, True), (True, 0, 0, 0, True),
        (False, 91, 90, 100, False), (False, 90, 90, 100, True), (False, 89, 90, 100, True),
        (False, 1, 0, 100, False), (False, 0, 90, 100, True),
    ],
)  # fmt: skip
def test_an_order_crosses_where_the_other_side_is_no_worse_than_its_limit(
    is_buy: bool, price: int, bid: int, ask: int, crosses: bool
) -> None:
    w = World()
    w.open()
    case = canary.plain(w.core.state.risk, SYN, ev.Stamp(w.ts, w.now))
    case.picture = Picture(symbol=SYN, bid_e4=bid, ask_e4=ask)
    case.is_buy, case.price_e4 = is_buy, price
    assert case.crosses is crosses
    case.terms = msgspec.structs.replace(case.terms, time_in_force=TimeInForce.CLOSE)

    assert not case.crosses, "what waits for the cross of a close does not trade at once"


# --- names, reasons, latches ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "is_one"),
    [
        ("", True), ("A/ACCT", True), ("T/twap", True), ("P/P1", True), ("S/GOOG", True), ("C/order", False),
        ("S/", False), ("S", False), ("/GOOG", False), ("X/GOOG", False), ("S/a/b", True), ("S/a b", True),
        ("S/" + "x" * 64, True), ("S/" + "x" * 65, False), ("S/x", True), ("S/a\nb", False), ("GOOG", False),
    ],
)  # fmt: skip
def test_a_scope_that_people_may_stop(scope: str, is_one: bool) -> None:
    assert is_scope(scope) is is_one


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_latch_leaves_no_file_open_and_says_no_more_than_a_line(tmp_path: Path) -> None:
    latch = KillLatch(tmp_path / "KILLED", tmp_path / "KILL")
    before = open_files()
    for _ in range(3):
        latch.set("x" * (REASON_CHARS_MAX + 50))
        latch.set("y" * (REASON_CHARS_MAX + 50), "S/GOOG")
        latch.sync()

    assert open_files() == before
    assert (tmp_path / "KILLED").stat().st_mode & 0o777 == 0o600
    assert latch.held() == ("x" * (REASON_CHARS_MAX + 50) + "\n")[:REASON_CHARS_MAX]
    assert latch.scopes() == {"S/GOOG": "y" * REASON_CHARS_MAX}


# --- limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "unit", "top"),
    [
        (count, "count", 2**31 - 1), (shares, "shares", 2**31 - 1), (money, "ccy", 2**43 - 1),
        (points, "bp", 10_000), (times, "bp", 10**9), (millis, "ms", 86_400_000),
    ],
)  # fmt: skip
def test_a_limit_is_a_whole_number_from_nothing_to_the_top_of_its_unit(
    make: Any, unit: str, top: int
) -> None:
    field = make("R03", "what it is", "why it is so")

    bounds = {type(m).__name__: m for m in field.metadata}
    assert (bounds["Ge"].ge, bounds["Le"].le, bounds["Strict"].strict) == (0, top, True)
    assert field.description == "what it is"
    assert field.json_schema_extra == {
        "control": "R03", "unit": unit, "why": "why it is so", "tightens": "lower",
    }  # fmt: skip
    if make in (count, points, times, millis):
        assert make("R03", "", "", "higher").json_schema_extra["tightens"] == "higher"


def test_a_switch_and_a_list_say_which_way_is_tighter() -> None:
    assert switch("R05", "d", "w", "true").json_schema_extra == {
        "control": "R05", "unit": "yes or no", "why": "w", "tightens": "true",
    }  # fmt: skip
    assert listed("R02", "d", "w").json_schema_extra == {
        "control": "R02", "unit": "list", "why": "w", "tightens": "fewer",
    }  # fmt: skip
    assert switch("R05", "d", "w", "true").description == listed("R05", "d", "w").description == "d"


def test_a_level_names_the_keys_that_it_has_of_its_own_and_no_other() -> None:
    table = partial(OrderCaps)

    assert table.model_validate({"qty_max": 5}).model_dump(exclude_none=True) == {"qty_max": 5}
    assert table.model_validate({}).model_dump(exclude_none=True) == {}
    for wrong in ({"qty_max": "5"}, {"qty_max": True}, {"qty_max": -1}, {"quantity": 5}, {"qty_max": 2**31}):
        with pytest.raises(ValueError, match="OrderCapsOfLevel"):
            table.model_validate(wrong)


# --- what is counted --------------------------------------------------------------------------


def test_a_desk_that_has_done_nothing_uses_nothing_of_any_limit() -> None:
    w = World(own("account", loss={"execution_max_ccy": 1, "inventory_max_ccy": 1}))
    w.now += 2 * S  # the second after a start counts as full

    assert {control: used for control, used in utilisation(w.core.state.risk, w.now).items() if used} == {}


def test_the_limits_of_an_order_are_merged_once() -> None:
    scopes = World(own("strategy", order={"qty_max": 5})).core.state.risk.scopes
    law = scopes.law("PAPER", "twap", "SYN")

    assert law.order.qty_max == 5
    assert scopes.law("PAPER", "twap", "SYN") is law
    assert scopes.law("PAPER", "other", "SYN").order.qty_max == LIMITS.order.qty_max


def test_a_scope_begins_with_no_profit_no_loss_and_nothing_to_mark() -> None:
    w = World()
    scope = Scope("A/X", LIMITS, w.core.state.ledger, Tally(1))

    assert (scope.execution_micros, scope.inventory_micros, scope.peak_micros, scope.moved) == (
        0,
        0,
        0,
        False,
    )


def test_a_drop_copy_a_clock_and_a_loop_count_as_they_were_measured() -> None:
    w = World(limits(machine={"loop_lag_max_ms": 10, "clock_halt_us": 10, "drop_copy_lag_max_ms": 10}))
    seen = w.core.state.risk.memory.measured
    seen.drop_copy_lag_ms, seen.clock_offset_us, seen.loop_lag_ms = 1, -2, 3

    used = utilisation(w.core.state.risk, w.now)

    assert (used["R62"], used["R63"], used["R64"]) == (0.1, 0.2, 0.3)


@pytest.mark.parametrize("young", [True, False])
def test_a_bucket_holds_less_than_its_share_of_the_window(young: bool) -> None:
    window = BUCKETS * 10
    sums = Sums(young)
    for ts_ns in (100, 109, 110, 119, 120):
        sums.add(ts_ns, 1, window)

    ends = (109, 119, 120) if young else (100, 110, 120)
    assert sums.state() == [[100, ends[0], 2], [110, ends[1], 2], [120, ends[2], 1]]
    assert sums.now(ends[0] + window - 1, window) == 5
    assert sums.now(ends[0] + window, window) == 3
    sums.add(119, 1, window)  # a print of before the last: a bucket of its own
    assert len(sums.state()) == 3


@pytest.mark.parametrize("young", [True, False])
def test_who_is_never_asked_keeps_no_more_than_a_window(young: bool) -> None:
    window, sums = BUCKETS * 10, Sums(young)
    for ts_ns in range(0, 10 * window, 5):
        sums.add(ts_ns, 1, window)

    assert len(sums.state()) <= BUCKETS + 1
    assert sums.qty == sum(part[2] for part in sums.state())


@pytest.mark.parametrize(("bp", "left"), [(0, 0), (1, 0), (5_000, 50), (9_999, 100), (10_000, 101)])
def test_a_tightening_is_nothing_to_all_of_a_limit(bp: int, left: int) -> None:
    assert (Tightening(bp).bp, Tightening(bp).of(101)) == (bp, left)


def test_signals_relax_step_by_step_and_never_above_what_they_ask_for() -> None:
    law = limits(
        dynamic={
            "multiplier_min_bp": 1_000, "multiplier_stale_bp": 2_000, "relax_bp": 3_000,
            "relax_window_ms": 10,
        }
    ).dynamic  # fmt: skip
    signals = Multipliers()

    def held() -> int:
        return signals.of("A", "T", "S").bp

    assert signals.signal("F", "vix", 500, law, 0)
    assert held() == 1_000
    assert not signals.signal("F", "vix", 9_000, law, 5 * MS)
    for mono_ns, bp in ((10 * MS - 1, 1_000), (10 * MS, 4_000), (20 * MS - 1, 4_000), (30 * MS, 7_000)):
        signals.relax(law, mono_ns)
        assert held() == bp
    signals.restart(100 * MS)
    signals.relax(law, 110 * MS - 1)
    assert held() == 7_000
    signals.relax(law, 110 * MS)
    assert held() == 9_000
    assert signals.signal("F", "vix", None, law, 120 * MS)
    assert held() == 2_000
    assert not signals.signal("F", "vix", 2_000, law, 121 * MS), "no tighter than it is"
    assert signals.by_signal() == {"F vix": 2_000}
    assert signals.signal("S/S", "vol", 99_999, law, 0) is False
    assert signals.of("A", "T", "OTHER").bp == 2_000


# --- postures ---------------------------------------------------------------------------------


def test_another_word_for_a_cause_is_told_like_a_change() -> None:
    table = PostureTable()
    table.reword("R60", "down", 1)
    assert table.causes == {"R60": "down"}
    before = table.changes
    table.reword("R60", "reconciling", 2)

    assert (table.causes, table.since_ns) == ({"R60": "reconciling"}, {"R60": 1})
    assert table.changes == before + 1


@pytest.mark.parametrize("scope", ["A/acct", "T/twap", "P/P1", "S/SYN", "C/order"])
def test_a_scopes_posture_holds_for_its_own_orders_and_is_none_of_the_firms(scope: str) -> None:
    table = PostureTable()
    table.raise_("R72", "", 1)
    assert table.of("acct", "twap", "P1", "SYN") is Posture.REDUCE_ONLY
    table.raise_("R70", "", 2, scope)

    assert table.of("acct", "twap", "P1", "SYN") is Posture.KILLED
    other = Posture.KILLED if scope == "C/order" else Posture.REDUCE_ONLY
    assert table.of("a", "t", "p", "s") is other
    assert table.posture is Posture.REDUCE_ONLY
    assert table.holding("acct", "twap", "P1", "SYN") == sorted(["R72", f"R70@{scope}"])
    lift(table)
    table.clear("R72")
    assert table.of("acct", "twap", "P1", "SYN") is Posture.ACTIVE
    assert table.scoped == {}


def test_a_cause_says_its_own_words_where_nobody_gave_any() -> None:
    table = PostureTable()
    table.raise_("R70", "", 1)

    assert (table.causes["R70"], table.latched["R70"]) == (CAUSES["R70"].doc, CAUSES["R70"].doc)
    assert table.reason == f"R70 {CAUSES['R70'].doc}"


# --- reference prices -------------------------------------------------------------------------

MARKET = limits(
    market={
        "age_max_ms": 100, "locked_max_ms": 50, "spread_max_bp": 100, "cancel_after_ms": 200,
        "collar_bp": 1_000,
    }
).market  # fmt: skip


def seen(**fields: Any) -> tuple[References, Picture]:
    references = References()
    references.session(True, 1 * S)
    price = ReferencePrice(symbol=SYN, **({"bid_e4": 10_000, "ask_e4": 10_010} | fields))
    return references, references.take(price, 1 * S, MARKET)


@pytest.mark.parametrize(
    ("fields", "after_ns", "fault"),
    [
        ({}, 0, ""),
        ({}, 100 * MS, ""),
        ({}, 100 * MS + 1, "reference line silent or late: 100 ms old, 100 allowed"),
        ({}, 102 * MS, "reference line silent or late: 102 ms old, 100 allowed"),
        ({"late_ns": 100 * MS}, 0, ""),
        ({"late_ns": 60 * S}, 40 * MS, "reference line silent or late: 60040 ms old, 100 allowed"),
        ({"bid_e4": 0}, 0, "one side of the book is empty"),
        ({"ask_e4": 0}, 0, "one side of the book is empty"),
        ({"bid_e4": 1, "ask_e4": 1}, 0, ""),
        ({"bid_e4": 10_011}, 0, "crossed: 10011 over 10010"),
        ({"bid_e4": 10_010}, 50 * MS, ""),
        ({"bid_e4": 10_010}, 52 * MS, "locked for 52 ms, 50 allowed"),
        ({"bid_e4": 9_950, "ask_e4": 10_050}, 0, ""),
        ({"bid_e4": 9_949, "ask_e4": 10_051}, 0, "spread 102 at 10000, 100 bp allowed"),
    ],
)
def test_why_a_symbol_is_not_fit_to_trade(fields: dict[str, int], after_ns: int, fault: str) -> None:
    references, picture = seen(**fields)

    assert references.fault(picture, 1 * S + after_ns, MARKET) == fault


def test_what_was_seen_before_a_gap_or_during_a_halt_is_not_fit() -> None:
    references, picture = seen()
    references.session(False, 2 * S)
    assert references.fault(picture, 2 * S, MARKET) == "no reference session"
    references.session(True, 3 * S)
    assert references.fault(picture, 3 * S, MARKET) == "no reference price since the line came up"
    references.take(ReferencePrice(symbol=SYN, bid_e4=10_000, ask_e4=10_010), 3 * S, MARKET)
    assert references.fault(picture, 3 * S, MARKET) == ""
    references.take_status(SecurityStatus(symbol=SYN, trading=False), 3 * S)
    assert references.fault(picture, 3 * S, MARKET) == "not trading: halted"
    references.take_status(SecurityStatus(symbol=SYN, trading=False, text="LULD"), 4 * S)
    assert references.fault(picture, 4 * S, MARKET) == "not trading: LULD"
    assert references.alive_mono_ns == 4 * S


def test_a_locked_book_is_locked_since_it_was_and_no_longer() -> None:
    references, picture = seen(bid_e4=10_010)
    for at_s, bid, since_s in ((2, 10_010, 1), (3, 10_000, 0), (4, 10_010, 4), (5, 0, 0)):
        references.take(ReferencePrice(symbol=SYN, bid_e4=bid, ask_e4=10_010), at_s * S, MARKET)
        assert picture.locked_since_ns == since_s * S


@pytest.mark.parametrize(
    ("price", "worth"),
    [
        ({"bid_e4": 100, "ask_e4": 103, "last_e4": 7, "close_e4": 9}, 101),
        ({"bid_e4": 100, "last_e4": 7, "close_e4": 9}, 7),
        ({"bid_e4": 100, "close_e4": 9}, 100),
        ({"ask_e4": 103, "close_e4": 9}, 103),
        ({"close_e4": 9}, 9),
        ({}, 0),
    ],
)
def test_one_price_to_value_things_at(price: dict[str, int], worth: int) -> None:
    picture = Picture(symbol=SYN, **price)  # type: ignore[arg-type]

    assert picture.price_e4 == worth
    both = "bid_e4" in price and "ask_e4" in price
    assert picture.mid_micros == ((100 + 103) * 50 if both else None)


def test_a_jump_of_the_marks_waits_for_a_second_tick() -> None:
    references, picture = seen()
    for bid, ask, bid_mark, ask_mark in (
        (11_000, 11_011, 11_000, 11_011),  # 10 % and no more
        (12_200, 12_213, 11_000, 11_011),
        (12_200, 12_213, 12_200, 12_213),
        (1, 12_000, 12_200, 12_213),
        (12_100, 12_110, 12_100, 12_110),
        (12_100, 99_999, 12_100, 12_110),
        (12_105, 12_105, 12_105, 12_105),  # locked: a mark
        (12_110, 12_109, 12_105, 12_105),  # crossed: no mark
        (0, 12_109, 12_105, 12_105),
    ):
        references.take(ReferencePrice(symbol=SYN, bid_e4=bid, ask_e4=ask), 2 * S, MARKET)
        assert (picture.mark_bid_e4, picture.mark_ask_e4) == (bid_mark, ask_mark)


def test_an_unfit_market_is_stale_after_a_while_and_worth_less_on_either_side() -> None:
    references, picture = seen()
    assert not references.stale(picture, 10 * S, MARKET)
    picture.unfit_since_ns = 1 * S
    assert not references.stale(picture, 1 * S + 200 * MS - 1, MARKET)
    assert references.stale(picture, 1 * S + 200 * MS, MARKET)

    worse = references.stale_marks(picture, 1_000)

    assert (worse.mark_bid_e4, worse.mark_ask_e4, worse.bid_e4) == (9_000, 11_011, 0)


def test_what_is_not_told_again_stays() -> None:
    references, picture = seen(last_e4=5, close_e4=6, volume=7, bid_qty=3, ask_qty=4)
    assert (picture.bids, picture.asks) == (((10_000, 3),), ((10_010, 4),))
    levels = ((9_000, 1), (8_000, 2))
    references.take(
        ReferencePrice(symbol=SYN, bid_e4=9_000, ask_e4=9_010, volume=6, bids=levels, asks=levels[::-1]),
        2 * S,
        MARKET,
    )
    assert (picture.last_e4, picture.close_e4, picture.volume) == (5, 6, 7)
    assert (picture.bids, picture.asks, picture.bid_qty) == (levels, levels[::-1], 0)
    references.take_status(
        SecurityStatus(
            symbol=SYN, trading=True, band_low_e4=8, band_high_e4=9, limit_state=True, short_restricted=True
        ),
        2 * S,
    )
    references.take_status(SecurityStatus(symbol=SYN, trading=True), 3 * S)
    assert (picture.band_low_e4, picture.band_high_e4) == (8, 9)
    assert (picture.limit_state, picture.short_restricted) == (True, True)
    references.take_status(
        SecurityStatus(symbol=SYN, trading=True, limit_state=False, short_restricted=False), 3 * S
    )
    assert (picture.limit_state, picture.short_restricted) == (False, False)
