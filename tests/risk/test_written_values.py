"""Bounds, limits, postures, roles: what runs is what people read, and what journals keep."""

import ast
import importlib
import operator
import re
from pathlib import Path
from typing import Any

import pytest

from risk.commands import LEAST, Role
from risk.limits import explain
from risk.posture import CAUSES, LIFE, Posture

ROOT = Path(__file__).parents[2]
EXPLAINED = Path(__file__).with_name("limits_explained.txt")
ROW = re.compile(r"\| `(\w+)` \| ([^|]+) \|")
SIGNS: dict[type[ast.operator], Any] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
}  # fmt: skip


def worth(node: ast.expr, module: Any) -> Any:
    """Return what arithmetic of numbers and a module's own names comes to."""
    if isinstance(node, ast.BinOp):
        return SIGNS[type(node.op)](worth(node.left, module), worth(node.right, module))
    if isinstance(node, ast.Name):
        return getattr(module, node.id)
    return ast.literal_eval(node)


def bounds() -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for part in (ROOT / "docs" / "BOUNDS.md").read_text().split("\n## ")[1:]:
        path, _, rows = part.partition("\n")
        if path.startswith(("risk/", "daemon/gate/")):
            found[path.removesuffix(".py").replace("/", ".")] = ROW.findall(rows)
    return found


@pytest.mark.parametrize("name", bounds())
def test_a_bound_is_what_the_page_of_bounds_says(name: str) -> None:
    module = importlib.import_module(name)
    for bound, text in bounds()[name]:
        said = ast.parse(text.replace("^", "**"), mode="eval").body
        assert getattr(module, bound) == worth(said, module), f"{name}.{bound}"


def test_a_limits_range_unit_and_ceiling_are_as_people_have_agreed() -> None:
    """A release alone changes the firm's ceiling, and so this file."""
    rows = [f"{d.key} {d.control} {d.unit} {d.low} {d.high} {d.tightens} {d.ceiling}" for d in explain()]

    assert rows == EXPLAINED.read_text().splitlines()
    assert all(d.doc and d.why for d in explain())


def test_postures_are_numbers_that_journals_and_gauges_keep() -> None:
    assert {p.name: p.value for p in Posture} == {"ACTIVE": 0, "REDUCE_ONLY": 1, "HALTED": 2, "KILLED": 3}


def test_what_kills_what_latches_and_what_returns_by_itself() -> None:
    kills = {name for name, row in CAUSES.items() if row.posture is Posture.KILLED}
    reduces = {name for name, row in CAUSES.items() if row.posture is Posture.REDUCE_ONLY}
    passing = {name for name, row in CAUSES.items() if not row.latched and not row.returns}

    assert kills == {"R14", "R30", "R68", "R70", "R71"}
    assert reduces == {
        "R11", "R19", "R21", "R22", "R25", "R30S", "R30I", "R52", "R62L", "R63S", "R64", "R66S", "R67S",
        "R71S", "R72", "R76",
    }  # fmt: skip
    assert {name for name, row in CAUSES.items() if row.returns} == {"R06", "R41", "R60", "R61"}
    assert passing == (reduces - {"R25"}) | {"R40", "R42", "R67", "STOPPING"}
    assert not any(row.latched and row.returns for row in CAUSES.values())
    assert all(row.clears for name, row in CAUSES.items() if not row.latched and name != "R11")
    assert len(LIFE) == 12


def test_a_role_may_do_what_those_below_it_may() -> None:
    assert [role.value for role in Role] == [0, 1, 2, 3]
    assert list(Role) == [Role.VIEW, Role.OPERATE, Role.RISK, Role.ADMIN]
    assert set(LEAST.values()) == {Role.OPERATE, Role.RISK}
