"""Kernels of the clocks: exogenous points in time, each with a mark, that the state of the book only filters.

A clock is a stack of rows. Row 0 covers the lowest quarter of the ordinary rate, each further row doubles
what is covered. A row's points are a Poisson process that the seed alone determines, with marks within
what it covers; the flow accepts a point whose mark lies below the rate of that moment (thinning). So two
runs of one seed see the same points, act alike wherever their rates agree, and meet again after a
divergence without being brought together. Draws are addressed by (seed, row, window, index in it).
"""

import numpy as np

from market.book_layout import Arena
from market.flow.philox import UNIT, rounds4
from market.flow.queue_reactive_layout import (
    AHEAD,
    CANCELS,
    CLOCKS,
    D_MARK,
    D_WHAT,
    D_WHERE,
    GAPS,
    LAYER_UNIT,
    LAYERS,
    N_RATES,
    R_RATE,
    R_ROW_GAP,
    ROW_DRAWS,
    ROW_POINTS,
    ROWS,
    S_ACTIVE,
    S_CLOCK_DUE,
    S_CLOCK_ROW,
    S_ROW_DRAWS,
    S_ROW_DUE,
    S_ROW_INDEX,
    S_ROW_LENGTH,
    S_ROW_WINDOW,
    S_SEED,
    S_SLOTS,
    STREAM_ROWS,
    T_GAP,
)
from market.flow.queue_reactive_tables import Reals
from market.kernels import inlined_kernel, lean_kernel

FAR_NS = 1 << 62  # never
TAIL = 6.931471805599453  # ln 1024: what the first entry of the table of gaps leaves out
LN2 = 0.6931471805599453
LOWER = 0.45  # a row is given up below this part of what is covered, so that none comes and goes
SLOTS_FEW = 4  # up to them a pool is often empty and its clock silent: joining in shall be cheap
GAP_MOST = 1e15  # ns: a rate of nothing strikes in eleven days


@inlined_kernel
def exponential(tables: Reals, draw: int) -> float:
    """Return a unit exponential variate of 32 bits, by interpolation between 1024 quantiles."""
    beyond = 0.0
    place = draw * (GAPS / UNIT)
    at = int(place)
    if at == GAPS - 1:  # the tail is like the whole, further out
        beyond = TAIL
        place = (place - at) * GAPS
        at = min(int(place), GAPS - 2)
    low = tables[T_GAP + at]
    return beyond + low + (place - at) * (tables[T_GAP + at + 1] - low)  # type: ignore[no-any-return]


@inlined_kernel
def exp(x: float) -> float:
    """Return e**x for |x| < 40 by exact operations only, to 1e-9."""
    k = int(np.floor(x / LN2 + 0.5))
    r = x - k * LN2
    series = 1.0 + r * (
        1.0 + r * (0.5 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r / 5040)))))
    )
    return series * (1 << k) if k >= 0 else series / (1 << -k)


@inlined_kernel
def decay(x: float) -> float:
    """Return e**-x for x >= 0 (30 and more is 30) by exact operations only, to 1e-9."""
    x = min(x, 30.0)
    k = int(x * (1.0 / LN2) + 0.5)
    r = k * LN2 - x
    square = r * r
    low = (1.0 + r) + (0.5 + r * (1 / 6)) * square
    high = (1 / 24 + r * (1 / 120)) + (1 / 720 + r * (1 / 5040)) * square
    return (low + high * (square * square)) * ((1 << (60 - k)) * (1.0 / (1 << 60)))


@inlined_kernel
def slots_of(step: int) -> int:
    """Return the slots in use at a step: 1 2 3 4 5 6 7 8 10 12 14 16 20 ..."""
    if step < 4:
        return step + 1
    return (4 + ((step - 3) & 3)) << ((step - 3) >> 2)


@inlined_kernel
def set_rows(state: Arena, reals: Reals, tables: Reals, clock: int) -> None:
    """Give the rows of a clock their rates; their points are looked for anew by the next `cover`."""
    rate = tables[N_RATES + clock] * reals[R_RATE] * LAYER_UNIT
    points = ROW_POINTS
    if clock >= CANCELS:
        slots = slots_of(state[S_SLOTS + clock - CANCELS])
        rate *= slots
        points = ROW_POINTS if slots > SLOTS_FEW else 1
    gap = min(1e9 / rate, GAP_MOST) if rate > 0 else GAP_MOST
    for layer in range(LAYERS):
        row = clock * LAYERS + layer
        reals[R_ROW_GAP + row] = gap
        state[S_ROW_LENGTH + row] = max(int(gap * points), 1)
        state[S_ROW_WINDOW + row] = -1
        state[S_ROW_DUE + row] = -1
        if layer > 0:
            gap *= 0.5
    state[S_CLOCK_DUE + clock] = FAR_NS


@lean_kernel
def draw_row(state: Arena, row: int, stream: int, window: int, first: int) -> None:
    """Draw what the next points of a row are made of: a loop that a core takes side by side."""
    seed = state[S_SEED]
    at = S_ROW_DRAWS + row * ROW_DRAWS
    draws = state[at : at + ROW_DRAWS]  # whose indices are seen to be no negative ones
    for i in range(AHEAD):
        draws[i], draws[D_MARK + i], draws[D_WHERE + i], draws[D_WHAT + i] = rounds4(
            seed, stream, window, first + i
        )


@inlined_kernel
def drawn(state: Arena, row: int) -> int:
    """Return where what a row's point was made of lies."""
    return S_ROW_DRAWS + row * ROW_DRAWS + (state[S_ROW_INDEX + row] - 1) % AHEAD  # type: ignore[no-any-return]


@inlined_kernel
def advance_row(state: Arena, reals: Reals, tables: Reals, row: int, now: int) -> None:
    """Take a row on to its first point after `now`."""
    length = state[S_ROW_LENGTH + row]
    window = state[S_ROW_WINDOW + row]
    due = state[S_ROW_DUE + row]
    index = state[S_ROW_INDEX + row]
    if window < 0 or now >= (window + 1) * length:
        window = now // length
        due = window * length
        index = 0
    clock = row // LAYERS
    stream = STREAM_ROWS + row
    if clock >= CANCELS:
        stream += ROWS * state[S_SLOTS + clock - CANCELS]
    gap = reals[R_ROW_GAP + row]
    while True:
        ahead = index % AHEAD
        if ahead == 0:
            draw_row(state, row, stream, window, index)
        wait = state[S_ROW_DRAWS + row * ROW_DRAWS + ahead]
        due += 1 + int(gap * exponential(tables, wait))
        index += 1
        if due >= (window + 1) * length:
            window += 1
            due = window * length
            index = 0
        elif due > now:
            break
    state[S_ROW_WINDOW + row] = window
    state[S_ROW_INDEX + row] = index
    state[S_ROW_DUE + row] = due


@inlined_kernel
def refresh(state: Arena, clock: int) -> None:
    """Find which row of a clock is due next."""
    first = clock * LAYERS
    best = first
    due = state[S_ROW_DUE + first]
    for row in range(first + 1, first + state[S_ACTIVE + clock]):
        other = state[S_ROW_DUE + row]
        best = row if other < due else best
        due = min(due, other)
    state[S_CLOCK_ROW + clock] = best
    state[S_CLOCK_DUE + clock] = due


@inlined_kernel
def mark_of(state: Arena, row: int) -> float:
    """Return the mark of a row's point, as a multiple of the ordinary rate."""
    layer = row % LAYERS
    part = state[drawn(state, row) + D_MARK] / UNIT
    if layer == 0:
        return LAYER_UNIT * part  # type: ignore[no-any-return]
    return LAYER_UNIT * (1 << (layer - 1)) * (1.0 + part)  # type: ignore[no-any-return]


@inlined_kernel
def cover(state: Arena, reals: Reals, tables: Reals, clock: int, most: float, now: int) -> bool:
    """Use as many rows of a clock as a rate of `most` times the ordinary needs; say whether they sufficed."""
    active = state[S_ACTIVE + clock]
    covered = LAYER_UNIT * (1 << (active - 1))
    silent = state[S_CLOCK_DUE + clock] == FAR_NS
    if LOWER * covered <= most <= covered and not silent:
        return True
    while most < LOWER * covered and active > 1:
        covered *= 0.5
        active -= 1
    while most > covered and active < LAYERS:
        covered *= 2.0
        active += 1
    state[S_ACTIVE + clock] = active
    for row in range(clock * LAYERS, clock * LAYERS + active):
        if state[S_ROW_DUE + row] <= now:
            advance_row(state, reals, tables, row, now)
    refresh(state, clock)
    return most <= covered  # type: ignore[no-any-return]


@inlined_kernel
def silence(state: Arena, clock: int) -> None:
    """Let a clock not strike until it is covered again."""
    state[S_CLOCK_DUE + clock] = FAR_NS


@lean_kernel
def set_slots(state: Arena, reals: Reals, tables: Reals, clock: int, step: int) -> None:
    """Let a clock of cancels strike so many slots, from the next `cover` on."""
    state[S_SLOTS + clock - CANCELS] = step
    set_rows(state, reals, tables, clock)


@lean_kernel
def wind(state: Arena, reals: Reals, tables: Reals) -> None:
    """Set all clocks anew under the seed of the state; `cover` finds their first points."""
    for clock in range(CLOCKS):
        set_rows(state, reals, tables, clock)
