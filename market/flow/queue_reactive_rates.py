"""Kernels of the rates: what the touch, the distance to value and past events make of the ordinary ones.

Excitation is multiplicative: a rate is (what the book says) x (1 - n + excitation). An event excites by n
over its own rate without excitation, so the mean of the factor is 1 whatever the book does, and the
market is stationary for every branching ratio n < 1.
"""

from market.book_kernels import best_e4
from market.book_layout import H_TAKEN, H_TAKEN_COUNT, TAKEN_MAX, TAKEN_WORDS, Arena
from market.flow.calibration import CLASSES
from market.flow.philox import UNIT, draw4
from market.flow.queue_reactive_clocks import FAR_NS, cover, decay, exponential, silence
from market.flow.queue_reactive_layout import (
    CANCELS,
    CLOCKS,
    LIMITS,
    MARKETS,
    N_BRANCHING,
    N_DECAYS,
    N_INFORMED,
    N_INFORMED_CANCELS,
    N_INFORMED_CURVE,
    N_INFORMED_LIMITS,
    N_KICK,
    N_KICK_MOST,
    N_LATENT,
    N_LATENT_CANCELS,
    N_LATENT_CURVE,
    N_MEAN_RATES,
    N_MEAN_SIZE_INVERSE,
    N_RATES,
    N_READING_FADE,
    N_READING_WEIGHT,
    NEAR_TICKS,
    R_BELIEF,
    R_BRANCHING,
    R_BURST,
    R_BURST_TOTAL,
    R_CANCELS_MOST,
    R_DISTANCE,
    R_EXCITED,
    R_LATENT,
    R_MOST,
    R_MULTIPLE,
    R_RATE,
    R_READING,
    R_READING_TIME,
    R_TICK_INVERSE,
    R_TILT_CANCELS,
    R_TILT_DEEP,
    R_TILT_LIMITS,
    R_TILT_MARKETS,
    R_UNIT,
    R_VALUE,
    READINGS,
    S_ASK,
    S_BID,
    S_BOUNDED,
    S_BURST_DRAW,
    S_BURST_DUE,
    S_BURST_KEY,
    S_BURST_MARK,
    S_BURST_WHAT,
    S_BURST_WHERE,
    S_COUNT,
    S_FOREIGN,
    S_HAWKES_TIME,
    S_SEED,
    S_SPREAD,
    S_TAKEN_LOST,
    S_TAKEN_READ,
    STREAM_BURST,
    T_EXCITE,
    T_LIMIT_MULTIPLE,
    T_LIMIT_TOTAL,
    T_MARKET_MULTIPLE,
    T_SPREAD,
)
from market.flow.queue_reactive_tables import Reals
from market.kernels import inlined_kernel, lean_kernel

TILT_MOST, TILT_LEAST = 8.0, 0.05  # of the rate of one side
BPS = 1e-4
POINTS_LEAST = 1e-9  # of a burst: fewer are none
ROUNDED = 1.0 + 1e-9  # the same product taken in another order is no larger than so
RATE_LEAST = 0.2  # of the mean: nothing excites by more than five times what an ordinary event does


# --- the touch ------------------------------------------------------------------------------------
@inlined_kernel
def see_touch(book: Arena, state: Arena, reals: Reals, tables: Reals) -> bool:
    """Look at the touch; where it has moved, say so and set what follows from it."""
    bid, ask = best_e4(book, 0), best_e4(book, 1)
    moved = (bid != 0 and bid != state[S_BID]) or (ask != 0 and ask != state[S_ASK])
    if moved:
        if bid != 0:
            state[S_BID] = bid
        if ask != 0:
            state[S_ASK] = ask
        set_tilts(state, reals, tables)
    return moved


@inlined_kernel
def leaning(push: float) -> float:
    """Return tanh(push): what one side gains the other loses, so that informed flow adds no flow."""
    left = decay(2.0 * push)
    return (1.0 - left) / (1.0 + left)


@inlined_kernel
def set_tilts(state: Arena, reals: Reals, tables: Reals) -> None:
    """Set the bucket of the spread, and by how much each side is favoured by the distance to value."""
    bid, ask = state[S_BID], state[S_ASK]
    ticks = int((ask - bid) * reals[R_TICK_INVERSE] + 0.5)
    state[S_SPREAD] = int(tables[T_SPREAD + min(max(ticks, 0), NEAR_TICKS)])
    value = reals[R_VALUE] + reals[R_BELIEF]
    for at in range(READINGS):
        value += reals[R_READING + at]
    distance = (0.5 * (bid + ask) - value) / reals[R_UNIT]
    reals[R_DISTANCE] = distance
    toward = 1 if distance > 0 else 0  # the side that brings mid back, 0 = buy
    d = abs(distance)
    bent = d * (1.0 + tables[N_INFORMED_CURVE] * (d - 1.0))
    latent = d * (1.0 + tables[N_LATENT_CURVE] * (d - 1.0))
    lean = leaning(tables[N_INFORMED] * bent)
    reals[R_TILT_MARKETS + toward] = 1.0 + lean
    reals[R_TILT_MARKETS + 1 - toward] = 1.0 - lean
    lean = leaning(tables[N_INFORMED_LIMITS] * bent)
    steps_in = 1.0 + reals[R_LATENT] * tables[N_LATENT] * latent
    reals[R_TILT_LIMITS + toward] = min((1.0 + lean) * steps_in, TILT_MOST)
    reals[R_TILT_LIMITS + 1 - toward] = 1.0 - lean
    reals[R_TILT_DEEP + toward] = min(steps_in, TILT_MOST)
    reals[R_TILT_DEEP + 1 - toward] = 1.0
    stays = 1.0 + reals[R_LATENT] * tables[N_LATENT_CANCELS] * latent
    reals[R_TILT_CANCELS + toward] = max(1.0 / stays, TILT_LEAST)
    reals[R_TILT_CANCELS + 1 - toward] = min(1.0 + tables[N_INFORMED_CANCELS] * bent, TILT_MOST)


# --- what trades tell -----------------------------------------------------------------------------
@lean_kernel
def fade(reals: Reals, tables: Reals, now: int) -> None:
    """Let what earlier market orders told fade until an instant."""
    elapsed_s = (now - reals[R_READING_TIME]) * 1e-9
    reals[R_READING_TIME] = now
    for at in range(READINGS):
        reals[R_READING + at] *= decay(elapsed_s * tables[N_READING_FADE + at])


@lean_kernel
def read(state: Arena, reals: Reals, tables: Reals, sell: int, size: int, now: int) -> None:
    """Let a market order, whoever sent it, shift what is taken for value."""
    if tables[N_KICK] == 0.0:
        return
    fade(reals, tables, now)
    sizes = min(size * tables[N_MEAN_SIZE_INVERSE], tables[N_KICK_MOST])
    kick = (1 - 2 * sell) * sizes * tables[N_KICK] * BPS * reals[R_VALUE]
    for at in range(READINGS):
        reals[R_READING + at] += kick * tables[N_READING_WEIGHT + at]
    set_tilts(state, reals, tables)


# --- excitation -----------------------------------------------------------------------------------
@inlined_kernel
def settle(state: Arena, reals: Reals, tables: Reals, now: int) -> float:
    """Let the excitation decay to an instant; return what is left of the first exponential."""
    elapsed_s = (now - state[S_HAWKES_TIME]) * 1e-9
    state[S_HAWKES_TIME] = now
    fast, slow = decay(elapsed_s * tables[N_DECAYS]), decay(elapsed_s * tables[N_DECAYS + 1])
    for whom in range(6):
        reals[R_EXCITED + whom] *= fast
        reals[R_EXCITED + 6 + whom] *= slow
    return fast


@inlined_kernel
def lasting_most(reals: Reals, tables: Reals, kind: int, sell: int) -> float:
    """Return what `lasting` is at most, before what has decayed since the last event is taken off."""
    free = 1.0 - reals[R_BRANCHING] * tables[N_BRANCHING]
    return free + reals[R_EXCITED + 6 + 2 * kind + sell]  # type: ignore[no-any-return]


@inlined_kernel
def lasting(state: Arena, reals: Reals, tables: Reals, kind: int, sell: int, now: int) -> float:
    """Return the slowly changing part of the excitation of a kind (L M C) and side: what clocks thin by."""
    elapsed_s = (now - state[S_HAWKES_TIME]) * 1e-9
    slow = reals[R_EXCITED + 6 + 2 * kind + sell] * decay(elapsed_s * tables[N_DECAYS + 1])
    return 1.0 - reals[R_BRANCHING] * tables[N_BRANCHING] + slow  # type: ignore[no-any-return]


@inlined_kernel
def passes(mark: float, chance: float, lasting: float, burst: float, cut: float) -> bool:
    """Say whether a point is an event: of a clock (burst = 0), or of what is excited on top, up to `cut`."""
    low = chance * lasting
    if burst == 0.0:
        return mark < low
    return mark < min(low + chance * burst, cut) - low


@inlined_kernel
def excite(state: Arena, reals: Reals, tables: Reals, kind: int, sell: int, rate: float, now: int) -> None:
    """Let an event, ordinarily `rate` a second, excite what follows."""
    settle(state, reals, tables, now)
    if tables[N_BRANCHING] == 0.0:
        return
    rate = max(rate, RATE_LEAST * tables[N_MEAN_RATES + kind]) * reals[R_RATE] * reals[R_MULTIPLE + kind]
    scale = reals[R_BRANCHING] / rate
    cause = T_EXCITE + (2 * kind + sell) * 12
    for at in range(12):
        reals[R_EXCITED + at] += scale * tables[cause + at]


@inlined_kernel
def limit_rate(state: Arena, reals: Reals, tables: Reals, sell: int) -> float:
    """Return the ordinary rate of limit orders of a side."""
    return tables[T_LIMIT_TOTAL + state[S_SPREAD]] * reals[R_TILT_LIMITS + sell]  # type: ignore[no-any-return]


# --- how far the clocks must reach ----------------------------------------------------------------
@inlined_kernel
def most(reals: Reals, tables: Reals, kind: int, tilts: int) -> float:
    """Return the largest multiple of a kind's ordinary rate on either side, bursts left out."""
    buys = lasting_most(reals, tables, kind, 0) * reals[tilts]
    sells = lasting_most(reals, tables, kind, 1) * reals[tilts + 1]
    return max(buys, sells) * reals[R_MULTIPLE + kind]  # type: ignore[no-any-return]


@inlined_kernel
def reach(state: Arena, reals: Reals, tables: Reals, now: int) -> None:
    """Let every clock reach as far as its rate does now; until the next event rates only fall."""
    spread = state[S_SPREAD]
    limits = max(most(reals, tables, 0, R_TILT_LIMITS), most(reals, tables, 0, R_TILT_DEEP))
    limits *= tables[T_LIMIT_MULTIPLE + spread]
    markets = most(reals, tables, 1, R_TILT_MARKETS) * tables[T_MARKET_MULTIPLE + spread]
    cancels = most(reals, tables, 2, R_TILT_CANCELS)
    reals[R_CANCELS_MOST] = cancels
    enough = True
    for clock in range(CLOCKS):
        if clock >= CANCELS and state[S_COUNT + clock - CANCELS] == 0:
            silence(state, clock)
            continue
        need = limits if clock == LIMITS else (markets if clock == MARKETS else cancels)
        reals[R_MOST + clock] = need * ROUNDED
        enough &= cover(state, reals, tables, clock, need, now)
    if not enough:
        state[S_BOUNDED] += 1
    draw_burst(state, reals, tables, now)


# --- bursts: what the fast exponential excites ----------------------------------------------------
# Excited points fade within a fraction of a second, so no clock reaches for them: the next one is drawn
# after each event, by the total of what then decays, and once more after each that comes to nothing.
@inlined_kernel
def burst_cancels(state: Arena, reals: Reals, tables: Reals) -> float:
    """Return the ordinary rate of points of cancels: of the slots in use."""
    rate = 0.0
    for kind in range(CLASSES):
        rate += state[S_COUNT + kind] * tables[N_RATES + CANCELS + kind]
    return rate * reals[R_RATE]  # type: ignore[no-any-return]


@inlined_kernel
def draw_burst(state: Arena, reals: Reals, tables: Reals, now: int) -> None:
    """Draw the next excited point by the weights of limit orders, market orders (by side) and cancels."""
    if state[S_HAWKES_TIME] != now:
        settle(state, reals, tables, now)
    spread = state[S_SPREAD]
    limits = 0.5 * tables[N_RATES + LIMITS] * reals[R_RATE] * reals[R_MULTIPLE]
    limits *= tables[T_LIMIT_MULTIPLE + spread]
    markets = 0.5 * tables[N_RATES + MARKETS] * reals[R_RATE] * reals[R_MULTIPLE + 1]
    markets *= tables[T_MARKET_MULTIPLE + spread]
    total = 0.0
    for sell in range(2):
        tilt = max(reals[R_TILT_LIMITS + sell], reals[R_TILT_DEEP + sell])
        reals[R_BURST + sell] = limits * tilt * reals[R_EXCITED + sell]
        reals[R_BURST + 2 + sell] = markets * reals[R_TILT_MARKETS + sell] * reals[R_EXCITED + 2 + sell]
        total += reals[R_BURST + sell] + reals[R_BURST + 2 + sell]
    cancels = max(
        reals[R_TILT_CANCELS] * reals[R_EXCITED + 4], reals[R_TILT_CANCELS + 1] * reals[R_EXCITED + 5]
    )
    reals[R_BURST + 4] = cancels * reals[R_MULTIPLE + 2]
    total += reals[R_BURST + 4] * burst_cancels(state, reals, tables)
    reals[R_BURST_TOTAL] = total
    state[S_BURST_DUE] = FAR_NS
    points = total / tables[N_DECAYS]
    if points < POINTS_LEAST:
        return
    state[S_BURST_DRAW] += 1
    wait, mark, where, what = draw4(state[S_SEED], STREAM_BURST, state[S_BURST_KEY], state[S_BURST_DRAW])
    part = exponential(tables, wait) / points
    if part >= 1.0:
        return
    wait_s = exponential(tables, int(part * UNIT)) / tables[N_DECAYS]
    state[S_BURST_DUE] = now + 1 + int(wait_s * 1e9)
    state[S_BURST_MARK], state[S_BURST_WHERE], state[S_BURST_WHAT] = mark, where, what


@inlined_kernel
def burst_stream(state: Arena, reals: Reals, tables: Reals, left: float) -> tuple[int, float]:
    """Return what the excited point is (0 1 limit order, 2 3 market order, then a cancel by class), its mark.

    -1 where it is nothing any more; `left` is the part of the excitation that it was drawn by.
    """
    mark = state[S_BURST_MARK] * (1.0 / UNIT) * reals[R_BURST_TOTAL]
    for at in range(4):
        if mark < reals[R_BURST + at]:
            return at, mark * left / (0.5 * tables[N_RATES + (at >> 1)] * reals[R_RATE])
        mark -= reals[R_BURST + at]
    for kind in range(CLASSES):
        unit = state[S_COUNT + kind] * tables[N_RATES + CANCELS + kind] * reals[R_RATE]
        if mark < unit * reals[R_BURST + 4]:
            return 4 + kind, mark * left / unit
        mark -= unit * reals[R_BURST + 4]
    return -1, 0.0


# --- orders of ours -------------------------------------------------------------------------------
@lean_kernel
def hear_foreign(book: Arena, state: Arena, reals: Reals, tables: Reals, now: int) -> bool:
    """Let orders of ours that took liquidity excite like anybody's; say whether there were any."""
    last = book[H_TAKEN_COUNT]
    first = state[S_TAKEN_READ]
    if first == last:
        return False
    if last - first > TAKEN_MAX:
        state[S_TAKEN_LOST] += last - first - TAKEN_MAX
        first = last - TAKEN_MAX
    before = 0
    for entry in range(first, last):
        at = book[H_TAKEN] + entry % TAKEN_MAX * TAKEN_WORDS
        read(state, reals, tables, 1 - (book[at] & 1), book[at + 2], now)
        if book[at + 1] != before:
            before = book[at + 1]
            buys_rested = 1 - (book[at] & 1)  # ids of bids are even
            excite(state, reals, tables, 1, buys_rested, tables[N_MEAN_RATES + 1], now)
            state[S_FOREIGN] += 1
    state[S_TAKEN_READ] = last
    return True
