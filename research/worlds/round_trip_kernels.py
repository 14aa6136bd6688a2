"""Round trips in the simulated market as kernels: a book an environment, market orders of ours, time between.

The ledger's row of an environment: clock, step, position, cash in 1e-4 x shares, doubled mids of the last
steps. Wealth is cash plus the position at the mid; at the end the position is closed by a market order.
"""

from typing import Any, Final

from market.book_kernels import best_e4, best_level
from market.book_layout import L_SIZE
from market.flow.philox import draw4
from market.flow.queue_reactive_kernels import react
from market.flow.queue_reactive_state import reseed
from market.flow.zero_intelligence_kernels import flow_to_stop
from market.flow.zero_intelligence_state import Z_SEED
from market.matching_events import Command, CommandFlag, Outcome, Tif
from market.matching_kernels import match
from policies import state_kernels as k
from research.environment import layout as e
from research.environment.compiled import env_kernel
from research.environment.episode_kernels import copy_book
from research.environment.row_kernels import copy

NOW, STEP, POSITION, CASH, ORDERS, MIDS = range(6)
REMEMBERED: Final = 32  # doubled mids of the last steps, a ring from MIDS on
LEDGER: Final = MIDS + REMEMBERED
OWNER: Final = 1
OWN_ID: Final = 1 << 40
NEW, MARKET, IOC, TRADE = int(Command.NEW), int(CommandFlag.MARKET), int(Tif.IOC), int(Outcome.TRADE)
S_TRIP: Final = 1_011  # the stream that draws openings
SPANS: Final = (1, 3, 10, 30)  # steps over which returns are seen
OBS: Final = 5 + len(SPANS)
BUY, SELL = 1, -1


@env_kernel
def begin_trip(
    seed: int, book: Any, flow: Any, reals: Any, ledger: Any,
    o_book: Any, o_flow: Any, o_reals: Any, o_ints: Any, count: int, scenario: Any, tables: Any,
) -> None:  # fmt: skip
    """Copy an opening and give it its own future."""
    drawn, _, _, _ = draw4(seed, S_TRIP, 0, 0)
    opening = drawn % count
    copy_book(book, o_book[opening])
    copy(flow, o_flow[opening])
    copy(reals, o_reals[opening])
    if scenario[e.G_FLOW] == e.FLOW_REACTIVE:
        reseed(flow, reals, tables, seed)
    else:
        flow[Z_SEED] = seed
    ledger[:] = 0
    ledger[NOW] = o_ints[opening, k.LAST_TS] + 1
    ledger[MIDS:] = best_e4(book, 0) + best_e4(book, 1)


@env_kernel
def trade(book: Any, ledger: Any, side: int, size: int, command: Any, out: Any) -> None:
    """Send a market order; book what it paid."""
    row = command[0]
    ledger[ORDERS] += 1
    row.ts_ns, row.order_id, row.new_id, row.price_e4 = ledger[NOW], OWN_ID + ledger[ORDERS], 0, 0
    row.size, row.owner, row.kind, row.side, row.tif, row.flags = size, OWNER, NEW, side, IOC, MARKET
    _, count = match(book, command, 0, out)
    for n in range(count):
        if out[n].kind == TRADE:
            ledger[POSITION] += side * out[n].size
            ledger[CASH] -= side * out[n].size * out[n].price_e4


@env_kernel
def wait(
    book: Any, flow: Any, reals: Any, tables: Any, scenario: Any, ledger: Any, until_ns: int, out: Any
) -> None:
    """Let the market go on without us."""
    why = 1
    while why == 1:
        if scenario[e.G_FLOW] == e.FLOW_REACTIVE:
            _, _, why = react(book, flow, reals, tables, until_ns, out, 0)
        else:
            _, _, why = flow_to_stop(book, flow, until_ns, out, False, False)
    ledger[NOW] = until_ns


@env_kernel
def wealth2(book: Any, ledger: Any) -> int:
    """Return twice the wealth, and note the mid where both sides are there."""
    bid, ask = best_e4(book, 0), best_e4(book, 1)
    at = MIDS + ledger[STEP] % REMEMBERED
    if bid > 0 and ask > 0:
        ledger[at] = bid + ask
    return 2 * ledger[CASH] + ledger[POSITION] * ledger[at]  # type: ignore[no-any-return]


@env_kernel
def look(
    book: Any, ledger: Any, steps: int, limit: int, tick: int, obs: Any, mask: Any, units: Any, unit: int
) -> None:
    """Write an observation and which trades stay within the position's limit."""
    bid, ask = best_e4(book, 0), best_e4(book, 1)
    spread = max(tick, ask - bid)
    obs[0] = 1.0 - ledger[STEP] / steps
    obs[1] = ledger[POSITION] / limit
    obs[2] = min(2.0, spread / tick / 10.0)
    own, other = float(book[best_level(book, 0) + L_SIZE]), float(book[best_level(book, 1) + L_SIZE])
    obs[3] = (own - other) / max(1.0, own + other)
    mid2 = ledger[MIDS + ledger[STEP] % REMEMBERED]
    for n in range(len(SPANS)):
        then = ledger[MIDS + (ledger[STEP] - min(SPANS[n], ledger[STEP])) % REMEMBERED]
        obs[4 + n] = min(2.0, max(-2.0, 0.5 * (mid2 - then) / spread / 4.0))
    obs[OBS - 1] = min(2.0, (own + other) / (8.0 * unit))
    for n in range(units.shape[0]):
        mask[n] = units[n] == 0 or abs(ledger[POSITION] + units[n] * unit) <= limit


@env_kernel
def step_trips(
    first: int, last: int, actions: Any, seeds: Any, terms: Any, units: Any, world: Any, openings: Any,
    out: Any, command: Any,
) -> None:  # fmt: skip
    """Trade, wait and look, in the environments of a range; a trip that is over begins anew."""
    steps, interval_ns, unit, limit, tick = terms[0], terms[1], terms[2], terms[3], terms[4]
    scenario, tables = openings.scenarios[0], openings.tables[0]
    for i in range(first, last):
        book, ledger = world.book[i], world.ledger[i]
        before = wealth2(book, ledger)
        wanted = units[actions[i]] * unit
        if wanted != 0 and abs(ledger[POSITION] + wanted) <= limit:
            trade(book, ledger, BUY if wanted > 0 else SELL, abs(wanted), command, out)
        wait(book, world.flow[i], world.reals[i], tables, scenario, ledger, ledger[NOW] + interval_ns, out)
        ledger[STEP] += 1
        after = wealth2(book, ledger)
        world.done[i] = ledger[STEP] == steps
        if world.done[i]:
            if ledger[POSITION] != 0:
                side = SELL if ledger[POSITION] > 0 else BUY
                trade(book, ledger, side, abs(ledger[POSITION]), command, out)
            after = 2 * ledger[CASH] + ledger[POSITION] * ledger[MIDS + ledger[STEP] % REMEMBERED]
            world.gained[i] = 0.5 * after
            begin_trip(
                seeds[i], book, world.flow[i], world.reals[i], ledger, openings.book[0], openings.flow[0],
                openings.reals[0], openings.ints[0], openings.counts[0], scenario, tables,
            )  # fmt: skip
        world.reward[i] = 0.5 * (after - before)
        look(book, ledger, steps, limit, tick, world.obs[i], world.mask[i], units, unit)
