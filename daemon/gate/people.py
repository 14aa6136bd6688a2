"""What lets trade again or more: the rearm (R72), an exception for one order (R73), the lease (R71).

Rearm and exception take two people with two keys: the first sees what would be lifted, the second signs for
the very same.
"""

import hashlib
from typing import Any, Final

import msgspec

from daemon.gate import conditions as gate_conditions
from daemon.gate.effects import ClearKill
from daemon.gate.state import GateState
from market.desk_events import LeaseRenewed
from market.events import Rearm, Stamp
from market.people_events import SignedCommand
from market.types import ParentID
from risk import checks, commands
from risk.commands import Asked, Signer
from risk.controls import machine
from risk.memory import Exempt
from risk.posture import Posture

MICROS: Final = 1_000_000


def identity(g: GateState) -> str:
    """Return which gate a command must be meant for: a restart makes another one of it."""
    return f"{g.account}/{g.mode}/{g.epoch}"


def refuse(g: GateState, event: SignedCommand, error: str) -> None:
    """Say no, and remember who asked."""
    g.counters["commands_refused"] += 1
    g.note("error", "command refused", person=event.person, key=event.key, error=error)
    g.reply(event.request_id, ok=False, error=error)


def say_asked(g: GateState, event: SignedCommand, digest: str, **facts: Any) -> None:
    """Tell the first person what the second one signs for, and from when on."""
    g.reply(event.request_id, **facts, digest=digest, confirm_after_s=commands.CONFIRM_AFTER_NS // 10**9)


def unsigned_rearm(g: GateState, _: Stamp, event: Rearm) -> None:
    """One person cannot rearm."""
    g.reply(event.request_id, ok=False, error="rearm takes two persons with two keys: `steadyhand rearm`")


# --- R72 --------------------------------------------------------------------------------------


def rearm_ask(g: GateState, stamp: Stamp, event: SignedCommand, by: Signer, body: commands.RearmAsk) -> None:
    """First person: see what would be lifted, and sign that it be."""
    fault = rearm_fault(g)
    if not fault and not g.posture.latched:
        fault = "nothing is latched"
    if fault:
        refuse(g, event, fault)
        return
    facts = rearm_facts(g, commands.read(event.text).nonce)
    digest = digest_of(facts)
    g.posture.sign(by.person, stamp.mono_ns)
    subject = ",".join(sorted(g.posture.latched))
    g.people.rearm = Asked(digest, by, stamp.mono_ns, body.reason, subject)
    g.note("warning", "rearm asked", person=by.person, reason=body.reason, digest=digest)
    say_asked(g, event, digest, ok=True, facts=facts)


def rearm_facts(g: GateState, nonce: str) -> dict[str, Any]:
    """Return what a person signs for."""
    return {
        "gate": identity(g),
        "latched": dict(sorted(g.posture.latched.items())),
        "positions": dict(sorted(g.ledger.positions.items())),
        "execution_micros": g.risk.execution_micros,
        "inventory_micros": g.risk.inventory_micros,
        "open_orders": g.ledger.open_orders,
        "breaks": list(g.breaks),
        "limits": g.risk.limits.digest(),
        "nonce": nonce,
    }


def digest_of(facts: Any) -> str:
    """Return the hash of plain values, however they are laid out."""
    return hashlib.sha256(msgspec.json.encode(facts, order="sorted")).hexdigest()


def rearm_fault(g: GateState) -> str:
    """Return why nobody may rearm now: an order is open, a break, or a loss at its limit."""
    if g.own_orders and g.posture.posture is Posture.KILLED:
        return f"{g.own_orders} orders are still open; wait until they are cancelled"
    return open_break(g) or loss_breached(g)


def open_break(g: GateState) -> str:
    """Return where EMS and gate still disagree on shares, "" where they do not."""
    for chain in g.chains.values():
        if chain.stated_qty != chain.cum_qty:
            return (
                f"{chain.chain_id}: the EMS says that {chain.stated_qty} shares of {chain.terms.symbol} "
                f"traded, {chain.cum_qty} are booked; have the EMS send what is missing, or clear it up "
                "with them and begin in a new state_dir"
            )
    return ""


def loss_breached(g: GateState) -> str:
    """Return the loss limit (R30, R31) that is still breached, "" where none is."""
    for scope in g.risk.scopes:
        law = scope.limits.loss
        lost, top = -scope.execution_micros, law.execution_max_ccy * MICROS
        if lost > 0 and checks.trips(lost, top):
            return f"R30 {scope.name}: a loss of {lost / 1e6:,.2f}, the limit is {top / 1e6:,.2f}"
        fallen = checks.drawdown_micros(scope.peak_micros, scope.execution_micros)
        if fallen > 0 and checks.trips(fallen, law.drawdown_max_ccy * MICROS):
            top = law.drawdown_max_ccy * MICROS
            return f"R31 {scope.name}: {fallen / 1e6:,.2f} below the best, the limit is {top / 1e6:,.2f}"
    return ""


def rearm_confirm(
    g: GateState, stamp: Stamp, event: SignedCommand, by: Signer, body: commands.RearmConfirm
) -> None:
    """Second person: what was signed is lifted, and trading comes back through REDUCE_ONLY."""
    g.risk.watch(stamp)  # a loss that came since then is seen now
    asked = g.people.rearm
    fault = commands.second(asked, by, body.digest, stamp.mono_ns) or rearm_fault(g)
    held = {",".join(sorted(keys)) for keys in (g.posture.latched, g.posture.asked)}
    if not fault and asked is not None and held != {asked.subject}:
        fault = "another cause has come since it was asked for; ask again"
    if fault:
        refuse(g, event, fault)
        return
    assert asked is not None, "a second person is refused without a first"
    lifted = g.posture.countersign(by.person, stamp.mono_ns)
    acknowledged, g.breaks = g.breaks, []
    g.people.rearm, g.kill_done = None, False
    g.risk.rates.faults.clear()
    limits = g.risk.limits.resume
    machine.reduce_for(g.risk.memory, g.posture, "R72", limits.rearmed_ms, "rearmed", stamp.mono_ns)
    g.effects.append(ClearKill())
    g.counters["rearms"] += 1
    g.note("warning", "rearmed", first=asked.by.person, second=by.person, reason=asked.reason, lifted=lifted)
    facts = {"lifted": lifted, "breaks_acknowledged": acknowledged, "posture": g.posture.posture.name}
    g.reply(event.request_id, ok=True, **facts)


# --- R73: one order may pass a soft control -----------------------------------------------------


def exception_ask(
    g: GateState, stamp: Stamp, event: SignedCommand, by: Signer, body: commands.ExceptionAsk
) -> None:
    """First person: name the parent, the control and the largest quantity."""
    fault = exception_fault(g, body)
    if fault:
        refuse(g, event, fault)
        return
    facts = exception_facts(g, body, commands.read(event.text).nonce)
    digest = digest_of(facts)
    g.people.exception = Asked(digest, by, stamp.mono_ns, body.reason, event.text)
    g.note("warning", "exception asked", person=by.person, reason=body.reason, digest=digest, **facts)
    say_asked(g, event, digest, ok=True, facts=facts)


def exception_facts(g: GateState, body: commands.ExceptionAsk, nonce: str) -> dict[str, Any]:
    """Return what two people sign for: this gate, until its next start, under these limits."""
    return {
        "gate": identity(g),
        "parent": body.parent_id,
        "control": body.control,
        "qty_max": body.qty_max,
        "limits": g.risk.limits.digest(),
        "nonce": nonce,
    }


def exception_fault(g: GateState, body: commands.ExceptionAsk) -> str:
    """Return why there can be no such exception, "" where there can."""
    if body.control not in commands.SOFT:
        return f"{body.control[:20]} is a hard control: it has no exception"
    if ParentID(body.parent_id) not in g.live_parents:
        return f"no live parent {body.parent_id[:40]}"
    return "" if body.qty_max > 0 else "an exception is for a quantity above 0"


def exception_confirm(
    g: GateState, stamp: Stamp, event: SignedCommand, by: Signer, body: commands.ExceptionConfirm
) -> None:
    """Second person: the next order of the parent that the control alone would refuse may leave."""
    asked = g.people.exception
    fault = commands.second(asked, by, body.digest, stamp.mono_ns)
    if fault or asked is None:
        refuse(g, event, fault)
        return
    first = commands.read(asked.subject)
    wanted = first.body
    assert isinstance(wanted, commands.ExceptionAsk), "what was asked for"
    fault = exception_fault(g, wanted)
    if body.digest != digest_of(exception_facts(g, wanted, first.nonce)):
        fault = fault or "gate or limits are others since it was asked for; ask again"
    if fault:
        refuse(g, event, fault)
        return
    g.people.exception = None
    found = Exempt(wanted.control, wanted.qty_max, asked.by.person, by.person)
    g.risk.memory.exempt[wanted.parent_id] = found
    g.note("warning", "exception", parent=wanted.parent_id, control=found.control, qty_max=found.qty_max,
           first=found.first, second=found.second, reason=asked.reason)  # fmt: skip
    g.reply(event.request_id, ok=True, parent=wanted.parent_id, control=found.control)


# --- R71 --------------------------------------------------------------------------------------


def lease_renew(g: GateState, stamp: Stamp, event: SignedCommand, by: Signer, _: commands.LeaseRenew) -> None:
    """R71: somebody watches."""
    gate_conditions.lease_renewed(g, stamp, LeaseRenewed(person=by.person, request_id=event.request_id))
