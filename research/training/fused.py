"""The gradient of PPO's loss by hand, for a table of actions on the CPU; `PPO.loss` is its slow twin.

Automatic differentiation spends more on tanh, softmax and copies than on the products of matrices. Here
buffers are allocated once, tanh is numpy's (ten times torch's), softmax, clipping and entropy are one
kernel, and a minibatch may be cut into parts for several threads: products and kernels hold no lock.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from market.kernels import njit
from research.training.flat import Flat
from research.training.networks import ActorCritic, linears

FACTS: Final = 4  # policy loss, value loss, entropy, divergence


class Batch:
    """One rollout as rows: what the network sees as tensors, the rest as arrays."""

    def __init__(
        self, obs: Tensor, mask: Tensor, actions: Tensor, old: Tensor, advantages: Tensor, returns: Tensor
    ) -> None:
        self.obs = obs
        self.mask, self.actions = mask.numpy(), actions.numpy()
        self.old, self.advantages, self.returns = old.numpy(), advantages.numpy(), returns.numpy()


class Fused:
    """Buffers for minibatches of up to `rows`, in one part a thread."""

    def __init__(self, net: ActorCritic, flat: Flat, rows: int, threads: int) -> None:
        self._flat = flat
        grad = flat.weights.grad
        assert grad is not None
        size = -(-rows // threads)
        grads = [grad, *(torch.zeros_like(grad) for _ in range(threads - 1))]
        self._parts = [Part(net, own, size) for own in grads]
        self._pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None

    def gradient(self, batch: Batch, rows: Tensor, clip: float, value: float, entropy: float) -> Tensor:
        """Write the gradient of a minibatch; return the sums that a curve shows, per row."""
        picked = rows.numpy()
        found = batch.advantages[picked]
        terms = np.array([found.mean(), found.std(ddof=1) + 1e-8, clip, value, entropy, len(picked)])
        cuts = np.linspace(0, len(picked), len(self._parts) + 1).astype(int).tolist()
        work = [
            (part, batch, rows[a:b], terms)
            for part, a, b in zip(self._parts, cuts[:-1], cuts[1:], strict=True)
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
        self.obs = torch.zeros((rows, self.actor.layers[0].in_features))
        at = 0
        for side in (self.actor, self.critic):  # in the order in which `Flat` laid them
            for layer in side.layers:
                for part in (layer.weight, layer.bias):
                    side.grads.append(grad[at : at + part.numel()].view_as(part))
                    at += part.numel()
        assert at == len(grad)


class Side:
    """One network of two hidden layers: what it said on the way, and the gradients on the way back."""

    def __init__(self, net: torch.nn.Sequential, rows: int) -> None:
        self.layers = list(linears(net))
        self.said = [torch.zeros((rows, layer.out_features)) for layer in self.layers]
        self.back = [torch.zeros((rows, layer.out_features)) for layer in self.layers]
        self.grads: list[Tensor] = []  # weight, bias, weight, bias, weight, bias

    def forward(self, obs: Tensor) -> NDArray[np.float32]:
        """Return what the last layer says."""
        x, n = obs, len(obs)
        for number, layer in enumerate(self.layers):
            y = self.said[number][:n]
            torch.addmm(layer.bias, x, layer.weight.T, out=y)
            if number < len(self.layers) - 1:
                np.tanh(y.numpy(), out=y.numpy())
            x = y
        return np.asarray(x.numpy())

    def backward(self, obs: Tensor) -> None:
        """Write the gradients of the weights; that of the last layer's output lies in `back[-1]`."""
        n = len(obs)
        for number in range(len(self.layers) - 1, -1, -1):
            g = self.back[number][:n]
            x = self.said[number - 1][:n] if number else obs
            torch.mm(g.T, x, out=self.grads[2 * number])
            torch.sum(g, 0, out=self.grads[2 * number + 1])
            if number:
                before = self.back[number - 1][:n]
                torch.mm(g, self.layers[number].weight, out=before)
                through_tanh(before.numpy(), x.numpy())


def speaker(net: torch.nn.Sequential, rows: int) -> Callable[[Tensor], Tensor]:
    """Return what a network says, without gradients; the result holds until the next call of its size."""
    side = Side(net, rows)

    def say(obs: Tensor) -> Tensor:
        if len(obs) <= rows:
            return torch.from_numpy(side.forward(obs))
        return torch.cat([torch.from_numpy(side.forward(part).copy()) for part in torch.split(obs, rows)])

    return say


def play_part(part: Part, batch: Batch, rows: Tensor, terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Write one part's gradient; return its sums."""
    facts = np.zeros(FACTS)
    with torch.inference_mode():
        obs = part.obs[: len(rows)]
        torch.index_select(batch.obs, 0, rows, out=obs)
        logits, values = part.actor.forward(obs), part.critic.forward(obs)
        back, back_value = part.actor.back[-1][: len(rows)], part.critic.back[-1][: len(rows)]
        head(
            logits, values, batch.mask, batch.actions, batch.old, batch.advantages, batch.returns,
            rows.numpy(), terms, back.numpy(), back_value.numpy(), facts,
        )  # fmt: skip
        part.actor.backward(obs)
        part.critic.backward(obs)
    return facts


def fast(function: Any) -> Any:
    """Compile without the interpreter's lock; sums may be reordered, a fixed way on one machine."""
    return njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz", "arcp"})(function)


@fast
def through_tanh(g: Any, y: Any) -> None:
    """Carry a gradient back through tanh, whose value is y."""
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            g[i, j] *= np.float32(1.0) - y[i, j] * y[i, j]


@fast
def head(
    logits: Any, values: Any, mask: Any, actions: Any, old: Any, advantages: Any, returns: Any,
    rows: Any, terms: Any, back: Any, back_value: Any, facts: Any,
) -> None:  # fmt: skip
    """Write the gradients of the loss by logits and by values; add up what a curve shows."""
    mean, spread, clip, value, entropy_weight, size = terms
    kinds = logits.shape[1]
    for i in range(rows.shape[0]):
        row = rows[i]
        top = np.float32(-np.inf)
        for k in range(kinds):
            if mask[row, k]:
                top = max(top, logits[i, k])
        total = np.float32(0.0)
        for k in range(kinds):
            back[i, k] = np.exp(logits[i, k] - top) if mask[row, k] else np.float32(0.0)
            total += back[i, k]
        log_total = np.log(total)
        entropy = 0.0
        for k in range(kinds):
            back[i, k] /= total
            if back[i, k] > 0.0:
                entropy -= back[i, k] * (logits[i, k] - top - log_total)
        taken = actions[row]
        moved = logits[i, taken] - top - log_total - old[row]
        ratio = np.exp(moved)
        better = (advantages[row] - mean) / spread
        gain = better * ratio
        clipped = better * min(1.0 + clip, max(1.0 - clip, ratio))
        push = -gain / size if gain <= clipped else 0.0
        for k in range(kinds):
            p = back[i, k]
            pull = p * (logits[i, k] - top - log_total + entropy) if p > 0.0 else 0.0
            back[i, k] = push * ((k == taken) - p) + entropy_weight * pull / size
        miss = values[i, 0] - returns[row]
        back_value[i, 0] = value * miss / size
        facts[0] -= min(gain, clipped)
        facts[1] += 0.5 * miss * miss
        facts[2] += entropy
        facts[3] += ratio - 1.0 - moved
