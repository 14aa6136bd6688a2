"""Worlds by the hundred, each from one seed: P1 to P16 hold after every step, whatever befalls them.

`STEADYHAND_LONG=1` plays 100,000 seeds. A seed that fails prints the command that plays it again.
"""

import os

import pytest

from tests.simulation.mutants import MUTANTS, Mutant, planted
from tests.simulation.run import command
from tests.simulation.seed import play, steady

SEEDS = 100_000 if os.environ.get("STEADYHAND_LONG") else 520
BLOCKS = 8
MUTANT_SEEDS = (*range(8, 48), 116)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(BLOCKS))
def test_every_promise_holds_in_every_world(block: int) -> None:
    bad = []
    for seed in range(block, SEEDS, BLOCKS):
        outcome = play(seed)
        if outcome.found:
            bad.append(f"seed {seed} {outcome.families}: {outcome.found[0]}\n    {command(seed)}")
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("seed", [3, 8, 21, 56])
def test_a_seed_is_the_same_world_again(seed: int) -> None:
    first, second = play(seed), play(seed)
    assert first.messages > 5
    assert first.digest == second.digest
    assert first == second


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.promise} {m.name}")
def test_the_checker_sees_a_planted_bug(mutant: Mutant) -> None:
    for seed in MUTANT_SEEDS:
        with planted(mutant):
            if mutant.promise == "P10":
                found = steady(seed)
            else:
                found = play(seed, list(mutant.families), replayed=mutant.promise == "P14").found
        if any(text.startswith(f"{mutant.promise} ") for text in found):
            clean = steady(seed) if mutant.promise == "P10" else play(seed, list(mutant.families)).found
            assert clean == [], "the bug was not planted: it is there"
            return
    pytest.fail(f"{mutant.name}: nobody saw it")


def test_every_promise_has_a_planted_bug() -> None:
    assert {m.promise for m in MUTANTS} == {f"P{n}" for n in range(1, 17)}


@pytest.mark.parametrize("seed", range(4))
def test_a_clock_that_jumps_changes_nothing(seed: int) -> None:
    assert steady(seed) == []
