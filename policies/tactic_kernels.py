"""Rules as one kernel: an observation and a mask in, an action of the table out.

What baselines do in the daemon and in an environment is this code. `params` by kind:
  CROSSING, PASSIVE, IMPROVING  none
  RULE        imbalance threshold (0..1), lag band (half widths of the corridor), patience (seconds)
  MICROPRICE  threshold (half spreads, 0..1), lag band
  CONSTANT    the action
  RANDOM      none; `draw` picks among what is allowed
"""

import math
from typing import Any, Final

import numba

from market.kernel_types import INT
from market.kernels import typed_kernel
from policies.layout import CONSTANT, CROSSING, IMPROVING, MICROPRICE, PASSIVE, RANDOM, RULE
from policies.state_features import (
    I_CLOSING,
    I_CORRIDOR,
    I_FILL_AGE,
    I_IMBALANCE,
    I_LAG_SLICES,
    I_MICRO,
)

OBS = numba.float32[::1]
FLOATS = numba.float64[::1]
MASKS = numba.boolean[::1]
NOTHING, CROSS_ONE, CROSS_TWO = 0, 2, 12  # rows of plan_kernels.ACTIONS
JOIN, JOIN_HALF, JOIN_CROSS, IMPROVE, IMPROVE_CROSS, BEHIND = 3, 4, 5, 6, 8, 9
LAST: Final = 12
CATCH_UP_AT: Final = 0.9  # of the corridor's half width: just before the plan would force it
ROUNDING: Final = 1e-4  # one slice behind is one slice behind, in float32 too
FILL_AGE_S: Final = 30.0  # scale of the feature fill_age


@typed_kernel(INT, INT)
def legal(action: int, mask: int) -> int:
    """Return the action, or where it is masked what comes nearest: rest without crossing, join, nothing."""
    if not (mask >> action) & 1:
        action = NOTHING if action == CROSS_TWO else action // 3 * 3
    if not (mask >> action) & 1:
        action = JOIN if (mask >> JOIN) & 1 else NOTHING
    return action


@typed_kernel(OBS)
def crossing(obs: Any) -> int:
    """Cross whole slices as they fall due; two where more than one is missing."""
    behind = float(obs[I_LAG_SLICES]) * 10.0
    if behind >= 2.0 - ROUNDING:
        return CROSS_TWO
    if behind >= 1.0 - ROUNDING or (obs[I_CLOSING] != 0.0 and behind > 0.0):
        return CROSS_ONE
    return NOTHING


@typed_kernel(OBS)
def passive(obs: Any) -> int:
    """Join the touch; cross a slice near the corridor's lower edge."""
    return JOIN_CROSS if float(obs[I_CORRIDOR]) >= CATCH_UP_AT else JOIN


@typed_kernel(OBS)
def improving(obs: Any) -> int:
    """Rest one tick inside the spread; cross a slice near the corridor's lower edge."""
    return IMPROVE_CROSS if float(obs[I_CORRIDOR]) >= CATCH_UP_AT else IMPROVE


@typed_kernel(OBS, FLOATS)
def rule(obs: Any, params: Any) -> int:
    """Join, and cross where the price is about to leave, where the schedule lacks, or patience is over.

    The book leans where our side of the touch outweighs the other by the threshold: then half a slice
    crosses, if any is due. It leans towards us by as much: then the order waits one level behind.
    Without a fill for `patience` seconds, and behind the schedule, it rests inside the spread.
    """
    leaning, lag = float(obs[I_IMBALANCE]), float(obs[I_CORRIDOR])
    if lag >= params[1]:
        return JOIN_CROSS
    if leaning >= params[0]:
        return JOIN_HALF if lag > 0.0 else JOIN
    if -leaning >= params[0]:
        return BEHIND if lag <= 0.0 else JOIN
    waited = float(obs[I_FILL_AGE]) < math.exp(-params[2] / FILL_AGE_S)
    return IMPROVE if waited and lag > 0.0 else JOIN


@typed_kernel(OBS, FLOATS)
def microprice(obs: Any, params: Any) -> int:
    """Join; cross a slice where the microprice leaves us by the threshold, wait behind where it comes."""
    leaving, lag = 2.0 * float(obs[I_MICRO]), float(obs[I_CORRIDOR])
    if lag >= params[1]:
        return JOIN_CROSS
    if leaving >= params[0]:
        return JOIN_CROSS if lag > 0.0 else JOIN
    return BEHIND if -leaving >= params[0] and lag <= 0.0 else JOIN


@typed_kernel(INT, INT)
def drawn(mask: int, draw: int) -> int:
    """Return one of the allowed actions; `draw` is any integer of a counter-based stream, 0 or more."""
    allowed = 0
    for i in range(LAST + 1):
        allowed += (mask >> i) & 1
    nth = draw % max(1, allowed)
    for i in range(LAST + 1):
        if (mask >> i) & 1:
            if nth == 0:
                return i
            nth -= 1
    return NOTHING


@typed_kernel(INT, FLOATS, OBS, INT, INT)
def tactic(kind: int, params: Any, obs: Any, mask: int, draw: int) -> int:
    """Return the action of a rule, always one that the mask allows."""
    action = NOTHING
    if kind == CROSSING:
        action = crossing(obs)
    elif kind == PASSIVE:
        action = passive(obs)
    elif kind == IMPROVING:
        action = improving(obs)
    elif kind == RULE:
        action = rule(obs, params)
    elif kind == MICROPRICE:
        action = microprice(obs, params)
    elif kind == CONSTANT:
        action = min(LAST, max(NOTHING, int(params[0])))
    elif kind == RANDOM:
        return drawn(mask, draw)
    return legal(action, mask)


@typed_kernel(MASKS)
def bits_of(allowed: Any) -> int:
    """Return a mask's bits; an environment gives it as one boolean an action."""
    bits = 0
    for i in range(allowed.shape[0]):
        bits |= int(allowed[i]) << i
    return bits


@typed_kernel(INT, FLOATS, numba.float32[:, ::1], numba.boolean[:, ::1], *[numba.int64[::1]] * 2)
def tactics(kind: int, params: Any, obs: Any, allowed: Any, draws: Any, actions: Any) -> None:
    """Write a rule's action for each row of an environment's observations and masks."""
    for i in range(obs.shape[0]):
        actions[i] = tactic(kind, params, obs[i], bits_of(allowed[i]), draws[i])
