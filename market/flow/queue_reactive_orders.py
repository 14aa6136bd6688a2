"""Kernels of the queue-reactive flow: what a strike of each clock means for the book as it stands."""

from market.book_kernels import ADDED, best_level, find, join, level_at
from market.book_layout import (
    H_LEVELS,
    H_MATCH_ID,
    H_SIDES,
    H_TRADING,
    L_COUNT,
    L_PRICE,
    L_SIDE,
    L_SIZE,
    O_LEAVES,
    O_LEVEL,
    PAIR_WORDS,
    Arena,
    Records,
)
from market.flow.calibration import BEST, CELLS_MAX, CLASSES, INSIDE, QUEUES_MAX
from market.flow.philox import draw4
from market.flow.queue_reactive_clocks import set_slots, slots_of
from market.flow.queue_reactive_drivers import take_child
from market.flow.queue_reactive_layout import (
    CANCELS,
    LOOKUP,
    MULTIPLE_MAX,
    N_CANCELS_CUT,
    N_CLIP,
    N_HAZARDS,
    N_HIDDEN,
    N_LEVELS_MOST,
    N_MARKETS_RATE,
    N_MEAN_RATES,
    N_MEAN_SIZE_INVERSE,
    N_PARTIAL,
    NEAR_TICKS,
    POOL_MAX,
    QUEUE_STEP,
    QUEUE_STEPS,
    R_CANCELS_MOST,
    R_EXCITED,
    R_MULTIPLE,
    R_TICK_INVERSE,
    R_TILT_CANCELS,
    R_TILT_DEEP,
    R_TILT_LIMITS,
    R_TILT_MARKETS,
    S_ASK,
    S_BEGIN,
    S_BID,
    S_CANCELS,
    S_CHILD_INDEX,
    S_CHILDREN,
    S_COUNT,
    S_HELD_BACK,
    S_HIDDEN,
    S_LIMITS,
    S_MARKETS,
    S_NEXT_ID,
    S_OFF_GRID,
    S_POOL_FULL,
    S_POOLS,
    S_REFUSED,
    S_SECOND,
    S_SEED,
    S_SLOTS,
    S_SPREAD,
    S_TICK,
    SIZE_SHIFT,
    STREAM_DETAIL,
    T_CANCEL_DISTANCE,
    T_CANCEL_QUEUE,
    T_CELL,
    T_CELL_FROM,
    T_CELL_KIND,
    T_CELL_TICKS,
    T_CLASS,
    T_DISTANCE,
    T_INSIDE_SIZE,
    T_LIMIT,
    T_LIMIT_MULTIPLE,
    T_LIMIT_QUEUE,
    T_LIMIT_SIZE,
    T_MARKET,
    T_MARKET_MULTIPLE,
    T_MARKET_SIZE,
    T_QUEUE,
)
from market.flow.queue_reactive_rates import (
    excite,
    lasting,
    lasting_most,
    limit_rate,
    passes,
    read,
)
from market.flow.queue_reactive_tables import Reals
from market.flow.tape_residuals import cut
from market.kernels import inlined_kernel, lean_kernel
from market.matching_events import Outcome, OutcomeFlag, Why
from market.matching_kernels import NO_LIMIT, sweep
from market.outcome_kernels import report

RESTED, CANCELED, PRINT = int(Outcome.RESTED), int(Outcome.CANCELED), int(Outcome.PRINT)
F_HIDDEN = int(OutcomeFlag.HIDDEN)
WHY_USER = int(Why.USER)
LEVELS_KEPT = 3  # market orders and cancels of the flow leave a side at least so many levels
AGGRESSOR_ID = 1 << 39  # market orders are numbered from here, limit orders from 2
U16 = 0xFFFF


# --- limit orders ---------------------------------------------------------------------------------
@inlined_kernel
def queue_bucket(tables: Reals, size: int) -> int:
    """Return the bucket of a queue of so many shares."""
    step = int(size * tables[N_MEAN_SIZE_INVERSE] * QUEUE_STEP)
    return int(tables[T_QUEUE + min(step, QUEUE_STEPS)])


@inlined_kernel
def price_of(state: Arena, reals: Reals, tables: Reals, side: int, cell: int, part: int) -> int:
    """Return the price of a limit order in a cell, 0 where the cell has none now; `part` of 2**16."""
    tick = state[S_TICK]
    own = state[S_BID] if side == 1 else state[S_ASK]
    if cell == BEST:
        return own  # type: ignore[no-any-return]
    if cell > BEST:
        ticks = int(tables[T_CELL_FROM + cell]) + (part * int(tables[T_CELL_TICKS + cell]) >> 16)
        return own - side * ticks * tick  # type: ignore[no-any-return]
    room = int((state[S_ASK] - state[S_BID]) * reals[R_TICK_INVERSE] + 0.5) - 1
    if room < 1:
        return 0
    ticks = 1
    if cell < INSIDE:
        ticks += ((cell << 16) + part) * room >> 18
    return own + side * ticks * tick  # type: ignore[no-any-return]


@inlined_kernel
def class_of(tables: Reals, cell: int, draw: int) -> int:
    """Return the class of lifetime of an order in a cell, by a draw of 16 bits."""
    at = T_CLASS + CLASSES * cell
    kind = 0
    while kind < CLASSES - 1 and draw >= tables[at + kind]:
        kind += 1
    return kind


@inlined_kernel
def remember(state: Arena, reals: Reals, tables: Reals, kind: int, order_id: int) -> None:
    """Put an order into the pool of its class; the caller has seen to it that there is room."""
    count = state[S_COUNT + kind]
    state[S_POOLS + kind * POOL_MAX + count] = order_id
    state[S_COUNT + kind] = count + 1
    if count + 1 > slots_of(state[S_SLOTS + kind]):
        set_slots(state, reals, tables, CANCELS + kind, state[S_SLOTS + kind] + 1)


@inlined_kernel
def limit(
    book: Arena, state: Arena, reals: Reals, tables: Reals, out: Records, n: int, now: int,
    mark: float, where: int, what: int, bursting: bool,
) -> int:  # fmt: skip
    """Let a point of limit orders be one, if the book wants it; return the number of outcomes."""
    sell = where & 1
    side = 1 - 2 * sell
    cell = int(tables[T_CELL + state[S_SPREAD] * LOOKUP + ((where >> 1) & (LOOKUP - 1))])
    chance = tables[T_LIMIT + state[S_SPREAD] * CELLS_MAX + cell]
    tilts = R_TILT_LIMITS if cell <= BEST else R_TILT_DEEP
    chance *= tables[T_LIMIT_MULTIPLE + state[S_SPREAD]] * reals[R_MULTIPLE] * reals[tilts + sell]
    burst = reals[R_EXCITED + sell] if bursting else 0.0
    if mark >= chance * (burst if bursting else lasting_most(reals, tables, 0, sell)):
        return n
    lasts = lasting(state, reals, tables, 0, sell, now)
    price_e4 = price_of(state, reals, tables, side, cell, what & U16)
    if price_e4 <= 0:
        state[S_OFF_GRID] += cell >= BEST  # else the spread has no room for it
        return n
    kind = int(tables[T_CELL_KIND + cell])
    if kind >= 0:
        best_e4 = state[S_BID] if side == 1 else state[S_ASK]
        level = level_at(book, side, price_e4 if cell >= BEST else best_e4)
        size = 0 if level == 0 else book[level + L_SIZE]
        chance *= tables[T_LIMIT_QUEUE + kind * QUEUES_MAX + queue_bucket(tables, size)]
    if not passes(mark, chance, lasts, burst, MULTIPLE_MAX):
        return n
    kind = class_of(tables, cell, (where >> 16) & U16)
    if state[S_COUNT + kind] == POOL_MAX:
        state[S_POOL_FULL] += 1
        return n
    sizes = T_LIMIT_SIZE if cell >= BEST else T_INSIDE_SIZE
    size = int(tables[sizes + (what >> SIZE_SHIFT)])
    order_id = state[S_NEXT_ID] + sell
    state[S_NEXT_ID] += 2
    n, left, _ = sweep(book, out, n, state[S_BEGIN] + now, order_id, 0, side, -side * price_e4, size)
    if left == 0:
        return n
    if join(book, order_id, side, price_e4, left, 0) != ADDED:
        state[S_REFUSED] += 1
        return n
    remember(state, reals, tables, kind, order_id)
    state[S_LIMITS] += 1
    n = report(out, n, RESTED, state[S_BEGIN] + now, order_id, 0, side, price_e4, left, left, 0, 0)
    excite(state, reals, tables, 0, sell, limit_rate(state, reals, tables, sell), now)
    return n


# --- market orders --------------------------------------------------------------------------------
@inlined_kernel
def takeable(book: Arena, other: int, levels_most: int) -> int:
    """Return the shares of a side that a market order of the flow may take."""
    levels = book[H_LEVELS + other]
    start = book[H_SIDES + other]
    size = 0
    for at in range(levels, max(levels - levels_most, LEVELS_KEPT), -1):
        size += book[book[start + at * PAIR_WORDS - 1] + L_SIZE]
    return size


@inlined_kernel
def take(
    book: Arena, state: Arena, tables: Reals, out: Records, n: int, now: int, sell: int, clip: int, what: int
) -> int:  # fmt: skip
    """Match a market order, clipped to the best queue where `clip` (of 2**15) says so."""
    other = 1 - sell
    size = int(tables[T_MARKET_SIZE + what])
    room = takeable(book, other, int(tables[N_LEVELS_MOST]))
    if room == 0:
        state[S_HELD_BACK] += 1
        return n
    if clip < tables[N_CLIP]:
        room = book[best_level(book, other) + L_SIZE]
    order_id = AGGRESSOR_ID + state[S_NEXT_ID] + sell
    state[S_NEXT_ID] += 2
    size = min(size, room)
    n, _, _ = sweep(book, out, n, state[S_BEGIN] + now, order_id, 0, 1 - 2 * sell, NO_LIMIT, size)
    return n


@lean_kernel
def printed(
    book: Arena, state: Arena, reals: Reals, tables: Reals, out: Records,
    n: int, now: int, sell: int, what: int,
) -> int:  # fmt: skip
    """Print a market order that met a hidden one inside the spread."""
    room = int((state[S_ASK] - state[S_BID]) * reals[R_TICK_INVERSE] + 0.5) - 1
    ticks = 1 + ((what & U16) * room >> 16)
    price_e4 = state[S_BID] + ticks * state[S_TICK]
    size = int(tables[T_MARKET_SIZE + (what >> SIZE_SHIFT)])
    n = report(out, n, PRINT, state[S_BEGIN] + now, 0, 0, 2 * sell - 1, price_e4, size, 0, 0, F_HIDDEN)
    book[H_MATCH_ID] += 1
    out[n - 1].match_id = book[H_MATCH_ID]
    state[S_HIDDEN] += 1
    return n


@lean_kernel
def shares_of(out: Records, first: int, last: int) -> int:
    """Return the shares of the outcomes of one market order."""
    size = 0
    for at in range(first, last):
        size += out[at].size
    return size


@inlined_kernel
def market(
    book: Arena, state: Arena, reals: Reals, tables: Reals, out: Records, n: int, now: int,
    mark: float, where: int, what: int, bursting: bool,
) -> int:  # fmt: skip
    """Let a point of market orders be one, if the book wants it; return the number of outcomes."""
    sell = where & 1
    level = best_level(book, 1 - sell)
    if level == 0:
        state[S_HELD_BACK] += 1
        return n
    bucket = queue_bucket(tables, book[level + L_SIZE])
    chance = tables[T_MARKET + state[S_SPREAD] * QUEUES_MAX + bucket] * reals[R_TILT_MARKETS + sell]
    chance *= tables[T_MARKET_MULTIPLE + state[S_SPREAD]]
    rate = tables[N_MARKETS_RATE] * chance
    chance *= reals[R_MULTIPLE + 1]
    burst = reals[R_EXCITED + 2 + sell] if bursting else 0.0
    if mark >= chance * (burst if bursting else lasting_most(reals, tables, 1, sell)):
        return n
    if not passes(mark, chance, lasting(state, reals, tables, 1, sell, now), burst, MULTIPLE_MAX):
        return n
    state[S_MARKETS] += 1
    before = n
    wide = (state[S_ASK] - state[S_BID]) > state[S_TICK]
    if wide and (where >> 16) & U16 < tables[N_HIDDEN]:
        n = printed(book, state, reals, tables, out, n, now, sell, what)
    else:
        n = take(book, state, tables, out, n, now, sell, (where >> 1) & 0x7FFF, what >> SIZE_SHIFT)
    read(state, reals, tables, sell, shares_of(out, before, n), now)
    excite(state, reals, tables, 1, sell, rate, now)
    return n


@lean_kernel
def child(book: Arena, state: Arena, reals: Reals, tables: Reals, out: Records, n: int, now: int) -> int:
    """Let a metaorder send its next child."""
    _, where, what, _ = draw4(state[S_SEED], STREAM_DETAIL, state[S_SECOND] - 1, state[S_CHILD_INDEX])
    side = take_child(state, reals, tables)
    sell = (1 - side) >> 1
    if book[H_TRADING] == 1:
        state[S_CHILDREN] += 1
        before = n
        n = take(book, state, tables, out, n, now, sell, (where >> 1) & 0x7FFF, what >> SIZE_SHIFT)
        read(state, reals, tables, sell, shares_of(out, before, n), now)
        excite(state, reals, tables, 1, sell, tables[N_MEAN_RATES + 1], now)
    return n


# --- cancels --------------------------------------------------------------------------------------
@inlined_kernel
def forget(state: Arena, kind: int, slot: int) -> None:
    """Take an order out of its pool."""
    last = state[S_COUNT + kind] - 1
    pool = S_POOLS + kind * POOL_MAX
    state[pool + slot] = state[pool + last]
    state[S_COUNT + kind] = last


@inlined_kernel
def cancel_rate(state: Arena, reals: Reals, tables: Reals, sell: int) -> float:
    """Return the ordinary rate of cancels of a side: a fuller book cancels more, but excites no more."""
    rate = 0.0
    for kind in range(CLASSES):
        rate += 0.5 * state[S_COUNT + kind] * tables[N_HAZARDS + kind]
    return rate * reals[R_TILT_CANCELS + sell]  # type: ignore[no-any-return]


@inlined_kernel
def cancel(
    book: Arena, state: Arena, reals: Reals, tables: Reals, out: Records, n: int, now: int,
    mark: float, kind: int, slot: int, what: int, bursting: bool,
) -> int:  # fmt: skip
    """Let a point of a slot of a class be a cancel, if the book wants it; return the number of outcomes."""
    if slot >= state[S_COUNT + kind] or (mark >= reals[R_CANCELS_MOST] and not bursting):
        return n
    order = find(book, state[S_POOLS + kind * POOL_MAX + slot])
    if order == 0:
        forget(state, kind, slot)
        return n
    level = book[order + O_LEVEL]
    side = book[level + L_SIDE]
    sell = (1 - side) >> 1
    best = state[S_BID] if side == 1 else state[S_ASK]
    ticks = int(side * (best - book[level + L_PRICE]) * reals[R_TICK_INVERSE] + 0.5)
    chance = tables[T_CANCEL_DISTANCE + int(tables[T_DISTANCE + min(max(ticks, 0), NEAR_TICKS)])]
    queues = T_CANCEL_QUEUE if ticks > 0 else T_CANCEL_QUEUE + QUEUES_MAX
    chance *= tables[queues + queue_bucket(tables, book[level + L_SIZE])]
    chance *= reals[R_TILT_CANCELS + sell] * reals[R_MULTIPLE + 2]
    burst = reals[R_EXCITED + 4 + sell] if bursting else 0.0
    if mark >= chance * (burst if bursting else lasting_most(reals, tables, 2, sell)):
        return n
    lasts = lasting(state, reals, tables, 2, sell, now)
    if not passes(mark, chance, lasts, burst, tables[N_CANCELS_CUT]):
        return n
    if book[level + L_COUNT] == 1 and book[H_LEVELS + sell] <= LEVELS_KEPT:
        state[S_HELD_BACK] += 1
        return n
    size = book[order + O_LEAVES]
    if (what & U16) < tables[N_PARTIAL] and size > 1:
        size = (size + 1) // 2
    else:
        forget(state, kind, slot)
    state[S_CANCELS] += 1
    n = cut(book, out, n, state[S_BEGIN] + now, order, size, WHY_USER)
    excite(state, reals, tables, 2, sell, cancel_rate(state, reals, tables, sell), now)
    return n
