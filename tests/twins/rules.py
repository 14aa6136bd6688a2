"""The rules of baselines, as plainly as they can be written: what policies.tactic_kernels must equal."""

import math

from policies import layout

NOTHING, JOIN, JOIN_HALF, JOIN_CROSS, IMPROVE, IMPROVE_CROSS, BEHIND, CROSS_ONE, CROSS_TWO = (
    *(0, 3, 4, 5),
    *(6, 8, 9, 2, 12),
)


def tactic(kind: int, params: list[float], seen: dict[str, float], mask: int) -> int:
    """Return what a rule does."""
    action = wanted(kind, params, seen)
    if not mask >> action & 1:
        action = action // 3 * 3 if action != CROSS_TWO else NOTHING
    if not mask >> action & 1:
        action = JOIN if mask >> JOIN & 1 else NOTHING
    return action


def wanted(kind: int, params: list[float], seen: dict[str, float]) -> int:
    """Return what it would do if everything were allowed."""
    lag = seen["corridor"]
    if kind == layout.CROSSING:
        behind = seen["lag_slices"] * 10.0
        if behind >= 1.9999:
            return CROSS_TWO
        return CROSS_ONE if behind >= 0.9999 or (seen["closing"] and behind > 0) else NOTHING
    if kind == layout.PASSIVE:
        return JOIN_CROSS if lag >= 0.9 else JOIN
    if kind == layout.IMPROVING:
        return IMPROVE_CROSS if lag >= 0.9 else IMPROVE
    if kind == layout.CONSTANT:
        return int(params[0])
    threshold, edge, patience_s = params
    weight = seen["imbalance_1"] if kind == layout.RULE else 2.0 * seen["microprice"]
    if lag >= edge:
        return JOIN_CROSS
    if weight >= threshold and lag > 0.0:
        return JOIN_HALF if kind == layout.RULE else JOIN_CROSS
    if weight <= -threshold and lag <= 0.0:
        return BEHIND
    if kind == layout.RULE and abs(weight) < threshold and lag > 0.0:
        return IMPROVE if seen["fill_age"] < math.exp(-patience_s / 30.0) else JOIN
    return JOIN
