"""One short lockstep run, judged from outside: logs, bytes and report must tell one story."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from daemon import replay_options
from tests.paper.recompute import Account, accounts

SIGN = {"1": 1, "2": -1, "5": -1, "6": -1}
MINUTES = ["--from", "10:00", "--to", "10:03", "--seed", "7", "--lockstep"]
PARENTS = ["--parent", "SELL 600 SYN 10:00:20-10:02:20", "--parent", "SELL 300 SYN 10:00:30-10:01:30"]


def steadyhand(*argv: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "daemon.cli", *argv],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def paper(tmp: Path, name: str, *argv: str) -> tuple[Path, dict[str, Any]]:
    out = tmp / name
    done = steadyhand("paper", *argv, "--out", str(out), "--json", cwd=tmp)
    assert done.returncode == 0, done.stderr[-4000:]
    return out, json.loads(done.stdout)


@pytest.fixture(scope="module")
def lockstep_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    return paper(tmp_path_factory.mktemp("paper"), "first", *MINUTES, *PARENTS)


@pytest.fixture(scope="module")
def told(lockstep_run: tuple[Path, dict[str, Any]]) -> tuple[Account, Account]:
    return accounts(lockstep_run[0])


@pytest.mark.slow
def test_parents_end_filled_and_reconciled(lockstep_run: tuple[Path, dict[str, Any]]) -> None:
    report = lockstep_run[1]

    assert [p["status"] for p in report["parents"]] == ["filled", "filled"]
    assert [p["filled_qty"] for p in report["parents"]] == [600, 300]
    assert report["reconciliation"] == report["reconciliation"] | {"clean": True, "breaks": []}
    assert report["gate"]["rejects_by_control"] == {}


@pytest.mark.slow
def test_checksums_are_those_of_what_the_run_left(lockstep_run: tuple[Path, dict[str, Any]]) -> None:
    run = lockstep_run[0]
    lines = [line.split("  ") for line in (run / "SHA256SUMS").read_text().splitlines()]

    assert all(hashlib.sha256((run / name).read_bytes()).hexdigest() == told for told, name in lines)
    assert {"run.json", "venue.json", "fix-gate.log", "fix-venue.log", "itch.bin"} < {n for _, n in lines}
    assert sum(name.endswith(".seg") for _, name in lines) >= 3


@pytest.mark.slow
def test_both_logs_hold_the_same_fills(told: tuple[Account, Account]) -> None:
    gate, venue = told

    assert gate.fills == venue.fills
    assert gate.fills


@pytest.mark.slow
def test_report_follows_from_the_raw_logs(
    lockstep_run: tuple[Path, dict[str, Any]], told: tuple[Account, Account]
) -> None:
    report, (gate, venue) = lockstep_run[1], told

    for parent in report["parents"]:
        qty, notional = gate.parent(parent["id"])
        assert parent["filled_qty"] == qty
        assert parent["avg_price"] == pytest.approx(float(notional / qty), abs=1e-9)
        sign = 1 if parent["side"] == "BUY" else -1
        cost = sign * (float(notional / qty) / parent["arrival_price"] - 1) * 1e4
        assert parent["shortfall_bps"] == pytest.approx(cost, abs=1e-9)
        assert sum(parent["components"].values()) == pytest.approx(parent["shortfall_bps"], abs=1e-9)
    assert report["gate"]["orders"] == gate.news == venue.news
    assert report["gate"]["cancels"] == gate.cancels == venue.cancels
    assert report["venue"]["fills"] == len(venue.fills)
    assert report["reconciliation"]["position_gate"] == report["reconciliation"]["position_venue"]


@pytest.mark.slow
def test_no_order_is_filled_beyond_its_quantity(told: tuple[Account, Account]) -> None:
    filled: dict[str, int] = {}
    for chain, _, qty, _ in told[1].fills.values():
        filled[chain] = filled.get(chain, 0) + qty

    assert all(qty <= told[1].order_qty[chain] for chain, qty in filled.items())


@pytest.mark.slow
def test_same_seed_in_lockstep_is_the_same_run(
    lockstep_run: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    first = lockstep_run[0]

    second, _ = paper(tmp_path, "second", *MINUTES, *PARENTS)

    assert (second / "itch.bin").read_bytes() == (first / "itch.bin").read_bytes()
    assert accounts(second)[1].fills == accounts(first)[1].fills


@pytest.mark.slow
def test_replay_of_both_journals_gives_the_same_decisions(
    lockstep_run: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    done = steadyhand("replay", str(lockstep_run[0]), "--json", cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gate/gate", "trader/trader-*"])
def test_a_journal_that_was_cut_is_not_as_its_run_left_it(
    lockstep_run: tuple[Path, dict[str, Any]], tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(lockstep_run[0], tmp_path / "run"))
    (segment,) = run.glob(f"{kind}.journal/*.seg")
    segment.write_bytes(segment.read_bytes()[:-1_000])

    assert replay_options.main([str(run)]) == 1
    assert f"{segment.relative_to(run)} is not as the run left it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--parent", "SELL lots SYN 10:05-10:25"], "lots"),
        (["--parent", "SELL 100 SYN 10:25-10:05"], "10:25"),
        (["--parent", "SELL 100 XYZ 10:05-10:25"], "XYZ"),
        (["--tape", "nowhere"], "nowhere"),
        (["--from", "25:00"], "25:00"),
        (["--speed", "0"], "speed"),
        (["--symbol", "GOOG"], "GOOG"),
    ],
)
def test_bad_option_is_one_clear_line(argv: list[str], says: str, tmp_path: Path) -> None:
    done = steadyhand("paper", *argv, cwd=tmp_path)

    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_run_whose_parent_is_refused_says_so_and_does_not_wait_for_its_window(tmp_path: Path) -> None:
    both = ["--parent", "SELL 20 SYN 10:00:20-10:00:50", "--parent", "BUY 20 SYN 10:00:20-10:00:50"]
    done = steadyhand("paper", "--lockstep", "--from", "10:00", "--to", "10:01", *both, cwd=tmp_path)

    assert done.returncode == 1
    assert "refused BUY 20 SYN: R08" in done.stderr
    assert "has not ended" not in done.stderr


@pytest.mark.slow
def test_previous_close_reaches_the_gate_which_holds_every_order_against_it(tmp_path: Path) -> None:
    minute = ["--lockstep", "--from", "10:00", "--to", "10:01", "--parent", "SELL 20 SYN 10:00:20-10:00:50"]
    _, report = paper(tmp_path, "far", *minute, "--close", "50.00")

    assert report["parents"][0]["filled_qty"] == 0
    assert report["gate"]["orders"] == 0
    assert set(report["gate"]["rejects_by_control"]) == {"R05"}


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (["--seed", "-1"], 2, "seed"),
        (["--from", "10:00", "--to", "10:05", "--parent", "SELL 5 SYN 10:06-10:08"], 2, "10:00:00-10:05:00"),
        (["--policy", "nonsense"], 78, "nonsense"),
    ],
)
def test_mistake_that_is_found_late_leaves_nothing_behind(
    argv: list[str], code: int, says: str, tmp_path: Path
) -> None:
    done = steadyhand("paper", *argv, "--out", "run", cwd=tmp_path)

    assert done.returncode == code
    assert says in done.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_parent_beyond_the_end_of_the_tape_is_refused_before_anything_starts(tmp_path: Path) -> None:
    made = ["generate", "lobster", "--out", "t.zip", "--seed", "3", "--symbol", "TST", "--minutes", "2"]
    assert steadyhand(*made, "--events", "2000", cwd=tmp_path).returncode == 0
    assert steadyhand("ingest", "lobster", "t.zip", "--out", "tape", cwd=tmp_path).returncode == 0

    late = ["--tape", "tape", "--parent", "SELL 100 TST 15:50-15:55", "--out", "run"]
    done = steadyhand("paper", *late, cwd=tmp_path)

    assert done.returncode == 2
    assert "15:50:00-15:55:00 is not inside the market that is played" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_feed_may_come_by_udp_and_nothing_else_changes(
    lockstep_run: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    first, report = lockstep_run
    second, by_udp = paper(tmp_path, "udp", *MINUTES, *PARENTS, "--feed", "moldudp64")

    assert (second / "itch.bin").read_bytes() == (first / "itch.bin").read_bytes()
    assert by_udp["parents"] == report["parents"]
