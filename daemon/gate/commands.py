"""Signed commands: judged by nonce, time and role, then carried out (daemon.gate.stops, people, limits, day).

A signature was checked before a command came here; whether it is in time, new and allowed is judged from the
gate's own time and memory, so that a replay judges alike and no restart forgets a nonce.
"""

from collections.abc import Callable
from typing import Final

from daemon.gate import day as gate_day
from daemon.gate import limits as gate_limits
from daemon.gate import people as gate_people
from daemon.gate import stops as gate_stops
from daemon.gate.state import GateState
from market.events import Stamp
from market.people_events import SignedCommand
from risk import commands
from risk.commands import CommandError, Role, Signer


def signed(g: GateState, stamp: Stamp, event: SignedCommand) -> None:
    """Carry out a signed command, once, or say why not."""
    signer = Signer(event.key, event.person, Role(event.role))
    try:
        command = commands.read(event.text)
    except CommandError as error:
        gate_people.refuse(g, event, str(error))
        return
    fault = commands.admit(g.people, command, signer.role, gate_people.identity(g), stamp.mono_ns)
    if fault:
        gate_people.refuse(g, event, fault)
        return
    rule = RULES[type(command.body)]
    g.note("warning", "command", order=type(command.body).__name__, person=signer.person, key=signer.key)
    rule(g, stamp, event, signer, command.body)


RULES: Final[dict[type[commands.Body], Callable[..., None]]] = {
    commands.KillOrder: gate_stops.kill_order,
    commands.HaltOrder: gate_stops.halt_order,
    commands.RearmAsk: gate_people.rearm_ask,
    commands.RearmConfirm: gate_people.rearm_confirm,
    commands.LimitsApply: gate_limits.limits_apply,
    commands.LimitsConfirm: gate_limits.limits_confirm,
    commands.ExceptionAsk: gate_people.exception_ask,
    commands.ExceptionConfirm: gate_people.exception_confirm,
    commands.LeaseRenew: gate_people.lease_renew,
    commands.DayBegin: gate_day.day_begin,
    commands.DayEnd: gate_day.day_end,
}
