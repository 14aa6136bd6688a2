"""The dashboard is what its generator writes, and a real Prometheus answers every panel."""

import json
import runpy
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.metrics.block import Counter, Gauge, Histogram, Metrics
from daemon.metrics.catalogue import CATALOGUE, SERVED, Kind, Metric
from tests.deploy.scrape import (
    DEPLOY,
    Prometheus,
    free_port,
    metrics_process,
    needs_prometheus,
    prometheus_process,
    wait_for,
)

BOARD = DEPLOY / "grafana" / "desk_overview.json"
FREE_LABELS = {"symbol": "SYN", "currency": "USD", "parent_id": "P1", "side": "SELL"}
WRITE_S = 0.2


def panels() -> Iterator[dict[str, Any]]:
    for panel in json.loads(BOARD.read_text())["panels"]:
        yield from panel.get("panels") or [panel]


def expressions() -> list[str]:
    found = [target["expr"] for panel in panels() for target in panel.get("targets", [])]
    return [e.replace("$__rate_interval", "5s") for e in found]


def bind(metrics: Metrics, metric: Metric) -> Counter | Gauge | Histogram:
    labels = {k: v[0] if v else FREE_LABELS.get(k, "x") for k, v in metric.labels.items()}
    if metric.name == "steadyhand_parents":
        labels["state"] = "active"
    make = {Kind.COUNTER: metrics.counter, Kind.GAUGE: metrics.gauge, Kind.HISTOGRAM: metrics.histogram}
    return make[metric.kind](metric.name, **labels)


class Writer(threading.Thread):
    """Writes every metric of the catalogue, again and again, as a busy daemon would."""

    def __init__(self, directory: Path) -> None:
        super().__init__(name="writer")
        self.metrics = Metrics(directory, "gate")
        self.stopped = threading.Event()
        served = {m.name for m in SERVED}
        written = [m for m in CATALOGUE.values() if m.name not in served]
        self.handles = [bind(self.metrics, m) for m in written if not m.name.endswith("_info")]
        for metric in written:
            if metric.name.endswith("_info"):
                handle = bind(self.metrics, metric)
                assert isinstance(handle, Gauge)
                handle.set(1)

    def run(self) -> None:
        while not self.stopped.is_set():
            for handle in self.handles:
                if isinstance(handle, Counter):
                    handle.inc(3)
                elif isinstance(handle, Gauge):
                    handle.set(time.time())
                else:
                    handle.observe(0.002)
            self.stopped.wait(WRITE_S)


def test_committed_dashboard_is_what_its_generator_writes() -> None:
    generator = runpy.run_path(str(DEPLOY / "grafana" / "desk_overview.py"))

    assert BOARD.read_text() == generator["build"](), "run: python deploy/grafana/desk_overview.py"


def test_every_panel_has_a_title_a_word_of_help_and_a_query() -> None:
    for panel in panels():
        if panel["type"] != "row":
            assert panel["title"]
            assert panel["description"]
            assert panel["targets"]


@needs_prometheus
@pytest.mark.slow
def test_a_real_prometheus_answers_every_panel_and_rule(tmp_path: Path) -> None:
    blocks = tmp_path / "blocks"
    writer = Writer(blocks)
    writer.start()
    try:
        with metrics_process(blocks) as port, prometheus_process(port, tmp_path / "prometheus") as face:
            wait_for("two scrapes", lambda: enough_scrapes(face))
            for expression in expressions():
                wait_for(expression, lambda e=expression: face.query(e))

            groups = face.api("rules")["data"]["groups"]
    finally:
        writer.stopped.set()
        writer.join()
        writer.metrics.close()

    assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}


@needs_prometheus
@pytest.mark.slow
def test_a_real_prometheus_that_scraped_a_paper_run_answers_every_panel(tmp_path: Path) -> None:
    """What is on the desk's screen while a parent is being worked; nothing refused is no data."""
    port = free_port()
    options = ["--speed", "20", "--metrics-port", str(port), "--out", str(tmp_path / "run")]
    command = [sys.executable, "-m", "daemon.cli", "paper", *options]
    unanswered = {e for e in expressions() if "_risk_refusals_total" not in e}
    fired: set[str] = set()

    with (
        prometheus_process(port, tmp_path / "prometheus") as face,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as paper,
    ):
        pause = threading.Event()
        while paper.poll() is None:
            unanswered = {e for e in unanswered if not face.query(e)}
            alerts = face.api("alerts")["data"]["alerts"]
            fired |= {a["labels"]["alertname"] for a in alerts if a["state"] == "firing"}
            pause.wait(WRITE_S)

    assert unanswered == set()
    assert paper.returncode == 0
    assert fired - {"SteadyhandMetricsMissing"} == set()  # before and after a run nothing is scraped


def enough_scrapes(face: Prometheus) -> bool:
    counted = face.query('count_over_time(up{job="steadyhand"}[30s])')
    return bool(counted) and float(counted[0]["value"][1]) >= 2
