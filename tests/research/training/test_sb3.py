"""Held against stable-baselines3: on a world of known answer both learn the same, within a band.

It is no dependency of ours: `pip install stable-baselines3` and STEADYHAND_LONG=1 to run these.
"""

import os
from typing import Any

import msgspec
import pytest

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3", reason="stable-baselines3 is not installed")

import stable_baselines3 as sb3
import torch

from benchmarks.sb3 import Face, greedy, silent
from research.training import dqn, ppo
from research.worlds import known
from research.worlds.world import costs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("STEADYHAND_LONG"), reason="minutes: STEADYHAND_LONG=1"),
    pytest.mark.filterwarnings("ignore"),
]

LOOSE = known.Settings(masked=False)  # theirs know no masks
EPISODES = 20_000
OF_THE_OPTIMUM = 0.03  # each of them
OF_EACH_OTHER = 0.03


def world(envs: int, seed: int) -> known.Known:
    return known.Known(envs, seed, LOOSE)


def regret(act: Any) -> float:
    best = float(known.optimum(LOOSE).mean())
    return float((costs(world(EPISODES, 77), act).mean() - best) / abs(best))


def test_ppo_learns_what_theirs_learns() -> None:
    torch.set_num_threads(1)
    args = ppo.Args(envs=256, horizon=32, minibatch=1_024, gae=0.95, entropy=0.01, steps=200_000, seed=1)
    args = msgspec.structs.replace(args, learning_rate=2e-3)
    learner = ppo.PPO(args, lambda seed: world(256, seed))
    model = sb3.PPO(
        "MlpPolicy", Face(world(256, 5)), n_steps=32, batch_size=1_024, n_epochs=4, gamma=1.0,
        gae_lambda=0.95, ent_coef=args.entropy, learning_rate=lambda left: 2e-3 * left, seed=1, device="cpu",
        policy_kwargs={"net_arch": {"pi": [64, 64], "vf": [64, 64]}},
    )  # fmt: skip

    while learner.steps < args.steps:
        learner.iterate()
    silent(model).learn(args.steps)

    mine, its = regret(learner.greedy()), regret(greedy(model))
    assert mine < OF_THE_OPTIMUM
    assert mine < its + OF_EACH_OTHER


def test_dqn_learns_what_theirs_learns() -> None:
    torch.set_num_threads(1)
    args = dqn.Args(
        envs=16, buffer=50_000, starts=2_000, batch=128, every=16, n=1, learning_rate=1e-3, polyak=0.01,
        explore=0.4, steps=120_000, seed=1,
    )  # fmt: skip
    learner = dqn.DQN(args, lambda seed: world(16, seed))
    model = sb3.DQN(
        "MlpPolicy", Face(world(16, 5)), buffer_size=50_000, learning_starts=2_000, batch_size=128, tau=0.01,
        gamma=1.0, train_freq=1, gradient_steps=1, target_update_interval=1, exploration_fraction=0.4,
        exploration_final_eps=0.05, learning_rate=1e-3, seed=1, device="cpu",
        policy_kwargs={"net_arch": [64, 64]},
    )  # fmt: skip

    while learner.steps < args.steps:
        learner.iterate()
    silent(model).learn(args.steps)

    mine, its = regret(learner.greedy()), regret(greedy(model))
    assert mine < OF_THE_OPTIMUM
    assert mine < its + OF_EACH_OTHER
