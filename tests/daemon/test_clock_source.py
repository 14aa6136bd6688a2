"""What the gate's machine is like: the clock by SendingTime, the worst timer, the free disk."""

from pathlib import Path

import pytest

from daemon import clock_source
from daemon.clock_source import ClockOffset, Machine, late_ns, sending_time_ns

S = 1_000_000_000
NOON_NS = 1_704_196_800 * S  # 2024-01-02 12:00 UTC


def message(time: str) -> str:
    return f"8=FIX.4.4\x019=5\x0135=0\x0152={time}\x0110=000\x01"


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("20240102-12:00:00", NOON_NS),
        ("20240102-12:00:00.250", NOON_NS + 250_000_000),
        ("20240102-12:00:00.000000001", NOON_NS + 1),
        ("20241302-12:00:00", None),
        ("noon", None),
        ("", None),
    ],
)
def test_sending_time_is_read_to_the_ns_or_not_at_all(time: str, expected: int | None) -> None:
    assert sending_time_ns(message(time)) == expected


def test_the_nearest_of_many_is_the_clocks_distance() -> None:
    offset = ClockOffset()
    for distance_ns in (9_000_000, 3_000_000, 7_000_000):
        offset.observe(message("20240102-12:00:00.000"), NOON_NS + distance_ns)
    offset.observe("nothing", NOON_NS)

    assert offset.take_us() == 3_000
    assert offset.take_us() is None


def test_a_clock_that_is_behind_is_below_zero() -> None:
    offset = ClockOffset()
    offset.observe(message("20240102-12:00:00.000"), NOON_NS - 20_000_000)

    assert offset.take_us() == -20_000


def test_what_is_told_is_since_the_last_time(tmp_path: Path) -> None:
    machine = Machine()
    machine.late(0.004)
    machine.late(0.0951)
    machine.late(0.001)

    first, second = machine.measured(tmp_path), machine.measured(tmp_path)

    assert (first.loop_lag_ms, second.loop_lag_ms) == (95, 0)
    assert first.clock_offset_us is None
    assert first.disk_free_mb is not None
    assert machine.measured(tmp_path / "gone").disk_free_mb is None


@pytest.mark.parametrize(
    ("fields", "late_s"),
    [
        ("52=20240102-12:00:00.000\x01", 90),
        ("52=20240102-12:01:31.000\x01", 0),  # a clock that is ahead of ours makes nothing younger
        ("43=Y\x0152=20240102-12:01:30.000\x01122=20240102-11:59:30\x01", 120),  # sent again just now
        ("52=noon\x01", 0),
        ("", 0),
    ],
)
def test_a_message_is_as_late_as_it_says(fields: str, late_s: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_source.time, "time_ns", lambda: NOON_NS + 90 * S)
    assert late_ns(f"8=FIX.4.4\x019=5\x0135=W\x01{fields}10=000\x01") == late_s * S
