"""`steadyhand limits`: a limit is found by its key, its table and its control, and its unit is its name's."""

from pathlib import Path

import pytest

from daemon.people import limits_options
from daemon.people.limits_command import documented
from daemon.people.one_line import Refused
from daemon.strict_toml import beside
from risk.limits import explain

ROOT = Path(__file__).parents[2]
UNITS = {
    "_ms": "ms",
    "_us": "us",
    "_mb": "MB",
    "_e4": "1e-4 ccy",
    "_bp": "bp",
    "_bps": "bp",
    "_ccy": "ccy",
}


def test_a_limit_is_told_in_the_unit_that_its_name_ends_with() -> None:
    for doc in explain():
        end = "_" + doc.key.rpartition("_")[2]
        if end in UNITS:
            assert doc.unit == UNITS[end], doc.key


def test_a_control_s_number_finds_its_limits() -> None:
    assert [doc.key for doc in documented("r10")] == ["exposure.long_max", "exposure.short_max"]


def test_a_control_without_a_limit_says_where_to_look() -> None:
    with pytest.raises(Refused, match=r"no limit is of R14; docs/RUNBOOK\.md says what it is"):
        documented("R14")


def test_explain_takes_a_configuration_like_its_neighbours(capsys: pytest.CaptureFixture[str]) -> None:
    assert limits_options.main(["explain", "--config", "any.toml", "order.qty_max"]) == 0
    assert "quantity of one child order" in capsys.readouterr().out


def test_a_path_is_named_without_its_way_up() -> None:
    base = Path("/desk/deploy")

    assert str(beside(base, "../runs/gate")) == "/desk/runs/gate"
    assert str(beside(base, "limits.toml")) == "/desk/deploy/limits.toml"
    assert str(beside(base, "link/../x")) == "/desk/deploy/link/../x"  # a link leads elsewhere
    assert str(beside(base, "/etc/x.toml")) == "/etc/x.toml"
