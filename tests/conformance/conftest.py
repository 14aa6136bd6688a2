"""A running venue, one for each list: its flow is slow, so that what is far from the market rests."""

from collections.abc import Iterator

import pytest

from tests.gateways.venue.process import VenueProcess

WINDOW = ("--from", "10:00", "--to", "15:00", "--speed", "1", "--seed", "7")


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VenueProcess]:
    with VenueProcess(*WINDOW, out=tmp_path_factory.mktemp("venue")) as running:
        running.wait("started")
        yield running
