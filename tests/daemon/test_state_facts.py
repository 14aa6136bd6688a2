"""The gate's state: what a start puts into it, what it tells, its hash, and the process that keeps it."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.gate import snapshot_process, snapshots
from daemon.gate.effects import Note
from daemon.gate.journal import INBOUND_NAME, JOURNAL_NAME, NOT_INBOUND, Replayed
from daemon.gate.state import BREAKS_KEPT, GateState, base36
from daemon.runtime import EXIT_NOT_CLEAN, EXIT_USAGE
from market import updates as up
from market.types import ClOrdID, ExecType, OrdStatus, ParentID, ParentStatus
from tests.daemon.gate_harness import BID, OPEN_NS, SECOND, SYN, World, limits, told

MS = 1_000_000


def test_everything_is_there_before_the_first_event() -> None:
    assert vars(GateState()).keys() == vars(World().core.state).keys()


def test_a_start_takes_the_times_it_is_told() -> None:
    w = World(
        limits(fills={"window_ms": 7_000}),
        reconcile_wait_ms=1_500,
        positions_asked="asked",
        positions_wait_ms=2_500,
        retire_after_ms=3_500,
        external_orders="halt",
    )
    g = w.core.state

    assert g.reconcile_wait_ns == 1_500 * MS
    assert (g.positions.wanted, g.positions.wait_ns) == ("asked", 2_500 * MS)
    assert g.retire_after_ns == 3_500 * MS
    assert g.external_orders == "halt"
    assert g.memory is not None
    assert g.memory.tally.velocity.window_ns == 7_000 * MS
    assert g.risk.rates.start_mono_ns == w.now
    assert World().core.state.retire_after_ns is None
    assert World(retire_after_ms=0).core.state.retire_after_ns == 0


def test_names_of_orders_and_requests_rise_and_hold_the_epoch() -> None:
    g = World(epoch=37).core.state

    assert [g.next_cl_ord_id() for _ in range(2)] == ["SH11-1", "SH11-2"]
    assert [g.next_request_id("H") for _ in range(2)] == ["SHH11-1", "SHH11-2"]
    assert [base36(n) for n in (0, 1, 9, 10, 35, 36, 36**2 + 35)] == ["0", "1", "9", "A", "Z", "10", "10Z"]


def test_what_nobody_asked_for_is_told_as_of_no_decision() -> None:
    w = World()
    w.open()
    w.parent()
    chain = w.working(100)
    (update,) = told(w.fill(chain, 40, BID), up.OrderUpdate)

    assert (update.epoch, update.n, update.ts_ns, update.order.cum_qty) == (0, 0, w.ts, 40)
    (sent, *_) = told(w.sent, up.OrderUpdate)
    assert (sent.epoch, sent.n) == (7, 1)


def test_a_break_is_noted_once_and_the_first_hundred_are_kept() -> None:
    g = World().core.state
    for n in range(BREAKS_KEPT + 5):
        g.break_(f"break {n}", 1)
        g.break_(f"break {n}", 2)

    assert len(g.breaks) == BREAKS_KEPT
    assert g.breaks[0] == "break 0"
    notes = [e for e in g.effects if isinstance(e, Note) and e.event == "break"]
    assert [note.fields["text"] for note in notes][:BREAKS_KEPT] == g.breaks
    assert {note.level for note in notes} == {"error"}
    assert "R62" in g.posture.latched


def test_it_wakes_at_the_earliest_start_or_end_of_a_parent_and_not_at_all_without_one() -> None:
    w = World()
    w.open()
    g = w.core.state
    assert g.next_parent_ns == 0
    w.parent(end_ns=OPEN_NS + 300 * SECOND)
    assert g.next_parent_ns == OPEN_NS + 300 * SECOND
    w.parent(pid="P2", start_ns=OPEN_NS + 60 * SECOND)
    assert g.next_parent_ns == OPEN_NS + 60 * SECOND
    w.parent(pid="P3", end_ns=OPEN_NS + 30 * SECOND)
    assert g.next_parent_ns == OPEN_NS + 30 * SECOND
    g.parents[ParentID("P3")].update(status=ParentStatus.CANCELING)
    g.refresh_wakeups()
    assert g.next_parent_ns == OPEN_NS + 60 * SECOND
    g.live_parents.clear()
    g.refresh_wakeups()

    assert g.next_parent_ns == 0


def test_an_order_that_is_not_ours_is_no_own_order() -> None:
    w = World()
    w.open()
    w.parent()
    first, _ = w.working(100), w.working(50)
    g = w.core.state
    assert g.own_orders == 2
    g.external = {ClOrdID(first): None, ClOrdID("GONE"): None}

    assert g.own_orders == 1


# --- its hash -------------------------------------------------------------------------------------


def busy() -> World:
    w = World(positions=(("PAPER", SYN, 500),))
    w.open()
    w.parent()
    w.fill(w.working(100), 40, BID)
    gone = w.working(70)
    w.report(gone, ExecType.CANCELED, OrdStatus.CANCELED)
    return w


def test_a_journals_hashes_are_of_32_digits_and_the_same_after_the_same() -> None:
    one, two = busy().core.state, busy().core.state

    assert len(one.digest()) == len(one.digest(whole=False)) == 32
    assert (one.digest(), one.digest(whole=False)) == (two.digest(), two.digest(whole=False))
    assert one.digest() != one.digest(whole=False)


def more(value: Any) -> Any:
    """Return a value of the same kind that is another."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, dict):
        return value | {"x": 1}
    if isinstance(value, set):
        return value | {99}
    if isinstance(value, list):
        return [*value, "x"]
    return None


# Not of this hash: what a step wanted, what is made anew, what the whole hash knows or has a test of its own.
NOT_HASHED = {
    "started", "mode", "reconcile_wait_ns", "anchor", "next_parent_ns", "instruments", "archive", "chain_of",
    "names", "live_parents", "external_orders", "executions", "overdue", "told_posture", "carried_changes",
    "settled_changes", "kill_done", "overlay", "memory", "effects", "touched", "ledger", "references",
    "posture", "positions", "strategies", "dont_known", "oms", "drop_copy", "chains", "parents",
    "ended_parents",
}  # fmt: skip


def test_a_fact_that_changes_changes_the_hash_of_what_lives() -> None:
    for name in vars(GateState()).keys() - NOT_HASHED:
        g = busy().core.state
        before = g.digest(whole=False)
        value = getattr(g, name)
        if isinstance(value, msgspec.Struct) and not isinstance(more(value), int):
            field = next(f for f in value.__struct_fields__ if more(getattr(value, f)) is not None)
            setattr(value, field, more(getattr(value, field)))
        else:
            setattr(g, name, more(value) if value is not None else 5)

        assert g.digest(whole=False) != before, name


@pytest.mark.parametrize("name", ["ended", "ended_parents", "names", "strategies", "dont_known"])
def test_what_the_whole_hash_knows_beside(name: str) -> None:
    g = busy().core.state
    whole = g.digest()
    setattr(g, name, getattr(g, name) | {"x": 1})

    assert g.digest() != whole


@pytest.mark.parametrize(
    "field", ["sod_qty", "sod_mark_e4", "exec_qty", "paid_e4", "realised_e4", "fees_micros"]
)
def test_every_sum_of_a_book_is_in_the_hash(field: str) -> None:
    g = busy().core.state
    before = g.digest(whole=False)
    book = g.ledger.books[SYN]
    setattr(book, field, getattr(book, field) + 1)

    assert g.digest(whole=False) != before


@pytest.mark.parametrize("field", ["refused", "ended_ts_ns", "strategy", "costly", "ceiling_qty"])
def test_every_word_of_a_parent_is_in_the_hash(field: str) -> None:
    g = busy().core.state
    before = g.digest(whole=False)
    parent = g.parents[ParentID("P1")]
    setattr(parent, field, more(getattr(parent, field)))

    assert g.digest(whole=False) != before


# --- snapshots ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "damaged"),
        (snapshots.HEAD.pack(snapshots.MAGIC, snapshots.VERSION, b"0" * 32) + b"body", "damaged"),
        (snapshots.HEAD.pack(snapshots.MAGIC, snapshots.VERSION + 1, b"0" * 32) + b"body", "another version"),
        (snapshots.HEAD.pack(b"ANOTHER\n", snapshots.VERSION + 1, b"0" * 32) + b"body", "damaged"),
        (snapshots.HEAD.pack(b"ANOTHER\n", snapshots.VERSION, b"0" * 32) + b"body", "damaged"),
    ],
)
def test_a_file_that_is_no_snapshot_says_whether_it_is_damaged_or_of_another_version(
    tmp_path: Path, raw: bytes, says: str
) -> None:
    path = tmp_path / "1.snapshot"
    path.write_bytes(raw)

    with pytest.raises(snapshots.SnapshotError, match=says):
        snapshots.read(path, tmp_path / "journal")
    assert snapshots.place_of(path, tmp_path / "journal") is None


def test_a_start_says_why_a_snapshot_was_passed_over(tmp_path: Path) -> None:
    folder, said = tmp_path / snapshots.FOLDER, list[str]()
    folder.mkdir()
    for name in ("1", "2", "3"):
        (folder / f"{name}{snapshots.SUFFIX}").touch()
    (folder / "4.half").touch()

    assert snapshots.newest(tmp_path, tmp_path / JOURNAL_NAME, said.append) is None
    assert said == [f"{folder / name}.snapshot: damaged" for name in ("3", "2", "1")]


def test_a_snapshot_is_no_larger_than_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "1.snapshot"
    path.write_bytes(b"x" * 11)
    monkeypatch.setattr(snapshots, "SNAPSHOT_BYTES_MAX", 11)
    with pytest.raises(snapshots.SnapshotError, match="damaged"):
        snapshots.read(path, path)
    monkeypatch.setattr(snapshots, "SNAPSHOT_BYTES_MAX", 10)
    with pytest.raises(snapshots.SnapshotError, match="larger than 10"):
        snapshots.read(path, path)


class Packing:
    """What `tidy` does with the segments, without any."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, places: list[Replayed | None]) -> None:
        self.done: list[tuple[Any, ...]] = []
        monkeypatch.setattr(snapshots, "found", lambda _: list(range(len(places))))
        monkeypatch.setattr(snapshots, "place_of", lambda n, _: places[n])
        for name in ("pack", "throw_away"):
            monkeypatch.setattr(
                snapshot_process, name, lambda *said, name=name: self.done.append((name, *said))
            )


def test_what_no_snapshot_that_is_kept_needs_is_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, inbound = tmp_path / JOURNAL_NAME, tmp_path / INBOUND_NAME
    last, older = Replayed(offset=90, inbound_offset=9), Replayed(offset=50, inbound_offset=5)
    oldest = Replayed(offset=10, inbound_offset=NOT_INBOUND)
    cases: tuple[tuple[list[Replayed | None], int, list[Any]], ...] = (
        ([last], 7, []),
        ([None, last], 7, []),
        ([last, older], 0, [("pack", journal, 50), ("pack", inbound, 5)]),
        ([last, None, older], 0, [("pack", journal, 50), ("pack", inbound, 5)]),
        ([last, older, oldest], 0, [("pack", journal, 10)]),
        (
            [last, oldest], 7,
            [("pack", journal, 10), ("throw_away", journal, 7_000_000), ("throw_away", inbound, 7_000_000)],
        ),
    )  # fmt: skip
    for places, keep_mb, done in cases:
        packing = Packing(monkeypatch, places)
        snapshot_process.tidy(tmp_path, keep_mb)
        assert packing.done == done


@pytest.mark.parametrize(
    "words", ["", "d", "d 1", "d 1 1", "d 1 1 x", "d 1 x 1", "d x 1 1", "d -1 1 1", "d 1 1 1 1"]
)
def test_a_process_without_its_four_words_says_how_it_is_called(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert snapshot_process.main(words.split()) == EXIT_USAGE
    assert capsys.readouterr().err == "steadyhand gate: snapshot: usage: STATE_DIR OFFSET KEEP_MB GATE\n"


class Kernel:
    """What the process asks of the machine."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, ...]] = []

    def prctl(self, *words: int) -> None:
        self.asked.append(tuple(map(int, words)))


def test_the_process_dies_with_the_gate_waits_for_everybody_and_says_why_it_made_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel, nice = Kernel(), list[int]()
    monkeypatch.setattr("daemon.gate.snapshot_process.ctypes.CDLL", lambda _: kernel)
    monkeypatch.setattr("daemon.gate.snapshot_process.os.nice", nice.append)
    monkeypatch.setattr("daemon.gate.snapshot_process.gc.disable", lambda: None)

    assert snapshot_process.main([str(tmp_path), "5", "0", str(os.getppid())]) == EXIT_NOT_CLEAN

    assert kernel.asked == [(1, 9)], "PR_SET_PDEATHSIG, SIGKILL"
    assert nice == [19]
    said = capsys.readouterr().err
    assert said.startswith(f"steadyhand gate: snapshot: {tmp_path}")
    assert said.count("\n") == 1


def test_a_process_whose_gate_has_ended_meanwhile_touches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("daemon.gate.snapshot_process.ctypes.CDLL", lambda _: Kernel())
    monkeypatch.setattr("daemon.gate.snapshot_process.make", lambda *_: pytest.fail("it made one"))

    assert snapshot_process.main([str(tmp_path), "5", "0", str(os.getpid())]) == EXIT_NOT_CLEAN
    assert capsys.readouterr().err == ""
