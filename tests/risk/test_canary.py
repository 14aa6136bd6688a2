"""R68: what must be refused is refused by the live overlay; a control that is missing is found, and kills."""

from typing import Any

import pytest

from market import events as ev
from risk import canary, overlay
from risk.posture import Posture
from tests.daemon.gate_harness import BID, SECOND, World, limits


def world(**law: Any) -> World:
    w = World(limits(**law))
    w.open()
    assert w.parent()["ok"]
    w.working(100)
    return w


def facts(w: World) -> Any:
    risk = w.core.state.risk
    return risk.rates.state(), risk.firm.tally.state(), risk.refusals, risk.memory.orders


@pytest.mark.parametrize("name", canary.TURN)
def test_each_control_refuses_its_canary_and_nothing_is_counted(name: str) -> None:
    w = world()
    before = facts(w)
    digest = w.core.state_hash()

    assert canary.sing(w.core.state.risk, name, ev.Stamp(w.ts, w.now)) == ""
    assert facts(w) == before
    assert w.core.state_hash() == digest


@pytest.mark.parametrize("name", canary.TURN)
def test_before_a_price_and_after_a_kill_they_are_refused_as_well(name: str) -> None:
    cold = World(limits(allowed={"symbols_max": 1}))
    killed = world()
    killed.step(ev.Kill(source="cli"))
    for w in (cold, killed):
        assert canary.sing(w.core.state.risk, name, ev.Stamp(w.ts, w.now)) == ""


@pytest.mark.parametrize("control", overlay.AFTER_SCHEMA, ids=lambda c: c.__name__)
def test_without_any_one_control_a_canary_passes(control: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    w = world()
    left = tuple(c for c in overlay.AFTER_SCHEMA if c is not control)
    monkeypatch.setattr(overlay, "AFTER_SCHEMA", left)
    stamp = ev.Stamp(w.ts, w.now)

    assert [name for name in canary.TURN if canary.sing(w.core.state.risk, name, stamp)]


def test_a_canary_a_minute_in_turn_and_one_that_passes_kills(monkeypatch: pytest.MonkeyPatch) -> None:
    w = world()
    memory = w.core.state.risk.memory
    for _ in range(len(canary.TURN) + 1):
        w.wait(60)
        w.price()
    assert memory.canary_passed == dict.fromkeys(canary.TURN, 1) | {canary.TURN[0]: 2}
    assert w.core.posture is Posture.ACTIVE
    monkeypatch.setattr(overlay, "AFTER_SCHEMA", ())
    w.wait(60)

    assert w.core.posture is Posture.KILLED
    assert "R02 let pass what it must refuse" in w.core.state.posture.causes["R68"]


def test_none_is_sent_before_market_time_is_known() -> None:
    w = world()
    memory = w.core.state.risk.memory
    w.ts = 0  # a gate whose clock waits for its anchor
    for _ in range(5):
        w.now += 60_000_000_000
        w.step(ev.Timer())

    assert memory.canary_passed == {}
    assert "R68" not in w.core.state.posture.causes


def test_a_control_that_cannot_run_on_a_canary_halts(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Any) -> None:
        raise LookupError("gone")

    w = world()
    monkeypatch.setattr(overlay, "AFTER_SCHEMA", (broken,))
    text = canary.sing(w.core.state.risk, "R03", ev.Stamp(w.ts, w.now))

    assert "GR1" in text
    assert "GR1" in w.core.state.posture.causes
    assert w.intent(10, BID).controls == ("GR1",)
    assert SECOND


@pytest.mark.parametrize("name", canary.TURN)
def test_a_price_below_a_tick_is_no_fault_of_the_controls(name: str) -> None:
    w = world()
    w.price(44, 46)

    assert canary.sing(w.core.state.risk, name, ev.Stamp(w.ts, w.now)) == ""
