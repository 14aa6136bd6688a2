"""Schedules are pure, never fall, and end at one; the corridor closes before the window does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import schedule
from policies.curves import GENERIC
from policies.schedule import Corridor
from tests.policies.makers import ABC, DAY, NS, TEN, situation

FRACTIONS = {
    "twap": schedule.twap,
    "vwap": lambda s: schedule.vwap(s, GENERIC.steps),
    "ac": lambda s: schedule.almgren_chriss(s, 2.0),
}


@pytest.mark.parametrize("name", FRACTIONS)
def test_schedules_by_time_never_fall_and_run_from_zero_to_one(name: str) -> None:
    shares = [FRACTIONS[name](situation(i / 50)) for i in range(-5, 56)]

    assert shares == sorted(shares)
    assert shares[5] == 0.0
    assert shares[-1] == pytest.approx(1.0)


def test_twap_is_through_before_the_window_ends() -> None:
    s = situation(0.5)

    assert schedule.schedule_end_ns(s) == s.end_ns - 12 * NS  # 2 % of ten minutes
    assert schedule.twap(situation(0.49)) == pytest.approx(0.5)


def test_vwap_follows_the_curve_and_not_the_clock() -> None:
    opened, closed = ABC.session(DAY)
    early = schedule.Situation((opened + closed) // 2, opened, closed, 100, 0, 0, opened, closed)

    assert schedule.vwap(early, (0.0, 0.8, 1.0)) == pytest.approx(0.8 / (0.8 + 0.2 * 0.96), rel=1e-3)


def test_vwap_outside_the_session_falls_back_to_the_clock() -> None:
    s = situation(0.49, session_open_ns=TEN - 10 * NS, session_close_ns=TEN - 5 * NS)

    assert schedule.vwap(s, GENERIC.steps) == pytest.approx(0.5)


def test_pov_counts_own_fills_into_the_rate_and_goes_on_from_what_was_done() -> None:
    assert schedule.pov(situation(qty=100, others_volume=900), 0.1) == pytest.approx(1.0)
    assert schedule.pov(situation(qty=1000, others_volume=900), 0.1) == pytest.approx(0.1)
    assert schedule.pov(situation(qty=1000, others_volume=900, done_qty=50), 0.1) == pytest.approx(0.15)


def test_almgren_chriss_is_the_earlier_the_more_averse() -> None:
    halves = [schedule.almgren_chriss(situation(0.4), kappa) for kappa in (0.0, 0.5, 2.0, 5.0)]

    assert halves == sorted(halves)
    assert halves[0] == pytest.approx(schedule.twap(situation(0.4)))


@given(st.floats(0, 1.2), st.integers(1, 50_000), st.floats(0, 1), st.sampled_from((1, 10, 100)))
def test_the_corridor_holds_the_target_and_stays_inside_the_parent(
    share: float, qty: int, width: float, lot: int
) -> None:
    s = situation(share, qty=qty)

    c = schedule.corridor(s, schedule.twap(s), width, lot)

    assert 0 <= c.low <= qty
    assert c.low <= c.high <= qty
    assert c.target <= c.high
    assert c.slice_qty >= lot
    assert c.slice_qty % lot == 0


def test_past_its_end_the_schedule_asks_for_all_unless_it_does_not_complete() -> None:
    s = situation(0.99)

    assert schedule.corridor(s, 0.4, 0.2, 1).low == 2_000
    assert schedule.corridor(s, 0.4, 0.2, 1, completes=False) == Corridor(800, 800, 800, 34, False)


def test_a_slice_is_ten_seconds_within_bounds() -> None:
    assert schedule.slice_qty(situation(minutes=10), 1) == 34  # 60 slices
    assert schedule.slice_qty(situation(minutes=1), 1) == 100  # at least 20
    assert schedule.slice_qty(situation(minutes=390, qty=72_000), 1) == 100  # at most 720
    assert schedule.slice_qty(situation(qty=10), 100) == 100
