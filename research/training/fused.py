"""The gradient of PPO's loss by hand, for a table of actions on the CPU; `PPO.loss` is its slow twin.

Automatic differentiation spends more on tanh, softmax and copies than on the products of matrices. Here
buffers are allocated once, and a minibatch is one kernel (network_kernels.py), or one in each of several
threads.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from research.training.flat import Flat
from research.training.network_kernels import Layers, Rollout, Room, forward, learn_part, moments, transposed
from research.training.networks import ActorCritic, linears

FACTS: Final = 4  # policy loss, value loss, entropy, divergence
APART: Final = 16  # floats between units: at a power of two they would share few lines of the cache


class Fused:
    """Buffers for minibatches of up to `rows`, in one part a thread."""

    def __init__(self, net: ActorCritic, flat: Flat, rows: int, threads: int) -> None:
        grad = flat.weights.grad
        assert grad is not None
        size = -(-rows // threads)
        grads = [grad, *(torch.zeros_like(grad) for _ in range(threads - 1))]
        self._parts = [Part(net, own, size) for own in grads]
        self._pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None

    def gradient(self, batch: Rollout, rows: Tensor, clip: float, value: float, entropy: float) -> Tensor:
        """Write the gradient of a minibatch; return the means that a curve shows."""
        picked = rows.numpy()
        mean, spread = moments(batch.advantages, picked)
        terms = np.array([mean, spread + 1e-8, clip, value, entropy, len(picked)])
        many = len(self._parts)
        work = [
            (part, batch, picked[len(picked) * at // many : len(picked) * (at + 1) // many], terms)
            for at, part in enumerate(self._parts)
        ]
        futures = [self._pool.submit(play_part, *w) for w in work[1:]] if self._pool is not None else []
        facts = play_part(*work[0])
        for future, part in zip(futures, self._parts[1:], strict=True):
            facts = facts + future.result()
            self._parts[0].grad += part.grad
        return torch.from_numpy(facts / len(picked)).float()


class Part:
    """One thread's buffers and its own gradient."""

    def __init__(self, net: ActorCritic, grad: Tensor, rows: int) -> None:
        self.grad = grad
        self.actor, self.critic = Side(net.actor, rows), Side(net.critic, rows)
        weights = [*self.actor.net, *self.critic.net]  # in the order in which `Flat` laid them
        cuts = np.cumsum([part.size for part in weights])
        assert cuts[-1] == len(grad)
        found = np.split(grad.numpy(), cuts[:-1])
        views = [one.reshape(part.shape) for one, part in zip(found, weights, strict=True)]
        self.actor_grads, self.critic_grads = Layers(*views[:6]), Layers(*views[6:])
        self.x = side_by_side(self.actor.net.w1.shape[1], rows)


class Side:
    """One network's weights as they stand in the learner, and room for what it says."""

    def __init__(self, net: torch.nn.Sequential, rows: int) -> None:
        layers = list(linears(net))
        views = [part.detach().numpy() for layer in layers for part in (layer.weight, layer.bias)]
        self.net = Layers(*views)
        widths = [layer.out_features for layer in layers]
        self.room = Room(*(side_by_side(width, rows) for width in widths * 2))


def side_by_side(units: int, rows: int) -> NDArray[np.float32]:
    """Return room for units, [unit, row]."""
    return np.zeros((units, rows + APART), np.float32)


def batch_of(
    obs: Tensor, mask: Tensor, actions: Tensor, old: Tensor, advantages: Tensor, returns: Tensor
) -> Rollout:  # fmt: skip
    """Return a rollout as kernels read it."""
    return Rollout(*(part.numpy() for part in (obs, mask, actions, old, advantages, returns)))


def speaker(net: torch.nn.Sequential, rows: int) -> Callable[[Tensor], Tensor]:
    """Return what a network says, without gradients; the result holds until the next call of its size."""
    side = Side(net, rows)
    x = side_by_side(side.net.w1.shape[1], rows)
    order = np.arange(rows)

    def say(obs: Tensor) -> Tensor:
        if len(obs) <= rows:
            n = len(obs)
            transposed(obs.numpy(), order[:n], x)
            forward(side.net, x, side.room, n)
            return torch.from_numpy(side.room.said3[:, :n].T)
        return torch.cat([say(part).clone() for part in torch.split(obs, rows)])

    return say


def play_part(
    part: Part, batch: Rollout, rows: NDArray[np.int64], terms: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Write one part's gradient; return its sums."""
    facts = np.zeros(FACTS)
    a, c = part.actor, part.critic
    learn_part(
        batch, rows, terms, part.x, a.net, c.net, part.actor_grads, part.critic_grads, a.room, c.room, facts
    )  # fmt: skip
    return facts
