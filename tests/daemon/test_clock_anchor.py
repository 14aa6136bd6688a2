"""What is taken as market time at the control socket, and what is no time of anybody's."""

import time
from typing import Any

import pytest

from daemon.clock import Clock
from daemon.gate.main import Gate
from market.events import ClockAnchor
from tests.daemon.gate_harness import OPEN_NS


class Posts:
    """The shell's place."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def post(self, event: Any) -> None:
        self.events.append(event)


class Source:
    source = "anchor"


class Settings:
    clock = Source()


def gate() -> Gate:
    """Return a gate that has a clock, and nothing else."""
    found = object.__new__(Gate)
    found._lockstep, found._config, found._clock, found._shell = None, Settings(), Clock(), Posts()  # type: ignore[assignment]
    return found


@pytest.mark.parametrize(
    ("ts_ns", "ago_ns", "speed"),
    [
        (10**23, 0, 1.0),
        (2**62, 0, 1.0),
        (OPEN_NS, 2**62, 10.0),
        (OPEN_NS, -(2**62), 1.0),
        (10**400, 0, 10_000.0),
        (0, 0, 1.0),
        (OPEN_NS, 0, 0.0),
        (OPEN_NS, 0, float("nan")),
    ],
)
def test_an_anchor_that_no_journal_could_hold_is_refused(ts_ns: int, ago_ns: int, speed: float) -> None:
    g = gate()
    anchor = ClockAnchor(anchor_ts_ns=ts_ns, anchor_mono_ns=time.monotonic_ns() - ago_ns, speed=speed)

    assert "a time of ours" in g._set_clock(anchor)
    assert g._clock.anchor is None


def test_the_venues_own_is_taken() -> None:
    g = gate()
    anchor = ClockAnchor(anchor_ts_ns=OPEN_NS, anchor_mono_ns=time.monotonic_ns(), speed=10.0)

    assert g._set_clock(anchor) == ""
    assert g._clock.anchor == anchor
