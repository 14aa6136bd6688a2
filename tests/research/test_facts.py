"""Stylised facts of streams that are small enough to know the answers."""

import numpy as np
import pytest

from market.book_events import MARKET_EVENT, Flag, Kind
from research.calibrate import blocks, curves, facts, numbers, probes, samples
from research.calibrate import scan as s

NS = 1_000_000_000
TICK = 100


def stream(rows):
    """Rows of (seconds, kind, id, side, price in ticks, size[, flags])."""
    events = np.zeros(len(rows), MARKET_EVENT)
    for at, (second, kind, order_id, side, ticks, size, *flags) in enumerate(rows):
        events[at]["ts_ns"] = round(second * NS)
        events[at]["kind"], events[at]["order_id"], events[at]["side"] = kind, order_id, side
        events[at]["price_e4"], events[at]["size"] = ticks * TICK, size
        events[at]["flags"] = flags[0] if flags else 0
    return events


STANDING = [
    (0, Kind.ADD, 1, 1, 100, 300, Flag.REVEAL),
    (0, Kind.ADD, 2, -1, 104, 200, Flag.REVEAL),
    (0, Kind.ADD, 3, -1, 106, 500, Flag.REVEAL),
]


def test_an_event_is_written_down_with_what_it_met() -> None:
    events = stream(
        [
            *STANDING,
            (1, Kind.ADD, 4, 1, 102, 50),
            (2, Kind.EXECUTE, 2, -1, 104, 200),
            (3, Kind.DELETE, 4, 0, 0, 0),
        ]
    )

    rows = s.scan(events, 0, 4 * NS, NS).rows

    assert list(rows[:, s.CLASS]) == [s.EDGE, s.EDGE, s.EDGE, s.LIMIT, s.TRADE, s.CANCEL]
    limit, trade, cancel = rows[3], rows[4], rows[5]
    assert (limit[s.DISTANCE], limit[s.SPREAD], limit[s.LEVEL_SIZE]) == (-2 * TICK, 4 * TICK, 0)
    assert (trade[s.DISTANCE], trade[s.SPREAD], trade[s.LEVEL_SIZE]) == (0, 2 * TICK, 200)
    assert (trade[s.BID], trade[s.ASK]) == (102 * TICK, 106 * TICK)
    assert (cancel[s.SIZE], cancel[s.AGE]) == (50, 2 * NS)


def test_the_grid_shows_the_book_with_what_happened_at_its_instant() -> None:
    events = stream([*STANDING, (2, Kind.ADD, 4, 1, 101, 70)])

    grid = s.scan(events, 0, 4 * NS, NS).grid

    assert list(grid[:, 0, 0] // TICK) == [100, 100, 101, 101]
    assert list(grid[1, 2, :3] // TICK) == [104, 106, 0]


def test_executions_of_one_instant_are_one_aggressive_order() -> None:
    events = stream(
        [*STANDING, (1, Kind.EXECUTE, 2, -1, 104, 200), (1, Kind.EXECUTE, 3, -1, 106, 100),
         (2, Kind.EXECUTE, 1, 1, 100, 10)]
    )  # fmt: skip

    trades = samples.trades_of(s.scan(events, 0, 4 * NS, NS))

    assert list(trades.sign) == [1, -1]
    assert list(trades.size) == [300, 10]
    paid = ((200 * 104 + 100 * 106) / 300 - 102) / 102 * 1e4
    assert trades.paid[0] == pytest.approx(paid)


def test_what_only_enters_or_leaves_the_window_is_no_flow() -> None:
    events = stream([*STANDING, (1, Kind.DELETE, 3, -1, 106, 500, Flag.CONCEAL)])

    scan = s.scan(events, 0, 2 * NS, NS)

    assert not (scan.rows[:, s.CLASS] <= s.HIDDEN).any()
    assert len(samples.ages_of(scan)) == 0


def test_a_probe_fills_when_the_queue_ahead_of_it_is_gone() -> None:
    events = [
        (11, Kind.CANCEL, 1, 1, 100, 100),
        (12, Kind.EXECUTE, 1, 1, 100, 200),
        (90, Kind.ADD, 9, 1, 90, 1),
    ]

    laid = probes.probe(stream([*STANDING, (10.5, Kind.ADD, 5, 1, 100, 40), *events]), 0, 100 * NS, 10 * NS)

    last = laid[
        (laid[:, probes.P_SIDE] == 1) & (laid[:, probes.P_FRONT] == 0) & (laid[:, probes.P_START] == 10 * NS)
    ]
    front = laid[
        (laid[:, probes.P_SIDE] == 1) & (laid[:, probes.P_FRONT] == 1) & (laid[:, probes.P_START] == 10 * NS)
    ]
    assert (
        last[0, probes.P_AHEAD] == 300
    )  # 100 cancelled, 200 executed: exactly what was ahead, nothing for us
    assert last[0, probes.P_STATE] == probes.EXPIRED
    assert front[0, probes.P_STATE] == probes.FILLED
    assert front[0, probes.P_END] == 12 * NS


def test_a_probe_ends_when_the_touch_leaves_it_behind() -> None:
    events = [(12, Kind.ADD, 7, 1, 101, 10), (13, Kind.ADD, 8, 1, 90, 10)]

    laid = probes.probe(stream([*STANDING, *events]), 0, 20 * NS, 10 * NS)

    bids = laid[laid[:, probes.P_SIDE] == 1]
    assert set(bids[:, probes.P_STATE]) == {probes.TOUCH_LEFT}


def test_intervals_hold_the_mean_and_are_the_same_again() -> None:
    rng = np.random.default_rng(5)
    found = blocks.Blocks(0, 3_600 * NS)
    found.add("x", np.sort(rng.integers(0, 3_600 * NS, 4_000)), rng.normal(2.0, 1.0, 4_000))

    first = blocks.evaluate(found.sums(), found.names, lambda t: {"mean": blocks.ratio(t, "x")})
    again = blocks.evaluate(found.sums(), found.names, lambda t: {"mean": blocks.ratio(t, "x")})

    value, low, high = first["mean"]
    assert low < 2.0 < high
    assert low < value < high
    assert first == again


def test_slope_of_a_power_law() -> None:
    assert numbers.slope([0.5 * lag**-0.6 for lag in numbers.ACF_LAGS]) == pytest.approx(-0.6)


def test_distance_is_counted_in_standard_deviations() -> None:
    table = list(np.linspace(-3, 3, curves.QUANTILES))

    assert curves.distance(table, table) == 0.0
    assert curves.distance(table, [x + 1.0 for x in table]) == pytest.approx(1.0 / np.std(table))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([(1, Kind.ADD, 4, 1, 99, 10)], "at least 500"),
        (
            [(1 + k / 1000, Kind.ADD, 10 + k, 1, 90 - k % 5, 10) for k in range(600)],
            "ask side empty throughout",
        ),
    ],
    ids=["short", "one side empty"],
)
def test_a_stream_that_says_nothing_is_refused_in_one_line(rows, words) -> None:
    standing = STANDING if len(rows) == 1 else STANDING[:1]

    with pytest.raises(facts.FactsError, match=words):
        facts.measure(stream([*standing, *rows]), TICK, 0, 600 * NS, "made")
