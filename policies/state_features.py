"""The kernel that writes one observation, and what each of its numbers means.

Everything is scale-free (ticks, spreads, sigmas, slices, shares of something) and seen from the
parent's side, so one policy serves many names and both directions. Unknown is zero.
"""

import math
from typing import Any, Final

from market.kernels import lean_kernel
from policies import state_kernels as k

# Facts of one parent at one instant: int64, filled by StateBuilder.build.
(
    NOW,
    START,
    END,
    QTY,
    CUM,
    SIGN,
    ARRIVAL2,
    LIMIT,
    SLICE,
    TARGET,
    LOW,
    HIGH,
    ROOM,
    CAP,
    OWN_FILLS,
    OTHERS_VOLUME,
    MUST_COMPLETE,
    CLOSING,
    TICK,
    ROUND_LOT,
    ADV,
    LAST_FILL,
    PARENT,
) = range(23)
FACTS_SIZE: Final = 23
DEPTH: Final = 5
LEVELS: Final = 10  # of others' levels that are looked at
MINUTES_PER_DAY: Final = 390.0

# name, and how its number is scaled
FEATURES: Final[tuple[tuple[str, str], ...]] = (
    ("time_left", "of the window, 0..1"),
    ("qty_left", "of the parent, 0..1"),
    ("lag", "(target - cum) / qty x 5, clipped to 1"),
    ("lag_slices", "(target - cum) / slice / 10, clipped to 1"),
    ("corridor", "(target - cum) / half width, clipped to 2; 1 = its lower edge"),
    ("spread_ticks", "log1p(spread / tick - 1) / 4"),
    ("spread_is_one_tick", "0 or 1"),
    *((f"own_depth_{i}", "log1p(size / round lot) / 4") for i in range(1, DEPTH + 1)),
    *((f"other_depth_{i}", "log1p(size / round lot) / 4") for i in range(1, DEPTH + 1)),
    ("imbalance_1", "(own - other) / (own + other)"),
    ("imbalance_5", "(own - other) / (own + other)"),
    ("microprice", "(microprice - mid) / spread, towards the parent's side"),
    ("arrival_move", "(mid - arrival) / arrival / sigma of the elapsed time / 4, clipped to 1"),
    ("return_1s", "in sigmas of 1 s / 4, clipped to 1"),
    ("return_5s", "in sigmas of 5 s / 4, clipped to 1"),
    ("return_30s", "in sigmas of 30 s / 4, clipped to 1"),
    ("flow_1s", "signed / total printed size"),
    ("flow_10s", "signed / total printed size"),
    ("flow_60s", "signed / total printed size"),
    ("volatility", "log1p(sigma of 30 s / spread) / 2"),
    ("volume_pace", "log(rate of the last minute / rate so far) / 2, clipped to 1"),
    ("resting_qty", "/ slice / 10, clipped to 1"),
    ("queue_ahead", "of the level at our best price, 0..1"),
    ("level_distance", "touch to our best price, log1p(ticks) / 4, behind positive"),
    ("fill_age", "exp(-age / 30 s), 0 = never"),
    ("participation", "own / (own + others) since the start"),
    ("size_minutes", "log1p(parent in minutes of an average day) / 6"),
    ("limit_distance", "room to the limit beyond the other touch, in spreads / 10, clipped; 1 = no limit"),
    ("headroom", "what risk limits still allow / slice / 10, clipped to 1"),
    ("cap_room", "what the participation cap still allows / slice / 10, clipped; 1 = no cap"),
    ("must_complete", "0 or 1"),
    ("closing", "past the end of the schedule, 0 or 1"),
)
OBS_SIZE: Final = len(FEATURES)
INDEX: Final = {name: i for i, (name, _) in enumerate(FEATURES)}
(I_TIME, I_QTY, I_LAG, I_LAG_SLICES, I_CORRIDOR, I_SPREAD, I_ONE_TICK) = range(7)
I_OWN_DEPTH, I_OTHER_DEPTH, I_IMBALANCE = 7, 12, 17
I_MICRO, I_ARRIVAL, I_RETURNS, I_FLOW, I_VOLATILITY, I_PACE = 19, 20, 21, 24, 27, 28
I_RESTING, I_AHEAD, I_DISTANCE, I_FILL_AGE, I_PARTICIPATION = 29, 30, 31, 32, 33
I_SIZE, I_LIMIT, I_HEADROOM, I_CAP, I_MUST, I_CLOSING = 34, 35, 36, 37, 38, 39
assert INDEX["microprice"] == I_MICRO
assert INDEX["closing"] == I_CLOSING == OBS_SIZE - 1


@lean_kernel
def clip(x: float, bound: float) -> float:
    """Return x within +-bound."""
    return min(bound, max(-bound, x))


@lean_kernel
def features(ints: Any, floats: Any, own: Any, levels: Any, facts: Any, obs: Any) -> None:
    """Write the observation of one parent at facts[NOW]."""
    obs[:] = 0.0
    schedule_features(facts, obs)
    book_features(levels, facts, obs)
    flow_features(ints, floats, levels, facts, obs)
    order_features(own, levels, facts, obs)
    limit_features(ints, levels, facts, obs)


@lean_kernel
def schedule_features(facts: Any, obs: Any) -> None:
    """Where the parent stands against its schedule."""
    qty = float(max(1, facts[QTY]))
    length = float(max(1, facts[END] - facts[START]))
    behind = float(facts[TARGET] - facts[CUM])
    half = max(1.0, 0.5 * float(facts[HIGH] - facts[LOW]))
    obs[I_TIME] = min(1.0, max(0.0, float(facts[END] - facts[NOW]) / length))
    obs[I_QTY] = float(facts[QTY] - facts[CUM]) / qty
    obs[I_LAG] = clip(5.0 * behind / qty, 1.0)
    obs[I_LAG_SLICES] = clip(behind / float(facts[SLICE]) / 10.0, 1.0)
    obs[I_CORRIDOR] = clip(behind / half, 2.0)
    obs[I_MUST] = float(facts[MUST_COMPLETE])
    obs[I_CLOSING] = float(facts[CLOSING])


@lean_kernel
def book_features(levels: Any, facts: Any, obs: Any) -> None:
    """Spread, depth, imbalance, microprice; `levels` row pair 0 is the bid side."""
    bid, ask = levels[0, 0], levels[2, 0]
    if bid <= 0 or ask <= bid:
        return
    own_row = 0 if facts[SIGN] > 0 else 2
    other_row = 2 - own_row
    spread = float(ask - bid)
    lot = float(facts[ROUND_LOT])
    obs[I_SPREAD] = math.log1p(max(0.0, spread / float(facts[TICK]) - 1.0)) / 4.0
    obs[I_ONE_TICK] = 1.0 if ask - bid <= facts[TICK] else 0.0
    own_sum, other_sum = 0.0, 0.0
    for i in range(DEPTH):
        mine, theirs = float(levels[own_row + 1, i]), float(levels[other_row + 1, i])
        own_sum += mine
        other_sum += theirs
        obs[I_OWN_DEPTH + i] = math.log1p(mine / lot) / 4.0
        obs[I_OTHER_DEPTH + i] = math.log1p(theirs / lot) / 4.0
        if i == 0:
            obs[I_IMBALANCE] = (mine - theirs) / (mine + theirs)
            # weight of the other side's size pulls the microprice to our side of the mid
            obs[I_MICRO] = 0.5 * (mine - theirs) / (mine + theirs)
    obs[I_IMBALANCE + 1] = (own_sum - other_sum) / (own_sum + other_sum)


@lean_kernel
def flow_features(ints: Any, floats: Any, levels: Any, facts: Any, obs: Any) -> None:
    """Returns, flow, volatility, pace; memory is decayed to now without being changed."""
    now, sign = facts[NOW], float(facts[SIGN])
    age = float(max(0, now - ints[k.LAST_TS]))
    for s in range(3):
        total = floats[k.FLOW_VOLUME + s]
        if total > 1e-6:
            obs[I_FLOW + s] = clip(sign * floats[k.FLOW + s] / total, 1.0)
    mid2 = ints[k.MID2]
    if mid2 <= 0:
        return
    variance = floats[k.VARIANCE] * math.exp(-age / k.VARIANCE_NS)
    sigma = math.sqrt(max(variance, 0.0) / (k.VARIANCE_NS / 1e9))  # of one second
    floor = 1e-7  # a thousandth of a basis point: a book that never moved has no sigma to speak in
    unit = max(sigma, floor)
    for j in range(3):
        seconds = 1 if j == 0 else (5 if j == 1 else 30)
        before = k.mid2_at(ints, now - seconds * k.SECOND_NS)
        if before > 0:
            move = math.log(mid2 / before)
            obs[I_RETURNS + j] = clip(sign * move / (unit * math.sqrt(float(seconds))) / 4.0, 1.0)
    if facts[ARRIVAL2] > 0:
        elapsed = max(1.0, float(now - facts[START]) / 1e9)
        move = float(mid2 - facts[ARRIVAL2]) / float(facts[ARRIVAL2])
        obs[I_ARRIVAL] = clip(sign * move / (unit * math.sqrt(elapsed)) / 4.0, 1.0)
    bid, ask = levels[0, 0], levels[2, 0]
    if bid > 0 and ask > bid:
        spread = 2.0 * float(ask - bid) / float(bid + ask)
        obs[I_VOLATILITY] = math.log1p(sigma * math.sqrt(30.0) / spread) / 2.0
    so_far = float(ints[k.LAST_TS] // k.SECOND_NS - ints[k.BASE_S])
    minute = floats[k.FLOW_VOLUME + 2] * math.exp(-age / k.SCALES_NS[2]) / 60.0
    if so_far > 60.0 and ints[k.VOLUME] > 0 and minute > 0.0:
        obs[I_PACE] = clip(math.log(minute / (float(ints[k.VOLUME]) / so_far)) / 2.0, 1.0)


@lean_kernel
def order_features(own: Any, levels: Any, facts: Any, obs: Any) -> None:
    """Our resting orders: how much, how far from the touch, how deep in the queue; the last fill."""
    sign, slice_qty = facts[SIGN], float(facts[SLICE])
    leaves, best, ahead, total = 0, 0, 0, 0
    for r in range(own.shape[0]):
        if own[r, k.LIVE] == 0:
            break
        if own[r, k.O_PARENT] != facts[PARENT]:
            continue
        leaves += own[r, k.O_LEAVES]
        price = own[r, k.O_PRICE]
        if best == 0 or sign * (price - best) > 0:
            best, ahead, total = price, own[r, k.O_AHEAD], own[r, k.O_TOTAL]
    obs[I_RESTING] = clip(float(leaves) / slice_qty / 10.0, 1.0)
    touch = levels[0 if sign > 0 else 2, 0]
    if best > 0:
        obs[I_AHEAD] = float(ahead) / float(max(1, total))
        if touch > 0:
            ticks = float(sign * (touch - best)) / float(facts[TICK])
            obs[I_DISTANCE] = math.copysign(math.log1p(abs(ticks)) / 4.0, ticks)
    if facts[LAST_FILL] > 0:
        obs[I_FILL_AGE] = math.exp(-float(max(0, facts[NOW] - facts[LAST_FILL])) / 30.0e9)
    traded = facts[OWN_FILLS] + facts[OTHERS_VOLUME]
    if traded > 0:
        obs[I_PARTICIPATION] = clip(float(facts[OWN_FILLS]) / float(traded), 1.0)


@lean_kernel
def limit_features(ints: Any, levels: Any, facts: Any, obs: Any) -> None:
    """How large the parent is, and how near it stands to its limits."""
    day = float(facts[ADV])
    seconds = float(ints[k.LAST_TS] // k.SECOND_NS - ints[k.BASE_S])
    per_minute = day / MINUTES_PER_DAY if day > 0.0 else 60.0 * float(ints[k.VOLUME]) / max(60.0, seconds)
    if per_minute > 0.0:
        obs[I_SIZE] = math.log1p(float(facts[QTY]) / per_minute) / 6.0
    bid, ask = levels[0, 0], levels[2, 0]
    obs[I_LIMIT] = 1.0
    if facts[LIMIT] > 0 and bid > 0 and ask > bid:
        other = ask if facts[SIGN] > 0 else bid
        room = float(facts[SIGN] * (facts[LIMIT] - other)) / float(ask - bid)
        obs[I_LIMIT] = clip(room / 10.0, 1.0)
    slice_qty = float(facts[SLICE])
    obs[I_HEADROOM] = clip(float(facts[ROOM]) / slice_qty / 10.0, 1.0)
    obs[I_CAP] = clip(float(facts[CAP] - facts[CUM]) / slice_qty / 10.0, 1.0) if facts[CAP] >= 0 else 1.0
