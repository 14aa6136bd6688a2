"""The session list against a running venue: what FIX 4.4 asks of an acceptor, byte by byte."""

from pathlib import Path

import pytest

from tests.conformance.cases import Case, read_cases
from tests.conformance.venue_lines import play, second
from tests.gateways.venue.process import VenueProcess

pytestmark = pytest.mark.slow
CASES = read_cases(Path(__file__).parent / "venue_session.txt")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_session_case_against_venue(venue: VenueProcess, case: Case) -> None:
    port = venue.endpoints["fix"]
    play(case, f"S{CASES.index(case)}", port, second(port))
