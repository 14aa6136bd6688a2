"""How a process with quickfix loaded ends: by its own code, or by the second signal, and tidied up."""

import signal
import subprocess
import sys

import pytest

ENDS = """
from daemon.runtime import run_and_exit

async def main(runtime):
    for number in {signals}:
        runtime.stop(number)
    return 7

run_and_exit(main, lambda: print("tidied up"))
"""


@pytest.mark.parametrize(
    ("signals", "code"),
    [
        ((), 7),
        ((signal.SIGTERM.value,), 7),
        ((signal.SIGTERM.value, signal.SIGTERM.value), 128 + signal.SIGTERM),
        ((signal.SIGTERM.value, signal.SIGINT.value), 128 + signal.SIGINT),
    ],
)
def test_the_second_signal_is_the_exit_code_and_what_lies_about_is_tidied_up(
    signals: tuple[int, ...], code: int
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ENDS.format(signals=signals)], capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stdout) == (code, "tidied up\n"), ended.stderr
