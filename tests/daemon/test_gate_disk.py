"""A gate whose disk fills up, or fails (P9): cancels leave and fills are booked to the end."""

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.config import GateSection, SessionSection
from daemon.gate import keeping as gate_keeping
from daemon.gate.birthplace import KEY
from daemon.gate.journal import INBOUND_NAME, JOURNAL_NAME
from daemon.gate.keeping import Keeping
from daemon.journal import Journal
from daemon.people.keys import load_private
from daemon.segments.checkpoints import key_id
from daemon.segments.layout import JournalError
from daemon.segments.reading import read
from daemon.segments.verifying import verify
from market import updates as up
from market.types import ExecType, OrdStatus
from tests.daemon.gate_harness import BID, PAPER
from tests.daemon.gate_process import GateProcess
from tests.daemon.test_held import Disked

MIB = 1 << 20


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own: 48 MiB of memory."""
    place = tmp_path / "small"
    place.mkdir()
    if os.geteuid():
        pytest.skip("only root mounts a small file system")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(place)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"no small file system here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path, leave_mb: int) -> None:
    """Take all but so much of a file system."""
    disk = os.statvfs(place)
    free = disk.f_bavail * disk.f_frsize
    size = free - leave_mb * MIB
    if size > 0:
        with (place / f"filler{free}").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)


def test_what_is_reserved_outlasts_the_disk(small: Path) -> None:
    told: list[bool] = []
    journal = Journal.open(small, reserve_bytes=2 * MIB)
    journal.on_full = told.append
    fill(small, 0)

    for _ in range(3):
        journal.append(b"x" * MIB)  # four were taken ahead
        journal._attend()

    assert told == [True]
    assert journal.full
    with pytest.raises(JournalError, match=r"full|No space"):
        append(journal, 10 * MIB)
    kept = len(list(read(journal.path)))
    assert kept >= 3
    journal.close()
    assert len(list(read(journal.path))) == kept


def append(journal: Journal, size: int) -> None:
    for _ in range(0, size, MIB):
        journal.append(b"x" * MIB)


@pytest.mark.slow
def test_a_disk_that_fills_up_reduces_then_halts_and_every_fill_is_booked(
    small: Path, tmp_path: Path
) -> None:
    """With `durability = "disk"`, so that its orders wait for it too."""
    law = (Path(__file__).parents[2] / "deploy" / "limits.paper.toml").read_text()
    caps = PAPER.machine
    law = law.replace(f"disk_reduce_mb = {caps.disk_reduce_mb}", "disk_reduce_mb = 6")
    law = law.replace(f"disk_halt_mb = {caps.disk_halt_mb}", "disk_halt_mb = 2")
    (tmp_path / "limits.toml").write_text(law)
    gate = GateProcess(tmp_path)
    text = gate.config.read_text().replace('state_dir = "state"', 'state_dir = "small"\ndurability = "disk"')
    lines = [f'limits = "{tmp_path}/limits.toml"' if x.startswith("limits") else x for x in text.split("\n")]
    gate.config.write_text("\n".join(lines))
    try:
        trader = gate.trade()
        trader.submit(100, BID)
        name = gate.ems.expect("D").get(11).decode()
        gate.report(name, "0", "0", exec_id="E1", cum=0, leaves=100, more=((38, "100"),))
        trader.expect(up.OrderUpdate, status=OrdStatus.NEW)

        fill(small, 4)
        gate.until("nearly full", lambda s: s["posture"] == "REDUCE_ONLY")
        cancel = gate.ems.expect("F").get(11).decode()
        fill(small, 0)
        gate.until("full", lambda s: s["posture"] == "HALTED")
        fields = ((38, "100"), (32, "40"), (31, "100.00"))
        gate.report(name, "F", "1", exec_id="E2", cum=40, leaves=60, more=fields)
        gate.until("booked", lambda s: s["positions"] == {"SYN": 540})
        gate.report(cancel, "4", "4", exec_id="E3", cum=40, leaves=0, more=((41, name), (38, "100")))
        status = gate.until("gone", lambda s: not [o for o in s["orders"] if o["leaves_qty"]])
        assert status["posture"] == "HALTED"
        gate.signal(signal.SIGTERM)
        gate.ems.expect("5")
        gate.ems.send("5")
        assert gate.end() == 0

        found = verify(small / JOURNAL_NAME)
        assert found.clean, found.faults
        assert found.signed_by == [load_private(small / KEY).key_id]
        assert key_id(load_private(small / KEY).public) == found.signed_by[0]
        for path in small.glob("filler*"):
            path.unlink()
        gate.seqs = {"order": gate.ems.seq, "reference": gate.prices.seq}
        gate.ems.close()
        gate.prices.close()
        gate.start()
        status = gate.ask(cmd="status")
        assert status["positions"] == {"SYN": 540}
        assert status["posture"] == "HALTED", "two people lift it"
    finally:
        gate.close()


# --- a disk that fails ----------------------------------------------------------------------------


def test_a_disk_that_fails_ends_the_gate_after_its_cancels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = Disked(tmp_path)
    w.open()
    w.parent()
    name = w.ask()
    w.report(name, ExecType.NEW, OrdStatus.NEW, order_qty=100, leaves_qty=100)
    w.wire.left.clear()
    end, ended = w.journal.end, []
    monkeypatch.setattr(gate_keeping.os, "_exit", lambda code: ended.append((code, list(w.wire.left))))

    async def fail() -> None:
        keeping = Keeping(section(tmp_path), "paper")
        keeping._shell, keeping._loop = w.shell, asyncio.get_running_loop()
        thread = threading.Thread(target=keeping.disk_failed, args=(OSError(5, "Input/output error"),))
        thread.start()
        await asyncio.to_thread(thread.join)

    asyncio.run(fail())

    assert ended == [(1, [("q", "SH1-X0"), ("F", "SH1-X1")])]
    w.price()
    assert w.journal.end == end, "nothing is taken in any more"
    w.journal.close()


def test_a_loop_that_hangs_does_not_keep_a_gate_alive_whose_disk_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = Disked(tmp_path)
    ended: list[int] = []
    monkeypatch.setattr(gate_keeping.os, "_exit", ended.append)
    monkeypatch.setattr(gate_keeping, "GASP_WAIT_S", 0.01)
    keeping = Keeping(section(tmp_path), "paper")
    loop = asyncio.new_event_loop()  # never run
    keeping._shell, keeping._loop = w.shell, loop

    keeping.disk_failed(OSError(5, "Input/output error"))
    keeping.disk_failed(OSError(5, "Input/output error"))

    assert ended == [1]
    assert w.wire.left == []
    w.journal.close()
    loop.close()


def section(folder: Path, **more: Any) -> GateSection:
    return GateSection(
        state_dir=folder,
        control_socket=folder / "c",
        link_socket=folder / "l",
        limits=folder / "limits",
        kill_file=folder / "KILL",
        order_session=SessionSection(port=1),
        **more,
    )


def test_the_key_of_a_journal_is_made_once_and_read_again(tmp_path: Path) -> None:
    keys = []
    for _ in range(2):
        journal, inbound = Keeping(section(tmp_path), "live").open()
        journal.append(b"x")
        journal.close()
        inbound.close()
        keys.append(load_private(tmp_path / KEY))

    assert keys[0].key_id == keys[1].key_id
    assert not keys[0].paper
    assert verify(tmp_path / JOURNAL_NAME, (keys[0].key_id,)).clean
    assert verify(tmp_path / INBOUND_NAME, (keys[0].key_id,)).clean
