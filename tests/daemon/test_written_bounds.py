"""Bounds of the gate and its overlay: what runs is what docs/BOUNDS.md says."""

import ast
import importlib
import operator
import re
from pathlib import Path
from typing import Any

import pytest

from daemon.gate import absence, core, drop_copy

ROOT = Path(__file__).parents[2]
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


def test_ticks_and_looks_are_of_these_lengths() -> None:
    assert (absence.TICK_NS, core.WATCH_NS, drop_copy.MATCH_NS) == (500_000_000, 50_000_000, 2_000_000_000)
