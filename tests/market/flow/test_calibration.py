from pathlib import Path

import msgspec
import pytest

from market.flow.calibration import (
    FILE_BYTES_MAX,
    Calibration,
    Hawkes,
    Latency,
    Latent,
    Metaorders,
    Regime,
    Value,
    dump,
    load,
    problems,
)
from market.flow.queue_reactive_defaults import large_tick, small_tick
from market.flow.queue_reactive_tables import tables

replace = msgspec.structs.replace


@pytest.mark.parametrize("calibration", [large_tick(), small_tick()], ids=lambda c: c.name)
def test_a_file_gives_back_what_was_written(calibration: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(dump(calibration))

    assert load(path) == calibration
    assert problems(calibration) == []
    assert not tables(calibration).flags.writeable


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tick_e4": 0}, "tick_e4"),
        ({"spread_edges": (2, 3)}, "spread_edges"),
        ({"behind_edges": (1, 1, 2)}, "behind_edges"),
        ({"limits": ((1.0,),)}, "limits must be"),
        ({"markets": ((float("nan"),) * 7,) * 4}, "markets must be"),
        ({"class_shares": ((0.0, 0.0, 0.0),) * 16}, "class_shares"),
        ({"limit_sizes": ((0, 1.0),)}, "limit_sizes"),
        ({"hidden": 1.5}, "hidden"),
        ({"markets_per_s": 0.0}, "mean rates"),
        ({"hawkes": Hawkes(branching=0.95)}, "branching"),
        ({"metaorders": Metaorders(alpha=1.0)}, "alpha"),
        ({"latency": Latency(order_us=9.0)}, "nothing reads it"),
        ({"value": Value(sigma_bps=-0.1)}, "sigma"),
        ({"value": Value(informed=-1.0)}, "informed"),
        ({"latent": Latent(limits=-0.1)}, "latent"),
        ({"regimes": (Regime(), Regime(markets=-1.0), Regime())}, "regimes"),
        ({"metaorders": Metaorders(history_s=10**9)}, "history_s"),
    ],
)
def test_what_cannot_be_is_named(change: dict[str, object], said: str) -> None:
    found = problems(replace(large_tick(), **change))

    assert any(said in line for line in found)
    with pytest.raises(ValueError, match="large-tick"):
        tables(replace(large_tick(), **change))


@pytest.mark.parametrize("name", ["", "../../rules", ".hidden", "a\x1b[2J", "x" * 65])
def test_a_name_is_one_that_a_file_and_a_terminal_can_bear(name: str) -> None:
    assert any(line.startswith("name:") for line in problems(replace(large_tick(), name=name)))


def test_a_file_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    wrong, unknown, long = tmp_path / "wrong.json", tmp_path / "unknown.json", tmp_path / "long.json"
    wrong.write_text("{")
    unknown.write_bytes(dump(large_tick()).replace(b'"name"', b'"nam"'))
    long.write_bytes(b" " * (FILE_BYTES_MAX + 1))

    for path in (wrong, unknown, long, tmp_path / "none.json"):
        with pytest.raises(ValueError, match=path.name):
            load(path)


def test_a_file_that_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "flipped.json"
    whole = dump(large_tick())
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] | 128]) + whole[at + 1 :])
        with pytest.raises(ValueError, match=r"flipped\.json: "):
            load(path)


def test_too_many_metaorders_are_refused() -> None:
    busy = replace(large_tick(), markets_per_s=500.0, metaorders=Metaorders(children_min=1.0))

    with pytest.raises(ValueError, match="metaorder"):
        tables(busy)
