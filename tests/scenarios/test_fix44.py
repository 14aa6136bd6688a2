"""Every row of the FIX 4.4 order state change matrices (volume 4, appendix D), played through the gate."""

import pytest

from daemon.certify.notation import Case
from tests.scenarios.runner import cases, play

MATRICES = cases("fix44")


@pytest.mark.parametrize("case", MATRICES, ids=[case.ref for case in MATRICES])
def test_matrix(case: Case) -> None:
    play(case)
