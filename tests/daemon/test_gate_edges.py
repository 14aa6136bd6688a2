"""Edges of the gate that no story reaches: the last order of many, sums that differ twice, doors shut."""

import gc
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from daemon.gate import at_send, last_words, retiring
from daemon.gate.archive import ArchiveError
from daemon.gate.core import GateCore
from daemon.gate.drop_copy_state import DropCopy, Said
from daemon.gate.journal import JOURNAL_NAME, Input, Output, Sent, encode
from daemon.gate.line_faults import password
from daemon.gate.parents import free_id
from daemon.gate.recovery import holding, loosened, next_epoch, recover
from daemon.gate.traders import EPOCHS_MAX, TRADERS_MAX, hello_fault
from daemon.journal import Journal
from daemon.segments.layout import JournalError
from daemon.strict_toml import ConfigError
from market import events as ev
from market.oms_events import OmsSession
from market.types import ClOrdID, ExecID, ExecType, OrdStatus, ParentID, ParentStatus, Side, Symbol
from tests.daemon.gate_harness import BID, SYN, World, limits
from tests.daemon.test_gate_drop_copy import copy, opened
from tests.daemon.test_snapshots import written


class Entry:
    """An order entry that counts what is cancelled."""

    def __init__(self) -> None:
        self.mass: list[str] = []
        self.single: list[tuple[str, str]] = []

    def mass_cancel(self, request: Any, _: int) -> None:
        self.mass.append(request.cl_ord_id)

    def cancel(self, order: Any, _: int) -> None:
        self.single.append((order.cl_ord_id, order.orig_cl_ord_id))


@pytest.mark.parametrize(("orders", "canceled"), [(1, 1), (1_000, 1_000), (1_001, 1_000)])
def test_the_last_words_cancel_all_at_once_and_a_thousand_one_by_one(orders: int, canceled: int) -> None:
    terms = SimpleNamespace(account="PAPER", symbol="SYN", side=Side.BUY)
    chains = [
        SimpleNamespace(terms=terms, cl_ord_id=f"SH1-{n}", order_id="", order_qty=1) for n in range(orders)
    ]
    state = SimpleNamespace(session=SimpleNamespace(up=True), epoch=36, live_chains=lambda: iter(chains))
    entry = Entry()
    clock = SimpleNamespace(stamp=lambda: ev.Stamp(1, 1))
    shell = SimpleNamespace(entry=entry, core=SimpleNamespace(state=state), clock=clock)

    last_words.cancel_all(cast("Any", shell))

    assert entry.mass == ["SH10-X0"]  # of a kind that no journal gives, and of this epoch
    assert len(entry.single) == canceled
    assert entry.single[0] == ("SH10-X1", "SH1-0")
    state.session.up = False
    last_words.cancel_all(cast("Any", shell))
    assert len(entry.mass) == 1


@pytest.mark.parametrize(("length", "taken"), [(1, True), (128, True), (129, False), (0, False)])
def test_a_password_has_one_to_so_many_characters(length: int, taken: bool, tmp_path: Path) -> None:
    file = tmp_path / "word"
    file.write_text("x" * length + "\nsecond line\n")
    file.chmod(0o600)

    if taken:
        assert password(file) == "x" * length
    else:
        with pytest.raises(ConfigError, match="its first line is no password of 1 to 128"):
            password(file)
    assert password(None) == ""


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_password_that_others_may_touch_is_none(mode: int, tmp_path: Path) -> None:
    file = tmp_path / "word"
    file.write_text("secret\n")
    file.chmod(mode)

    with pytest.raises(ConfigError, match="chmod 600"):
        password(file)


def test_the_sums_of_the_drop_copy_may_differ_for_two_seconds_each_time_anew() -> None:
    w = opened()
    chain = w.working()
    w.fill(chain, 40, BID, exec_id="E-A")
    copy(w, "E-A", f"O-{chain}")
    book = w.core.state.ledger.book(SYN)
    for differs in (1, -1, 1):  # for a while, not any more, and again
        book.exec_qty += differs
        w.wait(1.5)

    assert not w.core.state.breaks
    w.wait(1.9)
    assert not w.core.state.breaks
    w.wait(0.1)
    assert len(w.core.state.breaks) == 1


def test_what_a_break_has_named_is_counted_as_we_booked_it() -> None:
    for kind, side, shares in (
        (ExecType.TRADE, Side.BUY, 7),
        (ExecType.TRADE, Side.SELL, -7),
        (ExecType.TRADE_CANCEL, Side.BUY, -7),
        (ExecType.TRADE_CANCEL, Side.SELL, 7),
    ):
        known = DropCopy()
        said = Said(kind, "O-1", "SH1-1", SYN, side, 7, BID, 0)  # type: ignore[arg-type]

        known.named(ExecID("E-A"), said, booked=True)
        assert known.net == {SYN: shares}
        known.named(ExecID("E-A"), said, booked=False)  # it is not ours to count
        assert known.net == {SYN: 0}


def test_what_stays_in_memory_and_what_is_archived_are_told_together_the_latest_alone() -> None:
    w = World(limits(), retire_after_ms=0)
    w.open()
    w.parent()
    gone = []
    for _ in range(2):
        order = w.intent(100, BID)
        w.report(order.cl_ord_id, ExecType.REJECTED, OrdStatus.REJECTED, order_id="")
        gone.append(order.cl_ord_id)
        w.wait(0.1)
    held = w.working()

    def told(most: int) -> list[str]:
        return [chain.chain_id for chain in retiring.every_chain(w.core.state, most)]

    assert told(9) == [*gone, held]
    assert told(3) == [*gone, held]
    assert told(2) == [gone[1], held]
    assert told(1) == [held]
    assert told(0) == [held]


# --- an order that waited -------------------------------------------------------------------------


def waiting() -> tuple[World, ev.SendDue]:
    """Return a world with an order that waits for the disk."""
    w = World()
    w.open()
    w.parent()
    order = w.intent(100, BID)
    return w, ev.SendDue(cl_ord_id=order.cl_ord_id, posture=0, decided_mono_ns=w.now)


def unfit(w: World, event: ev.SendDue) -> str:
    g = w.core.state
    return at_send.unfit(g, ev.Stamp(w.ts, w.now), g.chains[event.cl_ord_id], event)


def test_an_order_that_nothing_speaks_against_leaves() -> None:
    assert unfit(*waiting()) == ""


@pytest.mark.parametrize("status", [s for s in ParentStatus if s is not ParentStatus.WORKING])
def test_no_order_leaves_for_a_parent_that_is_not_worked(status: ParentStatus) -> None:
    w, event = waiting()
    w.ask_parent().update(status=status)

    assert unfit(w, event) == "its parent is not worked any more"


def test_no_order_leaves_for_no_parent_for_too_much_of_one_or_without_a_list() -> None:
    w, event = waiting()
    parent = w.ask_parent()
    parent.update(committed_qty=parent.progress.qty)
    assert unfit(w, event) == ""
    parent.update(committed_qty=parent.progress.qty + 1)
    assert unfit(w, event) == "R14 its parent was made smaller"
    del w.core.state.parents[ParentID("P1")]
    assert unfit(w, event) == "its parent is not worked any more"

    w, event = waiting()
    w.core.state.risk.memory.restricted = None
    assert unfit(w, event) == "R42 restricted"


def test_no_order_leaves_that_is_not_waiting() -> None:
    w, event = waiting()
    w.core.state.chains[ClOrdID(event.cl_ord_id)].status = OrdStatus.NEW

    assert unfit(w, event) == "it was cancelled while it waited for the disk"


# --- a start ---------------------------------------------------------------------------------------


def test_a_restart_loosens_no_limit_and_a_first_start_takes_any(tmp_path: Path) -> None:
    file = tmp_path / "limits.toml"
    file.write_text("[order]\nqty_max = 9\n")
    law = limits(order={"qty_max": 5_001}, rates={"orders_per_second": 1})

    assert loosened(GateCore(), law, file) == ""
    told = loosened(World().core, law, file)

    assert told.startswith(f"{file}:2:order.qty_max: loosened from 5000 to 5001 by hand")
    assert "rates" not in told
    assert loosened(World().core, limits(order={"qty_max": 4_999}), file) == ""


def test_a_start_after_limits_were_tightened_judges_by_them_whatever_older_file_it_finds(
    tmp_path: Path,
) -> None:
    file = tmp_path / "limits.toml"
    file.write_text("version = 1\n[order]\nqty_max = 9\n")
    tightened = limits(order={"qty_max": 50}).model_copy(update={"version": 2})
    core = World(tightened).core

    assert holding(core, limits(), file) == tightened
    for version in (2, 3):
        by_hand = limits().model_copy(update={"version": version})
        with pytest.raises(ConfigError, match=r"order\.qty_max: loosened from 50 to 5000 by hand"):
            holding(core, by_hand, file)
    tighter = limits(order={"qty_max": 9})
    assert holding(core, tighter, file) == tighter
    assert holding(GateCore(), limits(), file) == limits()


@pytest.mark.parametrize("collects", [True, False])
def test_a_recovery_leaves_the_collector_of_garbage_as_it_was(collects: bool, tmp_path: Path) -> None:
    was = gc.isenabled()
    written(tmp_path, waiting()[0])
    try:
        gc.enable() if collects else gc.disable()
        found = recover(tmp_path, GateCore())
        assert gc.isenabled() is collects
    finally:
        gc.enable() if was else gc.disable()
    assert found.differences == []


def test_a_recovery_that_would_decide_otherwise_says_how_and_begins_nothing(tmp_path: Path) -> None:
    w = waiting()[0]
    for _ in range(5):
        w.intent(100, BID)
    journal = Journal.open(tmp_path, JOURNAL_NAME)
    for stamp, event in w.log:
        other = Output((Sent("D", "SH1-77", "", "SYN", "1", 1, 1),))
        journal.append(encode(Input(stamp, cast("Any", event))), encode(other))
    journal.close()

    with pytest.raises(JournalError) as told:
        recover(tmp_path, GateCore())

    text = str(told.value)
    assert "decisions differ from the journal" in text
    assert text.count(" was journaled") == 3
    assert "finish the day with that one" in text


def test_an_archive_that_cannot_be_written_leaves_ended_orders_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        raise ArchiveError("no room")

    monkeypatch.setattr("daemon.gate.recovery.ready", full)
    w = waiting()[0]
    written(tmp_path, w)
    core = GateCore()

    recover(tmp_path, core)

    assert core.state_hash() == w.core.state_hash()
    assert "no room" in capsys.readouterr().out


def test_an_epoch_is_above_all_before_and_counts_where_time_is_announced() -> None:
    assert next_epoch(4, lockstep=True) == 5
    assert next_epoch(10**12, lockstep=False) == 10**12 + 1
    assert next_epoch(4, lockstep=False) > 1_700_000_000


def test_after_a_restart_no_oms_is_there_until_it_logs_on_again() -> None:
    w = World()
    w.open()
    w.step(OmsSession(client="OMS", up=True))

    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))

    known = w.core.state.oms.clients["OMS"]
    assert (known.up, known.reason) == (False, "the gate was started")


# --- who may come ---------------------------------------------------------------------------------


def hello(**more: Any) -> ev.TraderHello:
    fields: dict[str, Any] = {
        "protocol": ev.LINK_PROTOCOL, "epoch": 50, "symbols": (SYN,), "policy": "twap", "policy_sha256": "",
        "state_spec_sha256": "", "action_table_sha256": "",
    }  # fmt: skip
    return ev.TraderHello(**(fields | more))


def test_epochs_and_traders_are_bounded() -> None:
    w = World()
    w.open(trader=None)
    g = w.core.state
    g.epochs_seen = set(range(1_000, 1_000 + EPOCHS_MAX - 1))
    assert hello_fault(g, hello()) == ""
    g.epochs_seen.add(1)
    assert "an epoch that was used before: 50" in hello_fault(g, hello())

    g.epochs_seen = set()
    g.traders = {n: SimpleNamespace(hello=hello(symbols=(Symbol(f"S{n}"),))) for n in range(TRADERS_MAX - 1)}  # type: ignore[misc]
    assert hello_fault(g, hello()) == ""
    g.traders[99] = SimpleNamespace(hello=hello(symbols=(Symbol("S99"),)))  # type: ignore[assignment]
    assert "another trader works" in hello_fault(g, hello())
    assert (EPOCHS_MAX, TRADERS_MAX) == (10_000, 64)


def test_a_parent_without_a_name_takes_the_first_number_that_is_free() -> None:
    w = World()
    w.open()
    for pid in ("P1", "P3", "P4"):
        w.parent(pid=pid)

    assert free_id(w.core.state) == "P5"
    del w.core.state.parents[ParentID("P4")]
    assert free_id(w.core.state) == "P4"
