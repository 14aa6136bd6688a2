"""Rehearsing: it walks the whole way of an order, and nothing of it is ever seen outside of its stand-in."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.gate import journal as gate_journal
from daemon.gate.core import GateCore
from daemon.rehearsal import Pacer
from daemon.trader import rehearsal as trader_rehearsal
from daemon.trader.rehearsal import TraderRehearsal
from daemon.trader.setup import warm_up
from gateways.feeds import itch_encode as itch
from gateways.fix.numbers import SequenceNumbers
from market import updates as up
from market.types import OrdStatus
from policies.choose import choose
from tests.artefacts.shelf import CLONED
from tests.daemon.gate_process import BID, ROOT, GateProcess

MARKS = (b"REHEARS", b"NOBODY")
WAIT_S = 20.0
# quickfix does not survive the interpreter's own exit, so what loads it runs in a process of its own.
IN_A_GATE = """
import asyncio, json, os, sys, threading
from pathlib import Path
from daemon.config import load_model, load_profile
from daemon.gate.rehearsal import GateRehearsal
from gateways.fix.sessions import EngineError
from risk.limits import Limits

def sockets():
    paths = [f"/proc/self/fd/{n}" for n in os.listdir("/proc/self/fd")]
    links = [os.readlink(path) for path in paths if os.path.islink(path)]
    mine = {link[8:-1] for link in links if link.startswith("socket:")}
    rows = [row.split() for kind in ("tcp", "tcp6") for row in open(f"/proc/net/{kind}")]
    return sum(row[9] in mine for row in rows)

async def main():
    loop, folder = asyncio.get_running_loop(), Path(sys.argv[1])
    limits = load_model(Path("deploy/limits.paper.toml"), Limits)
    names = [tuple(pair.split("/")) for pair in sys.argv[2].split()]
    try:
        rehearsal = GateRehearsal(limits, load_profile("venue"), folder, names, loop)
    except EngineError as error:
        return {"refused": str(error)}
    threads = threading.active_count()
    await rehearsal.connect()
    for _ in range(int(sys.argv[3])):
        rehearsal.walk()
        for _ in range(4):  # the loop reads what was written
            await asyncio.sleep(0)
    said = {"orders": rehearsal.orders, "said": rehearsal.said, "tcp": sockets(), "faults": rehearsal.faults}
    said["threads"] = threading.active_count() - threads
    said["kernel_threads"] = len(os.listdir("/proc/self/task"))
    return said | {"files": {p.name: p.stat().st_size for p in (folder / "rehearsal").iterdir()}}

print(json.dumps(asyncio.run(main())), flush=True)
os._exit(0)
"""


# Its scratch file cannot grow: what the loop meets must stay in the stand-in, and come out of its next walk.
ON_A_FULL_DISK = IN_A_GATE.replace(
    "    for _ in range(int(sys.argv[3])):\n        rehearsal.walk()\n",
    """    def full(*_):
        raise JournalError("the disk is full")
    met, ended = [], []
    loop.set_exception_handler(lambda _, context: met.append(str(context)))
    rehearsal._journal.append = full
    for _ in range(int(sys.argv[3])):
        try:
            rehearsal.walk()
        except FAULTS as error:
            ended.append(repr(error))
""",
).replace("    said = {", "    return {'met': met, 'ended': ended}\n    said = {")
ON_A_FULL_DISK = ON_A_FULL_DISK.replace(
    "import asyncio,",
    "from daemon.rehearsal import FAULTS\nfrom daemon.segments.layout import JournalError\nimport asyncio,",
)


def rehearsed(folder: Path, names: str, walks: int, script: str = IN_A_GATE) -> dict[str, Any]:
    """Walk a gate's rehearsal in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-c", script, str(folder), names, str(walks)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return dict(json.loads(run.stdout))


# --- the gate's stand-in ------------------------------------------------------------------------


def test_every_walk_of_the_gate_goes_up_to_the_line_that_is_not_there(tmp_path: Path) -> None:
    walked = rehearsed(tmp_path, "STEADYHAND/VENUE", 50)

    assert walked["orders"] == 50, walked["said"]
    assert walked["faults"] == []
    assert walked["tcp"] == 0, "no line, and no port either"
    assert walked["threads"] == 0
    assert walked["kernel_threads"] == 1, "quickfix was not started"


def test_a_full_disk_ends_the_gates_rehearsing_and_not_the_gate(tmp_path: Path) -> None:
    walked = rehearsed(tmp_path, "STEADYHAND/VENUE", 2, ON_A_FULL_DISK)

    assert walked == {"met": [], "ended": ["JournalError('the disk is full')"]}


@pytest.mark.slow
def test_the_gates_stand_in_stays_small(tmp_path: Path) -> None:
    walked = rehearsed(tmp_path, "STEADYHAND/VENUE", 2_500)

    assert walked["orders"] == 2_500, walked["said"]
    assert max(walked["files"].values()) < 2_000_000


@pytest.mark.parametrize("names", ["REHEARSAL/VENUE", "STEADYHAND/VENUE STEADYREF/REHEARSAL", "A/NOBODY"])
def test_a_real_session_of_the_rehearsals_name_is_refused(tmp_path: Path, names: str) -> None:
    walked = rehearsed(tmp_path, names, 1)

    assert "name the session otherwise" in walked["refused"]


# --- a gate that rehearses ----------------------------------------------------------------------


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[GateProcess]:
    process = GateProcess(tmp_path)
    text = process.config.read_text()
    process.config.write_text(text.replace("[gate]\n", "[gate]\nrehearse_us = 1000\n", 1))
    yield process
    process.close()


def until_rehearsed(folder: Path, times: int) -> None:
    """Wait until the scratch journal was written so often."""
    scratch = folder / "state" / "rehearsal" / "journal.scratch"
    deadline, seen, sizes = time.monotonic() + WAIT_S, -1, 0
    while sizes < times and time.monotonic() < deadline:
        size = scratch.stat().st_size
        sizes, seen = sizes + (size != seen), size
    assert sizes >= times, "the gate does not rehearse"


@pytest.mark.slow
def test_a_rehearsing_gate_sends_its_orders_and_not_one_message_more(
    gate: GateProcess, tmp_path: Path
) -> None:
    trader = gate.trade()
    until_rehearsed(tmp_path, 50)
    trader.submit(100, BID)
    new = gate.ems.receive()
    until_rehearsed(tmp_path, 50)
    cl_ord_id = new.get(11).decode()
    gate.report(cl_ord_id, "4", "4", exec_id="E1", cum=0, leaves=0)
    trader.expect(up.OrderUpdate, status=OrdStatus.CANCELED)
    until_rehearsed(tmp_path, 50)
    gate.ems.send("1", (112, "PING"))
    pong, beats = gate.ems.receive(), 0
    while pong.get(35) == b"0" and pong.get(112) is None:
        pong, beats = gate.ems.receive(), beats + 1
    counted = gate.ask(cmd="status")
    gate.signal(signal.SIGTERM)
    bye = gate.ems.expect("5")
    gate.ems.send("5")

    assert gate.end() == 0
    assert (new.get(35), new.get(34)) == (b"D", b"4"), "after Logon, AF and AN"
    assert (pong.get(35), pong.get(34)) == (b"0", b"%d" % (5 + beats)), "and nothing in between"
    assert counted["latency_us"]["tick_to_order"]["count"] == 1
    assert len(counted["orders"]) <= 1
    # A heartbeat may fall between the two Logouts; a hundred and fifty rehearsed orders could not hide there.
    counted_ours = SequenceNumbers(tmp_path / "state" / "fix" / "order.numbers").ours
    assert int(bye.get(34)) + 1 <= counted_ours <= int(bye.get(34)) + 2
    replayed = gate_journal.replay(tmp_path / "state" / gate_journal.JOURNAL_NAME, GateCore())
    assert replayed.differences == []
    assert replayed.digests > 0
    left = [p for p in tmp_path.rglob("*") if p.is_file() and "rehearsal" not in p.parts]
    journals = {p.parent.name for p in left if p.suffix == ".seg"}
    assert journals == {"gate.journal", "inbound.journal"}
    assert {p.name for p in left} >= {"fix-gate.log", "gate.log"}
    assert [(p.name, m) for p in left for m in MARKS if m in p.read_bytes()] == []


@pytest.mark.slow
def test_a_gate_whose_session_is_named_like_the_rehearsal_does_not_start(gate: GateProcess) -> None:
    text = gate.config.read_text().replace("STEADYREF", "REHEARSAL")
    gate.config.write_text(text)

    run = subprocess.run(
        [sys.executable, "-m", "daemon.cli", "gate", "--config", str(gate.config)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )

    assert run.returncode == 78
    assert "name the session otherwise" in run.stderr


# --- the trader's stand-in ----------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["twap", str(CLONED), "script"])
def test_walks_of_the_trader_send_intents_to_nobody(tmp_path: Path, policy: str) -> None:
    warm_up()
    script = tmp_path / "any.script"
    script.write_text("on fill submit 1 @ bid\n")
    name = f"script:{script}" if policy == "script" else policy

    async def walked() -> TraderRehearsal:
        rehearsal = TraderRehearsal(lambda: choose(name), tmp_path, 1_000, asyncio.get_running_loop())
        await rehearsal.connect()
        for _ in range(40):
            await asyncio.sleep(0.001)  # its market time runs with the machine's
            rehearsal.walk()
        rehearsal.close()
        await asyncio.sleep(0)
        return rehearsal

    rehearsal = asyncio.run(walked())

    assert rehearsal.intents >= 30
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()].count("journal.scratch") == 1
    assert not list(tmp_path.rglob("*.journal")), "nothing that a replay would look for"


def test_its_market_speaks_itch() -> None:
    ts_ns = trader_rehearsal.BEGIN_NS
    since_ns, symbol = ts_ns - trader_rehearsal.MIDNIGHT_NS, trader_rehearsal.SYMBOL

    made = trader_rehearsal.opening(ts_ns)

    first, size = trader_rehearsal.PRICE_E4 - 2 * trader_rehearsal.TICK_E4, trader_rehearsal.SIZE
    assert made[0] == itch.directory(1, since_ns, symbol, 100)
    assert made[1] == itch.trading_action(1, since_ns, symbol, "T")
    assert made[2] == itch.add(1, since_ns, 2, 1, size, symbol, first)
    moved = trader_rehearsal.replace(ts_ns, 1, 999_900)
    assert moved == itch.replaced(
        1, since_ns, trader_rehearsal.MOVER, trader_rehearsal.MOVER + 1, size, 999_900
    )


# --- when ---------------------------------------------------------------------------------------


class StillLoop:
    """A loop whose timers ring when the test says so."""

    def __init__(self) -> None:
        self.due: list[Any] = []

    def call_later(self, _: float, act: Any, *args: Any) -> "StillLoop":
        self.due.append((act, args))
        return self

    def cancel(self) -> None:
        self.due.clear()

    def ring(self) -> None:
        act, args = self.due.pop()
        act(*args)


def paced(walk: Any, worked: Any = lambda: 0) -> tuple[Pacer, StillLoop]:
    loop, pacer = StillLoop(), Pacer(1_000, walk, worked)
    pacer.begin(loop)  # type: ignore[arg-type]
    return pacer, loop


def test_where_real_work_went_the_same_way_nothing_is_rehearsed() -> None:
    orders = [0]
    pacer, loop = paced(lambda: None, lambda: orders[0])

    loop.ring()
    orders[0] = 1
    loop.ring()
    loop.ring()

    assert pacer.walks == 2


def test_a_walk_that_fails_ends_the_rehearsing_and_nothing_else() -> None:
    def fail() -> None:
        raise ValueError("a bug of the stand-in")

    pacer, loop = paced(fail)

    loop.ring()

    assert loop.due == []
    assert (pacer.walks, pacer.fault) == (0, "ValueError('a bug of the stand-in')")
