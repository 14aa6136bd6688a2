"""R08 at both sides of every edge of a parent, with the words that a person reads; canaries' own facts."""

from typing import Any

import msgspec
import pytest

from market import events as ev
from market.events import ReferencePrice
from market.instruments import Auction, Instrument, TickBand
from market.parents import ParentOrder
from market.types import OrdType, ParentID, ParentStatus, Side, Symbol, TimeInForce
from risk import admission, canary, closing
from risk.admission import price_e4
from risk.posture import Posture
from tests.daemon.gate_harness import OPEN_NS, SECOND, SYN, World, limits, parent_order

MINUTE = 60 * SECOND
OPENS, CLOSES = Instrument(symbol=SYN).session(Instrument(symbol=SYN).day_of(OPEN_NS))
TICKS = (TickBand(0, 100), TickBand(10_000, 200))
INSTRUMENT = Instrument(symbol=SYN, adv=1_000, lot=10, ticks=TICKS)


def world(price: dict[str, int] | None = None, instrument: Instrument = INSTRUMENT, **law: Any) -> World:
    """A desk of one symbol at 100.00, of which 1,000 trade a day."""
    w = World(limits(**({"parents": {"adv_max_bp": 10_000}} | law)), instruments=(instrument,))
    w.open(price=False)
    fields = {"bid_e4": 1_000_000, "ask_e4": 1_000_000} if price is None else price
    w.step(ReferencePrice(symbol=SYN, **fields))  # type: ignore[arg-type]
    return w


def faults(w: World, live: list[ParentOrder] | None = None, begun: bool = False, **fields: Any) -> list[str]:
    order = msgspec.structs.replace(parent_order(100), **fields)
    return admission.faults(w.core.state.risk, order, w.ts, live or [], begun)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"parent_id": "A" * 20}, []),
        ({"parent_id": "A" * 21}, [f"R01 parent id '{'A' * 21}' is not [A-Z0-9._-]{{1,20}}"]),
        ({"parent_id": "a" * 50}, [f"R01 parent id '{'a' * 40}' is not [A-Z0-9._-]{{1,20}}"]),
        ({"qty": 10}, []),
        ({"qty": -10}, ["R01 quantity -10 is not 1 to 2147483647"]),
        ({"qty": 0}, ["R01 quantity 0 is not 1 to 2147483647"]),
        ({"qty": 15}, ["R02 quantity 15 is no multiple of the lot 10"]),
        ({"qty": 1_000}, []),
        ({"qty": 1_010}, ["R08 quantity 1010 is above 10000 bp of daily volume, 1000"]),
        ({"mic": "XNYS"}, ["R02 venue XNYS is not XNAS"]),
        ({"account": "OTHER"}, ["R02 account OTHER is not listed"]),
        ({"limit_price_e4": 9_900}, []),
        ({"limit_price_e4": 9_950}, ["R02 limit price 0.995 is no multiple of the tick 0.01"]),
        ({"limit_price_e4": 10_100}, ["R02 limit price 1.01 is no multiple of the tick 0.02"]),
        ({"limit_price_e4": 10_200}, []),
        ({"limit_price_e4": 100}, []),
        ({"limit_price_e4": 0}, ["R02 limit price 0 is no multiple of the tick 0.01"]),
        ({"limit_price_e4": -100}, ["R02 limit price -0.01 is no multiple of the tick 0.01"]),
        ({"max_participation_bp": 1}, []),
        ({"max_participation_bp": 10_000}, []),
        ({"max_participation_bp": 0}, ["R01 participation 0 bp is not 1 to 10000"]),
        ({"max_participation_bp": 10_001}, ["R01 participation 10001 bp is not 1 to 10000"]),
        ({"max_display": 10}, []),
        ({"max_display": 0}, ["R02 max_display 0 is no multiple of the lot 10 above 0"]),
        ({"max_display": 15}, ["R02 max_display 15 is no multiple of the lot 10 above 0"]),
        ({"urgency": 1}, []),
        ({"urgency": 5}, []),
        ({"urgency": 0}, ["R01 urgency 0 is not 1 to 5"]),
        ({"urgency": 6}, ["R01 urgency 6 is not 1 to 5"]),
        (
            {"min_qty": 0, "i_would_qty": 1},
            ["R08 i_would_qty is not supported yet", "R08 min_qty is not supported yet"],
        ),
        ({"side": Side.SELL}, []),
        ({"side": Side.SELL_SHORT}, ["R17 side SELL_SHORT: short sales are not permitted"]),
        ({"start_ns": 1, "end_ns": 1}, ["R08 the window ends before it begins"]),
        ({"start_ns": 0}, ["R08 the window ends before it begins"]),
        ({"end_ns": OPEN_NS}, ["R08 the window ends before it begins"]),
        ({"end_ns": OPEN_NS + SECOND}, ["R08 the window ended at 10:00:01.000, it is 10:00:01.000"]),
        ({"end_ns": OPEN_NS + SECOND + 1}, []),
        ({"start_ns": OPENS}, []),
        ({"start_ns": OPENS, "end_ns": CLOSES}, []),
        (
            {"start_ns": OPENS - 1},
            ["R08 the window is outside 09:30-16:00 America/New_York; it touches the opening auction, "
             "which is not enabled"],
        ),
        (
            {"end_ns": CLOSES + 1},
            ["R08 the window is outside 09:30-16:00 America/New_York; it touches the closing auction, "
             "which is not enabled"],
        ),
        (
            {"start_ns": OPENS - 1, "end_ns": CLOSES + 1},
            ["R08 the window is outside 09:30-16:00 America/New_York; it touches the opening and the closing "
             "auction, which is not enabled"],
        ),
    ],
)  # fmt: skip
def test_a_parent_is_refused_for_this_and_nothing_else(fields: dict[str, Any], said: list[str]) -> None:
    assert faults(world(), **fields) == said


def test_an_amendment_is_not_held_to_a_window_that_has_begun_but_to_one_that_has_ended() -> None:
    w = world()

    assert faults(w, begun=True, start_ns=OPENS - 1) == []
    assert faults(w, begun=True, end_ns=OPEN_NS + SECOND) != []
    w.ts = 0
    assert faults(w, end_ns=OPEN_NS + SECOND) == []


def test_live_parents_are_counted_and_do_not_face_one_another() -> None:
    w = world(parents={"live_max": 2, "adv_max_bp": 10_000})
    mine, other = parent_order(10, pid="A"), parent_order(10, side=Side.SELL, pid="B")
    far = msgspec.structs.replace(other, symbol=Symbol("OTH"), parent_id=ParentID("C"))

    assert faults(w, [mine]) == faults(w, [far]) == []
    assert faults(w, [mine, far]) == ["R08 3 live parents, at most 2"]
    assert faults(w, [other]) == ["R08 B is live on the other side of SYN"]
    assert faults(w, [mine], side=Side.SELL_SHORT)[-1] == "R08 A is live on the other side of SYN"


@pytest.mark.parametrize(
    ("located", "used", "qty", "said"),
    [
        (100, 0, 100, []),
        (100, 0, 110, ["R17 quantity 110 is above what is located and not used, 100"]),
        (100, 10, 100, ["R17 quantity 100 is above what is located and not used, 90"]),
        (100, 10, 90, []),
        (None, None, 10, ["R17 quantity 10 is above what is located and not used, 0"]),
    ],
)
def test_a_short_parent_is_located_whole(
    located: int | None, used: int | None, qty: int, said: list[str]
) -> None:
    w = world(shorts={"permitted": True, "locate_required": True})
    memory = w.core.state.risk.memory
    if located is not None and used is not None:
        memory.locates[f"PAPER {SYN}"], memory.shorted[f"PAPER {SYN}"] = located, used

    assert faults(w, side=Side.SELL_SHORT, qty=qty) == said
    free = world(shorts={"permitted": True, "locate_required": False})
    assert faults(free, side=Side.SELL_SHORT, qty=qty) == []


@pytest.mark.parametrize(
    ("fields", "price", "said"),
    [
        ({"qty": 10}, None, []),  # 1,000.00
        ({"qty": 20}, None, ["R08 worth 2,000, at most 1,000"]),
        ({"qty": 10, "limit_price_e4": 1_010_000}, None, ["R08 worth 1,010, at most 1,000"]),
        ({"qty": 10, "limit_price_e4": 990_000}, None, []),
        ({"qty": 10}, {"last_e4": 1_000_000}, []),
        ({"qty": 10}, {}, ["R08 no reference price of SYN to value the order with"]),
        ({"qty": 10, "limit_price_e4": 100}, {}, ["R08 no reference price of SYN to value the order with"]),
        ({"qty": 10, "declared_notional_micros": 1_000 * 10**6}, None, []),
        ({"qty": 10, "declared_notional_micros": 1_010 * 10**6}, None, []),
        ({"qty": 10, "declared_notional_micros": 991 * 10**6}, None, []),
        (
            {"qty": 10, "declared_notional_micros": 990 * 10**6},
            None,
            ["R08 declared as 990, worth 1,000: more than 100 bp apart"],
        ),
        (
            {"qty": 10, "declared_notional_micros": 1_011 * 10**6},
            None,
            ["R08 declared as 1,011, worth 1,000: more than 100 bp apart"],
        ),
    ],
)
def test_a_parents_worth_is_within_its_cap_and_near_what_was_declared(
    fields: dict[str, Any], price: dict[str, int] | None, said: list[str]
) -> None:
    w = world(
        price,
        parents={
            "notional_max_ccy": 1_000,
            "adv_max_bp": 10_000,
            "declared_tolerance_bp": 100,
            "price_unknown_ok": False,
        },
    )

    assert faults(w, **fields) == said


def test_what_is_not_known_is_admitted_where_the_limits_say_so() -> None:
    nothing = msgspec.structs.replace(INSTRUMENT, adv=0)
    for ok, said in (
        (True, []),
        (False, ["R08 average daily volume of SYN is not known; set instrument.adv"]),
    ):
        assert faults(world(instrument=nothing, parents={"adv_unknown_ok": ok})) == said
    w = world({}, parents={"price_unknown_ok": True, "adv_max_bp": 10_000})
    assert faults(w) == []
    assert price_e4(w.core.state.risk, parent_order(10, limit_price_e4=5_000)) == 0
    w.price(1_000_000, 1_000_000)
    assert price_e4(w.core.state.risk, parent_order(10, limit_price_e4=5_000)) == 1_000_000


def test_a_symbol_that_is_not_configured_is_named_with_those_that_are() -> None:
    w = world()
    assert faults(w, symbol=Symbol("NONE"))[0] == "R02 symbol NONE is not listed; there is SYN"
    strict = world(allowed={"symbols": ("ABC",)})
    assert faults(strict) == ["R02 symbol SYN is not listed; there is SYN"]
    named = world(allowed={"accounts": ("DESK",)})
    assert faults(named, account="DESK") == []
    assert faults(named) == ["R02 account PAPER is not listed"]


# --- the part that is for the close ----------------------------------------------------------

CROSSING = msgspec.structs.replace(Instrument(symbol=SYN, lot=10), auctions=(Auction.CLOSE,))
LAW = limits(allowed={"times_in_force": ["DAY", "CLOSE"]})
CUTOFF = CLOSES - 300 * SECOND


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, []),
        ({"close_pct": 1}, []),
        ({"close_pct": 100}, []),
        ({"close_pct": 101}, ["R01 close_pct 101 is not 1 to 100"]),
        ({"close_pct": 0}, ["R01 close_pct 0 is not 1 to 100"]),
        ({"qty": 990, "close_pct": 1}, ["R02 close_pct: 1 % of 990 is less than a lot"]),
        ({"start_ns": CUTOFF - 1}, []),
        (
            {"start_ns": CUTOFF},
            ["R08 close_pct: the window begins after the cut-off for the close, 15:55:00.000"],
        ),
        ({"end_ns": CLOSES - 1}, ["R08 close_pct: the window must end with the close, 16:00:00.000"]),
        ({"end_ns": CLOSES + closing.REPORTS_NS}, []),
        (
            {"end_ns": CLOSES + closing.REPORTS_NS + 1},
            ["R08 close_pct: the window must end with the close, 16:00:00.000"],
        ),
    ],
)  # fmt: skip
def test_a_part_for_the_close_is_refused_for_this_and_nothing_else(
    fields: dict[str, Any], said: list[str]
) -> None:
    whole = {"qty": 1_000, "close_pct": 50, "start_ns": CUTOFF - MINUTE, "end_ns": CLOSES} | fields
    parent = msgspec.structs.replace(parent_order(), **whole)

    assert closing.faults(parent, CROSSING, LAW, False) == said


def test_a_window_into_the_close_is_worked_by_a_part_for_it_alone() -> None:
    late = parent_order(end_ns=CLOSES + 1)
    early = parent_order(start_ns=OPENS - 1)

    def touched(parent: ParentOrder, begun: bool = False) -> str:
        return closing.window_fault(parent, CROSSING, (OPENS, CLOSES), begun)

    assert touched(late) == "; it touches the closing auction, which is worked by close_pct alone"
    assert touched(late, begun=True) == touched(late)
    assert touched(early) == "; it touches the opening auction, which is not enabled"
    both = msgspec.structs.replace(CROSSING, auctions=(Auction.OPEN, Auction.CLOSE))
    fault = closing.window_fault(early, both, (OPENS, CLOSES), False)
    assert fault == "; it touches the opening auction, which parents take no part in"
    assert touched(early, begun=True) == "", "it has begun"
    assert touched(parent_order()) == ""
    assert closing.REPORTS_NS == MINUTE
    assert [closing.close_qty(parent_order(close_pct=pct), 1_999, 10) for pct in (1, 50, 100)] == [
        10,
        990,
        1_990,
    ]


# --- canaries --------------------------------------------------------------------------------


def test_a_canary_is_an_ordinary_order_of_a_desk_that_has_done_nothing() -> None:
    w = World(limits(), positions=(("PAPER", SYN, 500),))
    w.open(price=False)
    w.price(1_000_050, 1_000_250)
    w.parent()
    w.working(100, 999_900)
    case = canary.plain(w.core.state.risk, SYN, ev.Stamp(w.ts, w.now))

    terms = case.terms
    assert (terms.cl_ord_id, terms.parent_id, terms.account, terms.symbol) == (
        "CANARY",
        "CANARY",
        "PAPER",
        SYN,
    )
    assert (terms.mic, terms.side, terms.qty, terms.ord_type) == ("XNAS", Side.BUY, 1, OrdType.LIMIT)
    assert (terms.price_e4, terms.time_in_force) == (1_000_100, TimeInForce.DAY)
    assert case.parent is not None
    assert (case.parent.qty, case.parent.start_ns, case.parent.end_ns) == (2**31 - 1, 1, 2**60)
    assert case.progress is not None
    assert (case.progress.qty, case.progress.status) == (2**31 - 1, ParentStatus.WORKING)
    assert case.decision is not None
    assert (case.decision.decided_mono_ns, case.decision.number, case.decision.orders) == (w.now, 1, 0)
    assert (case.book.position, case.book.open_orders, case.ledger.open_orders) == (0, 0, 0)
    assert case.rates.sent_of(case.counted[0][0].tally.sent, w.now, 99) == 0
    assert case.posture.posture is Posture.ACTIVE
    assert case.memory.day == w.core.state.risk.memory.day
    assert case.picture is not w.core.state.references.pictures[SYN]
    case.picture.trading = False
    assert w.core.state.references.pictures[SYN].trading
    assert canary.plain(World(limits()).core.state.risk, SYN, ev.Stamp(1, 1)).price_e4 == canary.PRICE_E4


def refused(name: str) -> tuple[list[str], list[str]]:
    """What refuses an ordinary order, and what refuses it with one thing changed."""
    w = World(limits(shorts={"permitted": True}))
    w.open()
    stamp = ev.Stamp(w.ts, w.now)
    found = []
    for change in (lambda _: None, canary.MUST_REFUSE[name]):
        case = canary.plain(w.core.state.risk, SYN, stamp)
        change(case)
        w.core.state.risk.run(case)
        found.append([failure.control for failure in case.failures])
    return found[0], found[1]


@pytest.mark.parametrize("name", canary.TURN)
def test_an_ordinary_order_passes_but_for_the_one_thing_that_a_canary_changes(name: str) -> None:
    plain, changed = refused(name)

    assert plain == []
    assert name.partition(" ")[0] in changed
