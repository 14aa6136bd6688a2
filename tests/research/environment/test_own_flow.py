"""What we take ourselves is no signal: own fills are out of the signed flow, in environment and daemon."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest

from policies import state_kernels as k
from research.environment import layout as e
from research.environment.scenarios import PLAIN, Parents
from research.environment.vector import Settings, VectorEnv
from tests.research.environment.core_replay import LOG_MAX, Replay, episodes, opening_tape

NS = 1_000_000_000
TAKER = 12  # the action that crosses two slices
HEAVY = Parents(side=1, seconds=(180.0, 180.0), share=(0.5, 0.5))
SCENARIO = msgspec.structs.replace(PLAIN, openings=1, parents=HEAVY)


def flow_of(tape: Any, fills: Any, at_ns: int, scale_ns: float) -> tuple[float, float]:
    """Return signed flow at an instant as all prints have it, and without what we took."""
    prints = tape[(tape["kind"] == k.EXECUTE) & (tape["ts_ns"] <= at_ns)]
    every = -float(np.sum(prints["side"] * prints["size"] * np.exp((prints["ts_ns"] - at_ns) / scale_ns)))
    taken = fills[(fills[:, e.F_PASSIVE] == 0) & (fills[:, e.F_TS] <= at_ns)]
    own = float(np.sum(taken[:, e.F_QTY] * np.exp((taken[:, e.F_TS] - at_ns) / scale_ns)))
    return every, every - own  # the parent buys


def test_an_environments_flow_is_that_of_others() -> None:
    env = VectorEnv([SCENARIO], 1, 3, threads=1, settings=Settings(), fills_max=512, log_max=LOG_MAX)
    _, mask = env.reset()
    w, compared = env.world, 0
    head, ints, floats = w.head[0], w.ints[0], w.floats[0]
    since_ns, before = int(ints[k.LAST_TS]), floats[k.FLOW : k.FLOW_VOLUME].copy()
    for _ in range(20):
        _, _, done, mask, _ = env.step(np.array([TAKER if mask[0, TAKER] else 0]))
        assert not done[0]
        now_ns = int(ints[k.LAST_TS])
        fills = w.fills[0, : head[e.FILLS_KEPT]]
        if head[e.REPORTS_WAITING] or (len(fills) and fills[-1, e.F_TS] > now_ns):
            continue  # told before it is fed, or not told yet
        for s, scale_ns in enumerate(k.SCALES_NS):
            every, others = flow_of(w.tape[0, : head[e.TAPED]], fills, now_ns, scale_ns)
            kept = before[s] * math.exp((since_ns - now_ns) / scale_ns)
            assert floats[k.FLOW + s] == pytest.approx(kept + others, abs=1e-6)
            compared += abs(every - others) > 1.0
    assert compared > 10


def test_a_daemons_flow_is_the_environments() -> None:
    env = VectorEnv([SCENARIO], 2, 5, threads=1, settings=Settings(on_fill=True), log_max=LOG_MAX)
    tape = opening_tape(SCENARIO, 0)
    for episode in episodes(env, 1):
        replay, signs = Replay(env, episode, tape), []
        fill = replay.core.markets[replay.instrument.symbol].builder.fill

        def noted(parent: Any, qty: int, ts_ns: int, sign: int, f: Any = fill, kept: Any = signs) -> None:
            kept.append(sign)
            f(parent, qty, ts_ns, sign)

        replay.core.markets[replay.instrument.symbol].builder.fill = noted  # type: ignore[method-assign]
        replay.play()
        assert replay.differences()[1] == 0
        own = int(replay.head[e.SIGN_])
        assert set(signs) == {0, own}  # some rested, some took
