"""The guard's drill: that it can do what it is for is shown, and not presumed, while nothing is wrong.

    faults = await drill(folder, latch)       # [] where everything was shown

A process of its own takes the gate's place: it beats once and then hangs. It must be seen to be stuck, be
killed and be gone, by the code that does so to a gate; and a latch is set and cleared beside the gate's.
What a broker does for a gate that is gone no drill of ours can show: `means` says what was agreed with it.
"""

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from daemon import heartbeat
from daemon.guard.killing import Target, gone
from daemon.guard.watch import POLL_NS, Watch, Word
from risk.kill_switch import KillLatch

STILL_NS: Final = 4 * POLL_NS  # for so long the stand-in must seem to hang
DRILL_S: Final = 5.0  # for it to be seen; the guard's own looks go on meanwhile
REASON: Final = "a drill of the guard"
STAND_IN: Final = "import time; time.sleep(60)"  # it ends by itself, should nobody kill it


async def drill(folder: Path, latch: Path) -> list[str]:
    """Return what could not be shown."""
    faults = [f"a stand-in of the gate: {fault}"] if (fault := await stand_in(folder)) else []
    if fault := latched(latch):
        faults.append(f"a latch beside the gate's: {fault}")
    return faults


async def stand_in(folder: Path) -> str:
    """Have a process hang, and deal with it as with a gate; return what went wrong."""
    try:
        child = begun(folder)
    except OSError as error:
        return f"not started: {error.strerror}"
    try:
        return await dealt_with(folder)
    except OSError as error:
        return str(error.strerror)
    finally:
        child.kill()  # nothing where it is gone
        child.wait()


def begun(folder: Path) -> subprocess.Popen[bytes]:
    """Start a process that hangs, and write its one beat."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    null = subprocess.DEVNULL
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", STAND_IN], stdin=null, stdout=null, stderr=null
    )
    slot = heartbeat.SLOT.pack(
        heartbeat.MAGIC, child.pid, heartbeat.started(child.pid), time.monotonic_ns(), 0
    )
    try:
        (folder / heartbeat.NAME).write_bytes(slot)
    except OSError:
        child.kill()
        child.wait()
        raise
    return child


async def dealt_with(folder: Path) -> str:
    """Watch a process that beats no more, until it is killed and gone."""
    watch, deadline = Watch(STILL_NS), time.monotonic() + DRILL_S
    while watch.observe(beat := heartbeat.read(folder), time.monotonic_ns()) is not Word.STUCK:
        if time.monotonic() > deadline:
            return f"it hung for {DRILL_S:.0f} s and was not seen to"
        await asyncio.sleep(POLL_NS / 1e9)
    assert beat is not None, "a slot that was seen to stand still"
    target = Target.of(beat)
    came = target.kill()
    target.close()
    if came != "killed":
        return came
    return "" if await gone(beat) else "killed, and not gone"


def latched(path: Path) -> str:
    """Set, read and clear a latch; return what went wrong."""
    latch = KillLatch(path, path.with_name(f"{path.name}.touch"))
    try:
        latch.set(REASON)
    except OSError as error:
        return str(error.strerror)
    said = latch.held()
    latch.clear()
    return "" if said == REASON else f"{REASON!r} was written, {said!r} read"
