"""Scenarios: the regimes in which parents are worked, by name, each with the ranges that it is drawn from."""

from typing import Final

import msgspec

from market.flow.zero_intelligence_state import Rates


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
    seconds: tuple[float, float] = (300.0, 300.0)
    share: tuple[float, float] = (0.05, 0.15)  # of the volume that the window would see without it
    limit_chance: float = 0.0
    limit_bps: tuple[float, float] = (0.0, 10.0)
    cap_chance: float = 0.0
    cap: tuple[float, float] = (1.5, 3.0)  # multiples of the share
    must_chance: float = 1.0
    amend_chance: float = 0.0
    pause_chance: float = 0.0


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One regime."""

    name: str
    rates: Rates = Rates()
    price_e4: int = 1_000_000
    tick_e4: int = 100
    lot: int = 1
    round_lot: int = 100
    parents: Parents = Parents()
    latency: Latency = Latency()
    orders_max: int = 1_024
    levels_max: int = 256
    openings: int = 32


PLAIN: Final = Scenario(name="plain")
SCENARIOS: Final = {scenario.name: scenario for scenario in (PLAIN,)}
