"""Quantiles of the latency histogram against sorted durations."""

import random

from daemon.latency import BUCKETS, Latency, upper_ns


def test_quantiles_are_within_a_bucket_of_the_truth() -> None:
    rng = random.Random(1)
    found, truth = Latency(), []
    for _ in range(20_000):
        ns = int(rng.lognormvariate(12, 1.5))
        found.observe(ns)
        truth.append(max(1, ns))
    truth.sort()

    for share in (0.01, 0.5, 0.9, 0.99, 0.999):
        exact = truth[int(share * len(truth)) - 1]
        assert exact <= found.quantile_ns(share) <= exact * 1.04 + 1


def test_nothing_and_too_much_are_counted_and_the_edges_rise() -> None:
    empty, one = Latency(), Latency()
    one.observe(0)
    assert empty.summary_us() == {"p50": 0.0, "p99": 0.0, "p999": 0.0, "count": 0}
    assert one.quantile_ns(0.5) == 1
    one.observe(2**62)  # beyond the last bucket: counted in it
    assert one.count == 2
    edges = [upper_ns(i) for i in range(BUCKETS)]

    assert edges == sorted(set(edges))
