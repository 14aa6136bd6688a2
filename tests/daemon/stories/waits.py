"""What waits: a gate in lockstep for its clock, an order for the disk."""

from typing import Any

from market import events as ev
from market.types import CxlRejReason, OrdType, ParentID
from tests.daemon.gate_harness import ASK, BID, OPEN_NS, SECOND, SYN, limits
from tests.daemon.stories.book import Story

Q = 100
DWELL = limits(resume={"reduce_only_ms": 500})


def in_lockstep() -> Story:
    """the gate says when it wants to be woken: for parents, cancels that wait, and answers that are late"""
    s = Story(DWELL, lockstep=True)
    s.step(ev.SessionUp(session="reference"))
    s.step(ev.SessionUp(session="order"))
    s.step(s.mass_status_empty())
    s.price()
    s.hello(7)
    for seconds in (0.5, 0.6):
        s.now = s.ts = OPEN_NS + int(seconds * SECOND)
        s.step(ev.Timer())
    s.parent(start_ns=OPEN_NS + 2 * SECOND)
    s.now = s.ts = OPEN_NS + 2 * SECOND
    s.step(ev.Timer())
    order = s.intent(Q, BID)
    s.now = s.ts = OPEN_NS + 7 * SECOND
    s.step(ev.Timer())
    s.accept(order)
    s.step(ev.PauseParent(request_id=2, parent_id=ParentID("P1")))
    s.step(
        ev.OrderCancelReject(
            cl_ord_id=s.cancel_of(order.cl_ord_id),
            orig_cl_ord_id=order.cl_ord_id,
            reason=CxlRejReason.BROKER_OPTION,
        )
    )
    s.now = s.ts = OPEN_NS + 8 * SECOND
    s.step(ev.Timer())
    return s


def orders_that_wait_for_the_disk() -> Story:
    """are looked at once more before they leave"""
    s = Story.begun()

    def due(order: Any, **more: Any) -> None:
        fields = {"posture": 0, "decided_mono_ns": s.now} | more
        s.step(ev.SendDue(cl_ord_id=order.cl_ord_id, **fields))

    due(s.intent(Q, BID))
    order = s.intent(Q, BID)
    s.cancel(order.cl_ord_id)
    due(order)
    order = s.intent(Q, BID)
    due(order, decided_mono_ns=s.now - 2_000_000_000)
    order = s.intent(Q, BID)
    due(order, decided_mono_ns=s.now - 2_000_000_001)
    order = s.intent(Q, BID)
    s.price(BID + 30_000, ASK + 30_000)
    due(order)
    s.price()
    order = s.intent(Q, None, ord_type=OrdType.MARKET) or s.intent(Q, BID)
    s.step(ev.SecurityStatus(symbol=SYN, trading=False))
    due(order)
    s.step(ev.SecurityStatus(symbol=SYN, trading=True))
    chain = s.working(Q)
    change = s.replace(chain, 150, BID + 100)
    due(change)
    change = s.intent(Q, BID)
    s.step(ev.AmendParent(request_id=2, parent_id=ParentID("P1"), qty=250))
    due(change)
    s.step(ev.SendDue(cl_ord_id="SH1-99", posture=0))  # type: ignore[arg-type]
    return s
