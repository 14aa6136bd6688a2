"""Kernels of latency: how long the feed and an order take, lognormal within a range, by address.

A message's latency depends on the seed and on its own number alone. Whether a cancel beats a fill is then
settled by the times at which both reach the matching engine, not drawn.
"""

from market.flow.philox import bell
from market.flow.queue_reactive_clocks import exp
from market.flow.queue_reactive_layout import N_FEED, N_ORDER, STREAM_FEED, STREAM_ORDER
from market.flow.queue_reactive_tables import Reals
from market.kernels import lean_kernel


@lean_kernel
def latency(seed: int, stream: int, number: int, tables: Reals, at: int) -> int:
    """Return a latency, ns; `at`: where median, sigma, least and most stand in the tables."""
    drawn = tables[at] * exp(tables[at + 1] * bell(seed, stream, number))
    return int(min(max(drawn, tables[at + 2]), tables[at + 3]))


@lean_kernel
def feed_ns(seed: int, number: int, tables: Reals) -> int:
    """Return how long the `number`-th message of the feed takes."""
    return latency(seed, STREAM_FEED, number, tables, N_FEED)


@lean_kernel
def order_ns(seed: int, number: int, tables: Reals) -> int:
    """Return how long the `number`-th order, cancel or replacement takes."""
    return latency(seed, STREAM_ORDER, number, tables, N_ORDER)
