"""S15: a state directory that was copied, restored or put together from two starts HALTED, and only then."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from daemon import heartbeat
from daemon.gate import birthplace, engine
from daemon.gate.journal import INBOUND_NAME, JOURNAL_NAME
from daemon.gate.keeping import Keeping
from daemon.journal import Journal
from daemon.segments.layout import JournalError
from daemon.strict_toml import ConfigError
from risk.posture import Posture
from tests.daemon.gate_harness import World
from tests.daemon.gate_process import GateProcess


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    for name in (JOURNAL_NAME, INBOUND_NAME, birthplace.FIX):
        (folder / name).mkdir(parents=True)
    for name in birthplace.SIGNED:
        (folder / name).touch()
    (folder / birthplace.KEY).write_text("a key")
    birthplace.note(folder, "PAPER", "paper")
    return folder


def fault(state: Path, account: str = "PAPER", mode: str = "paper") -> str:
    return birthplace.fault(state, account, mode)


def test_what_is_new_or_at_home_or_moved_has_no_fault(state: Path, tmp_path: Path) -> None:
    assert fault(tmp_path / "nothing") == ""
    assert fault(state) == ""
    (state / JOURNAL_NAME / "00000001.seg").write_bytes(b"more")
    assert fault(state) == ""
    assert fault(state.rename(tmp_path / "elsewhere")) == ""


def copied(state: Path) -> None:
    older = Path(shutil.copytree(state, state.with_name("older")))
    shutil.rmtree(state)
    shutil.copytree(older, state)


def replaced(name: str) -> Callable[[Path], object]:
    def act(state: Path) -> None:
        (state / name).rename(state / "away")
        (state / name).mkdir()

    return act


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "a copy": (copied, f"the directory itself, {JOURNAL_NAME}, {INBOUND_NAME}, fix, {JOURNAL_NAME}/"),
    "another inbound log": (replaced(INBOUND_NAME), INBOUND_NAME),
    "no inbound log": (lambda s: shutil.rmtree(s / INBOUND_NAME), f"{INBOUND_NAME} (missing)"),
    "another fix folder": (replaced(birthplace.FIX), "fix"),
    "no fix folder": (lambda s: (s / birthplace.FIX).rmdir(), "fix (missing)"),
    "another key": (lambda s: (s / birthplace.KEY).write_text("another"), birthplace.KEY),
    "no checkpoints": (lambda s: (s / birthplace.SIGNED[0]).unlink(), f"{birthplace.SIGNED[0]} (missing)"),
    "no key": (lambda s: (s / birthplace.KEY).unlink(), birthplace.KEY),
    "no note": (lambda s: (s / birthplace.NAME).unlink(), f"{birthplace.NAME} is missing"),
    "a spoilt note": (lambda s: (s / birthplace.NAME).write_bytes(b"{"), "cannot be read"),
    "a note that is no text": (
        lambda s: (s / birthplace.NAME).write_bytes(
            (s / birthplace.NAME).read_bytes().replace(b"PA", b"\xff")
        ),
        "cannot be read",
    ),
    "a folder for a note": (
        lambda s: ((s / birthplace.NAME).unlink(), (s / birthplace.NAME).mkdir()),
        "cannot be read",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_not_as_it_was_begun_is_named(state: Path, what: str) -> None:
    act, words = WRONG[what]
    act(state)
    assert words in fault(state)


def test_another_account_mode_or_host_is_named(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fault(state, account="OTHER").endswith("account")
    assert fault(state, mode="live").endswith("mode")
    monkeypatch.setattr(birthplace, "MACHINE_ID", state / birthplace.KEY)
    assert fault(state).endswith("host")


def put_back(older: Path, state: Path) -> None:
    """Copy an older state over this one, file by file, as `cp -r` does: every inode stays."""
    for source in older.rglob("*"):
        if source.is_file():
            shutil.copyfile(source, state / source.relative_to(older))


def test_an_older_state_that_was_put_back_over_this_one_is_seen(state: Path) -> None:
    older = Path(shutil.copytree(state, state.with_name("older")))
    put_back(older, state)
    assert fault(state) == "", "nothing was done since"

    birthplace.note(state, "PAPER", "paper")
    assert fault(state) == ""
    put_back(older, state)

    assert fault(state).endswith(birthplace.NAME)
    birthplace.note(state, "PAPER", "paper")
    assert fault(state) == ""


def test_anothers_journal_that_was_copied_over_ours_is_seen(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for folder in (mine, theirs):
        (folder / birthplace.FIX).mkdir(parents=True)
        for name in (JOURNAL_NAME, INBOUND_NAME):
            Journal.open(folder, name, lock=False).close()
        birthplace.note(folder, "PAPER", "paper")
    assert fault(mine) == fault(theirs) == ""

    put_back(theirs / JOURNAL_NAME, mine / JOURNAL_NAME)
    assert fault(mine).endswith(f"not as it was begun: {JOURNAL_NAME} (another journal)")

    segment = next((theirs / JOURNAL_NAME).glob("*.seg"))
    segment.write_bytes(b"no segment" + segment.read_bytes()[10:])
    assert fault(theirs) == "", "what is no journal is refused by whoever opens it"


class AtOnce:
    """A loop that does at once what should be done beside it."""

    def run_in_executor(self, _: None, act: Callable[[], None]) -> None:
        act()


def test_the_place_is_written_down_anew_while_the_journal_grows(state: Path) -> None:
    keeping = Keeping(cast(Any, SimpleNamespace(state_dir=state, account="PAPER")), "paper")
    keeping._loop = cast(Any, AtOnce())

    def note(durable: int, now_s: float) -> bool:
        before = (state / birthplace.NAME).stat().st_ino
        keeping._note_again(durable, now_s)
        return (state / birthplace.NAME).stat().st_ino != before

    assert [note(*at) for at in ((10, 100.0), (20, 109.9), (20, 110.0), (20, 130.0), (30, 130.0))] == [
        True,
        False,
        True,
        False,
        True,
    ]
    assert fault(state) == ""


def test_a_gate_that_runs_does_not_vouch_for_what_was_put_in_its_place(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keeping = Keeping(cast(Any, SimpleNamespace(state_dir=state, account="PAPER")), "paper")
    keeping._loop = cast(Any, AtOnce())
    with monkeypatch.context() as full:
        full.setattr(birthplace, "note", failing)
        keeping._note_again(5, 50.0)
    (state / birthplace.NAME).unlink()
    keeping._note_again(10, 100.0)
    assert fault(state) == "", "what the disk did not take is tried again"

    state.rename(tmp_path / "away")
    shutil.copytree(tmp_path / "away", state)
    keeping._note_again(20, 200.0)

    assert "not as it was begun: the directory itself" in fault(state)
    assert "the state was exchanged while the gate ran" in capsys.readouterr().out


def failing(*_: Any) -> None:
    raise OSError(28, "No space left on device")


def test_a_slot_that_is_a_directory_refuses_the_start_in_one_line(tmp_path: Path) -> None:
    section = SimpleNamespace(state_dir=tmp_path, account="PAPER", journal_key=None)
    (tmp_path / heartbeat.NAME).mkdir()

    with pytest.raises(JournalError, match="heartbeat: Is a directory; move it away"):
        Keeping(cast(Any, section), "paper").open()


def test_where_births_are_not_told_the_inodes_are(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(birthplace, "_statx", None)
    birthplace.note(state, "PAPER", "paper")
    parts = json.loads((state / birthplace.NAME).read_bytes())["parts"]
    assert {birth for _, birth in parts.values()} == {0}
    replaced(INBOUND_NAME)(state)
    assert INBOUND_NAME in fault(state)


def test_a_gate_that_is_told_so_halts_until_two_people_have_looked() -> None:
    w = World(displaced="state: not as it was begun: gate.journal")
    w.open()
    assert w.core.posture is Posture.HALTED
    assert "R67C" in w.core.state.posture.latched


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[GateProcess]:
    process = GateProcess(tmp_path)
    yield process
    process.close()


@pytest.mark.slow
def test_a_gate_over_a_copy_of_its_state_is_halted_and_at_home_from_then_on(gate: GateProcess) -> None:
    gate.working()
    gate.kill9()
    state = gate.folder / "state"
    copied(state)

    gate.start()

    causes = gate.ask(cmd="status")["causes"]
    assert "the directory itself" in causes["R67C"]
    assert fault(state) == ""
    gate.kill9()
    gate.start()
    assert "R67C" in gate.ask(cmd="status")["causes"]


def test_a_file_where_the_fix_numbers_lie_is_one_line(tmp_path: Path) -> None:
    (tmp_path / birthplace.FIX).write_text("")
    nothing: Any = None

    with pytest.raises(ConfigError, match="fix: is no directory"):
        engine.build([], tmp_path, nothing, nothing)
