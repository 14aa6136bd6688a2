"""`why` where several things keep a desk from trading at once, and `why --at` over restarts and days."""

import argparse
import itertools
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest

from daemon.gate import why
from daemon.gate.journal import JOURNAL_NAME, Input, encode
from daemon.journal import Journal
from daemon.people import why_command
from daemon.people.one_line import Refused
from market import events as ev
from market.desk_events import Condition, MachineMeasured, RestrictedListed
from market.people_events import StopScope
from market.types import ParentID
from risk import commands as co
from risk.limits import Limits
from tests.daemon.gate_harness import BID, INSTRUMENT, OPEN_NS, SECOND, SYN, World
from tests.daemon.people import sign
from tests.daemon.why_seeds import fresh

P, S = "P1", "SYN"
PROBED = "P/P1"  # found by an ordinary order that is put through every control: for a parent that is live
TRIPLES = 150
DAY_NS = 86_400 * SECOND


class Happening(NamedTuple):
    """What happens to a desk, and what keeps it from trading from then on."""

    happen: Callable[[World], Any]
    control: str
    scope: str


def step(event: ev.Event) -> Callable[[World], Any]:
    return lambda w: w.step(event)


def tighten(**sections: dict[str, Any]) -> Callable[[World], Any]:
    def happen(w: World) -> None:
        law = w.core.state.risk.limits
        tree = law.model_dump()
        for name, values in sections.items():
            tree[name].update(values)
        tighter = Limits.model_validate(tree | {"version": law.version + 1})
        answer = sign(
            w, "alice", co.LimitsApply(limits=tighter.model_dump_json(), reason="tighter by a test")
        )
        assert answer["ok"], answer

    return happen


def working(w: World) -> None:
    """Have an order of the parent that nobody has answered for too long."""
    if hasattr(order := w.intent(100, BID), "cl_ord_id"):
        w.wait(6.0)
        assert w.core.state.chains[order.cl_ord_id].leaves_qty


HAPPENINGS: dict[str, Happening] = {
    "kill": Happening(step(ev.Kill(source="cli")), "R70", "desk"),
    "kill of the parent": Happening(step(StopScope(source="cli", scope="P/P1")), "R70", "P/P1"),
    "kill of the strategy": Happening(step(StopScope(source="cli", scope="T/twap")), "R70", "T/twap"),
    "halt": Happening(step(StopScope(source="cli", halt=True)), "R70H", "desk"),
    "halt of the symbol": Happening(step(StopScope(source="cli", halt=True, scope="S/SYN")), "R70H", "S/SYN"),
    "order line": Happening(step(ev.SessionDown(session="order", reason="fell")), "R60", "desk"),
    "reference line": Happening(step(ev.SessionDown(session="reference")), "R06", "S/SYN"),
    "one side": Happening(
        step(ev.ReferencePrice(symbol=SYN, bid_e4=BID, ask_e4=0, last_e4=BID)), "R06", "S/SYN"
    ),
    "venue halt": Happening(step(ev.SecurityStatus(symbol=SYN, trading=False, text="LULD")), "R41", "S/SYN"),
    "trader gone": Happening(step(ev.TraderGone(epoch=7, reason="closed")), "TRADER", "S/SYN"),
    "paused": Happening(step(ev.PauseParent(request_id=1, parent_id=ParentID("P1"))), "PARENT", "P/P1"),
    "restricted": Happening(step(RestrictedListed(symbols=("SYN",), issued_ns=OPEN_NS)), "R42", PROBED),
    "far away": Happening(step(Condition(cause="R52", text="far away")), "R52", "desk"),
    "crash": Happening(step(Condition(cause="R76H", text="a crash", scope="S/SYN")), "R76H", "S/SYN"),
    "clock": Happening(step(MachineMeasured(clock_offset_us=10**6)), "R63", "desk"),
    "loop": Happening(step(MachineMeasured(loop_lag_ms=10**6)), "R64", "desk"),
    "disk": Happening(step(MachineMeasured(disk_free_mb=0)), "R66", "desk"),
    "unreadable": Happening(step(ev.EngineAlarm(text="unreadable 8")), "R62", "desk"),
    "order size": Happening(tighten(order={"qty_max": 0}), "R03", PROBED),
    "messages": Happening(tighten(day={"messages_max": 0}), "R21", PROBED),
    "position": Happening(tighten(exposure={"long_max": 0}), "R10", PROBED),
    "policies": Happening(tighten(allowed={"policies": ("vwap",)}), "R50", PROBED),
    "unanswered": Happening(working, "R61", PROBED),
}


FIRST = "unanswered"  # afterwards no order leaves that somebody could leave unanswered


def asked(w: World) -> list[why.Blocker]:
    return why.blockers(w.core.state, ev.Stamp(w.ts, w.now), P)


def judge(names: tuple[str, ...]) -> None:
    """Let it all happen: each is named, in its scope, and nothing is touched; no order leaves."""
    w = fresh()
    for name in names:
        HAPPENINGS[name].happen(w)
    before = w.core.state_hash()

    found = asked(w)

    assert w.core.state_hash() == before
    named = {(b.control, b.scope) for b in found}
    live = w.core.state.parents[ParentID(P)].live  # a kill ends it
    for name in names:
        wanted = HAPPENINGS[name]
        if name == "policies" and "trader gone" in names:
            continue  # nobody decides, so that nobody's policy is known
        if live or wanted.scope != PROBED:
            assert (wanted.control, wanted.scope) in named, (names, name, sorted(named))
    assert all(b.clears for b in found)
    worst = [b.value for b in found if b.limit == "ACTIVE"]
    rank = ["KILLED", "HALTED", "REDUCE_ONLY"]
    assert worst == sorted(worst, key=rank.index), worst
    if live and "trader gone" not in names:
        verdict = w.intent(1, BID)
        refused: set[Any] = {*getattr(verdict, "controls", ())}
        reason: Any = getattr(verdict, "reason", "")
        assert refused or reason, (names, verdict)
        assert refused <= {b.control for b in found} | {"R08", "R14", "R18", "R24"}, (names, refused)


@pytest.mark.parametrize("first", HAPPENINGS)
def test_of_two_things_in_any_order_both_are_named(first: str) -> None:
    for second in HAPPENINGS:
        if second not in (first, FIRST):
            judge((first, second))


def test_of_three_things_all_are_named() -> None:
    triples = [names for names in itertools.permutations(HAPPENINGS, 3) if FIRST not in names[1:]]
    for names in random.Random(4).sample(triples, TRIPLES):
        judge(names)


# --- at an instant ------------------------------------------------------------------------------


def at(folder: Path, w: World, text: str, what: str = P) -> list[tuple[str, str]]:
    """Ask the journal that a gate would have left of a world, as `steadyhand why WHAT --at TEXT` does."""
    if not (folder / JOURNAL_NAME).exists():
        journal = Journal.open(folder, JOURNAL_NAME)
        for stamp, event in w.log:
            journal._attend()
            journal.append(encode(Input(stamp, cast("Any", event))))
        journal.close()
    config = SimpleNamespace(instruments={SYN: INSTRUMENT}, gate=SimpleNamespace(state_dir=folder))
    answer = why_command.replayed(cast("Any", config), argparse.Namespace(at=text, what=what, config=folder))
    return [(b["control"], b["text"]) for b in answer["blockers"]]


def clock(w: World) -> str:
    """Return a world's instant as a person would write it."""
    return INSTRUMENT.clock(w.ts)[:8]


def restarted(w: World) -> None:
    """A gate after `kill -9`: market time is not known at first, nor is the order session up."""
    w.step(ev.GateStarted(**(w.start_fields | {"epoch": w.start_fields["epoch"] + 1})))
    w.hello(8)


def test_the_list_of_an_instant_is_that_instants_and_not_of_what_came_later(tmp_path: Path) -> None:
    w = fresh()
    w.wait(1.0)
    before = clock(w)
    w.wait(2.0)
    w.step(ev.PauseParent(request_id=1, parent_id=ParentID("P1")))
    w.wait(2.0)
    during = clock(w)
    w.wait(2.0)
    w.step(ev.ResumeParent(request_id=1, parent_id=ParentID("P1")))
    w.wait(2.0)

    assert at(tmp_path, w, before) == at(tmp_path, w, "end") == at(tmp_path, w, clock(w)) == []
    assert [c for c, _ in at(tmp_path, w, during)] == ["PARENT"]


def test_between_two_gates_nobody_ran_and_what_the_second_did_is_not_told_of_the_first(
    tmp_path: Path,
) -> None:
    w = fresh()
    w.wait(1.0)
    last = clock(w)
    w.now += 600 * SECOND
    ts, w.ts = w.ts, 0
    restarted(w)
    w.ts = ts + 601 * SECOND
    w.now += SECOND
    w.step(ev.SessionUp(session="reference"))
    w.wait(1.0)
    later = clock(w)

    assert at(tmp_path, w, last) == []
    between = INSTRUMENT.clock(ts + 300 * SECOND)[:8]
    assert at(tmp_path, w, between) == [("GATE", "no gate ran then: what follows is of its last word")]
    assert ("R60", "order session down") not in at(tmp_path, w, between)
    assert "R60" in [c for c, _ in at(tmp_path, w, later)]
    assert "R60" in [c for c, _ in at(tmp_path, w, "end")]


@pytest.mark.parametrize("lockstep", [False, True])
def test_the_end_is_the_last_of_the_market_and_not_the_shutdown_after_it(
    tmp_path: Path, lockstep: bool
) -> None:
    w = fresh(lockstep=lockstep)
    w.wait(1.0)
    w.step(ev.PauseParent(request_id=1, parent_id=ParentID("P1")))
    w.wait(1.0)
    if lockstep:
        w.step(ev.SessionDown(session="order", reason="the venue is gone"))
    w.step(ev.Shutdown())

    assert [c for c, _ in at(tmp_path, w, "end")] == ["PARENT"]
    words = ("the gate was shut down", "the venue was gone")
    assert why_command.last_word(tmp_path / JOURNAL_NAME)[1] == words[lockstep]


def test_a_kill_after_the_shutdown_is_of_the_end(tmp_path: Path) -> None:
    w = fresh()
    w.wait(1.0)
    w.step(ev.Shutdown())
    w.step(ev.Kill(source="cli"))

    assert [c for c, _ in at(tmp_path, w, "end")][:2] == ["R70", "STOPPING"]
    assert why_command.last_word(tmp_path / JOURNAL_NAME)[1] == ""


def test_a_clock_time_is_of_the_last_day_unless_another_is_named(tmp_path: Path) -> None:
    w = fresh()
    w.step(StopScope(source="cli", halt=True))
    w.wait(5.0)
    first = clock(w)
    day = datetime.fromtimestamp(w.ts / SECOND, UTC).date().isoformat()
    w.now, w.ts = w.now + DAY_NS, w.ts + DAY_NS
    w.step(ev.Kill(source="cli"))
    w.wait(60.0)

    assert "R70" not in [c for c, _ in at(tmp_path, w, f"{day}T{first}", "SYN")]
    assert "R70H" in [c for c, _ in at(tmp_path, w, f"{day}T{first}", "SYN")]
    assert "R70" in [c for c, _ in at(tmp_path, w, clock(w), "SYN")]


@pytest.mark.parametrize("text", ["25:00", "10:00+02:00", "2024-01-02", "2024-13-01T10:00", "noon"])
def test_what_is_no_instant_is_one_line(tmp_path: Path, text: str) -> None:
    w = fresh()

    with pytest.raises(Refused, match="--at"):
        at(tmp_path, w, text)


def test_before_the_gate_began_there_is_nothing(tmp_path: Path) -> None:
    w = fresh()

    with pytest.raises(Refused, match="nothing up to"):
        at(tmp_path, w, "00:00:01")


def test_since_when_is_never_after_now(tmp_path: Path) -> None:
    """The host was started anew: its clock too."""
    since, held = why.Since(), why.Blocker("PARENT", "P/P1", "paused")

    assert since.observe([held], 10**12)[0].since_mono_ns == 10**12
    assert since.observe([held], 5)[0].since_mono_ns == 5
    assert since.observe([why.Blocker("R70", "desk", "kill", since_mono_ns=9)], 7)[0].since_mono_ns == 7
