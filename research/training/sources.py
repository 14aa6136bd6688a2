"""Where a run learns: the environment, or one of the small worlds whose best result is known.

`Where` is the part of a run's arguments that says so; it travels to other machines as JSON.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np

from research.training.learner import Make
from research.training.qlearning import Axis
from research.training.trial import Trial
from research.worlds import almgren_chriss, known, obizhaeva_wang
from research.worlds.world import Act, Actions, Bools, Floats, Reals, World, costs

ENVIRONMENT: Final = "environment"
QUIETABLE: Final = "shortfall"  # the reward that `quiet` knows to take noise off
ROUND_TRIPS: Final = "round-trips"  # the adversary's
SMALL: Final = ("known", "almgren-chriss", "obizhaeva-wang")
TRIAL_SEED: Final = 20_240_102  # of the small worlds' held-out episodes


class Where(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is traded in."""

    world: str = ENVIRONMENT
    scenarios: tuple[str, ...] = ()  # none: all that are for training
    calibration: str = ""  # none: the one that is shipped
    reward: str = "shortfall"
    quiet: bool = False  # rewards with the price's noise taken off (quiet.py)
    continuous: bool = False
    interval_ms: int = 5_000  # between decisions
    corridor: float = 0.2  # how far the policy may stray from the schedule
    on_fill: bool = False
    on_touch: bool = False
    rule: tuple[float, ...] = ()  # numbers of the baseline `rule`, as tuned; none: as shipped
    episodes: int = 2_048  # of the held-out set
    threads: int = 2


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a run needs to know of its world."""

    make: Callable[[int], Make]  # of so many environments
    trial: Callable[[], Trial]
    hashes: dict[str, str]
    axes: tuple[Axis, ...]  # of a table
    about: dict[str, Any]  # provenance: what a card of the run says of its world


def source(where: Where) -> Source:
    """Return the source of a name."""
    if where.world in SMALL:
        return small(where)
    if where.world == ROUND_TRIPS:
        from research.training.adversary import trips

        return trips(where)
    from research.training.environments import market

    return market(where)


def small(where: Where) -> Source:
    """Return one of the small worlds."""
    build, key, rules, axes = SMALL_WORLDS[where.world](where.continuous)

    def trial() -> Trial:
        def play(act: Act) -> Reals:
            return costs(build(where.episodes, TRIAL_SEED), act, key)

        return Trial(play, rules)

    probe = build(1, 0)
    about = {"world": where.world, "settings": msgspec.to_builtins(probe.settings)}
    told = json.dumps([about, where.continuous], sort_keys=True).encode()
    return Source(
        make=lambda envs: lambda seed: build(envs, seed),
        trial=trial,
        hashes={"world": hashlib.sha256(told).hexdigest()},
        axes=axes,
        about=about,
    )


def cuts(cells: int) -> tuple[float, ...]:
    """Return the edges that tell 0, 1/cells, 2/cells ... 1 apart."""
    return tuple((i + 0.5) / cells for i in range(cells))


Small = tuple[Callable[[int, int], Any], str, dict[str, Act], tuple[Axis, ...]]


def even(halves: Any, periods: int) -> Act:
    """Return the even schedule of a small world, for either kind of action."""
    slice_ = int(np.flatnonzero(halves == 2)[0])

    def act(obs: Floats, mask: Bools) -> Actions:
        if mask.shape[1] == 1:
            left = np.maximum(np.rint(obs[:, :1] * periods), 1.0)
            return np.asarray(1.0 / left, dtype=np.float32)
        return np.full(len(obs), slice_, dtype=np.int64)

    return act


def almgren_chriss_world(continuous: bool) -> Small:
    """Return Almgren and Chriss's."""

    def build(envs: int, seed: int) -> World:
        return almgren_chriss.world(envs, seed, continuous=continuous)

    periods = almgren_chriss.Settings().periods
    axes = (Axis(0, cuts(periods)), Axis(1, cuts(2 * periods)))
    return build, "expected", {"twap": even(almgren_chriss.HALVES, periods)}, axes


def obizhaeva_wang_world(continuous: bool) -> Small:
    """Return Obizhaeva and Wang's."""

    def build(envs: int, seed: int) -> World:
        return obizhaeva_wang.world(envs, seed, continuous=continuous)

    periods = obizhaeva_wang.Settings().periods
    displaced = tuple(0.05 * n for n in range(1, 9))
    axes = (Axis(0, cuts(periods)), Axis(1, cuts(2 * periods)), Axis(2, displaced))
    return build, "expected", {"twap": even(obizhaeva_wang.HALVES, periods)}, axes


def known_world(continuous: bool) -> Small:
    """Return the market of four moods; it has no continuous actions."""
    del continuous

    def build(envs: int, seed: int) -> World:
        return known.Known(envs, seed)

    def always(action: int) -> Act:
        return lambda obs, _: np.full(len(obs), action, dtype=np.int64)

    s = known.Settings()
    moods = tuple(Axis(2 + mood, (0.5,)) for mood in range(known.MOODS))
    axes = (Axis(0, cuts(s.periods)), Axis(1, cuts(s.lots)), *moods)
    return build, "cost", {"cross": always(known.CROSS_ONE), "join": always(known.JOIN)}, axes


SMALL_WORLDS: Final[dict[str, Callable[[bool], Small]]] = {
    "known": known_world,
    "almgren-chriss": almgren_chriss_world,
    "obizhaeva-wang": obizhaeva_wang_world,
}
