"""All weights of a network in one vector, all gradients in another, and Adam over them.

One clip, one step and one message between workers, instead of a dozen each: at 64 units a layer the
calls cost more than the sums. On the CPU clip and step are one kernel over torch's own memory of Adam.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from research.training.learner import Tensors
from research.training.network_kernels import descend

WEIGHTS: Final = "weights"
MEMORY: Final = ("exp_avg", "exp_avg_sq")


class Flat:
    """Weights, gradients and optimiser of a network; the network's own parameters become views."""

    def __init__(self, net: nn.Module, rate: float, epsilon: float) -> None:
        parts = list(net.parameters())
        size = sum(part.numel() for part in parts)
        self.weights = torch.nn.Parameter(torch.empty(size, device=parts[0].device))
        self.weights.grad = torch.zeros_like(self.weights)
        at = 0
        for part in parts:
            span = slice(at, at + part.numel())
            self.weights.data[span] = part.data.flatten()
            part.data = self.weights.data[span].view_as(part)
            part.grad = self.weights.grad[span].view_as(part)
            at += part.numel()
        self.adam = torch.optim.Adam([self.weights], lr=rate, eps=epsilon, fused=True)

    def rate(self, value: float) -> None:
        """Set the learning rate."""
        self.adam.param_groups[0]["lr"] = value

    def step(
        self, loss: Tensor, norm_max: float, reduce: Callable[[Tensor], None] | None = None, workers: int = 1
    ) -> None:
        """Take one step down a loss."""
        grad = self.weights.grad
        assert grad is not None
        grad.zero_()
        loss.backward()  # type: ignore[no-untyped-call]
        self.follow(norm_max, reduce, workers)

    def follow(
        self, norm_max: float, reduce: Callable[[Tensor], None] | None = None, workers: int = 1
    ) -> None:
        """Take one step down the gradient that is there, averaged over workers, clipped."""
        grad = self.weights.grad
        assert grad is not None
        if reduce is not None:
            reduce(grad)
            grad /= workers
        state, group = self.adam.state.get(self.weights), self.adam.param_groups[0]
        if state and grad.device.type == "cpu":
            state["step"] += 1.0
            terms = (group["lr"], *group["betas"], group["eps"], float(state["step"]), norm_max)
            memory = (state[name].numpy() for name in MEMORY)
            descend(self.weights.detach().numpy(), grad.numpy(), *memory, np.array(terms))
            return
        norm = torch.linalg.vector_norm(grad)
        grad *= (norm_max / (norm + 1e-6)).clamp(max=1.0)
        self.adam.step()  # the first one makes its memory

    def save(self) -> Tensors:
        """Return weights and the optimiser's memory."""
        found = {WEIGHTS: self.weights.detach().cpu().numpy().copy()}
        state = self.adam.state.get(self.weights, {})
        for name in MEMORY:
            value = state.get(name)
            found[name] = np.zeros(0, np.float32) if value is None else value.cpu().numpy().copy()
        found["adam_steps"] = np.array([float(state.get("step", 0.0))], dtype=np.float32)
        return found

    def load(self, tensors: Tensors) -> None:
        """Take weights and the optimiser's memory."""
        device = self.weights.device
        with torch.no_grad():
            self.weights.copy_(torch.from_numpy(tensors[WEIGHTS].copy()))
        if len(tensors[MEMORY[0]]):
            state = self.adam.state[self.weights]
            for name in MEMORY:
                state[name] = torch.from_numpy(tensors[name].copy()).to(device)
            state["step"] = torch.tensor(float(tensors["adam_steps"][0]), device=device)
