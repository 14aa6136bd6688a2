"""docs/STATES.md shows the tables of the code."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_page_is_what_the_tables_say() -> None:
    states = runpy.run_path(str(ROOT / "deploy" / "setup" / "states.py"))

    assert (ROOT / "docs" / "STATES.md").read_text() == states["build"](), "run: make docs"
