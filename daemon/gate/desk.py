"""Limits, lease and day by signed command: R73, R71, and the start and end of a day.

Tightening holds at once. What loosens waits for a second person with another key, and never passes the
firm's ceiling. A day begins with prepared files that the signature names, and ends with nothing open.
"""

from typing import Any, Final

import msgspec

from daemon.gate import conditions as gate_conditions
from daemon.gate.people import digest_of, identity, refuse, say_asked
from daemon.gate.state import GateState
from market.desk_events import LeaseRenewed
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
    digest = digest_of({"gate": identity(g), "from": g.risk.limits.digest(), "to": new.digest()})
    if body.next_day:
        g.people.next_limits = Asked(digest, by, stamp.mono_ns, body.reason, body.limits)
        g.note(
            "warning", "looser limits for the next day", person=by.person, reason=body.reason, keys=loosens
        )
        g.reply(event.request_id, **facts, applied=False, next_day=True)
        return
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
    moved = new is not None and body.digest != digest_of(
        {"gate": identity(g), "from": g.risk.limits.digest(), "to": new.digest()}
    )
    if new is None or moved:
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
    if new is None:
        g.note("error", "looser limits dropped", person=asked.by.person, error=fault)
        return
    keys = [c.key for c in changes(g.risk.limits, new)]
    set_limits(g, new)
    g.note(
        "warning", "limits changed", first=asked.by.person, second=by.person, reason=asked.reason, keys=keys
    )


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


# --- lease and day ----------------------------------------------------------------------------


def lease_renew(g: GateState, stamp: Stamp, event: SignedCommand, by: Signer, _: commands.LeaseRenew) -> None:
    """R71: somebody watches."""
    gate_conditions.lease_renewed(g, stamp, LeaseRenewed(person=by.person, request_id=event.request_id))


def day_begin(g: GateState, stamp: Stamp, event: SignedCommand, by: Signer, body: commands.DayBegin) -> None:
    """Start of day, with the files that the signature names."""
    if event.day is None or event.day.day != body.day:
        refuse(g, event, f"no prepared files for {body.day}")
        return
    g.note("warning", "start of day asked", person=by.person, day=body.day, manifest=body.manifest)
    if event.listed is not None:
        gate_conditions.restricted_listed(g, stamp, event.listed)
    gate_conditions.day_started(g, stamp, msgspec.structs.replace(event.day, request_id=event.request_id))
    if g.risk.memory.day == body.day:
        next_limits(g, by)
        g.volumes = {symbol: (adv, volatility) for symbol, adv, volatility in event.day.volumes}
        for symbol, instrument in g.instruments.items():
            g.instruments[symbol] = g.as_of_today(instrument)


def day_end(g: GateState, stamp: Stamp, event: SignedCommand, by: Signer, body: commands.DayEnd) -> None:
    """End of day: nothing open, nothing unknown, and the broker's positions are ours."""
    faults = day_faults(g, event, body)
    if faults:
        refuse(g, event, "; ".join(faults))
        return
    g.posture.raise_("R40", f"the day {body.day} has ended", stamp.mono_ns)
    g.note("warning", "end of day", person=by.person, day=body.day, positions=len(g.ledger.positions))
    facts = {"day": body.day, "positions": dict(sorted(g.ledger.positions.items())), "state": g.digest()}
    g.reply(event.request_id, ok=True, **facts)


def day_faults(g: GateState, event: SignedCommand, body: commands.DayEnd) -> list[str]:
    """Return why the day cannot be ended."""
    faults = []
    if body.day != g.risk.memory.day:
        faults.append(f"the day is {g.risk.memory.day or 'not begun'}, not {body.day}")
    if g.ledger.open_orders:
        faults.append(f"{g.ledger.open_orders} orders are still open")
    if g.live_parents:
        faults.append(f"{len(g.live_parents)} parents have not ended")
    if g.breaks:
        faults.append(f"{len(g.breaks)} breaks are not cleared up")
    if event.compared is None:
        faults.append("the broker's position file was not compared")
        return faults
    ours = {key: qty for key, qty in g.ledger.positions.items() if qty}
    theirs = {f"{account} {symbol}": qty for account, symbol, qty in event.compared.positions if qty}
    return faults + [
        f"{key}: the broker holds {theirs.get(key, 0)}, we {ours.get(key, 0)}"
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key, 0) != theirs.get(key, 0)
    ]
