"""The venue's session list against the gate's OMS port: one standard, two acceptors that share no code."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance import venue_lines
from tests.conformance.cases import Case, read_cases
from tests.conformance.wire import Line
from tests.daemon.gate_process import OPEN_NS, GateProcess

pytestmark = pytest.mark.slow
OMS = """
[gate.oms]
port = 0
comp_id = "GATE"
[[gate.oms.client]]
comp_id = "OMS"
accounts = ["ACC1"]
symbols = ["SYN"]
reset_on_logon = true
"""
PARENTS = (
    "of a venue's orders; reports of parents have tests of their own (test_oms_session, test_oms_crashes)"
)
# Where the standard leaves a choice and the two have chosen differently, or an order is meant for a market.
OTHERWISE = {
    "Logon with HeartBtInt that is no number: refused": "with a Logout that says so",
    "[2 d] CheckSum of two digits does no harm": "garbled, as the standard says",
    "SenderCompID is missing: Reject for it": "and the session ends, as for a wrong one",
    "[8] ResendRequest beyond what was sent: the session lives": "with a Reject",
    "SequenceReset without NewSeqNo: nothing is reset": "and a Reject says why",
    "[8] ResendRequest of reports: they come again with PossDupFlag and OrigSendingTime": PARENTS,
    "[8] ResendRequest of a range: reports again, the rest filled": PARENTS,
    "[9] a report that we did not wait for comes after the next Logon": PARENTS,
    "[15] body fields in another order are taken": PARENTS,
    "a custom tag on an order is no reason to lose it": "an instruction is refused by name, never ignored",
}
CASES = [
    case for case in read_cases(Path(__file__).parent / "venue_session.txt") if case.name not in OTHERWISE
]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where a gate's OMS port is."""
    gate = GateProcess(tmp_path_factory.mktemp("oms"))
    gate.config.write_text(gate.config.read_text() + OMS)
    found = int(gate.start()["endpoints"]["oms"])
    anchor = {"anchor_ts_ns": OPEN_NS, "anchor_mono_ns": time.monotonic_ns(), "speed": 1.0}
    assert gate.ask(cmd="clock", anchor=anchor)["ok"]
    yield found
    gate.close()


def dial(port: int) -> Line:
    return Line(socket.create_connection(("127.0.0.1", port), venue_lines.DIAL_S), "OMS", "GATE")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_session_case_against_the_oms_port(port: int, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(venue_lines, "dial", dial)

    venue_lines.play(case, f"S{CASES.index(case)}", port, venue_lines.second(port))
