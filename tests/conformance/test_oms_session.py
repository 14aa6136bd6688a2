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
HERE = Path(__file__).parent
SHARED = read_cases(HERE / "venue_session.txt")
OTHERWISE = read_cases(HERE / "oms_session.txt")  # the same claims as this port keeps them
OWN = {case.name: case for case in OTHERWISE}
CASES = [OWN.get(case.name, case) for case in SHARED]


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


def test_every_case_of_the_list_is_played() -> None:
    assert OWN.keys() <= {case.name for case in SHARED}
    assert len(OWN) == 10
    assert len(CASES) >= 60
