"""Proximal policy optimisation (Schulman et al. 2017), with action masks; discrete or continuous.

What differs from the paper, and where it is from:
 1. Advantages by GAE(lambda), normalised in each minibatch (Schulman 2016; Andrychowicz 2021, C67).
 2. Adam with epsilon 1e-5, its rate falling to 0 over the run; gradient norm clipped (OpenAI baselines).
 3. Orthogonal first weights, the actor's last layer 100 times smaller (Andrychowicz 2021, C57).
 4. Masked logits are -1e9, in acting and learning alike (Huang and Ontanon 2022).
 5. The value loss is not clipped (Andrychowicz 2021, C43: clipping it hurts).
 6. gamma = 1: episodes are short and cost counts the same whenever it is paid.
 7. Returns are divided by their spread in the first rollout: bps of a cheap and of a dear market train alike.
 8. Continuous actions are sigmoids of normal variates; ratios are taken before squashing, which changes none.
The prototype's 512 x 60 decisions, minibatches of 4,096, rate 3e-4 and lambda 0.95 move too little in a
market's noise: after 300,000 decisions they had not left TWAP behind, these did after 60,000.
Read top to bottom: Args, PPO (play, advantages, learn, loss), a kernel. On the CPU the gradient of `loss` is
taken by hand (fused.py).
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from market.kernels import kernel
from research.training import knobs as k
from research.training.flat import Flat
from research.training.fused import Fused, batch_of, speaker
from research.training.learner import Make, Numbers, Tensors, TrainingError, finite, world_seed
from research.training.networks import NEVER, ActorCritic, frozen
from research.training.worst import Worst
from research.worlds.world import Act, Actions, Bools, Floats

ADAM_EPSILON: Final = 1e-5
SCALE_MIN: Final = 1e-6  # a world that pays nothing is left as it is


class Args(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every knob."""

    envs: k.Many = 256
    horizon: k.Many = 32  # decisions of each environment in an iteration
    epochs: k.Count = 4
    minibatch: k.Many = 1_024
    learning_rate: k.Share = 1e-3
    anneal: bool = True
    clip: k.Share = 0.2
    gamma: k.Share = 1.0
    gae: k.Share = 0.8  # what an action does shows within some decisions; the price's noise adds up over all
    entropy: k.Weight = 0.003
    value: k.Weight = 0.5  # weight of the value loss
    grad_norm: k.Weight = 0.5
    critic_first: k.Maybe = 0  # iterations in which only the critic learns, after a warm start
    hidden: k.Units = 64
    spread: k.Rate = 0.5  # of a continuous action before squashing, at first
    cvar: k.Rate = 1.0  # the mean of so many of the worst episodes is what counts; 1 = the mean of all
    steps: k.Steps = 4_000_000  # over which the rate falls
    seed: k.Seed = 7


class PPO:
    """A policy, its value, and the worlds that it learns in."""

    def __init__(
        self,
        args: Args,
        make: Make,
        device: str = "cpu",
        rank: int = 0,
        workers: int = 1,
        reduce: Callable[[Tensor], None] | None = None,
        threads: int = 1,
    ) -> None:
        k.fits(args.envs, args.horizon)
        self.args, self.device = args, torch.device(device)
        self.steps, self.episodes = 0, 0
        self._make, self._rank, self._workers = make, rank, workers
        self._reduce = reduce  # sums a tensor over all workers, in place
        self._renewals = 0
        self._world = make(world_seed(args.seed, 0, rank))
        self._obs, self._mask = self._world.reset()
        self._scale = 0.0  # of returns; 0 = not known yet
        self._worst = Worst(args.cvar) if args.cvar < 1.0 else None
        torch.manual_seed(args.seed)  # every worker begins with the same weights ...
        world = self._world
        self.net = ActorCritic(world.obs_size, world.actions, world.dims, args.hidden, args.spread)
        self.net.to(self.device)
        self._flat = Flat(self.net, args.learning_rate, ADAM_EPSILON)
        self._chance = torch.Generator(self.device)  # ... and draws numbers of its own
        self._chance.manual_seed(world_seed(args.seed, 0, 1_000 + rank))
        self._fused = None
        self._actor: Callable[[Tensor], Tensor] = self.net.actor
        self._critic: Callable[[Tensor], Tensor] = self.net.critic
        if self.device.type == "cpu":
            self._actor = speaker(self.net.actor, args.envs)
            self._critic = speaker(self.net.critic, args.minibatch)
            if world.actions:
                self._fused = Fused(self.net, self._flat, args.minibatch, threads)
        self._memory = Memory(args, world.obs_size, world.actions, world.dims, self.device)

    def iterate(self) -> dict[str, float]:
        """Play one rollout and learn from it."""
        a = self.args
        if a.anneal:
            self._flat.rate(a.learning_rate * max(0.0, 1.0 - self.steps / a.steps))
        ended = self.play()
        if self._worst is not None:
            self._worst.follow(ended)
        facts = self.learn(*self.advantages())
        self.steps += a.horizon * a.envs * self._workers
        self.episodes += len(ended) * self._workers
        facts["cost"] = float(np.mean(ended)) if len(ended) else float("nan")
        return facts

    def play(self) -> NDArray[np.float64]:
        """Fill the memory; return the costs of the episodes that ended."""
        m, ended = self._memory, []
        discrete = bool(self._world.actions)
        noise = m.noise.exponential_(generator=self._chance).log_() if discrete else None
        with torch.inference_mode():
            std = self.net.log_std.exp() if self.net.log_std is not None else None
            for t in range(self.args.horizon):
                m.obs[t].copy_(torch.from_numpy(self._obs))
                if noise is not None:
                    m.mask[t].copy_(torch.from_numpy(self._mask))
                    m.said[t] = self._actor(m.obs[t]).masked_fill(~m.mask[t], NEVER)
                    torch.argmax(m.said[t] - noise[t], dim=1, out=m.actions[t])  # Gumbel's trick
                    taken = m.actions[t].cpu().numpy()
                else:
                    assert std is not None
                    m.said[t] = self._actor(m.obs[t])
                    m.actions[t] = m.said[t] + std * m.actions[t].normal_(generator=self._chance)
                    taken = torch.sigmoid(m.actions[t]).cpu().numpy()
                self._obs, reward, done, self._mask, infos = self._world.step(taken)
                m.rewards[t], m.done[t] = reward, done
                if self._worst is not None:
                    m.rewards[t][infos["env"]] += self._worst.added(infos["cost"])
                ended.append(infos["cost"])
            m.obs[-1].copy_(torch.from_numpy(self._obs))
        finite(m.obs.cpu().numpy(), m.rewards, self.steps)
        return np.concatenate(ended)

    def advantages(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return log probabilities of what was done, advantages, and returns, all flat."""
        m, a = self._memory, self.args
        with torch.inference_mode():
            said = self._critic(m.obs.flatten(0, 1)).view(m.obs.shape[:2])
            values = said.cpu().numpy() * (self._scale or 1.0)
            log_p = self.log_probability(m.said, m.actions)
        advantages = np.empty_like(m.rewards)
        estimate(m.rewards, values, m.done, a.gamma, a.gae, advantages)
        returns = advantages + values[:-1]
        if not self._scale:
            self._scale = self.shared_scale(returns)
        scaled = torch.from_numpy(returns / self._scale).to(self.device)
        return log_p.flatten(), torch.from_numpy(advantages).to(self.device).flatten(), scaled.flatten()

    def shared_scale(self, returns: NDArray[Any]) -> float:
        """Return the spread of returns, the same in every worker."""
        moments = torch.tensor([returns.std()], dtype=torch.float64)
        if self._reduce is not None:
            self._reduce(moments)
            moments /= self._workers
        found = float(moments[0])
        return found if found > SCALE_MIN else 1.0

    def log_probability(self, said: Tensor, actions: Tensor) -> Tensor:
        """Return the log probability (density, without constants) of actions, given what the actor said."""
        if self.net.log_std is None:
            log_p = said.log_softmax(dim=-1)
            return log_p.gather(-1, actions.unsqueeze(-1)).squeeze(-1)
        z = (actions - said) * torch.exp(-self.net.log_std)
        return -(0.5 * z * z + self.net.log_std).sum(dim=-1)

    def learn(self, old: Tensor, advantages: Tensor, returns: Tensor) -> dict[str, float]:
        """Improve policy and value on what was played."""
        m, a = self._memory, self.args
        size = a.horizon * a.envs
        obs, mask, actions = m.obs[:-1].flatten(0, 1), m.mask.flatten(0, 1), m.actions.flatten(0, 1)
        rollout = (obs, mask, actions, old, advantages, returns)
        totals = torch.zeros(4, device=self.device)
        rounds = 0
        for _ in range(a.epochs):
            mixed = torch.randperm(size, generator=self._chance, device=self.device)
            for rows in torch.split(mixed, a.minibatch):
                totals += self.improve(rollout, rows)
                rounds += 1
        policy, value, entropy, kl = (totals / rounds).tolist()
        if not np.isfinite(policy + value + entropy):
            raise TrainingError(
                f"the loss is not a number after step {self.steps:,}: lower the rate of learning"
            )
        return {"policy": policy, "value": value, "entropy": entropy, "kl": kl}

    def improve(self, rollout: tuple[Tensor, ...], rows: Tensor) -> Tensor:
        """Take one step on a minibatch; return its policy loss, value loss, entropy and divergence."""
        a = self.args
        learns = self.steps >= a.critic_first * a.horizon * a.envs * self._workers
        if self._fused is not None and learns:
            facts = self._fused.gradient(batch_of(*rollout), rows, a.clip, a.value, a.entropy)
            self._flat.follow(a.grad_norm, self._reduce, self._workers)
            return facts
        loss, facts = self.loss(*(part[rows] for part in rollout))
        self._flat.step(loss if learns else a.value * facts[1], a.grad_norm, self._reduce, self._workers)
        return facts.detach()

    def loss(
        self, obs: Tensor, mask: Tensor, actions: Tensor, old: Tensor, advantages: Tensor, returns: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the loss, and its parts as a curve shows them."""
        a = self.args
        said = self.net.logits(obs, mask) if self.net.log_std is None else self.net.actor(obs)
        log_p = self.log_probability(said, actions)
        ratio = (log_p - old).exp()
        better = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        gain = torch.minimum(better * ratio, better * ratio.clamp(1.0 - a.clip, 1.0 + a.clip)).mean()
        miss = 0.5 * (self.net.value(obs) - returns).square().mean()
        entropy = self.entropy(said)
        divergence = (ratio - 1.0 - (log_p - old)).mean()
        return a.value * miss - gain - a.entropy * entropy, torch.stack((-gain, miss, entropy, divergence))

    def entropy(self, said: Tensor) -> Tensor:
        """Return the mean entropy of a batch (of the normal law before squashing, without constants)."""
        if self.net.log_std is not None:
            return self.net.log_std.sum()
        log_p = said.log_softmax(dim=-1)
        return -(log_p.exp() * log_p).sum(dim=-1).mean()

    def greedy(self) -> Act:
        """Return the likeliest action, or the middle of the law."""
        net, device = self.net, self.device

        def act(obs: Floats, mask: Bools) -> Actions:
            with torch.inference_mode():
                seen = torch.from_numpy(obs).to(device)
                if net.log_std is not None:
                    return np.asarray(torch.sigmoid(net.actor(seen)).cpu().numpy())
                logits = net.logits(seen, torch.from_numpy(mask).to(device))
                return np.asarray(logits.argmax(dim=1).cpu().numpy())

        return act

    def renew(self) -> None:
        """Begin new worlds."""
        self._renewals += 1
        self._world = self._make(world_seed(self.args.seed, self._renewals, self._rank))
        self._obs, self._mask = self._world.reset()

    def save(self) -> tuple[Tensors, Numbers]:
        """Return weights, the optimiser's memory and the state of chance."""
        tensors = self._flat.save()
        tensors["chance"] = self._chance.get_state().numpy()
        if self._worst is not None:
            tensors["worst"] = self._worst.costs
        numbers = {"steps": self.steps, "episodes": self.episodes}
        return tensors, {**numbers, "renewals": self._renewals, "scale": self._scale}

    def load(self, tensors: Tensors, numbers: Numbers) -> None:
        """Go on from what `save` returned."""
        self._flat.load(tensors)
        self._chance.set_state(torch.from_numpy(tensors["chance"].copy()))
        self.steps, self.episodes = numbers["steps"], numbers["episodes"]
        self._scale, self._renewals = numbers["scale"], numbers["renewals"]
        if self._worst is not None:
            self._worst.costs = tensors["worst"].copy()
        self.renew()

    def policy(self) -> Tensors:
        """Return the actor by the names of an artefact."""
        return dict(frozen(self.net.actor))


class Memory:
    """One rollout, allocated once. What the network sees is on its device, what the worlds pay in numpy."""

    def __init__(self, a: Args, obs_size: int, actions: int, dims: int, device: torch.device) -> None:
        rows = (a.horizon, a.envs)
        width = actions or dims
        self.obs = torch.zeros((a.horizon + 1, a.envs, obs_size), device=device)
        self.mask = torch.ones((*rows, width), dtype=torch.bool, device=device)
        self.said = torch.zeros((*rows, width), device=device)
        self.noise = torch.zeros((*rows, width), device=device)
        kind = torch.int64 if actions else torch.float32
        self.actions = torch.zeros(rows if actions else (*rows, dims), dtype=kind, device=device)
        self.rewards: NDArray[np.float32] = np.zeros(rows, np.float32)
        self.done: NDArray[np.bool_] = np.zeros(rows, np.bool_)


@kernel
def estimate(rewards: Any, values: Any, done: Any, gamma: float, gae: float, out: Any) -> None:
    """Write generalised advantages; nothing is carried across the end of an episode."""
    steps, envs = rewards.shape
    for env in range(envs):
        carried = 0.0
        for t in range(steps - 1, -1, -1):
            going = 0.0 if done[t, env] else 1.0
            surprise = rewards[t, env] + gamma * values[t + 1, env] * going - values[t, env]
            carried = surprise + gamma * gae * going * carried
            out[t, env] = carried
