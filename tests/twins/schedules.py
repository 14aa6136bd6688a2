"""Schedules and corridor, as plainly as they can be written: policies.schedule_kernels must equal them."""

import math

from policies.schedule import Corridor, Situation

SLICE_NS = 10_000_000_000
SLICES_MIN = 20
SLICES_MAX = 720
CLOSE_OUT_SHARE = 0.02
CLOSE_OUT_NS_MIN = 3_000_000_000
TAPER_SHARE = 0.15


def elapsed(situation: Situation) -> float:
    """Return how much of the schedule's time is over, 0 to 1."""
    length = schedule_end_ns(situation) - situation.start_ns
    if length <= 0:
        return 1.0 if situation.now_ns >= situation.start_ns else 0.0
    return min(1.0, max(0.0, (situation.now_ns - situation.start_ns) / length))


def schedule_end_ns(situation: Situation) -> int:
    """Return when the schedule is through: somewhat before the window ends."""
    length = situation.end_ns - situation.start_ns
    lead = min(max(CLOSE_OUT_NS_MIN, int(length * CLOSE_OUT_SHARE)), length // 2)
    return situation.end_ns - lead


def next_decision_ns(situation: Situation, event: bool, interval_ns: int, gap_ns: int) -> int | None:
    """Return when the decision after one at `now_ns` is due, None where none fits before the end."""
    last, through, end = situation.now_ns, schedule_end_ns(situation), situation.end_ns
    close_out = max(500_000_000, (end - through) // 8)
    wishes = [last + (gap_ns if event else interval_ns)]
    if last >= through:
        wishes.append(last + close_out)
    else:
        wishes.append(max(through, last + min(gap_ns, close_out)))
    return min(wishes) if min(wishes) < end else None


def twap(situation: Situation) -> float:
    """Evenly in time."""
    return elapsed(situation)


def vwap(situation: Situation, curve: tuple[float, ...]) -> float:
    """In step with a day's cumulative volume curve, given at equal steps from open to close."""
    begin = curve_at(situation, curve, situation.start_ns)
    end = curve_at(situation, curve, schedule_end_ns(situation))
    if not end > begin:
        return elapsed(situation)  # a window outside the session has no curve
    now = min(max(situation.now_ns, situation.start_ns), schedule_end_ns(situation))
    return min(1.0, max(0.0, (curve_at(situation, curve, now) - begin) / (end - begin)))


def curve_at(situation: Situation, curve: tuple[float, ...], ts_ns: int) -> float:
    """Return the cumulative share of the day's volume at an instant, linear between the steps."""
    length = situation.session_close_ns - situation.session_open_ns
    if length <= 0:
        return 0.0
    x = min(1.0, max(0.0, (ts_ns - situation.session_open_ns) / length)) * (len(curve) - 1)
    step = min(int(x), len(curve) - 2)
    return curve[step] + (curve[step + 1] - curve[step]) * (x - step)


def pov(situation: Situation, rate: float) -> float:
    """A share of all printed volume, own fills counted: own = rate / (1 - rate) x others."""
    due = situation.done_qty + rate / (1.0 - rate) * situation.others_volume
    return min(1.0, due / max(1, situation.qty))


def almgren_chriss(situation: Situation, kappa_t: float) -> float:
    """Almgren and Chriss (2000): the more risk-averse, the larger kappa x T, the earlier."""
    left = 1.0 - elapsed(situation)
    if kappa_t < 1e-6:
        return 1.0 - left
    return min(1.0, max(0.0, 1.0 - math.sinh(kappa_t * left) / math.sinh(kappa_t)))


def obizhaeva_wang(situation: Situation, rho_t: float) -> float:
    """Two equal blocks and an even rate between them, rho T times as much as one of them."""
    if situation.now_ns < situation.start_ns:
        return 0.0
    over = elapsed(situation)
    if over >= 1.0:
        return 1.0
    return (1.0 + rho_t * over) / (rho_t + 2.0)


def corridor(
    situation: Situation, fraction: float, width: float, lot: int, completes: bool = True
) -> Corridor:
    """Return the band around the schedule, tapering to nothing where the schedule ends.

    `completes`: past that end the whole parent is due; without it, only what the schedule says.
    """
    left = 1.0 - elapsed(situation)
    taper = width * min(1.0, left / TAPER_SHARE)
    qty = situation.qty
    closing = completes and left <= 0.0
    target = qty if closing else whole_lots(int(fraction * qty), lot, qty)
    low = qty if closing else max(0, int((fraction - taper) * qty))
    high = qty if closing else min(qty, math.ceil((fraction + taper) * qty))
    return Corridor(target, low, high, slice_qty(situation, lot), closing)


def slice_qty(situation: Situation, lot: int) -> int:
    """Return one slice in shares: a whole number of lots, at least one."""
    length = max(1, situation.end_ns - situation.start_ns)
    count = min(SLICES_MAX, max(SLICES_MIN, length // SLICE_NS))
    return max(lot, -(-situation.qty // (count * lot)) * lot)


def whole_lots(shares: int, lot: int, qty: int) -> int:
    """Round down to lots; the last odd piece of a parent belongs to its end."""
    return qty if shares >= qty else shares // lot * lot
