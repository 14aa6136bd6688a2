"""What of a parent may show (R08), and the corners of its part in the closing cross."""

from datetime import date
from typing import Any

import msgspec
import pytest

from market import updates as up
from market.instruments import Auction
from market.types import NS, Side, TimeInForce
from risk import admission, closing
from risk.overlay import RiskOverlay
from tests.daemon.gate_harness import INSTRUMENT, World, limits, parent_order, told
from tests.risk.boundary_world import ask

CLOSE_NS = INSTRUMENT.session(date(2024, 1, 2))[1]
CUTOFF_NS = CLOSE_NS - 300 * NS
CROSSING = msgspec.structs.replace(INSTRUMENT, auctions=(Auction.CLOSE,))
LAW = limits(allowed={"times_in_force": ["DAY", "IOC", "FOK", "CLOSE"]})


def showing(shown: int | None, side: Side = Side.BUY, **more: Any) -> World:
    w = World(LAW, positions=(("PAPER", "SYN", 5_000),), **more)
    w.open()
    assert w.parent(qty=2_000, side=side, max_display=shown)["ok"]
    return w


@pytest.mark.parametrize("side", list(Side)[:2])
def test_what_rests_of_a_parent_shows_no_more_than_it_says(side: Side) -> None:
    w = showing(100, side)

    assert ask(w, side, 60) == ()
    assert ask(w, side, 40) == ()
    assert "R08" in ask(w, side, 1)


def test_what_never_rests_shows_nothing() -> None:
    w = showing(100)

    assert ask(w, Side.BUY, 400, time_in_force=TimeInForce.IOC) == ()
    assert ask(w, Side.BUY, 100) == ()


def test_a_parent_shows_its_own_orders_alone() -> None:
    w = showing(100)
    assert w.parent(qty=500, pid="P2")["ok"]

    assert ask(w, Side.BUY, 300, pid="P2") == ()
    assert ask(w, Side.BUY, 100) == ()


def test_a_trader_is_told_how_much_may_show() -> None:
    w = showing(100)

    sizes = {u.headroom.order_qty_max for u in told(w.sent, up.ParentUpdate)}

    assert max(sizes) == 100


@pytest.mark.parametrize(("shown", "says"), [(0, True), (-5, True), (150, True), (200, False), (None, False)])
def test_a_size_to_show_is_a_multiple_of_the_lot(shown: int | None, says: bool) -> None:
    w = World(LAW, instruments=(msgspec.structs.replace(INSTRUMENT, lot=100),))
    risk: RiskOverlay = w.core.state.risk

    faults = admission.faults(risk, parent_order(max_display=shown), w.ts, [])

    assert any("max_display" in text for text in faults) is says


def test_the_window_of_a_close_has_room_for_the_reports() -> None:
    parent = parent_order(start_ns=CUTOFF_NS - NS, end_ns=CLOSE_NS, close_pct=50)
    odd = msgspec.structs.replace(parent, end_ns=CLOSE_NS - NS)
    unknown = msgspec.structs.replace(parent, start_ns=0)
    none = msgspec.structs.replace(parent, close_pct=None)

    assert closing.with_reports(parent, CROSSING).end_ns == CLOSE_NS + closing.REPORTS_NS
    assert closing.with_reports(odd, CROSSING) is odd
    assert closing.with_reports(unknown, CROSSING) is unknown
    assert closing.with_reports(none, CROSSING) is none
    assert closing.with_reports(parent, None) is parent


def test_shares_for_the_close_are_whole_lots() -> None:
    parent = parent_order(close_pct=50)

    assert closing.close_qty(parent, 350, 100) == 100
    assert closing.close_qty(parent, 99, 100) == 0
    assert closing.close_qty(msgspec.structs.replace(parent, close_pct=None), 350, 100) == 0


@pytest.mark.parametrize(
    ("fields", "begun", "says"),
    [
        ({"close_pct": None}, False, ""),
        ({}, False, ""),
        ({"close_pct": 0}, False, "1 to 100"),
        ({"close_pct": True}, False, "1 to 100"),
        ({"start_ns": CUTOFF_NS}, False, "after the cut-off"),
        ({"start_ns": CUTOFF_NS}, True, ""),
        ({"end_ns": CLOSE_NS - NS}, False, "must end with the close"),
        ({"qty": 1, "close_pct": 1}, False, "less than a lot"),
    ],
)
def test_a_part_for_the_close_is_held_against_its_times(
    fields: dict[str, Any], begun: bool, says: str
) -> None:
    whole = {"start_ns": CUTOFF_NS - 600 * NS, "end_ns": CLOSE_NS, "close_pct": 50} | fields

    faults = closing.faults(parent_order(**whole), CROSSING, LAW, begun)

    assert (says in "; ".join(faults)) if says else faults == []


def test_without_a_cross_or_leave_there_is_no_close() -> None:
    parent = parent_order(start_ns=CUTOFF_NS - 600 * NS, end_ns=CLOSE_NS, close_pct=50)
    forbidden = limits(allowed={"times_in_force": ["DAY"]})

    assert "not enabled" in closing.faults(parent, INSTRUMENT, LAW, False)[0]
    assert "R02 close_pct: CLOSE" in closing.faults(parent, CROSSING, forbidden, False)[0]


def at_close(law: Any, before_s: int) -> World:
    w = World(law, instruments=(CROSSING,))
    w.ts = CLOSE_NS - 1_200 * NS
    w.open()
    assert w.parent(qty=2_000, start_ns=w.ts, end_ns=CLOSE_NS, close_pct=50)["ok"]
    w.ts = CLOSE_NS - before_s * NS
    w.wait(0.5)
    return w


def test_an_order_for_the_close_is_no_part_of_the_volume() -> None:
    law = limits(
        allowed={"times_in_force": ["DAY", "CLOSE"]}, participation={"share_max_bp": 1, "free_qty": 0}
    )
    w = at_close(law, 600)

    assert "R15" in ask(w, Side.BUY, 100)
    assert "R15" not in ask(w, Side.BUY, 100, time_in_force=TimeInForce.CLOSE)


def test_an_order_for_the_close_comes_before_its_cut_off() -> None:
    assert "R40" not in ask(at_close(LAW, 310), Side.BUY, 100, time_in_force=TimeInForce.CLOSE)
    assert "R40" in ask(at_close(LAW, 290), Side.BUY, 100, time_in_force=TimeInForce.CLOSE)


def test_a_window_names_each_auction_that_it_touches() -> None:
    opens_ns = INSTRUMENT.session(date(2024, 1, 2))[0]
    both = parent_order(start_ns=opens_ns - NS, end_ns=CLOSE_NS + NS)

    hours = (opens_ns, CLOSE_NS)
    assert "opening and the closing" in closing.window_fault(both, CROSSING, hours, False)
    assert closing.window_fault(parent_order(), INSTRUMENT, hours, False) == ""


def test_without_a_price_an_order_for_the_close_has_no_share_either() -> None:
    law = limits(
        allowed={"times_in_force": ["DAY", "CLOSE"]}, participation={"share_max_bp": 1, "free_qty": 0}
    )
    w = at_close(law, 600)
    w.price(0, 0)

    refused = ask(w, Side.BUY, 100, time_in_force=TimeInForce.CLOSE)

    assert {"R06", "R15"} <= set(refused)


def test_an_order_for_the_close_of_what_nobody_knows_is_refused() -> None:
    w = at_close(LAW, 290)
    del w.core.state.risk.instruments[INSTRUMENT.symbol]

    refused = ask(w, Side.BUY, 100, time_in_force=TimeInForce.CLOSE)

    assert "R02" in refused
    assert "R40" not in refused
