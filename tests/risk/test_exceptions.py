"""R73: one order passes a soft control by two people's word, once; looser limits wait for the next day."""

from typing import Any

import pytest

from market import desk_events as desk
from market import events as ev
from market.types import Symbol
from risk import commands as co
from tests.daemon.gate_harness import ASK, SECOND, World, limits
from tests.daemon.people import sign
from tests.risk.boundary_rows import VOLATILE
from tests.risk.boundary_world import BUY, ask
from tests.risk.test_day_and_machine import DAY_NS, end_parent

REASON = "the desk agreed by phone"


def world(**law: Any) -> World:
    w = World(limits(**({"impact": {"model_max_bp": 0}} | law)), instruments=(VOLATILE,))
    w.open()
    assert w.parent(qty=100_000)["ok"]
    return w


def granted(w: World, qty: int = 200, parent: str = "P1") -> dict[str, Any]:
    asked = sign(w, "alice", co.ExceptionAsk(parent_id=parent, control="R07", qty_max=qty, reason=REASON))
    if not asked["ok"]:
        return asked
    w.wait(10.0)
    return sign(w, "bob", co.ExceptionConfirm(digest=asked["digest"]))


def test_one_order_passes_and_the_next_does_not() -> None:
    w = world()
    assert ask(w, BUY, 200, ASK) == ("R07",)
    assert granted(w) == {"ok": True, "parent": "P1", "control": "R07"}
    before = w.core.state_hash()

    assert ask(w, BUY, 200, ASK) == ()
    assert ask(w, BUY, 199, ASK) == ("R07",)
    assert w.core.state.risk.memory.exempted == 1
    assert w.core.state_hash() != before


def test_it_is_for_its_quantity_its_parent_and_its_control() -> None:
    w = world()
    assert w.parent(pid="P2", qty=1_000)["ok"]
    assert granted(w, 150)["ok"]
    assert ask(w, BUY, 151, ASK) == ("R07",)
    assert ask(w, BUY, 150, ASK, pid="P2") == ("R07",)
    w.core.state.risk.memory.exempt["P1"] = type(w.core.state.risk.memory.exempt["P1"])("R10", 150, "a", "b")
    assert ask(w, BUY, 150, ASK) == ("R07",)


def test_an_order_that_another_control_refuses_does_not_use_it_up() -> None:
    w = world(order={"qty_max": 150})
    assert granted(w)["ok"]

    assert ask(w, BUY, 200, ASK) == ("R03",)
    assert ask(w, BUY, 150, ASK) == ()


def test_what_rests_uses_none_up() -> None:
    w = world()
    assert granted(w)["ok"]
    assert ask(w, BUY, 200, ASK - 200) == ()

    assert "P1" in w.core.state.risk.memory.exempt


@pytest.mark.parametrize("control", ["R03", "R10", "R30", "R70", "GR1", "", "R32"])
def test_a_hard_control_has_no_exception(control: str) -> None:
    body = co.ExceptionAsk(parent_id="P1", control=control, qty_max=10, reason=REASON)

    assert "hard control" in sign(world(), "alice", body)["error"]


def test_it_takes_two_people_and_a_parent_that_lives() -> None:
    w = world()
    body = co.ExceptionAsk(parent_id="P1", control="R07", qty_max=10, reason=REASON)
    asked = sign(w, "alice", body)
    w.wait(10.0)
    assert "another person" in sign(w, "alice", co.ExceptionConfirm(digest=asked["digest"]))["error"]
    assert "another digest" in sign(w, "bob", co.ExceptionConfirm(digest="0" * 64))["error"]
    assert "role" in sign(w, "olga", body)["error"]
    assert "no live parent" in granted(w, parent="NONE")["error"]
    assert "above 0" in granted(w, qty=0)["error"]
    assert "nothing waits" in sign(world(), "bob", co.ExceptionConfirm(digest="0" * 64))["error"]
    end_parent(w)
    assert "no live parent" in sign(w, "bob", co.ExceptionConfirm(digest=asked["digest"]))["error"]

    assert w.core.state.risk.memory.exempt == {}


def test_what_was_asked_for_before_a_restart_or_other_limits_is_asked_for_again() -> None:
    body = co.ExceptionAsk(parent_id="P1", control="R07", qty_max=10, reason=REASON)
    for change in ("restart", "limits"):
        w = world()
        asked = sign(w, "alice", body)
        law = w.core.state.risk.limits
        if change == "restart":
            w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))
        else:
            exposure = law.exposure.model_copy(update={"long_max": 7})
            tighter = law.model_copy(update={"exposure": exposure, "version": law.version + 1})
            sign(w, "bob", co.LimitsApply(limits=tighter.model_dump_json(), reason=REASON))
        w.wait(10.0)

        refused = sign(w, "bob", co.ExceptionConfirm(digest=asked["digest"]))

        assert refused["error"] == "gate or limits are others since it was asked for; ask again"
        assert w.core.state.risk.memory.exempt == {}


def test_neither_a_restart_nor_a_day_keeps_one() -> None:
    w = world()
    assert granted(w)["ok"]
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))
    assert w.core.state.risk.memory.exempt == {}
    w = world()
    assert granted(w)["ok"]
    w.core.state.risk.memory.new_day("2024-01-03")

    assert w.core.state.risk.memory.exempt == {}


# --- looser limits for the next day ---------------------------------------------------------------


def looser(w: World, **more: Any) -> co.LimitsApply:
    law = w.core.state.risk.limits
    order = law.order.model_copy(update={"qty_max": law.order.qty_max + 1})
    new = law.model_copy(update={"order": order, "version": law.version + 1} | more)
    return co.LimitsApply(limits=new.model_dump_json(), reason=REASON, next_day=True)


def begin(w: World, person: str) -> dict[str, Any]:
    day = desk.DayStarted(day="2024-01-03", closes_e4=((Symbol("SYN"), ASK),))
    return sign(w, person, co.DayBegin(day="2024-01-03", manifest="0" * 64), day=day)


def test_looser_limits_hold_from_the_day_that_another_person_begins() -> None:
    for person, holds in (("bob", 5_001), ("alice", 5_000)):
        w = world()
        answer = sign(w, "alice", looser(w))
        assert (answer["applied"], answer["next_day"]) == (False, True)
        assert w.core.state.risk.limits.order.qty_max == 5_000
        end_parent(w)
        w.ts += DAY_NS
        w.price()
        assert begin(w, person)["ok"]

        assert w.core.state.risk.limits.order.qty_max == holds
        assert (w.core.state.people.next_limits is None) is (holds == 5_001)


def test_a_day_without_any_and_one_whose_limits_were_overtaken() -> None:
    w = world()
    sign(w, "alice", looser(w))
    law = w.core.state.risk.limits
    tighter = law.model_copy(update={"version": law.version + 1})
    assert sign(w, "bob", co.LimitsApply(limits=tighter.model_dump_json(), reason=REASON))["applied"]
    end_parent(w)
    w.ts += DAY_NS
    w.price()
    assert begin(w, "bob")["ok"]

    assert w.core.state.people.next_limits is None
    assert w.core.state.risk.limits.order.qty_max == 5_000
    assert SECOND


def test_limits_for_the_next_day_undo_nothing_that_was_tightened_since() -> None:
    w = world()
    sign(w, "alice", looser(w, version=9))
    law = w.core.state.risk.limits
    exposure = law.exposure.model_copy(update={"long_max": 7})
    tighter = law.model_copy(update={"exposure": exposure, "version": law.version + 1})
    assert sign(w, "bob", co.LimitsApply(limits=tighter.model_dump_json(), reason=REASON))["applied"]
    end_parent(w)
    w.ts += DAY_NS
    w.price()
    assert begin(w, "bob")["ok"]

    assert w.core.state.risk.limits.exposure.long_max == 7, "nobody has signed for more"
    assert w.core.state.people.next_limits is None


def test_limits_for_the_next_day_outlive_a_restart() -> None:
    w = world()
    sign(w, "alice", looser(w))
    end_parent(w)
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))
    w.open()
    w.ts += DAY_NS
    w.price()
    assert begin(w, "bob")["ok"]

    assert w.core.state.risk.limits.order.qty_max == 5_001


def test_what_tightens_never_waits_for_a_day() -> None:
    w = world()
    law = w.core.state.risk.limits
    order = law.order.model_copy(update={"qty_max": 9})
    new = law.model_copy(update={"order": order, "version": law.version + 1})
    body = co.LimitsApply(limits=new.model_dump_json(), reason=REASON, next_day=True)

    assert sign(w, "alice", body)["applied"]
    assert w.core.state.risk.limits.order.qty_max == 9
