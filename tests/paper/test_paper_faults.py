"""A paper run in real time while somebody does something to it: kill -9, Ctrl-C, a port that is taken."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.paper.recompute import accounts

ROOT = Path(__file__).parents[2]
WAIT_S = 120.0
RUN = ["--from", "10:00", "--to", "10:06", "--speed", "10", "--json"]
PARENT = "SELL 800 SYN 10:00:40-10:04:40"


def start(tmp: Path, *argv: str, parent: str = PARENT) -> "subprocess.Popen[str]":
    options = [*RUN, "--parent", parent, "--out", str(tmp / "run"), *argv]
    return subprocess.Popen(
        [sys.executable, "-m", "daemon.cli", "paper", *options],
        cwd=tmp,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def child(run: "subprocess.Popen[str]", command: str) -> psutil.Process | None:
    """The run's process of that command."""
    for process in psutil.Process(run.pid).children():
        if command in process.cmdline()[1:5]:
            return process
    return None


def wait_for_fills(tmp: Path, count: int) -> None:
    """Return once the venue's log shows that many fills: an event, not a time."""
    log, deadline = tmp / "run" / "fix-venue.log", time.monotonic() + WAIT_S
    while not log.exists() or log.read_bytes().count(b"\x01150=F\x01") < count:
        assert time.monotonic() < deadline, "no fills came"
        os.sched_yield()


def finish(run: "subprocess.Popen[str]") -> tuple[int, dict[str, Any], str]:
    out, err = run.communicate(timeout=WAIT_S)
    return run.returncode, json.loads(out) if out.strip() else {}, err


@pytest.mark.slow
def test_trader_killed_in_mid_parent_is_replaced_and_nothing_is_doubled(tmp_path: Path) -> None:
    run = start(tmp_path)
    wait_for_fills(tmp_path, 2)
    trader = child(run, "trader")
    assert trader is not None

    trader.send_signal(signal.SIGKILL)
    code, report, err = finish(run)

    assert code == 0, err[-3000:]
    assert report["parents"][0]["status"] == "filled"
    assert report["parents"][0]["filled_qty"] == 800
    gate, venue = accounts(tmp_path / "run")
    assert gate.fills == venue.fills
    assert venue.parent("P1")[0] == 800


@pytest.mark.slow
def test_interrupt_cancels_reconciles_and_leaves_a_report(tmp_path: Path) -> None:
    run = start(tmp_path)
    wait_for_fills(tmp_path, 1)

    run.send_signal(signal.SIGINT)
    code, report, err = finish(run)

    assert code == 130, err[-3000:]
    assert report["parents"][0]["status"] == "canceled"
    assert report["reconciliation"]["clean"]
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000


@pytest.mark.slow
def test_nothing_of_a_run_outlives_it(tmp_path: Path) -> None:
    run = start(tmp_path)
    wait_for_fills(tmp_path, 1)
    family = psutil.Process(run.pid).children(recursive=True)
    assert len(family) >= 3

    run.kill()
    run.communicate(timeout=WAIT_S)
    _, alive = psutil.wait_procs(family, timeout=30)

    assert not alive
    config = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    shutil.rmtree(Path(config["gate"]["control_socket"]).parent)  # nobody was left to take its sockets away


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["gate", "venue"])
def test_authority_that_is_killed_ends_the_run_in_one_line_with_what_there_is(
    tmp_path: Path, victim: str
) -> None:
    run = start(tmp_path)
    wait_for_fills(tmp_path, 1)
    process = child(run, victim)
    assert process is not None

    process.send_signal(signal.SIGKILL)
    code, _, err = finish(run)

    assert code == 1
    assert err.strip().splitlines()[-1].startswith(f"steadyhand paper: {victim} was killed by SIGKILL")
    assert (tmp_path / "run" / "run.json").exists()


def test_interrupt_while_starting_ends_at_once(tmp_path: Path) -> None:
    run = start(tmp_path)
    assert run.stderr is not None
    assert run.stderr.readline() == "starting venue\n"

    run.send_signal(signal.SIGINT)
    code, _, _ = finish(run)

    assert code == 130
    assert not (tmp_path / "run").exists()


def test_metrics_port_that_is_taken_ends_the_run_at_once_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = finish(start(tmp_path, "--metrics-port", str(port)))

    assert code == 2
    assert err.strip().splitlines()[-1].startswith("steadyhand paper: metrics ended with")
    assert str(port) in err


@pytest.mark.slow
def test_parent_that_joins_by_submit_is_worked_too_and_the_run_is_clean(tmp_path: Path) -> None:
    run = start(tmp_path, parent=PARENT.replace("SELL", "BUY"))  # R08 refuses two sides of one symbol
    wait_for_fills(tmp_path, 1)

    submit = ["submit", "--config", str(tmp_path / "run" / "config.toml"), "BUY 200 SYN +60s id=JOINED"]
    joined = subprocess.run(
        [sys.executable, "-m", "daemon.cli", *submit],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    code, report, err = finish(run)

    assert joined.returncode == 0, joined.stderr
    assert joined.stdout.startswith("JOINED admitted")
    assert code == 0, err[-3000:]
    assert {p["id"]: p["status"] for p in report["parents"]} == {"P1": "filled", "JOINED": "filled"}
    assert report["reconciliation"]["clean"]
    gate, venue = accounts(tmp_path / "run")
    assert gate.fills == venue.fills
    assert venue.parent("JOINED")[0] == 200
