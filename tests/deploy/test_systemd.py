"""The units are valid, and as closed as we say."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.config import load
from daemon.gate.engine import RUN_LOG

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
EXPOSURE_MAX = {
    "steadyhand-gate": 1.0,
    "steadyhand-guard": 1.3,  # sees other processes: whom it kills, and whose session it shuts down
    "steadyhand-trader": 1.3,
    "steadyhand-metrics": 1.0,
}

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (Debian: systemd)"
)


@pytest.fixture
def unit_dir(tmp_path: Path) -> Path:
    """The units with a program that exists in place of the installed one: `verify` looks for it."""
    for unit in UNITS.glob("*.service"):
        text = unit.read_text().replace("/opt/steadyhand/venv/bin/steadyhand", sys.executable)
        (tmp_path / unit.name).write_text(text)
    return tmp_path


def test_every_unit_has_a_bound_of_exposure() -> None:
    assert {u.stem for u in UNITS.glob("*.service")} == set(EXPOSURE_MAX)


@needs_systemd
def test_units_verify_without_a_word(unit_dir: Path) -> None:
    units = sorted(map(str, unit_dir.glob("*.service")))

    outcome = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True
    )

    said = [line for line in outcome.stderr.splitlines() if "steadyhand" in line]
    assert (outcome.returncode, said) == (0, [])


@needs_systemd
@pytest.mark.parametrize("name", EXPOSURE_MAX)
def test_exposure_is_as_low_as_we_say(unit_dir: Path, name: str) -> None:
    command = [
        "systemd-analyze",
        "security",
        "--offline=true",
        "--no-pager",
        str(unit_dir / f"{name}.service"),
    ]

    outcome = subprocess.run(command, capture_output=True, text=True)

    found = re.search(r"exposure level for \S+: ([0-9.]+)", outcome.stdout)
    assert found, outcome.stderr
    assert float(found.group(1)) <= EXPOSURE_MAX[name]


@pytest.mark.parametrize("name", ["steadyhand-gate", "steadyhand-guard", "steadyhand-trader"])
def test_daemons_notify_are_watched_and_do_not_crash_loop_on_a_wrong_config(name: str) -> None:
    lines = (UNITS / f"{name}.service").read_text().splitlines()

    assert "Type=notify" in lines
    assert any(line.startswith("WatchdogSec=") for line in lines)
    assert "RestartPreventExitStatus=2 78" in lines


def test_only_the_gate_can_do_without_writable_code() -> None:
    gate = (UNITS / "steadyhand-gate.service").read_text().splitlines()
    trader = (UNITS / "steadyhand-trader.service").read_text().splitlines()

    assert "MemoryDenyWriteExecute=yes" in gate
    assert "MemoryDenyWriteExecute=yes" not in trader  # numba compiles


def test_what_the_example_lets_a_unit_write_is_where_the_unit_may_write() -> None:
    """`ProtectSystem=strict`: a log beside a state directory needs a place of its own too."""
    config = load(UNITS.parent / "live.example.toml")
    assert config.gate is not None
    assert config.guard is not None
    assert config.trader is not None
    assert config.metrics is not None
    gate, shared = config.gate, config.metrics.directory
    written: dict[str, list[Path | None]] = {
        "steadyhand-gate": [gate.state_dir, gate.state_dir.parent / RUN_LOG, gate.control_socket, shared],
        "steadyhand-guard": [config.guard.state_dir, gate.state_dir, shared],
        "steadyhand-trader": [config.trader.journal_dir, shared],
    }

    for name, paths in written.items():
        unit = (UNITS / f"{name}.service").read_text()
        places = [
            f"/var/lib/{f}" for f in re.findall(r"^StateDirectory=(.+)$", unit, re.MULTILINE)[0].split()
        ]
        places += [f"/run/{f}" for f in re.findall(r"^RuntimeDirectory=(.+)$", unit, re.MULTILINE)]
        places += re.findall(r"^ReadWritePaths=(.+)$", unit, re.MULTILINE)
        for path in paths:
            assert any(path is not None and path.is_relative_to(place) for place in places), (name, path)


def test_raw_messages_are_rotated_where_they_stand() -> None:
    text = (UNITS / "steadyhand.logrotate.conf").read_text()
    config = load(UNITS.parent / "live.example.toml")
    assert config.gate is not None

    assert f"{config.gate.state_dir.parent}/fix-*.log" in text
    assert "copytruncate" in text  # the gate holds it open, for append
