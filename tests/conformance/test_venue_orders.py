"""The order list against a running venue: appendix D of FIX 4.4, as a client sees it, byte by byte."""

from pathlib import Path

import pytest

from tests.conformance.cases import Case, read_cases
from tests.conformance.venue_lines import dial, log_on, play
from tests.conformance.wire import Line
from tests.gateways.venue.process import VenueProcess

pytestmark = pytest.mark.slow
CASES = read_cases(Path(__file__).parent / "venue_orders.txt")
ASKED_MAX = 200


def cancel_all(port: int) -> None:
    """Take what earlier cases left off the market."""


def status_of(line: Line, cl_ord_id: str) -> str:
    line.send(line.frame("H", [(11, cl_ord_id), (55, "SYN"), (54, "1")]))
    while True:
        fields = dict(line.receive())
        if fields[35] == "8" and fields[150] == "I":
            return fields[39]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_order_case_against_venue(venue: VenueProcess, case: Case) -> None:
    port = venue.endpoints["fix"]
    unique = f"O{CASES.index(case)}"
    if any(step.raw == "clear" for step in case.steps):
        line = dial(port)
        log_on(line, [(141, "Y")])
        line.send(line.frame("q", [(11, f"{unique}Q"), (530, "7"), (60, "20240102-15:00:00")]))
        while dict(line.receive())[35] != "r":
            pass
        line.close()

    def do(what: str) -> None:
        verb, *words = what.split()
        match verb:
            case "clear":
                pass  # done before the case's own session
            case "differ":
                assert len(set(words)) == len(words), words
            case _:
                raise AssertionError(what)

    play(case, unique, port, do)
