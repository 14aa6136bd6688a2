"""Limits by signed command (R73): what tightens holds at once, what loosens waits for a second person.

None passes the firm's ceiling, whoever signs.
"""

from typing import Any, Final

from daemon.gate.people import digest_of, identity, refuse, say_asked
from daemon.gate.state import GateState
from market.events import Stamp
from market.people_events import SignedCommand
from risk import commands
from risk.commands import Asked, Signer
from risk.limits import Limits, changes, explain

SHOWN_MAX: Final = 100  # changed limits in an answer: a file has about as many keys


def limits_apply(
    g: GateState, stamp: Stamp, event: SignedCommand, by: Signer, body: commands.LimitsApply
) -> None:
    """Tightening at once; what loosens waits for a second person, and never passes the firm's ceiling."""
    new, fault = read_limits(g, body.limits)
    if new is None:
        refuse(g, event, fault)
        return
    found = changes(g.risk.limits, new)
    loosens = [c.key for c in found if c.looser]
    shown = [{"key": c.key, "old": c.old, "new": c.new, "looser": c.looser} for c in found[:SHOWN_MAX]]
    facts: dict[str, Any] = {"ok": True, "changes": shown, "limits": new.digest(), "version": new.version}
    if not loosens:
        set_limits(g, new)
        g.note(
            "warning", "limits tightened", person=by.person, reason=body.reason, keys=[c.key for c in found]
        )
        g.reply(event.request_id, **facts, applied=True)
        return
    if body.next_day:
        g.people.next_limits = Asked(change(g, new), by, stamp.mono_ns, body.reason, body.limits)
        g.note(
            "warning", "looser limits for the next day", person=by.person, reason=body.reason, keys=loosens
        )
        g.reply(event.request_id, **facts, applied=False, next_day=True)
        return
    digest = change(g, new, identity(g))
    g.people.limits = Asked(digest, by, stamp.mono_ns, body.reason, body.limits)
    g.note(
        "warning", "looser limits asked", person=by.person, reason=body.reason, keys=loosens, digest=digest
    )
    say_asked(g, event, digest, **facts, applied=False)


def limits_confirm(
    g: GateState, stamp: Stamp, event: SignedCommand, by: Signer, body: commands.LimitsConfirm
) -> None:
    """Second person: the looser limits hold."""
    asked = g.people.limits
    fault = commands.second(asked, by, body.digest, stamp.mono_ns)
    if fault or asked is None:
        refuse(g, event, fault)
        return
    new, fault = read_limits(g, asked.subject)
    if new is None or body.digest != change(g, new, identity(g)):
        refuse(g, event, fault or "the limits have changed since it was asked for; ask again")
        return
    keys = [c.key for c in changes(g.risk.limits, new)]
    set_limits(g, new)
    g.people.limits = None
    g.note(
        "warning", "limits changed", first=asked.by.person, second=by.person, reason=asked.reason, keys=keys
    )
    facts = {"applied": True, "limits": new.digest(), "version": new.version, "changes": len(keys)}
    g.reply(event.request_id, ok=True, **facts)


def next_limits(g: GateState, by: Signer) -> None:
    """A day has begun: looser limits that one person asked for hold, where another signed it (R73)."""
    asked = g.people.next_limits
    if asked is None:
        return
    if by.key == asked.by.key or by.person == asked.by.person:
        g.note("error", "looser limits wait: another person begins the day", person=by.person)
        return
    g.people.next_limits = None
    new, fault = read_limits(g, asked.subject)
    if new is None or asked.digest != change(g, new):  # what was tightened since is not undone by them
        error = fault or "the limits have changed since it was asked for; ask again"
        g.note("error", "looser limits dropped", person=asked.by.person, error=error)
        return
    keys = [c.key for c in changes(g.risk.limits, new)]
    set_limits(g, new)
    g.note(
        "warning", "limits changed", first=asked.by.person, second=by.person, reason=asked.reason, keys=keys
    )


def change(g: GateState, new: Limits, gate: str = "") -> str:
    """Return what two people sign for: these limits instead of those; `gate`: until the next start."""
    return digest_of({"gate": gate, "from": g.risk.limits.digest(), "to": new.digest()})


def read_limits(g: GateState, text: str) -> tuple[Limits | None, str]:
    """Return new limits, or why they cannot be: not whole, no new version, above the ceiling."""
    old = g.risk.limits
    try:
        new = Limits.model_validate_json(text)
    except ValueError as error:
        return None, f"not limits: {str(error).splitlines()[0]}"
    faults = new.faults(g.mode)
    if new.version <= old.version:
        faults.append(f"version: {new.version} is not above {old.version}: a change is a new version")
    tops = {doc.key: doc.ceiling for doc in explain() if doc.ceiling is not None}
    faults += [
        f"{c.key}: {c.new} is above the firm's ceiling, {tops[c.key]}"
        for c in changes(old, new)
        if c.looser and c.key in tops and c.new > tops[c.key]
    ]
    return (None, "; ".join(faults)) if faults else (new, "")


def set_limits(g: GateState, limits: Limits) -> None:
    """Judge by other limits from now on; what was counted stays."""
    g.judge_by(limits, g.risk.rates, g.risk.memory, started=False)
    g.counters["limits_changed"] += 1
    g.touch_all()
