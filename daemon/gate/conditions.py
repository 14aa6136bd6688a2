"""What holds beside orders: halts, lists, leases, signals, time, and what other parts watch.

Each becomes a cause of the posture table or a word in the overlay's memory (what a cause takes back:
daemon.gate.stops).
"""

from typing import Final

from daemon.gate import absence
from daemon.gate import chains as gate_chains
from daemon.gate.effects import Tell
from daemon.gate.state import GateState
from market.desk_events import (
    Condition,
    LeaseRenewed,
    LimitSignal,
    MachineMeasured,
    RestrictedListed,
)
from market.events import ClockAnchor, SecurityStatus, Stamp
from market.types import MS
from market.updates import AnchorUpdate
from risk import canary
from risk.controls import machine
from risk.memory import Restricted
from risk.posture import CAUSES

# What others may say; the rest the gate finds out by itself.
TOLD: Final = frozenset({"R14", "R52", "R62", "R62L", "R63", "R63S", "R64", "R66", "R66S", "R76", "R76H"})


def condition(g: GateState, stamp: Stamp, event: Condition) -> None:
    """Another part says that a cause holds, or no longer."""
    if event.cause not in TOLD:
        g.note("error", "no cause for others to raise", cause=event.cause, text=event.text)
    elif event.holds:
        g.posture.raise_(event.cause, event.text or CAUSES[event.cause].doc, stamp.mono_ns, event.scope)
    else:
        g.posture.clear(event.cause, stamp.mono_ns, event.scope)


def measured(g: GateState, stamp: Stamp, event: MachineMeasured) -> None:
    """R62 to R66: judge what the shells measured."""
    seen = g.risk.memory.measured
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if value is not None:
            setattr(seen, name, value)
    machine.measured(g.risk.memory, g.risk.limits, g.posture, stamp.mono_ns)


def lease_renewed(g: GateState, stamp: Stamp, event: LeaseRenewed) -> None:
    """R71: somebody looks."""
    g.risk.memory.lease.renew(event.person, stamp.mono_ns)
    g.posture.clear("R71S", stamp.mono_ns)
    g.note("info", "lease renewed", person=event.person)
    g.reply(event.request_id, ok=True)


def restricted_listed(g: GateState, _: Stamp, event: RestrictedListed) -> None:
    """R42: a new list; what works in a symbol that came onto it goes."""
    g.risk.memory.restricted = Restricted(event.symbols, event.issued_ns, event.sha256)
    g.note("info", "restricted list", symbols=len(event.symbols), sha256=event.sha256[:12])
    for symbol in event.symbols:
        gate_chains.pull_scope(g, f"S/{symbol}")


def limit_signal(g: GateState, stamp: Stamp, event: LimitSignal) -> None:
    """R75: a signal lowers limits at once; what it asks for less of comes back slowly."""
    limits = g.risk.limits.dynamic
    tighter = g.risk.memory.multipliers.signal(
        event.scope, event.signal, event.multiplier_bp, limits, stamp.mono_ns
    )
    if tighter:
        g.note("warning", "limits lowered", scope=event.scope, signal=event.signal, bp=event.multiplier_bp)
    g.touch_all()


def halt(g: GateState, stamp: Stamp, event: SecurityStatus) -> None:
    """R41: what works in a halted symbol is pulled; trading returns on the venue's word alone."""
    scope = f"S/{event.symbol}"
    if event.trading:
        g.posture.clear("R41", stamp.mono_ns, scope, g.dwell)
    else:
        g.posture.raise_("R41", event.text or "halted", stamp.mono_ns, scope)


# --- time -------------------------------------------------------------------------------------


def tick(g: GateState, stamp: Stamp) -> None:
    """What a timer brings: postures that return, symbols without a trader, the self-test."""
    limits = g.risk.limits
    if g.posture.returning and g.session.trading and not g.breaks:
        g.posture.settle(stamp.mono_ns, limits.resume.reduce_only_ms * MS)
    absence.tick(g, stamp)
    if stamp.ts_ns > 0 and stamp.mono_ns >= g.risk.memory.canary_next_ns:  # R01 lets none by before
        self_test(g, stamp)


def self_test(g: GateState, stamp: Stamp) -> None:
    """R68: send the next canary; one that passes kills."""
    memory = g.risk.memory
    memory.canary_next_ns = stamp.mono_ns + g.risk.limits.canary.every_ms * MS
    control = canary.TURN[memory.canary_at % len(canary.TURN)]
    memory.canary_at += 1
    fault = canary.sing(g.risk, control, stamp)
    if fault:
        g.posture.raise_("R68", fault, stamp.mono_ns)
        g.note("error", "canary", control=control, fault=fault)
    else:
        memory.canary_passed[control] = memory.canary_passed.get(control, 0) + 1


def clock_anchor(g: GateState, _: Stamp, event: ClockAnchor) -> None:
    """Market time begins; limits on rates follow the speed of a paper run."""
    if g.anchor == event:
        return
    g.anchor = event
    g.risk.rates.speed = event.speed if g.mode == "paper" else 1.0
    if g.risk.rates.speed > 1:
        rates = g.risk.limits.rates
        g.note(
            "info",
            "R20 times the speed of this run",
            speed=event.speed,
            orders_per_second=g.risk.rates.scaled(rates.orders_per_second),
            orders_per_second_symbol=g.risk.rates.scaled(rates.orders_per_second_symbol),
        )
    g.effects += [Tell(epoch, AnchorUpdate(anchor=event)) for epoch in g.traders]
