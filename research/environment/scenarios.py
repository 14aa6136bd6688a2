"""Scenarios: the regimes in which parents are worked, by name, each with the ranges that it is drawn from.

`plain` is a zero-intelligence market, quick and wrong in its impact: for building and testing. The matrix
crosses calibrated markets with regimes that differ in one way each. `MIDCAP-15` is fitted (midcap.py).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from market.flow import calibration as calibrations
from market.flow.calibration import Calibration
from market.flow.queue_reactive_defaults import large_tick, small_tick
from market.flow.zero_intelligence_state import Rates

Range = tuple[float, float]
HERE: Final = Path(__file__).parent
SHIPPED: Final = Path(calibrations.__file__).parent / "calibrations"  # those fitted to recorded markets
MIDCAP: Final = "MIDCAP-15"


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
    limit_bps: Range = (0.0, 10.0)  # beyond the arrival mid
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
QUIET: Final = Rates(limits_per_s=6.5, markets_per_s=0.4, near_life_s=8.0, far_life_s=50.0)
PLAIN: Final = Scenario(name="plain", market=QUIET, orders_max=1_024, levels_max=256)
LIVELY: Final = Parents(
    share=(0.02, 0.25),
    seconds=(250.0, 900.0),
    limit_chance=0.25,
    limit_bps=(0.0, 15.0),
    cap_chance=0.25,
    must_chance=0.6,
    amend_chance=0.15,
    pause_chance=0.1,
)
ORDINARY: Final = Differs(rate=(0.6, 1.6), sigma=(0.7, 1.4), latent=(0.6, 1.6), branching=(0.6, 1.3))
REGIMES: Final[dict[str, dict[str, Any]]] = {
    "base": {},
    "still": {"differs": {"drift_bps_per_s": (0.0, 0.0), "sigma": (1.0, 1.0)}},  # control: no drift
    "trend": {"differs": {"drift_bps_per_s": (0.01, 0.04)}},
    "calm": {"differs": {"sigma": (0.5, 0.7)}},
    "volatile": {"differs": {"sigma": (1.4, 1.7)}},  # beyond, far orders pile up in a sparse book
    "coarse": {"differs": {"tick": (2, 4)}},
    "impact": {"differs": {"latent": (0.2, 0.5)}},
    "resilient": {"differs": {"latent": (2.0, 3.0)}},
    "bursty": {"differs": {"branching": (1.4, 1.7)}},
    "light": {"parents": {"share": (0.02, 0.05)}},
    "heavy": {"parents": {"share": (0.15, 0.25)}},
    "short": {"parents": {"seconds": (120.0, 120.0)}},
    "long": {"parents": {"seconds": (1_200.0, 3_600.0)}},
    "mixed": {
        "differs": {
            "rate": (0.6, 1.65),
            "sigma": (0.5, 1.7),
            "latent": (0.4, 3.0),
            "branching": (0.1, 1.7),
            "tick": (1, 4),
            "drift_bps_per_s": (0.0, 0.03),
        },
        "latency": {"order_ms": 6.0, "order_sigma": 1.0, "early": 0.5},
        "parents": msgspec.structs.asdict(LIVELY),
    },
}


CROWDED: Final = ("volatile", "resilient", "long", "mixed")  # far orders pile up in such books


def matrix(prefix: str, market: Calibration) -> Iterator[Scenario]:
    """Return a market's regimes."""
    for name, changes in REGIMES.items():
        yield Scenario(
            name=f"{prefix}-{name}",
            market=market,
            differs=msgspec.structs.replace(ORDINARY, **changes.get("differs", {})),
            parents=msgspec.structs.replace(Parents(), **changes.get("parents", {})),
            latency=msgspec.structs.replace(Latency(), **changes.get("latency", {})),
            orders_max=4_096 if name in CROWDED else 2_048,
            levels_max=1_024 if name in CROWDED else 512,
        )


def shipped() -> dict[str, Calibration]:
    """Return the markets fitted to recordings, by name."""
    files = [
        path for path in sorted(SHIPPED.glob("*.json")) if "." not in path.stem
    ]  # X.facts.json: no market
    return {path.stem: calibrations.load(path) for path in files}


def midcap() -> Scenario:
    """Return the fitted scenario, as it was frozen."""
    raw = msgspec.json.decode((HERE / "midcap.json").read_bytes())
    kinds = {"market": Calibration, "differs": Differs, "parents": Parents, "latency": Latency}
    return Scenario(**raw | {name: msgspec.convert(raw[name], kind) for name, kind in kinds.items()})


def scenarios() -> dict[str, Scenario]:
    """Return every scenario by its name."""
    made = [PLAIN, *matrix("large", LARGE), *matrix("small", SMALL)]
    for name, market in shipped().items():
        made += matrix(name, market)
    if (HERE / "midcap.json").is_file():
        made.append(midcap())
    return {scenario.name: scenario for scenario in made}


SCENARIOS: Final = scenarios()
