"""Calibration gives back what a simulated market was made of, and refuses what says nothing."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from market.flow.calibration import BEST, Layers, Regime, load
from market.flow.queue_reactive_defaults import small_tick
from research.calibrate import facts, fit, hawkes, lifetimes, refine, sizes
from research.calibrate.samples import Trades
from research.calibrate.simulated import simulate
from research.calibrate.streams import coarser, of_outcomes

ROOT = Path(__file__).parents[2]
COUNTED = Layers(hawkes=False, metaorders=False, value=False, latent=False, intraday=False, hidden=False)
SECONDS = 5_400


@pytest.fixture(scope="module")
def made():
    """A market of counted rates alone, simulated for an hour and a half and fitted."""
    truth = msgspec.structs.replace(small_tick(), layers=COUNTED, regimes=(Regime(),) * 3, intraday=(1.0,))
    stream, counters = simulate(truth, 3, SECONDS)
    return truth, stream, counters, fit.first(stream, "made", session=False).calibration


@pytest.mark.slow
def test_rates_of_a_simulated_market_are_found_again(made) -> None:
    truth, _, counters, found = made

    assert found.limits_per_s == pytest.approx(counters["limits"] / SECONDS / 2, rel=0.03)
    assert found.markets_per_s == pytest.approx(counters["markets"] / SECONDS / 2, rel=0.03)
    assert found.cancels_per_s == pytest.approx(counters["cancels"] / SECONDS / 2, rel=0.03)
    assert found.tick_e4 == truth.tick_e4
    assert found.partial == pytest.approx(truth.partial, abs=0.01)
    assert found.hidden == 0.0


@pytest.mark.slow
def test_lifetimes_of_a_simulated_market_are_found_again(made) -> None:
    truth, _, _, found = made
    true = np.array(truth.class_shares[BEST]) @ (1 / np.array(truth.class_hazards))

    mean = np.array(found.class_shares[BEST]) @ (1 / np.array(found.class_hazards))

    assert mean == pytest.approx(true, rel=0.4)  # factors by distance and queue take their part


@pytest.mark.slow
def test_the_fitted_market_is_like_the_one_that_it_was_fitted_to(made) -> None:
    _, stream, _, found = made
    plain = msgspec.structs.replace(found, layers=COUNTED)
    edges = [100.0, 200.0]

    again, _ = simulate(plain, 4, SECONDS)
    was, now = (
        facts.quick(one.events, one.tick_e4, one.begin_ns, one.end_ns, edges) for one in (stream, again)
    )

    for name in ("events_per_s", "trades_per_s", "spread_ticks", "depth5_size"):
        assert now[name] == pytest.approx(was[name], rel=0.25), name


def test_lifetimes_of_three_classes_are_told_apart() -> None:
    rng = np.random.default_rng(1)
    hazards = np.array([5.0, 0.5, 0.02])
    which = rng.choice(3, 20_000, p=[0.3, 0.4, 0.3])
    age = rng.exponential(1 / hazards[which])
    cut = rng.exponential(30.0, len(age))  # trades take some of them
    lives = np.column_stack([np.full(len(age), BEST), np.minimum(age, cut) * 1e9, age < cut]).astype(np.int64)

    found = lifetimes.fit(lives)

    assert found.hazards == pytest.approx(hazards, rel=0.2)
    assert found.shares[BEST] == pytest.approx([0.3, 0.4, 0.3], abs=0.05)


def test_a_poisson_stream_excites_nothing_and_a_clustered_one_does() -> None:
    rng = np.random.default_rng(2)
    calm = np.sort(rng.uniform(0, 16_000, 8_000))
    side = rng.integers(0, 2, 4_000)
    parents = rng.uniform(0, 16_000, 4_000)
    both = np.concatenate([parents, parents + rng.exponential(0.1, 4_000)])
    order = np.argsort(both)

    _, quiet = hawkes.fit_decays(calm, rng.integers(0, 2, 8_000), (8.0, 2.0))
    _, loud = hawkes.fit_decays(both[order], np.concatenate([side, side])[order], (8.0, 2.0))

    assert quiet[0].sum() < 0.1
    assert loud[0, 0].sum() == pytest.approx(0.5, abs=0.1)  # each second event has a parent of its side
    assert loud[0, 1].sum() < 0.1


def test_who_took_a_queue_whole_may_have_wanted_more() -> None:
    count = 4_000
    rng = np.random.default_rng(3)
    want, queue = rng.integers(1, 11, count) * 100, np.full(count, 500)
    took = np.minimum(want, queue)
    none = np.zeros(count, np.int64)
    trades = Trades(none, none, took, none, none, queue, np.zeros(count))

    law, clip = sizes.wanted(trades)

    assert clip == 1.0
    assert sum(weight for size, weight in law if size <= 400) == pytest.approx(0.4, abs=0.03)


def test_a_law_of_sizes_keeps_the_mean_and_the_frequent() -> None:
    rng = np.random.default_rng(4)
    sample = np.concatenate([np.full(5_000, 100), rng.integers(1, 3_000, 5_000)])

    law = sizes.law(sample)

    assert len(law) <= sizes.SIZES_MAX
    assert dict(law)[100] == pytest.approx(0.5, abs=0.01)
    mean = sum(size * weight for size, weight in law) / sum(weight for _, weight in law)
    assert mean == pytest.approx(sample.mean(), rel=0.01)


def test_a_coarser_tick_never_crosses_the_book(made) -> None:
    _, stream, _, _ = made

    coarse = coarser(stream.events, 10 * stream.tick_e4)

    adds = coarse[coarse["kind"] == 1]
    assert not (adds["price_e4"] % (10 * stream.tick_e4)).any()
    fine = stream.events[stream.events["kind"] == 1]
    assert ((adds["price_e4"] <= fine["price_e4"]) == (adds["side"] > 0)).mean() > 0.5
    assert (adds["price_e4"][adds["side"] > 0] <= fine["price_e4"][adds["side"] > 0]).all()
    assert (adds["price_e4"][adds["side"] < 0] >= fine["price_e4"][adds["side"] < 0]).all()


def test_a_knob_stays_within_its_bounds() -> None:
    knob = refine.KNOBS[0]

    assert refine.value_of(refine.turned(small_tick(), knob, 1e9), knob) == knob.most
    assert refine.value_of(refine.turned(small_tick(), knob, 0.0), knob) == knob.least


def test_outcomes_without_events_are_no_stream() -> None:
    from market.matching import MatchingEngine

    assert len(of_outcomes(MatchingEngine(4, 4, 16).outcomes[:0])) == 0


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from research.calibrate.command_options import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, cwd=ROOT)


@pytest.mark.slow
def test_a_missing_tape_is_one_line_and_exit_2(tmp_path: Path) -> None:
    outcome = run(str(tmp_path / "none"), "--out", str(tmp_path / "x.json"))

    assert outcome.returncode == 2
    assert outcome.stderr.count("\n") == 1
    assert "there is no tick store" in outcome.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_shipped_calibrations_load_and_say_where_they_come_from() -> None:
    folder = ROOT / "market" / "flow" / "calibrations"
    files = [p for p in sorted(folder.glob("*.json")) if p.suffixes == [".json"]]

    assert len(files) >= 2
    for path in files:
        found = load(path)
        assert found.provenance["events_sha256"]
        assert found.fit
        assert (
            json.loads(path.with_name(path.stem + ".facts.json").read_text())["source"]
            == found.provenance["source"]
        )
