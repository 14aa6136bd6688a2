"""Counter-based random numbers: Philox4x32-10 as kernel code, addressed by (seed, stream, event, draw).

A draw depends on its address alone and not on what was drawn before. So two runs of one seed, one with
orders of ours and one without, see the same draws at the same events however far their books diverge.
Logarithms are made of exact operations only: the same seed gives the same bytes on every machine.
"""

import numpy as np

from market.kernel_types import INT
from market.kernels import inlined_kernel, lean_kernel, typed_kernel

M0 = np.uint64(0xD2511F53)
M1 = np.uint64(0xCD9E8D57)
W0 = np.uint64(0x9E3779B9)
W1 = np.uint64(0xBB67AE85)
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
ROUNDS = 10
UNIT = 1 << 32  # a draw is an integer of [0, UNIT)
LN2 = 0.6931471805599453
LN2_SUMS = np.cumsum([0.0] + [LN2] * 32)  # one after the other, each rounded


@inlined_kernel
def rounds4(seed: int, stream: int, event: int, draw: int) -> tuple[int, int, int, int]:
    """Return four integers of [0, 2**32), compiled into the caller: in a loop over events, many at once."""
    k0, k1 = np.uint64(seed) & LOW, np.uint64(seed) >> HALF
    c0, c1 = np.uint64(event) & LOW, np.uint64(event) >> HALF
    c2, c3 = np.uint64(stream), np.uint64(draw)
    for _ in range(ROUNDS):
        p0, p1 = M0 * c0, M1 * c2
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1 & LOW, (p0 >> HALF) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + W0) & LOW, (k1 + W1) & LOW
    return np.int64(c0), np.int64(c1), np.int64(c2), np.int64(c3)  # type: ignore[return-value]


@typed_kernel(INT, INT, INT, INT)
def draw4(seed: int, stream: int, event: int, draw: int) -> tuple[int, int, int, int]:
    """Return four integers of [0, 2**32)."""
    return rounds4(seed, stream, event, draw)


@inlined_kernel
def doubled(x: float, count: int, step: int) -> tuple[float, int]:
    """Return x * 2**step where that is below 1, and how many doublings that makes."""
    small = x < 1.0 / (1 << step)
    return x * (1 << step) if small else x, count + step if small else count


@inlined_kernel
def neg_log(draw: int) -> float:
    """Return -ln((draw + 0.5) / 2**32), an exponential variate, by doubling and the atanh series.

    Without a branch, and with a division that raises nothing, so that a loop of them is taken side by side.
    """
    x, count = (draw + 0.5) / UNIT, 0
    x, count = doubled(x, count, 16)
    x, count = doubled(x, count, 8)
    x, count = doubled(x, count, 4)
    x, count = doubled(x, count, 2)
    x, count = doubled(x, count, 1)
    x, count = doubled(x, count, 1)  # the smallest draw takes 32
    t = np.true_divide(x - 1.0, x + 1.0)  # in (-1/3, 0): eleven terms reach 1e-11
    s = t * t
    total = 1 / 13 + s * (1 / 15 + s * (1 / 17 + s * (1 / 19 + s * (1 / 21))))
    total = 1.0 + s * (1 / 3 + s * (1 / 5 + s * (1 / 7 + s * (1 / 9 + s * (1 / 11 + s * total)))))
    return LN2_SUMS[count] - 2.0 * t * total  # type: ignore[no-any-return]


@lean_kernel
def bell(seed: int, stream: int, event: int) -> float:
    """Return a variate of mean 0 and variance 1, nearly normal: twelve uniforms less six."""
    total = 0
    for draw in range(3):
        a, b, c, d = draw4(seed, stream, event, draw)
        total += a + b + c + d
    return total / UNIT - 6.0
