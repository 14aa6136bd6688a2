"""Kernels of what looks at no book: once a second the efficient price, the regime and the metaorders go on.

Only the belief (how much of a lasting distance of mid from F is taken for value) reads the book.
"""

from market.book_layout import Arena
from market.flow.philox import UNIT, bell, draw4, neg_log
from market.flow.queue_reactive_clocks import FAR_NS, exp, exponential
from market.flow.queue_reactive_layout import (
    METAS_MAX,
    N_BELIEF,
    N_BELIEF_PULL,
    N_INTRADAY_BIN_S,
    N_INTRADAY_BINS,
    N_JUMP,
    N_JUMPS,
    N_LEAVE_REGIME,
    N_MEAN_RATES,
    N_META_ALPHA,
    N_META_BIRTHS,
    N_META_HISTORY,
    N_META_MAX,
    N_META_MIN,
    N_META_POV_MAX,
    N_META_POV_MIN,
    N_SIGMA,
    R_BELIEF,
    R_CHILD_GAP,
    R_CHILD_RATE,
    R_DRIFT,
    R_META_LEFT,
    R_META_RATE,
    R_MULTIPLE,
    R_OPEN,
    R_RATE,
    R_SIGMA,
    R_VALUE,
    S_ASK,
    S_BID,
    S_CHILD_DUE,
    S_CHILD_INDEX,
    S_META_SIDE,
    S_METAS,
    S_METAS_FULL,
    S_REGIME,
    S_SECOND,
    S_SEED,
    STREAM_CHILD,
    STREAM_JUMP,
    STREAM_META,
    STREAM_REGIME,
    STREAM_VALUE,
    T_INTRADAY,
    T_REGIMES,
)
from market.flow.queue_reactive_tables import Reals
from market.kernels import lean_kernel

SECOND_NS = 1_000_000_000
HISTORY = -1  # the event under which metaorders before the beginning are drawn
BPS = 1e-4


@lean_kernel
def begin_second(state: Arena, reals: Reals, tables: Reals) -> None:
    """Let the next second begin."""
    second = state[S_SECOND]
    state[S_SECOND] = second + 1
    seed = state[S_SEED]
    leave, where, birth, _ = draw4(seed, STREAM_REGIME, second, 0)
    if leave < tables[N_LEAVE_REGIME + state[S_REGIME]] * UNIT:
        state[S_REGIME] = (state[S_REGIME] + 1 + (where & 1)) % 3
    set_multiples(state, reals, tables, second)
    move_value(state, reals, tables, second)
    if birth < tables[N_META_BIRTHS] * reals[R_RATE] * UNIT:
        bear(state, reals, tables, second, 0, 0.0)
    reset_children(state, reals)
    state[S_CHILD_INDEX] = 0
    next_child(state, reals, tables, second * SECOND_NS)


@lean_kernel
def set_multiples(state: Arena, reals: Reals, tables: Reals, second: int) -> None:
    """Set the multiples of this second: time of day and regime."""
    at = int((reals[R_OPEN] + second) / tables[N_INTRADAY_BIN_S])
    at = min(max(at, 0), int(tables[N_INTRADAY_BINS]) - 1)
    for kind in range(3):
        multiple = tables[T_REGIMES + 4 * state[S_REGIME] + kind]
        reals[R_MULTIPLE + kind] = multiple * tables[T_INTRADAY + at]


@lean_kernel
def move_value(state: Arena, reals: Reals, tables: Reals, second: int) -> None:
    """Take the efficient price a second on, and the belief about it."""
    seed = state[S_SEED]
    sigma = tables[N_SIGMA] * reals[R_SIGMA] * tables[T_REGIMES + 4 * state[S_REGIME] + 3]
    step = reals[R_DRIFT] + sigma * bell(seed, STREAM_VALUE, second)
    jump, _, _, _ = draw4(seed, STREAM_JUMP, second, 3)
    if jump < tables[N_JUMPS] * UNIT:
        step += tables[N_JUMP] * reals[R_SIGMA] * bell(seed, STREAM_JUMP, second)
    reals[R_VALUE] *= 1.0 + step * BPS
    mid = 0.5 * (state[S_BID] + state[S_ASK])
    away = tables[N_BELIEF] * (mid - reals[R_VALUE]) - reals[R_BELIEF]
    reals[R_BELIEF] += away * tables[N_BELIEF_PULL]


# --- metaorders -----------------------------------------------------------------------------------
@lean_kernel
def bear(state: Arena, reals: Reals, tables: Reals, event: int, draw: int, age_s: float) -> None:
    """Begin a metaorder that is `age_s` old."""
    at = state[S_METAS]
    size, pov, side, _ = draw4(state[S_SEED], STREAM_META, event, draw)
    children = tables[N_META_MIN] * exp(min(neg_log(size) * tables[N_META_ALPHA], 30.0))
    children = min(children, tables[N_META_MAX])
    share = tables[N_META_POV_MIN] + (tables[N_META_POV_MAX] - tables[N_META_POV_MIN]) * (pov / UNIT)
    rate = share * 2.0 * tables[N_MEAN_RATES + 1]
    left = children - rate * reals[R_RATE] * age_s
    if left <= 0:
        return
    if at == METAS_MAX:
        state[S_METAS_FULL] += 1
        return
    state[S_META_SIDE + at] = 1 if side < UNIT // 2 else -1
    reals[R_META_LEFT + at] = left
    reals[R_META_RATE + at] = rate
    state[S_METAS] = at + 1


@lean_kernel
def bear_history(state: Arena, reals: Reals, tables: Reals) -> None:
    """Begin the metaorders that are alive at the beginning."""
    births = tables[N_META_BIRTHS] * reals[R_RATE]
    age_s = 0.0
    draw = 0
    while births > 0:
        wait, _, _, _ = draw4(state[S_SEED], STREAM_META, HISTORY - 1, draw)
        age_s += exponential(tables, wait) / births
        if age_s > tables[N_META_HISTORY]:
            break
        bear(state, reals, tables, HISTORY, draw, age_s)
        draw += 1


@lean_kernel
def reset_children(state: Arena, reals: Reals) -> None:
    """Add up how often children come."""
    rate = 0.0
    for at in range(state[S_METAS]):
        rate += reals[R_META_RATE + at]
    reals[R_CHILD_RATE] = rate
    total = rate * reals[R_RATE] * reals[R_MULTIPLE + 1]
    reals[R_CHILD_GAP] = 1e9 / total if total > 1e-6 else 0.0


@lean_kernel
def next_child(state: Arena, reals: Reals, tables: Reals, now: int) -> None:
    """Set when the next child comes, if still in this second."""
    second = state[S_SECOND] - 1
    state[S_CHILD_DUE] = FAR_NS
    if reals[R_CHILD_GAP] == 0.0:
        return
    wait, _, _, _ = draw4(state[S_SEED], STREAM_CHILD, second, 2 * state[S_CHILD_INDEX])
    due = now + 1 + int(reals[R_CHILD_GAP] * exponential(tables, wait))
    if due < (second + 1) * SECOND_NS:
        state[S_CHILD_DUE] = due


@lean_kernel
def take_child(state: Arena, reals: Reals, tables: Reals) -> int:
    """Take the child that is due off its metaorder; return its side, and set when the next one comes."""
    second = state[S_SECOND] - 1
    choice, _, _, _ = draw4(state[S_SEED], STREAM_CHILD, second, 2 * state[S_CHILD_INDEX] + 1)
    place = choice / UNIT * reals[R_CHILD_RATE]
    at = 0
    last = state[S_METAS] - 1
    while at < last and place >= reals[R_META_RATE + at]:
        place -= reals[R_META_RATE + at]
        at += 1
    side = state[S_META_SIDE + at]
    reals[R_META_LEFT + at] -= 1.0
    if reals[R_META_LEFT + at] <= 0.0:
        state[S_META_SIDE + at] = state[S_META_SIDE + last]
        reals[R_META_LEFT + at] = reals[R_META_LEFT + last]
        reals[R_META_RATE + at] = reals[R_META_RATE + last]
        state[S_METAS] = last
        reset_children(state, reals)
    now = state[S_CHILD_DUE]
    state[S_CHILD_INDEX] += 1
    next_child(state, reals, tables, now)
    return side  # type: ignore[no-any-return]
