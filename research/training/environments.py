"""The environment as a run sees it: worlds to learn in, a held-out set, and the rules to beat there.

The rules are the baselines of `policies.baselines`. The held-out set is of the purpose
SELECT: it is for choosing, and no claim is made on it.
"""

import importlib
from typing import Any, Final

import msgspec
import numpy as np

from policies.actions import ACTION_TABLE_SHA256
from policies.baselines import baseline
from policies.state import STATE_SPEC_SHA256
from policies.state_features import (
    I_CORRIDOR,
    I_IMBALANCE,
    I_RETURNS,
    I_SPREAD,
    I_TIME,
)
from research.environment.scenarios import SCENARIOS
from research.environment.vector import Settings, VectorEnv
from research.training.learner import Make, TrainingError
from research.training.qlearning import Axis
from research.training.sources import Source, Where
from research.training.trial import Trial
from research.validation.seeds import SELECT, seeds
from research.worlds.world import Act, Reals, World, costs

# Nevmyvaka, Feng and Kearns: time and inventory, here as distance from the schedule, then the market.
AXES: Final = (
    Axis(I_TIME, (0.1, 0.3, 0.6)),
    Axis(I_CORRIDOR, (-0.8, -0.4, -0.1, 0.1, 0.4, 0.8)),
    Axis(I_SPREAD, (0.05, 0.25, 0.45)),
    Axis(I_IMBALANCE, (-0.6, -0.2, 0.2, 0.6)),
    Axis(I_RETURNS, (-0.2, 0.2)),
)

RULES: Final = ("twap", "twap-passive", "twap-improve", "rule")


def market(where: Where) -> Source:
    """Return the environment of a run.

    Raises:
        TrainingError: a scenario or a reward is not known.

    """
    names = list(where.scenarios or SCENARIOS)
    for name in names:
        if name not in SCENARIOS:
            raise TrainingError(f"--scenarios {name}: there is {', '.join(sorted(SCENARIOS))}")
    reward = reward_named(where.reward)

    def worlds(envs: int) -> Make:
        def make(seed: int) -> World:
            return VectorEnv(list(names), envs, seed, reward=reward, threads=where.threads)

        return make

    def trial() -> Trial:
        held_out = seeds(SELECT, where.episodes)[:, None]
        numbers = (np.arange(where.episodes) % len(names))[:, None]

        def play(act: Act) -> Reals:
            world = VectorEnv(
                list(names), where.episodes, 0, threads=where.threads, seeds=held_out, numbers=numbers
            )
            return costs(world, act)

        return Trial(play, {name: baseline(name).act_batch for name in RULES})

    return Source(
        make=worlds,
        trial=trial,
        hashes={"observation": STATE_SPEC_SHA256, "action table": ACTION_TABLE_SHA256},
        axes=AXES,
        about={
            "scenarios": [msgspec.to_builtins(SCENARIOS[name]) for name in names],
            "settings": msgspec.to_builtins(Settings()),
        },
    )


def reward_named(name: str) -> Any:
    """Return a reward plug-in: a module with a function `reward`."""
    if not name.isidentifier():
        raise TrainingError(f"--reward {name}: not a name")
    try:
        return importlib.import_module(f"research.environment.rewards.{name}")
    except ModuleNotFoundError:
        raise TrainingError(f"--reward {name}: there is no research/environment/rewards/{name}.py") from None
