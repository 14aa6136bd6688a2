"""Two hidden layers of tanh and their gradient under the loss of PPO: kernels without the interpreter's lock.

Everything lies with the rows of a minibatch side by side: the inner loops run over some hundred floats,
which LLVM takes sixteen at a time, and four times four sums stay in registers. At 64 units that is faster
than a library's product, and two threads never wait for each other.

Sums may be reordered, so a callee's bits depend on where it was compiled, and where two kernels in a process
hold a copy of one, all call the copy that was loaded first: another in the process that compiles than in
those that load. So what a kernel calls is compiled into it (`inlined`), and nothing is left to be chosen.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from market.kernels import njit

REORDERED: Final = {
    "contract",
    "reassoc",
    "nsz",
    "arcp",
}  # fastmath's freedoms but those that NaN would break
TANH_MOST: Final = np.float32(7.9)  # beyond it tanh is 1 in float32
P0, P1, P2, P3, P4, P5, P6 = (  # tanh x = x P(x^2) / Q(x^2), to 3e-7 (the rational function of Eigen)
    np.float32(c)
    for c in (
        -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08,
        1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03,
    )
)  # fmt: skip
Q0, Q1, Q2, Q3 = (
    np.float32(c)
    for c in (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)
)


class Layers(NamedTuple):
    """Weights of three layers, [output, input], or their gradients."""

    w1: Any
    b1: Any
    w2: Any
    b2: Any
    w3: Any
    b3: Any


class Room(NamedTuple):
    """What a network says on the way, [unit, row], and the gradients on the way back."""

    said1: Any
    said2: Any
    said3: Any
    back1: Any
    back2: Any
    back3: Any


class Rollout(NamedTuple):
    """What was played, a row a decision."""

    obs: Any
    mask: Any
    actions: Any
    old: Any
    advantages: Any
    returns: Any


def fast(function: Any) -> Any:
    """Compile without the interpreter's lock; sums may be reordered, a fixed way on one machine."""
    return njit(cache=True, nogil=True, fastmath=REORDERED, error_model="numpy")(function)


def inlined(function: Any) -> Any:
    """Compile like `fast`, and into whoever calls it."""
    return njit(cache=True, nogil=True, fastmath=REORDERED, error_model="numpy", forceinline=True)(function)


@inlined
def transposed(obs: Any, rows: Any, out: Any) -> None:
    """Write some rows of observations side by side."""
    for j in range(len(rows)):
        for k in range(obs.shape[1]):
            out[k, j] = obs[rows[j], k]


@inlined
def forward(net: Any, x: Any, room: Any, n: int) -> None:
    """Write what a network says to n observations."""
    linear(net.w1, net.b1, x, room.said1, n)
    tanh(room.said1, n)
    linear(net.w2, net.b2, room.said1, room.said2, n)
    tanh(room.said2, n)
    linear(net.w3, net.b3, room.said2, room.said3, n)


@inlined
def backward(net: Any, grads: Any, x: Any, room: Any, n: int) -> None:
    """Write the gradients of the weights; that of what was said lies in `back3`."""
    outer(room.back3, room.said2, grads.w3, grads.b3, n)
    through(net.w3, room.back3, room.said2, room.back2, n)
    outer(room.back2, room.said1, grads.w2, grads.b2, n)
    through(net.w2, room.back2, room.said1, room.back1, n)
    outer(room.back1, x, grads.w1, grads.b1, n)


@fast
def learn_part(
    rollout: Any, rows: Any, terms: Any, x: Any, actor: Any, critic: Any, actor_grads: Any, critic_grads: Any,
    actor_room: Any, critic_room: Any, facts: Any,
) -> None:  # fmt: skip
    """Write the gradient of some rows of a minibatch; add up what a curve shows."""
    n = len(rows)
    transposed(rollout.obs, rows, x)
    for net, room in ((actor, actor_room), (critic, critic_room)):
        forward(net, x, room, n)
    head(
        actor_room.said3, critic_room.said3, rollout, rows, terms, actor_room.back3, critic_room.back3, facts
    )
    for net, grads, room in ((actor, actor_grads, actor_room), (critic, critic_grads, critic_room)):
        backward(net, grads, x, room, n)


@inlined
def head(
    logits: Any, values: Any, rollout: Any, rows: Any, terms: Any, back: Any, back_value: Any, facts: Any
) -> None:  # fmt: skip
    """Write the gradients of the loss by logits and by values; add up what a curve shows."""
    mean, spread, clip, value, entropy_weight, size = terms
    mask, kinds = rollout.mask, len(logits)
    for i in range(len(rows)):
        row = rows[i]
        top = np.float32(-np.inf)
        for k in range(kinds):
            if mask[row, k]:
                top = max(top, logits[k, i])
        total = np.float32(0.0)
        for k in range(kinds):
            back[k, i] = np.exp(logits[k, i] - top) if mask[row, k] else np.float32(0.0)
            total += back[k, i]
        log_total = np.log(total)
        entropy = 0.0
        for k in range(kinds):
            back[k, i] /= total
            if back[k, i] > 0.0:
                entropy -= back[k, i] * (logits[k, i] - top - log_total)
        taken = rollout.actions[row]
        moved = logits[taken, i] - top - log_total - rollout.old[row]
        ratio = np.exp(moved)
        better = (rollout.advantages[row] - mean) / spread
        gain = better * ratio
        clipped = better * min(1.0 + clip, max(1.0 - clip, ratio))
        push = -gain / size if gain <= clipped else 0.0
        for k in range(kinds):
            p = back[k, i]
            pull = p * (logits[k, i] - top - log_total + entropy) if p > 0.0 else 0.0
            back[k, i] = push * ((k == taken) - p) + entropy_weight * pull / size
        miss = values[0, i] - rollout.returns[row]
        back_value[0, i] = value * miss / size
        facts[0] -= min(gain, clipped)
        facts[1] += 0.5 * miss * miss
        facts[2] += entropy
        facts[3] += ratio - 1.0 - moved


@fast
def moments(values: Any, rows: Any) -> tuple[float, float]:
    """Return mean and standard deviation of some rows."""
    total, squares = 0.0, 0.0
    for row in rows:
        total += values[row]
    mean = total / len(rows)
    for row in rows:
        squares += (values[row] - mean) ** 2
    return mean, np.sqrt(squares / max(len(rows) - 1, 1))


@fast
def descend(weights: Any, grad: Any, mean: Any, square: Any, terms: Any) -> None:
    """Take one step of Adam down a gradient that is no longer than its bound."""
    rate, beta1, beta2, epsilon, step, norm_max = terms
    squares = np.float32(0.0)
    for i in range(len(grad)):
        squares += grad[i] * grad[i]
    cut = np.float32(min(1.0, norm_max / (np.sqrt(squares) + 1e-6)))
    keep1, keep2 = np.float32(beta1), np.float32(beta2)
    add1, add2 = np.float32(1.0 - beta1), np.float32(1.0 - beta2)
    stride = np.float32(rate / (1.0 - beta1**step))
    root = np.float32(1.0 / np.sqrt(1.0 - beta2**step))
    for i in range(len(grad)):
        g = grad[i] * cut
        mean[i] = keep1 * mean[i] + add1 * g
        square[i] = keep2 * square[i] + add2 * g * g
        weights[i] -= stride * mean[i] / (np.sqrt(square[i]) * root + np.float32(epsilon))


@inlined
def linear(weights: Any, bias: Any, x: Any, out: Any, n: int) -> None:
    """Write weights x + bias."""
    for o in range(len(out)):
        for j in range(n):
            out[o, j] = bias[o]
    add_product(weights, x, out, n)


@inlined
def through(weights: Any, back: Any, said: Any, out: Any, n: int) -> None:
    """Carry gradients back through a layer and the tanh before it."""
    for o in range(len(out)):
        for j in range(n):
            out[o, j] = np.float32(0.0)
    add_product(weights.T, back, out, n)
    for o in range(len(out)):
        for j in range(n):
            out[o, j] *= np.float32(1.0) - said[o, j] * said[o, j]


@inlined
def tanh(y: Any, n: int) -> None:
    """Write tanh over its argument."""
    for o in range(len(y)):
        row = y[o]
        for j in range(n):
            v = row[j]
            v = TANH_MOST if v > TANH_MOST else (-TANH_MOST if v < -TANH_MOST else v)
            s = v * v
            p = (((((P0 * s + P1) * s + P2) * s + P3) * s + P4) * s + P5) * s + P6
            row[j] = v * p / (((Q0 * s + Q1) * s + Q2) * s + Q3)


@inlined
def add_product(a: Any, b: Any, c: Any, n: int) -> None:
    """Add a b to c, whose rows are n long."""
    rows, inner = a.shape
    whole_rows, whole_inner = rows - rows % 4, inner - inner % 4
    for o in range(0, whole_rows, 4):
        c0, c1, c2, c3 = c[o], c[o + 1], c[o + 2], c[o + 3]
        for k in range(0, whole_inner, 4):
            b0, b1, b2, b3 = b[k], b[k + 1], b[k + 2], b[k + 3]
            a00, a01, a02, a03 = a[o, k], a[o, k + 1], a[o, k + 2], a[o, k + 3]
            a10, a11, a12, a13 = a[o + 1, k], a[o + 1, k + 1], a[o + 1, k + 2], a[o + 1, k + 3]
            a20, a21, a22, a23 = a[o + 2, k], a[o + 2, k + 1], a[o + 2, k + 2], a[o + 2, k + 3]
            a30, a31, a32, a33 = a[o + 3, k], a[o + 3, k + 1], a[o + 3, k + 2], a[o + 3, k + 3]
            for j in range(n):
                x0, x1, x2, x3 = b0[j], b1[j], b2[j], b3[j]
                c0[j] += a00 * x0 + a01 * x1 + a02 * x2 + a03 * x3
                c1[j] += a10 * x0 + a11 * x1 + a12 * x2 + a13 * x3
                c2[j] += a20 * x0 + a21 * x1 + a22 * x2 + a23 * x3
                c3[j] += a30 * x0 + a31 * x1 + a32 * x2 + a33 * x3
        for k in range(whole_inner, inner):
            for r in range(o, o + 4):
                add_row(a[r, k], b[k], c[r], n)
    for o in range(whole_rows, rows):
        for k in range(inner):
            add_row(a[o, k], b[k], c[o], n)


@inlined
def add_row(weight: Any, b: Any, c: Any, n: int) -> None:
    """Add a weighted row."""
    for j in range(n):
        c[j] += weight * b[j]


@inlined
def outer(back: Any, x: Any, weights: Any, bias: Any, n: int) -> None:
    """Write a layer's gradient: back x^T and the sums of back."""
    rows, inner = weights.shape
    whole_rows, whole_inner = rows - rows % 4, inner - inner % 4
    for o in range(rows):
        bias[o] = total(back[o], n)
    for o in range(0, whole_rows, 4):
        for k in range(0, whole_inner, 4):
            four_by_four(back, x, weights, o, k, n)
        for k in range(whole_inner, inner):
            for r in range(o, o + 4):
                weights[r, k] = dot(back[r], x[k], n)
    for o in range(whole_rows, rows):
        for k in range(inner):
            weights[o, k] = dot(back[o], x[k], n)


@inlined
def four_by_four(a: Any, b: Any, out: Any, o: int, k: int, n: int) -> None:
    """Write sixteen inner products of four rows and four rows."""
    a0, a1, a2, a3 = a[o], a[o + 1], a[o + 2], a[o + 3]
    b0, b1, b2, b3 = b[k], b[k + 1], b[k + 2], b[k + 3]
    s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = np.float32(0.0)
    s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = np.float32(0.0)
    for j in range(n):
        x0, x1, x2, x3 = a0[j], a1[j], a2[j], a3[j]
        y0, y1, y2, y3 = b0[j], b1[j], b2[j], b3[j]
        s00, s01, s02, s03 = s00 + x0 * y0, s01 + x0 * y1, s02 + x0 * y2, s03 + x0 * y3
        s10, s11, s12, s13 = s10 + x1 * y0, s11 + x1 * y1, s12 + x1 * y2, s13 + x1 * y3
        s20, s21, s22, s23 = s20 + x2 * y0, s21 + x2 * y1, s22 + x2 * y2, s23 + x2 * y3
        s30, s31, s32, s33 = s30 + x3 * y0, s31 + x3 * y1, s32 + x3 * y2, s33 + x3 * y3
    out[o, k], out[o, k + 1], out[o, k + 2], out[o, k + 3] = s00, s01, s02, s03
    out[o + 1, k], out[o + 1, k + 1], out[o + 1, k + 2], out[o + 1, k + 3] = s10, s11, s12, s13
    out[o + 2, k], out[o + 2, k + 1], out[o + 2, k + 2], out[o + 2, k + 3] = s20, s21, s22, s23
    out[o + 3, k], out[o + 3, k + 1], out[o + 3, k + 2], out[o + 3, k + 3] = s30, s31, s32, s33


@inlined
def dot(a: Any, b: Any, n: int) -> Any:
    """Return an inner product."""
    found = np.float32(0.0)
    for j in range(n):
        found += a[j] * b[j]
    return found


@inlined
def total(a: Any, n: int) -> Any:
    """Return a sum."""
    found = np.float32(0.0)
    for j in range(n):
        found += a[j]
    return found
