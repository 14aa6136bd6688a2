"""The ways that ordinary tests do not take: each says what must hold there (deploy/setup/branches.py)."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from market import events as ev
from market.child_order import ChildOrder
from market.instruments import Instrument
from market.types import ExecType, OrdStatus, Side
from risk import calendar, commands, memory, overlay, rates
from risk.calendar import CalendarError
from risk.commands import CommandError
from risk.headroom import collar
from risk.kill_switch import KillLatch
from risk.ledger import Ledger
from risk.posture import Posture
from risk.rates import Rates, Ring
from risk.volumes import Sums
from tests.daemon.gate_harness import ASK, BID, OPEN_NS, SECOND, SYN, World, limits
from tests.risk.boundary_world import BUY, SELL, ask
from tests.risk.test_admission import DAY_NS, faults, rules
from tests.risk.test_corners import judged, order_of, world

GATE, NONCE = "PAPER/paper/1", "0" * 32
NO_PATH = Path("a\0b")  # no file can have this name: the culprit is ours, not a disk


def chain_of(w: World, side: Side, **more: Any) -> ChildOrder:
    fields = {"chain_id": "X", "cl_ord_id": "X", "order_qty": 10, "price_e4": BID} | more
    return ChildOrder(terms=order_of(w, side=side), **fields)


# --- parents ----------------------------------------------------------------------------------


def test_a_parent_of_a_symbol_that_is_configured_and_not_listed_is_refused() -> None:
    w = World(limits(allowed={"symbols": ["OTHER"]}))
    w.open()

    assert "R02 symbol SYN is not listed; there is SYN" in faults(w)


def test_a_window_that_ends_after_the_close_is_refused_and_one_that_ends_with_it_is_not() -> None:
    w = World(limits())
    w.open()
    close = OPEN_NS + 6 * 3_600 * SECOND

    assert faults(w, end_ns=close) == ""
    assert "outside" in faults(w, end_ns=close + 1)


# --- the overlay ------------------------------------------------------------------------------


def test_a_failed_assertion_in_a_control_stops_the_daemon_and_is_no_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_: Any) -> None:
        raise AssertionError("ours")

    w = world()
    monkeypatch.setattr(overlay, "AFTER_SCHEMA", (broken,))
    with pytest.raises(AssertionError, match="ours"):
        judged(w)


def test_venues_of_a_second_symbol_count_before_it_has_traded() -> None:
    other = Instrument(symbol="ALT", mic="XNYS", adv=2_000_000)
    w = World(limits(allowed={"venues_max": 1}), instruments=(Instrument(symbol=SYN, adv=2_000_000), other))
    w.open()
    assert w.parent()["ok"]
    w.core.state.ledger.used["ALT"] = None
    assert ask(w, BUY, 10) == ("R02",)
    del w.core.state.ledger.used["ALT"]

    assert ask(w, BUY, 10) == ()


def test_a_bust_takes_shares_back_and_gives_no_budget_back() -> None:
    w = world(SELL, positions=(("PAPER", SYN, 500),))
    chain = w.working(100, ASK, side=SELL)
    w.fill(chain, 100, ASK)
    tally, volumes = w.core.state.risk.firm.tally, w.core.state.risk.memory.volumes
    spent = (tally.traded_qty, tally.fills, tally.velocity.qty, volumes.state())
    w.report(
        chain, ExecType.TRADE_CANCEL, OrdStatus.NEW, exec_ref_id=f"E{w.exec_n}", cum_qty=0, leaves_qty=100
    )

    assert w.core.state.ledger.book(SYN).position == 500
    assert (tally.traded_qty, tally.fills, tally.velocity.qty, volumes.state()) == spent


def test_a_band_with_one_side_is_no_band() -> None:
    for sides in ({"band_low_e4": BID - 5_000}, {"band_high_e4": ASK + 5_000}):
        w = world(law=limits(market={"band_required": True}))
        w.step(ev.SecurityStatus(symbol=SYN, trading=True, **sides))
        assert ask(w, BUY, 10) == ("R41",)


def test_an_order_that_makes_net_no_larger_passes_over_a_breached_net_limit() -> None:
    w = world(SELL, law=limits(exposure={"net_max_ccy": 50_000}), positions=(("PAPER", SYN, 1_000),))

    assert "R11" not in ask(w, SELL, 400, ASK)
    longer = world(BUY, law=limits(exposure={"net_max_ccy": 50_000}), positions=(("PAPER", SYN, -1_000),))
    assert "R11" not in ask(longer, BUY, 400, BID)


def test_a_sale_of_what_is_held_uses_no_capital_even_above_its_limit() -> None:
    w = world(SELL, law=limits(exposure={"capital_max_ccy": 0}), positions=(("PAPER", SYN, 1_000),))
    w.core.state.ledger.paid_e4 = 10**9

    assert ask(w, SELL, 400, ASK) == ()


def test_where_a_close_is_required_and_known_there_is_a_collar() -> None:
    w = world(law=limits(market={"close_required": True}))
    assert collar(w.core.state.risk, w.core.state.risk.limits.market, SYN) == (0, 0)
    w.price(close_e4=BID)

    assert collar(w.core.state.risk, w.core.state.risk.limits.market, SYN)[0] > 0


# --- the ledger and what it is fed with -------------------------------------------------------


def test_shares_that_an_ended_order_is_said_to_have_traded_are_owed_until_they_are_booked() -> None:
    w, ledger = world(), Ledger()
    chain = chain_of(w, BUY)
    ledger.track(chain)
    chain.status, chain.stated_qty = OrdStatus.CANCELED, 4
    ledger.track(chain)
    assert (ledger.open_orders, ledger.book(SYN).buy_leaves, ledger.owed) == (0, 4, {"X": (4, 4 * BID)})
    chain.cum_qty = 4
    ledger.track(chain)

    assert (ledger.book(SYN).buy_leaves, ledger.owed, ledger.open_e4) == (0, {}, 0)


def test_open_sells_alone_need_a_price_too() -> None:
    w, ledger = world(), Ledger()
    ledger.track(chain_of(w, SELL))
    ledger.revalue(SYN, 0)

    assert ledger.unpriced == {SYN: None}


# --- what is remembered -----------------------------------------------------------------------


def test_what_still_counts_is_kept_where_memory_is_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "REPEAT_KEYS_MAX", 1)
    monkeypatch.setattr(rates, "EQUAL_KEYS_MAX", 1)
    kept, found = world().core.state.risk.memory, Rates(0)
    kept.starts.clear()
    for n in range(2):
        kept.started(("twap", SYN, "1", n), n, 50)
        found.note_order((SYN, "1", n, 0), n, 50)

    assert len(kept.starts) == len(found.equal) == 2


def test_every_instant_of_the_future_is_forgotten_and_not_only_the_first() -> None:
    ring = Ring(SECOND)
    ring.add(10 * SECOND)
    ring.add(11 * SECOND)

    assert ring.count(5 * SECOND) == 0


def test_prints_before_the_last_one_begin_a_bucket_of_their_own_and_an_empty_window_is_empty() -> None:
    sums = Sums(young=False)
    assert sums.now(0, 640) == 0
    for ts in (100, 90):
        sums.add(ts, 1, 640)
    assert len(sums.state()) == 2

    assert (sums.now(739, 640), sums.now(740, 640)) == (2, 0)


def test_an_exit_that_a_clock_set_back_puts_in_the_future_still_counts() -> None:
    w = world(law=limits(start={"exits_max": 3, "exits_window_ms": 10_000}))
    for epoch in (1_000, 900, 901):
        w.step(ev.GateStarted(**w.start_fields | {"epoch": epoch}))

    assert "R67L" in w.core.state.posture.latched


def test_abnormal_exits_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("risk.controls.machine.EXITS_MAX", 3)
    w = world()
    for epoch in range(1_000, 1_005):
        w.step(ev.GateStarted(**w.start_fields | {"epoch": epoch}))

    assert w.core.state.risk.memory.exits == [1_002, 1_003, 1_004]


# --- files and texts --------------------------------------------------------------------------


def test_a_day_before_the_table_has_no_hours() -> None:
    table = rules()

    assert table.hours(table.first - timedelta(days=1)) == ()
    assert table.hours(date(2024, 1, 1)) != ()


def test_what_is_no_fault_of_a_file_is_not_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted:
        def decode(self, _: str) -> None:
            raise KeyboardInterrupt

    with pytest.raises(AttributeError):
        calendar.load(None)  # type: ignore[arg-type]
    monkeypatch.setattr(commands, "_decoder", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        commands.read("{}")
    assert issubclass(CalendarError, Exception)


def test_a_reason_is_a_line_at_most() -> None:
    for chars, fits in ((commands.REASON_CHARS_MAX, True), (commands.REASON_CHARS_MAX + 1, False)):
        text = commands.write(GATE, NONCE, 1, commands.KillOrder(reason="x" * chars))
        if fits:
            assert commands.read(text)
            continue
        with pytest.raises(CommandError, match="more than 200 characters"):
            commands.read(text)


def test_a_latch_with_a_name_that_no_file_can_have_is_our_own_error(tmp_path: Path) -> None:
    latch, touch = KillLatch(NO_PATH, tmp_path / "KILL"), KillLatch(tmp_path / "KILLED", NO_PATH)
    for look in (latch.held, latch.scopes, latch.sync, touch.held, touch.touched):
        with pytest.raises(ValueError, match="null"):
            look()


def test_a_touch_file_that_cannot_be_looked_at_is_a_kill(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert KillLatch(tmp_path / "KILLED", tmp_path / "file" / "KILL").touched()


def test_bringing_a_latch_to_a_disk_that_has_none_is_no_error(tmp_path: Path) -> None:
    KillLatch(tmp_path / "none" / "KILLED", tmp_path / "KILL").sync()


def test_a_latch_that_cannot_be_cleared_is_not_told_to_be(tmp_path: Path) -> None:
    (tmp_path / "KILLED").mkdir()
    with pytest.raises(OSError, match="KILLED"):
        KillLatch(tmp_path / "KILLED", tmp_path / "KILL").clear()


def test_two_latches_one_day_apart_are_both_there() -> None:
    w = world()
    for cause in ("R70", "R31"):
        w.core.state.posture.raise_(cause, "x", w.now)
    w.ts += DAY_NS

    assert w.core.state.posture.sign("ann", w.now) == ["R31", "R70"]
    assert w.core.posture is Posture.KILLED
    assert ASK
