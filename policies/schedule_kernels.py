"""Kernels of schedules and of the corridor around them, on a desk (policies.layout).

Arithmetic is int64 and float64 in the order written; tests hold it to a plain twin. `params[0]` of
`fraction`: POV's rate; Almgren-Chriss' kappa x T, negative = by urgency; Obizhaeva-Wang's rho x T.
"""

import math
from typing import Any, Final

import numba

from market.kernel_types import ARENA, INT
from market.kernels import typed_kernel
from policies.layout import (
    ALMGREN_CHRISS,
    CLOSE,
    CLOSING,
    DONE,
    END,
    HIGH,
    LOT,
    LOW,
    NOW,
    OBIZHAEVA_WANG,
    OPEN,
    OTHERS,
    POV,
    QTY,
    SLICE,
    START,
    TARGET,
    URGENCY,
    VWAP,
)

FLOAT = numba.float64
FLOATS = numba.float64[::1]
SLICE_NS: Final = 10_000_000_000  # one slice is what the schedule asks in ten seconds ...
SLICES_MIN: Final = 20  # ... but never more than a twentieth of the parent
SLICES_MAX: Final = 720  # ... nor less than 1/720: a day of half-minutes
CLOSE_OUT_SHARE: Final = 0.02  # the schedule ends before the window does: time to cross what rests
CLOSE_OUT_NS_MIN: Final = 3_000_000_000  # six decisions of half a second
CLOSE_OUT_DECISIONS: Final = 8  # ... of the close-out: cancel what rests, cross, cross again what an IOC left
CLOSE_OUT_STEP_NS_MIN: Final = 500_000_000  # ... but no faster: answers must be back, and the book refill
NEVER: Final = 1 << 62
TAPER_SHARE: Final = 0.15  # the corridor narrows over the last part of the window, to nothing
KAPPA_T_MIN: Final = 1e-6  # below, the curve is a straight line
KAPPA_T_BY_URGENCY: Final = (1.5, 0.5, 1.0, 1.5, 2.5, 4.0)  # [0]: urgency not said


@typed_kernel(INT, INT)
def schedule_end_ns(start_ns: int, end_ns: int) -> int:
    """Return when the schedule is through: somewhat before the window ends."""
    length = end_ns - start_ns
    lead = min(max(CLOSE_OUT_NS_MIN, int(length * CLOSE_OUT_SHARE)), length // 2)
    return end_ns - lead


@typed_kernel(*[INT] * 6)
def next_decision_ns(
    last_ns: int, event: int, start_ns: int, end_ns: int, interval_ns: int, gap_ns: int
) -> int:
    """Return when the decision after one at `last_ns` is due, NEVER where none fits before the window ends.

    By the interval, after an event by the gap; and where the schedule ends, however long the interval: there
    what is left falls due. From then on decisions come fast enough to try again what did not fill.
    """
    due_ns = last_ns + (gap_ns if event != 0 else interval_ns)
    through_ns = schedule_end_ns(start_ns, end_ns)
    step_ns = max(CLOSE_OUT_STEP_NS_MIN, (end_ns - through_ns) // CLOSE_OUT_DECISIONS)
    if last_ns < through_ns:
        due_ns = min(due_ns, max(through_ns, last_ns + min(gap_ns, step_ns)))
    else:
        due_ns = min(due_ns, last_ns + step_ns)
    return due_ns if due_ns < end_ns else NEVER


@typed_kernel(INT, INT, INT)
def elapsed(now_ns: int, start_ns: int, end_ns: int) -> float:
    """Return how much of the schedule's time is over, 0 to 1."""
    length = schedule_end_ns(start_ns, end_ns) - start_ns
    if length <= 0:
        return 1.0 if now_ns >= start_ns else 0.0
    return min(1.0, max(0.0, (now_ns - start_ns) / length))


@typed_kernel(INT, INT, INT, FLOATS)
def curve_at(ts_ns: int, open_ns: int, close_ns: int, curve: Any) -> float:
    """Return the cumulative share of the day's volume at an instant, linear between the steps."""
    length = close_ns - open_ns
    if length <= 0:
        return 0.0
    x = min(1.0, max(0.0, (ts_ns - open_ns) / length)) * (curve.shape[0] - 1)
    step = min(int(x), curve.shape[0] - 2)
    return float(curve[step] + (curve[step + 1] - curve[step]) * (x - step))


@typed_kernel(INT, INT, INT, INT, INT, FLOATS)
def vwap(now_ns: int, start_ns: int, end_ns: int, open_ns: int, close_ns: int, curve: Any) -> float:
    """In step with a day's cumulative volume curve, given at equal steps from open to close."""
    through_ns = schedule_end_ns(start_ns, end_ns)
    begin = curve_at(start_ns, open_ns, close_ns, curve)
    end = curve_at(through_ns, open_ns, close_ns, curve)
    if not end > begin:
        return elapsed(now_ns, start_ns, end_ns)  # a window outside the session has no curve
    now = curve_at(min(max(now_ns, start_ns), through_ns), open_ns, close_ns, curve)
    return min(1.0, max(0.0, (now - begin) / (end - begin)))


@typed_kernel(INT, INT, INT, FLOAT)
def pov(done_qty: int, others_volume: int, qty: int, rate: float) -> float:
    """A share of all printed volume, own fills counted: own = rate / (1 - rate) x others."""
    due = done_qty + rate / (1.0 - rate) * others_volume
    return min(1.0, due / max(1, qty))


@typed_kernel(INT, INT, INT, FLOAT)
def almgren_chriss(now_ns: int, start_ns: int, end_ns: int, kappa_t: float) -> float:
    """Almgren and Chriss (2000): the more risk-averse, the larger kappa x T, the earlier."""
    left = 1.0 - elapsed(now_ns, start_ns, end_ns)
    if kappa_t < KAPPA_T_MIN:
        return 1.0 - left
    return min(1.0, max(0.0, 1.0 - math.sinh(kappa_t * left) / math.sinh(kappa_t)))


@typed_kernel(INT, INT, INT, FLOAT)
def obizhaeva_wang(now_ns: int, start_ns: int, end_ns: int, rho_t: float) -> float:
    """Obizhaeva and Wang (2013): a block, an even rate, and a block of the same size at the end.

    In a book that refills at rate rho, of X shares in time T each block is X / (rho T + 2).
    """
    if now_ns < start_ns:
        return 0.0
    over = elapsed(now_ns, start_ns, end_ns)
    return 1.0 if over >= 1.0 else (1.0 + rho_t * over) / (rho_t + 2.0)


@typed_kernel(INT, ARENA, FLOATS, FLOATS)
def fraction(kind: int, desk: Any, params: Any, curve: Any) -> float:
    """Return the fraction of a desk's parent that a schedule wants done by now."""
    now_ns, start_ns, end_ns = desk[NOW], desk[START], desk[END]
    if kind == VWAP:
        return vwap(now_ns, start_ns, end_ns, desk[OPEN], desk[CLOSE], curve)
    if kind == POV:
        return pov(desk[DONE], desk[OTHERS], desk[QTY], params[0])
    if kind == ALMGREN_CHRISS:
        kappa_t = params[0] if params[0] >= 0.0 else KAPPA_T_BY_URGENCY[desk[URGENCY]]
        return almgren_chriss(now_ns, start_ns, end_ns, kappa_t)
    if kind == OBIZHAEVA_WANG:
        return obizhaeva_wang(now_ns, start_ns, end_ns, params[0])
    return elapsed(now_ns, start_ns, end_ns)  # TWAP: evenly in time


@typed_kernel(INT, INT, INT)
def whole_lots(shares: int, lot: int, qty: int) -> int:
    """Round down to lots; the last odd piece of a parent belongs to its end."""
    return qty if shares >= qty else shares // lot * lot


@typed_kernel(INT, INT, INT)
def slice_qty(length_ns: int, qty: int, lot: int) -> int:
    """Return one slice in shares: a whole number of lots, at least one."""
    count = min(SLICES_MAX, max(SLICES_MIN, max(1, length_ns) // SLICE_NS))
    return max(lot, -(-qty // (count * lot)) * lot)


@typed_kernel(INT, INT, INT, INT, FLOAT, FLOAT, INT, INT)
def band(
    now_ns: int, start_ns: int, end_ns: int, qty: int, share: float, width: float, lot: int, completes: int
) -> tuple[int, int, int, int, int]:
    """Return target, low, high, slice, closing: the band around a schedule, tapering to its end.

    `completes`: past that end the whole parent is due; without it, only what the schedule says.
    """
    left = 1.0 - elapsed(now_ns, start_ns, end_ns)
    taper = width * min(1.0, left / TAPER_SHARE)
    one = slice_qty(end_ns - start_ns, qty, lot)
    if completes != 0 and left <= 0.0:
        return qty, qty, qty, one, 1
    target = whole_lots(int(share * qty), lot, qty)
    low = max(0, int((share - taper) * qty))
    high = min(qty, math.ceil((share + taper) * qty))
    return target, low, high, one, 0


@typed_kernel(ARENA, FLOAT, FLOAT, INT)
def corridor(desk: Any, share: float, width: float, completes: int) -> None:
    """Write the band of a desk's parent around the fraction that its schedule wants done."""
    desk[TARGET], desk[LOW], desk[HIGH], desk[SLICE], desk[CLOSING] = band(
        desk[NOW], desk[START], desk[END], desk[QTY], share, width, desk[LOT], completes
    )
