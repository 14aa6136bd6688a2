"""What is drawn from the replay, against a plain list of episodes."""

import numpy as np
import pytest

from research.training.replay import Drawn, Replay, find_leaves, set_leaves

ENVS, N, GAMMA = 3, 4, 0.9


def filled(rows: int, steps: int, cut_at: int = -1, prioritised: float = 0.0) -> Replay:
    """A replay whose rewards say when and where they were paid."""
    replay = Replay(rows, ENVS, 2, 2, N, prioritised=prioritised)
    for t in range(steps):
        if t == cut_at:
            replay.cut()
        obs = np.stack([[t, env] for env in range(ENVS)]).astype(np.float32)
        rewards = np.array([t + 0.1 * env for env in range(ENVS)], dtype=np.float32)
        done = np.array([(t + env) % 7 == 6 for env in range(ENVS)])
        replay.add(obs, np.ones((ENVS, 2), bool), np.full(ENVS, t % 2), rewards, done)
    return replay


@pytest.mark.parametrize("prioritised", [0.0, 0.6])
def test_n_steps_are_added_up_and_end_where_the_episode_ends(prioritised: float) -> None:
    replay = filled(rows=20, steps=53, prioritised=prioritised)
    drawn = Drawn(500, 2, 2)

    replay.draw(np.random.default_rng(1), GAMMA, 0.4, drawn)

    assert {int(x) for x in drawn.obs[:, 0]} == set(range(53 - 20, 53 - N))
    for obs, paid, going, then in zip(drawn.obs, drawn.paid, drawn.going, drawn.then, strict=True):
        t, env = int(obs[0]), int(obs[1])
        total, weight = 0.0, 1.0
        for k in range(N):
            total += weight * (t + k + 0.1 * env)
            weight *= GAMMA
            if (t + k + env) % 7 == 6:
                weight = 0.0
                break
        assert paid == pytest.approx(total, rel=1e-5)
        assert going == pytest.approx(weight, rel=1e-5)
        assert weight == 0.0 or then.tolist() == [t + N, env]


def test_nothing_is_drawn_that_reaches_into_other_worlds() -> None:
    replay = filled(rows=40, steps=30, cut_at=15)
    drawn = Drawn(2_000, 2, 2)

    replay.draw(np.random.default_rng(1), GAMMA, 0.4, drawn)

    seen = {int(x) for x in drawn.obs[:, 0]}
    assert seen == set(range(15 - N)) | set(range(15, 30 - N))


def test_leaves_are_found_as_often_as_they_weigh() -> None:
    leaves = 8
    tree = np.zeros(2 * leaves)
    weights = np.array([0.0, 1.0, 2.0, 0.0, 4.0, 1.0])
    set_leaves(tree, leaves, np.arange(6), weights)
    targets = np.linspace(0.0, tree[1], 8_001)[:-1]
    slots = np.zeros(8_000, np.int64)

    find_leaves(tree, leaves, targets, slots)

    assert tree[1] == pytest.approx(8.0)
    np.testing.assert_allclose(np.bincount(slots, minlength=6) / 1_000, weights, atol=0.01)


def test_what_was_saved_is_drawn_alike() -> None:
    replay = filled(rows=20, steps=33, prioritised=0.6)
    again = Replay(20, ENVS, 2, 2, N, prioritised=0.6)
    again.load(replay.save())
    one, two = Drawn(50, 2, 2), Drawn(50, 2, 2)

    replay.draw(np.random.default_rng(2), GAMMA, 0.4, one)
    again.draw(np.random.default_rng(2), GAMMA, 0.4, two)

    for name in vars(one):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
