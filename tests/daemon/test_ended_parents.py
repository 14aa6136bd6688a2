"""Parents that have ended leave the state, and are found by whoever speaks of them later."""

from pathlib import Path
from typing import Any

import pytest

from daemon.gate import ended_parents, snapshot_process, why
from daemon.gate.archive_store import ArchiveStore
from daemon.gate.core import GateCore
from daemon.gate.effects import Reply
from daemon.gate.recovery import recover
from market import events as ev
from market.types import ExecType, OrdStatus, ParentID, ParentStatus
from tests.daemon.gate_harness import BID, SECOND, World
from tests.daemon.oms_world import END, OmsWorld, brief
from tests.daemon.test_retiring import LOOSE, places
from tests.daemon.test_snapshots import written

KEPT_MAX = 2


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ended_parents, "KEPT_MAX", KEPT_MAX)


def filled(w: World, pid: str) -> str:
    """Return the chain of a parent that was filled by it; its end is behind it."""
    assert w.parent(pid=pid, qty=100)["ok"]
    chain = w.working(100, pid=pid)
    w.fill(chain, 100, BID, exec_id=f"E-{pid}")
    w.wait(0.1)
    return chain


def world(number: int = 6, **more: Any) -> tuple[World, list[str]]:
    w = World(LOOSE, **({"retire_after_ms": 0} | more))
    w.open()
    return w, [filled(w, f"A{n}") for n in range(number)]


def ids(status: dict[str, Any]) -> list[str]:
    return [p["parent_id"] for p in status["parents"]]


def test_the_latest_stay_and_status_finds_all_of_them() -> None:
    w, _ = world()
    g, stamp = w.core.state, ev.Stamp(w.ts, w.now)

    assert list(g.parents) == ["A4", "A5"]
    assert g.archived.parents == 4
    assert ids(w.core.status(stamp, "held")) == ["A4", "A5"]
    everyone = w.core.status(stamp)
    assert ids(everyone) == [f"A{n}" for n in range(6)]
    assert {(p["status"], p["cum_qty"], p["ended"]) for p in everyone["parents"]} == {("filled", 100, True)}
    assert [p.order.parent_id for p in ended_parents.every_parent(g, 3)] == ["A3", "A4", "A5"]


def test_in_lockstep_none_leaves() -> None:
    w, _ = world(retire_after_ms=None)
    assert len(w.core.state.parents) == 6


def test_an_id_is_never_used_twice_and_a_free_one_is_free() -> None:
    w, _ = world()

    assert w.parent(pid="A0")["faults"] == ["R24 parent id A0 was used before"]
    assert w.parent(pid="", qty=100)["parent_id"] == "P7"
    assert w.parent(pid="P9", qty=100)["ok"]
    assert [w.parent(pid="", qty=100)["parent_id"] for _ in range(2)] == ["P10", "P11"]


def test_who_asks_after_one_or_would_change_it_is_told_that_it_has_ended() -> None:
    w, _ = world()
    before = w.core.state_hash()

    effects = w.step(ev.CancelParent(request_id=1, parent_id=ParentID("A0")))
    answers = [e.body for e in effects if isinstance(e, Reply)]
    told = why.answer(w.core.state, ev.Stamp(w.ts, w.now), "A0", "")

    assert answers == [{"ok": False, "error": "A0 has ended: filled"}]
    assert (told["ok"], told["subject"]) == (True, "parent A0")
    assert w.core.state_hash() == before, "who looks changes nothing"
    assert "no parent A9" in why.answer(w.core.state, ev.Stamp(w.ts, w.now), "A9", "")["error"]


def test_a_bust_finds_the_parent_books_it_there_and_it_goes_again() -> None:
    w, chains = world()
    more = {"exec_ref_id": "E-A0", "last_qty": 100, "last_price_e4": BID, "cum_qty": 0, "leaves_qty": 0}
    w.report(chains[0], ExecType.TRADE_CANCEL, OrdStatus.CANCELED, **more)

    found = ended_parents.look_up(w.core.state, ParentID("A0"))
    assert found is not None
    assert found.progress.status is ParentStatus.CANCELED
    assert found.progress.remainder_reason == "executions were busted after the end"
    assert found.progress.cum_qty == 0
    w.wait(0.1)
    assert "A0" in w.core.state.parents, "the latest that anybody spoke of stay"
    assert w.core.state.archived.parents == 4
    assert sorted(ids(w.core.status(ev.Stamp(w.ts, w.now)))) == [f"A{n}" for n in range(6)]


def test_one_for_which_an_order_still_works_stays() -> None:
    w, chains = world(0)[0], []
    assert w.parent(pid="B0", qty=100)["ok"]
    chains.append(w.working(100, pid="B0"))
    w.fill(chains[0], 100, BID, exec_id="E-B0")
    more = {"exec_ref_id": "E-B0", "last_qty": 100, "last_price_e4": BID, "cum_qty": 0, "leaves_qty": 100}
    w.report(chains[0], ExecType.TRADE_CANCEL, OrdStatus.NEW, **more)  # the bust lets it work again
    for n in range(5):
        filled(w, f"A{n}")

    assert "B0" in w.core.state.parents
    cancel = w.core.state.chains[chains[0]].cancel_id
    assert cancel is not None
    w.report(cancel, ExecType.CANCELED, OrdStatus.CANCELED, orig_cl_ord_id=chains[0], order_qty=100)
    for n in range(5, 9):
        filled(w, f"A{n}")
    assert "B0" not in w.core.state.parents


def test_an_oms_is_told_of_a_parent_that_has_left_as_of_any_other() -> None:
    w = OmsWorld(LOOSE, retire_after_ms=0)
    w.open()
    for n in range(4):
        w.new(f"O{n}", 100)
        w.fill(w.working(100, pid=f"P{n + 1}"), 100, BID)
        w.wait(0.1)
    assert "P1" not in w.core.state.parents

    assert brief(w.say(f"35=H|34=9|11=O0|55=SYN|54=1|60={END}")) == ["I/2 O0 100/0"]
    assert brief(w.new("O0", 100)) == ["I/2 O0 100/0"], "the same again gets the same answer"
    late = w.say(f"35=F|34=9|11=C0|41=O1|55=SYN|54=1|38=100|60={END}")
    assert brief(late) == ["9 102=0 39=2 C0"]


def test_a_replay_and_a_start_from_a_snapshot_find_the_same(tmp_path: Path) -> None:
    w, _ = world(6)
    half = len(w.log)
    for n in range(6, 12):
        filled(w, f"A{n}")
    path = written(tmp_path, w)
    snapshot_process.make(tmp_path, places(path)[half])
    started = GateCore()

    assert recover(tmp_path, started).differences == []

    assert started.state_hash() == w.core.state_hash()
    assert started.state.archive.stored > 0
    stamp = ev.Stamp(w.ts, w.now)
    assert ids(started.status(stamp)) == ids(w.core.status(stamp)) == [f"A{n}" for n in range(12)]
    store = ArchiveStore(tmp_path)
    latest = [name for name, _ in store.parents(started.state.archive.stored, 2)]
    assert len(latest) == 2
    assert latest == sorted(latest, reverse=True)
    store.close()


def test_ten_thousand_parents_are_no_end_of_a_journal() -> None:
    w = World(LOOSE, retire_after_ms=0)
    w.open(trader=None)
    for n in range(1_200):
        assert w.parent(pid=f"A{n}", qty=100, end_ns=w.ts + SECOND)["ok"]
        w.step(ev.CancelParent(request_id=1, parent_id=ParentID(f"A{n}")))
    w.wait(0.1)

    assert len(w.core.state.parents) <= KEPT_MAX + ended_parents.A_STEP_MAX
    assert w.core.state.archived.parents >= 1_194
    assert w.core.state.counters["parents"] == 1_200
