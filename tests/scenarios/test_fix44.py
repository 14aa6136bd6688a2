"""Every row of the FIX 4.4 order state change matrices (volume 4, appendix D), played through the gate."""

import pytest

from daemon.certify.notation import Case
from tests.scenarios.runner import cases, play

MATRICES = cases("fix44")


@pytest.mark.parametrize("profile", ["fix44", "fix42"])
@pytest.mark.parametrize("case", MATRICES, ids=[case.ref for case in MATRICES])
def test_matrix(case: Case, profile: str) -> None:
    """A broker of 4.2 tells the same by ExecTransType(20), 150=1/2 and 20=3: our order stands the same."""
    play(case, profile)
