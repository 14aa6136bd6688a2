"""Orders between broker and gate, case by case: chains, races, executions, refusals, silence, nonsense."""

import pytest

from daemon.certify.notation import Case
from tests.scenarios.runner import cases, play

LIFECYCLE = cases("lifecycle")


@pytest.mark.parametrize("profile", ["fix44", "fix42"])
@pytest.mark.parametrize("case", LIFECYCLE, ids=[case.ref for case in LIFECYCLE])
def test_lifecycle(case: Case, profile: str) -> None:
    play(case, profile)
