"""SIGTERM ends the gate within ten seconds, whatever network and disk do; what is left open is listed."""

import contextlib
import fcntl
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.fault_proxy import FaultProxy
from tests.daemon.gate_process import GateProcess
from tests.daemon.tracing import Tracer, files_of, needs_strace
from tests.gateways.venue.process import VenueProcess

pytestmark = pytest.mark.slow
PROMISED_S = 10.0
LONG = pytest.mark.skipif(not os.environ.get("STEADYHAND_LONG"), reason="long: STEADYHAND_LONG=1")


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[GateProcess]:
    process = GateProcess(tmp_path)
    yield process
    process.close()


def terminated(gate: GateProcess) -> int:
    """Send SIGTERM, and hold the end against the promise."""
    began = time.monotonic()
    gate.signal(signal.SIGTERM)
    code = gate.end()
    assert time.monotonic() - began <= PROMISED_S
    return code


@LONG
def test_a_reject_of_the_cancel_is_answered_and_the_order_is_listed(gate: GateProcess) -> None:
    _, cl_ord_id = gate.working()
    gate.signal(signal.SIGTERM)
    began = time.monotonic()
    asked = gate.ems.expect("F")
    more = [(37, "O"), (39, "0"), (11, asked.get(11).decode()), (41, cl_ord_id), (434, "1"), (102, "2")]
    gate.ems.send("9", *more)
    assert gate.ems.expect("F").get(41).decode() == cl_ord_id  # asked for again after a second

    assert gate.end() == 1
    assert time.monotonic() - began <= PROMISED_S
    assert cl_ord_id in (gate.folder / "gate.log").read_text()


def through(gate: GateProcess, proxy: FaultProxy) -> None:
    """Have the order session go through a proxy."""
    text = gate.config.read_text()
    gate.config.write_text(text.replace(f"port = {gate.order.port}", f"port = {proxy.port}"))


def test_half_open_network_leaves_what_nobody_confirmed(gate: GateProcess) -> None:
    with FaultProxy(gate.order.port) as proxy:
        through(gate, proxy)
        _, cl_ord_id = gate.working()
        proxy.stall()

        assert terminated(gate) == 1

    assert cl_ord_id in (gate.folder / "gate.log").read_text()


def test_a_line_that_is_cut_during_the_end_does_not_hold_it_up(gate: GateProcess) -> None:
    with FaultProxy(gate.order.port) as proxy:
        through(gate, proxy)
        gate.working()
        gate.signal(signal.SIGTERM)
        began = time.monotonic()
        gate.ems.expect("F")
        proxy.cut(refuse=True)

        assert gate.end() == 1
        assert time.monotonic() - began <= PROMISED_S / 2  # nobody is left who could confirm


def test_a_slow_network_is_waited_for(gate: GateProcess) -> None:
    with FaultProxy(gate.order.port) as proxy:
        through(gate, proxy)
        _, cl_ord_id = gate.working()
        proxy.delay(1.0)
        gate.signal(signal.SIGTERM)
        began = time.monotonic()
        asked = gate.ems.expect("F")
        more = ((41, cl_ord_id),)
        gate.report(asked.get(11).decode(), "4", "4", exec_id="E2", cum=0, leaves=0, more=more)
        gate.ems.expect("5")
        gate.ems.send("5")

        assert gate.end() == 0
        assert time.monotonic() - began <= PROMISED_S


@LONG
def test_a_venue_that_stands_still_does_not_keep_the_gate(tmp_path: Path) -> None:
    options = ("--symbol", "SYN", "--from", "10:00", "--to", "10:10", "--seed", "1")
    with VenueProcess(*options, out=tmp_path / "venue") as venue:
        gate = GateProcess(tmp_path)
        try:
            text = gate.config.read_text()
            for mine, theirs in ((gate.order.port, "fix"), (gate.reference.port, "reference")):
                text = text.replace(f"port = {mine}", f"port = {venue.endpoints[theirs]}")
            gate.config.write_text(text)
            gate.start()
            gate.until("trading", lambda s: s["posture"] == "ACTIVE")
            venue.signal(signal.SIGSTOP)

            terminated(gate)
        finally:
            venue.signal(signal.SIGCONT)
            gate.close()


def test_a_log_that_nobody_reads_does_not_keep_the_gate(gate: GateProcess) -> None:
    """stderr is a full pipe: the loop stands in a write and hears no signal."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4_096)
    gate.start(stderr=writer)
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b".")
    os.set_blocking(writer, True)
    gate.log_on()
    gate.answer_mass_status()  # it trades, and wants to log so
    while answers(gate):
        os.sched_yield()

    assert terminated(gate) == 1
    os.close(reader)
    os.close(writer)


def answers(gate: GateProcess) -> bool:
    """Whether the loop runs."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(0.5)
        line.connect(str(gate.folder / "control.sock"))
        line.sendall(b'{"cmd": "ping"}\n')
        try:
            return bool(line.recv(4_096))
        except TimeoutError:
            return False


@needs_strace
@pytest.mark.parametrize("calls", ["write,pwrite64", pytest.param("fdatasync", marks=LONG)])
def test_a_disk_that_stands_still_does_not_keep_the_gate(gate: GateProcess, calls: str) -> None:
    gate.working()
    assert gate.process is not None
    with Tracer(gate.process.pid, calls, "delay_enter=60s", files_of(gate.folder / "state")):
        gate.signal(signal.SIGTERM)
        said = wait_said(gate, "not ended in 9 s, at: ")

    assert gate.end() == 1
    assert said.endswith("exiting now")
    assert "orders not confirmed cancelled: SH" in said


def wait_said(gate: GateProcess, text: str) -> str:
    """Return the line of the log with this text, in the time that is promised."""
    deadline = time.monotonic() + PROMISED_S
    while time.monotonic() < deadline:
        for line in (gate.folder / "gate.log").read_text().splitlines():
            if text in line:
                return line
        os.sched_yield()
    raise TimeoutError(text)
