"""What the guard has shown that it can do, in a file that the gate reads before it begins a day.

    write(state_dir, proof)               # the guard, after each drill
    fault(state_dir, wall_ns)             # the gate, of itself: "" where a guard has proven itself against it

A proof is of one process: the gate's pid and when it started. It is good for two drills' time, so that a
guard that has ended since is found out.
"""

import os
import time
from pathlib import Path
from typing import Final

import msgspec

from daemon import heartbeat

NAME: Final = "guard-drill"  # in the gate's state directory
DRILL_EVERY_S: Final = 3_600.0  # a stand-in is killed so often: rare enough to be no noise in a log
GOOD_S: Final = 2 * DRILL_EVERY_S  # one drill may come late
BYTES_MAX: Final = 65_536  # a proof is a line


class Proof(msgspec.Struct, frozen=True):
    """What came of a drill."""

    wall_ns: int
    pid: int  # of the gate that it was made beside; 0: of none
    started: int
    means: list[str]  # what will cancel the orders of a gate that was killed
    faults: list[str]  # what could not be shown; none: all of it

    @property
    def ok(self) -> bool:
        """Return whether everything was shown, beside a gate."""
        return bool(self.pid) and not self.faults


def write(state_dir: Path, proof: Proof) -> None:
    """Put a proof into the place of the one before.

    Raises:
        OSError: the gate's directory takes none.

    """
    path = state_dir / NAME
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(proof) + b"\n")
    fresh.replace(path)


def read(state_dir: Path) -> Proof | None:
    """Return the last proof, None where there is none that can be read."""
    try:
        with (state_dir / NAME).open("rb") as file:
            return msgspec.json.decode(file.read(BYTES_MAX), type=Proof)
    except (OSError, ValueError):
        return None


def fault(state_dir: Path, wall_ns: int) -> str:
    """Return why no guard has proven itself against this process, "" where one has."""
    proof = read(state_dir)
    pid = os.getpid()
    if proof is None:
        return "no guard has proven itself here: is `steadyhand guard` running?"
    if (proof.pid, proof.started) != (pid, heartbeat.started(pid)):
        return f"the guard's last drill was not beside this gate: is it running, and does it see pid {pid}?"
    age_s = (wall_ns - proof.wall_ns) // 1_000_000_000
    if not 0 <= age_s <= GOOD_S:
        return f"the guard's last drill was {age_s} s ago, {GOOD_S:.0f} s are allowed: is it running?"
    return f"the guard's drill failed: {'; '.join(proof.faults)}" if proof.faults else ""


def now(pid: int, started: int, means: list[str], faults: list[str]) -> Proof:
    """Return a proof of this instant."""
    return Proof(time.time_ns(), pid, started, means, faults)
