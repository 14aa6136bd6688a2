"""What the machine and its people bring about: R62 to R66 by measured numbers, R67 starts, R71 the lease."""

from market.types import MS
from risk import checks
from risk.limits import Limits
from risk.memory import EXITS_MAX, Memory
from risk.posture import PostureTable


def measured(memory: Memory, limits: Limits, posture: PostureTable, mono_ns: int) -> None:
    """Judge what the shells measured last; what was never measured is not judged here."""
    seen, caps = memory.measured, limits.machine
    lag = seen.drop_copy_lag_ms
    if lag is not None:
        late = checks.trips(lag, caps.drop_copy_lag_max_ms)
        posture.hold("R62L", late, f"drop copy {lag} ms behind", mono_ns)
    if seen.clock_offset_us is not None:
        off = abs(seen.clock_offset_us)
        text = f"clock off by {off} us"
        posture.hold("R63", checks.trips(off, caps.clock_halt_us), text, mono_ns)
        posture.hold("R63S", checks.trips(off, caps.clock_reduce_us), text, mono_ns)
    if seen.loop_lag_ms is not None:
        late = checks.trips(seen.loop_lag_ms, caps.loop_lag_max_ms)
        posture.hold("R64", late, f"the loop is {seen.loop_lag_ms} ms late", mono_ns)
    free = seen.disk_free_mb
    if free is not None:
        posture.hold("R66", checks.within(free, caps.disk_halt_mb), f"{free} MB free", mono_ns)
        posture.hold("R66S", checks.within(free, caps.disk_reduce_mb), f"{free} MB free", mono_ns)


def lease(memory: Memory, limits: Limits, posture: PostureTable, mono_ns: int) -> None:
    """R71: nobody has looked for too long."""
    age_ms = memory.lease.advance(mono_ns) // MS
    text = f"not renewed for {age_ms // 1000} s"
    if checks.trips(age_ms, limits.lease.kill_after_ms):
        posture.raise_("R71", text, mono_ns)
    posture.hold("R71S", checks.trips(age_ms, limits.lease.reduce_after_ms), text, mono_ns)


def began(memory: Memory, limits: Limits, posture: PostureTable, outside_s: int, mono_ns: int) -> None:
    """R67: a start after a stop that was none: reduce only for a while; again and again: halted."""
    memory.began_mono_ns = mono_ns
    memory.canary_next_ns = mono_ns + limits.canary.every_ms * MS
    memory.lease.restart()
    memory.multipliers.restart(mono_ns)
    memory.measured = type(memory.measured)()
    memory.exempt = {}
    for cause in ("R62L", "R63S", "R64", "R66S", "R67S", "R72"):
        posture.clear(cause, mono_ns)
    if not memory.stopped:
        window_ms = limits.start.exits_window_ms
        # One of the future stays: a clock that was set back forgives nothing.
        recent = [s for s in memory.exits if (outside_s - s) * 1000 < window_ms]
        memory.exits = [*recent, outside_s][-EXITS_MAX:]
        if checks.trips(len(memory.exits), limits.start.exits_max):
            text = f"{len(memory.exits)} abnormal exits in {window_ms // 1000} s"
            posture.raise_("R67L", text, mono_ns)
        reduce_for(memory, posture, "R67S", limits.start.reduce_only_ms, "an abnormal exit", mono_ns)
    memory.stopped = False


def reduce_for(
    memory: Memory, posture: PostureTable, cause: str, for_ms: int, text: str, mono_ns: int
) -> None:
    """Reduce only for so long."""
    if for_ms:
        memory.reduce_until_ns = mono_ns + for_ms * MS
        posture.raise_(cause, f"{text}: reduce only for {for_ms / 1000:g} s", mono_ns)


def time_over(memory: Memory, posture: PostureTable, mono_ns: int) -> None:
    """What reduces for a time is over when the time is."""
    if memory.reduce_until_ns and mono_ns >= memory.reduce_until_ns:
        memory.reduce_until_ns = 0
        posture.clear("R67S", mono_ns)
        posture.clear("R72", mono_ns)
