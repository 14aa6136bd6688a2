"""Rewards with the noise taken off: what is added does not depend on what is done, and the noise is less."""

import numpy as np
import pytest

pytest.importorskip("torch")

from policies.baselines import baseline
from research.environment.vector import VectorEnv
from research.training import quiet
from research.training.quiet import Quiet, parts, terms_of, weights
from research.validation.seeds import TRAIN, seeds
from research.worlds.world import Act, Reals

ENVS = 8


def summed(env: VectorEnv, act: Act) -> Reals:
    """Return gain, control and fair of every environment's first episode."""
    env.listed(seeds(TRAIN, ENVS).reshape(ENVS, 1), np.zeros((ENVS, 1), np.int64))
    total, going = np.zeros((ENVS, 3)), np.ones(ENVS, np.bool_)
    obs, mask = env.reset()
    while going.any():
        obs, _, done, mask, _ = env.step(act(obs, mask))
        total[going] += parts(env)[going]
        going &= ~done
    return total


@pytest.mark.slow
def test_what_is_added_is_the_same_whatever_is_done() -> None:
    env = VectorEnv(["plain"], ENVS, 1, threads=1)

    crossed = summed(env, baseline("twap").act_batch)
    rested = summed(env, baseline("twap-passive").act_batch)

    assert (crossed[:, 0] != rested[:, 0]).any()
    np.testing.assert_allclose(crossed[:, 2], rested[:, 2], atol=1e-9)
    together = np.corrcoef(crossed[:, 1], rested[:, 1])[0, 1]
    assert together > 0.9  # but for the end: whoever is done first sees no more of it


@pytest.mark.slow
def test_a_quiet_world_pays_the_same_things_by_other_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "PROBED", 128)
    act = baseline("twap-passive").act_batch
    env = VectorEnv(["plain"], ENVS, 1, threads=1)
    terms = terms_of(env, act)
    world = Quiet(env, terms)
    world.reseed(3)
    obs, mask = world.reset()

    _, reward, _, _, _ = world.step(act(obs, mask))

    assert terms.shape == (1, 3)
    np.testing.assert_allclose(reward, parts(env) @ terms[0], rtol=1e-5)
    np.testing.assert_array_equal(terms, terms_of(env, act))


def test_weights_take_off_what_the_controls_explain() -> None:
    chance = np.random.default_rng(1)
    control, fair, rest = chance.normal(size=(3, 4_000))
    sums = np.stack((-0.5 * control - 2.0 * fair + 0.1 * rest, control, fair), axis=1)

    found = weights(sums)

    assert (sums @ found).std() == pytest.approx(1.0)
    np.testing.assert_allclose(found / found[0], (1.0, 0.5, 2.0), atol=0.01)
    assert weights(sums[:10]).tolist() == [1.0, 0.0, 0.0]  # too few to say
    assert weights(np.zeros((4_000, 3))).tolist() == [1.0, 0.0, 0.0]
