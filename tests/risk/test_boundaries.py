"""Every numeric limit below, at and above its value, on both sides, beside an order in five states."""

import pytest

from market.types import Side
from risk.limits import LEVELS, NOT_OF, OF_THE_DESK, Limits, explain, levels_of
from tests.daemon.gate_harness import LIMITS
from tests.risk.boundary_rows import ROWS
from tests.risk.boundary_world import OWNERS, Row, run

CASES = [(row, side, state) for row in ROWS for side in row.sides for state in row.states]
OWN = [(row, level) for row in ROWS for level in levels_of(row.key)]
NUMBERS = {doc.key for doc in explain() if doc.unit not in ("list", "yes or no")}


@pytest.mark.parametrize(
    ("row", "side", "state"), CASES, ids=[f"{r.key}-{s.name}-{state}" for r, s, state in CASES]
)
def test_at_its_boundary(row: Row, side: Side, state: str) -> None:
    for beside in (-1, 0, 1):
        assert run(row, side, state, beside) is row.expected(beside), f"limit {-beside:+d} of the value"


@pytest.mark.parametrize(("row", "level"), OWN, ids=[f"{row.key}-{level}" for row, level in OWN])
def test_at_its_boundary_where_it_is_a_levels_own(row: Row, level: str) -> None:
    state = row.states[min(1, len(row.states) - 1)]
    for beside in (-1, 0, 1):
        assert run(row, row.sides[0], state, beside, level) is row.expected(beside), f"{-beside:+d}"


@pytest.mark.parametrize(
    ("level", "key"), [*((lv, key) for lv in LEVELS for key in sorted(OF_THE_DESK)), *NOT_OF.items()]
)
def test_no_level_has_a_value_that_would_hold_nowhere(level: str, key: str) -> None:
    table, name = key.split(".")
    tree = LIMITS.model_dump()
    tree["level"] = {level: {OWNERS[level]: {table: {name: tree[table][name]}}}}

    found = Limits.model_validate(tree).faults("paper")

    assert [f for f in found if f.startswith(f"level.{level}.{OWNERS[level]}.{key}: ")]


def test_every_numeric_limit_has_its_boundary() -> None:
    reached = {row.key for row in ROWS}

    assert NUMBERS - reached == {"resume.rearmed_ms"}  # tests/daemon/test_gate_people.py
    assert reached <= NUMBERS
