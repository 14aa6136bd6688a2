"""The statistics of a claim cover what they say they cover."""

import numpy as np
import pytest
from scipy import stats

from research.validation.statistics import (
    adjusted,
    bca_terms,
    cvar,
    detectable,
    holm,
    interval,
    paired,
    paired_statistic,
    resampled_means,
    size_of_test,
)


def test_the_interval_is_the_known_one_for_many_normal_values():
    values = np.random.default_rng(1).normal(0.3, 2.0, 4_000)
    found = interval(values, seed=3)
    t = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(t, abs=0.01)
    assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue, rel=1.0, abs=2e-4)


def test_it_agrees_with_the_library_where_the_library_can_do_it():
    values = np.random.default_rng(2).exponential(1.0, 80)
    ones = np.ones(len(values))
    drawn = resampled_means(values, ones, 10_000, 1)
    terms = bca_terms(values, ones, drawn, float(values.mean()))
    z = stats.norm.ppf(0.975)
    peer = stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, method="BCa", rng=np.random.default_rng(1)
    ).confidence_interval

    low, high = np.quantile(drawn, [adjusted(*terms, -z), adjusted(*terms, z)])
    found = interval(values, seed=1)

    assert (low, high) == pytest.approx((peer.low, peer.high), abs=0.02)
    assert found.low < low
    assert found.high > high  # further out, for eighty are not many


@pytest.mark.parametrize(("clusters", "most"), [(6, 0.07), (8, 0.065), (15, 0.065), (32, 0.06)])
def test_few_clusters_miss_no_more_often_than_they_say(clusters, most):
    """Bare quantiles missed zero in 15, 12, 8.5 and 7 of a hundred such cases."""
    chance = np.random.default_rng(clusters)
    cases = [chance.normal(0.0, 1.0, clusters) for _ in range(600)]

    found = [interval(values, seed=n, resamples=300) for n, values in enumerate(cases)]

    assert sum(one.excludes_zero for one in found) <= most * len(cases)


@pytest.mark.parametrize("clusters", [6, 8, 32])
def test_an_interval_excludes_zero_where_its_p_is_below_a_twentieth(clusters):
    chance = np.random.default_rng(clusters)
    found = [interval(chance.normal(0.8 / clusters**0.5, 1.0, clusters), seed=n) for n in range(60)]

    assert all(one.excludes_zero == (one.p < 0.05) for one in found if abs(one.p - 0.05) > 0.01)


def test_what_is_called_detectable_is_found_as_often_as_is_said():
    chance, least = np.random.default_rng(11), detectable(float(np.sqrt(7)) / 8, 8)

    found = [interval(chance.normal(-least, 1.0, 8), seed=n, resamples=300) for n in range(500)]

    assert 0.74 <= sum(one.high < 0.0 for one in found) / 500 <= 0.88


@pytest.mark.slow
def test_skewed_values_are_covered_about_as_often_as_claimed():
    chance = np.random.default_rng(7)
    runs = 400
    hits = 0
    for n in range(runs):
        found = interval(chance.exponential(1.0, 100), seed=n, resamples=1_000)
        hits += found.low <= 1.0 <= found.high
    assert 0.91 <= hits / runs <= 0.985


def test_orders_of_one_cluster_do_not_count_as_independent():
    chance = np.random.default_rng(4)
    clusters = np.repeat(np.arange(50), 20)
    values = np.repeat(chance.normal(0, 1, 50), 20) + chance.normal(0, 0.1, 1_000)
    alone, together = interval(values, seed=1), interval(values, clusters, seed=1)
    assert together.se > 3 * alone.se
    assert together.clusters == 50
    assert together.units == 1_000


def test_the_same_rows_and_seed_give_the_same_interval():
    values = np.random.default_rng(5).normal(size=300)
    assert interval(values, seed=9) == interval(values, seed=9)


def test_pairing_finds_what_lies_far_below_the_spread():
    chance = np.random.default_rng(6)
    market = chance.normal(0, 10, 2_000)
    ours = market + chance.normal(-0.2, 0.5, 2_000)
    theirs = market + chance.normal(0.0, 0.5, 2_000)
    found = paired(ours, theirs, seed=1)
    assert found.difference.excludes_zero
    assert found.difference.high < 0
    assert found.wilcoxon_p < 0.001
    assert found.correlation > 0.99
    assert 0.5 < found.wins < 0.8
    assert found.detectable == pytest.approx(2.80 * found.difference.se, rel=0.01)


def test_equal_columns_differ_by_nothing():
    values = np.arange(10.0)
    found = paired(values, values)
    assert (found.difference.mean, found.difference.low, found.difference.high) == (0.0, 0.0, 0.0)
    assert found.wilcoxon_p == 1.0
    assert found.wins == 0.5


def test_holm_is_the_published_procedure():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_cvar_is_the_mean_of_the_worst():
    assert cvar(np.arange(1.0, 101.0), 0.05) == pytest.approx(98.0)
    assert cvar(np.arange(1.0, 11.0), 0.05) == pytest.approx(10.0)


def test_a_smaller_error_finds_smaller_effects():
    assert detectable(1.5, 10_000) == pytest.approx(4.2, abs=0.01)
    assert detectable(1.5, 8) > 5.0


@pytest.mark.parametrize(
    ("values", "clusters", "says"),
    [
        (np.array([]), None, "finite values"),
        (np.array([1.0, np.nan]), None, "finite values"),
        (np.array([1.0, 2.0]), np.array([1]), "clusters"),
        (np.array([1.0, 2.0]), np.array([1, 1]), "one cluster"),
    ],
)
def test_what_has_no_interval_is_refused(values, clusters, says):
    with pytest.raises(ValueError, match=says):
        interval(values, clusters)


def test_a_statistic_that_is_no_mean_has_an_interval_too():
    rng = np.random.default_rng(3)
    clusters = np.arange(2_000) % 40
    theirs = rng.normal(0, 2.0, 2_000)

    found = paired_statistic(0.5 * theirs, theirs, clusters, cvar, resamples=300)

    assert found.mean == pytest.approx(-0.5 * cvar(theirs))
    assert found.low < found.mean < found.high < 0.0
    assert found.clusters == 40


def test_the_claims_own_interval_is_wrong_about_as_often_as_it_says():
    rng = np.random.default_rng(5)
    clusters = np.repeat(np.arange(64), 8)
    difference = -0.5 + rng.normal(0, 1, 512) + np.repeat(rng.normal(0, 0.5, 64), 8)

    assert 0.03 <= size_of_test(difference, clusters, repetitions=400) <= 0.085
