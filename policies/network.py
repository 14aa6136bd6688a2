"""The forward pass of a frozen network: one kernel, fixed summation order, float32, no fastmath.

The same kernel runs validation, paper and live. It sums each output over the inputs in order, so the
result is the same bit for bit on one machine; golden rows hold it to the framework that trained it.
"""

import math
from typing import Any

import numpy as np

from market.kernels import kernel
from policies.tactic_kernels import bits_of


@kernel
def dense(x: Any, weights: Any, at: int, out: Any) -> None:
    """Write W @ x + b, summed in the order of the inputs; W lies at `at`, row by row, and b behind it."""
    rows, columns = out.shape[0], x.shape[0]
    for row in range(rows):
        total = weights[at + rows * columns + row]
        for column in range(columns):
            total += weights[at + row * columns + column] * x[column]
        out[row] = total


@kernel
def squash(x: Any) -> None:
    """Apply tanh in place; computed in float64 and rounded once."""
    for i in range(x.shape[0]):
        x[i] = np.float32(math.tanh(float(x[i])))


@kernel
def forward(obs: Any, weights: Any, work: Any, logits: Any, first: int) -> None:
    """Write the logits of a network with two hidden layers of tanh, `first` units in the first.

    `weights` is packed: W1, b1, W2, b2, W3, b3. `work` has room for both hidden layers.
    """
    one, two = work[:first], work[first:]
    dense(obs, weights, 0, one)
    squash(one)
    at = (obs.shape[0] + 1) * first
    dense(one, weights, at, two)
    squash(two)
    dense(two, weights, at + (first + 1) * two.shape[0], logits)


@kernel
def best(logits: Any, mask: int) -> tuple[int, float]:
    """Return the largest allowed logit's index, the lower one on ties, and its margin to the next."""
    at, top, second = -1, -np.inf, -np.inf
    for i in range(logits.shape[0]):
        if not (mask >> i) & 1:
            continue
        x = float(logits[i])
        if at < 0 or x > top:
            at, top, second = i, x, top
        elif x > second:
            second = x
    return at, top - second


@kernel
def act(obs: Any, weights: Any, work: Any, logits: Any, first: int, mask: int) -> tuple[int, float]:
    """Run the network and choose."""
    forward(obs, weights, work, logits, first)
    return best(logits, mask)


@kernel
def act_rows(obs: Any, weights: Any, work: Any, logits: Any, first: int, allowed: Any, actions: Any) -> None:
    """Choose for each row of an environment's observations and masks."""
    for i in range(obs.shape[0]):
        actions[i], _ = act(obs[i], weights, work, logits, first, bits_of(allowed[i]))
