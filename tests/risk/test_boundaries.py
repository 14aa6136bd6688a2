"""Every numeric limit below, at and above its value, on both sides, beside an order in five states."""

import pytest

from market.types import Side
from risk.limits import explain
from tests.risk.boundary_rows import ROWS
from tests.risk.boundary_world import Row, run

CASES = [(row, side, state) for row in ROWS for side in row.sides for state in row.states]
NUMBERS = {doc.key for doc in explain() if doc.unit not in ("list", "yes or no")}


@pytest.mark.parametrize(
    ("row", "side", "state"), CASES, ids=[f"{r.key}-{s.name}-{state}" for r, s, state in CASES]
)
def test_at_its_boundary(row: Row, side: Side, state: str) -> None:
    for beside in (-1, 0, 1):
        assert run(row, side, state, beside) is row.expected(beside), f"limit {-beside:+d} of the value"


def test_every_numeric_limit_has_its_boundary() -> None:
    reached = {row.key for row in ROWS}

    assert NUMBERS - reached == {"resume.rearmed_ms"}  # tests/daemon/test_gate_people.py
    assert reached <= NUMBERS
