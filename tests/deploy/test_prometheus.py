"""Rules and alerts: valid, tested by promtool, about metrics that exist, with a page in the runbook."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from daemon.metrics.catalogue import CATALOGUE, CAUSE_IDS, CONTROLS, Kind
from risk.posture import CAUSES, Posture

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy" / "prometheus"
ALERTS = (DEPLOY / "rules" / "alerts.yml").read_text()

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)"
)


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\bsteadyhand_[a-z0-9_]+", text))


def exported() -> set[str]:
    names = set()
    for metric in CATALOGUE.values():
        ends = ("_bucket", "_sum", "_count") if metric.kind is Kind.HISTOGRAM else ("",)
        names |= {metric.name + end for end in ends}
    return names


@needs_promtool
@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "config", "prometheus.yml"],
        ["test", "rules", "tests/alerts.test.yml"],
    ],
    ids=["config and rules", "unit tests"],
)
def test_promtool_is_content(arguments: list[str]) -> None:
    outcome = subprocess.run(["promtool", *arguments], capture_output=True, text=True, cwd=DEPLOY)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize(
    "path", [*DEPLOY.glob("rules/*.yml"), *DEPLOY.glob("../grafana/*.json")], ids=lambda p: p.name
)
def test_rules_and_panels_are_about_metrics_that_exist(path: Path) -> None:
    assert names_in(path.read_text()) - exported() == set()


def test_every_alert_is_tested_both_ways() -> None:
    tests = (DEPLOY / "tests" / "alerts.test.yml").read_text()

    for alert in re.findall(r"- alert: (\w+)", ALERTS):
        assert f"name: {alert} fires" in tests
        assert f"name: {alert} keeps quiet" in tests


def test_every_alert_has_its_page_in_the_runbook() -> None:
    runbook = (ROOT / "docs" / "RUNBOOK.md").read_text()
    headings = {h.lower() for h in re.findall(r"^## (\w+)$", runbook, re.MULTILINE)}

    assert set(re.findall(r"runbook_url: docs/RUNBOOK\.md#(\w+)", ALERTS)) == {
        h.lower() for h in re.findall(r"- alert: (\w+)", ALERTS)
    }
    assert {a.lower() for a in re.findall(r"- alert: (\w+)", ALERTS)} <= headings


def test_the_catalogue_lists_what_is_written_and_nothing_else() -> None:
    sources = [p for d in ("daemon", "gateways", "research") for p in (ROOT / d).rglob("*.py")]
    written = "\n".join(p.read_text() for p in sources if p.name != "metrics_catalogue.py")

    unwritten = {name for name in CATALOGUE if f'"{name}"' not in written}

    assert unwritten == set()


def test_every_control_of_the_house_can_be_counted() -> None:
    sources = [p for d in ("risk", "daemon") for p in (ROOT / d).rglob("*.py")]
    used = set(re.findall(r'"(R[0-9]{2}[A-Z]?)"', "\n".join(p.read_text() for p in sources)))

    assert used - set(CONTROLS) - set(CAUSE_IDS) == {"R75"}  # it lowers others' limits, which then refuse
    assert {c for c in CONTROLS if c.startswith("R")} <= used


def test_every_cause_pages_or_waits_for_the_morning_as_bad_as_it_is() -> None:
    text = (ROOT / "deploy" / "prometheus" / "rules" / "alerts.yml").read_text()
    not_halted = re.search(r'causes\{cause!~"([^"]+)"', text)
    reduced = re.search(r'causes\{cause=~"([^"]+)"', text)
    assert not_halted
    assert reduced
    elsewhere = {"R70", "R60", "R67", "STOPPING"}  # the kill switch, the session, and starting and stopping

    pages = {c for c in CAUSES if not re.fullmatch(not_halted[1], c)}
    tickets = {c for c in CAUSES if re.fullmatch(reduced[1], c)}

    assert pages == {c for c, row in CAUSES.items() if row.posture >= Posture.HALTED} - elsewhere
    assert tickets == {c for c, row in CAUSES.items() if row.posture is Posture.REDUCE_ONLY}
