"""A million decisions: environment, validation, the trader's core, its journal and the replay of it agree.

Half an hour on a core: STEADYHAND_LONG=1, and -s to read the numbers. Half of the episodes are played with
any legal action, half by a frozen network: its choices in the environment come from the batch that
validation plays (`act_batch`), in the core from the call that trades (`act`). What a paper run keeps is a
shell's journal, replayed offline.
"""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from safetensors.numpy import load_file

from daemon.replay import TraderReplay
from policies.frozen import FrozenPolicy
from research.environment import layout as e
from research.environment.scenarios import PLAIN, SMALL, Scenario
from research.environment.vector import Settings, VectorEnv
from research.validation.subjects import Network
from tests.artefacts.shelf import CLONED
from tests.daemon.trader_world import ShellRun
from tests.research.environment.core_replay import EPISODE, LOG_MAX, Recorder, Replay, episodes, opening_tape
from tests.research.environment.test_parity import LIVELY, NS, PARENTS

DECISIONS = 1_000_000
JOURNALED = 20_000
ENVS = 32
MARKETS = (PLAIN, Scenario(name="small", market=SMALL))
PACES = (LIVELY, Settings(interval_ns=NS, gap_ns=NS // 4, on_fill=True), Settings())
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("STEADYHAND_LONG"), reason="half an hour: STEADYHAND_LONG=1"),
]


class Chooser(Recorder):
    """A frozen network in the core; notes where it does not choose what the batch chose."""

    def __init__(self, actions: list[int], policy: FrozenPolicy) -> None:
        super().__init__(actions)
        self.policy = policy
        self.other = 0

    def act(self, obs: Any, mask: int) -> Any:
        due = super().act(obs, mask)
        chosen = self.policy.act(obs, mask)
        self.other += chosen.action != due.action and len(self.seen) <= len(self.actions)
        return chosen


def played(env: VectorEnv, seed: int, policy: FrozenPolicy | None) -> list[EPISODE]:
    """Play one episode in each environment, any legal action or the network's."""
    if policy is None:
        return episodes(env, seed)
    return episodes(env, seed, choose=Network(load_file(CLONED / "weights.safetensors")))


def test_a_million_decisions_are_the_same_in_environment_validation_and_core() -> None:
    frozen = FrozenPolicy.load(CLONED)
    found = dict.fromkeys(("decisions", "observations", "masks", "moves", "faults", "choices"), 0)
    worlds = []
    for market in MARKETS:
        scenario = msgspec.structs.replace(market, openings=4, parents=PARENTS)
        tapes = [opening_tape(scenario, i) for i in range(4)]
        worlds += [
            (VectorEnv([scenario], ENVS, 1, threads=1, settings=pace, log_max=LOG_MAX), tapes)
            for pace in PACES
        ]
    turn = 0
    while found["decisions"] < DECISIONS:
        for number, (env, tapes) in enumerate(worlds):
            env.reseed(1 + turn)
            policy = frozen if (turn // len(worlds) + number) % 2 else None
            for episode in played(env, turn, policy):
                replay = Replay(env, episode, tapes[int(episode[5][e.OPENING])])
                if policy is not None:
                    replay.policy = replay.core.policy = Chooser(replay.actions, policy)  # type: ignore[assignment]
                replay.play()
                decisions, observations, masks = replay.differences()
                found["decisions"] += decisions
                found["observations"] += observations
                found["masks"] += masks
                found["moves"] += replay.moves
                found["faults"] += replay.move_faults + replay.touch_faults
                found["choices"] += getattr(replay.policy, "other", 0)
            assert env.world.head[:, e.DROPPED].max() == 0
            turn += 1
        print(found, flush=True)
    assert (found["observations"], found["masks"], found["faults"], found["choices"]) == (0,) * 4


def test_journals_of_the_shell_replay_to_the_same_decisions(tmp_path: Path) -> None:
    decisions, seed = 0, 0
    while decisions < JOURNALED:
        seed += 1
        folder = tmp_path / str(seed)
        folder.mkdir()
        run = ShellRun(str(CLONED) if seed % 2 else "twap-passive", folder, seconds=600, seed=seed)
        run.play()
        run.shell.close()
        verdict = TraderReplay(folder / "trader-1.journal").run()
        assert verdict.clean, verdict.differences
        assert verdict.decisions == run.core.decisions > 0
        decisions += verdict.decisions
        print(f"journals: {decisions} decisions, 0 differences", flush=True)
