"""The soak, in short: many messages, random faults, descriptors that stand still, books that agree."""

from pathlib import Path

import pytest

from benchmarks.soak import slope, soak

SECONDS, LOAD, SEED = 20.0, 20.0, 3
GROWN_MIB_MAX = 16.0  # some 900 orders are kept (2 MiB), and pools fill
DESCRIPTORS_MAX = 6  # of a trader, a person and two lines that come and go


@pytest.mark.slow
def test_under_twenty_times_the_load_with_faults_nothing_runs_away(tmp_path: Path) -> None:
    found = soak(tmp_path, SECONDS, LOAD, SEED, pause_s=(1.0, 3.0))

    assert found["problems"] == []
    assert found["breaks"] == []
    assert sum(found["faults"].values()) >= 2
    assert found["messages"] > 100
    for name in ("gate", "venue"):
        first, last = found[name]["rss_mib"]
        assert last - first <= GROWN_MIB_MAX
        descriptors = found[name]["descriptors"]
        assert descriptors["max"] <= descriptors["median"] + DESCRIPTORS_MAX
        assert abs(descriptors["last"] - descriptors["first"]) <= DESCRIPTORS_MAX


def test_a_slope_is_seen_and_none_is_not() -> None:
    at = [float(n) for n in range(600)]
    flat = slope(at, [1e6 + (n * 7919 % 101) * 1024 for n in range(600)])
    rises = slope(at, [1e6 + n * 1024 + (n * 7919 % 101) * 1024 for n in range(600)])

    for name in ("", "steps_"):
        assert flat[f"{name}low"] <= 0 <= flat[f"{name}high"]
        assert rises[f"{name}low"] <= 60 <= rises[f"{name}high"]
        assert rises[f"{name}low"] > 0


def test_a_walk_that_stands_higher_in_the_end_is_no_slope() -> None:
    at = [float(n) for n in range(600)]
    walk = slope(at, [1e6 + 200 * 1024 * ((n > 250) + (n > 400)) for n in range(600)])

    assert walk["low"] > 0, "least squares take two steps for a line"
    assert walk["steps_low"] <= 0 < walk["steps_high"]
