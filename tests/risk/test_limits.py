"""The limits file: every key mandatory, strict, and with nothing open in live."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from daemon.strict_toml import ConfigError, load_model
from risk.kill_switch import KillLatch
from risk.limits import Limits
from risk.posture import CAUSES, RELAPSES_MAX, Posture, PostureTable
from tests.daemon.gate_harness import limits
from tests.daemon.people import lift

PAPER = Path(__file__).parents[2] / "deploy" / "limits.paper.toml"
TREE = tomllib.loads(PAPER.read_text())
KEYS = [(s, k) for s, values in TREE.items() if isinstance(values, dict) for k in values]


def write(path: Path, tree: dict[str, Any]) -> Path:
    path.write_text(tomlkit.dumps(tree))
    return path


def changed(section: str, key: str, value: Any) -> dict[str, Any]:
    return TREE | {section: TREE[section] | {key: value}}


def test_the_shipped_file_is_fit_for_paper_and_says_what_it_leaves_open() -> None:
    limits = load_model(PAPER, Limits)

    assert limits.faults("paper") == []
    assert "allowed.artefacts" in limits.open_ends()
    assert limits.digest() == load_model(PAPER, Limits).digest()


def test_the_shipped_file_is_not_fit_for_live() -> None:
    faults = load_model(PAPER, Limits).faults("live")

    assert faults[0].startswith("mode:")
    assert any("'*' is for paper alone" in fault for fault in faults)


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_no_limit_may_be_left_out(tmp_path: Path, section: str, key: str) -> None:
    tree = TREE | {section: {k: v for k, v in TREE[section].items() if k != key}}

    with pytest.raises(ConfigError, match=f"{section}.{key}: field required"):
        load_model(write(tmp_path / "l.toml", tree), Limits)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("order", "qty_max", -1),
        ("order", "qty_max", 1.5),
        ("order", "qty_max", True),
        ("order", "qty_max", float("nan")),
        ("order", "qty_max", "100"),
        ("order", "qty_max", 2**31),
        ("market", "collar_bp", 10_001),
        ("market", "close_required", 1),
        ("allowed", "times_in_force", ["GTC"]),
        ("order", "quantity_max", 5),
    ],
)
def test_a_value_that_is_none_is_refused_with_its_line(
    tmp_path: Path, section: str, key: str, value: Any
) -> None:
    path = write(tmp_path / "l.toml", changed(section, key, value))
    with pytest.raises(ConfigError) as caught:
        load_model(path, Limits)

    line = 1 + next(i for i, text in enumerate(path.read_text().splitlines()) if text.startswith(f"{key} ="))
    assert f"{path}:{line}:{section}.{key}" in str(caught.value)


@pytest.mark.parametrize(
    ("table", "values", "said"),
    [
        (
            "slippage",
            {"pause_bps": 201, "halt_bps": 200},
            "slippage.pause_bps: 201 is beyond",
        ),
        ("machine", {"clock_reduce_us": 50_001, "clock_halt_us": 50_000}, "machine.clock_reduce_us"),
        ("machine", {"disk_reduce_mb": 10, "disk_halt_mb": 20}, "machine.disk_halt_mb: 20 is beyond"),
        ("lease", {"reduce_after_ms": 2, "kill_after_ms": 1}, "lease.reduce_after_ms"),
        ("dynamic", {"multiplier_min_bp": 2_501, "multiplier_stale_bp": 2_500}, "dynamic.multiplier_min_bp"),
        ("market", {"vwap_window_ms": 0}, "market.vwap_window_ms: 0 leaves nothing"),
        ("rejects", {"share_of": 0}, "rejects.share_of: 0"),
        ("canary", {"every_ms": 0}, "canary.every_ms: 0"),
        ("dynamic", {"multiplier_min_bp": 0}, "dynamic.multiplier_min_bp: 0"),
    ],
)
def test_a_file_that_takes_its_own_sense_is_refused(table: str, values: dict[str, int], said: str) -> None:
    (fault,) = limits(**{table: values}).faults("paper")
    assert fault.startswith(said)


def test_brackets_without_end_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "limits.toml"
    path.write_text("x = " + "[" * 5_000)
    with pytest.raises(ConfigError, match=r"limits\.toml: not TOML"):
        load_model(path, Limits)


def test_a_latched_cause_stays_and_another_clears() -> None:
    table = PostureTable()
    assert table.raise_("R20", "too fast", 1)
    assert not table.raise_("R20", "again", 2)
    table.raise_("R60", "", 3)
    assert table.posture is Posture.HALTED
    assert not table.clear("R20")
    assert table.clear("R60")
    assert table.posture is Posture.HALTED
    assert lift(table) == ["R20"]

    assert table.posture is Posture.ACTIVE


def test_the_worst_cause_decides() -> None:
    table = PostureTable()
    table.raise_("R30I", "", 1)
    assert table.posture is Posture.REDUCE_ONLY
    table.raise_("R70", "", 1)

    assert table.posture is Posture.KILLED
    assert all(cause.doc for cause in CAUSES.values())


def test_a_cause_that_comes_back_too_often_latches() -> None:
    table = PostureTable()
    for n in range(RELAPSES_MAX + 1):
        assert "R61" not in table.latched
        table.raise_("R61", "", n)
        table.clear("R61")

    assert "R61" in table.latched
    assert "R61" in table.causes


def test_either_kill_file_holds_and_only_one_is_the_gates_to_remove(tmp_path: Path) -> None:
    latch = KillLatch(tmp_path / "KILLED", tmp_path / "KILL")
    assert latch.held() is None
    latch.set("loss")
    assert latch.held() == "loss"
    latch.clear()
    assert latch.held() is None
    (tmp_path / "KILL").touch()
    latch.clear()

    assert latch.touched()
    assert "KILL exists" in str(latch.held())


def test_a_latch_that_cannot_be_read_is_a_kill(tmp_path: Path) -> None:
    (tmp_path / "KILLED").mkdir()
    latch = KillLatch(tmp_path / "KILLED", tmp_path / "KILL")

    assert "cannot be read" in str(latch.held())
