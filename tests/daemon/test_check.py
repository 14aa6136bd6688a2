"""`steadyhand check` finds what a start would refuse, and says where."""

import importlib.metadata
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon import check, check_options, config, live_check
from daemon.gate import files, state
from daemon.gate.journal import INBOUND_NAME, JOURNAL_NAME
from daemon.journal import Journal
from daemon.paper.options import DEFAULT_POLICY
from daemon.people import keys
from daemon.segments.layout import VERSION
from risk import calendar

POLICY = f'policy = "{DEFAULT_POLICY}"'  # of deploy/paper.toml
DEPLOY = Path(__file__).parents[2] / "deploy"
ARTEFACTS = Path(__file__).parents[2] / "policies" / "artifacts"

Edit = Callable[[str], str]


@pytest.fixture
def paper(tmp_path: Path) -> Path:
    """The shipped paper configuration with its limits, in a folder of its own."""
    for name in ("paper.toml", "limits.paper.toml", "positions.paper.csv"):
        shutil.copy(DEPLOY / name, tmp_path / name)
    return tmp_path / "paper.toml"


def errors(path: Path) -> list[check.Finding]:
    return [f for f in check.check(path) if f.severity == "error"]


def edited(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert text.count(old) >= 1, old
    path.write_text(text.replace(old, new, 1))
    return path


def test_the_shipped_paper_configuration_is_fit_to_start(paper: Path) -> None:
    assert errors(paper) == []


def test_the_shipped_live_example_lacks_only_what_an_installation_brings() -> None:
    path = DEPLOY / "live.example.toml"

    assert config.load(path).mode == "live"
    assert {f.where.rsplit(":", 1)[1] for f in errors(path)} == {
        "gate.limits",
        "gate.positions",
        "gate.keyring",
    }


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ('mode = "paper"', 'moed = "paper"', "moed", "did you mean 'mode'?"),
        ("speed = 10.0", "speed = -1.0", "venue.speed", "greater than 0"),
        ("seed = 1", 'seed = "one"', "venue.seed", "valid integer"),
        ("port = 19850", "port = 70000", "gate.order_session.port", "65535"),
        ('symbols = ["SYN"]', 'symbols = ["SYM"]', "trader.symbols", "SYM is no instrument"),
        ('zone = "America/New_York"', 'zone = "New York"', "instrument.0.zone", "no such time zone"),
        ("close = 16:00:00", "close = 09:00:00", "instrument.0.close", "closes before it opens"),
        ("window = [10:00:00, 15:00:00]", "window = [15:00:00, 10:00:00]", "venue.window", "ends before"),
        ('limits = "limits.paper.toml"', 'limits = "nowhere.toml"', "gate.limits", "does not exist"),
        ('profile = "venue"', 'profile = "nobody"', "gate.order_session.profile", "venue"),
        (POLICY, 'policy = "tawp"', "trader.policy", "twap"),
        ('link_socket = "..', f'link_socket = "{"x" * 108}', "gate.link_socket", "107 bytes"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_key(
    paper: Path, old: str, new: str, key: str, says: str
) -> None:
    lines = paper.read_text().splitlines()
    number = next(n for n, line in enumerate(lines, start=1) if old in line)

    found = errors(edited(paper, old, new))

    assert [f.where for f in found] == [f"{paper}:{number}:{key}"]
    assert says in found[0].message


def test_a_mistake_in_the_limits_is_named_in_the_limits(paper: Path) -> None:
    limits = paper.with_name("limits.paper.toml")
    edited(limits, "qty_max", "qyt_max")

    found = errors(paper)

    assert all(str(limits) in f.where for f in found)
    assert any("did you mean 'qty_max'?" in f.message for f in found)


def test_limits_for_another_mode_are_refused(paper: Path) -> None:
    found = errors(edited(paper, 'mode = "paper"', 'mode = "live"'))

    assert any(f.where.endswith(":mode") for f in found)


@pytest.mark.parametrize("name", [JOURNAL_NAME, INBOUND_NAME])
def test_a_state_directory_of_a_later_version_is_refused_as_the_gate_refuses_it(
    paper: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    state_dir = paper.parent / "state"
    edited(paper, '"../runs/by-hand/gate"', f'"{state_dir}"')
    assert errors(paper) == [], "there is none yet"
    Journal.open(state_dir, name).close()
    assert errors(paper) == []
    assert check_options.main(["--config", str(paper)]) == 0
    (segment,) = (state_dir / name).glob("*.seg")
    head = segment.read_bytes()
    segment.write_bytes(head[:8] + (VERSION + 1).to_bytes(4, "little") + head[12:])

    (found,) = errors(paper)

    assert found.where.endswith(":gate.state_dir")
    said = (
        f"{segment}:8: journal version {VERSION + 1} is not known, {VERSION} is; start the program that wrote"
    )
    assert found.message.startswith(said)
    capsys.readouterr()
    assert check_options.main(["--config", str(paper)]) == 78
    assert said in capsys.readouterr().err
    command = [sys.executable, "-m", "daemon.cli", "gate", "--config", str(paper)]
    gate = subprocess.run(command, cwd=DEPLOY.parent, capture_output=True, text=True, timeout=60, check=False)
    assert (gate.returncode, said in gate.stderr) == (78, True)


def test_a_state_directory_of_version_1_is_refused(paper: Path) -> None:
    edited(paper, '"../runs/by-hand/gate"', f'"{paper.parent}"')
    (paper.parent / JOURNAL_NAME).write_bytes(b"one file")

    assert ["is a file, and a journal is a folder" in f.message for f in errors(paper)] == [True]


def test_a_pulled_kill_file_is_a_warning(paper: Path) -> None:
    kill = paper.with_name("KILL")
    kill.touch()

    found = list(check.check(edited(paper, '"../runs/by-hand/KILL"', f'"{kill}"')))

    assert [f.severity for f in found if "gate.kill_file" in f.where] == ["warning"]


def test_a_stranger_who_owns_a_package_name_is_named(paper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owners = {"daemon": ["steadyhand", "python-daemon"]}
    monkeypatch.setattr(importlib.metadata, "packages_distributions", lambda: owners)

    found = errors(paper)

    assert [(f.where, "python-daemon" in f.message) for f in found] == [("package daemon", True)]


@pytest.mark.parametrize(("edit", "code"), [(lambda t: t, 0), (lambda t: "nonsense\n" + t, 78)])
def test_the_code_and_the_json_agree(
    paper: Path, edit: Edit, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    paper.write_text(edit(paper.read_text()))

    assert check_options.main(["--config", str(paper), "--json"]) == code

    said = json.loads(capsys.readouterr().out)
    assert said["ok"] == (code == 0)
    assert bool([f for f in said["findings"] if f["severity"] == "error"]) == (code == 78)


def test_a_file_that_is_not_there_gives_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_options.main(["--config", str(tmp_path / "no.toml")]) == 78

    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert "cannot be read" in said.err


@pytest.mark.parametrize("spec", ["script:mine.txt", "script:./mine.txt", "./mine", "../{here}/mine"])
def test_a_policy_is_found_from_the_folder_of_the_file_that_names_it(
    paper: Path, spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper.with_name("mine.txt").write_text("at 10:00:05 cancel all\n")
    shutil.copytree(next(p.parent for p in ARTEFACTS.glob("*/manifest.json")), paper.with_name("mine"))
    elsewhere = paper.parent / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    spec = spec.format(here=paper.parent.name)

    edited(paper, POLICY, f'policy = "{spec}"')

    assert errors(paper) == []
    trader = config.load(paper).trader
    assert trader is not None
    assert Path(trader.policy.removeprefix("script:")).is_absolute()


def test_the_name_of_a_policy_is_a_name_wherever_a_process_stands(
    paper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (DEFAULT_POLICY, "mine"):
        shutil.copytree(next(p.parent for p in ARTEFACTS.glob("*/manifest.json")), paper.with_name(name))
    monkeypatch.chdir(paper.parent)
    trader = config.load(paper).trader
    assert trader is not None
    assert trader.policy == DEFAULT_POLICY
    assert errors(paper) == []

    (found,) = errors(edited(paper, POLICY, 'policy = "mine"'))

    assert "write ./mine for the folder of that name" in found.message


def test_a_broken_artefact_is_named(paper: Path) -> None:
    artefact = paper.with_name("policy")
    shutil.copytree(next(p.parent for p in ARTEFACTS.glob("*/manifest.json")), artefact)
    weights = artefact / "weights.safetensors"
    spoiled = bytearray(weights.read_bytes())
    spoiled[-1] ^= 1
    weights.write_bytes(spoiled)

    found = errors(edited(paper, POLICY, f'policy = "{artefact}"'))

    assert [f.where.rsplit(":", 1)[1] for f in found] == ["trader.policy"]
    assert str(weights) in found[0].message


def live(folder: Path) -> Path:
    """A live configuration with two people, signed limits, a day's place, a clock and a guard."""
    limits = folder / "limits.toml"
    limits.write_text("version = 1\n")
    lines = ['mode = "live"']
    for person in ("alice", "bob"):
        key = keys.make_private(folder / f"{person}.pem", paper=False)
        lines.append(keys.keyring_entry(key, person, "risk"))
    (folder / "keyring.toml").write_text("\n".join(lines))
    keys.sign_file(limits, keys.load_private(folder / "alice.pem"))
    text = (DEPLOY / "live.example.toml").read_text().replace("/etc/steadyhand/", f"{folder}/")
    path = folder / "live.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ("keyring =", "# keyring =", "gate.keyring", "nobody could rearm"),
        ("day_dir =", "# day_dir =", "gate.day_dir", "restricted list"),
        ('reference = "fix"', "", "clock.reference", "R63"),
        ('source = "wall"', 'source = "anchor"', "clock.source", "wall clock"),
        ("[guard]", "[logs]\n#", "guard", "steadyhand guard"),
        ("cancel_on_disconnect = true", "cancel_on_disconnect = false", "guard", "nothing cancels"),
    ],
)
def test_live_lacks_nothing_or_says_what(tmp_path: Path, old: str, new: str, key: str, says: str) -> None:
    path = live(tmp_path)
    assert list(live_check.missing(config.load(path))) == []
    text = path.read_text()
    assert old in text
    if old == "[guard]":
        text = text[: text.index("[guard]")] + text[text.index("[trader]") :]
    path.write_text(text.replace(old, new))

    found = dict(live_check.missing(config.load(path)))

    assert says in found[key]


def test_live_limits_are_signed_by_somebody_who_may_and_as_they_are(tmp_path: Path) -> None:
    path = live(tmp_path)
    (tmp_path / "limits.toml").write_text("version = 2\n")
    changed = dict(live_check.missing(config.load(path)))
    (tmp_path / "limits.toml.sig").unlink()
    unsigned = dict(live_check.missing(config.load(path)))

    assert "has changed" in changed["gate.limits"]
    assert "does not exist" in unsigned["gate.limits"]


def test_live_needs_two_people_and_not_two_keys_of_one(tmp_path: Path) -> None:
    path = live(tmp_path)
    ring = tmp_path / "keyring.toml"
    ring.write_text(ring.read_text().replace("bob", "alice"))

    assert "1 people" in dict(live_check.missing(config.load(path)))["gate.keyring"]


def test_a_keyring_that_is_none_and_a_user_who_is_none_are_named(paper: Path) -> None:
    ring = paper.with_name("keyring.toml")
    ring.write_text('mode = "paper"\n[[key]]\nperson = "a"\nrole = "king"\npublic = "00"\n')
    text = paper.read_text().replace('account = "PAPER"', f'account = "PAPER"\nkeyring = "{ring}"', 1)
    paper.write_text(
        text.replace("[gate.order_session]", '[gate.roles]\nnobody-here = "view"\n[gate.order_session]', 1)
    )

    found = {f.where.rpartition(":")[2]: f.message for f in errors(paper)}

    assert set(found) == {"key.0.role", "key.0.public", "gate.roles"}
    assert "nobody-here" in found["gate.roles"]


def test_a_gate_without_a_keyring_is_told_that_nobody_rearms(paper: Path) -> None:
    warned = [f.message for f in check.check(paper) if f.where.endswith("gate.keyring")]

    assert warned
    assert "nobody could rearm" in warned[0]


def test_a_gate_of_two_currencies_does_not_start(paper: Path) -> None:
    text = paper.read_text()
    i = text.index("[[instrument]]")
    other = '[[instrument]]\nsymbol = "ALT"\ncurrency = "EUR"\n\n'
    paper.write_text(text[:i] + other + text[i:])

    assert [f.message.partition(":")[0] for f in errors(paper) if f.where.endswith("currency")] == [
        "EUR, USD"
    ]
    with pytest.raises(config.ConfigError, match=r"instrument\.currency: EUR, USD: a gate has one"):
        files.read_files(paper)


def test_a_table_of_calendars_that_is_none_is_a_line(
    paper: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shipped = tmp_path / "calendars.json"
    shipped.write_bytes(b"{")
    monkeypatch.setattr(state, "load", lambda: calendar.load(shipped))
    state.calendars.cache_clear()
    try:
        with pytest.raises(config.ConfigError, match=r"table of trading calendars.*install the package"):
            files.read_files(paper)
    finally:
        state.calendars.cache_clear()
