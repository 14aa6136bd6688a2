"""The runbook at three in the morning: whatever a process can say is found there by its own words."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.gate.why import CLEARS
from risk.posture import CAUSES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "RUNBOOK.md").read_text()
SPANS = re.findall(r"`([^`]+)`", " ".join(re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL).split()))
PROCESSES = ("daemon/gate", "daemon/guard", "daemon/trader", "daemon/venue", "daemon/metrics", "gateways")
LEVELS = ("warning", "error")


def trees() -> Iterator[ast.Module]:
    for folder in PROCESSES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield ast.parse(path.read_text())


def words() -> set[str]:
    """Return what stands in every `log.warning("..")`, `log.error("..")` and `g.note("error", "..")`."""
    found = set()
    for tree in trees():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            if node.func.attr in LEVELS and texts and ast.unparse(node.func.value) == "log":
                found.add(texts[0])
            elif node.func.attr == "note" and isinstance(node.args[0], ast.Constant):
                found |= {texts[-1]} if texts[0] in LEVELS else set()
            elif (
                node.func.attr == "note"
                and node.args
                and any(f'"{w}"' in ast.unparse(node.args[0]) for w in LEVELS)
            ):
                found.add(texts[-1])
    return found


def row(name: str) -> str:
    """Return the row of a table whose first cell names something."""
    return next(
        (line for line in TEXT.splitlines() if line.startswith("|") and f"`{name}`" in line.split("|")[1]), ""
    )


@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_has_a_row_with_its_words_and_its_posture(cause: str) -> None:
    found, told = row(cause), CAUSES[cause]

    assert told.doc in found
    assert ("REDUCE" if told.posture.name == "REDUCE_ONLY" else told.posture.name) in found.split("|")[1]
    assert not told.latched or "eople" in found or cause in ("R30", "R68"), "a latch is lifted by people"


def test_every_control_that_refuses_has_a_row() -> None:
    refused = TEXT[TEXT.index("## Orders that are refused") :]
    code = "".join(path.read_text() for path in (ROOT / "risk").rglob("*.py"))

    for control in set(re.findall(r'\.fail\(\s*"(\w+)"', code)) | set(CLEARS):
        assert f"`{control}`" in refused, control


def test_every_warning_and_error_of_a_process_is_found_by_its_words() -> None:
    found = words()

    assert len(found) > 70
    assert sorted(text for text in found if not any(told(text, span) for span in SPANS)) == []


def told(text: str, span: str) -> bool:
    """Return whether words stand in a span: one word alone, several at its side too."""
    return text == span or (" " in text and text in span)


def test_every_link_inside_the_runbook_leads_somewhere() -> None:
    headings = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    places = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}

    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= places
