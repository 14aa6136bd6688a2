"""A trader that is silent is let go, and orders that nobody works are taken back."""

from typing import Any

import pytest

from daemon.gate import why
from daemon.gate.effects import DropTrader, SendCancel
from daemon.gate.state_codec import decode, encode
from market import events as ev
from market import updates as up
from tests.daemon.gate_harness import BID, SECOND, SYN, World, told

SILENT_MS, ALONE_MS = 5_000, 10_000


def world(**more: Any) -> tuple[World, str]:
    """One order works for a trader of epoch 7."""
    fields: dict[str, Any] = {"trader_silent_ms": SILENT_MS, "without_trader_ms": ALONE_MS} | more
    w = World(**fields)
    w.open()
    w.parent()
    return w, w.working()


def seconds(w: World, count: float, say: bool = False) -> list[Any]:
    """Let time pass with ten timers a second; `say`: the trader says each time that it is fit."""
    effects: list[Any] = []
    for _ in range(round(count * 10)):
        if say:
            w.step(ev.TraderStatus(epoch=w.epoch, fit=True))
        effects += w.wait(0.1)
    return effects


def canceled(effects: list[Any]) -> list[str]:
    return [e.order.orig_cl_ord_id for e in effects if isinstance(e, SendCancel)]


def test_a_silent_trader_is_let_go_its_order_stands_and_the_next_one_takes_over() -> None:
    w, chain = world()
    assert not [e for e in seconds(w, 4.0) if isinstance(e, DropTrader)]
    dropped = [e for e in seconds(w, 1.2) if isinstance(e, DropTrader)]

    assert [e.epoch for e in dropped] == [7]
    assert "said nothing for 5000 ms" in dropped[0].reason
    assert w.core.status(ev.Stamp(w.ts, w.now))["trader"]["connected"] is False
    updates = [e.update for e in w.hello(8) if hasattr(e, "update")]
    assert updates[0].accepted
    assert [u.order.chain_id for u in updates if isinstance(u, up.OrderUpdate)] == [chain]
    assert canceled(seconds(w, 12.0, say=True)) == []


def test_whoever_says_something_is_not_silent() -> None:
    w, _ = world()
    assert not [e for e in seconds(w, 20.0, say=True) if isinstance(e, DropTrader)]
    for _ in range(5):
        seconds(w, 4.0)
        w.intent(1, BID)
    assert w.core.state.traders


def test_a_gate_that_was_held_up_itself_lets_nobody_go() -> None:
    w, _ = world()
    for _ in range(5):
        w.wait(60.0)
    assert w.core.state.traders


def test_orders_of_a_symbol_without_a_trader_are_canceled_after_a_while() -> None:
    w, chain = world()
    w.step(ev.TraderGone(epoch=7))

    assert canceled(seconds(w, 9.8)) == []
    assert canceled(seconds(w, 0.4)) == [chain]
    assert w.core.state.parents["P1"].live  # its time goes on, and so may the next trader
    assert w.core.state.counters["orders_taken_back"] == 1


def test_a_trader_that_comes_in_time_finds_them() -> None:
    w, chain = world()
    w.step(ev.TraderGone(epoch=7))
    seconds(w, 9.0)
    w.hello(8)

    assert canceled(seconds(w, 20.0, say=True)) == []
    assert w.core.state.chains[chain].live


def test_kept_if_so_configured() -> None:
    w, _ = world(without_trader_ms=0)
    w.step(ev.TraderGone(epoch=7))

    assert canceled(seconds(w, 60.0)) == []


def test_in_lockstep_time_waits_for_the_trader() -> None:
    w, _ = world(lockstep=True)
    effects = seconds(w, 60.0)
    w.step(ev.TraderGone(epoch=7))
    effects += seconds(w, 60.0)

    assert canceled(effects) == []
    assert not [e for e in effects if isinstance(e, DropTrader)]


def test_after_a_start_of_the_gate_nobody_is_there_yet() -> None:
    w, chain = world()
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))
    w.step(ev.SessionUp(session="order"))
    w.step(ev.SessionUp(session="reference"))
    w.price()

    assert canceled(seconds(w, 9.8)) == []
    assert canceled(seconds(w, 0.4)) == [chain]


@pytest.mark.parametrize(
    ("fields", "again"),
    [({}, True), ({"epoch": 7}, True), ({"protocol": 1}, False), ({"symbols": ()}, False)],
)
def test_a_refused_trader_is_told_whether_asking_again_may_help(fields: dict[str, Any], again: bool) -> None:
    w, _ = world()
    ack = told(w.hello(**{"epoch": 8, **fields}), up.HelloAck)[0]

    assert not ack.accepted
    assert ack.again is again


def test_another_version_is_named_on_both_sides() -> None:
    w, _ = world()
    ack = told(w.hello(8, protocol=1), up.HelloAck)[0]

    assert ack.protocol == ev.LINK_PROTOCOL
    assert f"link protocol 1, the gate speaks {ev.LINK_PROTOCOL}" in ack.reason


def test_since_when_nobody_works_a_symbol_is_shown() -> None:
    w, _ = world()
    w.step(ev.TraderGone(epoch=7))
    gone_ns = w.now
    seconds(w, 3.0)
    stamp = ev.Stamp(w.ts, w.now)

    assert w.core.status(stamp)["trader"]["absent_s"] == {SYN: 3.0}
    blocker = next(
        b for b in why.answer(w.core.state, stamp, "P1", "")["blockers"] if b["control"] == why.TRADER
    )
    assert blocker["since_mono_ns"] == gone_ns


def test_absence_survives_a_snapshot() -> None:
    w, _ = world()
    w.step(ev.TraderGone(epoch=7))
    again = decode(encode(w.core))

    assert again.state_hash() == w.core.state_hash()
    assert again.state.absence == w.core.state.absence
    assert again.state.absence.since_mono_ns[SYN] <= w.now + SECOND
