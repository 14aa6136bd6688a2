"""Openings: for each scenario some markets that were played and watched for a while, to begin in.

What is measured on them (shares a second, a day's volume) is what parents are sized by.
"""

import math
from datetime import date
from typing import Any, Final

import numpy as np

from market.book_events import MARKET_EVENT, Kind
from market.book_kernels import orders_into
from market.book_layout import H_ORDERS, new_arena
from market.flow import queue_reactive_layout as q
from market.flow import queue_reactive_state
from market.flow import zero_intelligence_state as z
from market.flow.calibration import Calibration
from market.flow.philox import UNIT, draw4
from market.flow.queue_reactive_state import Episode, forget_counts
from market.flow.queue_reactive_tables import tables
from market.flow.zero_intelligence import SYN
from market.flow.zero_intelligence_state import Rates
from market.types import NS
from policies import state_kernels as k
from research.environment import layout as e
from research.environment.opening_kernels import burn_in, watch
from research.environment.scenarios import Differs, Scenario

BURN_IN_NS: Final = 180 * NS  # several lives of what stands in the book
WATCHED_NS: Final = 90 * NS  # longer than the slowest memory of an observation
DAY: Final = date(2024, 1, 2)
DAY_SECONDS: Final = 390 * 60
S_OPENING: Final = 1_010
FLOW_WORDS: Final = max(q.STATE_WORDS, z.STATE_WORDS)


def openings(scenarios: list[Scenario]) -> e.Openings:
    """Play the openings of some scenarios."""
    orders_max = max(s.orders_max for s in scenarios)
    levels_max = max(s.levels_max for s in scenarios)
    count = max(s.openings for s in scenarios)
    reactive = any(isinstance(s.market, Calibration) for s in scenarios)
    words, reals = (FLOW_WORDS, q.REALS) if reactive else (z.STATE_WORDS, 1)
    shape = (len(scenarios), count)
    made = e.Openings(
        book=np.zeros((*shape, len(new_arena(orders_max, levels_max))), dtype=np.int64),
        flow=np.zeros((*shape, words), dtype=np.int64),
        reals=np.zeros((*shape, reals), dtype=np.float64),
        ints=np.zeros((*shape, k.SECONDS + e.WARM_SECONDS), dtype=np.int64),
        floats=np.zeros((*shape, k.FLOATS_SIZE), dtype=np.float64),
        counts=np.array([s.openings for s in scenarios], dtype=np.int64),
        scenarios=np.zeros((len(scenarios), e.SCENARIO_SIZE), dtype=np.float64),
        tables=np.zeros((len(scenarios), q.TABLE_WORDS if reactive else 1), dtype=np.float64),
    )
    for number, scenario in enumerate(scenarios):
        fill(made, number, scenario, orders_max, levels_max)
    return made


def fill(made: e.Openings, number: int, scenario: Scenario, orders_max: int, levels_max: int) -> None:
    """Play the openings of one scenario, and write its row."""
    count = scenario.openings
    world = e.new_world(count, orders_max, levels_max, made.flow.shape[2], made.reals.shape[2], 1)
    scratch = e.new_scratch(orders_max)
    row = scenario_row(scenario)
    if isinstance(scenario.market, Calibration):
        made.tables[number] = tables(scenario.market)
    table = made.tables[number]
    for i in range(count):
        world.book[i] = new_arena(orders_max, levels_max)
        begin_ns = market(scenario, i, table, world)
        burn_in(world.book[i], world.flow[i], world.reals[i], table, row, begin_ns, scratch.out)
        watch(
            world.book[i], world.flow[i], world.reals[i], table, world.head[i], world.chains[i],
            world.reports[i], world.fills[i], world.events[i], world.money[i], row, world.ints[i],
            world.floats[i], world.own[i], standing(world.book[i], begin_ns), scratch.out,
            begin_ns + WATCHED_NS, world.tape[i],
        )  # fmt: skip
        if row[e.G_FLOW] == e.FLOW_REACTIVE:
            forget_counts(world.flow[i])
        else:
            world.flow[i, z.Z_LIMITS : z.Z_REFUSED + 1] = 0
        assert world.head[i, e.DROPPED] == 0, "an opening drops nothing"
        assert world.ints[i, k.BID] > 0, "an opening has both sides"
        assert world.ints[i, k.ASK] > 0, "an opening has both sides"
    rate = float(world.ints[:, k.VOLUME].mean()) / (WATCHED_NS / NS)
    row[e.G_RATE], row[e.G_ADV] = rate, round(rate * DAY_SECONDS)
    made.scenarios[number] = row
    for name in ("book", "flow", "reals", "ints", "floats"):
        getattr(made, name)[number, :count] = getattr(world, name)


def market(scenario: Scenario, i: int, table: Any, world: e.World) -> int:
    """Write the flow of opening i before it begins; return when it is to be watched."""
    seed = int(draw4(i, S_OPENING, 0, 0)[0])
    opens_ns = SYN.session(DAY)[0]
    if isinstance(scenario.market, Rates):
        begin_ns = opens_ns + 5_400 * NS
        world.flow[i, : z.STATE_WORDS] = z.new_state(
            seed, begin_ns - BURN_IN_NS, scenario.price_e4, scenario.tick_e4, scenario.market
        )
        return begin_ns
    episode = differs(scenario.differs, i)
    begin_ns = opens_ns + int(episode.open_s) * NS
    state, reals = queue_reactive_state.new_state(seed, begin_ns - BURN_IN_NS, table, episode)
    world.flow[i, : q.STATE_WORDS], world.reals[i] = state, reals
    return begin_ns


def differs(ranges: Differs, i: int) -> Episode:
    """Draw how opening i differs from its calibration."""
    first, second = draw4(i, S_OPENING, 1, 0), draw4(i, S_OPENING, 2, 0)
    u = [(draw + 0.5) / UNIT for draw in (*first, *second)]
    low, high = ranges.drift_bps_per_s
    least, most = ranges.tick
    return Episode(
        rate=spread(u[0], ranges.rate),
        sigma=spread(u[1], ranges.sigma),
        latent=spread(u[2], ranges.latent),
        branching=spread(u[3], ranges.branching),
        tick=least + int(u[4] * (most - least + 1)),
        drift_bps_per_s=(1 if u[5] < 0.5 else -1) * (low + (high - low) * (2 * u[5] % 1.0)),
        open_s=ranges.open_s[0] + (ranges.open_s[1] - ranges.open_s[0]) * u[6],
        regime=int(3 * u[7]),
    )


def spread(u: float, bounds: tuple[float, float]) -> float:
    """Return a multiple between two, evenly in its logarithm."""
    return bounds[0] * math.exp(u * math.log(bounds[1] / bounds[0]))


def standing(book: Any, ts_ns: int) -> Any:
    """Return a book as a feed begins with it: an ADD for each order, completed."""
    rows = np.zeros((int(book[H_ORDERS]), 5), dtype=np.int64)
    orders_into(book, rows)
    events = np.zeros(len(rows), dtype=MARKET_EVENT)
    events["ts_ns"], events["kind"], events["locate"] = ts_ns, Kind.ADD, 1
    events["side"], events["price_e4"] = rows[:, 0], rows[:, 1]
    events["order_id"], events["size"] = rows[:, 2], rows[:, 3]
    bids = rows[:, 0] > 0
    events["bid_e4"] = int(rows[bids, 1].max(initial=0))
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
    reactive = isinstance(scenario.market, Calibration)
    row[e.G_FLOW] = e.FLOW_REACTIVE if reactive else e.FLOW_ZERO
    row[e.G_TICK] = scenario.market.tick_e4 if isinstance(scenario.market, Calibration) else scenario.tick_e4
    row[e.G_LOT], row[e.G_ROUND_LOT] = scenario.lot, scenario.round_lot
    row[e.G_OPEN_NS], row[e.G_CLOSE_NS] = SYN.session(DAY)
    return row
