"""`shuffled`: a policy that is shown other instants' markets, which is what its reading of them is worth.

Where an order stands (time, schedule, own orders, limits) is its own; all that the market tells is another
row's, drawn from what was seen so far. What is left of a gain then does not come of the features.
"""

from typing import Final

import msgspec
import numpy as np

from policies.state_features import I_RESTING, I_SPREAD
from research.baselines.contenders import Contender, hashed
from research.worlds.world import Act, Actions, Bools, Floats

MARKET: Final = slice(I_SPREAD, I_RESTING)  # spread, depths, imbalance, returns, flow, volatility, pace
SEEN_MAX: Final = 8_192  # rows that are drawn from: some minutes of every lane
DRAWS_SEED: Final = 0x5EE


class Shuffled:
    """An `Act` in front of another."""

    def __init__(self, act: Act) -> None:
        self._act = act
        self._chance = np.random.Generator(np.random.Philox(DRAWS_SEED))
        self._seen: Floats | None = None

    def __call__(self, obs: Floats, mask: Bools) -> Actions:
        """Choose for each row by its own place and some row's market."""
        market = obs[:, MARKET].copy()
        self._seen = market if self._seen is None else np.concatenate((self._seen, market))[-SEEN_MAX:]
        told = obs.copy()
        told[:, MARKET] = self._seen[self._chance.integers(0, len(self._seen), len(obs))]
        return self._act(told, mask)


def shuffled(who: Contender) -> Contender:
    """Return a contender that does not know which market it is in."""
    sha256 = hashed([who.sha256, "market features of other instants", DRAWS_SEED, SEEN_MAX])
    return msgspec.structs.replace(who, begin=lambda: Shuffled(who.begin()), sha256=sha256)
