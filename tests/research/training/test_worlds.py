"""The small worlds: their formulas against plain linear algebra, their rewards against their costs."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from research.worlds import almgren_chriss, known, obizhaeva_wang
from research.worlds.world import Actions, Bools, Floats, costs

SMALL = [almgren_chriss, obizhaeva_wang]


def world_of(module: Any, envs: int, seed: int, **options: Any) -> Any:
    return module.world(envs, seed, **options)


def quadratic(module: Any) -> np.ndarray:
    """The matrix H of the objective x' H x, read off by playing unit schedules and their sums."""
    s = module.Settings()
    unit = np.eye(s.periods)

    def bare(trades: np.ndarray) -> float:
        """The objective as a form: in Almgren and Chriss held = (sum of all) - (done so far)."""
        return float(module.objective(s, trades))

    h = np.zeros((s.periods, s.periods))
    for i, j in product(range(s.periods), repeat=2):
        mixed = 0.5 * (unit[i] + unit[j])  # sums to 1, as the objective wants
        h[i, j] = 2.0 * bare(mixed) - 0.5 * bare(unit[i]) - 0.5 * bare(unit[j])
    return h


@pytest.mark.parametrize("module", SMALL)
def test_the_formula_is_the_solution_of_the_quadratic_programme(module: Any) -> None:
    s = module.Settings()
    h = quadratic(module)

    solved = np.linalg.solve(h, np.ones(s.periods))
    solved /= solved.sum()

    np.testing.assert_allclose(module.optimum(s), solved, atol=1e-9)
    assert module.objective(s, solved) == pytest.approx(solved @ h @ solved)


@pytest.mark.parametrize("module", SMALL)
def test_three_per_cent_would_show_an_even_schedule(module: Any) -> None:
    s = module.Settings()
    even = np.full(s.periods, 1.0 / s.periods)

    assert module.objective(s, even) > 1.06 * module.objective(s, module.optimum(s))


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("module", SMALL)
def test_rewards_add_up_to_the_cost(module: Any, continuous: bool) -> None:
    world = world_of(module, 64, 5, continuous=continuous)
    chance = np.random.default_rng(1)
    obs, mask = world.reset()
    total = np.zeros(64)
    done = np.zeros(64, bool)
    while not done.any():
        if continuous:
            actions: Actions = chance.random((64, 1))
        else:
            actions = np.where(mask, chance.random(mask.shape), -1.0).argmax(axis=1)
        obs, reward, done, mask, infos = world.step(actions)
        total += reward

    assert done.all()
    np.testing.assert_allclose(-total, infos["cost"], atol=1e-5)
    assert obs[:, 1].tolist() == [1.0] * 64


@pytest.mark.parametrize("module", SMALL)
def test_the_noise_is_the_same_under_every_policy(module: Any) -> None:
    def even(obs: Floats, mask: Bools) -> Actions:
        return np.full(len(obs), 2)

    def nothing(obs: Floats, mask: Bools) -> Actions:
        return np.zeros(len(obs), dtype=np.int64)

    late = costs(world_of(module, 4_000, 9), nothing)
    late_expected = costs(world_of(module, 4_000, 9), nothing, "expected")
    soon = costs(world_of(module, 4_000, 9), even)

    assert np.corrcoef(late - late_expected, soon)[0, 1] > 0.8


def test_the_best_of_four_moods_is_what_playing_the_best_pays() -> None:
    """Moods whose best policy is plain: cross at once where the price rises by more than crossing costs."""
    s = known.Settings(fill=0.0, lots=2)

    def at_once(obs: Floats, mask: Bools) -> Actions:
        return np.where(obs[:, 2] > 0, known.CROSS_TWO, known.WAIT)

    paid = costs(known.Known(400, 3, s), at_once)

    np.testing.assert_allclose([paid[mood::4].mean() for mood in range(4)], known.optimum(s))


def test_an_action_that_would_overbuy_is_masked_unless_told_not_to() -> None:
    tight = known.Known(4, 1, known.Settings(lots=1))
    loose = known.Known(4, 1, known.Settings(lots=1, masked=False))

    assert tight.reset()[1].tolist() == [[True, True, True, False]] * 4
    assert loose.reset()[1].all()
    assert loose.step(np.full(4, known.CROSS_TWO))[2].all()
