"""Scenario files: every mistake is a line with file and line; the shipped ones do what their comments say."""

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from daemon.certify.desk import ASK_E4, BID_E4
from daemon.strict_toml import ConfigError
from daemon.venue.options import parser
from daemon.venue.scenario_file import check_scenario, read_scenario
from daemon.venue.settings import read
from gateways.venue.scenario import Scenario
from tests.daemon.gate_at_venue import GateAtVenue
from tests.daemon.venue_pump import Pump, live

ROOT: Final = Path(__file__).parents[2]
SHIPPED: Final = sorted((ROOT / "deploy" / "scenarios").glob("*.toml"))
FAR_E4: Final = 10_000  # behind the bid: nothing gets there
HEAD: Final = "seed = 1\n\n[[rule]]\n"
GOOD_WHEN, GOOD_DO = 'when = { on = "ack" }\n', 'do = { action = "drop" }\n'


def mistakes(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "s.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_scenario(path)
    return [line.removeprefix(f"{path}:") for line in str(error.value).splitlines()]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed = -1\n", "1: seed: input should be greater than or equal to 0"),
        ("sead = 1\n", "1: sead: extra inputs are not permitted; did you mean 'seed'?"),
        ("a = \n", "1: not TOML"),
        (HEAD + 'when = { on = "ackk" }\n' + GOOD_DO, "4: when.on: 'ackk' is none; did you mean 'ack'?"),
        (HEAD + 'when = { at = "25:00" }\ndo = { action = "cancel" }\n', "4: when.at: is no clock time"),
        (HEAD + "when = {}\n" + GOOD_DO, '4: when: give either on = "MESSAGE" or at = "HH:MM:SS"'),
        (HEAD + 'when = { on = "ack", at = "10:00" }\n' + GOOD_DO, "4: when: give either"),
        (HEAD + 'when = { on = "ack", nth = 1, every = 2 }\n' + GOOD_DO, "4: when: give nth or every"),
        (HEAD + 'when = { on = "ack", nth = 1, times = 2 }\n' + GOOD_DO, "4: when: nth takes one message"),
        (HEAD + 'when = { on = "ack", qty_min = 2, qty_max = 1 }\n' + GOOD_DO, "4: when: qty_min is above"),
        (
            HEAD + 'when = { at = "11:00", until = "10:00" }\ndo = { action = "cancel" }\n',
            "4: when: at is not before until",
        ),
        (
            HEAD + 'when = { at = "11:00", every_s = 1e-7 }\ndo = { action = "cancel" }\n',
            "4: when.every_s: input should be greater",
        ),
        (HEAD + GOOD_WHEN + 'do = { action = "renumber", by = 0 }\n', "5: do: renumber: changes nothing"),
        (HEAD + GOOD_WHEN + 'do = { action = "restate" }\n', "5: do: restate: changes nothing"),
        (HEAD + GOOD_WHEN + 'do = { action = "copy" }\n', "5: do: copy: changes nothing"),
        (
            HEAD + GOOD_WHEN + 'do = { action = "alter", set = { "58" = "x" }, drop = ["58"] }\n',
            "5: do: alter: 58 cannot be set and dropped",
        ),
        (
            f'{HEAD}name = "a"\n{GOOD_WHEN}{GOOD_DO}\n[[rule]]\nname = "a"\n{GOOD_WHEN}{GOOD_DO}',
            "1: two rules are called 'a'",
        ),
        (HEAD + 'when = { on = "ack", every_s = 2.0 }\n' + GOOD_DO, "4: when: every_s goes with at"),
        (HEAD + 'when = { on = "ack", from = "11:00", until = "10:00" }\n' + GOOD_DO, "4: when: from is not"),
        (HEAD + 'when = { on = "logon", qty_min = 5 }\n' + GOOD_DO, "4: when: logon: has no qty_min"),
        (HEAD + 'when = { on = "ack", probability = 1.5 }\n' + GOOD_DO, "4: when.probability: input should"),
        (HEAD + GOOD_WHEN + 'do = { action = "dorp" }\n', "5: do: 'dorp' is no action; did you mean 'drop'?"),
        (HEAD + GOOD_WHEN + "do = { seconds = 1 }\n", "5: do: names no action; there are: "),
        (HEAD + GOOD_WHEN + 'do = { action = "delay" }\n', "5: do.seconds: field required"),
        (HEAD + GOOD_WHEN + 'do = { action = "delay", seconds = nan }\n', "5: do.seconds: input should be"),
        (HEAD + GOOD_WHEN + 'do.action = "drop"\ndo.second = 1.0\n', "6: do.second: extra"),
        (HEAD + GOOD_WHEN, "3: do: field required"),
        (HEAD + 'when = { at = "10:00" }\n' + GOOD_DO, "3: drop is done to a message"),
        (
            HEAD + 'when = { on = "new" }\ndo = { action = "duplicate" }\n',
            "3: duplicate is done to a message",
        ),
        (HEAD + 'when = { on = "ack" }\ndo = { action = "reject" }\n', "3: reject is done to a message"),
        (HEAD + 'when = { on = "logout" }\ndo = { action = "bust" }\n', "3: bust is done to an order"),
        (HEAD + 'when = { on = "ack", after = 1.0 }\n' + GOOD_DO, "3: drop is done to the message itself"),
        (HEAD + GOOD_WHEN + 'do = { action = "alter" }\n', "5: do: alter: changes nothing; give set"),
        (HEAD + GOOD_WHEN + 'do = { action = "alter", set = { "34" = "1" } }\n', "5: do: alter: 34 frames"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (line,) = mistakes(tmp_path, text)

    assert line.startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("drop = [37]\n", "1: drop: extra inputs are not permitted"),  # also the word of an action
        (
            HEAD + GOOD_WHEN + 'do = { action = "alter", drop = [37] }\n',
            "5: do.drop: input should be a valid",
        ),
    ],
)
def test_a_key_named_like_an_action_is_told_by_its_name(tmp_path: Path, text: str, said: str) -> None:
    (line,) = mistakes(tmp_path, text)

    assert line.startswith(said)


def test_every_mistake_is_told_at_once_in_the_files_order(tmp_path: Path) -> None:
    lines = mistakes(tmp_path, 'sead = 1\n\n[[rule]]\nwhen = { on = "x" }\ndo = { action = "y" }\n')

    assert [line.split(":")[0] for line in lines] == ["1", "4", "5"]


def test_a_mistake_ends_the_command_with_2(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text("sead = 1\n")
    for command in ("venue", "paper"):
        argv = [sys.executable, "-m", "daemon.cli", command, "--scenario", str(path)]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

        assert done.returncode == 2
        assert done.stderr.startswith(f"steadyhand {command}: {path}:1: sead: extra inputs")


@pytest.mark.parametrize("more", [["--lockstep", "--lockstep-socket", "/run/x"], ["--acceptor", "quickfix"]])
def test_faults_of_the_wire_need_the_plain_acceptor_and_real_time(tmp_path: Path, more: list[str]) -> None:
    path = tmp_path / "s.toml"
    path.write_text(HEAD + GOOD_WHEN + 'do = { action = "garble" }\n')
    argv = ["--scenario", str(path)]

    assert read(parser().parse_args(argv)).plain
    with pytest.raises(ConfigError, match=f"{path}:3: garble is done to bytes of a wire"):
        read(parser().parse_args([*argv, *more]))


CANCEL = 'do = { action = "cancel" }\n'


def test_what_would_have_happened_before_the_window_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('[[rule]]\nwhen = { at = "10:04:59" }\n' + CANCEL)

    assert read(parser().parse_args(["--scenario", str(path), "--from", "10:04:59"]))
    with pytest.raises(ConfigError, match=f"{path}:2: at 10:04:59 lies before the window, .* at 10:05:00"):
        read(parser().parse_args(["--scenario", str(path), "--from", "10:05"]))
    path.write_text('[[rule]]\nwhen = { at = "09:00", every_s = 60.0 }\n' + CANCEL)
    assert read(parser().parse_args(["--scenario", str(path), "--from", "10:05"]))


def test_a_silent_feed_needs_real_time(tmp_path: Path) -> None:
    blind = ROOT / "deploy" / "scenarios" / "blind.toml"
    line = next(n for n, text in enumerate(blind.read_text().splitlines(), 1) if "feed is silent" in text) - 1

    assert check_scenario(blind, lockstep=False)
    with pytest.raises(ConfigError, match=f"{blind}:{line}: a silent feed is waited for in --lockstep"):
        check_scenario(blind, lockstep=True)


def test_the_engine_serves_where_no_byte_goes_wrong(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(HEAD + GOOD_WHEN + GOOD_DO)

    assert not read(parser().parse_args(["--scenario", str(path)])).plain
    assert read(parser().parse_args(["--scenario", str(path), "--acceptor", "plain"])).plain


# --- what ships -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_scenario_is_read_and_described(path: Path) -> None:
    scenario = read_scenario(path)

    assert scenario.rule
    assert scenario.description
    assert path.read_text().startswith("# ")


def test_the_page_of_actions_is_what_the_models_say() -> None:
    page = runpy.run_path(str(ROOT / "deploy" / "setup" / "scenarios.py"))

    assert (ROOT / "docs" / "SCENARIOS.md").read_text() == page["build"](), "run: make docs"


def played(name: str, rounds: int = 40) -> Pump:
    """Trade through a shipped scenario, core against core."""
    scenario = read_scenario(ROOT / "deploy" / "scenarios" / f"{name}.toml")
    p = Pump(*[rule.model_dump(by_alias=True, exclude_defaults=True) for rule in scenario.rule], qty=40_000)
    for n in range(rounds):
        if p.posture != "ACTIVE":
            break
        p.offer(60)
        before = len(p.gate.refusals)
        chain = p.buy_if_free(100, ASK_E4 if n % 2 else BID_E4)
        p.wait(7)
        if chain and n % 3 == 0 and live(p.chain(chain)) and len(p.gate.refusals) == before:
            p.gate.replace(chain, 150, p.chain(chain).price_e4)
            p.pump()
            p.wait(3)
        if chain and p.chain(chain).live and p.chain(chain).may_cancel:
            p.gate.cancel(chain)
            p.pump()
    p.wait(30)
    return p


def test_a_bad_day_ends_in_agreement() -> None:
    p = played("bad-day")

    assert p.posture == "ACTIVE", p.breaks
    assert sum(count > 0 for count in p.venue.director.fired.values()) >= 8
    p.agree()


def test_a_reject_storm_ends_in_agreement_whatever_stops() -> None:
    p = played("reject-storm")

    assert not p.breaks
    assert p.venue.director.fired["orders"] > 5
    p.agree()


def test_a_lost_fill_halts_with_its_name() -> None:
    p = played("lost-fill")

    assert p.posture == "HALTED"
    assert "CumQty" in p.breaks
    assert p.booked() == p.traded() - 60


@pytest.mark.slow
def test_a_broken_wire_heals(tmp_path: Path) -> None:
    world = GateAtVenue(tmp_path, (ROOT / "deploy" / "scenarios" / "broken-wire.toml").read_text())
    try:
        world.active()
        chains = [world.rest() if n % 4 else world.take() for n in range(12)]
        for chain in chains:
            world.known(chain)
        world.active()
        world.agree()
    finally:
        world.close()


@pytest.mark.slow
def test_an_outage_ends_reconciled(tmp_path: Path) -> None:
    text = (ROOT / "deploy" / "scenarios" / "broker-outage.toml").read_text()
    world = GateAtVenue(tmp_path, text, speed=20)
    try:
        world.active()
        # At this speed the market gets five cents behind the bid within seconds: before we look, at times.
        chains = [world.rest(back_e4=FAR_E4), world.rest(back_e4=FAR_E4)]
        world.active(2)
        for chain in chains:
            world.is_now(chain, "NEW")
        world.agree()
    finally:
        world.close()


def test_a_scenario_means_the_same_when_it_was_written_down() -> None:
    scenario = read_scenario(SHIPPED[0])
    kept = scenario.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    assert Scenario.model_validate(kept) == scenario
