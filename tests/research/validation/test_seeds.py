"""What a claim is measured on was fixed before anything was trained, and is used for nothing else."""

import numpy as np
import pytest

from research.validation import seeds as s


@pytest.mark.parametrize("purpose", s.FROZEN)
def test_the_frozen_sets_are_those_of_the_repository(purpose: str) -> None:
    assert s.digest_of(purpose) == s.FROZEN[purpose]


def test_no_seed_serves_two_purposes() -> None:
    everything = np.concatenate([s.seeds(p, 2_000, run) for p in s.PURPOSES for run in range(3)])
    assert len(np.unique(everything)) == len(everything)
    assert everything.min() > 0


def test_a_longer_set_begins_with_the_shorter_one() -> None:
    assert (s.seeds("T1", 10) == s.seeds("T1", 100)[:10]).all()


def test_a_purpose_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not 'T9'"):
        s.seeds("T9", 1)
