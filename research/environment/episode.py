"""`play`: a policy works listed episodes; a row of numbers an episode, with the twin in which it was absent.

The shortfall is split (buying): tactic = what fills cost against the mid just before them; impact = that mid
against the twin's at the same instant; timing = the twin's against the arrival mid. What is left undone is
marked at the end: its impact and timing by the twin's last mid. The three sum to the shortfall exactly.
"""

from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from research.environment import layout as e
from research.environment.scenarios import Scenario
from research.environment.vector import Settings, VectorEnv
from research.worlds.world import Actions, Bools, Floats

FILLS_MAX: Final = 2_048  # of one episode; one with more is refused, loudly
STEPS_MAX: Final = 1 << 20  # of one batch of episodes: none is that long
BATCH: Final = 256  # episodes side by side: a gigabyte of books is too many
EPISODE: Final = np.dtype(
    [
        *(("scenario", "i8"), ("seed", "i8"), ("opening", "i8"), ("side", "i8"), ("qty", "i8")),
        *(("filled", "i8"), ("decisions", "i8"), ("messages", "i8"), ("fills", "i8"), ("vetoes", "i8")),
        *(("rejects", "i8"), ("dropped", "i8"), ("cost", "f8"), ("tactic", "f8"), ("impact", "f8")),
        *(("timing", "f8"), ("twin_move", "f8"), ("passive", "f8"), ("edge", "f8"), ("seconds", "f8")),
        ("unfilled", "f8"),  # share left undone
    ]
)


class Player(Protocol):
    """Anything that chooses for many; `settings` says around which schedule."""

    def act_batch(self, obs: Floats, mask: Bools) -> Actions:
        """Return an action a row."""


def play(
    player: Player,
    scenario: str | Scenario,
    seeds: NDArray[np.int64],
    settings: Settings | None = None,
    *,
    threads: int = 2,
    continuous: bool = False,
    env: VectorEnv | None = None,
) -> NDArray[Any]:
    """Return an EPISODE row for each seed, in their order; an `env` of this scenario saves its openings."""
    count = min(BATCH, len(seeds))
    if env is None:
        env = VectorEnv(
            [scenario],
            count,
            0,
            threads=threads,
            settings=settings,
            continuous=continuous,
            fills_max=FILLS_MAX,
        )
    rows = np.zeros(len(seeds), dtype=EPISODE)
    for first in range(0, len(seeds), env.envs):
        batch = np.resize(seeds[first : first + env.envs], env.envs)
        wanted = min(env.envs, len(seeds) - first)
        rows[first : first + wanted] = played(env, player, batch)[:wanted]
    return rows


def played(env: VectorEnv, player: Player, seeds: NDArray[np.int64]) -> NDArray[Any]:
    """Play one episode in each environment, then its twin."""
    env.listed(seeds.reshape(-1, 1), np.zeros((env.envs, 1), dtype=np.int64))
    rows = np.zeros(env.envs, dtype=EPISODE)
    fills = np.zeros((env.envs, FILLS_MAX, e.FILL_WIDTH), dtype=np.int64)
    facts = np.zeros((env.envs, e.EPISODE_SIZE))
    ended = np.zeros(env.envs, dtype=bool)
    obs, mask = env.reset()
    started = env.world.head[:, e.STARTED].copy()
    for _ in range(STEPS_MAX):
        obs, _, done, mask, _ = env.step(player.act_batch(obs, mask))
        for i in np.flatnonzero(done & ~ended).tolist():
            ended[i] = True
            facts[i] = env.world.ended[i]
            made = int(facts[i, e.E_FILLS])
            assert made <= FILLS_MAX, f"an episode of {made} fills; FILLS_MAX is {FILLS_MAX}"
            fills[i, :made] = env.world.fills[i, :made]
        if ended.all():
            break
    counts = facts[:, e.E_FILLS].astype(np.int64)
    times = fills[:, :, e.F_TS].copy()
    over = started + np.round(facts[:, e.E_SECONDS] * 1e9).astype(np.int64)
    times = np.concatenate([times, np.zeros((env.envs, 1), dtype=np.int64)], axis=1)
    times[np.arange(env.envs), counts] = over + 1
    mids2 = env.twin_mids2(times, counts + 1)
    for i in range(env.envs):
        fill_row(rows[i], facts[i], fills[i, : counts[i]], mids2[i, : counts[i] + 1])
    return rows


def fill_row(row: Any, facts: Any, fills: Any, twin2: Any) -> None:
    """Write an episode, its shortfall split by the twin; integers up to the last division."""
    copied = {
        "scenario": e.E_SCENARIO, "opening": e.E_OPENING, "side": e.E_SIDE, "qty": e.E_QTY,
        "filled": e.E_FILLED, "decisions": e.E_DECISIONS, "messages": e.E_MESSAGES, "fills": e.E_FILLS,
        "vetoes": e.E_VETOES, "rejects": e.E_REJECTS, "dropped": e.E_DROPPED, "cost": e.E_COST,
        "passive": e.E_PASSIVE, "edge": e.E_EDGE, "seconds": e.E_SECONDS,
    }  # fmt: skip
    for name, at in copied.items():
        row[name] = facts[at]
    row["seed"] = int(facts[e.E_SEED]) << 32 | int(facts[e.E_SEED_LOW])
    sign, qty, filled = int(facts[e.E_SIDE]), int(facts[e.E_QTY]), int(facts[e.E_FILLED])
    arrival2, end2 = round(2 * facts[e.E_ARRIVAL]), round(2 * facts[e.E_END])
    shares, mids2 = fills[:, e.F_QTY], fills[:, e.F_MID2]
    left = qty - filled
    unit = sign * 1e4 / (facts[e.E_FIRST] * arrival2)
    row["tactic"] = unit * int((shares * (2 * fills[:, e.F_PX] - mids2)).sum())
    row["impact"] = unit * (int((shares * (mids2 - twin2[:-1])).sum()) + left * (end2 - int(twin2[-1])))
    row["timing"] = unit * (
        int((shares * (twin2[:-1] - arrival2)).sum()) + left * (int(twin2[-1]) - arrival2)
    )
    row["twin_move"] = sign * 1e4 * (int(twin2[-1]) - arrival2) / arrival2
    row["unfilled"] = left / qty
