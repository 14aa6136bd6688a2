"""The propagator: another law of impact, laid over a market or over a tape.

Own volume moves the price by volume^DELTA, and what it moved fades as a power of time (Bouchaud,
Gefen, Potters and Wyart 2004): (1 + t / TAU)^-BETA. Its size is set so that an even execution of a
parent of Q shares ends at Y x sigma x sqrt(Q / V), with sigma and V of the parent's window: the
square-root law, from the literature (Toth et al. 2011), not from our data.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from market.flow.queue_reactive_layout import R_VALUE
from market.flow.zero_intelligence_state import Z_VALUE
from research.environment import layout as e
from research.environment.vector import VectorEnv

DELTA: Final = 0.5
BETA: Final = 0.25  # (1 - gamma) / 2, with order signs correlated as lag^-0.5
TAU_S: Final = 10.0
Y: Final = 0.7
BUCKET_S: Final = 5.0  # own volume is added up over it before the power is taken
# (1 + t / TAU)^-BETA as exponentials, whose sums can be carried along: rates evenly in their logarithm.
RATES_S: Final = (1 / 4.0, 1 / 20.0, 1 / 100.0, 1 / 500.0, 1 / 2_500.0, 1 / 20_000.0)


def decay(seconds: Any) -> Any:
    """Return how much of an impact is left."""
    return (1.0 + np.maximum(seconds, 0.0) / TAU_S) ** -BETA


def weights() -> NDArray[np.float64]:
    """Return the weights of the exponentials, by least squares over an hour; they sum to 1."""
    t = np.concatenate([[0.0], np.geomspace(0.5, 3_600.0, 60)])
    basis = np.exp(-np.outer(t, RATES_S))
    found, *_ = np.linalg.lstsq(basis, decay(t), rcond=None)
    return np.asarray(found / found.sum(), dtype=np.float64)


def size(qty: float, seconds: float, sigma_bps: float, volume: float) -> float:
    """Return the size that makes an even execution end at the square-root law; bps a share^DELTA."""
    buckets = max(1, round(seconds / BUCKET_S))
    each = qty / buckets
    ages = BUCKET_S * np.arange(buckets)
    unit = float((each**DELTA * decay(ages)).sum())
    return float(Y * sigma_bps * np.sqrt(qty / max(volume, qty)) / unit) if unit > 0 else 0.0


def shifts(
    times_s: NDArray[np.float64], qty: NDArray[np.float64], at_s: NDArray[np.float64], scale: float
) -> NDArray[np.float64]:
    """Return the shift in bps, towards costing more, at some instants, by fills before them."""
    bucket = np.floor(times_s / BUCKET_S).astype(int) if len(times_s) else np.zeros(0, dtype=int)
    moved = np.zeros(len(at_s))
    for one in np.unique(bucket):
        inside = bucket == one
        when = float(times_s[inside].max())
        age = at_s - when
        moved += np.where(age > 0, scale * float(qty[inside].sum()) ** DELTA * decay(age), 0.0)
    return moved


class Propagator:
    """Moves the efficient price of an environment by what its own orders did.

    The flow of the market knows this price and goes after it: so what was traded comes back as drift
    of the whole book, on top of what the orders did to the book themselves.
    """

    def __init__(self, times: float, sigma_bps_per_root_s: float, volume_per_s: float) -> None:
        self.times, self._sigma, self._rate = times, sigma_bps_per_root_s, volume_per_s
        self._weights, self._rates = weights(), np.array(RATES_S)

    def begin(self, env: VectorEnv) -> None:
        """Forget everything; read the parents."""
        self._state = np.zeros((env.envs, len(RATES_S)))
        self._cum = np.zeros(env.envs)
        self._scale = np.zeros(env.envs)
        self._price = np.zeros(env.envs)
        self._now = env.world.head[:, e.PLAYED].astype(np.float64)
        self.parents(env, np.ones(env.envs, dtype=bool))

    def parents(self, env: VectorEnv, which: NDArray[np.bool_]) -> None:
        """Take the parents of environments that have begun anew."""
        head = env.world.head
        self._state[which] = 0.0
        self._cum[which] = 0.0
        self._price[which] = 0.5 * head[which, e.MID2]
        self._now[which] = head[which, e.PLAYED]
        for i in np.flatnonzero(which):
            seconds = float(head[i, e.ENDS] - head[i, e.STARTED]) / 1e9
            sigma = self._sigma * np.sqrt(seconds)
            self._scale[i] = self.times * size(
                float(head[i, e.GATE_QTY]), seconds, sigma, self._rate * seconds
            )

    def step(self, env: VectorEnv, done: NDArray[np.bool_]) -> None:
        """Move the price by the last step's fills and by what fades."""
        world = env.world
        if done.any():
            self.parents(env, done)
        now = world.head[:, e.PLAYED].astype(np.float64)
        gone = np.exp(-np.outer((now - self._now) / 1e9, self._rates))
        before = self._state.sum(axis=1)
        filled = np.where(done, 0.0, world.head[:, e.GATE_CUM] - self._cum)
        kick = self._scale * np.maximum(filled, 0.0) ** DELTA
        self._state = self._state * gone + kick[:, None] * self._weights[None, :]
        move = world.head[:, e.SIGN_] * (self._state.sum(axis=1) - before) * self._price * 1e-4
        move[done] = 0.0
        self._cum, self._now = world.head[:, e.GATE_CUM].astype(np.float64), now
        if env.openings.scenarios[0, e.G_FLOW] == e.FLOW_REACTIVE:
            world.reals[:, R_VALUE] += move
        else:
            world.flow[:, Z_VALUE] += np.rint(move).astype(np.int64)
