"""A broker's profile is refused for what it says wrongly, by file, line and key."""

from pathlib import Path

import pytest

from daemon.config import load_profile
from daemon.strict_toml import ConfigError, load_model
from gateways.fix.profile import PROFILES, Profile

VENUE = (PROFILES / "venue.toml").read_text()


def line(text: str, part: str) -> int:
    """The line of a text at which something stands first."""
    return text[: text.index(part)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "at", "key", "says"),
    [
        ('source = "cl_ord_id"', 'source = "clordid"', '"clordid"', "new.0.source", "input should be"),
        ('name = "venue"', 'name = "venue"\ncolour = "blue"', "colour", "colour", "remove it"),
        ('source = "mic"', 'sauce = "mic"', "sauce", "new.5.sauce", "did you mean 'source'?"),
        ("tag = 526", "tag = 34", "[[new]]\ntag = 34", "new.1", "tag 34 is the engine's"),
        ("tag = 526", "tag = 11", "[[new]]", "new", "tag 11 comes twice"),
        ('constant = "1" ', 'constant = "1\\u00012" ', 'constant = "1', "new.3.constant", "match pattern"),
        ('constant = "6" ', 'source = "qty"\nconstant = "6" ', "[[new]]\ntag = 18", "new.4", "a source or"),
        ('version = "FIX.4.4"', 'version = "FIX.5.0"', "version", "version", "'FIX.4.4'"),
        ("tag = 7001", "tag = 0", "cancel_on_disconnect = {", "logon.cancel_on_disconnect.tag", "got 0"),
        ("cancel_on_disconnect = {", "#", "[logon]", "logon", "[supports] says that there is one"),
        ("mass_status = true", "", "[supports]", "supports.mass_status", "field required"),
        ('[[status]]                   # OrderStatusRequest(H)\ntag = 11\nsource = "cl_ord_id"',
         '[[status]]\ntag = 11\nsource = "price"', "[[status]]", "status", "price is not known there"),
    ],
)  # fmt: skip
def test_a_wrong_profile_is_one_line_with_file_line_and_key(
    tmp_path: Path, old: str, new: str, at: str, key: str, says: str
) -> None:
    assert old in VENUE
    text = VENUE.replace(old, new, 1)
    path = tmp_path / "broker.toml"
    path.write_text(text)

    with pytest.raises(ConfigError) as caught:
        load_model(path, Profile)

    told = str(caught.value)
    assert told.startswith(f"{path}:{line(text, at)}:{key}: ")
    assert says in told
    assert "\n" not in told
    assert len(told) < 500


def test_what_is_not_toml_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "broker.toml"
    path.write_text(VENUE.replace("cancel_on_disconnect = {", "constants = [", 1))

    with pytest.raises(ConfigError, match="not TOML"):
        load_model(path, Profile)


def test_an_unknown_profile_names_those_that_exist() -> None:
    with pytest.raises(ConfigError, match="no FIX profile 'nobody'; shipped profiles: fix42, fix44, venue"):
        load_profile("nobody")
