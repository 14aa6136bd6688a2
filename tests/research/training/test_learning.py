"""Each learner finds the known answer; what it learnt is what the frozen kernel would do.

A short run of each is held to the optimum here. The long profile (all learners, all worlds, five seeds)
takes half an hour: STEADYHAND_LONG=1.
"""

import os
import re
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from policies import network as kernels
from research.training import dqn, flat, fused, ppo, qlearning
from research.training import network_kernels as nk
from research.training.networks import ActorCritic, Dueling, folded, mlp
from research.training.sources import Where, small
from research.worlds import almgren_chriss, known, obizhaeva_wang

LONG = pytest.mark.skipif(not os.environ.get("STEADYHAND_LONG"), reason="half an hour: STEADYHAND_LONG=1")
WITHIN = 0.03
MODULES: dict[str, Any] = {"almgren-chriss": almgren_chriss, "obizhaeva-wang": obizhaeva_wang}
KINDS: dict[str, Any] = {"ppo": (ppo.PPO, ppo.Args), "dqn": (dqn.DQN, dqn.Args)}
KINDS["qlearning"] = (qlearning.QLearning, qlearning.Args)

PPO = {"envs": 256, "minibatch": 1_024, "learning_rate": 2e-3, "gae": 1.0, "horizon": 48, "entropy": 0.01}
SOFT = PPO | {"horizon": 24, "entropy": 0.0}
DQN = {"envs": 64, "buffer": 50_000, "starts": 2_000, "batch": 256, "every": 16, "n": 3}
DQN |= {"learning_rate": 1e-3, "explore": 0.4}
TABLE = {"envs": 256, "horizon": 24}

SHORT = [
    ("ppo", "almgren-chriss", False, PPO | {"steps": 300_000}),
    ("ppo", "almgren-chriss", True, SOFT | {"steps": 200_000}),
    ("ppo", "known", False, PPO | {"steps": 150_000, "gae": 0.95}),
    ("dqn", "known", False, DQN | {"steps": 80_000}),
    ("ppo", "obizhaeva-wang", False, PPO | {"steps": 300_000}),
    ("qlearning", "almgren-chriss", False, TABLE | {"steps": 2_000_000}),
    ("qlearning", "obizhaeva-wang", False, TABLE | {"steps": 40_000_000, "explore": 0.8}),
    ("qlearning", "known", False, TABLE | {"steps": 1_000_000}),
]
WHOLE = [
    ("ppo", "almgren-chriss", False, PPO | {"steps": 1_000_000}),
    ("ppo", "almgren-chriss", True, SOFT | {"steps": 600_000}),
    ("ppo", "obizhaeva-wang", False, PPO | {"steps": 1_000_000}),
    ("ppo", "obizhaeva-wang", True, SOFT | {"steps": 1_500_000}),
    ("ppo", "known", False, PPO | {"steps": 500_000, "gae": 0.95}),
    ("dqn", "almgren-chriss", False, DQN | {"steps": 600_000, "n": 12}),
    ("dqn", "obizhaeva-wang", False, DQN | {"steps": 600_000, "n": 12}),
    ("dqn", "known", False, DQN | {"steps": 300_000}),
    ("dqn", "known", False, DQN | {"steps": 300_000, "prioritised": 0.6}),
    ("qlearning", "almgren-chriss", False, TABLE | {"steps": 5_000_000}),
    ("qlearning", "obizhaeva-wang", False, TABLE | {"steps": 40_000_000, "explore": 0.8}),
    ("qlearning", "known", False, TABLE | {"steps": 5_000_000}),
]


def regret(learner: str, world: str, continuous: bool, knobs: dict[str, Any], seed: int) -> float:
    """Return how far above the optimum the learnt policy pays, in parts of the optimum's size."""
    found = small(Where(world=world, continuous=continuous, episodes=64 if world in MODULES else 8_000))
    kind, args_of = KINDS[learner]
    more = {"axes": found.axes} if learner == "qlearning" else {}
    args = args_of(seed=seed, **knobs, **more)
    trained = kind(args, found.make(args.envs))
    torch.set_num_threads(1)
    while trained.steps < args.steps:
        trained.iterate()
    paid = found.trial().result(trained.greedy()).cost
    if world == "known":
        best = float(known.optimum(known.Settings()).mean())
    else:
        module = MODULES[world]
        best = float(module.objective(module.Settings(), module.optimum(module.Settings())))
    return (paid - best) / abs(best)


@pytest.mark.slow
@pytest.mark.parametrize(("learner", "world", "continuous", "knobs"), SHORT)
def test_a_learner_comes_within_three_per_cent_of_the_optimum(
    learner: str, world: str, continuous: bool, knobs: dict[str, Any]
) -> None:
    assert regret(learner, world, continuous, knobs, seed=3) < WITHIN


@LONG
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("learner", "world", "continuous", "knobs"), WHOLE)
def test_every_learner_in_every_world_on_five_seeds(
    learner: str, world: str, continuous: bool, knobs: dict[str, Any], seed: int
) -> None:
    assert regret(learner, world, continuous, knobs, seed) < WITHIN


def logits_of(weights: dict[str, np.ndarray], obs: np.ndarray) -> np.ndarray:
    """Run the frozen kernel on named weights."""
    net, first, second = kernels.arena(weights), weights["w1"].shape[0], weights["w2"].shape[0]
    out = np.zeros((len(obs), weights["w3"].shape[0]), np.float32)
    for row, said in zip(obs, out, strict=True):
        said[:] = net[-kernels.forward(row, net, first, second) :]
    return out


def test_two_heads_fold_into_one_layer() -> None:
    torch.manual_seed(1)
    net = Dueling(5, 7, 16)
    torch.nn.init.normal_(net.value.weight)
    torch.nn.init.normal_(net.advantage.weight)
    obs = np.random.default_rng(1).normal(size=(100, 5)).astype(np.float32)

    with torch.no_grad():
        expected = net(torch.from_numpy(obs)).numpy()

    np.testing.assert_allclose(logits_of(folded(net), obs), expected, atol=2e-5)


def test_the_actor_is_frozen_as_it_stands() -> None:
    found = small(Where(world="known", episodes=8))
    learner = ppo.PPO(ppo.Args(envs=8, horizon=8, minibatch=32), found.make(8))
    learner.iterate()
    obs = np.random.default_rng(1).normal(size=(100, 6)).astype(np.float32)

    chosen = learner.greedy()(obs, np.ones((100, 4), bool))

    assert logits_of(learner.policy(), obs).argmax(axis=1).tolist() == chosen.tolist()


def test_a_masked_action_is_never_taken() -> None:
    found = small(Where(world="known", episodes=8))
    mask = np.tile([False, True, False, False], (100, 1))
    obs = np.random.default_rng(1).normal(size=(100, 6)).astype(np.float32)
    learners = [
        ppo.PPO(ppo.Args(envs=8, horizon=8, minibatch=32), found.make(8)),
        dqn.DQN(dqn.Args(envs=8, buffer=1_000), found.make(8)),
        qlearning.QLearning(qlearning.Args(envs=8, horizon=8, axes=found.axes), found.make(8)),
    ]

    for learner in learners:
        assert set(learner.greedy()(obs, mask).tolist()) == {1}


@pytest.mark.parametrize("threads", [1, 3])
def test_the_gradient_by_hand_is_that_of_the_loss(threads: int) -> None:
    found = small(Where(world="known", episodes=8))
    args = ppo.Args(envs=64, horizon=16, minibatch=300, learning_rate=3e-3, entropy=0.1)
    learner = ppo.PPO(args, found.make(64), threads=threads)
    learner.iterate()
    learner.iterate()
    learner.play()
    m = learner._memory
    rollout = (m.obs[:-1].flatten(0, 1), m.mask.flatten(0, 1), m.actions.flatten(0, 1))
    old, advantages, returns = learner.advantages()
    old = old + 0.3 * torch.randn(len(old), generator=torch.Generator().manual_seed(1))  # some ratios clip
    batch = (*rollout, old, advantages, returns)
    rows = torch.randperm(1_024, generator=torch.Generator().manual_seed(2))[:299]
    grad = learner._flat.weights.grad
    assert grad is not None

    grad.zero_()
    loss, facts = learner.loss(*(part[rows] for part in batch))
    loss.backward()
    expected = grad.clone()
    assert learner._fused is not None
    said = learner._fused.gradient(fused.batch_of(*batch), rows, args.clip, args.value, args.entropy)

    torch.testing.assert_close(grad, expected, atol=2e-7, rtol=1e-4)
    torch.testing.assert_close(said, facts.detach(), atol=1e-5, rtol=1e-4)


def test_a_kernel_whose_sums_are_reordered_calls_no_other() -> None:
    """A call is bound to the copy that was loaded first; copies round apart: a cold cache, another run."""
    found = small(Where(world="known", episodes=8))
    learner = ppo.PPO(ppo.Args(envs=8, horizon=8, minibatch=32), found.make(8))
    learner.iterate()
    fast = (nk.learn_part, nk.forward, nk.transposed, nk.moments, nk.descend)

    for kernel in fast:
        assert kernel.overloads
        for compiled in kernel.overloads.values():
            text = str(compiled.library._get_module_for_linking())
            held = set(re.findall(r"^define .*network_kernels\d+(\w+?)B", text, re.MULTILINE))
            assert held == {kernel.py_func.__name__}


def test_a_step_by_the_kernel_is_that_of_torch() -> None:
    torch.manual_seed(1)
    ours, theirs = (flat.Flat(ActorCritic(5, 3, 0, 8, 0.5), 1e-2, 1e-5) for _ in range(2))
    theirs.weights.data.copy_(ours.weights.data)
    assert ours.weights.grad is not None
    assert theirs.weights.grad is not None

    for n in range(200):
        grad = torch.randn(len(ours.weights)) * (1.0 if n % 2 else 0.01)  # cut, and short enough
        ours.weights.grad.copy_(grad)
        ours.follow(0.5)
        theirs.weights.grad.copy_(grad * (0.5 / (grad.norm() + 1e-6)).clamp(max=1.0))
        theirs.adam.step()

    torch.testing.assert_close(ours.weights, theirs.weights, atol=1e-5, rtol=1e-5)
    assert ours.save()["adam_steps"][0] == 200


@pytest.mark.parametrize(("inputs", "outputs", "rows"), [(40, 13, 300), (7, 1, 5), (3, 6, 17)])
def test_what_a_network_says_by_the_kernel_is_what_torch_says(inputs: int, outputs: int, rows: int) -> None:
    torch.manual_seed(2)
    net = mlp(inputs, 10, outputs, 1.0)
    obs = torch.randn(rows, inputs) * 3.0

    said = fused.speaker(net, 64)(obs)

    torch.testing.assert_close(said, net(obs).detach(), atol=2e-6, rtol=1e-5)


class Gamble:
    """Episodes of one decision: what costs 1 for certain, or nothing and once in ten times 8."""

    obs_size, actions, dims = 1, 2, 0

    def __init__(self, envs: int, seed: int) -> None:
        self.envs, self._chance = envs, np.random.default_rng(seed)
        self._obs, self._mask = np.zeros((envs, 1), np.float32), np.ones((envs, 2), bool)

    def reset(self) -> Any:
        return self._obs, self._mask

    def step(self, actions: Any) -> Any:
        unlucky = self._chance.random(self.envs) < 0.1
        cost = np.where(actions == 0, 1.0, np.where(unlucky, 8.0, 0.0))
        infos = {"env": np.arange(self.envs), "cost": cost}
        return self._obs, -cost.astype(np.float32), np.ones(self.envs, bool), self._mask, infos


@pytest.mark.parametrize(("cvar", "chosen"), [(1.0, 1), (0.1, 0)])
def test_whoever_learns_from_the_worst_orders_leaves_a_gamble_that_pays_on_average(
    cvar: float, chosen: int
) -> None:
    args = ppo.Args(envs=64, horizon=16, minibatch=256, learning_rate=1e-2, anneal=False, cvar=cvar)
    learner = ppo.PPO(args, lambda seed: Gamble(64, seed))

    for _ in range(20):
        learner.iterate()

    assert learner.greedy()(np.zeros((1, 1), np.float32), np.ones((1, 2), bool)).tolist() == [chosen]
