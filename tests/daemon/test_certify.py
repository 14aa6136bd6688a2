"""`steadyhand certify`: scripts that cannot be read, a broker in raw bytes, our own venue, and the pack."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.certify import options, pack
from daemon.certify.main import OWN_VENUE, SCRIPTS, inapplicable, read_prices, read_scripts
from daemon.certify.notation import ScriptError, parse
from daemon.certify.pack import Verdict, wire_since
from daemon.config import load_profile
from daemon.venue.scenario_file import read_scenario
from tests.gateways.fix.raw_peer import RawAcceptor, RawPeer

ROOT = Path(__file__).parents[2]
TWO_CASES = """
case GOOD  A resting order is acknowledged, and canceled
0 > new A      buy 100 @ bid-1.00                 = pending_new 0 100
0 <? pending_new A
0 < new A      100 0 100                          = new 0 100
0 > cancel B of A                                 = pending_cancel 0 100
0 < canceled B of A                               = canceled 0 0

case BAD  The broker does something else
0 > new A      buy 100 @ bid-1.00
0 < new A      100 0 100                          = new 0 100

case ELSEWHERE  Of a broker that knows 35=AF
given needs AF
0 > new A      buy 100 @ bid-1.00
"""


@pytest.fixture(autouse=True)
def _logs_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command sets up the logs of its process; here it would write to what pytest closes after the test."""
    monkeypatch.setattr("daemon.certify.main.configure", lambda *_: None)


def start(out: Path, *argv: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "daemon.cli", "certify", *argv, "--out", str(out)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def sums_hold(out: Path) -> bool:
    lines = [line.split("  ", 1) for line in (out / "SHA256SUMS").read_text().splitlines()]
    return bool(lines) and all(
        hashlib.sha256((out / name).read_bytes()).hexdigest() == digest for digest, name in lines
    )


def report(ems: RawPeer, cl_ord_id: str, exec_type: str, leaves: str, *more: tuple[int, str]) -> None:
    """35=8 of 4.2 without a fill."""
    fields = [(37, "O1"), (11, cl_ord_id), (17, f"E{ems.seq}"), (20, "0"), (150, exec_type), (39, exec_type)]
    fields += [(55, "SYN"), (54, "1"), (38, "100"), (151, leaves), (14, "0"), (6, "0")]
    ems.send("8", *fields, *more)


def test_a_broker_of_42_that_passes_one_case_and_fails_another(tmp_path: Path) -> None:
    script = tmp_path / "script.txt"
    script.write_text(TWO_CASES)
    broker = RawAcceptor("BROKER", "DESK", version="FIX.4.2")
    where = ("--host", "127.0.0.1", "--port", str(broker.port), "--sender", "DESK", "--target", "BROKER")
    out = tmp_path / "pack"
    run = start(out, "fix42", *where, "--price", "100,100.02", "--script", str(script), "--wait-s", "5")

    ems, _ = broker.log_on()
    order = ems.expect("D").get(11).decode()
    report(ems, order, "0", "100")
    cancel = ems.expect("F")
    assert cancel.get(41).decode() == order
    report(ems, cancel.get(11).decode(), "4", "0", (41, order))
    report(ems, ems.expect("D").get(11).decode(), "8", "0")
    ems.expect("5")
    ems.send("5")
    told, wrong = run.communicate(timeout=30)
    broker.close()

    assert run.returncode == 1, wrong
    verdicts = {line.split()[0]: line for line in told.splitlines()}
    assert verdicts["passed"].split()[1] == "GOOD"
    assert "this is no new" in verdicts["failed"]
    assert f"{script}:11" in verdicts["failed"]
    assert "the broker lacks AF" in verdicts["not"]
    summary = (out / "summary.md").read_text()
    assert "NOT PASSED" in summary
    assert "| [BAD](cases/BAD.md) |" in summary
    page = (out / "cases" / "GOOD.md").read_text()
    assert "From script/script.txt, line 2." in page
    assert "|35=F|" in page
    assert order in page
    assert (out / "script" / "script.txt").read_text() == TWO_CASES
    assert sums_hold(out)


def test_a_run_that_was_interrupted_leaves_a_pack_that_is_not_passed(tmp_path: Path) -> None:
    script = tmp_path / "script.txt"
    script.write_text(TWO_CASES)
    broker = RawAcceptor("BROKER", "DESK", version="FIX.4.2")
    where = ("--host", "127.0.0.1", "--port", str(broker.port), "--sender", "DESK", "--target", "BROKER")
    out = tmp_path / "pack"
    run = start(out, "fix42", *where, "--price", "100,100.02", "--script", str(script), "--wait-s", "5")

    ems, _ = broker.log_on()
    order = ems.expect("D").get(11).decode()
    report(ems, order, "0", "100")
    cancel = ems.expect("F").get(11).decode()
    run.send_signal(signal.SIGINT)  # whoever certifies has seen enough
    report(ems, cancel, "4", "0", (41, order))
    ems.expect("5")
    ems.send("5")
    told, wrong = run.communicate(timeout=60)
    broker.close()

    assert run.returncode == 130, told + wrong
    summary = (out / "summary.md").read_text()
    assert "**NOT PASSED**: 1 passed, 0 failed, 1 not played, 1 not applicable" in summary, summary
    assert sums_hold(out)


def test_a_pack_is_passed_where_every_case_that_applies_was_played() -> None:
    case = read_scripts(None, None)[0][0]
    found = {
        outcomes: pack.passed([Verdict(case=case, outcome=outcome) for outcome in outcomes])
        for outcomes in (
            ("passed", "not applicable"),
            ("passed", "not played"),
            ("passed", "failed"),
            ("not applicable",),
            (),
        )
    }

    assert [outcomes for outcomes, passed in found.items() if passed] == [("passed", "not applicable")]


@pytest.mark.parametrize("profile", ["venue", "fix42"])
def test_our_own_venue_passes(tmp_path: Path, profile: str) -> None:
    out = tmp_path / "pack"
    cases = ("PART-FILL-CANCEL", "CANCEL-REJECT")
    run = start(out, profile, *[word for case in cases for word in ("--case", case)])
    told, wrong = run.communicate(timeout=120)

    assert run.returncode == 0, told + wrong
    assert "2 of 2 cases passed" in told
    summary = (out / "summary.md").read_text()
    assert "**PASSED**" in summary
    positions = "not told by this broker" if profile == "fix42" else "equal"
    assert f"Positions at logon (35=AN): {positions}" in summary
    version = "FIX.4.2" if profile == "fix42" else "FIX.4.4"
    assert f"|8={version}|" in (out / "cases" / "CANCEL-REJECT.md").read_text().replace(" ", "|")
    assert sums_hold(out)


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (["nobody"], 78, "no FIX profile 'nobody'"),
        (["fix44", "--host", "h"], 2, "give --host and --port"),
        (["fix44", "--host", "h", "--port", "1"], 2, "give --price"),
        (["fix44", "--price", "100"], 2, "give BID,ASK"),
        (["fix44", "--price", "101,100"], 2, "the bid is not below the ask"),
        (["venue", "--case", "NOTHING"], 2, "no case 'NOTHING'"),
        (["venue", "--script", "missing.txt"], 2, "cannot be read"),
        (["venue", "--limits", "missing.toml"], 78, "cannot be read"),
    ],
)
def test_what_cannot_be_certified_is_one_line(
    argv: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert options.main(argv) == code

    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1


def test_a_script_error_names_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "broken.txt"
    script.write_text("case A one\n0 > new A buy many @ 1\n")

    assert options.main(["venue", "--script", str(script)]) == 2
    assert f"{script}:2: 'many' is not a quantity" in capsys.readouterr().err


def test_a_wrong_profile_file_names_file_line_and_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text((ROOT / "gateways/fix/profiles/fix42.toml").read_text().replace("false", "true", 1))

    assert options.main([str(path), "--host", "h", "--port", "1", "--price", "1,2"]) == 78
    assert f"{path}:8:supports: mass_status: FIX 4.2 has no such message" in capsys.readouterr().err


def test_the_script_that_ships_is_whole() -> None:
    cases, files = read_scripts(None, None)

    assert len(cases) >= 20
    assert len({case.ref for case in cases}) == len(cases)
    assert any(file.name == OWN_VENUE for file in files)
    assert len(read_scenario(SCRIPTS / OWN_VENUE).rule) >= 10
    applicable = [case for case in cases if not inapplicable(case, load_profile("venue"))]
    assert applicable == cases  # our own venue plays all of it


def test_two_files_with_the_same_case_are_refused(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("case A one\n0 ! up\n")

    with pytest.raises(ScriptError, match="case A stands in two files"):
        read_scripts([tmp_path], None)


def test_a_case_that_speaks_of_another_broker_does_not_apply() -> None:
    (case,) = parse("case A one\ngiven needs AF without Q\n0 ! up\n", "a.txt")

    assert inapplicable(case, load_profile("fix42")) == "the broker lacks AF"
    assert inapplicable(case, load_profile("fix44")) == "the broker has Q"


def test_a_page_shows_its_session_alone_and_no_password(tmp_path: Path) -> None:
    log = tmp_path / "fix.log"
    lines = [
        "t OUT 8=FIX|49=US|56=THEM|35=A|554=secret|10=0|",
        "t IN 8=FIX|49=PRICES|56=US|35=W|10=0|",
        "t IN 8=FIX|49=THEM|56=US|35=0|10=0|",
    ]
    log.write_text("before\n" + "\n".join(lines).replace("|", "\x01") + "\n")

    shown = wire_since(log, len("before\n"), ("US", "THEM")).splitlines()

    assert [line.split(" ")[1] for line in shown] == ["OUT", "IN"]
    assert "secret" not in "".join(shown)
    assert "35=0" in shown[1]


def test_prices_are_read() -> None:
    assert read_prices("99.5,100") == (995_000, 1_000_000)
