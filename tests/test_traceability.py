"""The table of rules, controls, tests, metrics and alerts is whole, and is what the code says."""

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def table() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "deploy" / "setup" / "traceability.py"))


def test_no_rule_is_without_a_control_and_no_control_without_code_test_metric_and_alert(
    table: dict[str, Any],
) -> None:
    assert table["holes"]() == []


def test_every_id_of_the_page_is_one_of_the_code(table: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "TRACEABILITY.md").read_text()

    for control in table["families"]():
        assert f"| {control} |" in page, "run: make docs"
    for rule, _, _ in table["ITEMS"]:
        assert f"| {rule} |" in page, "run: make docs"


def test_a_hole_is_seen(table: dict[str, Any]) -> None:
    items = table["ITEMS"]
    items.append(("A rule", "asks for what nobody built", ("R99",)))
    dropped = next(item for item in items if item[2] == ("R17",))
    items.remove(dropped)
    kept = [item for item in items if "R17" not in item[2]]
    table["holes"].__globals__["ITEMS"] = kept

    found = table["holes"]()

    assert "R99: no control of the code" in found
    assert "R17: no regulation's item names it" in found
