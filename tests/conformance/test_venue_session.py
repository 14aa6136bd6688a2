"""The session list against a running venue: what FIX 4.4 asks of an acceptor, byte by byte."""

from pathlib import Path

import pytest

from tests.conformance.cases import Case, read_cases
from tests.conformance.venue_lines import dial, play
from tests.conformance.wire import LineClosedError
from tests.gateways.venue.process import VenueProcess

pytestmark = pytest.mark.slow
CASES = read_cases(Path(__file__).parent / "venue_session.txt")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_session_case_against_venue(venue: VenueProcess, case: Case) -> None:
    port = venue.endpoints["fix"]

    def do(what: str) -> None:
        assert what == "second", what
        other = dial(port)
        other.send(other.frame("A", [(98, "0"), (108, "30")]))
        with pytest.raises(LineClosedError):
            other.receive()
        other.close()

    play(case, f"S{CASES.index(case)}", port, do)
