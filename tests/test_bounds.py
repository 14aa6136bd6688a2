"""docs/BOUNDS.md is the code's own list, and every bound in it has its reason."""

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def collector() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "deploy" / "setup" / "bounds.py"))


def test_the_page_is_what_the_code_says(collector: dict[str, Any]) -> None:
    assert (ROOT / "docs" / "BOUNDS.md").read_text() == collector["build"](), "run: make docs"


def test_every_bound_has_its_reason(collector: dict[str, Any]) -> None:
    assert [f"{b.module}: {b.name}" for b in collector["collect"]() if not b.reason] == []
