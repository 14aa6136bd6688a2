"""Wrong bytes into everything that reads bytes: no exception that is not said, no state that moves.

The long profile: python -m tests.fuzz.run --inputs 1500000.
"""

import os

import pytest

from tests.fuzz.targets import Target, fuzz, targets

INPUTS = 200_000 if os.environ.get("STEADYHAND_LONG") else 1_000


@pytest.mark.parametrize("target", targets(), ids=lambda target: target.name)
def test_wrong_bytes_are_refused_and_change_nothing(target: Target) -> None:
    fuzz(target, 1, INPUTS)
