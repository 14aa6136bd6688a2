"""A part of a parent in the closing cross: admission, the gate's controls, the trader's order, the print."""

from collections.abc import Callable
from datetime import date, time
from typing import Any

import msgspec
import pytest

from daemon.gate.effects import Reply
from daemon.metrics.block import Metrics
from daemon.trader.core import TraderCore
from daemon.trader.events import LinkUp, Settings
from daemon.trader.metrics import TraderMetrics
from market import events as ev
from market import updates as up
from market.flow.zero_intelligence import SYN as SYNTHETIC
from market.flow.zero_intelligence import ZeroIntelligenceFlow
from market.instruments import Auction
from market.parents import ParentOrder, Progress
from market.types import ClOrdID, ExecType, OrdStatus, OrdType, ParentID, ParentStatus, Side, TimeInForce
from policies.choose import choose
from research.training.offline import Run
from risk import calendar
from tests.daemon.gate_harness import ASK, BID, INSTRUMENT, World, cancels, limits, parent_order

S = 1_000_000_000
CLOSE_NS = INSTRUMENT.session(date(2024, 1, 2))[1]
CUTOFF_NS = CLOSE_NS - 300 * S
CROSSING = msgspec.structs.replace(INSTRUMENT, auctions=(Auction.CLOSE,))
LAW = limits(allowed={"times_in_force": ["DAY", "IOC", "CLOSE"]})


def world(law: Any = LAW, **fields: Any) -> World:
    w = World(law, instruments=(CROSSING,), **fields)
    w.ts = CLOSE_NS - 1_200 * S
    return w


def close_parent(**more: Any) -> ParentOrder:
    return parent_order(**{"start_ns": CLOSE_NS - 1_200 * S, "end_ns": CLOSE_NS, "close_pct": 25} | more)


def faults(w: World, parent: ParentOrder) -> str:
    (reply,) = [e for e in w.step(ev.SubmitParent(request_id=1, parent=parent)) if isinstance(e, Reply)]
    return str(reply.body.get("error", ""))


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, ""),
        ({"close_pct": 0}, "is not 1 to 100"),
        ({"close_pct": 101}, "is not 1 to 100"),
        ({"end_ns": CLOSE_NS - 1}, "the window must end with the close, 16:00:00.000"),
        ({"end_ns": CLOSE_NS + 61 * S}, "the window must end with the close"),
        ({"qty": 3, "close_pct": 1}, "less than a lot"),
        ({"start_ns": CUTOFF_NS}, "after the cut-off for the close, 15:55:00.000"),
        (
            {"close_pct": None, "end_ns": CLOSE_NS + S},
            "touches the closing auction, which is worked by close_pct alone",
        ),
    ],
)
def test_what_is_asked_of_a_close_is_checked(more: dict[str, Any], reason: str) -> None:
    said = faults(world(), close_parent(**more))
    assert reason in said
    assert bool(said) == bool(reason), said


def test_without_the_auction_enabled_it_is_refused_with_the_reason() -> None:
    w = World(LAW)
    w.ts = CLOSE_NS - 1_200 * S
    assert "the closing auction of SYN is not enabled (instrument.auctions)" in faults(w, close_parent())
    late = parent_order(start_ns=CLOSE_NS - 600 * S, end_ns=CLOSE_NS + 60 * S)
    assert "it touches the closing auction, which is not enabled" in faults(w, late)
    opens = INSTRUMENT.session(date(2024, 1, 2))[0]
    w.ts = opens - 600 * S
    early = parent_order(start_ns=opens - 60 * S, end_ns=opens + 60 * S)
    assert "it touches the opening auction, which is not enabled" in faults(w, early)


def test_the_limits_must_list_close() -> None:
    w = World(limits(allowed={"times_in_force": ["DAY", "IOC"]}), instruments=(CROSSING,))
    w.ts = CLOSE_NS - 1_200 * S
    assert "CLOSE is not in allowed.times_in_force" in faults(w, close_parent())


# --- the trader, against an exchange that crosses -----------------------------------------------------


def run_to_close(
    pct: int,
    limit: int | None = None,
    day: date = date(2024, 1, 2),
    look: Callable[[TraderCore], None] = lambda _: None,
) -> tuple[Run, list[Any]]:
    """Play the last minutes; `look` at the trader with each of its intents."""
    instrument = msgspec.structs.replace(SYNTHETIC, auctions=(Auction.CLOSE,), adv=2_000_000, calendar="XNYS")
    instrument = calendar.load().with_short_days(instrument)
    begin = instrument.session(day)[1] - 420 * S
    close = begin + 420 * S
    settings = Settings(interval_ns=S, gap_ns=S // 4, corridor=0.2, orders_max=20_000, levels_max=4_000)
    core = TraderCore(settings, {instrument.symbol: instrument}, choose("twap-passive"))
    parent = ParentOrder(
        parent_id=ParentID("P1"),
        account="A",
        side=Side.BUY,
        qty=1_000,
        symbol=instrument.symbol,
        mic=instrument.mic,
        start_ns=begin + S,
        end_ns=close + 60 * S,
        close_pct=pct,
        limit_price_e4=limit,
    )
    run = Run(core, ZeroIntelligenceFlow(2, begin, close), instrument, (begin, close + 2 * S), [parent])
    asked: list[Any] = []
    take = run.gate.take

    def noted(intent: Any) -> Any:
        asked.append(intent)
        look(core)
        return take(intent)

    run.gate.take = noted  # type: ignore[method-assign]
    run.play()
    return run, asked


def test_the_trader_sends_one_order_for_the_close_before_the_cutoff_and_works_the_rest() -> None:
    run, asked = run_to_close(40)
    closing = [i for i in asked if getattr(i, "time_in_force", None) is TimeInForce.CLOSE]
    assert [(i.qty, i.ord_type, i.price_e4) for i in closing] == [(400, OrdType.MARKET, None)]
    assert CUTOFF_NS - 60 * S <= closing[0].decided_mono_ns < CUTOFF_NS
    (progress,) = run.gate.progress.values()
    assert progress.cum_qty == 1_000
    assert progress.status is ParentStatus.FILLED
    others = [i for i in asked if isinstance(i, ev.SubmitIntent) and i.time_in_force is not TimeInForce.CLOSE]
    assert others
    assert all(i.qty <= 600 for i in others)


def test_on_a_half_day_the_trader_the_gate_and_the_exchange_close_at_one() -> None:
    run, asked = run_to_close(40, day=date(2024, 11, 29))
    one = INSTRUMENT.at(date(2024, 11, 29), time(13))
    closing = [i for i in asked if getattr(i, "time_in_force", None) is TimeInForce.CLOSE]
    assert [i.qty for i in closing] == [400]
    assert one - 360 * S <= closing[0].decided_mono_ns < one - 300 * S
    (progress,) = run.gate.progress.values()
    assert progress.status is ParentStatus.FILLED


@pytest.mark.parametrize("pct", [40, 100])
def test_the_traders_metrics_know_a_parent_that_is_for_the_close_alone(pct: int) -> None:
    metrics = TraderMetrics(Metrics(None, "trader"), choose("twap-passive"), "paper")
    decided: list[int] = []

    def look(core: TraderCore) -> None:
        (view,) = core.parents.values()
        decided.append(view.last_decision_ns)
        assert view.qty == 1_000 - 10 * pct
        metrics.second(core)

    run_to_close(pct, look=look)

    assert any(decided)


def test_the_parents_limit_is_the_limit_of_its_order_for_the_close() -> None:
    run, asked = run_to_close(100, limit=990_000)
    submits = [i for i in asked if isinstance(i, ev.SubmitIntent)]
    assert [(i.time_in_force, i.qty, i.price_e4) for i in submits] == [(TimeInForce.CLOSE, 1_000, 990_000)]
    (progress,) = run.gate.progress.values()
    assert progress.cum_qty == 0


def test_a_trader_that_comes_later_sends_no_second_order_for_the_close() -> None:
    run, _ = run_to_close(40)
    core = run.core
    (view,) = list(run.gate.parents.values())
    instruments = {m.instrument.symbol: m.instrument for m in core.markets.values()}
    fresh = TraderCore(core.settings, instruments, core.policy)
    stamp = ev.Stamp(CUTOFF_NS - 30 * S, CUTOFF_NS - 30 * S)
    fresh.step(stamp, LinkUp(epoch=2))
    room = run.gate.headroom(view, run.gate.progress[view.parent_id])
    progress = Progress(status=ParentStatus.WORKING, qty=1_000)
    fresh.step(stamp, up.ParentUpdate(parent=view, progress=progress, headroom=room))
    order = up.WorkingOrder(
        chain_id=ClOrdID("C1"),
        parent_id=view.parent_id,
        symbol=view.symbol,
        side=view.side,
        price_e4=0,
        qty=400,
        cum_qty=0,
        status=OrdStatus.NEW,
        time_in_force=TimeInForce.CLOSE,
    )
    fresh.step(stamp, up.OrderUpdate(order=order))
    fresh.step(stamp, up.Synced())
    (seen,) = fresh.parents.values()
    assert (seen.close_done, seen.qty) == (True, 600)
    assert fresh.table.standing(view.parent_id, 1, 600, 0).chains == ()


# --- the gate ------------------------------------------------------------------------------------------


def at_work(**more: Any) -> World:
    w = world()
    w.open()
    assert faults(w, close_parent(**more)) == ""
    w.step(ev.Timer())
    return w


def test_the_window_of_such_a_parent_has_room_for_the_reports_of_the_cross() -> None:
    w = at_work()
    (parent,) = w.core.state.live_parents.values()
    assert parent.order.end_ns == CLOSE_NS + 60 * S


def test_an_order_for_the_close_is_no_order_that_crosses_now() -> None:
    w = at_work()
    sent = w.intent(500, None, ord_type=OrdType.MARKET, time_in_force=TimeInForce.CLOSE)
    assert (sent.time_in_force, sent.ord_type) == (TimeInForce.CLOSE, OrdType.LIMIT)
    assert sent.price_e4 is not None
    assert sent.price_e4 > ASK, "a market order for the close leaves as a limit order at the collar"
    w.accept(sent)
    assert told_working(w, sent.cl_ord_id) is TimeInForce.CLOSE


def test_the_gate_refuses_it_from_the_cutoff_on() -> None:
    w = at_work()
    w.ts = CUTOFF_NS - 1
    w.price()
    assert w.intent(100, BID, time_in_force=TimeInForce.CLOSE).time_in_force is TimeInForce.CLOSE
    w.ts = CUTOFF_NS
    w.price()
    assert "R40" in w.intent(100, BID, time_in_force=TimeInForce.CLOSE).controls


def test_a_child_for_the_close_needs_the_auction_and_a_parents_part_in_it() -> None:
    """A trader cannot take an order where no person has let one go."""
    plain = World(LAW)
    plain.ts = CLOSE_NS - 1_200 * S
    plain.open()
    assert faults(plain, parent_order(start_ns=plain.ts, end_ns=CLOSE_NS - 600 * S)) == ""
    plain.step(ev.Timer())
    refused = plain.intent(100, BID, time_in_force=TimeInForce.CLOSE)
    assert set(refused.controls) == {"R08", "R40"}

    w = at_work(close_pct=None)
    assert w.intent(100, BID, time_in_force=TimeInForce.CLOSE).controls == ("R08",)


def test_at_the_close_it_is_left_to_the_cross_and_what_else_works_is_pulled() -> None:
    w = at_work()
    close = w.intent(500, BID, time_in_force=TimeInForce.CLOSE)
    w.accept(close)
    resting = w.intent(100, BID)
    w.accept(resting)
    w.ts = CLOSE_NS
    pulled = [c.orig_cl_ord_id for c in cancels(w.wait(1.0))]
    assert pulled == [resting.cl_ord_id]
    w.report(resting.cl_ord_id, ExecType.CANCELED, OrdStatus.CANCELED)
    w.fill(close.cl_ord_id, 500, BID)
    assert w.core.state.parents[ParentID("P1")].progress.cum_qty == 500
    w.wait(70.0)
    assert w.core.state.parents[ParentID("P1")].progress.status is ParentStatus.EXPIRED


def told_working(w: World, chain_id: str) -> TimeInForce:
    return w.core.state.chains[chain_id].working().time_in_force  # type: ignore[index]
