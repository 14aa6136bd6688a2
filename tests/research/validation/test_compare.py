"""What is said of tables: paired by seed, over openings, with words that do not promise too much."""

import numpy as np
import pytest

from research.validation import compare, tape_results
from tests.research.validation.made import table


def test_a_constant_gain_is_found_whatever_the_noise_that_both_share():
    noise = np.random.default_rng(1).normal(0, 5, 256)

    found = compare.row_of(compare.against([table(noise - 0.3)], [table(noise)]))

    assert found["mean"] == pytest.approx(-0.3)
    assert found["high"] < 0
    assert found["clusters"] == 8


def test_pairs_of_other_seeds_are_refused():
    other = table(np.ones(16))
    other["seed"] = other["seed"] + 1

    with pytest.raises(AssertionError, match="same seeds"):
        compare.against([table(np.ones(16))], [other])


def test_openings_of_one_number_are_one_cluster_in_every_regime():
    """They begin from one seed: sixteen regimes that share a draw of eight openings know eight draws."""
    drawn = np.repeat(np.random.default_rng(2).normal(0, 1, 8)[None], 8, axis=0).ravel()
    regimes = [table(drawn + np.random.default_rng(n).normal(0, 0.1, 64)) for n in range(16)]

    found = compare.against(regimes, [table(np.zeros(64))] * 16)

    assert found.difference.clusters == 8
    assert found.difference.se == pytest.approx(drawn[:8].std() / np.sqrt(8), rel=0.05)


def test_p_values_of_a_family_hold_together():
    rows = {name: {"p": p} for name, p in (("twap", 0.01), ("vwap", 0.04), ("best", 0.02))}

    compare.corrected(rows, ["twap", "vwap", "best"])

    assert [rows[n]["p_holm"] for n in ("twap", "best", "vwap")] == pytest.approx([0.03, 0.04, 0.04])


@pytest.mark.parametrize(
    ("low", "high", "word"), [(-2, -1, "won"), (0.2, 1, "lost"), (0.05, 1, "open"), (-1, 1, "open")]
)
def test_a_regime_is_lost_beyond_a_tenth_of_a_basis_point(low, high, word):
    assert compare.verdict({"low": low, "high": high}) == word


def test_aa_of_independent_seeds_rejects_about_five_percent_and_of_shifted_copies_does_not():
    independent = np.random.default_rng(3).normal(1, 2, 128 * 16)
    drifting = independent + np.repeat(np.random.default_rng(4).normal(0, 2, 256), 8)

    assert compare.aa(table(independent))["repetitions"] == 256 * 255 // 2
    assert 0.03 <= compare.aa(table(independent))["rejects"] <= 0.07
    assert compare.aa(table(drifting))["rejects"] > 0.3


def test_aa_of_few_orders_says_nothing():
    assert compare.aa(table(np.ones(500)))["rejects"] is None


def test_adaptability_is_the_slope_with_lag_held():
    rng = np.random.default_rng(5)
    x = np.column_stack([np.ones(4_000), rng.normal(size=(4_000, 7))])
    y = 0.5 + 0.3 * x[:, 1] + 0.2 * x[:, 4]
    made = table(np.ones(8)) | {"xx": x.T @ x, "xy": x.T @ y, "yy": np.array([float(y @ y)])}

    found = compare.adaptability([made])

    assert found["word"] == "high"
    assert found["slices_per_sd"]["spread"] == pytest.approx(0.2, rel=0.05)
    assert abs(found["slices_per_sd"]["volume"]) < 1e-6


def test_a_tape_never_says_more_than_it_can():
    row = {"mean": 0.1, "low": -0.4, "high": 0.6, "se": 0.25, "detectable": 0.7, "clusters": 14}

    assert tape_results.word(row) == "higher, not resolved: 0.70 bps could be found"
    assert tape_results.word(row | {"low": 0.01}) == "worse"
    assert tape_results.word(row | {"high": -0.01}) == "better"
