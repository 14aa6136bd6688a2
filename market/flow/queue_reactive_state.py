"""`new_state`: the memory of one queue-reactive market; `Episode`: how it differs from its calibration.

`reseed` gives a warmed market another future: it and its book are copied (two array copies), and from then
on every draw is of the new seed. What such episodes share is their first state; so a pool of warmed
markets should be large, and episodes that begin with the same member count as one cluster. A seed enters
Philox as its key: seeds are never shifted copies of one another.
"""

import msgspec
import numpy as np

from market.book_layout import Arena
from market.flow.queue_reactive_clocks import FAR_NS, wind
from market.flow.queue_reactive_drivers import bear_history
from market.flow.queue_reactive_layout import (
    CLOCKS,
    LAYER_UNIT,
    N_PRICE,
    N_TICK,
    N_UNIT,
    R_BRANCHING,
    R_DRIFT,
    R_LATENT,
    R_MULTIPLE,
    R_OPEN,
    R_RATE,
    R_SIGMA,
    R_TICK_INVERSE,
    R_TILT_CANCELS,
    R_TILT_DEEP,
    R_TILT_LIMITS,
    R_UNIT,
    R_VALUE,
    REALS,
    S_ACTIVE,
    S_ASK,
    S_BEGIN,
    S_BID,
    S_BURST_DUE,
    S_CHILD_DUE,
    S_LIMITS,
    S_NEXT_ID,
    S_NOW,
    S_REGIME,
    S_SEED,
    S_TICK,
    STATE_WORDS,
)
from market.flow.queue_reactive_rates import reach
from market.flow.queue_reactive_tables import Reals
from market.kernels import lean_kernel

SEED_BOUND = 1 << 63


class Episode(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one market differs from its calibration, as multiples of it."""

    rate: float = 1.0
    sigma: float = 1.0
    latent: float = 1.0
    branching: float = 1.0
    tick: int = 1
    drift_bps_per_s: float = 0.0
    open_s: float = 0.0  # seconds from the opening to the beginning, for the time of day
    regime: int = 0  # at the beginning


def new_state(seed: int, begin_ns: int, tables: Reals, episode: Episode | None = None) -> tuple[Arena, Reals]:
    """Return `state` and `reals` of a market that has not begun; its book is empty."""
    if not 0 <= seed < SEED_BOUND:
        raise ValueError(f"seed must lie in 0..{SEED_BOUND - 1}")
    e = episode or Episode()
    if not (e.rate > 0 and e.sigma >= 0 and e.latent >= 0 and e.branching >= 0 and e.tick >= 1):
        raise ValueError("an episode's multiples must not be negative, rate and tick not 0")
    if not 0 <= e.regime < 3:
        raise ValueError("an episode's regime must lie in 0..2")
    state = np.zeros(STATE_WORDS, dtype=np.int64)
    reals = np.zeros(REALS)
    episode_row = np.array(
        [e.rate, e.sigma, e.latent, e.branching, float(e.tick), e.drift_bps_per_s, e.open_s, float(e.regime)]
    )
    restart(state, reals, tables, seed, begin_ns, episode_row)
    return state, reals


@lean_kernel
def restart(state: Arena, reals: Reals, tables: Reals, seed: int, begin_ns: int, episode: Reals) -> None:
    """Let a market begin anew; `episode` = rate, sigma, latent, branching, tick, drift, open_s, regime."""
    state[:] = 0
    reals[:] = 0.0
    reals[R_RATE], reals[R_SIGMA], reals[R_LATENT] = episode[0], episode[1], episode[2]
    reals[R_BRANCHING], reals[R_DRIFT], reals[R_OPEN] = episode[3], episode[5], episode[6]
    tick = int(tables[N_TICK] * episode[4])
    price_e4 = int(tables[N_PRICE]) // tick * tick
    state[S_SEED], state[S_BEGIN], state[S_TICK] = seed, begin_ns, tick
    state[S_REGIME] = int(episode[7])
    state[S_NEXT_ID] = 2
    state[S_NOW] = -1
    state[S_CHILD_DUE] = state[S_BURST_DUE] = FAR_NS
    state[S_BID], state[S_ASK] = price_e4 - tick, price_e4
    reals[R_VALUE] = price_e4 - 0.5 * tick
    reals[R_UNIT] = tables[N_UNIT] * episode[4]
    reals[R_TICK_INVERSE] = 1.0 / tick
    reals[R_MULTIPLE : R_MULTIPLE + 3] = 1.0
    reals[R_TILT_LIMITS - 2 : R_TILT_CANCELS + 2] = 1.0
    reals[R_TILT_DEEP : R_TILT_DEEP + 2] = 1.0
    for clock in range(CLOCKS):
        state[S_ACTIVE + clock] = 3  # what LAYER_UNIT x 4 covers: the ordinary rate
    bear_history(state, reals, tables)
    wind(state, reals, tables)
    reach(state, reals, tables, -1)


@lean_kernel
def reseed(state: Arena, reals: Reals, tables: Reals, seed: int) -> None:
    """Give a market another future from where it stands; metaorders that are alive go on."""
    state[S_SEED] = seed
    state[S_CHILD_DUE] = FAR_NS  # from the next second on
    state[S_BURST_DUE] = FAR_NS  # as above, or from the next event on
    wind(state, reals, tables)
    reach(state, reals, tables, max(state[S_NOW], 0))


@lean_kernel
def forget_counts(state: Arena) -> None:
    """Set the counters to 0, after the warm-up: the book has been built, from now on they mean something."""
    state[S_LIMITS:S_NOW] = 0


assert LAYER_UNIT * (1 << 2) == 1.0
