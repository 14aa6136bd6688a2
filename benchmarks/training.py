"""Steps a second of training, end to end, beside stable-baselines3's PPO on the very same vector world.

    python benchmarks/training.py [--world environment|known|...] [--rounds 3] [--learn-threads 1]

Both play and learn under the same arguments (`ppo.Args`), two networks of 64 x 64, on one thread of torch;
`--learn-threads 2` lets ours cut its minibatches in two.
Rounds are interleaved, so that whoever else uses the machine slows both; the median of the ratios counts.
"""

import argparse
import json
import statistics
import time
from typing import Any

import stable_baselines3
import torch

from benchmarks.sb3 import Face, silent
from research.training import dqn, ppo, qlearning
from research.training.sources import Where, source

ITERATIONS = 3  # of a round


def ours(make: Any, envs: int, horizon: int, threads: int) -> Any:
    learner = ppo.PPO(ppo.Args(envs=envs, horizon=horizon), make, threads=threads)

    def run() -> int:
        for _ in range(ITERATIONS):
            learner.iterate()
        return ITERATIONS * envs * horizon

    return run


def theirs(make: Any, envs: int, horizon: int) -> Any:
    a = ppo.Args()
    model = stable_baselines3.PPO(
        "MlpPolicy", Face(make(1)), n_steps=horizon, batch_size=a.minibatch, n_epochs=a.epochs, gamma=a.gamma,
        gae_lambda=a.gae, ent_coef=a.entropy, learning_rate=a.learning_rate, device="cpu",
        policy_kwargs={"net_arch": {"pi": [64, 64], "vf": [64, 64]}},
    )  # fmt: skip
    silent(model)

    def run() -> int:
        model.learn(ITERATIONS * envs * horizon, reset_num_timesteps=False)
        return ITERATIONS * envs * horizon

    return run


def playing(make: Any, envs: int, horizon: int) -> Any:
    """The world alone, under random actions."""
    import numpy as np

    world = make(1)
    state = {"mask": world.reset()[1]}
    chance = np.random.default_rng(1)

    def run() -> int:
        for _ in range(horizon):
            dice = chance.random(state["mask"].shape, dtype=np.float32)
            state["mask"] = world.step(np.where(state["mask"], dice, -1.0).argmax(axis=1))[3]
        return envs * horizon

    return run


def other(kind: Any, args: Any, make: Any, iterations: int) -> Any:
    learner = kind(args, make)

    def run() -> int:
        before = learner.steps
        for _ in range(iterations):
            learner.iterate()
        return int(learner.steps - before)

    return run


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--world", default="environment")
    p.add_argument("--scenarios", default="")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--envs", type=int, default=ppo.Args().envs)
    p.add_argument("--horizon", type=int, default=ppo.Args().horizon)
    p.add_argument("--learn-threads", type=int, default=1)
    p.add_argument("--world-threads", type=int, default=2)
    o = p.parse_args()
    torch.set_num_threads(1)
    names = tuple(filter(None, o.scenarios.split(",")))
    found = source(Where(world=o.world, scenarios=names, threads=o.world_threads))
    make = found.make(o.envs)
    runs = {
        "world alone": playing(make, o.envs, o.horizon),
        "ppo": ours(make, o.envs, o.horizon, o.learn_threads),
        "sb3 ppo": theirs(make, o.envs, o.horizon),
        "dqn": other(dqn.DQN, dqn.Args(envs=128, starts=2_000), found.make(128), 1),
        "qlearning": other(
            qlearning.QLearning, qlearning.Args(envs=o.envs, horizon=o.horizon, axes=found.axes), make, 1
        ),
    }
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    for n in range(o.rounds + 1):  # the first one warms
        for name, run in runs.items():
            begin_s = time.perf_counter()
            steps = run()
            if n:
                speeds[name].append(steps / (time.perf_counter() - begin_s))
    ratios = [a / b for a, b in zip(speeds["ppo"], speeds["sb3 ppo"], strict=True)]
    report: dict[str, Any] = {name: round(statistics.median(s)) for name, s in speeds.items()}
    report["ratio to sb3"] = round(statistics.median(ratios), 2)
    print(json.dumps({"world": o.world, "learn_threads": o.learn_threads, **report}))


if __name__ == "__main__":
    main()
