"""`why` names what keeps something from trading: nothing else, in order, and without touching anything."""

import msgspec
import pytest

from daemon.gate import why
from daemon.gate.core import GateCore
from market import events as ev
from market.people_events import StopScope
from risk.posture import CAUSES
from tests.daemon.gate_harness import BID, World
from tests.daemon.why_seeds import SEEDS, P, S, fresh


def asked(w: World, parent: str = "", symbol: str = "") -> list[why.Blocker]:
    return why.blockers(w.core.state, ev.Stamp(w.ts, w.now), parent, symbol)


def test_nothing_keeps_a_desk_that_trades() -> None:
    w = fresh()

    assert asked(w) == asked(w, parent=P) == asked(w, symbol=S) == []
    assert w.intent(100, BID).qty == 100


@pytest.mark.parametrize("name", SEEDS)
def test_what_keeps_it_is_named_and_nothing_is_touched(name: str) -> None:
    seed = SEEDS[name]
    w = seed.seed()
    before = w.core.state_hash()

    found = asked(w, seed.parent, seed.symbol)

    assert w.core.state_hash() == before
    mine = [b for b in found if b.control == seed.control]
    assert mine, [b.control for b in found]
    assert any(seed.text in b.text for b in mine), [b.text for b in mine]
    assert all(b.clears for b in found), found
    assert len({(b.control, b.scope, b.text) for b in found}) == len(found)


def test_there_are_enough_of_them() -> None:
    assert len(SEEDS) >= 40


@pytest.mark.parametrize("cause", sorted(CAUSES))
def test_every_cause_of_the_posture_table_is_told_with_since_when_and_what_clears_it(cause: str) -> None:
    w = fresh()
    w.wait(1.0)
    w.core.state.posture.raise_(cause, "seeded", w.now)

    found = next(b for b in asked(w, parent=P) if b.control == cause)

    assert (found.text, found.since_mono_ns) == ("seeded", w.now)
    assert ("two people" in found.clears) is CAUSES[cause].latched


@pytest.mark.parametrize("name", SEEDS)
def test_where_nothing_is_named_an_order_leaves_and_where_an_order_leaves_nothing_is_named(name: str) -> None:
    """The list and the overlay agree: what is refused is told, and what is told of a control is refused."""
    seed = SEEDS[name]
    w = seed.seed()
    if not seed.parent or not w.core.state.traders or seed.control in ("TRADER", "PARENT", "R08"):
        pytest.skip("no order of a parent is judged here")
    named = {b.control for b in asked(w, seed.parent)}

    verdict = w.intent(1, BID)

    refused = set(getattr(verdict, "controls", ()))
    assert refused <= named | {"R08", "R14", "R16", "R18", "R24"}


def test_kills_come_before_halts_before_what_reduces_before_limits() -> None:
    w = SEEDS["gross notional"].seed()
    w.core.state.posture.raise_("R72", "rearmed", w.now)
    w.step(StopScope(source="cli", halt=True))
    w.core.state.posture.raise_("R70", "kill", w.now)

    controls = [b.control for b in asked(w, symbol=S)]

    assert controls[:3] == ["R70", "R70H", "R72"]
    assert controls.index("R11") > 2


def test_what_was_cleared_is_no_longer_named() -> None:
    w = SEEDS["halted by the venue"].seed()
    w.step(ev.SecurityStatus(symbol="SYN", trading=True))
    w.wait(0.1)

    assert asked(w, parent=P) == []


def test_over_a_replay_it_is_known_since_when_a_limit_holds() -> None:
    w = fresh()
    w.wait(1.0)
    began_ns = w.now
    w.step(ev.PauseParent(request_id=1, parent_id="P1"))
    for _ in range(5):
        w.wait(1.0)

    twin, since, found = GateCore(), why.Since(), []
    for stamp, event in w.log:
        twin.step(stamp, event)
        if isinstance(event, ev.PauseParent | ev.Timer) and "P1" in twin.state.parents:
            found = since.observe(why.blockers(twin.state, stamp, P), stamp.mono_ns)

    assert [(b.control, b.since_mono_ns) for b in found] == [("PARENT", began_ns)]


def test_the_answer_is_plain_and_unknown_names_are_one_line() -> None:
    w = SEEDS["kill by a person"].seed()
    stamp = ev.Stamp(w.ts, w.now)

    body = why.answer(w.core.state, stamp, P, "")

    assert msgspec.json.decode(msgspec.json.encode(body)) == body
    assert body["subject"] == "parent P1"
    assert "P1" in why.answer(w.core.state, stamp, "P9", "")["error"] or not w.core.state.live_parents
    assert "SYN" in why.answer(w.core.state, stamp, "", "XYZ")["error"]
