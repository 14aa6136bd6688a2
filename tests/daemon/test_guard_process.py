"""The guard against a gate whose process is stopped: what the venue sees, and when."""

import json
import os
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from daemon import heartbeat
from gateways.fix import profile
from market import updates as up
from market.types import OrdStatus
from tests.daemon.gate_process import OPEN_NS, GateProcess
from tests.daemon.guard_process import GuardProcess
from tests.daemon.lateness import Lateness
from tests.gateways.fix.raw_peer import RawAcceptor
from tests.gateways.venue.process import VenueProcess

pytestmark = pytest.mark.slow
CANCELED_NS_MAX = 250_000_000  # from the guard's decision to the orders' end at the venue
STEPS = 3  # guard, gate and venue, or this process, wait for a processor one after the other
LONG = pytest.mark.skipif(not os.environ.get("STEADYHAND_LONG"), reason="long: STEADYHAND_LONG=1")
# A gate whose loop a signal blocks for ten seconds: waiting, computing, or holding the interpreter's lock.
BLOCKED = """
import ctypes, signal, sys, time
def wait(): time.sleep(10)
def compute():
    end = time.monotonic() + 10
    while time.monotonic() < end: pass
def hold(): ctypes.PyDLL(None).usleep(10_000_000)
signal.signal(signal.SIGUSR2, lambda *_: {how}())
from daemon import cli
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[GateProcess]:
    process = GateProcess(tmp_path)
    yield process
    process.close()


def guarded(gate: GateProcess, more: str = "") -> None:
    gate.config.write_text(gate.config.read_text() + "\n[guard]\nstuck_ms = 1_000\n" + more)


def test_a_stuck_gate_is_killed_its_session_drops_and_its_next_start_is_killed(gate: GateProcess) -> None:
    guarded(gate)
    _, cl_ord_id = gate.working()
    guard = GuardProcess(gate.config)
    assert guard.wait("ready")["means"] == ["cancel on disconnect"]

    with Lateness() as lateness:
        gate.signal(signal.SIGSTOP)
        assert gate.ems.is_closed()
        closed_ns = time.monotonic_ns()
        fired = guard.wait("fired")

    assert gate.process is not None
    assert fired["pid"] == gate.process.pid
    assert fired["killed"] == "killed"
    assert fired["gone"] is True
    assert closed_ns - fired["fired_mono_ns"] <= lateness.allows(CANCELED_NS_MAX, STEPS)
    gate.kill9()
    gate.start()
    gate.log_on()
    gate.answer_mass_status()
    status = gate.until("killed", lambda s: s["posture"] == "KILLED")
    assert "guard" in status["posture_reason"]
    assert gate.ems.expect("H").get(11).decode() == cl_ord_id
    gate.ems.expect("q")
    gate.report(cl_ord_id, "I", "0", exec_id="0", cum=0, leaves=100, more=((38, "100"), (44, "100.00")))
    assert gate.ems.expect("F").get(41).decode() == cl_ord_id
    assert guard.close() == 0


def test_a_gate_that_stops_in_order_is_left_alone(gate: GateProcess) -> None:
    guarded(gate)
    gate.working()
    guard = GuardProcess(gate.config)
    guard.wait("ready")

    gate.signal(signal.SIGKILL)  # a crash, whose session the kernel closes: the venue's business
    assert gate.ems.is_closed()
    gate.kill9()
    seen = heartbeat.read(gate.folder / "state")
    assert seen is not None
    assert guard.close() == 0

    assert not (gate.folder / "state" / "KILLED").exists()


def test_on_a_session_of_its_own_it_cancels_all_orders_of_the_firm(gate: GateProcess, tmp_path: Path) -> None:
    shipped = (profile.PROFILES / "venue.toml").read_text()
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    firm = shipped.replace('mass_cancel_scope = "session"', 'mass_cancel_scope = "firm"')
    assert firm != shipped
    (profiles / "venue.toml").write_text(firm)
    own = RawAcceptor("VENUE", "STEADYGUARD")
    guarded(gate, f'[guard.session]\nport = {own.port}\nsender_comp_id = "STEADYGUARD"\n')
    gate.working()
    guard = GuardProcess(gate.config, profiles)
    peer, _ = own.log_on()
    guard.wait("logged_on")

    with Lateness() as lateness:
        gate.signal(signal.SIGSTOP)
        asked = peer.expect("q")
        arrived_ns = time.monotonic_ns()

    assert asked.get(530).decode() == "7"  # all orders
    fired = guard.wait("fired")
    assert fired["mass_cancel"] == "sent"
    assert arrived_ns - fired["fired_mono_ns"] <= lateness.allows(CANCELED_NS_MAX, STEPS)
    peer.send("r", (11, asked.get(11).decode()), (37, "Q1"), (530, "7"), (531, "7"), (533, "1"))
    assert guard.wait("mass_cancel")["affected"] == 1
    guard.close()
    own.close()


def test_a_second_guard_of_the_same_gate_does_not_start(gate: GateProcess) -> None:
    guarded(gate)
    first = GuardProcess(gate.config)
    first.wait("ready")
    second = GuardProcess(gate.config)

    assert second.process.wait(20) == 78
    second.close()
    assert first.close() == 0


def until_hung_up(venue: VenueProcess) -> None:
    """Wait until the venue has seen that nobody is on its order session any more."""
    process, deadline = psutil.Process(venue._process.pid), time.monotonic() + 20
    while any(c.laddr.port == venue.endpoints["fix"] and c.raddr for c in process.net_connections("tcp")):
        assert time.monotonic() < deadline
        os.sched_yield()


def test_with_takeover_the_gate_is_started_again_killed_and_cancels_order_by_order(gate: GateProcess) -> None:
    text = gate.config.read_text()
    gate.config.write_text(text.replace("kill_file", "cancel_on_disconnect = false\nkill_file"))
    guarded(gate, "takeover = true\n")
    _, cl_ord_id = gate.working()
    guard = GuardProcess(gate.config)
    assert guard.wait("ready")["means"] == ["takeover"]

    gate.signal(signal.SIGSTOP)
    assert gate.ems.is_closed()
    taken = guard.wait("takeover")
    assert gate.process is not None
    assert taken["pid"] != gate.process.pid
    gate.seqs = {"order": gate.ems.seq, "reference": gate.prices.seq}
    try:
        gate.log_on()
        gate.answer_mass_status()
        gate.ems.expect("H")
        asked = gate.ems.expect("q")
        gate.report(cl_ord_id, "I", "0", exec_id="0", cum=0, leaves=100, more=((38, "100"), (44, "100.00")))
        cancel = gate.ems.expect("F")
        assert cancel.get(41).decode() == cl_ord_id
        assert asked.get(530).decode() == "7"
        more = ((41, cl_ord_id),)
        gate.report(cancel.get(11).decode(), "4", "4", exec_id="E9", cum=0, leaves=0, more=more)
        status = gate.until("nothing open", lambda s: not s["open_orders"])
        assert status["posture"] == "KILLED"
        beat = heartbeat.read(gate.folder / "state")
        assert beat is not None
        assert beat.pid == taken["pid"]  # and the guard watches this one now
    finally:
        os.kill(taken["pid"], signal.SIGKILL)
        guard.close()
    assert "posture" in (gate.folder / "guard" / "takeover.log").read_text()


def test_a_gate_that_ends_while_it_is_stuck_is_not_taken_for_another(gate: GateProcess) -> None:
    guarded(gate)
    gate.working()
    guard = GuardProcess(gate.config)
    guard.wait("ready")
    gate.signal(signal.SIGSTOP)
    gate.signal(signal.SIGKILL)
    gate.kill9()
    fired = guard.wait("fired")  # the slot still says that it lives: the guard looks who that is

    assert fired["killed"] == "gone before"
    assert fired["gone"] is True
    assert (gate.folder / "state" / "KILLED").exists()  # it was stuck: a person looks
    assert guard.close() == 0


@pytest.mark.parametrize("how", ["hold", *(pytest.param(how, marks=LONG) for how in ("wait", "compute"))])
def test_at_a_venue_that_cancels_on_disconnect_nothing_is_open_in_time(tmp_path: Path, how: str) -> None:
    """The whole way: a venue, a gate that trades there and whose loop is blocked, a guard."""
    options = ("--symbol", "SYN", "--from", "10:00", "--to", "10:10", "--seed", "1", "--start", "command")
    with VenueProcess(*options, out=tmp_path / "venue") as venue:
        gate = GateProcess(tmp_path)
        gate.code = BLOCKED.replace("{how}", how)
        try:
            text = gate.config.read_text()
            for mine, theirs in ((gate.order.port, "fix"), (gate.reference.port, "reference")):
                text = text.replace(f"port = {mine}", f"port = {venue.endpoints[theirs]}")
            gate.config.write_text(text)
            guarded(gate)
            gate.start()
            venue.tell({"start": {"anchor_mono_ns": time.monotonic_ns()}})
            anchor = venue.wait("started")["anchor"]
            assert gate.ask(cmd="clock", anchor=anchor)["ok"]
            gate.until("trading", lambda s: s["posture"] == "ACTIVE" and "SYN" in s["reference"])
            trader = gate.trader(7)
            trader.expect(up.Synced)
            parent = {"parent_id": "P1", "account": "PAPER", "side": "1", "qty": 1000, "symbol": "SYN"}
            window = {"mic": "XNAS", "start_ns": OPEN_NS, "end_ns": OPEN_NS + 600_000_000_000}
            assert gate.ask(cmd="submit", parent=parent | window)["ok"]
            trader.until_free()
            bid_e4 = gate.ask(cmd="status")["reference"]["SYN"]["bid_e4"]
            trader.submit(100, bid_e4 - 500)
            trader.expect(up.OrderUpdate, status=OrdStatus.NEW)
            guard = GuardProcess(gate.config)
            guard.wait("ready")
            with Lateness() as lateness:
                gate.signal(signal.SIGUSR2)
                fired = guard.wait("fired")
            guard.close()
        finally:
            gate.close()
        until_hung_up(venue)
        _, account, log = venue.stop()

    assert account["open_orders"] == []
    ended = next(json.loads(line) for line in log.splitlines() if "canceled_on_disconnect" in line)
    assert ended["orders"] == 1
    wall_ns = int(datetime.fromisoformat(ended["timestamp"]).timestamp() * 1e9)
    mono_ns = wall_ns - time.time_ns() + time.monotonic_ns()
    assert mono_ns - fired["fired_mono_ns"] <= lateness.allows(CANCELED_NS_MAX, STEPS)
    assert (tmp_path / "state" / "KILLED").exists()
