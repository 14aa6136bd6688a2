"""The kernel that counts events by the state they met, and the time (or order-seconds) in each state.

A rate is a count over a time in state: its maximum likelihood. Both sides count alike, the book mirrored.
States are those of `market.flow.calibration`: bucket of the spread, bucket of a queue, cell of a price.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.book_apply import apply_one
from market.book_events import Flag, Kind
from market.book_kernels import best_e4, find, level_at
from market.book_layout import (
    H_LEVELS,
    H_SIDES,
    L_HEAD,
    L_PRICE,
    L_SIDE,
    L_SIZE,
    O_LEVEL,
    O_NEXT,
    O_TAG,
    PAIR_WORDS,
    Records,
    new_arena,
)
from market.flow.calibration import BEHIND, BEST, CELLS_MAX, INSIDE, QUEUES_MAX, SPREADS_MAX, UNDERCUT
from market.kernels import kernel
from research.calibrate.scan import LEVELS_MAX, ORDERS_MAX

AGES = 64  # bins of an order's age: a microsecond, and two for each doubling
AGE_FIRST_NS = 1_000
TAG_CELLS = 32  # an order's tag is (ns since the begin) * 32 + its cell + 1

K_ADD, K_CANCEL, K_DELETE = int(Kind.ADD), int(Kind.CANCEL), int(Kind.DELETE)
K_EXECUTE, K_EXECUTE_PRICE = int(Kind.EXECUTE), int(Kind.EXECUTE_PRICE)
WINDOW = int(Flag.REVEAL) | int(Flag.CONCEAL)
Table = NDArray[np.float64]


class Edges(NamedTuple):
    """How states are cut, as a calibration writes it."""

    tick_e4: int
    spreads: NDArray[np.int64]  # ticks
    behind: NDArray[np.int64]  # ticks
    queues: NDArray[np.float64]  # shares


class Counts(NamedTuple):
    """What happened and for how long it could have."""

    seconds: Table  # [spread][queue of the touch], summed over sides
    standing: Table  # [cell][queue]: time that a tick of the cell held such a queue, over its ticks
    limits: Table  # [spread][cell]
    inside_met: Table  # [spread][queue of the own touch]: orders inside the spread
    limits_by_queue: Table  # [cell][queue that stood at the price before; nothing is a queue of 0]
    markets: Table  # [spread][queue hit]
    cancels: Table  # [distance cell][own queue], of orders whose birth is known
    expected: Table  # the same, as the hazard of age and cell alone would have it
    lives: NDArray[np.int64]  # [order]: cell of birth, age (ns), 1 = cancelled 0 = cut short


@kernel
def bucket(edges: Any, value: Any) -> int:
    """Return how many edges lie at or below a value."""
    at = 0
    while at < edges.shape[0] and edges[at] <= value:
        at += 1
    return at


@kernel
def cell_of(edges: Edges, side: int, own: int, other: int, price: int) -> int:
    """Return the cell of a limit price, -1 where it has none: nothing to compare with, or too far."""
    if own == 0 or other == 0:
        return -1
    ticks = side * (own - price) // edges.tick_e4
    if ticks == 0:
        return BEST
    if ticks == -1:
        return UNDERCUT
    if ticks < 0:
        spread = side * (other - own) // edges.tick_e4
        return int(min(max(INSIDE * -ticks // max(spread, 1), 0), INSIDE - 1))
    at = bucket(edges.behind, ticks)
    return BEHIND + at - 1 if at < edges.behind.shape[0] else -1


@kernel
def age_bin(age_ns: int) -> int:
    """Return the bin of an age."""
    at, edge = 0, np.float64(AGE_FIRST_NS)
    while at < AGES - 1 and age_ns > edge:
        edge *= 1.4142135623730951
        at += 1
    return at


@kernel
def expose(
    arena: NDArray[np.int64], edges: Edges, hazards: Table, counts: Counts, since_ns: int, wait_ns: int
) -> None:  # fmt: skip
    """Add a time in which nothing happened to the states that held in it."""
    seconds = wait_ns * 1e-9
    bid, ask = best_e4(arena, 0), best_e4(arena, 1)
    if bid == 0 or ask <= bid:
        return
    spread = min(bucket(edges.spreads, (ask - bid) // edges.tick_e4), edges.spreads.shape[0]) - 1
    for side_index in range(2):
        levels, start = arena[H_LEVELS + side_index], arena[H_SIDES + side_index]
        best = bid if side_index == 0 else ask
        for depth in range(levels):
            level = arena[start + (levels - depth) * PAIR_WORDS - 1]
            queue = bucket(edges.queues, arena[level + L_SIZE])
            if depth == 0:
                counts.seconds[spread, queue] += seconds
            ticks = abs(best - arena[level + L_PRICE]) // edges.tick_e4
            at = bucket(edges.behind, ticks)
            if at >= edges.behind.shape[0]:
                break
            if at > 0:
                counts.standing[BEHIND + at - 1, queue] += seconds / (edges.behind[at] - edges.behind[at - 1])
            order = arena[level + L_HEAD]
            while order != 0:
                tag = arena[order + O_TAG]
                if tag > 0:
                    age = since_ns + wait_ns // 2 - tag // TAG_CELLS
                    counts.expected[at, queue] += hazards[tag % TAG_CELLS - 1, age_bin(age)] * seconds
                order = arena[order + O_NEXT]


@kernel
def count_event(
    arena: NDArray[np.int64], edges: Edges, events: Records, at: int, since_ns: int, fresh: bool,
    counts: Counts, life: int,
) -> tuple[int, int]:  # fmt: skip
    """Count an event by the state it meets; return the tag of an order that comes, and lives written."""
    event = events[at]
    kind = event.kind
    side: Any = np.int64(event.side)
    bid, ask = best_e4(arena, 0), best_e4(arena, 1)
    whole = bid > 0 and ask > bid
    spread = min(bucket(edges.spreads, (ask - bid) // edges.tick_e4), edges.spreads.shape[0]) - 1
    if kind == K_ADD:
        own, other = (bid, ask) if side == 1 else (ask, bid)
        cell = cell_of(edges, side, own, other, event.price_e4)
        if event.flags & WINDOW or cell < 0 or not whole:
            return 0, life
        counts.limits[spread, cell] += 1
        if cell < BEST:
            touch = level_at(arena, side, own)
            counts.inside_met[spread, bucket(edges.queues, arena[touch + L_SIZE])] += 1
        level = level_at(arena, side, event.price_e4)
        counts.limits_by_queue[cell, bucket(edges.queues, arena[level + L_SIZE] if level != 0 else 0)] += 1
        return since_ns * TAG_CELLS + cell + 1, life
    order = find(arena, event.order_id)
    if order == 0:
        return 0, life
    level, tag = arena[order + O_LEVEL], arena[order + O_TAG]
    queue = bucket(edges.queues, arena[level + L_SIZE])
    trade = kind in (K_EXECUTE, K_EXECUTE_PRICE)
    cancel = kind in (K_CANCEL, K_DELETE) and not event.flags & WINDOW
    if trade and fresh and whole:
        counts.markets[spread, queue] += 1
    if tag > 0:
        best = bid if arena[level + L_SIDE] == 1 else ask
        far = bucket(edges.behind, abs(best - arena[level + L_PRICE]) // edges.tick_e4)
        if cancel and far < edges.behind.shape[0]:
            counts.cancels[far, queue] += 1
        if kind == K_DELETE or trade:
            counts.lives[life, 0] = tag % TAG_CELLS - 1
            counts.lives[life, 1] = since_ns - tag // TAG_CELLS
            counts.lives[life, 2] = 1 if kind == K_DELETE and cancel else 0
            if trade:
                arena[order + O_TAG] = 0
            return 0, life + 1
    return 0, life


@kernel
def count_into(
    arena: NDArray[np.int64], edges: Edges, events: Records, begin_ns: int, hazards: Table, counts: Counts
) -> int:  # fmt: skip
    """Pass over the events; return how many lives were written."""
    last_ns, last_trade_ns, last_trade_side, life = begin_ns, -1, 0, 0
    for at in range(events.shape[0]):
        event = events[at]
        if event.ts_ns > last_ns:
            expose(arena, edges, hazards, counts, last_ns - begin_ns, event.ts_ns - last_ns)
            last_ns = event.ts_ns
        fresh = event.ts_ns != last_trade_ns or event.side != last_trade_side
        tag, life = count_event(arena, edges, events, at, event.ts_ns - begin_ns, fresh, counts, life)
        if event.kind in (K_EXECUTE, K_EXECUTE_PRICE):
            last_trade_ns, last_trade_side = event.ts_ns, event.side
        events[at].flags |= apply_one(arena, events, at)
        if tag > 0:
            order = find(arena, event.order_id)
            if order != 0:
                arena[order + O_TAG] = tag
    return life


def count(events: Records, edges: Edges, begin_ns: int, hazards: Table | None = None) -> Counts:
    """Count a stream; with hazards by cell and age, also how many cancels these would have made."""
    if hazards is None:
        hazards = np.zeros((CELLS_MAX, AGES))
    counts = Counts(
        seconds=np.zeros((SPREADS_MAX, QUEUES_MAX)),
        standing=np.zeros((CELLS_MAX, QUEUES_MAX)),
        limits=np.zeros((SPREADS_MAX, CELLS_MAX)),
        inside_met=np.zeros((SPREADS_MAX, QUEUES_MAX)),
        limits_by_queue=np.zeros((CELLS_MAX, QUEUES_MAX)),
        markets=np.zeros((SPREADS_MAX, QUEUES_MAX)),
        cancels=np.zeros((CELLS_MAX, QUEUES_MAX)),
        expected=np.zeros((CELLS_MAX, QUEUES_MAX)),
        lives=np.zeros((len(events), 3), np.int64),
    )
    arena = new_arena(ORDERS_MAX, LEVELS_MAX)
    lives = count_into(arena, edges, events.copy(), begin_ns, hazards, counts)
    return counts._replace(lives=counts.lives[:lives])
