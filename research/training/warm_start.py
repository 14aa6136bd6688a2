"""Warm start: the actor learns first what a rule does, so that learning by cost begins from the rule.

The rule is asked in every state; what is then done is now and then a random legal action, so that the
pupil also sees states which the rule avoids (Ross and Bagnell 2010). The critic learns nothing here: give
the learner some iterations in which only the critic learns (`critic_first`).
"""

from typing import Final

import numpy as np
import torch
from torch.nn import functional

from research.training.learner import Learner, UsageError, world_seed
from research.training.ppo import PPO
from research.training.run import Plan
from research.training.sources import Source
from research.training.trial import Result, Trial

ENVS: Final = 256
WANDER: Final = 0.1  # share of random actions
EPOCHS: Final = 8
BATCH: Final = 2_048
RATE: Final = 2e-3
RENEWAL: Final = 1_000_003  # worlds of its own: no run is renewed so often


def clone(plan: Plan, found: Source, learner: Learner, trial: Trial) -> Result:
    """Teach a learner's actor a rule; return what it then pays.

    Raises:
        UsageError: there is no such rule, or the learner has no table of actions.

    """
    if plan.warm_start not in trial.rules:
        raise UsageError(f"--warm-start {plan.warm_start}: there is {', '.join(trial.rules)}")
    assert isinstance(learner, PPO)
    if learner.net.log_std is not None:
        raise UsageError("--warm-start: a rule chooses from the table; leave --continuous away")
    seed = learner.args.seed
    world = found.make(ENVS)(world_seed(seed, RENEWAL))
    rule = trial.rules[plan.warm_start]
    chance = np.random.Generator(np.random.PCG64(world_seed(seed, RENEWAL, 1)))
    rows = -(-plan.warm_steps // ENVS)
    obs, mask = world.reset()
    seen = torch.zeros((rows, ENVS, world.obs_size))
    masks = torch.zeros((rows, ENVS, world.actions), dtype=torch.bool)
    done = torch.zeros((rows, ENVS), dtype=torch.int64)
    for row in range(rows):
        actions = rule(obs, mask)
        seen[row], masks[row], done[row] = map(torch.from_numpy, (obs, mask, np.asarray(actions)))
        odd = np.where(mask, chance.random(mask.shape), -1.0).argmax(axis=1)
        actions = np.where(chance.random(ENVS) < WANDER, odd, actions)
        obs, _, _, mask, _ = world.step(actions)
    fit(learner, seen.flatten(0, 1), masks.flatten(0, 1), done.flatten())
    return trial.result(learner.greedy())


def fit(learner: PPO, seen: torch.Tensor, masks: torch.Tensor, done: torch.Tensor) -> None:
    """Fit the actor to the rule's choices."""
    actor = learner.net.actor
    adam = torch.optim.Adam(actor.parameters(), lr=RATE)
    order = torch.Generator().manual_seed(learner.args.seed)
    device = learner.device
    for _ in range(EPOCHS):
        for rows in torch.split(torch.randperm(len(seen), generator=order), BATCH):
            logits = learner.net.logits(seen[rows].to(device), masks[rows].to(device))
            loss = functional.cross_entropy(logits, done[rows].to(device))
            adam.zero_grad(set_to_none=False)
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
