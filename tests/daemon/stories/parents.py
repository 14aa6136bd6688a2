"""Parents: admitted, amended, in baskets, too dear, and what their end leaves."""

from typing import Any

from market import events as ev
from market.people_events import SubmitBasket
from market.types import (
    ParentID,
    Side,
)
from tests.daemon.gate_harness import ASK, BID, OPEN_NS, SECOND, SYN, limits, parent_order
from tests.daemon.stories.book import Story

Q = 100


def parents_come_wait_and_end() -> Story:
    """before their window they wait; at its end what works is taken back and the reason is named"""
    s = Story()
    s.open()
    wishes: tuple[dict[str, Any], ...] = (
        {"start_ns": OPEN_NS + 5 * SECOND},
        {"end_ns": OPEN_NS + 3 * SECOND},
        {"end_ns": OPEN_NS + 4 * SECOND, "limit_price_e4": ASK - 100},
        {"end_ns": OPEN_NS + 4 * SECOND, "limit_price_e4": ASK},
        {"end_ns": OPEN_NS + 4 * SECOND, "max_participation_bp": 1_000},
        {"side": Side.SELL, "qty": 0},
        {"qty": 10**9},
    )
    for n, more in enumerate(wishes):
        s.parent(pid=f"P{n + 1}", **more)
    s.step(ev.SubmitParent(request_id=8, parent=parent_order(pid="P9"), dry_run=True))
    s.step(ev.PauseParent(request_id=9, parent_id=ParentID("P4")))
    for request, kind in enumerate((ev.PauseParent, ev.ResumeParent, ev.CancelParent), start=10):
        s.step(kind(request_id=request, parent_id=ParentID("P8")))
    s.working(Q, BID, pid="P2")
    s.at(2.999)
    s.at(3.999)
    s.at(4.0)
    s.canceled("SH1-1")
    s.at(5.0)
    s.at(6.0)
    s.step(ev.CancelParent(request_id=20, parent_id=ParentID("P1")))
    s.step(ev.CancelParent(request_id=21, parent_id=ParentID("P1")))
    s.parent(pid="")
    return s


def amended_down_while_it_trades() -> Story:
    """more works than is wanted: it is pulled, and what traded meanwhile counts"""
    s = Story()
    s.open()
    s.parent(qty=300)
    first, second = s.working(Q), s.working(Q, BID - 100)
    s.step(ev.AmendParent(request_id=2, parent_id=ParentID("P1"), qty=150))
    s.fill(first, 70, BID)
    s.canceled(first, cum_qty=70)
    s.fill(second, 90, BID - 100)
    s.canceled(second, cum_qty=90)
    s.step(ev.AmendParent(request_id=3, parent_id=ParentID("P1"), qty=200))
    s.parent(qty=300, pid="P2")
    third = s.working(Q, pid="P2")
    s.step(ev.AmendParent(request_id=4, parent_id=ParentID("P2"), qty=99))
    s.fill(third, 99, BID)
    s.canceled(third, cum_qty=99)
    s.parent(qty=300, pid="P3")
    s.step(
        ev.AmendParent(
            request_id=5,
            parent_id=ParentID("P3"),
            limit_price_e4=BID,
            end_ns=OPEN_NS + 60 * SECOND,
            max_participation_bp=2_000,
        )
    )
    s.step(ev.AmendParent(request_id=6, parent_id=ParentID("P3"), end_ns=OPEN_NS))
    return s


def a_basket() -> Story:
    """is let in whole or not at all, every reason named"""
    s = Story(limits(repeats={"starts_max": 2}))
    s.open()
    good = parent_order(qty=1_000, pid="")
    s.step(SubmitBasket(request_id=2, parents=()))
    s.step(SubmitBasket(request_id=3, parents=(good, parent_order(qty=5_000, pid="P1")), dry_run=True))
    s.step(SubmitBasket(request_id=4, parents=(good, parent_order(qty=5_000, pid="P1"))))
    s.step(
        SubmitBasket(
            request_id=5, parents=(good, parent_order(qty=9_000, pid="P1"), parent_order(qty=0, pid="P7"))
        )
    )
    s.step(
        SubmitBasket(
            request_id=6, parents=(good, parent_order(qty=1_023, pid="A"), parent_order(qty=511, pid="B"))
        )
    )
    s.step(SubmitBasket(request_id=7, parents=(parent_order(qty=64, pid=""), parent_order(qty=16, pid=""))))
    s.step(SubmitBasket(request_id=8, parents=(parent_order(pid=""),) * 1_001))
    return s


def a_parent_that_costs_too_much() -> Story:
    """pauses once; one that costs twice that is halted"""
    s = Story(limits(slippage={"pause_bps": 10, "halt_bps": 20, "after_bp": 1_000}))
    s.open()
    s.parent(qty=400)
    for price in (BID + 1_000, BID + 2_400):
        chain = s.working(40, BID + 2_400)
        s.fill(chain, 40, price)
        s.step(ev.ResumeParent(request_id=2, parent_id=ParentID("P1")))
    chain = s.working(Q, BID + 9_000)
    s.fill(chain, Q, BID + 9_000)
    s.at(2)
    s.intent(Q, BID)
    return s


def without_a_price() -> Story:
    """a parent is let in, reads its arrival from the first one, and is then judged by its worth"""
    s = Story(limits(parents={"notional_max_ccy": 100_000}))
    s.open(price=False)
    s.parent(qty=500)
    s.parent(qty=2_000, pid="P2")
    s.price()
    s.at(1.5)
    s.price(BID - 100, ASK - 100)
    s.at(2.5)
    s.step(ev.TraderStatus(epoch=7, fit=True, text="fit", decisions=3))
    s.step(ev.SecurityStatus(symbol=SYN, trading=False, text="LULD"))
    s.step(ev.SecurityStatus(symbol=SYN, trading=True))
    return s


def the_same_again_and_again() -> Story:
    """stops the strategy that begins it (R23), at the start and not at the admission"""
    s = Story(limits(repeats={"starts_max": 3}))
    s.open()
    for n in range(4):
        s.parent(pid=f"P{n + 1}", qty=1_000 + n, start_ns=OPEN_NS + (2 + n) * SECOND)
    for n in range(4):
        s.at(2.0 + n)
        s.intent(Q, BID, pid=f"P{n + 1}")
    return s
