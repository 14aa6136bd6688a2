"""Posture: what may be done at all, as a table of causes and of how a cause lives.

A cause holds for a scope: the firm, or an account (A), strategy (T), parent (P), symbol (S) or session (C).
The posture of an order is the worst of all causes that hold for it. It worsens at once and by itself. A
latched cause is lifted by people alone: two of them, with two keys, and trading returns through REDUCE_ONLY.
A halt that clears by itself returns through REDUCE_ONLY too, RELAPSES_MAX times an hour at most, and then
it latches (GR8). The table LIFE below is the whole machine; docs are made from it and a test walks all of it.
"""

from enum import IntEnum, StrEnum
from typing import Final

import msgspec

RELAPSES_MAX: Final = 3  # an hour: more is no accident
HOUR_NS: Final = 3_600_000_000_000
FIRM: Final = ""


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
    returns: bool = False  # clears by itself, through REDUCE_ONLY, and not too often (GR8)
    clears: str = ""  # what would lift it


KILLED, HALTED, REDUCE, ACTIVE = Posture.KILLED, Posture.HALTED, Posture.REDUCE_ONLY, Posture.ACTIVE
PEOPLE: Final = "two people rearm"
CAUSES: Final[dict[str, Cause]] = {
    "R05": Cause(HALTED, True, "prices outside the collar, again and again"),
    "R06": Cause(HALTED, False, "market data unfit for too long", True, "fit prices"),
    "R11": Cause(REDUCE, False, "gross or net notional over its limit by the market's move"),
    "R14": Cause(KILLED, True, "more shares than a parent allows"),
    "R19": Cause(REDUCE, False, "the day's budget is spent", clears="the next start of day"),
    "R20": Cause(HALTED, True, "order rate exceeded, again and again"),
    "R21": Cause(REDUCE, False, "the day's messages are spent", clears="the next start of day"),
    "R22": Cause(REDUCE, False, "too many messages for a fill", clears="fills, or the next start of day"),
    "R23": Cause(HALTED, True, "the same parent again and again"),
    "R25": Cause(REDUCE, True, "the position moves too fast"),
    "R26": Cause(HALTED, True, "the EMS keeps saying no"),
    "R30": Cause(KILLED, True, "daily loss"),
    "R30S": Cause(REDUCE, False, "a part of the daily loss", clears="a profit, or the next start of day"),
    "R30I": Cause(REDUCE, False, "loss of start-of-day positions", clears="the market"),
    "R31": Cause(HALTED, True, "fall from the day's best"),
    "R32": Cause(HALTED, True, "the parent costs twice what it may"),
    "R40": Cause(HALTED, False, "the day has not begun, or has ended", clears="the start of day"),
    "R41": Cause(HALTED, False, "halted", True, "the venue resumes"),
    "R42": Cause(HALTED, False, "the restricted list is missing or old", clears="a new list"),
    "R50": Cause(HALTED, True, "the policy sends what cannot be"),
    "R51": Cause(HALTED, True, "the artefact is not what was admitted"),
    "R52": Cause(REDUCE, False, "the policy sees what it was not trained on", clears="known states"),
    "R60": Cause(HALTED, False, "no order session", True, "logon and reconciliation"),
    "R61": Cause(HALTED, False, "orders without an answer", True, "their answers"),
    "R62": Cause(HALTED, True, "gate and EMS disagree"),
    "R62L": Cause(REDUCE, False, "the drop copy is late", clears="it catches up"),
    "R63": Cause(HALTED, True, "the clock is wrong"),
    "R63S": Cause(REDUCE, False, "the clock drifts", clears="the clock"),
    "R64": Cause(REDUCE, False, "the gate's loop is late", clears="time"),
    "R66": Cause(HALTED, True, "the disk is full"),
    "R66S": Cause(REDUCE, False, "the disk is nearly full", clears="space"),
    "R67": Cause(HALTED, False, "not reconciled since start", clears="reconciliation"),
    "R67S": Cause(REDUCE, False, "after an abnormal exit", clears="time"),
    "R67L": Cause(HALTED, True, "abnormal exits, again and again"),
    "R67C": Cause(HALTED, True, "the state is a copy, or has parts of another"),
    "R68": Cause(KILLED, True, "a control let pass what it must refuse"),
    "R70": Cause(KILLED, True, "kill switch"),
    "R70H": Cause(HALTED, True, "halted by a person"),
    "R71S": Cause(REDUCE, False, "nobody has renewed the lease", clears="a renewal"),
    "R71": Cause(KILLED, True, "nobody has renewed the lease for too long"),
    "R72": Cause(REDUCE, False, "rearmed a moment ago", clears="time"),
    "R76": Cause(REDUCE, False, "an anomaly of the market", clears="a calm market"),
    "R76H": Cause(HALTED, True, "an anomaly of the whole market"),
    "GR1": Cause(HALTED, True, "a control failed to run"),
    "STOPPING": Cause(HALTED, False, "shutting down", clears="the next start"),
}


class Life(StrEnum):
    """How a cause stands."""

    NONE = "none"
    HOLDS = "holds"  # and clears with what caused it
    LATCHED = "latched"
    ASKED = "asked"  # one person has signed that it be lifted
    RETURNING = "returning"  # lifted: reduce only for a while


class Trigger(StrEnum):
    """What moves a cause."""

    RAISE = "raise"
    LATCH = "latch"  # raised, and of a kind that latches; or raised too often
    CLEAR = "clear"  # what caused it is over
    SIGN = "sign"  # a first key
    COUNTERSIGN = "countersign"  # a second one
    SETTLE = "settle"  # the time of reduce only is over, and gate and EMS agree


N, T = Life, Trigger
LIFE: Final[dict[tuple[Life, Trigger], Life]] = {
    (N.NONE, T.RAISE): N.HOLDS,
    (N.NONE, T.LATCH): N.LATCHED,
    (N.HOLDS, T.LATCH): N.LATCHED,
    (N.HOLDS, T.CLEAR): N.RETURNING,
    (N.LATCHED, T.SIGN): N.ASKED,
    (N.ASKED, T.COUNTERSIGN): N.RETURNING,
    (N.ASKED, T.SIGN): N.ASKED,  # nobody came: a first person asks anew
    # It happens again while it is being lifted: what was signed was another state.
    (N.ASKED, T.RAISE): N.LATCHED,
    (N.ASKED, T.LATCH): N.LATCHED,
    (N.RETURNING, T.RAISE): N.HOLDS,
    (N.RETURNING, T.LATCH): N.LATCHED,
    (N.RETURNING, T.SETTLE): N.NONE,
}


def posture_in(cause: str, life: Life) -> Posture:
    """Return what a cause of a life means."""
    if life is Life.NONE:
        return Posture.ACTIVE
    return Posture.REDUCE_ONLY if life is Life.RETURNING else CAUSES[cause].posture


def key_of(cause: str, scope: str = FIRM) -> str:
    """Return the name of a cause in a scope: R61, R41@S/GOOG."""
    return f"{cause}@{scope}" if scope else cause


def cause_of(key: str) -> Cause:
    """Return the row of a key."""
    return CAUSES[key.partition("@")[0]]


class PostureTable(msgspec.Struct):
    """The causes that hold now, by key."""

    causes: dict[str, str] = {}  # what happened; returning ones too
    latched: dict[str, str] = {}
    asked: dict[str, str] = {}  # latched ones that a person has signed for: who
    returning: dict[str, int] = {}  # machine time since when
    since_ns: dict[str, int] = {}  # machine time since when each holds
    changes: int = 0  # rises with every raise and clear
    raised_ns: dict[str, list[int]] = {}  # machine time of the last raises of causes that relapse
    relapses_max: int = RELAPSES_MAX
    scoped: dict[str, Posture] = {}  # worst posture of each scope; "" = the firm's
    pulled: dict[str, None] = {}  # scopes of which a kill or halt has been carried out

    @property
    def posture(self) -> Posture:
        """The worst of all causes of the firm."""
        return self.scoped.get(FIRM, Posture.ACTIVE)

    def life(self, key: str) -> Life:
        """Return how a cause stands."""
        if key not in self.causes:
            return Life.NONE
        if key in self.returning:
            return Life.RETURNING
        if key not in self.latched:
            return Life.HOLDS
        return Life.ASKED if key in self.asked else Life.LATCHED

    def of(self, account: str, strategy: str, parent: str, symbol: str) -> Posture:
        """Return the worst of all causes that hold for an order."""
        scoped = self.scoped
        if not scoped:
            return ACTIVE
        worst = scoped.get(FIRM, ACTIVE)
        if len(scoped) > (FIRM in scoped):
            for name in (f"A/{account}", f"T/{strategy}", f"P/{parent}", f"S/{symbol}", "C/order"):
                worst = max(worst, scoped.get(name, Posture.ACTIVE))
        return worst

    def holding(self, account: str, strategy: str, parent: str, symbol: str) -> list[str]:
        """Return the keys of all causes that hold for an order."""
        scopes = ("", f"A/{account}", f"T/{strategy}", f"P/{parent}", f"S/{symbol}", "C/order")
        return sorted(key for key in self.causes if key.partition("@")[2] in scopes)

    @property
    def reason(self) -> str:
        """Every cause and what happened."""
        return "; ".join(f"{c} {text}" for c, text in sorted(self.causes.items()))

    def raise_(self, cause: str, text: str, mono_ns: int, scope: str = FIRM) -> bool:
        """Add a cause; True where it is new."""
        key, row = key_of(cause, scope), CAUSES[cause]
        if key in self.causes and key not in self.returning and key not in self.asked:
            return False
        latch = row.latched or (row.returns and self._relapsed(key, mono_ns))
        self._enter(key, LIFE[self.life(key), Trigger.LATCH if latch else Trigger.RAISE], mono_ns)
        self.causes[key] = text or row.doc
        if key in self.latched:
            self.latched[key] = self.causes[key]
        return True

    def hold(self, cause: str, holds: bool, text: str, mono_ns: int) -> None:
        """Raise a cause of the firm while it holds, clear it when it does not."""
        if holds:
            self.raise_(cause, text, mono_ns)
        else:
            self.clear(cause, mono_ns)

    def reword(self, cause: str, text: str, mono_ns: int) -> None:
        """Say otherwise why a cause of the firm holds: that is no new raise."""
        if self.life(cause) in (Life.HOLDS, Life.LATCHED):
            self.causes[cause] = text
            self.changes += 1
        else:
            self.raise_(cause, text, mono_ns)

    def _relapsed(self, key: str, mono_ns: int) -> bool:
        """Note one more raise; True where there were too many within an hour."""
        times = [t for t in self.raised_ns.get(key, []) if 0 <= mono_ns - t < HOUR_NS] + [mono_ns]
        self.raised_ns[key] = times[-self.relapses_max - 1 :]
        return len(times) > self.relapses_max

    def clear(self, cause: str, mono_ns: int = 0, scope: str = FIRM, dwell: bool = False) -> bool:
        """What caused it is over; True where it goes. With `dwell` it returns through REDUCE_ONLY."""
        key = key_of(cause, scope)
        if key not in self.causes:
            return False
        after = LIFE.get((self.life(key), Trigger.CLEAR))
        if after is None:
            return False
        self._enter(key, after, mono_ns)
        if not dwell:
            self._enter(key, LIFE[after, Trigger.SETTLE], mono_ns)
        return True

    def settle(self, mono_ns: int, dwell_ns: int) -> None:
        """Let go what has been reduce only for long enough; called where gate and EMS agree."""
        for key in [k for k, since in self.returning.items() if mono_ns - since >= dwell_ns]:
            self._enter(key, LIFE[Life.RETURNING, Trigger.SETTLE], mono_ns)

    def sign(self, person: str, mono_ns: int) -> list[str]:
        """One person asks that every latch be lifted; return which."""
        found = sorted(self.latched)
        for key in found:
            self._enter(key, LIFE[self.life(key), Trigger.SIGN], mono_ns)
            self.asked[key] = person
        return found

    def countersign(self, person: str, mono_ns: int) -> list[str]:
        """Another person agrees: what was asked for is lifted; return which."""
        found = sorted(key for key, first in self.asked.items() if first != person)
        for key in found:
            self._enter(key, LIFE[Life.ASKED, Trigger.COUNTERSIGN], mono_ns)
        self.raised_ns.clear()
        return found

    def _enter(self, key: str, life: Life, mono_ns: int) -> None:
        """Take a life: the only place where one changes."""
        text = self.causes.get(key, "")
        for held in (self.causes, self.latched, self.asked, self.returning):
            held.pop(key, None)
        if life is Life.NONE:
            self.since_ns.pop(key, None)
        else:
            self.causes[key] = text
            self.since_ns[key] = mono_ns
        if life in (Life.LATCHED, Life.ASKED):
            self.latched[key] = text
        elif life is Life.RETURNING:
            self.returning[key] = mono_ns
        self.changes += 1
        self._sum(key.partition("@")[2])

    def _sum(self, scope: str) -> None:
        """Find the worst posture of a scope again."""
        keys = [key for key in self.causes if key.partition("@")[2] == scope]
        if keys:
            self.scoped[scope] = max(posture_in(k.partition("@")[0], self.life(k)) for k in keys)
        else:
            self.scoped.pop(scope, None)
