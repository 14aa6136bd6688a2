"""The tiers: which markets a claim is tried in.

T1  the scenarios that it was trained in, other seeds, and openings that no training ever began in
T2  regimes that it was not trained in: those of the list, and some made harder in one way each
T3  other simulators: zero intelligence, other latent liquidity, a propagator over the market, and markets of
    the list that it was not trained in at all
T4  recorded tapes (tape_world.py)

Seeds of a tier are frozen; `fresh` draws others of the same purpose. An opening is a market that was
played for a while; scenarios keep their first ones for training, the tiers begin in as many further ones.
"""

from typing import Any, Final, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from market.flow.calibration import Calibration
from market.flow.philox import draw4
from market.flow.zero_intelligence_state import Rates
from research.environment.layout import S_EPISODE
from research.environment.scenarios import MIDCAP, Differs, Latency, Parents, Scenario
from research.validation.seeds import COUNT, HELD_OUT_REGIMES, HELD_OUT_SEEDS, OTHER_SIMULATORS, seeds
from research.validation.validate_options import ABLATIONS

T = TypeVar("T", Parents, Differs)
SMALLER: Final = 20.0  # parents, where impact is taken away: a twentieth moves next to nothing
# Far orders pile up where the price runs away from them: 5,056 at most in 32 orders of "beyond volatile".
ROOM: Final[dict[str, Any]] = {"orders_max": 8_192, "levels_max": 1_024}
SECONDS: Final = 300.0  # of a regime's ordinary order; one of longer orders plays fewer of them
FEWEST: Final = 4  # ... but a quarter at least
ORDERS_MIN: Final = 8  # of a regime
STRANGE: Final = ("-base", "-mixed")  # regimes of a market that was not trained in


class TierError(Exception):
    """Scenarios that make no tier: what, and how to mend it."""


class Cell(NamedTuple):
    """One scenario of a tier with its seeds."""

    tier: str
    scenario: Scenario
    seeds: NDArray[np.int64]
    overlay: float = 0.0  # the propagator's size, in times of the calibrated
    wide: bool = False  # the corridor leaves everybody free
    shuffled: bool = False  # ours is shown other instants' markets


def family(scenario: Scenario) -> str:
    """Return what a rule is tuned for: one market, whatever the regime."""
    return scenario.market.name if isinstance(scenario.market, Calibration) else "zero-intelligence"


def held_out(scenario: Scenario) -> Scenario:
    """Return a scenario with as many openings again."""
    return msgspec.structs.replace(scenario, openings=2 * scenario.openings)


def opening_of(seed: int, openings: int) -> int:
    """Return the opening in which an episode begins."""
    return int(draw4(seed, S_EPISODE, 0, 0)[0]) % openings


def chosen(purpose: str, orders: int, openings: int, run: int, skip: int = 0) -> NDArray[np.int64]:
    """Return seeds of a purpose whose openings are held out, the first ones after `skip`.

    Raises:
        TierError: the frozen set has fewer.

    """
    picked = [int(s) for s in seeds(purpose, COUNT, run) if opening_of(int(s), openings) >= openings // 2]
    if len(picked) < orders:
        raise TierError(f"--orders {orders}: {purpose} has {len(picked)} seeds in held-out openings")
    return np.roll(np.array(picked, dtype=np.int64), -skip)[:orders]


def cells(
    tiers: list[str],
    scenarios: list[str],
    trained: tuple[str, ...],
    orders: int,
    run: int,
    known: dict[str, Scenario],
) -> list[Cell]:
    """Return what is to be played.

    Raises:
        TierError: a scenario is not known, or none of those that the policy was trained in.

    """
    for name in scenarios:
        if name not in known:
            raise TierError(f"--scenarios {name}: there is {', '.join(sorted(known))}")
    learnt = [name for name in trained if name in known]
    if trained and not learnt and not scenarios:
        raise TierError(
            f"the policy was trained in {', '.join(trained)}, which is not known: give --scenarios"
        )
    learnt = learnt or [name for name in known if name != MIDCAP]
    first = [known[name] for name in scenarios or learnt if scenarios or name != MIDCAP]
    first = first or [known[name] for name in learnt]
    made: list[Cell] = []
    half = max(ORDERS_MIN, orders // 2)
    if "T1" in tiers:
        made += of_tier("T1", HELD_OUT_SEEDS, first, orders, run)
    if "T2" in tiers:
        made += of_tier("T2", HELD_OUT_REGIMES, unknown(first, learnt, known, bool(scenarios)), half, run)
    if "T3" in tiers:
        others = simulators(first) + ([] if scenarios else strangers(learnt, known))
        made += of_tier("T3", OTHER_SIMULATORS, others, half, run)
        for base in one_each(first):
            over = named(base, f"{base.name} + propagator")
            made += [c._replace(overlay=1.0) for c in of_tier("T3", OTHER_SIMULATORS, [over], half, run)]
    return made


def of_tier(tier: str, purpose: str, scenarios: list[Scenario], orders: int, run: int) -> list[Cell]:
    """Return cells; each takes other seeds of the set where it is large enough."""
    made = []
    for number, scenario in enumerate(scenarios):
        wide = held_out(scenario)
        picked = chosen(purpose, orders, wide.openings, run, skip=number * orders)
        made.append(Cell(tier, wide, picked[: fewer(orders, scenario)]))
    return made


def fewer(orders: int, scenario: Scenario) -> int:
    """Return how many orders a regime plays: of long ones fewer, so that regimes cost about the same."""
    longer = sum(scenario.parents.seconds) / 2.0 / SECONDS
    return max(-(-orders // FEWEST), min(orders, round(orders / longer)))


def named(scenario: Scenario, name: str) -> Scenario:
    """Return a scenario under another name."""
    return msgspec.structs.replace(scenario, name=name)


def unknown(
    first: list[Scenario], learnt: list[str], known: dict[str, Scenario], asked: bool
) -> list[Scenario]:
    """Return regimes that training does not know: of the list and, in each market, beyond it."""
    markets = {family(scenario) for scenario in first}
    others = [s for name, s in known.items() if name not in learnt and name != MIDCAP]
    kept = [] if asked else [s for s in others if family(s) in markets]
    return kept + harder(first)


def one_each(scenarios: list[Scenario]) -> list[Scenario]:
    """Return the first scenario of each market."""
    first: dict[str, Scenario] = {}
    for scenario in scenarios:
        first.setdefault(family(scenario), scenario)
    return list(first.values())


def harder(base: list[Scenario]) -> list[Scenario]:
    """Return regimes beyond the list's ranges, each in one way, once for each market."""
    made = []
    for scenario in one_each(base):
        market, p, d = family(scenario), scenario.parents, scenario.differs
        ways: dict[str, dict[str, Any]] = {
            "beyond heavy": {"parents": changed(p, share=(0.25, 0.30))},
            "beyond light": {"parents": changed(p, share=(0.005, 0.01))},
            "slow": {"latency": Latency(order_ms=30.0, report_ms=10.0)},
        }
        if isinstance(scenario.market, Calibration):
            ways |= {
                "beyond volatile": {"differs": changed(d, sigma=(3.5, 4.0)), **ROOM},
                "beyond trend": {"differs": changed(d, drift_bps_per_s=(0.05, 0.08)), **ROOM},
                "beyond coarse": {"differs": changed(d, tick=(5, 6))},
            }
        for way, fields in ways.items():
            made.append(msgspec.structs.replace(scenario, name=f"{market} {way}", **fields))
    return made


def changed(struct: T, **fields: Any) -> T:
    """Return a struct with some fields changed."""
    return msgspec.structs.replace(struct, **fields)


def simulators(first: list[Scenario]) -> list[Scenario]:
    """Return markets made otherwise than those of training."""
    wild = Rates(limits_per_s=9.0, markets_per_s=0.6, near_life_s=6.0, far_life_s=40.0, value_sigma_ticks=0.5)
    made = [Scenario(name="zero intelligence", market=wild)]
    for scenario in one_each(first):
        if isinstance(scenario.market, Calibration):
            for word, latent in (("low", (0.15, 0.2)), ("high", (4.0, 5.0))):
                differs = changed(scenario.differs, latent=latent)
                name = f"{scenario.name} c {word}"
                made.append(msgspec.structs.replace(scenario, name=name, differs=differs, **ROOM))
    return made


def strangers(learnt: list[str], known: dict[str, Scenario]) -> list[Scenario]:
    """Return two regimes of each market that no training saw: the ordinary one, and everything at once."""
    seen = {family(known[name]) for name in learnt}
    return [
        scenario
        for name, scenario in known.items()
        if isinstance(scenario.market, Calibration)
        and family(scenario) not in seen
        and name.endswith(STRANGE)
        and name != MIDCAP
    ]


def ablated(cell: Cell, what: str) -> Cell | None:
    """Return a cell of T1 with one thing taken away; None where the cell does not have it.

    Raises:
        TierError: there is no such ablation.

    """
    if what not in ABLATIONS:
        raise TierError(f"--ablate {what}: there is {', '.join(ABLATIONS)}")
    scenario, market = cell.scenario, cell.scenario.market
    fields: dict[str, Any] = {}
    if what == "latent" and isinstance(market, Calibration):
        layers = msgspec.structs.replace(market.layers, latent=False)
        fields["market"] = msgspec.structs.replace(market, layers=layers)
    elif what == "impact":
        least, most = scenario.parents.share
        fields["parents"] = changed(scenario.parents, share=(least / SMALLER, most / SMALLER))
    elif what == "randomisation" and isinstance(market, Calibration):
        fields["differs"] = Differs()
    if cell.tier != "T1" or not (fields or what in ("corridor", "features")):
        return None
    taken = msgspec.structs.replace(scenario, name=f"{scenario.name} without {what}", **fields)
    tier, wide, shuffled = f"without {what}", what == "corridor", what == "features"
    return cell._replace(tier=tier, scenario=taken, wide=wide, shuffled=shuffled)
