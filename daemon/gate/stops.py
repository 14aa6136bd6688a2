"""Every way to stop: a kill of everything or of one scope, a halt, the end; and what a posture takes back.

Stopping needs one person and takes effect at once; what lets trade again needs two (daemon.gate.people).
"""

from typing import Final

from daemon.gate import chains as gate_chains
from daemon.gate import parents as gate_parents
from daemon.gate.effects import LatchKill, SendMassCancel, Tell
from daemon.gate.people import refuse
from daemon.gate.state import GateState
from market.child_order import ChildOrder
from market.events import Kill, Shutdown, Stamp
from market.orders import MassCancel
from market.parents import ParentTrigger
from market.people_events import SignedCommand, StopScope
from market.types import ClOrdID, ParentStatus
from market.updates import PostureUpdate
from risk import commands
from risk.commands import Signer
from risk.limits import ANY
from risk.posture import CAUSES, Posture

# Causes of the firm that take back what works, beside halting. Kills do so by themselves.
CANCEL_ALL: Final = frozenset({"R23", "R31", "R62", "R66", "R76H", "R67L", "R67C", "R63"})


def kill(g: GateState, stamp: Stamp, event: Kill) -> None:
    """R70: latch first, then stop authorising, then cancel everything."""
    text = f"{event.source}: {event.reason}" if event.reason else event.source
    g.posture.raise_("R70", text, stamp.mono_ns)
    pull_everything(g, stamp)
    g.reply(event.request_id, ok=True, posture="KILLED", open_orders=g.ledger.open_orders)


def stop_scope(g: GateState, stamp: Stamp, event: StopScope) -> None:
    """Kill or halt a scope (R70)."""
    if nobody := of_nobody(g, event.scope):
        g.reply(event.request_id, ok=False, error=nobody)
        return
    text = f"{event.source}: {event.reason}" if event.reason else event.source
    if event.halt:
        g.posture.raise_("R70H", text, stamp.mono_ns, event.scope)
    else:
        kill_scope(g, stamp, event.scope, text)
    reply_stopped(g, event.request_id, event.scope)


def kill_order(
    g: GateState, stamp: Stamp, event: SignedCommand, by: Signer, body: commands.KillOrder
) -> None:
    """A signed kill."""
    if nobody := of_nobody(g, body.scope):
        refuse(g, event, nobody)
        return
    kill_scope(g, stamp, body.scope, f"{by.person}: {body.reason}")
    reply_stopped(g, event.request_id, body.scope)


def halt_order(
    g: GateState, stamp: Stamp, event: SignedCommand, by: Signer, body: commands.HaltOrder
) -> None:
    """A signed halt."""
    if nobody := of_nobody(g, body.scope):
        refuse(g, event, nobody)
        return
    g.posture.raise_("R70H", f"{by.person}: {body.reason}", stamp.mono_ns, body.scope)
    reply_stopped(g, event.request_id, body.scope)


def kill_scope(g: GateState, stamp: Stamp, scope: str, text: str) -> None:
    """Raise the cause and end the scope's parents; the posture's rules latch and cancel in this very step."""
    g.posture.raise_("R70", text, stamp.mono_ns, scope)
    if not scope:
        return
    g.note("error", "killed", scope=scope, reason=text)
    if scope[0] in gate_parents.ENDED_BY_KILL:
        kind, _, name = scope.partition("/")
        for parent in list(g.live_parents.values()):
            order = parent.order
            if {"A": order.account, "P": order.parent_id, "S": order.symbol}[kind] == name:
                reason = f"killed {scope}: {text}"[:200]
                gate_parents.move(g, stamp, parent, ParentTrigger.CANCEL, reason, ParentStatus.CANCELED)
    g.touch_all()


def of_nobody(g: GateState, scope: str) -> str:
    """Return why nothing can ever be of a scope, "" where something is, or might come: that is stopped."""
    kind, _, name = scope.partition("/")
    if kind == "S":
        known: set[str] = {*g.instruments, *g.ledger.books}
        what, closed = "symbol", True
    elif kind == "A":
        allowed = g.risk.limits.allowed.accounts
        known = {g.account, *allowed, *(p.order.account for p in g.live_parents.values())}
        known |= {g.chains[c].terms.account for c in g.ledger.held}
        what, closed = "account", allowed != (ANY,)
    else:
        return ""  # a parent or another trader's policy may come at any time
    if not closed or name in known:
        return ""
    return f"nothing is stopped: there is no {what} {name[:20]}; there is {', '.join(sorted(known))}"


def reply_stopped(g: GateState, request_id: int, scope: str) -> None:
    """Say how it stands after a stop; of a name that nobody has yet, that too."""
    posture = g.posture.scoped.get(scope, Posture.ACTIVE)
    held = [c for c in g.ledger.held if gate_chains.in_scope(g, g.chains[c], scope)]
    body = {"ok": True, "posture": posture.name, "scope": scope, "open_orders": len(held)}
    kind, _, name = scope.partition("/")
    policies = {trader.hello.policy for trader in g.traders.values()}
    names = {"P": g.parents, "T": policies, "A": {g.account}}.get(kind, {name})
    if name not in names and not held and not any(p.order.account == name for p in g.live_parents.values()):
        body["note"] = f"nothing is of {scope} now; what comes of it is stopped, too"
    g.reply(request_id, **body)


def shutdown(g: GateState, stamp: Stamp, event: Shutdown) -> None:
    """No new orders; what works is cancelled; parents wait for the next start."""
    g.posture.raise_("STOPPING", "shutting down", stamp.mono_ns)
    g.risk.memory.stopped = True
    for chain_id in g.ledger.held:
        gate_chains.unwant(g, chain_id)
    g.reply(event.request_id, ok=True)


# --- what follows, in the same step -----------------------------------------------------------------


def settle_posture(g: GateState, stamp: Stamp) -> None:
    """After every step: tell a new posture, and carry out a kill, from whatever it came."""
    if g.posture.changes == g.settled_changes and (g.kill_done or g.posture.posture is not Posture.KILLED):
        return
    now = (g.posture.posture, g.posture.reason)
    if now[0] is Posture.KILLED and not g.kill_done:
        pull_everything(g, stamp)
        now = (g.posture.posture, g.posture.reason)
    g.settled_changes = g.posture.changes
    if now == g.told_posture:
        return
    if now[0] is not g.told_posture[0]:
        g.note("warning" if now[0] else "info", "posture", posture=now[0].name, reason=now[1])
        g.touch_all()
    g.told_posture = now
    update = PostureUpdate(posture=now[0].name, reason=now[1])
    g.effects += [Tell(epoch, update) for epoch in g.traders]


def pull_everything(g: GateState, stamp: Stamp) -> None:
    """Mass cancel, a cancel for each order beside it, and the end of every parent."""
    g.kill_done = True
    reason = g.posture.reason
    g.effects.append(LatchKill(reason[:500]))
    g.note("error", "killed", reason=reason, open_orders=g.ledger.open_orders)
    if g.session.up and g.ledger.open_orders:
        mass_cancel(g)
    for chain_id in g.ledger.held:
        gate_chains.unwant(g, chain_id)
    for parent in list(g.live_parents.values()):
        gate_parents.move(
            g, stamp, parent, ParentTrigger.CANCEL, f"kill switch: {reason}"[:200], ParentStatus.CANCELED
        )


def carry_out(g: GateState) -> None:
    """A scope that is halted or killed, or whose fills came too fast, has nothing working."""
    for key in g.posture.causes:
        if key in g.posture.pulled:
            continue
        cause, _, scope = key.partition("@")
        take_back(g, cause, scope)
        if CAUSES[cause].posture is Posture.KILLED and scope:
            g.effects.append(LatchKill(f"{cause} {g.posture.causes[key]}"[:500], scope))
        g.posture.pulled[key] = None
    for key in [key for key in g.posture.pulled if key not in g.posture.causes]:
        del g.posture.pulled[key]


def take_back(g: GateState, cause: str, scope: str) -> None:
    """Pull what may not work while a cause holds."""
    posture = CAUSES[cause].posture
    if (posture >= Posture.HALTED and (scope or cause in CANCEL_ALL)) or cause == "R25":
        gate_chains.pull_scope(g, scope)
    elif posture is Posture.REDUCE_ONLY:
        gate_chains.pull_opening(g, scope)


def works_again(g: GateState, chain: ChildOrder) -> None:
    """An order works that had ended (a bust): whatever holds was carried out without it."""
    memory = g.risk.memory
    listed = memory.restricted is not None and chain.terms.symbol in memory.restricted.symbols
    if memory.stopped or listed:
        gate_chains.unwant(g, chain.chain_id)
    for key in g.posture.pulled:
        cause, _, scope = key.partition("@")
        take_back(g, cause, scope)


def mass_cancel(g: GateState) -> None:
    """35=q, counted (R21) and never judged, as every cancel."""
    g.risk.firm.tally.messages.take()
    g.effects.append(SendMassCancel(MassCancel(cl_ord_id=ClOrdID(g.next_request_id("Q")))))
