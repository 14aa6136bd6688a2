"""People at the gate: two keys to trade again, one to stop, limits that tighten at once."""

import msgspec
import pytest

from daemon.gate.core import GateCore
from daemon.gate.effects import ClearKill, DropTrader, LatchKill, Reply, SendCancel, SendMassCancel, SendOrder
from daemon.gate.people import digest_of, identity
from market import events as ev
from market.people_events import SignedCommand, StopScope
from market.types import ExecType, OrdStatus, ParentStatus
from risk import commands as co
from risk.ceiling import CEILING
from risk.limits import Limits
from tests.daemon.gate_harness import ASK, BID, LIMITS, SECOND, World, limits
from tests.daemon.people import NONCES, rearm, sign


def world(law: Limits = LIMITS) -> World:
    w = World(law)
    w.open()
    w.parent()
    return w


def gone(w: World, chain: str) -> None:
    w.report(chain, ExecType.CANCELED, OrdStatus.CANCELED)


def version(law: Limits, **sections: dict[str, object]) -> str:
    tree = law.model_dump()
    for name, values in sections.items():
        tree[name].update(values)
    return Limits.model_validate(tree | {"version": law.version + 1}).model_dump_json()


# --- R72 ----------------------------------------------------------------------------------------


def test_two_persons_rearm_and_trading_comes_back_through_reduce_only() -> None:
    w = world(limits(resume={"rearmed_ms": 300_000}))
    chain = w.working()
    w.step(ev.Kill(source="signal"))
    assert "still open" in rearm(w)["error"]
    gone(w, chain)

    answer = rearm(w)

    assert (answer["lifted"], answer["posture"]) == (["R70"], "REDUCE_ONLY")
    assert any(isinstance(e, ClearKill) for e in w.sent)
    w.parent(pid="P2")
    assert "R18" in w.intent(100, BID, pid="P2").controls
    w.wait(299.0)
    assert w.core.posture.name == "REDUCE_ONLY"
    w.wait(1.1)
    w.wait(0.1)
    assert w.core.posture.name == "ACTIVE"


def test_what_the_first_sees_is_what_the_digest_stands_for() -> None:
    w = world()
    w.step(ev.Kill(source="cli", reason="a drill"))

    asked = sign(w, "alice", co.RearmAsk(reason="looked into it"))

    facts = asked["facts"]
    assert asked["digest"] == digest_of(facts)
    assert facts["latched"] == {"R70": "cli: a drill"}
    assert facts["gate"] == identity(w.core.state) == "PAPER/paper/1"
    assert facts["limits"] == LIMITS.digest()
    assert w.core.posture.name == "KILLED"


@pytest.mark.parametrize(
    ("wait_s", "person", "fault"),
    [
        (9.9, "bob", "read it first"),
        (300.1, "bob", "ask again"),
        (10.0, "alice", "another person"),
        (10.0, "olga", "role"),
    ],
)
def test_a_confirmation_that_does_not_count_changes_nothing(wait_s: float, person: str, fault: str) -> None:
    w = world()
    w.step(ev.Kill(source="cli"))
    asked = sign(w, "alice", co.RearmAsk(reason="looked into it"))
    w.wait(wait_s)

    answer = sign(w, person, co.RearmConfirm(digest=asked["digest"]))

    assert not answer["ok"]
    assert fault in answer["error"]
    assert w.core.posture.name == "KILLED"


def test_another_digest_and_a_confirmation_without_a_question_are_refused() -> None:
    w = world()
    w.step(ev.Kill(source="cli"))
    assert "nothing waits" in sign(w, "bob", co.RearmConfirm(digest="0" * 64))["error"]
    sign(w, "alice", co.RearmAsk(reason="looked into it"))
    w.wait(10.0)

    assert "another digest" in sign(w, "bob", co.RearmConfirm(digest="0" * 64))["error"]
    assert w.core.posture.name == "KILLED"


@pytest.mark.parametrize("again", ["the same", "another"])
def test_a_cause_that_comes_while_it_is_being_lifted_must_be_asked_for_anew(again: str) -> None:
    w = world()
    w.step(ev.Kill(source="cli"))
    asked = sign(w, "alice", co.RearmAsk(reason="looked into it"))
    w.wait(10.0)
    w.step(ev.Kill(source="signal") if again == "the same" else StopScope(source="cli", halt=True))

    answer = sign(w, "bob", co.RearmConfirm(digest=asked["digest"]))

    assert "another cause" in answer["error"]
    assert w.core.posture.name == "KILLED"
    assert rearm(w)["ok"]


def test_where_the_second_does_not_come_a_first_asks_again() -> None:
    w = world()
    w.step(ev.Kill(source="cli"))
    sign(w, "alice", co.RearmAsk(reason="looked into it"))
    w.wait(400.0)

    assert rearm(w)["ok"]


def test_one_confirmation_is_good_for_one_rearm() -> None:
    w = world()
    w.step(ev.Kill(source="cli"))
    asked = sign(w, "alice", co.RearmAsk(reason="looked into it"))
    w.wait(10.0)
    assert sign(w, "bob", co.RearmConfirm(digest=asked["digest"]))["ok"]
    w.step(ev.Kill(source="cli"))

    assert "nothing waits" in sign(w, "bob", co.RearmConfirm(digest=asked["digest"]))["error"]
    assert w.core.posture.name == "KILLED"


def test_nobody_rearms_while_a_loss_stands_at_its_limit() -> None:
    w = World(limits(loss={"execution_max_ccy": 100}, market={"collar_bp": 2_000}))
    w.open()
    w.parent()
    chain = w.working(1_000, ASK)
    w.fill(chain, 1_000, ASK)
    w.price(ASK - 2_000, ASK)
    w.wait(0.1)
    assert w.core.posture.name == "KILLED"

    assert "R30" in rearm(w)["error"]
    w.price(ASK, ASK + 100)
    w.wait(0.1)
    assert "R30" not in rearm(w).get("error", "")


def test_a_loss_that_comes_between_the_two_persons_is_seen() -> None:
    w = World(limits(loss={"execution_max_ccy": 100}, market={"collar_bp": 2_000}))
    w.open()
    w.parent()
    chain = w.working(1_000, ASK)
    w.fill(chain, 1_000, ASK)
    w.price(ASK, ASK + 100)
    w.step(ev.Kill(source="cli"))
    asked = sign(w, "alice", co.RearmAsk(reason="looked into it"))
    w.wait(10.0)
    w.price(ASK - 2_000, ASK)

    assert "R30" in sign(w, "bob", co.RearmConfirm(digest=asked["digest"]))["error"]


def test_one_person_with_a_typed_reason_cannot_rearm() -> None:
    w = world()
    w.step(ev.Kill(source="cli"))

    w.step(ev.Rearm(request_id=1, reason="looked into it", person="me"))

    assert w.core.posture.name == "KILLED"


def test_nothing_latched_is_nothing_to_rearm() -> None:
    assert "nothing is latched" in rearm(world())["error"]


# --- replay -------------------------------------------------------------------------------------


def test_a_command_is_carried_out_once_over_restarts_too() -> None:
    w = world()
    text = co.write(identity(w.core.state), "d" * 32, w.now + 60 * SECOND, co.HaltOrder(reason="once"))
    command = SignedCommand(request_id=1, key="a" * 16, person="alice", role=2, text=text, signature="s")
    w.step(command)
    again = w.step(command)
    assert "before" in again[-1].body["error"]
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))

    assert "signed for gate PAPER/paper/1" in w.step(command)[-1].body["error"]


def test_what_people_did_is_in_the_journal_and_replays_to_the_same_state() -> None:
    w = world()
    w.step(StopScope(source="cli", reason="drill", scope="S/SYN"))
    w.step(ev.Kill(source="cli"))
    assert rearm(w)["ok"]
    sign(w, "alice", co.LimitsApply(limits=version(LIMITS, order={"qty_max": 100}), reason="a calm day"))

    twin = GateCore()
    for stamp, event in w.log:
        again = msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=type(event))
        twin.step(stamp, again)

    assert twin.state_hash() == w.core.state_hash()
    assert twin.state.risk.limits.order.qty_max == 100


def test_a_text_that_is_no_command_is_answered_in_one_line() -> None:
    w = world()

    effects = w.step(SignedCommand(request_id=1, key="a", person="a", role=3, text="{", signature=""))

    assert not effects[-1].body["ok"]


# --- scopes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["S/SYN", "A/PAPER", "P/P1", "T/twap"])
def test_a_scope_is_killed_alone_latched_and_canceled(scope: str) -> None:
    w = world()
    chain = w.working()

    effects = w.step(StopScope(source="cli", reason="odd", scope=scope))

    assert [e.order.orig_cl_ord_id for e in effects if isinstance(e, SendCancel)] == [chain]
    latches = [e for e in effects if isinstance(e, LatchKill)]
    assert {e.scope for e in latches} == {scope}
    assert all("cli: odd" in e.reason for e in latches)
    assert w.core.posture.name == "ACTIVE", "the firm's posture is another matter"
    assert "R70" in " ".join(w.intent(100, BID).controls)
    ended = w.ask_parent().progress.status is ParentStatus.CANCELING
    assert ended is (scope[0] != "T"), "another strategy may take the parents over"


def test_a_scope_that_is_not_named_goes_on() -> None:
    w = world()

    w.step(StopScope(source="cli", scope="S/OTHER"))

    assert w.intent(100, BID).cl_ord_id


@pytest.mark.parametrize(("scope", "there"), [("S/NOPE", "there is SYN"), ("A/NOPE", "there is PAPER")])
@pytest.mark.parametrize("halt", [True, False])
def test_a_name_that_nothing_can_ever_have_is_no_stop_and_says_so(scope: str, there: str, halt: bool) -> None:
    w = World(law=limits(allowed={"accounts": ("PAPER",)}))
    w.open()
    (answer,) = [e.body for e in w.step(StopScope(request_id=3, source="cli", scope=scope, halt=halt))
                 if isinstance(e, Reply)]  # fmt: skip

    assert not answer["ok"]
    assert "NOPE; " in answer["error"]
    assert answer["error"].startswith("nothing is stopped: ")
    assert answer["error"].endswith(there)
    assert w.core.state.posture.scoped == {}


@pytest.mark.parametrize("scope", ["P/P9", "T/other", "A/OTHER"])
def test_a_stop_of_what_may_come_holds_and_says_that_nothing_is_of_it(scope: str) -> None:
    w = world()
    w.working(100)
    (answer,) = [e.body for e in w.step(StopScope(request_id=3, source="cli", scope=scope))
                 if isinstance(e, Reply)]  # fmt: skip

    assert answer["ok"]
    assert answer["open_orders"] == 0, "of that scope"
    assert answer["note"] == f"nothing is of {scope} now; what comes of it is stopped, too"
    assert w.core.state.posture.scoped[scope].name == "KILLED"


def test_a_scope_that_the_latch_holds_is_killed_from_the_start() -> None:
    w = World(killed_scopes=(("S/SYN", "cli: odd"),))
    w.open()

    assert w.parent()["error"] == "R70 S/SYN is killed (cli: odd): submit it after the rearm"
    assert w.core.state.posture.scoped["S/SYN"].name == "KILLED"


@pytest.mark.parametrize("scope", ["", "S/SYN", "A/PAPER", "P/P2"])
def test_what_a_kill_would_have_ended_is_not_admitted_after_it_but_after_the_rearm(scope: str) -> None:
    w = world()
    w.step(
        StopScope(source="cli", reason="odd", scope=scope) if scope else ev.Kill(source="cli", reason="odd")
    )

    said = w.parent(pid="P2")
    assert not said["ok"]
    assert "is killed (cli: odd): submit it after the rearm" in said["error"]
    assert not [e for e in w.wait(1.0) if isinstance(e, SendOrder)]
    assert rearm(w)["ok"]
    assert w.parent(pid="P2")["ok"]


def test_parents_are_admitted_while_a_strategy_alone_is_killed_or_the_gate_is_halted() -> None:
    w = world()
    w.step(StopScope(source="cli", scope="T/twap"))
    w.step(StopScope(source="cli", halt=True))

    assert w.parent(pid="P2")["ok"], "another strategy may work it, and a halt ends no parent"


def test_a_halt_leaves_what_works_and_lets_nothing_new() -> None:
    w = world()
    w.working()

    effects = w.step(StopScope(request_id=1, source="cli", reason="lunch", halt=True))

    assert not [e for e in effects if isinstance(e, SendCancel | SendMassCancel)]
    assert w.core.posture.name == "HALTED"
    assert "R70H" in w.intent(100, BID).controls
    assert rearm(w)["lifted"] == ["R70H"]


def test_an_operator_kills_and_halts_with_one_key_and_nothing_more() -> None:
    w = world()

    assert sign(w, "olga", co.KillOrder(scope="S/SYN", reason="odd"))["ok"]
    assert sign(w, "olga", co.KillOrder(reason="odd"))["ok"]
    assert w.core.posture.name == "KILLED"
    assert "role" in sign(w, "olga", co.RearmAsk(reason="looked into it"))["error"]
    assert "role" in sign(w, "olga", co.LimitsApply(limits="{}", reason="looked into it"))["error"]


# --- R73 ----------------------------------------------------------------------------------------


def test_tightening_holds_at_once_with_one_key() -> None:
    w = world()
    assert w.intent(200, BID).qty == 200

    answer = sign(
        w, "alice", co.LimitsApply(limits=version(LIMITS, order={"qty_max": 100}), reason="a calm day")
    )

    assert answer["applied"]
    assert answer["changes"] == [{"key": "order.qty_max", "old": 5_000, "new": 100, "looser": False}]
    assert "R03" in w.intent(101, BID - 100).controls
    assert w.intent(100, BID - 100).qty == 100


def test_loosening_needs_a_second_key() -> None:
    w = world(limits(order={"qty_max": 100}))
    law = w.core.state.risk.limits
    new = version(law, order={"qty_max": 200})

    asked = sign(w, "alice", co.LimitsApply(limits=new, reason="larger orders"))
    assert not asked["applied"]
    assert "R03" in w.intent(150, BID).controls
    w.wait(10.0)
    assert "another person" in sign(w, "alice", co.LimitsConfirm(digest=asked["digest"]))["error"]
    assert "role" in sign(w, "olga", co.LimitsConfirm(digest=asked["digest"]))["error"]
    answer = sign(w, "bob", co.LimitsConfirm(digest=asked["digest"]))

    assert answer["applied"]
    assert w.intent(150, BID).qty == 150


def test_one_key_that_loosens_in_a_file_loosens_nothing_of_it() -> None:
    w = world(limits(order={"qty_max": 100}))
    new = version(w.core.state.risk.limits, order={"qty_max": 200, "notional_max_ccy": 1})

    assert not sign(w, "alice", co.LimitsApply(limits=new, reason="larger orders"))["applied"]
    assert w.core.state.risk.limits.order.notional_max_ccy > 1


def test_the_ceiling_itself_passes_and_one_above_it_is_refused_whoever_signs() -> None:
    w = world()
    top = CEILING["order.qty_max"]

    above = sign(
        w, "alice", co.LimitsApply(limits=version(LIMITS, order={"qty_max": top + 1}), reason="more, more")
    )
    at = sign(w, "alice", co.LimitsApply(limits=version(LIMITS, order={"qty_max": top}), reason="more, more"))

    assert "ceiling" in above["error"]
    assert at["ok"]


def test_limits_that_changed_meanwhile_are_not_overwritten() -> None:
    w = world()
    looser = version(LIMITS, order={"qty_max": 6_000})
    asked = sign(w, "alice", co.LimitsApply(limits=looser, reason="larger orders"))
    sign(w, "bob", co.LimitsApply(limits=version(LIMITS, order={"qty_max": 10}), reason="a calm day"))
    w.wait(10.0)

    answer = sign(w, "bob", co.LimitsConfirm(digest=asked["digest"]))

    assert not answer["ok"]
    assert w.core.state.risk.limits.order.qty_max == 10


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "null",
        LIMITS.model_dump_json(),
        LIMITS.model_dump_json().replace('"qty_max":', '"qty_max_":'),
    ],
)
def test_limits_that_are_none_or_no_new_version_are_refused(text: str) -> None:
    w = world()
    before = w.core.state.risk.limits

    answer = sign(w, "alice", co.LimitsApply(limits=text, reason="a calm day"))

    assert not answer["ok"]
    assert "\n" not in answer["error"]
    assert w.core.state.risk.limits is before


def test_what_was_counted_stays_when_limits_change() -> None:
    w = world()
    chain = w.working(500)
    w.fill(chain, 200, BID)
    used = w.core.state.risk.memory.tally.messages.used

    sign(w, "alice", co.LimitsApply(limits=version(LIMITS, exposure={"long_max": 600}), reason="a calm day"))

    assert w.core.state.risk.memory.tally.messages.used >= used
    assert "R10" in w.intent(101, BID).controls  # 200 held, 300 working
    assert w.core.state.ledger.books["SYN"].position == 200


def test_a_lease_is_renewed_by_whoever_may_operate() -> None:
    w = world()
    w.wait(5.0)

    assert sign(w, "olga", co.LeaseRenew())["ok"]
    assert w.core.state.risk.memory.lease.person == "olga"
    assert next(NONCES) > 0


# --- who may decide -----------------------------------------------------------------------------


def test_an_artefact_or_policy_that_the_limits_do_not_list_is_not_admitted() -> None:
    w = World(limits(allowed={"artefacts": ("a" * 64,), "policies": ("vwap",)}))

    frozen = w.hello(7, policy="rl", policy_sha256="b" * 64)
    named = w.hello(8, policy="twap")

    assert [e.reason[:3] for e in (*frozen, *named) if isinstance(e, DropTrader)] == ["R51", "R50"]


def test_a_scope_is_latched_before_its_first_cancel_leaves() -> None:
    w = world()
    w.working()

    kinds = [type(e) for e in w.step(StopScope(source="cli", scope="S/SYN"))]

    assert kinds.count(LatchKill) == 1
    assert kinds.index(LatchKill) < kinds.index(SendCancel)
