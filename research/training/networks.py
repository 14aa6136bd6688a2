"""The networks that learn: two hidden layers of tanh, as the frozen kernel runs them.

What is learnt can be frozen as it stands: the actor's three layers are the artefact's, and the two heads
of a duelling network are folded into one layer without changing a value by more than rounding.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Tensors = dict[str, NDArray[np.float32]]
NEVER = -1e9  # the logit of an action that means nothing here


def layer(inputs: int, outputs: int, gain: float) -> nn.Linear:
    """Return a layer with orthogonal weights and no bias to begin with."""
    made = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(made.weight, gain)
    nn.init.zeros_(made.bias)
    return made


def mlp(inputs: int, hidden: int, outputs: int, gain: float) -> nn.Sequential:
    """Return two hidden layers of tanh and a linear one; `gain` scales what it says at first."""
    return nn.Sequential(
        layer(inputs, hidden, math.sqrt(2.0)),
        nn.Tanh(),
        layer(hidden, hidden, math.sqrt(2.0)),
        nn.Tanh(),
        layer(hidden, outputs, gain),
    )


class ActorCritic(nn.Module):
    """A policy and a value, each with a network of its own: neither's scale disturbs the other's.

    Continuous actions are a normal law before the sigmoid that squashes them into 0..1; its spread
    does not depend on the state. Densities are compared before squashing, where ratios are the same.
    """

    def __init__(self, obs_size: int, actions: int, dims: int, hidden: int, spread: float) -> None:
        super().__init__()
        self.actor = mlp(obs_size, hidden, actions or dims, 0.01)
        self.critic = mlp(obs_size, hidden, 1, 1.0)
        self.log_std = nn.Parameter(torch.full((dims,), math.log(spread))) if dims else None

    def value(self, obs: Tensor) -> Tensor:
        """Return what is still to come, in the learner's scale."""
        found: Tensor = self.critic(obs)
        return found.squeeze(-1)

    def logits(self, obs: Tensor, mask: Tensor) -> Tensor:
        """Return logits; what means nothing here is out of reach."""
        found: Tensor = self.actor(obs)
        return found.masked_fill(~mask, NEVER)


class Dueling(nn.Module):
    """Action values as a value and advantages over their mean, on one trunk."""

    def __init__(self, obs_size: int, actions: int, hidden: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            layer(obs_size, hidden, math.sqrt(2.0)),
            nn.Tanh(),
            layer(hidden, hidden, math.sqrt(2.0)),
            nn.Tanh(),
        )
        self.value = layer(hidden, 1, 0.01)
        self.advantage = layer(hidden, actions, 0.01)

    def forward(self, obs: Tensor) -> Tensor:
        """Return the value of every action."""
        seen = self.trunk(obs)
        advantage = self.advantage(seen)
        found: Tensor = self.value(seen) + advantage - advantage.mean(dim=-1, keepdim=True)
        return found


def linears(model: nn.Module) -> Iterator[nn.Linear]:
    """Yield the layers that have weights, first to last."""
    yield from (part for part in model.modules() if isinstance(part, nn.Linear))


def frozen(model: nn.Sequential) -> Tensors:
    """Return the weights of a network by the names of an artefact."""
    named: Tensors = {}
    for number, part in enumerate(linears(model), 1):
        named[f"w{number}"] = part.weight.detach().cpu().numpy().copy()
        named[f"b{number}"] = part.bias.detach().cpu().numpy().copy()
    return named


def folded(model: Dueling) -> Tensors:
    """Return a duelling network as three layers: value + advantage - mean is linear in the trunk."""
    named = frozen(model.trunk)
    weight = model.advantage.weight.detach().cpu().double()
    bias = model.advantage.bias.detach().cpu().double()
    last = weight - weight.mean(dim=0, keepdim=True) + model.value.weight.detach().cpu().double()
    offset = bias - bias.mean() + model.value.bias.detach().cpu().double()
    named["w3"] = last.float().numpy().copy()
    named["b3"] = offset.float().numpy().copy()
    return named
