"""Many episodes side by side: sums, seeds, bounds, and what is refused."""

from typing import Any

import msgspec
import numpy as np
import pytest

from policies.layout import CROSSING, PASSIVE, RANDOM
from policies.tactic_kernels import tactics
from research.environment import layout as e
from research.environment.episode import play
from research.environment.scenarios import PLAIN, SMALL, Parents, Scenario
from research.environment.vector import PIECES_A_THREAD, Limits, Settings, UsageError, VectorEnv, pieces

NS = 1_000_000_000
SHORT = msgspec.structs.replace(PLAIN, openings=8, parents=Parents(seconds=(60.0, 120.0), share=(0.05, 0.3)))
REACTIVE = Scenario(name="small", market=SMALL, openings=8, parents=SHORT.parents)
HARD = Parents(
    seconds=(60.0, 120.0), share=(0.05, 0.5), limit_chance=0.5, limit_bps=(-2.0, 5.0), cap_chance=0.5,
    must_chance=0.5, amend_chance=0.4, pause_chance=0.4,
)  # fmt: skip


class Rule:
    """A rule of the house, or any legal action."""

    def __init__(self, kind: int, seed: int = 0) -> None:
        self.kind = kind
        self.chance = np.random.default_rng(seed)

    def act_batch(self, obs: Any, mask: Any) -> Any:
        actions = np.zeros(len(obs), dtype=np.int64)
        draws = self.chance.integers(0, 1 << 30, len(obs))
        tactics(self.kind, np.zeros(3), obs, mask, draws, actions)
        return actions


def rolled(env: VectorEnv, steps: int, seed: int = 0) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Play random legal actions; return the rewards, [step, env], and what ended."""
    rule, rewards, ended = Rule(RANDOM, seed), [], []
    obs, mask = env.reset()
    for _ in range(steps):
        obs, _, _, mask, infos = env.step(rule.act_batch(obs, mask))
        assert np.isfinite(obs).all()
        rewards.append(env.rewards.copy())
        ended.append(infos)
    return np.array(rewards), ended


@pytest.mark.parametrize("parents", [SHORT.parents, HARD], ids=["plain", "hard"])
@pytest.mark.parametrize("market", [SHORT, REACTIVE], ids=["zero", "reactive"])
def test_rewards_sum_to_minus_the_shortfall(market: Scenario, parents: Parents) -> None:
    env = VectorEnv([msgspec.structs.replace(market, parents=parents)], 32, 3)
    rewards, ended = rolled(env, 60)

    since = np.zeros(32, dtype=int)
    episodes = 0
    for step, infos in enumerate(ended):
        for i, cost in zip(infos["env"], infos["cost"], strict=True):
            assert rewards[since[i] : step + 1, i].sum() == pytest.approx(-cost, abs=1e-9)
            since[i] = step + 1
            episodes += 1
        assert not infos["dropped"].any()
    assert episodes > 60


def test_threads_change_nothing() -> None:
    one, _ = rolled(VectorEnv([SHORT, REACTIVE], 12, 5, threads=1), 30)
    two, _ = rolled(VectorEnv([SHORT, REACTIVE], 12, 5, threads=3), 30)
    other, _ = rolled(VectorEnv([SHORT, REACTIVE], 12, 6, threads=1), 30)

    assert (one == two).all()
    assert (one != other).any()


@pytest.mark.parametrize(("envs", "threads"), [(1, 1), (1, 4), (12, 3), (33, 2), (512, 2), (4_096, 16)])
def test_pieces_are_every_environment_once_and_enough_for_the_threads(envs: int, threads: int) -> None:
    cut = pieces(envs, threads)

    assert [i for first, last in cut for i in range(first, last)] == list(range(envs))
    assert min(envs, threads) <= len(cut) <= threads * PIECES_A_THREAD


def test_an_episode_depends_on_its_seed_and_not_on_its_neighbours() -> None:
    seeds = np.arange(1, 25)
    order = np.random.default_rng(0).permutation(24)

    straight = play(Rule(PASSIVE), SHORT, seeds)
    mixed = play(Rule(PASSIVE), SHORT, seeds[order])

    assert (straight["seed"] == seeds).all()
    assert (straight[order] == mixed).all()


def test_the_twin_splits_the_shortfall_exactly() -> None:
    for scenario in (SHORT, msgspec.structs.replace(REACTIVE, parents=HARD)):
        rows = play(Rule(RANDOM), scenario, np.arange(100, 148))

        assert np.abs(rows["tactic"] + rows["impact"] + rows["timing"] - rows["cost"]).max() < 1e-6
        assert not rows["dropped"].any()


def test_an_order_that_is_nothing_moves_nothing() -> None:
    """Impact vanishes with the size."""
    lots = msgspec.structs.replace(REACTIVE, parents=Parents(seconds=(122.0, 122.0), share=(1e-6, 1e-6)))

    crossing = play(Rule(CROSSING), lots, np.arange(64))

    assert np.abs(crossing["impact"]).mean() < 0.2
    assert crossing["tactic"].mean() > 0.3


def test_sides_are_mirrors_on_average() -> None:
    costs = []
    for side in (1, -1):
        parents = Parents(side=side, seconds=(60.0, 60.0), share=(0.1, 0.1))
        rows = play(Rule(CROSSING), msgspec.structs.replace(SHORT, parents=parents), np.arange(512))
        costs.append(rows["tactic"] + rows["impact"])
    difference = costs[0].mean() - costs[1].mean()
    error = np.sqrt(costs[0].var() / 512 + costs[1].var() / 512)

    assert abs(difference) < 4 * error


@pytest.mark.slow
def test_two_sets_of_seeds_differ_as_often_as_chance_says() -> None:
    scenario = msgspec.structs.replace(SHORT, openings=64)
    costs = play(Rule(CROSSING), scenario, np.arange(3_200))["cost"].reshape(100, 2, 16)
    difference = costs[:, 0].mean(axis=1) - costs[:, 1].mean(axis=1)
    error = np.sqrt((costs[:, 0].var(axis=1, ddof=1) + costs[:, 1].var(axis=1, ddof=1)) / 16)

    rejected = int((np.abs(difference / error) > 2.042).sum())  # Student's t, 30 degrees, 5 %

    assert 0 <= rejected <= 13


def test_never_more_than_the_parent_the_cap_or_the_position() -> None:
    limits = Limits(long_max=800, short_max=800)
    parents = msgspec.structs.replace(HARD, amend_chance=0.0, cap_chance=1.0, must_chance=1.0)
    env = VectorEnv(
        [msgspec.structs.replace(SHORT, parents=parents)], 32, 9, settings=Settings(limits=limits), threads=1
    )
    _, ended = rolled(env, 60)

    filled = np.concatenate([infos["filled"] for infos in ended])
    qty = np.concatenate([infos["qty"] for infos in ended])
    assert len(filled) > 60
    assert (filled <= qty).all()
    assert filled.max() <= 800
    assert (filled < qty).any()  # a cap or a limit leaves a remainder, and it is reported


def test_continuous_actions_go_through_the_same_plan() -> None:
    env = VectorEnv([msgspec.structs.replace(SHORT, parents=HARD)], 16, 2, continuous=True)
    chance = np.random.default_rng(0)
    env.reset()
    episodes = 0
    for _ in range(60):
        _, _, _, _, infos = env.step(chance.random((16, 2)))
        assert (infos["filled"] <= infos["qty"]).all()
        assert not infos["dropped"].any()
        episodes += len(infos["env"])
    assert episodes > 20


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"scenarios": ["nowhere"]}, "scenario 'nowhere': there is MIDCAP-15"),
        ({"scenarios": []}, "scenarios: name at least one"),
        ({"envs": 0}, "envs: 1 to 65536, got 0"),
        ({"seed": -1}, "seed: 0 to"),
        ({"threads": 0}, "threads: 1 to 64, got 0"),
        ({"reward": "riches"}, "reward 'riches': there is averse, published"),
        ({"settings": Settings(gap_ns=0)}, "gap_ns: 1 to 5000000000, got 0"),
        ({"settings": Settings(corridor=0.0)}, "corridor: above 0, at most 1, got 0"),
        ({"settings": Settings(limits=Limits(rate=99))}, "limits.rate: 1 to 32, got 99"),
    ],
)
def test_bad_arguments_are_one_line(arguments: dict[str, Any], line: str) -> None:
    given = {"scenarios": [SHORT], "envs": 2, "seed": 0} | arguments

    with pytest.raises(ValueError, match="^" + line.replace("(", r"\(")) as caught:
        VectorEnv(given.pop("scenarios"), given.pop("envs"), given.pop("seed"), **given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("actions", [[13, 0], [-1, 0], [0], [0.5, 1.0]])
def test_actions_that_are_none_are_refused(actions: list[float]) -> None:
    env = VectorEnv([SHORT], 2, 0, threads=1)
    env.reset()

    with pytest.raises(UsageError, match="actions: 2 whole numbers of 0 to 12"):
        env.step(np.array(actions))


def test_memory_of_an_environment_is_small() -> None:
    world = VectorEnv([PLAIN], 2, 0, threads=1).world

    held = sum(table[0].nbytes for name, table in world._asdict().items() if name not in ("book", "events"))

    assert held < 64 * 1024
    assert world.head.shape[1] == e.HEAD_SIZE
