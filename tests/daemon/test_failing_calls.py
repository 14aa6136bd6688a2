"""A disk that fails and a socket that breaks under the gate's own calls, by strace: nothing is sent twice."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.gate_process import BID, GateProcess
from tests.daemon.tracing import Tracer, files_of, needs_strace

pytestmark = [pytest.mark.slow, needs_strace]
LONG = pytest.mark.skipif(not os.environ.get("STEADYHAND_LONG"), reason="long: STEADYHAND_LONG=1")


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[GateProcess]:
    process = GateProcess(tmp_path)
    yield process
    process.close()


def pid(gate: GateProcess) -> int:
    assert gate.process is not None
    return gate.process.pid


def test_a_disk_that_fails_ends_the_gate_and_what_worked_is_canceled(gate: GateProcess) -> None:
    _, cl_ord_id = gate.working()
    with Tracer(pid(gate), "fdatasync", "error=EIO", files_of(gate.folder / "state")):
        gate.ems.expect("q")
        assert gate.ems.expect("F").get(41).decode() == cl_ord_id
        wait_for(gate, "journal: Input/output error; stopping at once")

    assert gate.end() == 1


def test_an_order_that_cannot_be_written_down_does_not_leave(gate: GateProcess) -> None:
    trader, cl_ord_id = gate.working()
    with Tracer(pid(gate), "write,pwrite64", "error=ENOSPC", files_of(gate.folder / "state")):
        trader.submit(50, BID)
        assert gate.ems.is_closed()  # and no D before it: `is_closed` reads all that comes
    assert gate.end() == 1
    assert b"35=D\x0149=STEADYHAND" not in (gate.folder / "fix-gate.log").read_bytes()[-2_000:]
    orders = (gate.folder / "fix-gate.log").read_bytes().count(b"\x0135=D\x01")
    assert orders == 1

    gate.seqs = {"order": gate.ems.seq, "reference": gate.prices.seq}
    gate.start()
    gate.log_on()
    gate.answer_mass_status()
    assert gate.ems.expect("H").get(11).decode() == cl_ord_id


@LONG
def test_an_order_whose_send_fails_is_asked_for_and_not_sent_again(gate: GateProcess) -> None:
    trader, first = gate.working()
    with Tracer(pid(gate), "sendto", "error=ECONNRESET:when=1"):
        trader.submit(50, BID)
        assert gate.ems.is_closed()
    gate.seqs["order"] = gate.ems.seq
    gate.ems, _ = gate.order.log_on(seq=gate.seqs["order"])
    gate.answer_mass_status()
    asked = {gate.ems.expect("H").get(11).decode() for _ in range(2)}

    assert first in asked
    assert len(asked) == 2  # the second order is unknown until the EMS says so: it is not sent again


def wait_for(gate: GateProcess, text: str) -> None:
    deadline = time.monotonic() + 10
    while text not in (gate.folder / "gate.log").read_text():
        assert time.monotonic() < deadline, text
        os.sched_yield()
