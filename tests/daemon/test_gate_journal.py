"""The gate's journal: replay gives the same decisions and the same state, and says where it does not."""

from pathlib import Path

import pytest

from daemon.gate.core import GateCore
from daemon.gate.journal import Digest, Input, Output, decisions, encode, frames, replay
from daemon.gate.recovery import next_epoch, recover
from daemon.journal import Journal
from daemon.segments.layout import JournalError
from market import events as ev
from tests.daemon.gate_harness import BID, World


def written(folder: Path, w: World, last_output: bool = True, wrong: bool = False) -> Path:
    """Write the journal that a gate would have left of a world's events."""
    journal = Journal.open(folder, "gate.journal")
    core = GateCore()
    for n, (stamp, event) in enumerate(w.log):
        offset = n if isinstance(event, ev.ExecutionReport) else -1
        journal.append(encode(Input(stamp, event, offset)))
        sent = decisions(core.step(stamp, event).effects)
        if sent and (last_output or n < len(w.log) - 1):
            journal.append(encode(Output(sent if not wrong else sent + sent)))
    if last_output:
        journal.append(encode(Digest(core.state_hash())))
    journal.close()
    return folder / "gate.journal"


def day() -> World:
    w = World()
    w.open()
    w.parent()
    chain = w.working()
    w.fill(chain, 40, BID)
    w.replace(chain, 150, BID)
    w.intent(10**9, BID)
    return w


def test_every_event_survives_the_journal(tmp_path: Path) -> None:
    w = day()
    path = written(tmp_path, w)

    read = [f.event for _, f in frames(path) if isinstance(f, Input)]
    assert read == [event for _, event in w.log]


def test_replay_gives_the_same_decisions_and_state(tmp_path: Path) -> None:
    w = day()
    core = GateCore()
    done = replay(written(tmp_path, w), core)

    assert done.differences == []
    assert done.outputs == 2
    assert done.inbound_offset > 0
    assert core.state_hash() == w.core.state_hash()


def test_a_crash_between_input_and_output_is_no_difference(tmp_path: Path) -> None:
    w = World()
    w.open()
    w.parent()
    w.intent(100, BID)
    core = GateCore()
    done = recover(written(tmp_path, w, last_output=False).parent, core)

    assert done.differences == []
    assert core.open_orders == 1  # it may have left: the EMS will be asked


def test_other_decisions_than_the_journals_refuse_the_start(tmp_path: Path) -> None:
    path = written(tmp_path, day(), wrong=True)

    with pytest.raises(JournalError, match="decisions differ"):
        recover(path.parent, GateCore())


def test_an_epoch_is_above_all_before_it() -> None:
    assert next_epoch(7, lockstep=True) == 8
    assert next_epoch(7, lockstep=False) > 1_700_000_000
    assert next_epoch(10**12, lockstep=False) == 10**12 + 1
