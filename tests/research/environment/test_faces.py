"""The gymnasium face, rewards by name, the frozen scenario, and the flow that stops."""

import hashlib

import numpy as np
import pytest

from market.flow.zero_intelligence_kernels import flow, flow_to_stop
from market.flow.zero_intelligence_state import Rates, new_state
from market.matching import MatchingEngine
from policies.state_features import I_QTY, I_TIME
from research.environment import rewarding
from research.environment.layout import GAIN, LEFT, MONEY_SIZE, SECONDS_PAST, VARIANCE
from research.environment.midcap import COST_BPS, IMPACT_BPS, SHA256, measured
from research.environment.scenarios import HERE, MIDCAP, PLAIN, SCENARIOS

NS = 1_000_000_000


@pytest.mark.parametrize("continuous", [False, True])
def test_gymnasium_finds_nothing_wrong(continuous: bool) -> None:
    pytest.importorskip("gymnasium")
    from gymnasium.utils.env_checker import check_env

    from research.environment.gym import ExecutionEnv

    check_env(ExecutionEnv(PLAIN, continuous=continuous), skip_render_check=True)


def test_the_last_step_shows_what_the_episode_saw_last_and_not_the_next_ones_first() -> None:
    pytest.importorskip("gymnasium")
    from research.environment.gym import ExecutionEnv

    env = ExecutionEnv(PLAIN)
    for seed in range(20):
        first, _ = env.reset(seed=seed)
        over = False
        while not over:
            last, _, over, truncated, info = env.step(seed % 13)

        assert not truncated
        assert env.observation_space.contains(last)
        assert last[I_TIME] < first[I_TIME]
        assert last[I_QTY] < first[I_QTY] or not info["episode_record"]["filled"]
        assert not info["mask"].any()


def test_there_are_regimes_enough_and_none_twice() -> None:
    assert len(SCENARIOS) >= 25
    assert MIDCAP in SCENARIOS
    assert all(name == scenario.name for name, scenario in SCENARIOS.items())


def test_midcap_is_what_was_frozen() -> None:
    assert hashlib.sha256((HERE / "midcap.json").read_bytes()).hexdigest() == SHA256


@pytest.mark.slow
def test_midcap_costs_what_it_was_fitted_to() -> None:
    market = SCENARIOS[MIDCAP].market

    cost, _, impact, error = measured(market.price_e4, market.latent.limits, 256)  # type: ignore[union-attr]

    assert abs(cost - COST_BPS) < 0.5 + 2 * error
    assert abs(impact - IMPACT_BPS) < 0.7


def test_every_reward_is_a_number_a_row() -> None:
    money = np.random.default_rng(0).random((5, MONEY_SIZE))
    for name in rewarding.names():
        assert rewarding.named(name)(money).shape == (5,)
    averse = rewarding.named("averse")(money)
    risk = money[:, LEFT] ** 2 * money[:, VARIANCE] * money[:, SECONDS_PAST]
    assert averse == pytest.approx(money[:, GAIN] - 0.01 * risk)


def test_tail_turns_the_mean_into_minus_cvar() -> None:
    costs = np.random.default_rng(1).normal(2.0, 5.0, 100_000)
    level = float(np.quantile(costs, 0.95))

    total = -costs + rewarding.tail(costs, level)

    assert total.mean() == pytest.approx(-costs[costs >= level].mean(), rel=1e-3)


@pytest.mark.parametrize("stops", [(True, False), (True, True), (False, True)])
def test_flow_that_stops_says_the_same_as_flow_that_does_not(stops: tuple[bool, bool]) -> None:
    plain, stopping = (MatchingEngine(1 << 12, 1 << 9, 1 << 14) for _ in range(2))
    states = [new_state(7, 0, 1_000_000, 100, Rates()) for _ in range(2)]
    until_ns, pieces, why = 120 * NS, [], 1

    count, _, more = flow(plain.book.arena, states[0], until_ns, plain.outcomes)
    while why:
        n, _, why = flow_to_stop(stopping.book.arena, states[1], until_ns, stopping.outcomes, *stops)
        pieces.append(stopping.outcomes[:n].copy())

    assert not more
    assert (np.concatenate(pieces) == plain.outcomes[:count]).all()
    assert plain.book.state_hash() == stopping.book.state_hash()
    assert not stops[0] or len(pieces) > 50
