"""What a broker calls our symbols and accounts, both ways; security ids and suffixes."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.config import load_profile
from daemon.gate.recovery import event_of
from daemon.strict_toml import ConfigError, load_model
from gateways.fix.outbound import Encoder
from gateways.fix.profile import PROFILES, Profile
from gateways.fix.wire import Unencodable
from tests.gateways.fix.golden import NOW_NS, soh
from tests.gateways.fix.test_golden_profiles import NEW, lines


def named(profile: str = "fix44", **names: Any) -> Profile:
    return load_profile(profile).model_copy(update=names)


def test_a_report_in_the_brokers_names_is_ours() -> None:
    profile = named(symbols={"GOOG": "GOOG.O"}, accounts={"DESK": "ACC-9"})
    text = (
        lines("fix44", "<")["part_fill"].replace("|55=GOOG|", "|55=GOOG.O|").replace("|1=DESK|", "|1=ACC-9|")
    )

    event = event_of(soh(text), profile.ours())

    assert (event.symbol, event.account) == ("GOOG", "DESK")


def test_an_account_is_no_symbol() -> None:
    profile = named(symbols={"GOOG": "X"}, accounts={"DESK": "Y"})
    text = lines("fix44", "<")["part_fill"].replace("|55=GOOG|", "|55=Y|").replace("|1=DESK|", "|1=X|")

    event = event_of(soh(text), profile.ours())

    assert (event.symbol, event.account) == ("Y", "X")


def test_an_order_in_the_brokers_names() -> None:
    names = {"symbols": {"GOOG": "GOOG.O"}, "accounts": {"DESK": "ACC-9"}, "suffixes": {"GOOG": "WI"}}
    body = Encoder(named(**names)).new(NEW, NOW_NS)

    assert "\x0155=GOOG.O\x01" in body
    assert "\x011=ACC-9\x01" in body
    assert "\x0165=WI\x01" in body
    assert "\x0122=" not in body  # nothing identifies it there


def test_a_security_id_that_must_be_there_and_is_not_refuses_the_order(tmp_path: Path) -> None:
    text = (PROFILES / "fix44.toml").read_text()
    text = text.replace(
        'tag = 48\nsource = "security_id"\nwhen = "known"', 'tag = 48\nsource = "security_id"', 1
    )
    (tmp_path / "strict.toml").write_text(text)
    encoder = Encoder(load_model(tmp_path / "strict.toml", Profile))

    with pytest.raises(Unencodable, match="no security_id for GOOG"):
        encoder.new(NEW, NOW_NS)
    assert encoder.profile.name == "fix44"


@pytest.mark.parametrize("table", ["symbols", "accounts"])
def test_two_of_ours_under_one_name_are_refused_by_line_and_key(tmp_path: Path, table: str) -> None:
    text = (PROFILES / "fix42.toml").read_text()
    header = next(line for line in text.splitlines() if line.startswith(f"[{table}]"))
    at = text[: text.index(header)].count("\n") + 1
    path = tmp_path / "twice.toml"
    path.write_text(text.replace(header, f'{header}\nA = "X"\nB = "X"', 1))

    with pytest.raises(ConfigError) as caught:
        load_model(path, Profile)

    assert str(caught.value).startswith(f"{path}:{at}:{table}: ")
    assert "two of ours are called X" in str(caught.value)


def test_custom_tags_and_logon_fields_are_data(tmp_path: Path) -> None:
    text = (PROFILES / "fix42.toml").read_text()
    text = text.replace("[[new]] ", '[logon]\nconstants = [{ tag = 9001, value = "DESK7" }]\n\n[[new]] ', 1)
    text = text.replace('tag = 47\nconstant = "A"', 'tag = 9002\nconstant = "ALGO-1"', 1)
    (tmp_path / "custom.toml").write_text(text)
    profile = load_model(tmp_path / "custom.toml", Profile)

    assert profile.logon_fields(cancel_on_disconnect=True) == ((9001, "DESK7"),)
    assert "\x019002=ALGO-1\x01" in Encoder(profile).new(msgspec.structs.replace(NEW, symbol="SYN"), NOW_NS)
