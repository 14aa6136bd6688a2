"""A recovery that is killed at any step of its writes, and begun again, leads to the same state.

So does a replay under any hash seed.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.gate import snapshot_process
from daemon.gate.core import GateCore
from daemon.gate.journal import (
    INBOUND_NAME,
    JOURNAL_NAME,
    NOT_INBOUND,
    Input,
    Output,
    decisions,
    encode,
)
from daemon.gate.recovery import beyond, event_of, next_epoch, recover
from daemon.journal import Journal
from daemon.segments.disk import Disk
from daemon.segments.layout import name_of
from daemon.segments.reading import read
from market import events as ev
from tests.daemon.gate_harness import World
from tests.daemon.test_snapshots import day, written

ROOT = Path(__file__).parents[2]
SOH = "\x01"
STEPS_MAX = 200  # a recovery has some forty


def message(number: int, last: int, cum: int) -> bytes:
    """Return the raw bytes of a fill."""
    body = (
        f"35=8|34={number}|37=O1|11=SH1-1|17=E{number}|150=F|39=1|55=SYN|54=1|38=100|32={last}|31=100.00|"
        f"151={100 - cum}|14={cum}|6=100.00|"
    ).replace("|", SOH)
    return f"8=FIX.4.4{SOH}9={len(body)}{SOH}{body}10=000{SOH}".encode()


class Killing(Disk):
    """A disk at whose n-th call the process dies: before it, or in the middle of a write."""

    def __init__(self, at: int, half: bool) -> None:
        self.left, self.half = at, half

    def step(self, writes: bool = False) -> bool:
        self.left -= writes or not self.half
        if self.left == 0 and not self.half:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.left == 0

    def write(self, fd: int, data: bytes) -> int:
        if self.step(writes=True):
            super().write(fd, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return super().write(fd, data)

    def open(self, path: Path) -> int:
        self.step()
        return super().open(path)

    def truncate(self, fd: int, size: int) -> None:
        self.step()
        super().truncate(fd, size)

    def sync(self, fd: int) -> None:
        self.step()
        super().sync(fd)

    def allocate(self, fd: int, place: int, size: int) -> bool:
        self.step()
        return super().allocate(fd, place, size)

    def sync_directory(self, folder: Path) -> None:
        self.step()
        super().sync_directory(folder)


def start(folder: Path, disk: Disk) -> GateCore:
    """Start as a gate does: open, recover, begin, step what FIX brought beyond."""
    journal = Journal.open(folder, JOURNAL_NAME, disk=disk, reserve_bytes=1 << 16)
    inbound = Journal.open(folder, INBOUND_NAME, lock=False, disk=disk, reserve_bytes=1 << 16)
    core = GateCore()
    done = recover(folder, core)
    now = 10**12

    def post(event: ev.Event, offset: int = NOT_INBOUND) -> None:
        stamp = ev.Stamp(core.state.epoch, now)
        step = core.step(stamp, event)
        sent = decisions(step.effects)
        frames = [encode(Input(stamp, event, offset))] + ([encode(Output(sent))] if sent else [])
        journal.append(*frames)

    post(ev.GateStarted(**{**World().start_fields, "epoch": next_epoch(core.state.epoch, lockstep=True)}))
    for offset, event in beyond(folder, done, {}):
        post(event, offset)
    journal.close()
    inbound.close()
    return core


def facts(core: GateCore) -> list[Any]:
    """Return what must be the same however often it was begun: everything but the count of starts."""
    g = core.state
    chains = [(c.chain_id, c.status, c.cum_qty, c.notional_e4, list(c.trades)) for c in g.chains.values()]
    parents = [(p.order.parent_id, p.progress) for p in g.parents.values()]
    return [
        chains,
        parents,
        dict(g.ledger.positions),
        list(g.executions.items()),
        g.breaks,
        g.counters["fills"],
    ]


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory as a crash leaves it: torn, half a snapshot, a prepared segment, unread fills."""
    folder = tmp_path_factory.mktemp("crashed")
    w = World()
    w.open()
    w.parent()
    w.working()
    inbound = Journal.open(folder, INBOUND_NAME)
    offsets = [inbound.append(message(*m)) for m in ((2, 10, 10), (3, 20, 30), (4, 30, 60))]
    inbound.close()
    journal = Journal.open(folder, JOURNAL_NAME)
    core = GateCore()
    log = [(s, e, NOT_INBOUND) for s, e in w.log]
    log.append((w.log[-1][0], event_of(message(2, 10, 10).decode(), {}), offsets[0]))  # type: ignore[arg-type]
    for stamp, event, offset in log:
        sent = decisions(core.step(stamp, event).effects)
        journal.append(encode(Input(stamp, event, offset)), *([encode(Output(sent))] if sent else []))
    journal.close()
    assert core.state.ledger.positions == {"PAPER SYN": 10}
    places = [offset for offset, _ in read(folder / JOURNAL_NAME)]
    snapshot_process.make(folder, places[-4])
    (folder / "snapshots" / "1.snapshot.77.half").write_bytes(b"half")
    (folder / JOURNAL_NAME / name_of(2)).write_bytes(b"")
    with (folder / JOURNAL_NAME / name_of(1)).open("ab") as file:
        file.write(b"\x01\x02\x03 torn")
    with (folder / INBOUND_NAME / name_of(1)).open("ab") as file:
        file.write(b"torn too")
    return folder


def in_a_child(act: Callable[[], object]) -> int:
    """Run in a child of its own and return its wait status."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(0)
    return os.waitpid(pid, 0)[1]


@pytest.mark.parametrize("half", [False, True], ids=["before a step", "within a write"])
def test_a_recovery_killed_at_any_step_of_its_writes_is_begun_again_as_if_never(
    crashed: Path, tmp_path: Path, half: bool
) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(crashed, whole)
    expected = facts(start(whole, Disk()))
    assert expected[2] == {"PAPER SYN": 60}
    kills, folder = 0, tmp_path / "state"
    for at in range(1, STEPS_MAX):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(crashed, folder)

        status = in_a_child(lambda at=at: start(folder, Killing(at, half)))  # type: ignore[misc]

        if os.WIFSIGNALED(status):
            kills += 1
            in_a_child(lambda at=at: start(folder, Killing(at // 2 + 1, half)))  # type: ignore[misc]
        assert facts(start(folder, Disk())) == expected, f"killed at step {at}"
        if not os.WIFSIGNALED(status):
            break
    assert kills >= (4 if half else 20)


CODE = """
import sys
from pathlib import Path
from daemon.gate.core import GateCore
from daemon.gate.journal import replay
from daemon.gate.state_codec import encode
import hashlib
core = GateCore()
done = replay(Path(sys.argv[1]), core)
print(core.state_hash(), hashlib.sha256(encode(core)).hexdigest(), done.differences)
"""


def test_a_journal_is_the_same_state_under_any_hash_seed(tmp_path: Path) -> None:
    path = written(tmp_path, day(seed=3))

    said = {
        subprocess.run(
            [sys.executable, "-c", CODE, str(path)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        ).stdout
        for seed in ("0", "1", "4242")
    }

    assert len(said) == 1
    assert said.pop().strip().endswith("[]")
