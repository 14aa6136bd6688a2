"""Posture: what the gate is allowed to do at all, as a table of causes.

The posture is the worst of its causes. It worsens at once and by itself. A latched cause is lifted by
a person alone (rearm); one that is not clears with what caused it, RELAPSES_MAX times an hour at
most, and then it latches too (GR8).
"""

from enum import IntEnum
from typing import Final

import msgspec

RELAPSES_MAX: Final = 3  # an hour: more is no accident
HOUR_NS: Final = 3_600_000_000_000


class Posture(IntEnum):
    """From free to dead; the worst wins."""

    ACTIVE = 0
    REDUCE_ONLY = 1
    HALTED = 2
    KILLED = 3


class Cause(msgspec.Struct, frozen=True):
    """Why the posture is what it is."""

    posture: Posture
    latched: bool
    doc: str


CAUSES: Final[dict[str, Cause]] = {
    "R05": Cause(Posture.HALTED, True, "prices outside the collar, again and again"),
    "R14": Cause(Posture.KILLED, True, "more shares than a parent allows"),
    "R20": Cause(Posture.HALTED, True, "order rate exceeded, again and again"),
    "R30": Cause(Posture.KILLED, True, "daily loss"),
    "R30I": Cause(Posture.REDUCE_ONLY, False, "loss of start-of-day positions"),
    "R50": Cause(Posture.HALTED, True, "the policy sends what cannot be"),
    "R60": Cause(Posture.HALTED, False, "no order session"),
    "R61": Cause(Posture.HALTED, False, "orders without an answer"),
    "R62": Cause(Posture.HALTED, True, "gate and EMS disagree"),
    "R67": Cause(Posture.HALTED, False, "not reconciled since start"),
    "R70": Cause(Posture.KILLED, True, "kill switch"),
    "GR1": Cause(Posture.HALTED, True, "a control failed to run"),
    "STOPPING": Cause(Posture.HALTED, False, "shutting down"),
}
RELAPSING: Final = ("R61",)


class PostureTable(msgspec.Struct):
    """The causes that hold now."""

    causes: dict[str, str] = {}  # id: what happened
    latched: dict[str, str] = {}
    changes: int = 0  # rises with every raise and clear
    raised_ns: dict[str, list[int]] = {}  # machine time of the last raises of causes that relapse

    @property
    def posture(self) -> Posture:
        """The worst of all causes."""
        if not self.causes:
            return Posture.ACTIVE
        return max(CAUSES[c].posture for c in self.causes)

    @property
    def reason(self) -> str:
        """Every cause and what happened."""
        return "; ".join(f"{c} {text}" for c, text in sorted(self.causes.items()))

    def raise_(self, cause: str, text: str, mono_ns: int) -> bool:
        """Add a cause; True where it is new."""
        if cause in self.causes:
            return False
        self.causes[cause] = text or CAUSES[cause].doc
        self.changes += 1
        if CAUSES[cause].latched:
            self.latched[cause] = self.causes[cause]
        elif cause in RELAPSING:
            times = [t for t in self.raised_ns.get(cause, []) if mono_ns - t < HOUR_NS] + [mono_ns]
            self.raised_ns[cause] = times[-RELAPSES_MAX - 1 :]
            if len(times) > RELAPSES_MAX:
                self.latched[cause] = self.causes[cause]
        return True

    def clear(self, cause: str) -> bool:
        """Drop a cause that is over; a latched one stays. True where it went."""
        if cause not in self.causes or cause in self.latched:
            return False
        del self.causes[cause]
        self.changes += 1
        return True

    def rearm(self) -> list[str]:
        """Lift every latch (a person's doing) and return which."""
        lifted = sorted(self.latched)
        self.changes += 1
        for cause in lifted:
            del self.causes[cause]
        self.latched.clear()
        self.raised_ns.clear()
        return lifted
