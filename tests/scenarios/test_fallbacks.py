"""What a broker's profile lacks has something that stands for it, and each of these is played."""

import pytest

from daemon.certify.notation import Case
from daemon.certify.words import SUPPORT
from tests.scenarios.runner import cases, play

FALLBACKS = cases("fallbacks")


@pytest.mark.parametrize("case", FALLBACKS, ids=[case.ref for case in FALLBACKS])
def test_fallback(case: Case) -> None:
    play(case)


def test_every_message_that_a_broker_may_lack_has_a_case() -> None:
    lacking = {name for case in FALLBACKS for name in case.given.get("without", "").split(",") if name}
    by_hand = {
        "bust",
        "correct",
    }  # a correction comes as bust and trade (lifecycle/executions.txt), or by telephone

    assert lacking | by_hand == set(SUPPORT)
