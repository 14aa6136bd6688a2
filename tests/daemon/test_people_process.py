"""People at a gate's process: keys, roles, limits, why, days, by the commands that they type."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.config import load
from daemon.options import USAGE
from daemon.people import (
    eod_options,
    keys,
    keys_options,
    limits_options,
    one_line,
    operator,
    sod_options,
    why_options,
)
from market import updates as up
from risk import commands as co
from tests.daemon.gate_process import BID, ROOT, GateProcess

pytestmark = pytest.mark.slow


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[GateProcess]:
    process = GateProcess(tmp_path)
    ring = keys.make_paper_keys(tmp_path / "keys")
    text = process.config.read_text()
    more = f'keyring = "{ring}"\nday_dir = "days"\nkill_file'
    process.config.write_text(text.replace("kill_file", more, 1))
    yield process
    process.close()


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_stops_and_the_two_steps_of_a_rearm(gate: GateProcess, capsys: pytest.CaptureFixture[str]) -> None:
    config = ["--config", str(gate.config)]
    trader = gate.trade()
    assert operator.halt([*config, "--scope", "S/SYN", "--reason", "lunch"]) == 0
    assert "S/SYN is halted" in said(capsys)
    assert operator.kill([*config, "--scope", "X/SYN"]) == USAGE
    assert "nothing is killed: --scope 'X/SYN' is not one of A/account" in said(capsys)
    assert why_options.main([*config, "P1"]) == 1
    assert "R70H S/SYN: cli: lunch" in said(capsys)
    trader.submit(100, BID)
    assert "R70H" in trader.expect(up.IntentRefused).controls
    assert operator.kill([*config, "--reason", "a drill"]) == 0
    assert operator.rearm([*config, "--reason", "short"]) == one_line.REFUSED
    said(capsys)
    assert operator.rearm([*config, "--reason", "looked into it", "--json"]) == 0
    digest = json.loads(capsys.readouterr().out)["digest"]

    assert operator.rearm([*config, "--confirm", digest]) == one_line.REFUSED
    assert "read it first" in said(capsys)
    first = ["--key", str(gate.folder / "keys" / "first.pem")]
    assert operator.rearm([*config, "--confirm", digest, *first]) == one_line.REFUSED
    assert "another person" in said(capsys)
    assert (gate.folder / "state" / "KILLED").read_text().startswith("R70 cli: a drill")
    assert why_options.main([*config, "--at", "end"]) == 1
    shown = said(capsys)
    assert "R70 desk: cli: a drill" in shown
    assert "two people rearm" in shown


def test_limits_and_lease_and_day_by_signature(gate: GateProcess, capsys: pytest.CaptureFixture[str]) -> None:
    config = ["--config", str(gate.config)]
    gate.trade()
    shipped = (ROOT / "deploy" / "limits.paper.toml").read_text()
    tighter, looser = gate.folder / "tighter.toml", gate.folder / "looser.toml"
    tighter.write_text(
        shipped.replace("version = 1", "version = 2").replace("qty_max = 5_000", "qty_max = 50", 1)
    )
    looser.write_text(shipped.replace("version = 1", "version = 3"))

    assert limits_options.main(["show", "order", *config]) == 0
    assert "5,000" in said(capsys)
    assert limits_options.main(["diff", str(tighter), *config]) == 0
    assert "tighter  order.qty_max" in said(capsys)
    assert limits_options.main(["apply", str(tighter), *config]) == operator.USAGE
    assert limits_options.main(["apply", str(tighter), *config, "--reason", "a calm day"]) == 0
    assert "version 2 holds" in said(capsys)
    assert limits_options.main(["diff", str(looser), *config]) == 1
    assert "looser   order.qty_max" in said(capsys)
    assert limits_options.main(["apply", str(looser), *config, "--reason", "larger ones"]) == 0
    shown = said(capsys)
    assert "nothing holds yet" in shown
    digest = shown.split("--confirm ")[1].strip()
    assert limits_options.main(["apply", "--confirm", digest, *config]) == one_line.REFUSED
    said(capsys)
    assert limits_options.main(["show", "order.qty_max", *config, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["limits"] == {"order.qty_max": 50}
    assert operator.lease(config) == 0

    assert sod_options.main([*config, "--day", "2024-01-03", "--synthetic", "--check"]) == 0
    assert "synthetic files" in said(capsys)
    assert sod_options.main([*config, "--day", "2024-01-03", "--synthetic"]) == one_line.REFUSED
    assert "1 parents have not ended" in said(capsys)
    assert eod_options.main([*config, "--day", "2024-01-02"]) == operator.USAGE
    assert "broker_positions.csv does not exist" in said(capsys)
    place = gate.folder / "days" / "2024-01-02"
    place.mkdir()
    (place / "broker_positions.csv").write_text("day,account,symbol,qty\n2024-01-02,PAPER,SYN,500\n")
    assert eod_options.main([*config, "--day", "2024-01-02"]) == one_line.REFUSED
    assert "1 parents have not ended" in said(capsys)
    assert operator.cancel([*config, "P1"]) == 0
    assert eod_options.main([*config, "--day", "2024-01-02"]) == 0
    seal = place / "seal.json"
    assert keys_options.main(["verify", str(seal), *config]) == 0
    assert json.loads(seal.read_text())["positions"] == {"PAPER SYN": 500}
    gate.kill9()
    loosened_start(gate, capsys)


def loosened_start(gate: GateProcess, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of before costs no start, and loosens nothing; one that was loosened by hand is refused."""
    import subprocess
    import sys

    gate.start()
    said(capsys)
    assert limits_options.main(["show", "order.qty_max", "--config", str(gate.config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["limits"] == {"order.qty_max": 50}
    gate.kill9()
    shipped = ROOT / "deploy" / "limits.paper.toml"
    mine = gate.folder / "by-hand-limits.paper.toml"
    mine.write_text(shipped.read_text().replace("version = 1", "version = 3"))
    gate.config.write_text(gate.config.read_text().replace(str(shipped), str(mine)))
    outcome = subprocess.run(
        [sys.executable, "-m", "daemon.cli", "gate", "--config", str(gate.config)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert outcome.returncode == 78
    assert "limits.paper.toml:" in outcome.stderr
    assert "order.qty_max: loosened from 50 to 5000" in outcome.stderr


def test_a_signature_that_is_not_good_a_used_one_and_a_flood_of_them(gate: GateProcess) -> None:
    gate.trade()
    config = load(gate.config)
    assert config.gate is not None
    key = keys.load_private(gate.folder / "keys" / "first.pem")
    hello = gate.ask(cmd="ping")

    def signed(text: str, **more: Any) -> dict[str, Any]:
        return gate.ask(
            **({"cmd": "signed", "key": key.key_id, "text": text, "signature": key.sign(text)} | more)
        )

    text = co.write(hello["gate"], "0" * 32, hello["mono_ns"] + 60 * 10**9, co.HaltOrder(reason="once"))
    assert "not paper first's" in signed(text, signature="00" * 64)["error"]
    assert "not in the gate's keyring" in signed(text, key="0" * 16)["error"]
    assert signed(text)["ok"]
    assert "carried out before" in signed(text)["error"]
    late = co.write(hello["gate"], "1" * 32, hello["mono_ns"], co.HaltOrder(reason="late"))
    assert "expired" in signed(late)["error"]
    assert "not a command" in signed("{}")["error"]
    deep = {"cmd": "submit", "parent": None}
    for _ in range(200):
        deep = {"cmd": "submit", "parent": deep}
    assert "brackets" in gate.ask(**deep)["error"]
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(20)
        line.connect(str(gate.folder / "control.sock"))
        bad = (
            json.dumps({"cmd": "signed", "key": key.key_id, "text": text, "signature": "00"}).encode() + b"\n"
        )
        line.sendall(bad * 5)
        with line.makefile() as answers:
            assert len(answers.readlines()) == 5, "the connection is cut off after them"
    assert gate.ask(cmd="ping")["ok"]
