"""One road: what an environment shows and sends is what the daemon's TraderCore sees and asks."""

import msgspec
import pytest

from research.environment import layout as e
from research.environment.scenarios import PLAIN, SMALL, Parents, Scenario
from research.environment.vector import Limits, Settings, VectorEnv
from tests.research.environment.core_replay import LOG_MAX, Replay, episodes, opening_tape

NS = 1_000_000_000
LIVELY = Settings(interval_ns=NS, gap_ns=NS // 4, on_fill=True, on_touch=True)
PARENTS = Parents(
    seconds=(60.0, 240.0), share=(0.05, 0.4), limit_chance=0.3, limit_bps=(-1.0, 8.0), cap_chance=0.3,
    must_chance=0.5, amend_chance=0.45, pause_chance=0.45,
)  # fmt: skip
MARKETS = {"zero": PLAIN, "reactive": Scenario(name="small", market=SMALL)}


def compared(scenario: Scenario, envs: int, settings: Settings) -> tuple[int, int, int, int, int]:
    scenario = msgspec.structs.replace(scenario, openings=4, parents=PARENTS)
    env = VectorEnv([scenario], envs, 5, threads=1, settings=settings, log_max=LOG_MAX)
    tapes = {i: opening_tape(scenario, i) for i in range(4)}
    found = [0] * 5
    for episode in episodes(env, 1):
        replay = Replay(env, episode, tapes[int(episode[5][e.OPENING])])
        replay.play()
        made = (*replay.differences(), replay.moves, replay.move_faults + replay.touch_faults)
        found = [a + b for a, b in zip(found, made, strict=True)]
    assert env.world.head[:, e.DROPPED].max() == 0
    return tuple(found)


@pytest.mark.slow
@pytest.mark.parametrize("market", MARKETS)
def test_environment_and_daemon_see_mask_and_ask_the_same(market: str) -> None:
    decisions, observations, masks, moves, faults = compared(MARKETS[market], 16, LIVELY)

    assert decisions > 3_000
    assert moves > 2_000
    assert (observations, masks, faults) == (0, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("on_fill", [False, True])
def test_parity_holds_on_the_timer_alone_and_under_narrow_limits(on_fill: bool) -> None:
    narrow = Limits(orders_max=3, rate=2, qty_max=300, long_max=1_500, short_max=1_500)
    settings = Settings(interval_ns=2 * NS, gap_ns=NS // 2, on_fill=on_fill, limits=narrow)

    decisions, observations, masks, _, faults = compared(PLAIN, 8, settings)

    assert decisions > 500
    assert (observations, masks, faults) == (0, 0, 0)
