"""The configuration of OMS sessions and the drop copy: refused with its key, before anything listens."""

from pathlib import Path

import pytest

from daemon.config import Config, load
from daemon.gate.line_faults import faults, password
from daemon.strict_toml import ConfigError

BASE = """
[gate]
state_dir = "state"
control_socket = "c"
link_socket = "l"
limits = "limits.toml"
kill_file = "KILL"
[gate.order_session]
port = 9850
[[instrument]]
symbol = "SYN"
[gate.oms]
port = 9854
[[gate.oms.client]]
comp_id = "OMS1"
accounts = ["PAPER"]
symbols = ["SYN"]
"""

COPY = "[gate.drop_copy]\nport = 1\n"
SECOND = '[[gate.oms.client]]\ncomp_id = "OMS1"\naccounts = ["A"]\nsymbols = ["SYN"]\n'


def read(folder: Path, text: str) -> Config:
    path = folder / "config.toml"
    path.write_text(text)
    return load(path)


def test_a_whole_configuration_has_no_fault(tmp_path: Path) -> None:
    config = read(tmp_path, BASE)

    assert list(faults(config)) == []
    assert config.gate is not None
    assert config.gate.oms is not None
    assert config.gate.oms.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (('symbols = ["SYN"]', 'symbols = ["ABC"]'), "ABC is no [[instrument]]"),
        (('symbols = ["SYN"]', 'symbols = ["SYN"]\nusername = "x"'), "go together"),
        (('symbols = ["SYN"]', 'symbols = ["SYN"]\nusername = "x"\npassword_file = "none"'), "No such file"),
        (("[gate]", 'mode = "live"\n[gate]'), "a CompID is no secret"),
        (
            ("[gate.oms]", "[gate.drop_copy]\nport = 1\n[clock]\nlockstep_socket = 'x'\n[gate.oms]"),
            "lockstep",
        ),
    ],
)
def test_what_is_not_whole_is_named(tmp_path: Path, change: tuple[str, str], text: str) -> None:
    found = list(faults(read(tmp_path, BASE.replace(*change))))

    assert any(text in fault for _, fault in found), found
    assert all(key.startswith("gate.") for key, _ in found)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("port = 9854", 'port = 9854\nhost = "0.0.0.0"'), "gate.oms.host"),
        (("port = 9854", 'port = 9854\nhost = "10.0.0.1"'), "gate.oms.host"),
        (('accounts = ["PAPER"]', "accounts = []"), "accounts"),
        (('symbols = ["SYN"]', ""), "symbols"),
        (
            (
                "[gate.oms]",
                '[[gate.oms.client]]\ncomp_id = "OMS1"\naccounts=["A"]\nsymbols=["SYN"]\n[gate.oms]',
            ),
            "twice",
        ),
    ],
)
def test_what_the_form_forbids_is_refused(tmp_path: Path, change: tuple[str, str], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        read(tmp_path, BASE.replace(*change))


def test_a_password_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "word"
    path.write_text("a word\nthe rest\n")
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="others may read"):
        password(path)
    path.chmod(0o600)

    assert password(path) == "a word"
    assert password(None) == ""
    path.write_text("\n")
    with pytest.raises(ConfigError, match="no password"):
        password(path)
