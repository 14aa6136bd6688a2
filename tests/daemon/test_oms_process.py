"""An OMS over the wire: raw bytes in, a gate as a process, kill -9 in between."""

import signal
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import simplefix

from market import updates as up
from tests.daemon.gate_process import BID, OPEN_NS, GateProcess, Trader
from tests.gateways.fix.raw_peer import RawPeer, dial

pytestmark = pytest.mark.slow

OMS = """
[gate.oms]
port = 0
comp_id = "GATE"
[[gate.oms.client]]
comp_id = "OMS"
accounts = ["PAPER"]
symbols = ["SYN"]
username = "desk"
password_file = "oms.password"
"""
LOGON = ((98, "0"), (108, "10"), (553, "desk"), (554, "a word"))


class Desk:
    """A gate with an OMS port, its EMS, a trader and an OMS that keeps its numbers."""

    def __init__(self, folder: Path) -> None:
        self.gate = GateProcess(folder)
        password = folder / "oms.password"
        password.write_text("a word\n")
        password.chmod(0o600)
        self.gate.config.write_text(self.gate.config.read_text() + OMS)
        self.seq, self.heard = 1, {}  # type: int, dict[int, simplefix.FixMessage]
        self.oms: RawPeer
        self.lines: list[RawPeer] = []

    def start(self, epoch: int) -> Trader:
        """Bring all of it up, market time included."""
        self.port = int(self.gate.start()["endpoints"]["oms"])
        self.gate.log_on()
        self.gate.answer_mass_status()
        self.gate.price()
        self.gate.until("prices", lambda s: "SYN" in s["reference"])
        anchor = {"anchor_ts_ns": OPEN_NS, "anchor_mono_ns": time.monotonic_ns(), "speed": 1.0}
        if epoch == 7:
            assert self.gate.ask(cmd="clock", anchor=anchor)["ok"]
        trader = self.gate.trader(epoch)
        trader.expect(up.Synced)
        return trader

    def log_on(self) -> None:
        """Log the OMS on with its own next number, and ask for what it missed."""
        self.oms = dial(self.port, "OMS", "GATE")
        self.lines.append(self.oms)
        self.oms.seq = self.seq
        self.oms.send("A", *LOGON)
        self.take()
        missing = self.missing()
        if missing:
            self.oms.send("2", (7, str(missing)), (16, "0"))

    def log_off(self) -> None:
        """The line drops."""
        self.seq = self.oms.seq
        self.oms.close()

    def missing(self) -> int:
        """Return the first number that never came, 0 for none."""
        return next((n for n in range(1, max(self.heard) + 1) if n not in self.heard), 0)

    def take(self) -> simplefix.FixMessage:
        """Take one message and its number; a gap fill counts for all that it fills."""
        message = self.oms.receive()
        number = int(message.get(34))
        last = int(message.get(36)) - 1 if message.get(35) == b"4" else number
        for n in range(number, last + 1):
            self.heard.setdefault(n, message)
        return message

    def report(self, exec_type: str) -> simplefix.FixMessage:
        """Take messages until one of this ExecType."""
        while True:
            message = self.take()
            if message.get(35) == b"8" and message.get(150).decode() == exec_type:
                return message

    def executions(self) -> dict[bytes, tuple[int, int]]:
        """Return ExecID -> LastQty, CumQty of every fill heard; a fill under two ExecIDs would be two."""
        fills = {}
        for number in sorted(self.heard):
            m = self.heard[number]
            if m.get(35) == b"8" and m.get(150) == b"F":
                fills[m.get(17)] = (int(m.get(32)), int(m.get(14)))
        return fills

    def order(self, cl_ord_id: str, qty: int, *more: tuple[int, str]) -> None:
        """35=D."""
        self.oms.send("D", (11, cl_ord_id), *terms(qty), *more)


def terms(qty: int) -> list[tuple[int, str]]:
    end = datetime.fromtimestamp(OPEN_NS / 1e9 + 600, UTC).strftime("%Y%m%d-%H:%M:%S")
    now = datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S")
    return [(1, "PAPER"), (55, "SYN"), (54, "1"), (38, str(qty)), (40, "1"), (59, "6"), (126, end), (60, now)]


def fill(gate: GateProcess, order: simplefix.FixMessage, exec_id: str, qty: int, cum: int) -> None:
    """The EMS tells of a fill."""
    total = int(order.get(38))
    more = ((32, str(qty)), (31, "100.00"), (38, str(total)))
    status = "2" if cum == total else "1"
    gate.report(order.get(11).decode(), "F", status, exec_id=exec_id, cum=cum, leaves=total - cum, more=more)


def accepted(gate: GateProcess) -> simplefix.FixMessage:
    """The EMS takes the gate's next order."""
    order = gate.ems.expect("D")
    qty = int(order.get(38))
    more = ((38, str(qty)),)
    gate.report(order.get(11).decode(), "0", "0", exec_id=f"N{order.get(34)}", cum=0, leaves=qty, more=more)
    return order


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    found = Desk(tmp_path)
    yield found
    for line in found.lines:
        line.close()
    found.gate.close()


def test_a_parent_over_the_wire_through_kill_9_is_told_whole(desk: Desk) -> None:
    trader = desk.start(7)
    desk.log_on()
    desk.order("A1", 300)
    assert desk.report("0").get(37) == b"P1"
    trader.until_free()
    trader.submit(300, BID)
    order = accepted(desk.gate)
    fill(desk.gate, order, "E1", 100, 100)
    assert desk.report("F").get(14) == b"100"

    desk.log_off()
    desk.gate.until("the OMS is gone", lambda s: not s["oms"]["OMS"]["up"])
    fill(desk.gate, order, "E2", 50, 150)
    desk.gate.until("booked", lambda s: s["parents"][0]["cum_qty"] == 150)
    desk.gate.kill9()
    desk.start(8)
    desk.log_on()
    assert desk.report("F").get(14) == b"150"
    fill(desk.gate, order, "E3", 150, 300)
    last = desk.report("F")

    assert (last.get(39), last.get(14), last.get(151)) == (b"2", b"300", b"0")
    assert sorted(desk.executions().values()) == [(50, 150), (100, 100), (150, 300)]
    assert desk.missing() == 0
    desk.order("A1", 300)
    assert desk.report("I").get(37) == b"P1"
    assert len(desk.gate.ask(cmd="status")["parents"]) == 1
    desk.gate.signal(signal.SIGTERM)
    assert b"gate stops" in logout(desk)


def logout(desk: Desk) -> bytes:
    """Return the text of the gate's Logout."""
    while True:
        message = desk.take()
        if message.get(35) == b"5":
            return bytes(message.get(58))


def test_a_parent_amended_down_in_flight_over_the_wire(desk: Desk) -> None:
    """With every report told when the disk has what it says."""
    config = desk.gate.config
    config.write_text(config.read_text().replace("[gate]\n", '[gate]\ndurability = "disk"\n'))
    trader = desk.start(7)
    desk.log_on()
    desk.order("A1", 300)
    desk.report("0")
    trader.until_free()
    trader.submit(200, BID)
    order = accepted(desk.gate)

    desk.oms.send("G", (11, "A2"), (41, "A1"), *terms(100))
    assert desk.report("E").get(39) == b"E"
    cancel = desk.gate.ems.expect("F")
    fill(desk.gate, order, "E1", 80, 80)
    assert desk.report("F").get(14) == b"80"
    more = ((41, order.get(11).decode()),)
    desk.gate.report(cancel.get(11).decode(), "4", "4", exec_id="C1", cum=80, leaves=0, more=more)
    replaced = desk.report("5")

    assert [replaced.get(t) for t in (11, 41, 38, 14, 151, 39)] == [b"A2", b"A1", b"100", b"80", b"20", b"1"]
    assert desk.gate.ask(cmd="status")["posture"] == "ACTIVE"


def test_who_is_not_known_hears_nothing(desk: Desk) -> None:
    port = int(desk.gate.start()["endpoints"]["oms"])
    wrong = (LOGON[0], LOGON[1], (553, "desk"), (554, "guess"))

    for names, fields in ((("OMS", "GATE"), wrong), (("EVE", "GATE"), LOGON), (("OMS", "OTHER"), LOGON)):
        stranger = dial(port, *names)
        stranger.send("A", *fields)
        assert stranger.connection.recv(1_000) == b""
        stranger.close()
    assert listens_on(port) == "0100007F", "loopback, in the kernel's own order"
    assert "a word" not in (desk.gate.folder / "fix-oms.log").read_text()


def listens_on(port: int) -> str:
    """Return the address that a port listens on, as the kernel shows it."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        address, state = line.split()[1], line.split()[3]
        if state == "0A" and int(address.split(":")[1], 16) == port:
            return address.split(":")[0]
    raise AssertionError(socket.gethostname())
