"""The day that begins and ends, what machines and people bring about, and what a restart must not forget."""

from typing import Any

import pytest

from daemon.gate.core import GateCore
from daemon.gate.effects import LatchKill, Reply
from market import desk_events as desk
from market import events as ev
from market.instruments import Instrument
from market.types import ExecType, OrdStatus, Side
from risk.lease import Lease
from risk.posture import Posture
from tests.daemon.gate_harness import ASK, BID, OPEN_NS, SECOND, SYN, World, limits, parent_order
from tests.risk.boundary_world import BUY, SELL, ask
from tests.risk.test_levels import own, reopen

DAY_NS = 24 * 3_600 * SECOND


def world(side: Side = BUY, law: Any = None, **more: Any) -> World:
    w = World(law or limits(), **more)
    w.open()
    assert w.parent(qty=100_000, side=side)["ok"]
    return w


def replayed(w: World) -> GateCore:
    core = GateCore()
    for stamp, event in w.log:
        core.step(stamp, event)
    return core


def begin_day(w: World, day: str = "2024-01-03", **more: Any) -> dict[str, Any]:
    effects = w.step(desk.DayStarted(request_id=5, day=day, **more))
    return next(e.body for e in effects if isinstance(e, Reply))


def end_parent(w: World) -> None:
    w.step(ev.CancelParent(request_id=2, parent_id="P1"))
    for chain in list(w.core.state.live_chains()):
        w.report(
            chain.cancel_id, ExecType.CANCELED, OrdStatus.CANCELED, orig_cl_ord_id=chain.cl_ord_id,
            cum_qty=chain.cum_qty,
        )  # fmt: skip


def busy_day() -> World:
    """A day with a loss, fills, a lowered limit, and limits of a strategy's own."""
    w = world(law=own("strategy", exposure={"long_max": 10_000}))
    chain = w.working(1_000, ASK)
    w.fill(chain, 1_000, ASK)
    w.price(ASK + 500, ASK + 700)
    w.wait(0.1)
    w.price(BID, ASK, volume=10_000)
    w.wait(0.1)
    w.step(desk.LimitSignal(scope="F", signal="volatility", multiplier_bp=9_000))
    return w


def facts(w: World) -> Any:
    risk = w.core.state.risk
    memory = risk.memory
    return (
        [memory.peak_micros, memory.day, memory.locates, memory.multipliers.by_signal()],
        [risk.firm.tally.traded_qty, risk.firm.tally.traded_e4, risk.firm.tally.fills],
        [w.core.state.ledger.books[SYN].position, w.core.state.ledger.paid_e4],
        [scope.tally.traded_qty for scope in risk.scopes],
        risk.execution_micros,
        dict(w.core.state.posture.latched),
    )


def test_a_restart_resets_nothing() -> None:
    w = busy_day()
    before = facts(w)
    assert before[0][0] == 1_000 * 500 * 100
    assert before[4] < 0
    for epoch in (2, 3):
        w.step(ev.GateStarted(**w.start_fields | {"epoch": epoch}))
        assert facts(w) == before

    assert replayed(w).state_hash() == w.core.state_hash()


def test_a_clock_that_jumps_resets_nothing() -> None:
    w = busy_day()
    before = facts(w)
    for jump in (-3_600 * SECOND, 30 * DAY_NS, -30 * DAY_NS):
        w.ts += jump
        w.step(ev.ReferenceAlive())
        w.step(ev.Timer())
        assert facts(w)[:4] == before[:4]
    w.now = 5 * SECOND  # another boot
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 9}))

    assert facts(w)[:4] == before[:4]


def test_a_start_of_day_counts_anew_and_lifts_no_latch() -> None:
    w = busy_day()
    end_parent(w)
    w.core.state.posture.raise_("R31", "fell", w.now)
    w.ts += DAY_NS
    w.price(BID, ASK)
    answer = begin_day(
        w,
        positions=(("PAPER", SYN, 700),),
        closes_e4=((SYN, BID),),
        locates=(("PAPER", SYN, 50),),
        buying_power_micros=10**12,
    )
    risk = w.core.state.risk

    assert answer == {"ok": True, "day": "2024-01-03"}
    assert w.core.state.ledger.books[SYN].position == 700
    assert (risk.firm.tally.traded_qty, risk.memory.peak_micros, risk.execution_micros) != (1_000, 1, 1)
    assert [scope.tally.messages.used for scope in risk.scopes] == [0, 0]
    assert risk.memory.locates == {"PAPER SYN": 50}
    assert w.core.state.references.picture(SYN).close_e4 == BID
    assert risk.memory.multipliers.by_signal() == {"F volatility": 9_000}
    assert "R31" in w.core.state.posture.latched
    assert replayed(w).state_hash() != ""


@pytest.mark.parametrize(
    ("day", "days", "error"),
    [
        ("2024-01-02", 1, "is not after"),
        ("2024-01-04", 1, "no calendar"),
        ("2024-01-03", 0, "no calendar"),
        ("2024-01-06", 4, "no calendar"),  # a Saturday
    ],
)
def test_a_day_begins_where_the_calendar_agrees(day: str, days: int, error: str) -> None:
    w = world()
    end_parent(w)
    w.ts += days * DAY_NS

    assert error in begin_day(w, day)["error"]
    assert w.step(desk.DayStarted(day=day)) is not None  # nobody asked: it is only noted


def test_a_day_does_not_begin_over_open_orders_parents_or_breaks() -> None:
    w = world()
    w.working(100)
    w.ts += DAY_NS // 24
    assert "orders are still open" in begin_day(w)["error"]
    end_parent(w)
    late = World(limits())
    late.open()
    late.parent()
    assert "parents have not ended" in begin_day(late)["error"]
    w.core.state.breaks.append("a break")

    assert "breaks" in begin_day(w)["error"]


def test_a_brokers_word_on_buying_power_only_lowers() -> None:
    w = world()
    w.core.state.risk.memory.buying_power_micros = 50_000 * 10**6
    assert ask(w, BUY, 500, BID - 100) == ("R13",)
    w.ask_parent().told = None
    w.wait(0.3)
    room = w.ask_parent().told[2].buy_qty_max
    assert ask(w, BUY, room, BID) == ()
    w.core.state.risk.memory.buying_power_micros = 10**18

    assert ask(w, BUY, 400, BID) == ()


# --- machines and people ----------------------------------------------------------------------


def test_what_others_say_holds_until_they_say_otherwise() -> None:
    w = world()
    w.step(desk.Condition(cause="R52", scope="T/twap", text="never seen"))
    assert "R18" in ask(w, BUY, 10)
    w.step(desk.Condition(cause="R52", scope="T/twap", holds=False))
    assert ask(w, BUY, 10) == ()
    w.step(desk.Condition(cause="R76H"))
    assert w.core.posture is Posture.HALTED
    w.step(desk.Condition(cause="R76H", holds=False))
    assert w.core.posture is Posture.HALTED  # latched

    w.step(desk.Condition(cause="R70", holds=False))
    w.step(desk.Condition(cause="R60", text="not theirs to say"))
    assert "R60" not in w.core.state.posture.causes


def test_measures_are_judged_where_they_were_taken() -> None:
    w = world()
    w.step(desk.MachineMeasured(loop_lag_ms=10_000))
    assert list(w.core.state.posture.causes) == ["R64"]
    w.step(desk.MachineMeasured(clock_offset_us=20_000))
    assert sorted(w.core.state.posture.causes) == ["R63S", "R64"]
    w.step(desk.MachineMeasured(loop_lag_ms=1, clock_offset_us=0, disk_free_mb=50, drop_copy_lag_ms=9_000))
    assert sorted(w.core.state.posture.causes) == ["R62L", "R66S"]
    w.step(desk.MachineMeasured(disk_free_mb=10))
    assert w.core.posture is Posture.HALTED
    w.step(desk.MachineMeasured(disk_free_mb=10_000, drop_copy_lag_ms=0))

    assert sorted(w.core.state.posture.causes) == ["R66"]


def test_a_lease_is_renewed_by_a_person_and_by_no_restart() -> None:
    w = world(law=limits(lease={"reduce_after_ms": 60_000, "kill_after_ms": 120_000}))
    w.wait(50)
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))
    reopen(w)
    w.wait(10)
    assert "R71S" in w.core.state.posture.causes
    effects = w.step(desk.LeaseRenewed(person="ann", request_id=3))
    assert next(e.body for e in effects if isinstance(e, Reply)) == {"ok": True}
    assert "R71S" not in w.core.state.posture.causes
    w.wait(119)
    w.wait(1)

    assert w.core.posture is Posture.KILLED


def test_a_lease_counts_no_time_backwards() -> None:
    lease = Lease()
    assert lease.advance(100) == 0
    assert lease.advance(150) == 50
    assert lease.advance(120) == 50
    lease.restart()

    assert lease.advance(5) == 50


def test_an_orderly_stop_is_no_abnormal_exit() -> None:
    w = world(law=limits(start={"exits_max": 2, "reduce_only_ms": 60_000}))
    for epoch in (2, 3, 4):
        w.step(ev.Shutdown())
        w.step(ev.GateStarted(**w.start_fields | {"epoch": epoch}))
    assert "R67S" not in w.core.state.posture.causes
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 5}))
    assert "R67S" in w.core.state.posture.causes
    assert "R67L" not in w.core.state.posture.latched
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 6}))

    assert "R67L" in w.core.state.posture.latched


def test_messages_of_a_block_that_was_begun_are_lost_by_a_crash_and_never_won() -> None:
    w = world()
    for n in range(3):
        w.working(10 + n)
    allowance = w.core.state.risk.firm.tally.messages
    assert (allowance.used, allowance.reserved) == (3, 100)
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))

    assert (allowance.used, allowance.reserved) == (100, 100)


def test_the_days_budget_spent_reduces_only_and_a_cancel_is_never_refused() -> None:
    w = world(law=limits(day={"messages_max": 3, "shares_max": 100}, rates={"changes_per_second": 0}))
    chain = w.working(100)
    w.fill(chain, 100, BID)
    w.wait(0.1)
    assert {"R19"} <= set(w.core.state.posture.causes)
    assert "R19" in ask(w, BUY, 1)
    other = world(law=limits(day={"messages_max": 1}, rates={"changes_per_second": 0}))
    chain = other.working(100)
    assert other.cancel(chain)
    other.wait(0.1)

    assert other.core.state.chains[chain].cancel_id is not None
    assert "R21" in other.core.state.posture.causes
    assert "R21" in ask(other, BUY, 1)


def test_too_many_messages_for_the_fills_reduce_until_there_are_fills() -> None:
    w = world(law=limits(rates={"messages_per_fill": 4, "judged_after": 2}))
    chains = [w.working(10 + n) for n in range(5)]
    w.wait(0.1)
    assert "R22" in w.core.state.posture.causes
    for chain in chains[:3]:  # they were pulled, and trade before that: 5 orders, 5 cancels, 3 fills
        w.fill(chain, 5, BID)
    w.wait(0.1)

    assert "R22" not in w.core.state.posture.causes


def test_notional_over_its_limit_by_the_markets_move_reduces_until_it_is_back() -> None:
    w = world(law=limits(exposure={"gross_max_ccy": 100_020}))
    chain = w.working(1_000, BID)
    w.fill(chain, 1_000, BID)
    w.wait(0.1)
    assert w.core.posture is Posture.ACTIVE
    w.price(BID + 5_000, ASK + 5_000)
    w.wait(0.1)
    assert "R11" in w.core.state.posture.causes
    assert "R18" in ask(w, BUY, 1, BID + 5_000)
    w.price()
    w.wait(0.1)

    assert w.core.posture is Posture.ACTIVE


def test_a_position_that_has_no_price_stops_others_until_it_has() -> None:
    w = World(
        limits(),
        instruments=(Instrument(symbol=SYN, adv=2_000_000), Instrument(symbol="ALT")),
        positions=(("PAPER", "ALT", 100),),
    )
    w.open()
    w.step(ev.SubmitParent(request_id=1, parent=parent_order()))
    assert ask(w, BUY, 10) == ("R11",)
    w.step(ev.ReferencePrice(symbol="ALT", bid_e4=10_000, ask_e4=10_100, bid_qty=1, ask_qty=1))

    assert ask(w, BUY, 10) == ()


def test_a_parent_that_costs_too_much_pauses_once_and_then_halts() -> None:
    w = world(law=limits(slippage={"pause_bps": 100, "halt_bps": 200, "after_bp": 0}))
    chains = [w.working(100, ASK + 100 * n) for n in range(3)]
    w.fill(chains[0], 100, ASK + 15_000)
    assert w.ask_parent().progress.status == "paused"
    w.step(ev.ResumeParent(request_id=2, parent_id="P1"))
    w.fill(chains[1], 100, ASK + 15_000)
    assert w.ask_parent().progress.status == "working"
    w.fill(chains[2], 100, ASK + 60_000)
    w.wait(0.1)

    assert "R32@P/P1" in w.core.state.posture.latched
    assert "R32" in ask(w, BUY, 1)


def test_a_parent_that_gains_is_never_paused() -> None:
    for side, gain in ((BUY, -1), (SELL, 1)):
        w = world(side, law=limits(slippage={"pause_bps": 1, "halt_bps": 1, "after_bp": 0}))
        chain = w.working(100, BID if side is BUY else ASK, side=side)
        w.fill(chain, 100, BID + gain * 50_000)
        assert w.ask_parent().progress.status == "working"


def test_fast_fills_pull_what_works_and_reduce_until_people_have_looked() -> None:
    w = world(law=limits(fills={"shares_max": 100}))
    chain, resting = w.working(100), w.working(50, BID - 100)
    w.fill(chain, 100, BID)
    w.wait(0.1)

    assert resting in w.core.state.unwanted
    assert "R25" in w.core.state.posture.latched
    assert ask(w, BUY, 1) == ("R18",)
    assert OPEN_NS


def test_reduce_only_takes_back_what_could_enlarge_the_position_and_leaves_the_rest() -> None:
    w = world()
    chain = w.working(300)
    w.fill(chain, 100, BID)
    w.step(desk.Condition(cause="R76"))
    w.wait(0.1)
    assert chain in w.core.state.unwanted

    w = world(SELL, positions=(("PAPER", SYN, 500),))
    resting = w.working(300, ASK, side=SELL)
    w.step(desk.Condition(cause="R76", scope=f"S/{SYN}"))
    w.wait(0.1)
    assert w.core.state.unwanted == {}
    assert ask(w, SELL, 200) == ()
    assert resting in w.core.state.ledger.held


def test_a_market_that_stays_unfit_halts_its_symbol_until_it_is_fit() -> None:
    w = world()
    w.price(0, ASK)
    w.wait(1)
    assert w.core.state.posture.causes == {}
    w.wait(6)
    assert list(w.core.state.posture.causes) == [f"R06@S/{SYN}"]
    assert "R06" in ask(w, BUY, 10)
    w.price()
    assert w.core.state.posture.causes == {}

    assert ask(w, BUY, 10) == ()


def test_a_book_that_is_empty_before_the_open_halts_nothing() -> None:
    w = world()
    w.ts -= 3 * 3_600 * 10**9
    w.price(0, ASK)
    w.wait(7)

    assert w.core.state.posture.causes == {}
    assert {"R06", "R40"} <= set(ask(w, BUY, 10))


def test_a_loss_that_kills_a_scope_is_latched_outside_of_the_journal_too() -> None:
    w = world(law=own("symbol", loss={"execution_max_ccy": 30}))
    chain = w.working(1_000, ASK)
    w.fill(chain, 1_000, ASK)
    w.price(BID - 200, ASK - 200)
    effects = w.wait(0.1)

    assert [(e.scope, e.reason[:3]) for e in [*w.sent, *effects] if isinstance(e, LatchKill)][:1] == [
        (f"S/{SYN}", "R30")
    ]
