"""Scenarios: the regimes in which parents are worked, by name, each with the ranges that it is drawn from."""

from typing import Final

import msgspec

from market.flow.calibration import Calibration
from market.flow.queue_reactive_defaults import large_tick, small_tick
from market.flow.zero_intelligence_state import Rates

Range = tuple[float, float]


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """How long messages take, in milliseconds: medians and the spread of their logarithms."""

    order_ms: float = 3.0  # from decision to exchange, with the feed's own
    order_sigma: float = 0.6
    report_ms: float = 1.0  # from exchange to trader, beyond the feed's
    report_sigma: float = 0.6
    early: float = 0.3  # chance that a report overtakes the feed


class Parents(msgspec.Struct, frozen=True, kw_only=True):
    """What parents are drawn from."""

    side: int = 0  # +1, -1, 0 = either
    seconds: Range = (300.0, 300.0)
    share: Range = (0.05, 0.15)  # of the volume that the window would see without it
    limit_chance: float = 0.0
    limit_bps: Range = (0.0, 10.0)
    cap_chance: float = 0.0
    cap: Range = (1.5, 3.0)  # multiples of the share
    must_chance: float = 1.0
    amend_chance: float = 0.0
    pause_chance: float = 0.0


class Differs(msgspec.Struct, frozen=True, kw_only=True):
    """By how much each opening differs from its calibration: multiples, evenly in their logarithms."""

    rate: Range = (1.0, 1.0)
    sigma: Range = (1.0, 1.0)
    latent: Range = (1.0, 1.0)
    branching: Range = (1.0, 1.0)
    tick: tuple[int, int] = (1, 1)
    drift_bps_per_s: Range = (0.0, 0.0)  # either sign
    open_s: Range = (1_800.0, 18_000.0)  # time of day


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One regime."""

    name: str
    market: Calibration | Rates
    differs: Differs = Differs()
    price_e4: int = 1_000_000  # of zero-intelligence markets; a calibration brings its own
    tick_e4: int = 100
    lot: int = 1
    round_lot: int = 100
    parents: Parents = Parents()
    latency: Latency = Latency()
    orders_max: int = 2_048
    levels_max: int = 512
    openings: int = 32


LARGE, SMALL = large_tick(), small_tick()
PLAIN: Final = Scenario(
    name="plain", market=Rates(limits_per_s=6.5, markets_per_s=0.4, near_life_s=8.0, far_life_s=50.0)
)
SCENARIOS: Final = {
    scenario.name: scenario
    for scenario in (
        PLAIN,
        Scenario(name="large", market=LARGE),
        Scenario(name="small", market=SMALL),
    )
}
