"""Openings: for each scenario some markets that were played and watched for a while, to begin in.

What is measured on them (shares a second, a day's volume) is what parents are sized by.
"""

from datetime import date, time
from typing import Any, Final

import numpy as np

from market.book_events import MARKET_EVENT, Kind
from market.book_kernels import orders_into
from market.book_layout import H_ORDERS, new_arena
from market.flow.philox import draw4
from market.flow.zero_intelligence import SYN
from market.flow.zero_intelligence_state import STATE_WORDS, new_state
from market.instruments import NS
from policies import state_kernels as k
from research.environment import layout as e
from research.environment.opening_kernels import burn_in, watch
from research.environment.scenarios import Scenario

BURN_IN_NS: Final = 120 * NS  # several lives of what stands in the book
WATCHED_NS: Final = 90 * NS  # longer than the slowest memory of an observation
DAY: Final = date(2024, 1, 2)
BEGIN: Final = time(11, 0)
DAY_SECONDS: Final = 390 * 60
S_OPENING: Final = 1_010


def openings(scenarios: list[Scenario]) -> e.Openings:
    """Play the openings of some scenarios."""
    orders_max = max(s.orders_max for s in scenarios)
    levels_max = max(s.levels_max for s in scenarios)
    count = max(s.openings for s in scenarios)
    shape = (len(scenarios), count)
    made = e.Openings(
        book=np.zeros((*shape, len(new_arena(orders_max, levels_max))), dtype=np.int64),
        flow=np.zeros((*shape, STATE_WORDS), dtype=np.int64),
        reals=np.zeros((*shape, 1), dtype=np.float64),
        ints=np.zeros((*shape, k.SECONDS + e.WARM_SECONDS), dtype=np.int64),
        floats=np.zeros((*shape, k.FLOATS_SIZE), dtype=np.float64),
        counts=np.array([s.openings for s in scenarios], dtype=np.int64),
        scenarios=np.zeros((len(scenarios), e.SCENARIO_SIZE), dtype=np.float64),
        tables=np.zeros((len(scenarios), 1), dtype=np.float64),
    )
    for number, scenario in enumerate(scenarios):
        fill(made, number, scenario, orders_max, levels_max)
    return made


def fill(made: e.Openings, number: int, scenario: Scenario, orders_max: int, levels_max: int) -> None:
    """Play the openings of one scenario, and write its row."""
    count = scenario.openings
    world = e.new_world(count, orders_max, levels_max, STATE_WORDS, 1, 1)
    scratch = e.new_scratch(orders_max)
    begin_ns = SYN.at(DAY, BEGIN)
    row = scenario_row(scenario)
    for i in range(count):
        seed = int(draw4(i, S_OPENING, 0, 0)[0])
        world.book[i] = new_arena(orders_max, levels_max)
        world.flow[i] = new_state(
            seed, begin_ns - BURN_IN_NS, scenario.price_e4, scenario.tick_e4, scenario.rates
        )
        burn_in(world.book[i], world.flow[i], begin_ns, scratch.out)
        watch(
            world.book[i], world.flow[i], world.head[i], world.chains[i], world.reports[i], world.fills[i],
            world.events[i], world.money[i], row, world.ints[i], world.floats[i], world.own[i],
            standing(world.book[i], begin_ns), scratch.out, begin_ns + WATCHED_NS,
        )  # fmt: skip
        assert world.head[i, e.DROPPED] == 0, "an opening drops nothing"
        assert world.ints[i, k.BID] > 0, "an opening has both sides"
        assert world.ints[i, k.ASK] > 0, "an opening has both sides"
    rate = float(world.ints[:, k.VOLUME].mean()) / (WATCHED_NS / NS)
    row[e.G_RATE], row[e.G_ADV] = rate, round(rate * DAY_SECONDS)
    made.scenarios[number] = row
    for name in ("book", "flow", "reals", "ints", "floats"):
        getattr(made, name)[number, :count] = getattr(world, name)


def standing(book: Any, ts_ns: int) -> Any:
    """Return a book as a feed begins with it: an ADD for each order, completed."""
    rows = np.zeros((int(book[H_ORDERS]), 5), dtype=np.int64)
    orders_into(book, rows)
    events = np.zeros(len(rows), dtype=MARKET_EVENT)
    events["ts_ns"], events["kind"], events["locate"] = ts_ns, Kind.ADD, 1
    events["side"], events["price_e4"] = rows[:, 0], rows[:, 1]
    events["order_id"], events["size"] = rows[:, 2], rows[:, 3]
    bids = rows[:, 0] > 0
    best_bid = int(rows[bids, 1].max(initial=0))
    events["bid_e4"] = best_bid
    events["ask_e4"] = np.where(bids, 0, int(rows[~bids, 1].min(initial=1 << 40)))
    return events


def scenario_row(scenario: Scenario) -> Any:
    """Return a scenario as kernels read it."""
    row = np.zeros(e.SCENARIO_SIZE, dtype=np.float64)
    parents, latency = scenario.parents, scenario.latency
    row[e.G_ORDER_NS], row[e.G_ORDER_SIGMA] = latency.order_ms * 1e6, latency.order_sigma
    row[e.G_REPORT_NS], row[e.G_REPORT_SIGMA] = latency.report_ms * 1e6, latency.report_sigma
    row[e.G_EARLY] = latency.early
    row[e.G_SIDE] = parents.side
    row[e.G_SECONDS_MIN], row[e.G_SECONDS_MAX] = parents.seconds
    row[e.G_SHARE_MIN], row[e.G_SHARE_MAX] = parents.share
    row[e.G_LIMIT_CHANCE] = parents.limit_chance
    row[e.G_LIMIT_BPS_MIN], row[e.G_LIMIT_BPS_MAX] = parents.limit_bps
    row[e.G_CAP_CHANCE] = parents.cap_chance
    row[e.G_CAP_MIN], row[e.G_CAP_MAX] = parents.cap
    row[e.G_MUST_CHANCE] = parents.must_chance
    row[e.G_AMEND_CHANCE], row[e.G_PAUSE_CHANCE] = parents.amend_chance, parents.pause_chance
    row[e.G_TICK], row[e.G_LOT], row[e.G_ROUND_LOT] = scenario.tick_e4, scenario.lot, scenario.round_lot
    opens, closes = SYN.session(DAY)
    row[e.G_OPEN_NS], row[e.G_CLOSE_NS] = opens, closes
    return row
