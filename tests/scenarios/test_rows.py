"""Every row of the order table is come by in some case: what nobody plays, nobody knows to hold."""

from typing import Any

import pytest

from market import child_order
from tests.scenarios.runner import cases, play


class Seen(dict[Any, Any]):
    """A table that remembers which rows were asked for."""

    def __init__(self, table: dict[Any, Any]) -> None:
        super().__init__(table)
        self.rows: set[Any] = set()

    def get(self, key: Any, default: Any = None) -> Any:
        self.rows.add(key)
        return super().get(key, default)


def test_every_row_of_the_order_table_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    moves, repairs = Seen(child_order.TRANSITIONS), Seen(child_order.REPAIRS)
    monkeypatch.setattr(child_order, "TRANSITIONS", moves)
    monkeypatch.setattr(child_order, "REPAIRS", repairs)

    for folder in ("fix44", "lifecycle", "fallbacks"):
        for case in cases(folder):
            play(case)

    missing = [f"{status.name} {kind.name}" for status, kind in set(moves) - moves.rows]
    assert not sorted(missing)
    assert repairs.rows >= set(repairs)
