"""Touch probes: one-lot orders laid over a stream of events, which they do not change.

Every `every_ns` a probe joins the end of the queue at each touch, and another one its head. It is filled
when an execution reaches it or goes through its price, and ends when the touch leaves its price or after
`life_ns`. An order ahead that is cancelled brings it forward. Simulated streams are probed the same way,
so what the two differ in is the market.
"""

import numpy as np
from numpy.typing import NDArray

from market.book_apply import apply_one
from market.book_events import Kind
from market.book_kernels import best_e4, best_level, find
from market.book_layout import (
    H_SEQUENCE,
    L_PRICE,
    L_SIDE,
    L_SIZE,
    O_LEVEL,
    O_SEQUENCE,
    Records,
    new_arena,
)
from market.kernels import kernel
from research.calibrate.scan import LEVELS_MAX, ORDERS_MAX

# columns of a probe
(P_START, P_SIDE, P_PRICE, P_FRONT, P_AHEAD, P_LEFT, P_SEQUENCE, P_SPREAD, P_END, P_STATE) = range(10)
COLUMNS = 10
# states
ALIVE, LEAVING, FILLED, TOUCH_LEFT, EXPIRED = range(5)
K_EXECUTE, K_EXECUTE_PRICE = int(Kind.EXECUTE), int(Kind.EXECUTE_PRICE)
K_CANCEL, K_DELETE = int(Kind.CANCEL), int(Kind.DELETE)
SECOND_NS = 1_000_000_000


@kernel
def launch(
    arena: NDArray[np.int64], probes: NDArray[np.int64], count: int, ts_ns: int, front: int
) -> int:  # fmt: skip
    """Lay a probe at each touch; return how many there are now."""
    bid, ask = best_e4(arena, 0), best_e4(arena, 1)
    if bid == 0 or ask <= bid:
        return count
    for side_index in range(2):
        if count == probes.shape[0]:
            return count
        row = probes[count]
        row[P_START], row[P_SIDE] = ts_ns, 1 - 2 * side_index
        row[P_PRICE] = ask if side_index else bid
        row[P_FRONT] = front
        row[P_AHEAD] = 0 if front else arena[best_level(arena, side_index) + L_SIZE]
        row[P_LEFT] = row[P_AHEAD]
        row[P_SEQUENCE] = arena[H_SEQUENCE]
        row[P_SPREAD] = ask - bid
        row[P_STATE] = ALIVE
        count += 1
    return count


@kernel
def meet(
    row: NDArray[np.int64], kind: int, side: int, price: int, size: int, sequence: int, ts_ns: int
) -> None:  # fmt: skip
    """Bring one probe forward by an event on an order of its side."""
    if row[P_SIDE] != side:
        return
    if kind in (K_EXECUTE, K_EXECUTE_PRICE):
        if price == row[P_PRICE]:
            row[P_LEFT] -= size
            if row[P_LEFT] < 0:
                row[P_STATE], row[P_END] = FILLED, ts_ns
        elif side * (row[P_PRICE] - price) > 0:
            row[P_STATE], row[P_END] = FILLED, ts_ns
    elif price == row[P_PRICE] and sequence <= row[P_SEQUENCE]:
        row[P_LEFT] = max(row[P_LEFT] - size, 0)


@kernel
def age(
    probes: NDArray[np.int64], active: NDArray[np.int64], n: int, ts_ns: int, life_ns: int
) -> int:  # fmt: skip
    """Before an instant: end what the touch has left or what is too old; return how many are alive."""
    kept = 0
    for i in range(n):
        row = probes[active[i]]
        if row[P_STATE] == LEAVING and ts_ns > row[P_END]:
            row[P_STATE] = TOUCH_LEFT
        elif row[P_STATE] == ALIVE and ts_ns - row[P_START] > life_ns:
            row[P_STATE], row[P_END] = EXPIRED, row[P_START] + life_ns
        if row[P_STATE] <= LEAVING:
            active[kept] = active[i]
            kept += 1
    return kept


@kernel
def probe_into(
    arena: NDArray[np.int64], events: Records, probes: NDArray[np.int64], active: NDArray[np.int64],
    begin_ns: int, every_ns: int, life_ns: int,
) -> int:  # fmt: skip
    """Pass over the events with probes; return how many were laid."""
    count, n, due_ns = 0, 0, begin_ns + every_ns
    for at in range(events.shape[0]):
        event = events[at]
        ts_ns = event.ts_ns
        n = age(probes, active, n, ts_ns, life_ns)
        while due_ns < ts_ns:
            for front in range(2):
                first = count
                count = launch(arena, probes, count, due_ns, front)
                for new in range(first, count):
                    if n < active.shape[0]:
                        active[n] = new
                        n += 1
            due_ns += every_ns
        kind = event.kind
        order = find(arena, event.order_id) if kind in (K_EXECUTE, K_EXECUTE_PRICE, K_CANCEL, K_DELETE) else 0
        side, price, sequence = 0, 0, 0
        if order != 0:
            level = arena[order + O_LEVEL]
            side, price, sequence = arena[level + L_SIDE], arena[level + L_PRICE], arena[order + O_SEQUENCE]
        events[at].flags |= apply_one(arena, events, at)
        bid, ask = best_e4(arena, 0), best_e4(arena, 1)
        for i in range(n):
            row = probes[active[i]]
            if row[P_STATE] <= LEAVING:
                if order != 0:
                    meet(row, kind, side, price, events[at].size, sequence, ts_ns)
                touch = bid if row[P_SIDE] == 1 else ask
                if row[P_STATE] == ALIVE and touch > 0 and row[P_SIDE] * (touch - row[P_PRICE]) > 0:
                    row[P_STATE], row[P_END] = LEAVING, ts_ns
                other = ask if row[P_SIDE] == 1 else bid
                if row[P_STATE] == ALIVE and other > 0 and row[P_SIDE] * (row[P_PRICE] - other) >= 0:
                    row[P_STATE], row[P_END] = FILLED, ts_ns
    return count


def probe(
    events: Records, begin_ns: int, end_ns: int, every_ns: int = SECOND_NS, life_ns: int = 60 * SECOND_NS
) -> NDArray[np.int64]:
    """Return the probes of a stream that came to an end in it."""
    most = 4 * int((end_ns - begin_ns) // every_ns + 1)
    probes = np.zeros((most, COLUMNS), np.int64)
    active = np.zeros(4 * int(life_ns // every_ns + 2), np.int64)
    count = probe_into(
        new_arena(ORDERS_MAX, LEVELS_MAX), events.copy(), probes, active, begin_ns, every_ns, life_ns
    )
    probes = probes[:count]
    return probes[probes[:, P_STATE] >= FILLED]
