"""With any one control taken away its boundary or its canary fails (docs/ABLATION.md: and so does a test)."""

import pytest

from deploy.setup.ablation import TARGET, ids, silence
from market import events as ev
from risk import canary
from risk.limits import explain
from tests.daemon.gate_harness import World, limits
from tests.risk.boundary_rows import ROWS
from tests.risk.boundary_world import Row, run

CONTROL = {doc.key: doc.control for doc in explain()}
SANG = {name.partition(" ")[0] for name in canary.TURN}
# What neither a limit nor a canary reaches: told by others, or found out of the day's order. Each has tests.
ELSEWHERE = {
    *(
        "GR1",
        "R14",
        "R40",
        "R42",
        "R51",
        "R52",
        "R60",
        "R62",
        "R67",
        "R67C",
        "R68",
        "R70H",
        "R72",
        "R76",
        "R76H",
    ),
    "STOPPING",
}


def rows_of(control: str) -> list[Row]:
    return [row for row in ROWS if CONTROL[row.key] == control[:3]]


def wrong(row: Row) -> bool:
    """Does a row say otherwise than it must, anywhere around its limit?"""
    side = row.sides[0]
    return any(run(row, side, row.states[-1], beside) is not row.expected(beside) for beside in (-1, 0, 1))


@pytest.mark.parametrize("control", sorted(set(ids()) - (ELSEWHERE - SANG)))
def test_without_a_control_a_boundary_moves_or_a_canary_passes(
    control: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = World(limits())
    w.open()
    silence(control, monkeypatch.setattr)
    stamp = ev.Stamp(w.ts, w.now)
    passed = [
        n for n in canary.TURN if n.partition(" ")[0] == control and canary.sing(w.core.state.risk, n, stamp)
    ]

    assert passed or any(wrong(row) for row in rows_of(control))


def test_every_id_was_taken_away_and_missed() -> None:
    page = TARGET.read_text()

    assert [name for name in ids() if f"\n| {name} | `" not in page] == []
