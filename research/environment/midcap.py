"""MIDCAP-15: a small-tick, wide-spread market, fitted openly and frozen before any policy was trained.

Two numbers are fitted, the price (which makes the spread, in bps, what crossing costs) and how much latent
liquidity steps in (which makes the impact): a TWAP that crosses shall cost 15.2 bps, 7.0 of it impact
against its twin. Nothing else is fitted, and no policy that learns is looked at. Each seed is played on
both sides, so that what the market does by itself cancels. An illustration, never the headline.

    python -m research.environment.midcap        # fits again, writes midcap.json, prints its hash
"""

import hashlib
import sys
from typing import Any, Final

import msgspec
import numpy as np

from market.flow.calibration import Calibration
from market.flow.queue_reactive_defaults import small_tick
from policies.layout import CROSSING
from policies.tactic_kernels import tactics
from research.environment.episode import play
from research.environment.scenarios import HERE, MIDCAP, Parents, Scenario
from research.worlds.world import Actions, Bools, Floats

COST_BPS: Final = 15.2
IMPACT_BPS: Final = 7.0
NEAR_BPS: Final = 0.15  # the fit ends where both are as near
ROUNDS_MAX: Final = 12  # nine were needed
SEEDS: Final = 384  # of the fit, on both sides
SECONDS: Final = 900.0
SIGMA_BPS: Final = 1.2  # of the value, per square root of a second: some 180 bps a day
SHA256: Final = "99f164e1e4c72e95560822344f4043dc11e1e69961661b9d786f52a056a2620d"  # of midcap.json


class Crosser:
    """TWAP that crosses, slice by slice."""

    def act_batch(self, obs: Floats, mask: Bools) -> Actions:
        """Return an action a row."""
        actions = np.zeros(len(obs), dtype=np.int64)
        tactics(CROSSING, np.zeros(3), obs, mask, np.zeros(len(obs), dtype=np.int64), actions)
        return actions


def market(price_e4: int, latent: float) -> Calibration:
    """Return the market of two numbers."""
    base = small_tick()
    return msgspec.structs.replace(
        base,
        name=MIDCAP,
        price_e4=price_e4 // base.tick_e4 * base.tick_e4,
        unit_e4=700,
        value=msgspec.structs.replace(base.value, sigma_bps=SIGMA_BPS, jump_bps=5.0),
        latent=msgspec.structs.replace(base.latent, limits=latent, cancels=latent / 2),
        provenance={"fitted by": "research.environment.midcap", "from": base.name},
    )


def scenario(price_e4: int, latent: float, side: int = 0) -> Scenario:
    """Return the scenario of two numbers."""
    parents = Parents(side=side, seconds=(SECONDS, SECONDS), share=(0.10, 0.20))
    return Scenario(name=MIDCAP, market=market(price_e4, latent), parents=parents)


def measured(price_e4: int, latent: float, seeds: int = SEEDS) -> tuple[float, float, float, float]:
    """Return cost, tactic and impact of the crossing TWAP, and the standard error of the cost."""
    numbers = np.arange(1, seeds + 1, dtype=np.int64) * 7_919
    both = [play(Crosser(), scenario(price_e4, latent, side), numbers) for side in (1, -1)]
    mean: Any = {name: 0.5 * (both[0][name] + both[1][name]) for name in ("cost", "tactic", "impact")}
    error = float(mean["cost"].std() / np.sqrt(seeds))
    return float(mean["cost"].mean()), float(mean["tactic"].mean()), float(mean["impact"].mean()), error


def fit() -> tuple[int, float]:
    """Return price and latent liquidity; each round moves both by what they miss."""
    price_e4, latent = 450_000.0, 1.0
    for _ in range(ROUNDS_MAX):
        cost, tactic, impact, error = measured(int(price_e4), latent)
        print(
            f"price {price_e4 / 1e4:.2f} latent {latent:.3f}: cost {cost:.2f} +- {error:.2f}, "
            f"tactic {tactic:.2f}, impact {impact:.2f}",
            file=sys.stderr,
        )
        if abs(cost - COST_BPS) <= NEAR_BPS and abs(impact - IMPACT_BPS) <= NEAR_BPS:
            break
        price_e4 *= cost / COST_BPS
        latent *= float(np.clip((impact * COST_BPS / cost / IMPACT_BPS) ** 1.5, 0.5, 2.0))
    return int(price_e4) // 100 * 100, latent


def main() -> None:
    """Fit, write, print."""
    price_e4, latent = fit()
    text = msgspec.json.format(msgspec.json.encode(scenario(price_e4, latent)), indent=1) + b"\n"
    (HERE / "midcap.json").write_bytes(text)
    print(hashlib.sha256(text).hexdigest())


if __name__ == "__main__":
    main()
