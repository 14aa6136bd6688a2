"""Schedules: which fraction of a parent should be done by now. Pure functions of parent, time and volume.

The corridor around the schedule is what `plan` enforces: below it, it crosses; above it, it waits.
The sums are kernels (policies.schedule_kernels), the same for the daemon and for an environment.
"""

from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from policies import schedule_kernels as k

SLICE_NS: Final = k.SLICE_NS
TAPER_SHARE: Final = k.TAPER_SHARE


class Situation(msgspec.Struct, frozen=True, gc=False):
    """What a schedule may know."""

    now_ns: int
    start_ns: int  # the later of the parent's start and its arrival
    end_ns: int
    qty: int
    others_volume: int = 0  # printed since `done_qty` was read, own fills excluded
    done_qty: int = 0  # filled before that: a trader that starts in mid-parent counts from there
    session_open_ns: int = 0
    session_close_ns: int = 0
    urgency: int = 0  # 0 = not said, 1 patient .. 5 urgent


class Corridor(msgspec.Struct, frozen=True, gc=False):
    """Where `cum_qty` should stand now, in shares, and how far it may stray."""

    target: int
    low: int
    high: int
    slice_qty: int
    closing: bool  # past the end of the schedule: what is left is to be done


def elapsed(situation: Situation) -> float:
    """Return how much of the schedule's time is over, 0 to 1."""
    return k.elapsed(situation.now_ns, situation.start_ns, situation.end_ns)


def schedule_end_ns(situation: Situation) -> int:
    """Return when the schedule is through: somewhat before the window ends."""
    return k.schedule_end_ns(situation.start_ns, situation.end_ns)


def twap(situation: Situation) -> float:
    """Evenly in time."""
    return elapsed(situation)


def vwap(situation: Situation, curve: tuple[float, ...]) -> float:
    """In step with a day's cumulative volume curve, given at equal steps from open to close."""
    s = situation
    return k.vwap(s.now_ns, s.start_ns, s.end_ns, s.session_open_ns, s.session_close_ns, curve_array(curve))


def pov(situation: Situation, rate: float) -> float:
    """A share of all printed volume, own fills counted: own = rate / (1 - rate) x others."""
    return k.pov(situation.done_qty, situation.others_volume, situation.qty, rate)


def almgren_chriss(situation: Situation, kappa_t: float) -> float:
    """Almgren and Chriss (2000): the more risk-averse, the larger kappa x T, the earlier."""
    return k.almgren_chriss(situation.now_ns, situation.start_ns, situation.end_ns, kappa_t)


def obizhaeva_wang(situation: Situation, rho_t: float) -> float:
    """Obizhaeva and Wang (2013): a block, an even rate, a block; rho x T: how often the book refills."""
    return k.obizhaeva_wang(situation.now_ns, situation.start_ns, situation.end_ns, rho_t)


def corridor(
    situation: Situation, fraction: float, width: float, lot: int, completes: bool = True
) -> Corridor:
    """Return the band around the schedule, tapering to nothing where the schedule ends.

    `completes`: past that end the whole parent is due; without it, only what the schedule says.
    """
    assert 0.0 <= fraction <= 1.0, f"a schedule wants {fraction} of its parent"
    s = situation
    target, low, high, slice_qty, closing = k.band(
        s.now_ns, s.start_ns, s.end_ns, s.qty, fraction, width, lot, 1 if completes else 0
    )
    return Corridor(target, low, high, slice_qty, closing != 0)


def slice_qty(situation: Situation, lot: int) -> int:
    """Return one slice in shares: a whole number of lots, at least one."""
    return k.slice_qty(situation.end_ns - situation.start_ns, situation.qty, lot)


class _Curve:
    """The curve that was asked for last, as a kernel takes it: a policy asks for one, time after time."""

    steps: tuple[float, ...] = ()
    array: NDArray[Any] = np.zeros(0)


def curve_array(steps: tuple[float, ...]) -> NDArray[Any]:
    """Return a curve as a kernel takes it."""
    if steps is not _Curve.steps:
        _Curve.array = np.array(steps, dtype=np.float64)
        _Curve.steps = steps
    return _Curve.array


def curve_from_shares(shares: tuple[float, ...]) -> tuple[float, ...]:
    """Return the cumulative curve, 0 to 1, of a day's volume by equal bins."""
    total, sums = sum(shares), [0.0]
    for share in shares:
        sums.append(sums[-1] + share / total)
    sums[-1] = 1.0
    return tuple(sums)
