"""Rewards with the noise of the price taken off, so that what an action did can be seen in them.

In each regime the reward becomes (gain + a x control + b x fair) / scale. `control` is the exogenous price's
move times an even schedule's remainder: no order changes it, and its mean is nothing. `fair` is the rise of
what the rest of the parent is worth at that price rather than at the mid: a potential over states, nothing
at an episode's end (Ng, Harada and Russell 1999). So whatever a and b are, no policy changes its rank in a
regime; they are those that take most noise off sums of some steps, by least squares over episodes of a
rule, played once before learning. `scale` is the noise that is left: a bps counts for more where it is seen
sooner, and a regime whose price runs ten times as far does not drown the others. Under a drift `control`
has a mean, and whoever is done early sees less of it: hundredths of a bps, in the last slices.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from research.environment import layout as e
from research.environment.vector import VectorEnv
from research.worlds.world import Act, Bools, Floats, Infos

PROBED: Final = 1_024  # steps of each regime
PROBE_SEED: Final = 20_240_103
SPAN: Final = 0.8  # noise is that of sums which forget so much a step, as advantages do
FORGOTTEN: Final = 16  # first steps of an environment, in which the sums fill
SCALE_MIN: Final = 1e-3  # bps: a regime without any noise is left as it is


class Quiet:
    """A `VectorEnv` whose rewards are steadier; everything else is its own."""

    def __init__(self, env: VectorEnv, terms: NDArray[np.float64]) -> None:
        """`terms`: a row a regime, weights of gain, control and fair."""
        self.env, self.terms = env, terms
        self.envs, self.obs_size, self.actions, self.dims = env.envs, env.obs_size, env.actions, env.dims

    def reseed(self, seed: int) -> None:
        """Draw other episodes from the next `reset` on."""
        self.env.reseed(seed)

    def reset(self) -> tuple[Floats, Bools]:
        """Begin every environment's first episode."""
        return self.env.reset()

    def step(self, actions: NDArray[Any]) -> tuple[Floats, Floats, Bools, Bools, Infos]:
        """Act in every environment."""
        regime = self.env.world.head[:, e.SCENARIO].copy()  # an episode that ends begins anew elsewhere
        obs, _, done, mask, infos = self.env.step(actions)
        reward = (self.terms[regime] * parts(self.env)).sum(axis=1)
        return obs, reward.astype(np.float32), done, mask, infos


def parts(env: VectorEnv) -> NDArray[np.float64]:
    """Return what the last step did: gain, control and fair, a row an environment."""
    money = env.world.money
    return np.stack((money[:, e.GAIN], money[:, e.CONTROL_MOVE], -money[:, e.FAIR_MOVE]), axis=1)


def terms_of(env: VectorEnv, act: Act) -> NDArray[np.float64]:
    """Return the weights of every regime, from episodes of a rule."""
    env.reseed(PROBE_SEED)
    obs, mask = env.reset()
    steps = FORGOTTEN + -(-PROBED * len(env.scenarios) // env.envs)
    sums = np.zeros((env.envs, 3))
    kept: list[NDArray[np.float64]] = []
    regimes: list[NDArray[np.int64]] = []
    for step in range(steps):
        regime = env.world.head[:, e.SCENARIO].copy()
        obs, _, done, mask, _ = env.step(act(obs, mask))
        sums = SPAN * sums + parts(env)
        if step >= FORGOTTEN:
            kept.append(sums.copy())
            regimes.append(regime)
        sums[done] = 0.0
    found, where = np.concatenate(kept), np.concatenate(regimes)
    return np.stack([weights(found[where == n]) for n in range(len(env.scenarios))])


def weights(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights that leave least noise, over the noise that they leave."""
    found = np.array([1.0, 0.0, 0.0])
    if len(sums) < PROBED // 8:
        return found
    off = sums - sums.mean(axis=0)
    found[1:] = -np.linalg.lstsq(off[:, 1:], off[:, 0], rcond=None)[0]
    left = float((off @ found).std())
    return found / left if left > SCALE_MIN else found
