"""VectorEnv: many episodes side by side, all arrays; it speaks the protocol of research.worlds.world.

    env = VectorEnv(["plain"], 512, seed=1)
    obs, mask = env.reset()
    obs, reward, done, mask, infos = env.step(actions)

An episode that ends begins anew by itself: `obs` is then the next one's first, and `world.last` what the one
that ended saw last. Which episodes follow each other depends on seed, environment and number alone, not on
threads. Arrays are the environment's own and hold until the next call.
"""

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from policies.layout import TWAP
from policies.state_features import OBS_SIZE
from research.environment import layout as e
from research.environment import rewarding
from research.environment.episode_kernels import begin_all, run
from research.environment.opening_kernels import twins
from research.environment.openings import openings
from research.environment.rewarding import Reward
from research.environment.scenarios import SCENARIOS, Scenario
from research.worlds.world import Bools, Floats, Infos

ACTIONS: Final = 13
ENVS_MAX: Final = 1 << 16  # of a third of a megabyte each: more is a mistake
THREADS_MAX: Final = 64  # more than cores
PIECES_A_THREAD: Final = 4
PIECE_LEAST: Final = 32  # environments: half a millisecond, and a call of a kernel takes 10 us
SEED_MAX: Final = (1 << 62) - 1  # what a flow takes, with room
NS: Final = 1_000_000_000


class UsageError(ValueError):
    """An environment that cannot be: what, and how to mend it."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate's limits file would say; R20's rate is per second."""

    qty_max: int = 5_000
    adv_max_bp: int = 500
    notional_max_ccy: int = 3_000_000
    collar_bp: int = 200
    long_max: int = 200_000
    short_max: int = 200_000
    orders_max: int = 10
    rate: int = 10


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """When decisions are taken, around which schedule, within which limits."""

    interval_ns: int = 5 * NS
    gap_ns: int = NS // 4
    on_fill: bool = False
    on_touch: bool = False
    corridor: float = 0.2
    schedule: int = TWAP
    params: tuple[float, float, float] = (0.0, 0.0, 0.0)
    curve: tuple[float, ...] = (0.0, 1.0)
    completes: bool = True
    limits: Limits = Limits()


class VectorEnv:
    """Environments 0 to envs - 1."""

    def __init__(
        self,
        scenarios: list[str | Scenario],
        envs: int,
        seed: int,
        *,
        reward: Any = "shortfall",
        threads: int = 2,
        settings: Settings | None = None,
        continuous: bool = False,
        fills_max: int = 1,
        log_max: int = 0,
        seeds: NDArray[np.int64] | None = None,
        numbers: NDArray[np.int64] | None = None,
        begun: "VectorEnv | None" = None,
    ) -> None:
        """`begun`: another one of the same scenarios, whose openings serve here too."""
        self.settings = settings or Settings()
        check(envs, seed, threads, self.settings)
        self.scenarios = [named(s) for s in scenarios]
        if not self.scenarios:
            raise UsageError("scenarios: name at least one")
        self.envs, self.obs_size = envs, OBS_SIZE
        self.actions, self.dims = (0, 2) if continuous else (ACTIONS, 0)
        self._reward: Reward = rewarding.named(reward) if isinstance(reward, str) else reward
        self._reward = getattr(reward, "reward", self._reward)  # a plug-in's module
        same = begun is not None and begun.scenarios == self.scenarios
        self.openings: e.Openings = begun.openings if begun is not None and same else openings(self.scenarios)
        orders_max = max(s.orders_max for s in self.scenarios)
        levels_max = max(s.levels_max for s in self.scenarios)
        words, reals = self.openings.flow.shape[2], self.openings.reals.shape[2]
        self.world = e.new_world(envs, orders_max, levels_max, words, reals, fills_max, log_max)
        self.world.book[:] = self.openings.book[0, 0]  # the header says where things lie
        self.terms = terms(self.settings)
        none = np.zeros((envs, 0), dtype=np.int64)
        self._draws = e.Draws(none, none, np.array([seed], dtype=np.int64))
        self._pieces = pieces(envs, threads)
        self._scratch = [e.new_scratch(orders_max) for _ in range(min(threads, len(self._pieces)))]
        self._pool = ThreadPoolExecutor(len(self._scratch) - 1) if len(self._scratch) > 1 else None
        self._taken: NDArray[np.float64] = np.zeros((envs, 2 if continuous else 1), dtype=np.float64)
        self.rewards: NDArray[np.float64] = np.zeros(envs, dtype=np.float64)  # before they are rounded
        if seeds is not None:
            self.listed(seeds, np.zeros_like(seeds) if numbers is None else numbers)

    def reset(self) -> tuple[Floats, Bools]:
        """Begin every environment's first episode; return observations and masks."""
        self.world.head[:, e.RUN] = 0
        self._each(lambda a, b, s: begin_all(a, b, self.world, s, self.openings, self.terms, self._draws))
        return self.world.obs, self.world.mask

    def step(self, actions: NDArray[Any]) -> tuple[Floats, Floats, Bools, Bools, Infos]:
        """Act in every environment; return observations, rewards, ends, masks, and what ended."""
        self._take(actions)
        world, draws = self.world, self._draws
        self._each(lambda a, b, s: run(a, b, self._taken, world, s, self.openings, self.terms, draws))
        self.rewards = self._reward(world.money)
        which = np.flatnonzero(world.done)
        infos = {"env": which, **infos_of(world.ended[which])}
        return world.obs, self.rewards.astype(np.float32), world.done, world.mask, infos

    def listed(self, seeds: NDArray[np.int64], numbers: NDArray[np.int64]) -> None:
        """Play these episodes, [environment, which], in turn from the next `reset` on; none: draw again."""
        if seeds.shape != numbers.shape or len(seeds) != self.envs:
            raise UsageError(f"seeds and scenarios: {self.envs} rows of the same length")
        if seeds.size and not ((seeds >= 0).all() and (seeds <= SEED_MAX).all()):
            raise UsageError(f"seeds: 0 to {SEED_MAX}")
        if numbers.size and not ((numbers >= 0) & (numbers < len(self.scenarios))).all():
            raise UsageError(f"scenarios: 0 to {len(self.scenarios) - 1}")
        self._draws = self._draws._replace(
            seeds=np.ascontiguousarray(seeds, dtype=np.int64),
            numbers=np.ascontiguousarray(numbers, dtype=np.int64),
        )

    def reseed(self, seed: int) -> None:
        """Draw other episodes from the next `reset` on, in the same openings."""
        check(self.envs, seed, len(self._scratch), self.settings)
        self._draws = self._draws._replace(base=np.array([seed], dtype=np.int64))

    def twin_mids2(self, times: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return bid + ask just before some instants of each environment's listed episode, ourselves absent.

        The environments' own markets are overwritten: `reset` afterwards.
        """
        mids2 = np.zeros_like(times)
        self._each(
            lambda a, b, s: twins(a, b, self.world, s, self.openings, self._draws, times, counts, mids2)
        )
        return mids2

    def close(self) -> None:
        """Let the threads go."""
        if self._pool is not None:
            self._pool.shutdown()

    def _take(self, actions: NDArray[Any]) -> None:
        given = np.asarray(actions)
        if self.dims:
            if given.shape != (self.envs, self.dims) or not np.isfinite(given).all():
                raise UsageError(f"actions: {self.envs} rows of {self.dims} finite numbers")
            self._taken[:] = given
            return
        whole = given.shape == (self.envs,) and np.issubdtype(given.dtype, np.integer)
        if not whole or not ((given >= 0) & (given < ACTIONS)).all():
            raise UsageError(f"actions: {self.envs} whole numbers of 0 to {ACTIONS - 1}")
        self._taken[:, 0] = given

    def _each(self, work: Any) -> None:
        """Let the threads do all environments: each takes the next piece when it is done with one."""
        left = iter(self._pieces)

        def labour(scratch: e.Scratch) -> None:
            for first, last in left:
                work(first, last, scratch)

        mine, *others = self._scratch
        futures = [self._pool.submit(labour, scratch) for scratch in others] if self._pool is not None else []
        labour(mine)
        for future in futures:
            future.result()


def pieces(envs: int, threads: int) -> list[tuple[int, int]]:
    """Cut environments into pieces that threads take in turn: one that is held up then takes fewer."""
    most = max(threads, min(threads * PIECES_A_THREAD, envs // PIECE_LEAST)) if threads > 1 else 1
    cuts = np.linspace(0, envs, min(most, envs) + 1).astype(int).tolist()
    return list(itertools.pairwise(cuts))


def infos_of(ended: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Return the records of episodes by name."""
    names = {
        "scenario": e.E_SCENARIO, "opening": e.E_OPENING, "side": e.E_SIDE, "qty": e.E_QTY,
        "filled": e.E_FILLED, "vetoes": e.E_VETOES, "decisions": e.E_DECISIONS, "fills": e.E_FILLS,
        "dropped": e.E_DROPPED, "rejects": e.E_REJECTS, "messages": e.E_MESSAGES,
    }  # fmt: skip
    made: dict[str, NDArray[Any]] = {name: ended[:, at].astype(np.int64) for name, at in names.items()}
    high, low = ended[:, e.E_SEED].astype(np.int64), ended[:, e.E_SEED_LOW].astype(np.int64)
    made["seed"] = (high << 32) | low
    made["cost"] = ended[:, e.E_COST]
    made["passive"] = ended[:, e.E_PASSIVE]
    made["edge"] = ended[:, e.E_EDGE]
    made["seconds"] = ended[:, e.E_SECONDS]
    return made


def named(scenario: str | Scenario) -> Scenario:
    """Return a scenario by its name."""
    if isinstance(scenario, Scenario):
        return scenario
    if scenario not in SCENARIOS:
        raise UsageError(f"scenario {scenario!r}: there is {', '.join(sorted(SCENARIOS))}")
    return SCENARIOS[scenario]


def check(envs: int, seed: int, threads: int, settings: Settings) -> None:
    """Refuse what cannot be, in one line each."""
    bounds = (
        ("envs", envs, 1, ENVS_MAX),
        ("seed", seed, 0, SEED_MAX),
        ("threads", threads, 1, THREADS_MAX),
        ("interval_ns", settings.interval_ns, 1, 3_600 * NS),
        ("gap_ns", settings.gap_ns, 1, settings.interval_ns),
        ("limits.rate", settings.limits.rate, 1, e.SENT_RING),
        ("limits.orders_max", settings.limits.orders_max, 1, e.CHAINS_MAX // 2),
    )
    for name, value, least, most in bounds:
        if not least <= value <= most:
            raise UsageError(f"{name}: {least} to {most}, got {value}")
    if not 0.0 < settings.corridor <= 1.0:
        raise UsageError(f"corridor: above 0, at most 1, got {settings.corridor}")


def terms(settings: Settings) -> e.Terms:
    """Return settings as kernels read them."""
    limits = settings.limits
    stops = e.STOP_ON_FILL * settings.on_fill + e.STOP_ON_TOUCH * settings.on_touch
    return e.Terms(
        pace=np.array([settings.interval_ns, settings.gap_ns, stops], dtype=np.int64),
        schedule=np.array([settings.schedule, settings.completes], dtype=np.int64),
        params=np.array([*settings.params, settings.corridor], dtype=np.float64),
        curve=np.array(settings.curve, dtype=np.float64),
        limits=np.array(
            [
                limits.qty_max, limits.adv_max_bp, limits.notional_max_ccy, limits.collar_bp,
                limits.long_max, limits.short_max, limits.orders_max, limits.rate,
            ],
            dtype=np.int64,
        ),
    )  # fmt: skip
