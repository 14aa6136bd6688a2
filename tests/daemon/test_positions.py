"""Start-of-day positions are read strictly."""

from pathlib import Path

import pytest

from daemon.positions import read
from daemon.strict_toml import ConfigError


def test_positions_by_account_and_symbol(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("account,symbol,qty\nA,SYN,100\nB,SYN,-5\n\n")

    assert read(path, {"SYN"}) == (("A", "SYN", 100), ("B", "SYN", -5))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", ":1: the first line is"),
        ("symbol,qty\n", ":1: the first line is"),
        ("account,symbol,qty\nA,SYN\n", ":2: 2 columns"),
        ("account,symbol,qty\nA,SYN,1.5\n", ":2: account and a whole quantity"),
        ("account,symbol,qty\nA,SYN,\n", ":2: account and a whole quantity"),
        ("account,symbol,qty\nA,XXX,1\n", ":2: XXX is not a configured instrument"),
        ("account,symbol,qty\nA,SYN,1\nA,SYN,2\n", ":3: A SYN comes twice"),
    ],
)
def test_a_mistake_names_file_and_line(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(path, {"SYN"})

    assert f"{path}{reason}" in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path / "none.csv", set())
