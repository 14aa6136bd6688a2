"""The adversary of the realism battery: PPO paid for what round trips make, which must learn to make nothing.

`steadyhand train --world round-trips --scenarios NAME` is the same as a run; `earns` is for the battery.
"""

from typing import Any, Final

import msgspec
import numpy as np

from research.environment.scenarios import SCENARIOS, Scenario
from research.training.learner import Make, UsageError
from research.training.ppo import PPO, Args
from research.training.qlearning import Axis
from research.training.sources import Source, Where
from research.training.trial import Difference, Trial, interval
from research.validation.seeds import SELECT, seeds
from research.worlds.round_trips import NOTHING, RoundTrips, Settings
from research.worlds.world import Act, Actions, Bools, Floats, Reals, World, costs

ENVS: Final = 128
SIDE_BY_SIDE: Final = 128
EPISODES: Final = 512
SEED: Final = 7
AXES: Final = (
    Axis(0, (0.1, 0.5)),
    Axis(1, (-0.6, -0.2, 0.2, 0.6)),
    Axis(3, (-0.5, 0.0, 0.5)),
    Axis(5, (-0.3, 0.3)),
    Axis(6, (-0.3, 0.3)),
)


def trips(where: Where) -> Source:
    """Return the adversary's market of a run.

    Raises:
        UsageError: not one scenario is named, or it is not known.

    """
    if len(where.scenarios) != 1 or where.scenarios[0] not in SCENARIOS:
        raise UsageError(f"--world round-trips wants one of --scenarios {', '.join(sorted(SCENARIOS))}")
    return source_of(SCENARIOS[where.scenarios[0]], where.episodes)


def source_of(scenario: Scenario, episodes: int, run: int = 0) -> Source:
    """Return the adversary's market of a scenario, tried on seeds of `run`; openings play once a size."""
    made: dict[int, RoundTrips] = {}

    def worlds(envs: int) -> Make:
        def make(seed: int) -> World:
            if envs not in made:
                made[envs] = RoundTrips(scenario, envs, seed)
            made[envs].reseed(seed)
            return made[envs]

        return make

    def trial() -> Trial:
        world = RoundTrips(scenario, SIDE_BY_SIDE, 0)
        batches = seeds(SELECT, -(-episodes // SIDE_BY_SIDE), run).tolist()

        def play(act: Act) -> Reals:
            found = []
            for seed in batches:
                world.reseed(seed)
                found.append(costs(world, act))
            return np.concatenate(found)

        return Trial(play, {"nothing": nothing})

    about: dict[str, Any] = {"world": "round-trips", "settings": msgspec.to_builtins(Settings())}
    return Source(
        make=worlds,
        trial=trial,
        hashes={"world": f"round-trips {scenario.name}"},
        axes=AXES,
        about={**about, "scenario": msgspec.to_builtins(scenario)},
    )


def nothing(obs: Floats, _: Bools) -> Actions:
    """Do not trade."""
    return np.full(len(obs), NOTHING, dtype=np.int64)


def earns(
    scenario: Scenario, steps: int, seed: int = SEED, episodes: int = EPISODES, run: int = 0
) -> Difference:  # fmt: skip
    """Train an adversary; return what it then makes of unseen trips, in bps of a unit, with its interval."""
    found = source_of(scenario, episodes, run)
    learner = PPO(Args(envs=ENVS, steps=steps, seed=seed), found.make(ENVS))
    while learner.steps < steps:
        learner.iterate()
    trial = found.trial()
    return interval(trial.paid("nothing") - trial.played(learner.greedy()))
