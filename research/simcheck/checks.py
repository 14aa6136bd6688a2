"""Checks that a simulator must pass before anything learned in it is believed.

Each gives a number, what it should be, and whether it is; what was not run says so and passes nothing.
"""

import math
from typing import NamedTuple

import msgspec

from market.flow.calibration import Calibration
from research.simcheck.impact import (
    Child,
    Parent,
    Path,
    even,
    mean_interval,
    run,
)

ROUND_SEED = 82_000_001
TWIN_SEED = 84_000_001
SMALL_SEED = 85_000_001
SEED_SET = 1_000_000_000  # from one set of seeds to the next: more than any check draws
AA_BAND = (0.035, 0.065)
HELD_BACK_MOST = 0.01  # of the flow's events
LOST = ("pool_full", "refused", "metas_full", "taken_lost", "off_grid", "orders_full", "levels_full")
PASSED, FAILED, NOT_RUN, STATED = "pass", "FAIL", "not run", "stated"
# Where one of these fails, something is to be had for nothing, or the comparison itself is off.
SOUND = ("no-trade twin", "size to 0", "mirror", "round trip", "no dynamic arbitrage", "A/A", "lost at")


class Check(msgspec.Struct, frozen=True):
    """One check's outcome."""

    name: str
    outcome: str  # pass, FAIL, not run; stated: what is so, without a verdict
    value: str
    target: str
    note: str = ""


class Sizes(NamedTuple):
    """How large orders are in this market, and how many runs each check may take."""

    usual: int  # shares of an aggressive order
    volume_per_s: float
    runs: int
    shift: int = 0  # of every seed: another set of them


def outcome(passed: bool) -> str:
    """Return the word."""
    return PASSED if passed else FAILED


def shown(mean: float, low: float, high: float, unit: str = "bps") -> str:
    """Return a mean with its interval."""
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}] {unit}"


def unsound(found: list[Check]) -> tuple[str, ...]:
    """Return the checks without which no gain is to be believed, and which did not pass."""
    due = [check for check in found if check.name.startswith(SOUND)]
    failed = tuple(check.name for check in due if check.outcome == FAILED)
    return failed + tuple(f"{check.name}: {NOT_RUN}" for check in due if check.outcome == NOT_RUN)


def no_trade_twin(calibration: Calibration, sizes: Sizes) -> list[Check]:
    """Two runs without us are the same run, and the price without us goes nowhere on average."""
    looks = (60.0, 300.0)
    first = [run(calibration, TWIN_SEED + sizes.shift + at, [], looks) for at in range(sizes.runs)]
    again = [run(calibration, TWIN_SEED + sizes.shift + at, [], looks) for at in range(min(3, sizes.runs))]
    same = all(a.state_hash == b.state_hash for a, b in zip(first, again, strict=False))
    mean, low, high = mean_interval([one.looks_bps[-1] for one in first])
    zero = low <= 0.0 <= high
    return [
        Check("no-trade twin, same seed", outcome(same), "equal" if same else "different", "equal books"),
        Check("no-trade twin, drift", outcome(zero), shown(mean, low, high), "0 within its interval"),
    ]


def small_order(calibration: Calibration, sizes: Sizes) -> Check:
    """The smallest order costs half the spread and nothing more."""
    over = []
    for at in range(sizes.runs):
        side = 1 if at % 2 == 0 else -1
        one = run(calibration, SMALL_SEED + sizes.shift + at, [Child(0.0, side)], (0.001, 0.002))
        if one.bought + one.sold:
            over.append(side * (abs(one.cash) / one.arrival - 1.0) * 1e4 - one.half_spread_bps)
    mean, low, high = mean_interval(over)
    return Check("size to 0", outcome(abs(mean) < 0.01), shown(mean, low, high), "cost - half spread = 0")


def mirror(found: list[Path]) -> Check:
    """Buying and selling move the price alike."""
    mean, low, high = mean_interval([path.apart_bps for path in found])
    return Check("mirror", outcome(low <= 0.0 <= high), shown(mean, low, high), "buys - sells = 0")


def coded(calibration: Calibration) -> Check:
    """Say whether a response of price to trades is written into the market, or all of it emerges."""
    kick = calibration.reading.kick_bps if calibration.layers.reading else 0.0
    value = f"kick {kick:g} bps" if kick else "none"
    note = "of value, by a market order of the mean size, ours included; the rest emerges" if kick else ""
    return Check("impact response coded", STATED, value, "stated, not judged", note)


def round_trips(calibration: Calibration, sizes: Sizes) -> list[Check]:
    """Whoever buys and sells the same amount loses, however it is spread over time.

    What the position would have made at the prices without us is taken off: its mean is 0, its noise large.
    """
    qty, over = 12 * sizes.usual, 12 * sizes.usual / (0.1 * sizes.volume_per_s)
    shapes = {
        "even in, even out": (over / 2, over / 2),
        "fast in, slow out": (over / 10, over * 0.9),
        "slow in, fast out": (over * 0.9, over / 10),
    }
    rows = []
    for name, (there, back) in shapes.items():
        gains = []
        for at in range(sizes.runs):
            side = 1 if at % 2 == 0 else -1
            inward = even(Parent(qty, 12, there, there), side)
            outward = [Child(there + c.at_s, c.qty) for c in even(Parent(qty, 12, back, back), -side)]
            children = inward + outward
            times = tuple(child.at_s for child in children)
            one = run(calibration, ROUND_SEED + sizes.shift + at, children, (times[-1],))
            none = run(calibration, ROUND_SEED + sizes.shift + at, [], times)
            drift = sum(child.qty * bps for child, bps in zip(children, none.looks_bps, strict=True))
            if one.bought == one.sold == qty:
                gains.append(one.cash / (one.arrival * qty) * 1e4 + drift / qty)
        mean, low, high = mean_interval(gains)
        rows.append(Check(f"round trip, {name}", outcome(high < 0), shown(mean, low, high), "gain < 0"))
    return rows


def dropped(counters: dict[str, int], events: int) -> list[Check]:
    """Nothing is lost at the edges of book and pools; what is held back is rare."""
    lost = sum(counters.get(name, 0) for name in LOST)
    share = counters.get("held_back", 0) / max(events, 1)
    bounded = counters.get("bounded", 0) / max(events, 1)
    return [
        Check("lost at an edge of pools or book", outcome(lost == 0), str(lost), "0"),
        Check("held back for a thin side", outcome(share < HELD_BACK_MOST), f"{share:.2%}", "< 1 %"),
        Check("rates cut to what clocks reach", outcome(bounded < HELD_BACK_MOST), f"{bounded:.2%}", "< 1 %"),
    ]


def law_checks(name: str, exponent: float, low: float, high: float, band: tuple[float, float]) -> Check:
    """Return an impact exponent against literature's square root."""
    if not math.isfinite(exponent):
        words = "too few sizes moved the price the right way"
        return Check(f"impact exponent, {name}", FAILED, "not measurable", f"{band[0]} to {band[1]}", words)
    return Check(
        f"impact exponent, {name}",
        outcome(band[0] <= exponent <= band[1]),
        f"{exponent:.2f} [{low:.2f}, {high:.2f}]",
        f"{band[0]} to {band[1]}",
    )
