"""The order list against a running venue: appendix D of FIX 4.4, as a client sees it, byte by byte."""

from pathlib import Path

import pytest

from tests.conformance.cases import Case, read_cases
from tests.conformance.venue_lines import dial, log_on, play
from tests.gateways.venue.process import VenueProcess

pytestmark = pytest.mark.slow
CASES = read_cases(Path(__file__).parent / "venue_orders.txt")


def cancel_all(port: int, name: str) -> None:
    """Take what earlier cases left off the market, and hear every report of it."""
    line = dial(port)
    log_on(line, [(141, "Y")])
    line.send(line.frame("q", [(11, name), (530, "7"), (60, "20240102-15:00:00")]))
    left = -1
    while left:
        fields = dict(line.receive())
        if fields[35] == "r":
            left = int(fields[533])
        elif left > 0 and fields[35] == "8":
            left -= 1
    line.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_order_case_against_venue(venue: VenueProcess, case: Case) -> None:
    port = venue.endpoints["fix"]
    unique = f"O{CASES.index(case)}"
    if any(step.raw == "clear" for step in case.steps):
        cancel_all(port, f"{unique}Q")

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
