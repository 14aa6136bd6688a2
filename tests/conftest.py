"""What holds for every test: one that hangs ends its worker, with the stacks of all threads."""

import faulthandler
from collections.abc import Iterator

import pytest

HANGS_S = 900.0  # the longest test takes a minute; a run on a busy machine ten times that


@pytest.fixture(autouse=True)
def _ends() -> Iterator[None]:
    faulthandler.dump_traceback_later(HANGS_S, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()
