"""Two persons at a gate core of a test: what they sign, as the rim would hand it on."""

from typing import Any

from daemon.gate.effects import Reply
from daemon.gate.people import identity
from market.people_events import SignedCommand
from risk import commands as co
from risk.posture import PostureTable
from tests.daemon.gate_harness import SECOND, World

PEOPLE = {
    "alice": ("a" * 16, co.Role.RISK),
    "bob": ("b" * 16, co.Role.RISK),
    "olga": ("c" * 16, co.Role.OPERATE),
}
NONCES = iter(range(1, 2**62))


def sign(w: World, person: str, body: Any, **more: Any) -> dict[str, Any]:
    """Let a person order something now; return the gate's answer."""
    key, role = PEOPLE[person]
    text = co.write(identity(w.core.state), f"{next(NONCES):032x}", w.now + 60 * SECOND, body)
    fields = {"key": key, "person": person, "role": int(role), "text": text, "signature": ""} | more
    effects = w.step(SignedCommand(request_id=1, **fields))
    return next(e.body for e in effects if isinstance(e, Reply))


def lift(table: PostureTable, mono_ns: int = 0) -> list[str]:
    """Lift every latch as two signatures do, and let go at once what then returns."""
    table.sign("ann", mono_ns)
    lifted = table.countersign("bob", mono_ns)
    table.settle(mono_ns, 0)
    return lifted


def rearm(w: World, reason: str = "looked into it") -> dict[str, Any]:
    """Two persons rearm, ten seconds apart; return the last answer: the first no, or the yes."""
    asked = sign(w, "alice", co.RearmAsk(reason=reason))
    if not asked["ok"]:
        return asked
    w.wait(10.0)
    return sign(w, "bob", co.RearmConfirm(digest=asked["digest"]))
