"""The session list against the venue's own acceptor: it is no laxer than the engine that it stands in for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.cases import Case, read_cases
from tests.conformance.venue_lines import play, second
from tests.gateways.venue.process import VenueProcess

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
POSITIONS = [case for case in read_cases(HERE / "venue_orders.txt") if "position" in case.name]
CASES = POSITIONS + [  # groups (35=AP) are the engine's to frame, and here the venue's own
    case
    for case in read_cases(HERE / "venue_session.txt")
    if "beyond what was sent" not in case.name  # the engine fills a gap that is none; nothing is right, too
]
WINDOW = ("--from", "10:00", "--to", "15:00", "--speed", "1", "--seed", "7", "--acceptor", "plain")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VenueProcess]:
    with VenueProcess(*WINDOW, out=tmp_path_factory.mktemp("venue")) as running:
        running.wait("started")
        yield running


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_session_case_against_the_plain_acceptor(plain: VenueProcess, case: Case) -> None:
    port = plain.endpoints["fix"]
    play(case, f"S{CASES.index(case)}", port, second(port))
