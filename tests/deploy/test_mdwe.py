"""What the gate imports and does works where no memory may be written and then executed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PR_SET_MDWE, REFUSED_HERE = 65, 77
CODE = f"""
import ctypes, sys
if ctypes.CDLL(None).prctl({PR_SET_MDWE}, 1, 0, 0, 0) != 0:
    sys.exit({REFUSED_HERE})
import mmap
try:
    mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)
    sys.exit("the kernel does not hold it")
except PermissionError:
    pass
"""


def under_mdwe(code: str) -> subprocess.CompletedProcess[str]:
    outcome = subprocess.run([sys.executable, "-c", CODE + code], capture_output=True, text=True, cwd=ROOT)
    if outcome.returncode == REFUSED_HERE:
        pytest.skip("this kernel has no PR_SET_MDWE (Linux 6.3)")
    return outcome


def test_the_gate_runs_its_loop_and_its_fix_engine() -> None:
    code = """
import asyncio, uvloop, quickfix, daemon.gate.main
from gateways.fix import engine
message = quickfix.Message(); message.setField(55, "GOOG"); message.toString()
async def beat(): await asyncio.sleep(0)
uvloop.run(beat())
print("alive")
"""

    outcome = under_mdwe(code)

    assert outcome.stdout == "alive\n", outcome.stderr


def test_a_compiled_kernel_cannot_which_is_why_the_trader_has_a_unit_of_its_own() -> None:
    code = """
import numba
print(numba.njit(lambda x: x + 1)(1))
"""

    outcome = under_mdwe(code)

    assert outcome.returncode != 0
