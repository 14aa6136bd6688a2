"""The forward pass of a frozen network: one kernel, fixed summation order, float32, no fastmath.

The same kernel runs validation, paper and live. It sums each output over the inputs in order, so the
result is the same bit for bit on any machine; golden rows hold it to the framework that trained it.
Everything that it reads and writes besides the observation is one arena: each array of a call costs as
much as sixty sums. Weights lie input by input, so that outputs are added up side by side.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from market.kernels import inlined_kernel, lean_kernel
from policies.tactic_kernels import bits_of

LAYERS: Final = (("w1", "b1"), ("w2", "b2"), ("w3", "b3"))
SATURATED: Final = 9.5  # beyond, tanh is 1 in float32
PART: Final = 1.0 / 16.0  # z = 2x / 32: five doublings bring E back
E6, E7, E8, E9 = 1.0 / 720.0, 1.0 / 5_040.0, 1.0 / 40_320.0, 1.0 / 362_880.0
E10, E11, E12, E13 = 1.0 / 3_628_800.0, 1.0 / 39_916_800.0, 1.0 / 479_001_600.0, 1.0 / 6_227_020_800.0


def arena(weights: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return named weights as the kernels take them: W1, b1, W2, b2, W3, b3, and room.

    A weight matrix comes with a row for each output, as frameworks have it, and lies here by input. The room
    is for both hidden layers and, last, the logits.
    """
    packed = [part for w, b in LAYERS for part in (weights[w].T.ravel(), weights[b])]
    room = sum(len(weights[b]) for _, b in LAYERS)
    return np.concatenate([*packed, np.zeros(room, dtype=np.float32)]).astype(np.float32)


@inlined_kernel
def dense(x: Any, weights: Any, out: Any) -> None:
    """Write W x + b, each output summed in the order of the inputs, four inputs a pass."""
    rows, columns = out.shape[0], x.shape[0]
    bias = weights[rows * columns :]
    for row in range(rows):
        out[row] = bias[row]
    fours = columns // 4 * 4
    for at in range(0, fours, 4):
        a, b, c, d = x[at], x[at + 1], x[at + 2], x[at + 3]
        wa, wb = weights[at * rows : (at + 1) * rows], weights[(at + 1) * rows : (at + 2) * rows]
        wc, wd = weights[(at + 2) * rows : (at + 3) * rows], weights[(at + 3) * rows : (at + 4) * rows]
        for row in range(rows):
            out[row] = (((out[row] + wa[row] * a) + wb[row] * b) + wc[row] * c) + wd[row] * d
    for at in range(fours, columns):
        a, wa = x[at], weights[at * rows : (at + 1) * rows]
        for row in range(rows):
            out[row] += wa[row] * a


@inlined_kernel
def squash(x: Any) -> None:
    """Apply tanh in place, in float64 and rounded once: E / (E + 2) with E = e**2x - 1.

    Plain sums and products, no library's tanh: side by side where the machine can, the same on every one.
    """
    for i in range(x.shape[0]):
        z: Any = np.float64(x[i])
        z = SATURATED if z > SATURATED else z  # NaN stays what it is
        z = (-SATURATED if z < -SATURATED else z) * PART
        p = ((((E13 * z + E12) * z + E11) * z + E10) * z + E9) * z + E8
        p = ((((p * z + E7) * z + E6) * z + 1.0 / 120.0) * z + 1.0 / 24.0) * z + 1.0 / 6.0
        p = ((p * z + 0.5) * z + 1.0) * z
        p *= p + 2.0
        p *= p + 2.0
        p *= p + 2.0
        p *= p + 2.0
        p *= p + 2.0
        x[i] = np.float32(np.divide(p, p + 2.0))  # `/` would look whether it is 0, one by one


@lean_kernel
def forward(obs: Any, net: Any, first: int, second: int) -> Any:
    """Write the logits of a network with two hidden layers of tanh, last in its arena; return how many."""
    rest = net.shape[0] - (obs.shape[0] + 2) * first - (first + 2) * second
    outputs = rest // (second + 2)
    logits = net[net.shape[0] - outputs :]
    two = net[net.shape[0] - outputs - second : net.shape[0] - outputs]
    one = net[net.shape[0] - outputs - second - first : net.shape[0] - outputs - second]
    dense(obs, net, one)
    squash(one)
    at = (obs.shape[0] + 1) * first
    dense(one, net[at:], two)
    squash(two)
    dense(two, net[at + (first + 1) * second :], logits)
    return outputs


@lean_kernel
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


@lean_kernel
def act(obs: Any, net: Any, first: int, second: int, mask: int) -> tuple[int, float]:
    """Run the network and choose."""
    outputs = forward(obs, net, first, second)
    return best(net[net.shape[0] - outputs :], mask)


@lean_kernel
def act_rows(obs: Any, net: Any, first: int, second: int, allowed: Any, actions: Any) -> None:
    """Choose for each row of an environment's observations and masks."""
    for i in range(obs.shape[0]):
        actions[i], _ = act(obs[i], net, first, second, bits_of(allowed[i]))
