"""What the gate does beside its loop: snapshots when they are due, a disk that is watched, its keys."""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from daemon.gate import snapshots
from daemon.gate.birthplace import KEY
from daemon.gate.birthplace import NAME as BIRTHPLACE
from daemon.gate.journal import INBOUND_NAME, JOURNAL_NAME
from daemon.gate.keeper import Keeper
from daemon.gate.keeping import Keeping
from daemon.people.keys import make_private
from daemon.runtime import EXIT_NOT_CLEAN
from daemon.segments.layout import FIRST
from daemon.segments.verifying import verify
from market.desk_events import Condition, MachineMeasured
from tests.daemon.gate_harness import World
from tests.daemon.test_gate_disk import section

MIB = 1_048_576
CAPS = World().core.state.risk.limits.machine


# --- snapshots ------------------------------------------------------------------------------------


class Child:
    """The process that makes a snapshot: it runs until the test lets it end."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.code: int | None = None

    def poll(self) -> int | None:
        return self.code


class Kept:
    """A keeper, with the journal's end, the archive and processes in the test's hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, at: int = FIRST) -> None:
        self.journal = SimpleNamespace(durable_offset=at)
        self.waiting, self.followed = 0, 0
        self.due: list[Callable[[], None]] = []
        self.children: list[Child] = []
        self.fails: OSError | None = None
        monkeypatch.setattr("daemon.gate.keeper.subprocess.Popen", self.popen)
        self.keeper = Keeper(cast("Any", self.journal), folder, 7, self.due.append, lambda: cast("Any", self))

    def __len__(self) -> int:
        return self.waiting

    def follow(self) -> None:
        self.followed += 1

    def popen(self, command: list[str], **_: Any) -> Child:
        if self.fails is not None:
            raise self.fails
        self.children.append(Child(command))
        return self.children[-1]

    def grow(self, to: int) -> int:
        """Let the journal grow, look twice, do what is due; return how many snapshots were begun so far."""
        self.journal.durable_offset = to
        self.keeper.look()
        self.keeper.look()
        while self.due:
            self.due.pop(0)()
        return len(self.children)


def test_a_snapshot_is_made_of_each_five_mebibytes_and_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = Kept(monkeypatch, tmp_path)

    assert kept.grow(FIRST + 5 * MIB - 1) == 0
    assert kept.grow(FIRST + 5 * MIB) == 1
    told = [str(tmp_path), str(FIRST + 5 * MIB), "7", str(os.getpid())]
    assert kept.children[0].command[-4:] == told
    assert kept.grow(FIRST + 20 * MIB) == 1  # the first is not done
    kept.children[0].code = 0
    assert kept.grow(FIRST + 20 * MIB) == 2
    assert kept.followed == 1
    kept.children[1].code = 0
    assert kept.grow(FIRST + 25 * MIB - 1) == 2
    assert kept.grow(FIRST + 25 * MIB) == 3


def test_what_waits_on_the_loop_is_not_asked_for_twice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = Kept(monkeypatch, tmp_path)
    kept.journal.durable_offset = FIRST + 5 * MIB
    kept.keeper.look()
    kept.journal.durable_offset = FIRST + 10 * MIB
    kept.keeper.look()

    assert len(kept.due) == 1


def test_a_start_counts_from_the_last_snapshot_that_lies_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    places = (FIRST + MIB, FIRST + 3 * MIB)
    for place in (*(f"{n:020}" for n in places), "half"):
        path = tmp_path / snapshots.FOLDER / f"{place}{snapshots.SUFFIX}"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    kept = Kept(monkeypatch, tmp_path, places[-1])

    assert kept.grow(FIRST + 8 * MIB - 1) == 0
    assert kept.grow(FIRST + 8 * MIB) == 1


def test_ended_orders_in_memory_ask_for_a_snapshot_where_the_journal_has_grown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = Kept(monkeypatch, tmp_path)
    kept.waiting = 2_000

    assert kept.grow(FIRST) == 0
    kept.waiting = 1_999
    assert kept.grow(FIRST + 1) == 0
    kept.waiting = 2_000
    assert kept.grow(FIRST + 1) == 1


def test_a_snapshot_that_fails_is_no_news_for_the_archive_and_the_next_one_is_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = Kept(monkeypatch, tmp_path)
    kept.grow(FIRST + 5 * MIB)
    kept.children[0].code = 1

    assert kept.grow(FIRST + 5 * MIB) == 1
    assert kept.followed == 0
    assert "the next start takes longer" in capsys.readouterr().out
    kept.fails = OSError(12, "Cannot allocate memory")
    assert kept.grow(FIRST + 10 * MIB) == 1
    assert "Cannot allocate memory" in capsys.readouterr().out
    kept.fails = None
    assert kept.grow(FIRST + 15 * MIB) == 2


# --- the disk -------------------------------------------------------------------------------------


class Watched:
    """A gate's keeping, begun, with a shell that notes what is posted."""

    def __init__(self, folder: Path, *, lockstep: bool = False, full: bool = False, **more: Any) -> None:
        self.core = World().core
        self.posted: list[Any] = []
        self.spare = self.closed = False
        self.entry = None
        self.waits: list[Any] = []
        self.synced = 0
        self.journal = SimpleNamespace(durable_offset=FIRST, sync=self.sync, on_full=None, full=full)
        self.inbound = SimpleNamespace(on_full=None, full=False)
        self.keeping = Keeping(section(folder, **more), "paper")
        self.lockstep = lockstep

    def begin(self) -> None:
        self.keeping.begin(
            cast("Any", self), (cast("Any", self.journal), cast("Any", self.inbound)), self.lockstep
        )

    def post(self, event: Any) -> None:
        self.posted.append(event)

    def wait_for_disk(self, later: Any) -> None:
        self.waits.append(later)

    def sync(self) -> None:
        self.synced += 1


def watch(gate: Watched, act: Callable[[], None]) -> None:
    """Begin, act, and let what was put off happen."""

    async def whole() -> None:
        gate.begin()
        act()
        await asyncio.sleep(0)

    asyncio.run(whole())


def test_little_space_is_told_when_it_becomes_little_and_when_it_is_so_no_longer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reduce_mb, halt_mb = CAPS.disk_reduce_mb, CAPS.disk_halt_mb
    gate = Watched(tmp_path)
    left: list[int] = []

    def statvfs(_: Path) -> Any:
        if not left:
            raise OSError(5, "Input/output error")
        byte_less = MIB - 1 if left[0] % 2 else 0  # than the next, or none more
        return SimpleNamespace(f_bavail=left[0] * MIB + byte_less, f_frsize=1)

    def act() -> None:
        monkeypatch.setattr("daemon.gate.keeping.os.statvfs", statvfs)
        for free_mb in (reduce_mb + 1, reduce_mb, reduce_mb - 1, halt_mb + 1, halt_mb, halt_mb - 1, None):
            left[:] = [] if free_mb is None else [free_mb]
            gate.keeping.look()
        left[:] = [reduce_mb + 1]
        gate.keeping.look()
        gate.keeping.look()

    watch(gate, act)

    assert gate.posted == [MachineMeasured(disk_free_mb=n) for n in (reduce_mb, halt_mb, reduce_mb + 1)]
    assert gate.waits == []


def test_every_look_looks_after_snapshots_too(tmp_path: Path) -> None:
    gate = Watched(tmp_path)
    looked: list[int] = []

    def act() -> None:
        assert gate.keeping._keeper is not None
        gate.keeping._keeper.look = lambda: looked.append(1)  # type: ignore[method-assign]
        gate.keeping.look()

    watch(gate, act)

    assert looked == [1]


def test_in_lockstep_the_machines_disk_does_not_count(tmp_path: Path) -> None:
    gate = Watched(tmp_path / "nowhere", lockstep=True)

    watch(gate, gate.keeping.look)

    assert gate.posted == []


def test_orders_that_wait_for_the_disk_begin_with_all_on_it(tmp_path: Path) -> None:
    gate = Watched(tmp_path, durability="disk")
    done: list[int] = []

    watch(gate, lambda: gate.waits[0](lambda: done.append(1)))

    assert gate.synced == 1
    assert done == [1]
    gate.waits[0](lambda: done.append(2))  # the loop has ended: nobody minds
    assert done == [1]


def test_a_full_disk_halts_at_once_spares_the_rest_and_says_when_there_is_room(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = Watched(tmp_path, full=True)

    def act() -> None:
        assert not gate.spare  # said on the loop, not on the journal's thread

    watch(gate, act)

    assert gate.spare
    assert [event.cause for event in gate.posted] == ["R66"]
    assert isinstance(gate.posted[0], Condition)
    assert "the disk is full" in gate.posted[0].text
    assert "reserved_bytes" in capsys.readouterr().out  # and in the log: how much is left for cancels
    gate.keeping._full(False)
    assert not gate.spare
    assert len(gate.posted) == 1
    assert "two people rearm" in capsys.readouterr().out
    gate.inbound.on_full(True)  # the other journal says so too; the loop has ended


def test_who_is_not_begun_yet_is_told_of_no_full_disk(tmp_path: Path) -> None:
    keeping = Keeping(section(tmp_path), "paper")

    keeping._tell_full(True)
    keeping._full(True)
    keeping.look()


@pytest.mark.parametrize("begun", [True, False])
def test_a_disk_that_fails_closes_the_gate_cancels_and_ends_it_once(
    begun: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = Watched(tmp_path)
    told: list[str] = []
    monkeypatch.setattr("daemon.gate.keeping.os._exit", lambda code: told.append(f"exit {code}"))
    monkeypatch.setattr("daemon.gate.keeping.time.sleep", lambda s: told.append(f"{s:g} s for the wire"))

    def words(shell: Watched, done: threading.Event) -> None:
        told.append("cancels")
        assert shell.closed
        done.set()

    monkeypatch.setattr("daemon.gate.keeping.last_words.say", words)

    async def whole() -> None:
        if begun:
            gate.begin()
        await asyncio.to_thread(gate.keeping.disk_failed, OSError(5, "Input/output error"))
        await asyncio.to_thread(gate.keeping.disk_failed, OSError(5, "Input/output error"))

    asyncio.run(whole())

    ended = [f"exit {EXIT_NOT_CLEAN}"]
    assert told == (["cancels", "0.1 s for the wire", *ended] if begun else ended)
    assert gate.closed is begun
    assert capsys.readouterr().err.count("journal: Input/output error; stopping at once") == 1


# --- what lies in the directory -------------------------------------------------------------------


def test_a_new_state_is_at_home_and_a_copy_of_it_is_not(tmp_path: Path) -> None:
    first = Keeping(section(tmp_path / "a"), "paper")
    (tmp_path / "a").mkdir()
    journal, inbound = first.open()
    assert first.displaced == ""
    assert (tmp_path / "a" / BIRTHPLACE).exists()
    journal.append(b"x")
    journal.close()
    inbound.close()

    again = Keeping(section(tmp_path / "a"), "paper")
    for opened in again.open():
        opened.close()
    assert again.displaced == ""
    other = Keeping(section(tmp_path / "a", account="OTHER"), "paper")
    for opened in other.open():
        opened.close()
    assert "account" in other.displaced


def test_a_state_whose_birthplace_cannot_be_written_begins_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("daemon.gate.keeping.birthplace.note", full)
    keeping = Keeping(section(tmp_path), "paper")

    for opened in keeping.open():
        opened.close()

    assert keeping.displaced == ""
    assert "No space left on device" in capsys.readouterr().out


def test_the_operators_key_signs_both_journals_and_none_is_made(tmp_path: Path) -> None:
    key = make_private(tmp_path / "mine.pem", paper=False)
    state = tmp_path / "state"
    state.mkdir()
    for opened in Keeping(section(state, journal_key=tmp_path / "mine.pem"), "live").open():
        opened.append(b"x")
        opened.close()

    assert not (state / KEY).exists()
    for name in (JOURNAL_NAME, INBOUND_NAME):
        assert verify(state / name, (key.key_id,)).clean


@pytest.mark.parametrize("mode", ["paper", "live"])
def test_a_key_that_is_made_for_paper_says_so(mode: str, tmp_path: Path) -> None:
    keeping = Keeping(section(tmp_path), mode)
    for opened in keeping.open():
        opened.close()

    assert keeping._key(tmp_path).paper is (mode == "paper")
