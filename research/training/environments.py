"""The environment as a run sees it: worlds to learn in, a held-out set, and the rules to beat there.

The rules are the baselines of `policies.baselines`, on an even schedule like the policy. The held-out set
is of the purpose SELECT: it is for choosing, and no claim is made on it.
"""

from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from market.flow import calibration
from policies.actions import ACTION_TABLE_SHA256
from policies.baselines import OPTIONS, PolicyError, baseline
from policies.state import STATE_SPEC_SHA256
from policies.state_features import I_CORRIDOR, I_IMBALANCE, I_RETURNS, I_SPREAD, I_TIME
from research.environment import rewarding
from research.environment.scenarios import MIDCAP, SCENARIOS, Scenario, matrix
from research.environment.vector import Settings, VectorEnv
from research.training.learner import Make, UsageError
from research.training.qlearning import Axis
from research.training.quiet import Quiet, terms_of
from research.training.sources import QUIETABLE, Source, Where
from research.training.trial import Trial
from research.validation.seeds import SELECT, seeds
from research.worlds.world import Act, Reals, World, costs

RULES: Final = ("twap", "twap-passive", "twap-improve", "rule")
NS_PER_MS: Final = 1_000_000
SIDE_BY_SIDE: Final = 256  # episodes of the held-out set at a time: a book each

# Nevmyvaka, Feng and Kearns: time and inventory, here as distance from the schedule, then the market.
AXES: Final = (
    Axis(I_TIME, (0.1, 0.3, 0.6)),
    Axis(I_CORRIDOR, (-0.8, -0.4, -0.1, 0.1, 0.4, 0.8)),
    Axis(I_SPREAD, (0.05, 0.25, 0.45)),
    Axis(I_IMBALANCE, (-0.6, -0.2, 0.2, 0.6)),
    Axis(I_RETURNS, (-0.2, 0.2)),
)


def market(where: Where) -> Source:
    """Return the environment of a run.

    Raises:
        UsageError: a scenario or a reward is not known, or the calibration cannot be read.

    """
    known = scenarios_of(where)
    for name in where.scenarios:
        if name not in known:
            raise UsageError(f"--scenarios {name}: there is {', '.join(sorted(known))}")
    if where.reward not in rewarding.names():
        raise UsageError(f"--reward {where.reward}: there is {', '.join(rewarding.names())}")
    rules = rules_of(where.rule)
    # MIDCAP-15 illustrates; who names no scenario does not learn in it.
    names = where.scenarios or [name for name in known if name != MIDCAP]
    chosen: list[str | Scenario] = [known[name] for name in names]
    settings = Settings(
        interval_ns=where.interval_ms * NS_PER_MS,
        gap_ns=min(Settings().gap_ns, where.interval_ms * NS_PER_MS),
        corridor=where.corridor,
        on_fill=where.on_fill,
        on_touch=where.on_touch,
    )
    worlds = Worlds(where, chosen, settings, rules["rule"])
    return Source(
        make=worlds.of,
        trial=lambda: held_out(where, chosen, settings, rules, worlds.any()),
        hashes={"observation": STATE_SPEC_SHA256, "action table": ACTION_TABLE_SHA256},
        axes=AXES,
        about={
            "scenarios": [msgspec.to_builtins(scenario) for scenario in chosen],
            "settings": msgspec.to_builtins(settings),
        },
    )


def scenarios_of(where: Where) -> dict[str, Scenario]:
    """Return the regimes that a run may name: the shipped, or those of a calibration of one's own.

    Raises:
        UsageError: the calibration cannot be read.

    """
    if not where.calibration:
        return dict(SCENARIOS)
    path = Path(where.calibration)
    try:
        market_of = calibration.load(path)
    except ValueError as error:
        raise UsageError(f"--calibration {error}") from None
    return {scenario.name: scenario for scenario in matrix(path.stem, market_of)}


class Worlds:
    """Environments to learn in; openings are played once, whoever asks again gets another seed."""

    def __init__(self, where: Where, chosen: list[str | Scenario], settings: Settings, rule: Act) -> None:
        self._where, self._chosen, self._settings, self._rule = where, chosen, settings, rule
        self._made: dict[int, VectorEnv | Quiet] = {}
        self._terms: Any = None

    def of(self, envs: int) -> Make:
        """Return how worlds of so many environments are made; one at a time is in use."""

        def make(seed: int) -> World:
            if envs not in self._made:
                self._made[envs] = self._quiet(
                    VectorEnv(
                        self._chosen,
                        envs,
                        0,
                        reward=self._where.reward,
                        threads=self._where.threads,
                        settings=self._settings,
                        continuous=self._where.continuous,
                        begun=self.any(),
                    )
                )
            self._made[envs].reseed(seed)
            return self._made[envs]

        return make

    def any(self) -> VectorEnv | None:
        """Return one of the environments that were made, for its openings."""
        made = next(iter(self._made.values()), None)
        return made.env if isinstance(made, Quiet) else made

    def _quiet(self, env: VectorEnv) -> VectorEnv | Quiet:
        if not self._where.quiet or self._where.continuous or self._where.reward != QUIETABLE:
            return env
        if self._terms is None:
            self._terms = terms_of(env, self._rule)
        return Quiet(env, self._terms)


def rules_of(numbers: tuple[float, ...]) -> dict[str, Any]:
    """Return the rules to beat; `numbers` are those of the tuned one.

    Raises:
        UsageError: they are not three, or out of range.

    """
    names = [name for name, _, _ in OPTIONS["rule"]]
    if len(numbers) not in (0, len(names)):
        raise UsageError(f"--rule: give {', '.join(names)}")
    tuned: dict[str, float | int | str] = dict(zip(names, numbers, strict=False))
    try:
        return {name: baseline(name, tuned if name == "rule" else None).act_batch for name in RULES}
    except PolicyError as error:
        raise UsageError(f"--rule: {error}") from None


def held_out(
    where: Where,
    chosen: list[str | Scenario],
    settings: Settings,
    rules: dict[str, Any],
    begun: VectorEnv | None = None,
) -> Trial:
    """Return the held-out set of a run: the same seeds whatever is learnt, scenarios in turn."""
    side = min(SIDE_BY_SIDE, where.episodes)
    count = -(-where.episodes // side) * side
    listed = seeds(SELECT, count).reshape(-1, side, 1)
    numbers = (np.arange(count) % len(chosen)).reshape(-1, side, 1)
    made: dict[bool, VectorEnv] = {}

    def play(act: Act, continuous: bool = where.continuous) -> Reals:
        if continuous not in made:
            made[continuous] = VectorEnv(
                chosen,
                side,
                0,
                threads=where.threads,
                settings=settings,
                continuous=continuous,
                begun=begun,
            )
        world, found = made[continuous], []
        for batch, which in zip(listed, numbers, strict=True):
            world.listed(batch, which)
            found.append(costs(world, act))
        return np.concatenate(found)

    return Trial(play, rules, (lambda act: play(act, False)) if where.continuous else play)
