"""Kernels of `StateBuilder`: market memory event by event, own orders in their queues, the observation.

Every event is taken by itself, with the touch that `OrderBook.apply` wrote beside it, so memory does
not depend on how the feed was cut into reads. Time is event time. Arithmetic is float64 in the
order written and rounded to float32 once, at the end.
"""

import math
from typing import Any, Final

import numpy as np

from market.book_events import Flag, Kind
from market.kernels import inlined_kernel, lean_kernel

ADD, CANCEL, DELETE, EXECUTE = int(Kind.ADD), int(Kind.CANCEL), int(Kind.DELETE), int(Kind.EXECUTE)
HIDDEN, CROSS, HALT = int(Kind.HIDDEN), int(Kind.CROSS), int(Kind.HALT)
EXECUTE_PRICE, REPLACE = int(Kind.EXECUTE_PRICE), int(Kind.REPLACE)
NON_PRINTABLE = int(Flag.NON_PRINTABLE)

# int64 memory: a header, mids by tenth of a second, cumulative volume by second.
LAST_TS, BID, ASK, VOLUME, BASE_S, STATE, LAST_E4, GRID_AT, MID2, EVENTS, BACK, SECOND_AT = range(12)
GRID: Final = 16
GRID_SIZE: Final = 512  # 51 s of tenths: the longest return is 30 s
SECONDS: Final = GRID + GRID_SIZE
SECONDS_SIZE: Final = 93_600  # 26 hours: a trading day with its auctions, in any zone
INTS_SIZE: Final = SECONDS + SECONDS_SIZE
TENTH_NS: Final = 100_000_000
SECOND_NS: Final = 1_000_000_000

# float64 memory: signed flow and volume at three time scales, variance of the mid.
FLOW, FLOW_VOLUME, VARIANCE, FLOATS_SIZE = 0, 3, 6, 8
SCALES_NS: Final = (1.0e9, 10.0e9, 60.0e9)
VARIANCE_NS: Final = 60.0e9
assert SCALES_NS[2] == VARIANCE_NS  # one decay does for both

# own orders: one row each
LIVE, O_SIDE, O_PRICE, O_LEAVES, O_AHEAD, O_TOTAL, O_PARENT, O_SEEN, O_SINCE = range(9)
OWN_COLUMNS: Final = 9
UNSEEN_NS: Final = 500_000_000  # an order that the feed has not shown by then, we missed: count it as shown


@lean_kernel
def observe(ints: Any, floats: Any, own: Any, batch: Any) -> None:
    """Take a completed batch, event by event."""
    rows = own.shape[0]
    for i in range(batch.shape[0]):
        event = batch[i]
        kind, ts_ns = event.kind, event.ts_ns
        advance(ints, floats, ts_ns)
        if kind in (EXECUTE, EXECUTE_PRICE, HIDDEN, CROSS):
            traded(ints, floats, event)
        elif kind == HALT:
            ints[STATE] = event.code
        for r in range(rows):
            if own[r, LIVE] == 0:
                break
            follow(own[r], event)
        moved(ints, floats, event.bid_e4, event.ask_e4)
        ints[EVENTS] += 1


@inlined_kernel
def advance(ints: Any, floats: Any, ts_ns: int) -> None:
    """Let time pass: decay what decays, fill the mids and volumes of the instants in between."""
    last = ints[LAST_TS]
    if last == 0:
        ints[LAST_TS] = ts_ns
        ints[BASE_S] = ts_ns // SECOND_NS
        ints[SECOND_AT] = 0
        ints[GRID_AT] = ts_ns // TENTH_NS
        return
    if ts_ns <= last:
        ints[BACK] += ts_ns < last
        return
    dt = float(ts_ns - last)
    decay = 1.0
    for s in range(3):
        decay = math.exp(-dt / SCALES_NS[s])
        floats[FLOW + s] *= decay
        floats[FLOW_VOLUME + s] *= decay
    floats[VARIANCE] *= decay  # of the slowest scale
    tenth = ts_ns // TENTH_NS
    first = max(ints[GRID_AT], tenth - GRID_SIZE)
    for t in range(first, tenth):
        ints[GRID + t % GRID_SIZE] = ints[MID2]
    ints[GRID_AT] = tenth
    second = min(ts_ns // SECOND_NS - ints[BASE_S], ints.shape[0] - SECONDS - 1)
    for t in range(ints[SECOND_AT] + 1, second + 1):
        ints[SECONDS + t] = ints[VOLUME]
    ints[SECOND_AT] = max(ints[SECOND_AT], second)
    ints[LAST_TS] = ts_ns


@inlined_kernel
def traded(ints: Any, floats: Any, event: Any) -> None:
    """Count a print. Whom it hit tells its sign; a hidden print is signed by where the mid stood."""
    if event.flags & NON_PRINTABLE:
        return
    size = np.int64(event.size)
    ints[VOLUME] += size
    ints[LAST_E4] = event.price_e4
    sign = 0
    if event.kind == EXECUTE or event.kind == EXECUTE_PRICE:
        sign = -event.side
    elif event.kind == HIDDEN and ints[MID2] > 0:
        twice = 2 * event.price_e4
        sign = 1 if twice > ints[MID2] else (-1 if twice < ints[MID2] else 0)
    for s in range(3):
        floats[FLOW + s] += sign * size
        floats[FLOW_VOLUME + s] += size


@inlined_kernel
def moved(ints: Any, floats: Any, bid_e4: int, ask_e4: int) -> None:
    """Take the touch after an event."""
    ints[BID] = bid_e4
    ints[ASK] = ask_e4
    if bid_e4 <= 0 or ask_e4 <= 0:
        return
    mid2 = bid_e4 + ask_e4
    before = ints[MID2]
    if before > 0 and mid2 != before:
        step = math.log(mid2 / before)
        floats[VARIANCE] += step * step
    ints[MID2] = mid2


@inlined_kernel
def follow(row: Any, event: Any) -> None:
    """Let an event pass by one of our resting orders: how much stands before it now."""
    kind = event.kind
    if event.price_e4 != row[O_PRICE]:
        return
    size = np.int64(event.size)
    if event.side != row[O_SIDE]:
        return
    if kind in (REPLACE, ADD):
        if row[O_SEEN] == 0 and size == row[O_LEAVES]:
            row[O_SEEN] = 1
            row[O_AHEAD] = row[O_TOTAL]
        row[O_TOTAL] += size
        return
    if kind == EXECUTE:
        row[O_AHEAD] = max(0, row[O_AHEAD] - size)
        row[O_TOTAL] = max(0, row[O_TOTAL] - size)
    elif kind in (CANCEL, DELETE):
        # It may have stood before or behind us: the odds are those of the sizes.
        others = row[O_TOTAL] - (row[O_LEAVES] if row[O_SEEN] else 0)
        if others > 0:
            row[O_AHEAD] = max(0, row[O_AHEAD] - size * row[O_AHEAD] // others)
        row[O_TOTAL] = max(0, row[O_TOTAL] - size)
    row[O_AHEAD] = min(row[O_AHEAD], row[O_TOTAL])


@lean_kernel
def others(levels: Any, own: Any, now_ns: int, out: Any) -> None:
    """Write the levels without our own displayed size; a level that was only ours is gone."""
    depth, width = levels.shape[1], out.shape[1]
    for side in range(2):
        sign = 1 - 2 * side
        to = 0
        for level in range(depth):
            price, size = levels[2 * side, level], levels[2 * side + 1, level]
            if price <= 0 or to >= width:
                break
            for r in range(own.shape[0]):
                if own[r, LIVE] == 0:
                    break
                shown = own[r, O_SEEN] != 0 or now_ns - own[r, O_SINCE] > UNSEEN_NS
                if shown and own[r, O_SIDE] == sign and own[r, O_PRICE] == price:
                    size -= own[r, O_LEAVES]
            if size > 0:
                out[2 * side, to] = price
                out[2 * side + 1, to] = size
                to += 1
        for level in range(to, width):
            out[2 * side, level] = 0
            out[2 * side + 1, level] = 0


@lean_kernel
def count_kinds(batch: Any, counts: Any) -> None:
    """Count events by kind."""
    for i in range(batch.shape[0]):
        counts[batch[i].kind] += 1


@lean_kernel
def of_one_symbol(batch: Any, locate: int) -> bool:
    """Say whether all events are of one stock locate."""
    for i in range(batch.shape[0]):  # noqa: SIM110  (numba has no generators here)
        if batch[i].locate != locate:
            return False
    return True


@lean_kernel
def volume_before(ints: Any, ts_ns: int) -> Any:
    """Return the volume printed before the second after `ts_ns`: what came later is surely later."""
    if ints[LAST_TS] == 0:
        return 0
    second = ts_ns // SECOND_NS + 1 - ints[BASE_S]
    if second <= 0:
        return 0
    if second > ints[SECOND_AT]:
        return ints[VOLUME]
    return ints[SECONDS + second]


@lean_kernel
def mid2_at(ints: Any, ts_ns: int) -> Any:
    """Return bid + ask as it stood at an instant of the last 51 s; 0 = not known."""
    tenth = ts_ns // TENTH_NS
    if tenth >= ints[GRID_AT]:
        return ints[MID2]
    if tenth < ints[GRID_AT] - GRID_SIZE + 1:
        return 0
    return ints[GRID + tenth % GRID_SIZE]


@lean_kernel
def forget(floats: Any, qty: int, sign: int, age_ns: int) -> None:
    """Take an own fill out of volume, and an own aggressive one out of flow (sign 0: passive)."""
    for s in range(3):
        weight = math.exp(-age_ns / SCALES_NS[s])
        floats[FLOW_VOLUME + s] -= qty * weight
        floats[FLOW + s] -= sign * qty * weight
