"""Deep Q network (Mnih et al. 2015): double, duelling, n-step, with action masks.

What differs from the paper, and where it is from:
 1. The next action is chosen by the network that learns and valued by its slow copy (van Hasselt 2016).
 2. Value and advantages have heads of their own on one trunk (Wang 2016), folded into one layer when frozen.
 3. n-step returns, n = 5, without correction for exploration (Hessel 2018, Rainbow).
 4. The slow copy follows by 0.005 at each update (Lillicrap 2016) in place of a copy every so often.
 5. Huber loss, gradient norm clipped at 10, Adam (Mnih clips the error; RMSProp).
 6. Masked actions are neither explored nor looked at in the maximum.
 7. Many environments step together; one update for every `every` decisions of theirs.
 8. gamma = 1; rewards are divided by the spread of the n-step returns of the first, random steps.
 9. Prioritised replay (Schaul 2016) where `prioritised` > 0: its exponent; weights by `beta`, rising to 1.
Read top to bottom: Args, DQN (play, learn).
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from research.training import knobs as k
from research.training.flat import Flat
from research.training.learner import (
    Make,
    Numbers,
    Tensors,
    TrainingError,
    UsageError,
    finite,
    world_seed,
)
from research.training.networks import NEVER, Dueling, folded
from research.training.replay import Drawn, Replay
from research.worlds.world import Act, Actions, Bools, Floats

ADAM_EPSILON: Final = 1e-5
SCALE_MIN: Final = 1e-6  # a world that pays nothing is left as it is
CHUNK: Final = 8_192  # decisions in an iteration, at least


class Args(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every knob."""

    envs: k.Many = 128
    buffer: k.Stored = 500_000  # decisions
    batch: k.Many = 512
    every: k.Many = 32  # decisions for one update
    starts: k.Steps = 10_000  # random decisions before the first update
    n: k.Count = 5
    learning_rate: k.Share = 2e-4
    gamma: k.Share = 1.0
    polyak: k.Rate = 0.005
    epsilon_first: k.Share = 1.0
    epsilon_last: k.Share = 0.05
    explore: k.Rate = 0.1  # of all steps, over which epsilon falls
    prioritised: k.Share = 0.0  # 0 = drawn evenly; 0.6 is Schaul's
    beta: k.Share = 0.4
    grad_norm: k.Weight = 10.0
    hidden: k.Units = 64
    steps: k.Steps = 4_000_000
    seed: k.Seed = 7


class DQN:
    """Action values, a slow copy of them, a memory, and the worlds that it learns in."""

    def __init__(
        self,
        args: Args,
        make: Make,
        device: str = "cpu",
        rank: int = 0,
        workers: int = 1,
        reduce: Callable[[Tensor], None] | None = None,
    ) -> None:
        self.args, self.device = args, torch.device(device)
        self.steps, self.episodes = 0, 0
        self._make, self._rank, self._workers = make, rank, workers
        self._reduce = reduce
        self._renewals, self._due = 0, 0
        self._scale = 0.0  # of rewards; 0 = not known yet
        self._world = make(world_seed(args.seed, 0, rank))
        if not self._world.actions:
            raise UsageError("dqn chooses from a table of actions; continuous actions need --learner ppo")
        self._obs, self._mask = self._world.reset()
        obs_size, actions = self._world.obs_size, self._world.actions
        torch.manual_seed(args.seed)  # every worker begins with the same weights
        self.net = Dueling(obs_size, actions, args.hidden).to(self.device)
        self._slow = Dueling(obs_size, actions, args.hidden).to(self.device)
        self._flat = Flat(self.net, args.learning_rate, ADAM_EPSILON)
        self._slow_flat = Flat(self._slow, 0.0, ADAM_EPSILON)
        self._slow_flat.weights.data.copy_(self._flat.weights.data)
        self._chance = np.random.Generator(np.random.PCG64(world_seed(args.seed, 0, 1_000 + rank)))
        rows = max(args.buffer // args.envs, 2 * args.n + 2)
        self._replay = Replay(rows, args.envs, obs_size, actions, args.n, prioritised=args.prioritised)
        self._drawn = Drawn(args.batch, obs_size, actions)

    def iterate(self) -> dict[str, float]:
        """Play and learn for a while."""
        a = self.args
        ended: list[NDArray[np.float64]] = []
        paid = np.zeros(a.envs)
        losses: list[float] = []
        values: list[float] = []
        for _ in range(-(-CHUNK // a.envs)):
            ended.append(self.play(paid))
            self._due += a.envs
            if self.steps < a.starts * self._workers:
                self._due = 0
                continue
            while self._due >= a.every:
                self._due -= a.every
                loss, value = self.learn()
                losses.append(loss)
                values.append(value)
        finite(self._obs, paid, self.steps)
        costs = np.concatenate(ended)
        self.episodes += len(costs) * self._workers
        loss = float(np.mean(losses)) if losses else 0.0
        if not np.isfinite(loss):
            raise TrainingError(
                f"the loss is not a number after step {self.steps:,}: lower the learning rate"
            )
        return {
            "loss": loss,
            "value": float(np.mean(values)) if values else 0.0,
            "epsilon": self.epsilon(),
            "cost": float(np.mean(costs)) if len(costs) else float("nan"),
        }

    def epsilon(self) -> float:
        """Return how often chance decides now."""
        a = self.args
        share = min(1.0, self.steps / (a.explore * a.steps))
        return a.epsilon_first + share * (a.epsilon_last - a.epsilon_first)

    def play(self, paid: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take one decision in every environment, add up rewards; return the costs of what ended."""
        obs, mask = self._obs.copy(), self._mask.copy()
        dice = self._chance.random((self.args.envs, mask.shape[1] + 1), dtype=np.float32)
        actions = np.where(mask, dice[:, 1:], -1.0).argmax(axis=1)
        follow = dice[:, 0] >= self.epsilon()
        if follow.any():
            actions = np.where(follow, self.greedy()(obs, mask), actions)
        self._obs, rewards, done, self._mask, infos = self._world.step(actions)
        self._replay.add(obs, mask, actions, rewards, done)
        paid += rewards
        self.steps += self.args.envs * self._workers
        return np.asarray(infos["cost"], dtype=np.float64)

    def learn(self) -> tuple[float, float]:
        """Take one step on a drawn batch; return its loss and mean value."""
        a, d = self.args, self._drawn
        beta = a.beta + (1.0 - a.beta) * min(1.0, self.steps / a.steps)
        self._replay.draw(self._chance, a.gamma, beta, d)
        if not self._scale:
            self._scale = self.shared_scale(d.paid)
        obs, then, then_mask = self.seen(d.obs), self.seen(d.then), self.seen(d.then_mask)
        with torch.inference_mode():
            best = self.net(then).masked_fill(~then_mask, NEVER).argmax(dim=1, keepdim=True)
            after = self._slow(then).gather(1, best).squeeze(1)
            target = self.seen(d.paid) / self._scale + self.seen(d.going) * after
        said = self.net(obs).gather(1, self.seen(d.actions).unsqueeze(1)).squeeze(1)
        losses = functional.smooth_l1_loss(said, target.clone(), reduction="none")
        loss = (losses * self.seen(d.weights)).mean()
        self._flat.step(loss, a.grad_norm, self._reduce, self._workers)
        self._slow_flat.weights.data.lerp_(self._flat.weights.data, a.polyak)
        self._replay.learnt(d.slots, (said.detach() - target).cpu().numpy())
        return float(loss.detach()), float(said.detach().mean()) * self._scale

    def seen(self, array: NDArray[Any]) -> Tensor:
        """Return an array on the device of the network."""
        return torch.from_numpy(array).to(self.device)

    def shared_scale(self, paid: Floats) -> float:
        """Return the spread of n-step returns, the same in every worker."""
        moments = torch.tensor([float(paid.std())], dtype=torch.float64)
        if self._reduce is not None:
            self._reduce(moments)
            moments /= self._workers
        found = float(moments[0])
        return found if found > SCALE_MIN else 1.0

    def greedy(self) -> Act:
        """Return the action of the highest value."""
        net, device = self.net, self.device

        def act(obs: Floats, mask: Bools) -> Actions:
            with torch.inference_mode():
                allowed = torch.from_numpy(mask).to(device)
                values = net(torch.from_numpy(obs).to(device)).masked_fill(~allowed, NEVER)
                return np.asarray(values.argmax(dim=1).cpu().numpy())

        return act

    def renew(self) -> None:
        """Begin new worlds."""
        self._renewals += 1
        self._world = self._make(world_seed(self.args.seed, self._renewals, self._rank))
        self._obs, self._mask = self._world.reset()
        self._replay.cut()

    def save(self) -> tuple[Tensors, Numbers]:
        """Return weights, the optimiser's memory, the replay and the state of chance."""
        tensors = {**self._flat.save(), **self._replay.save()}
        tensors["slow"] = self._slow_flat.weights.detach().cpu().numpy().copy()
        numbers: Numbers = {"steps": self.steps, "episodes": self.episodes, "renewals": self._renewals}
        numbers |= {"scale": self._scale, "due": self._due, "chance": self._chance.bit_generator.state}
        return tensors, numbers

    def load(self, tensors: Tensors, numbers: Numbers) -> None:
        """Go on from what `save` returned."""
        self._flat.load(tensors)
        self._slow_flat.weights.data.copy_(torch.from_numpy(tensors["slow"].copy()))
        self._replay.load(tensors)
        self._chance.bit_generator.state = numbers["chance"]
        self.steps, self.episodes, self._due = numbers["steps"], numbers["episodes"], numbers["due"]
        self._scale, self._renewals = numbers["scale"], numbers["renewals"]
        self.renew()

    def policy(self) -> Tensors:
        """Return the network, its heads folded, by the names of an artefact."""
        return dict(folded(self.net))
