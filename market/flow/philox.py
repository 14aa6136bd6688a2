"""Counter-based random numbers: Philox4x32-10 as kernel code, addressed by (seed, stream, event, draw).

A draw depends on its address alone and not on what was drawn before. So two runs of one seed, one with
orders of ours and one without, see the same draws at the same events however far their books diverge.
Logarithms are made of exact operations only: the same seed gives the same bytes on every machine.
"""

import numpy as np

from market.kernel_types import INT
from market.kernels import lean_kernel, typed_kernel

M0 = np.uint64(0xD2511F53)
M1 = np.uint64(0xCD9E8D57)
W0 = np.uint64(0x9E3779B9)
W1 = np.uint64(0xBB67AE85)
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
ROUNDS = 10
UNIT = 1 << 32  # a draw is an integer of [0, UNIT)
LN2 = 0.6931471805599453


@typed_kernel(INT, INT, INT, INT)
def draw4(seed: int, stream: int, event: int, draw: int) -> tuple[int, int, int, int]:
    """Return four integers of [0, 2**32)."""
    k0, k1 = np.uint64(seed) & LOW, np.uint64(seed) >> HALF
    c0, c1 = np.uint64(event) & LOW, np.uint64(event) >> HALF
    c2, c3 = np.uint64(stream), np.uint64(draw)
    for _ in range(ROUNDS):
        p0, p1 = M0 * c0, M1 * c2
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1 & LOW, (p0 >> HALF) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + W0) & LOW, (k1 + W1) & LOW
    return np.int64(c0), np.int64(c1), np.int64(c2), np.int64(c3)  # type: ignore[return-value]


@lean_kernel
def neg_log(draw: int) -> float:
    """Return -ln((draw + 0.5) / 2**32), an exponential variate, by halving and the atanh series."""
    x = (draw + 0.5) / UNIT
    result = 0.0
    while x < 0.5:
        x *= 2.0
        result += LN2
    t = (x - 1.0) / (x + 1.0)  # in (-1/3, 0): eleven terms reach 1e-11
    square = t * t
    total = 0.0
    for odd in range(21, 0, -2):
        total = total * square + 1.0 / odd
    return result - 2.0 * t * total


@lean_kernel
def bell(seed: int, stream: int, event: int) -> float:
    """Return a variate of mean 0 and variance 1, nearly normal: twelve uniforms less six."""
    total = 0
    for draw in range(3):
        a, b, c, d = draw4(seed, stream, event, draw)
        total += a + b + c + d
    return total / UNIT - 6.0
