"""Traders: who comes is told all that lives; who is not fit is refused; who goes leaves parents that wait."""

from typing import Final

from daemon.gate import absence as gate_absence
from daemon.gate import parents as gate_parents
from daemon.gate.effects import DropTrader, Tell
from daemon.gate.state import GateState, Trader
from market.events import LINK_PROTOCOL, Stamp, TraderGone, TraderHello, TraderStatus
from market.updates import HelloAck, OrderUpdate, PostureUpdate, Synced
from risk.limits import is_listed

EPOCHS_MAX: Final = 10_000  # starts of traders in one journal: a crash loop ends before
TRADERS_MAX: Final = 64  # symbol groups
USED_BEFORE: Final = "an epoch that was used before:"
TAKEN: Final = "another trader works"
PASSING: Final = (USED_BEFORE, TAKEN)  # refusals that a trader may meet with by asking again


def hello(g: GateState, stamp: Stamp, event: TraderHello) -> None:
    """A trader came: tell it everything that lives, oldest first."""
    fault = hello_fault(g, event)
    if fault:
        ack = HelloAck(protocol=LINK_PROTOCOL, accepted=False, reason=fault, again=fault.startswith(PASSING))
        g.effects += [Tell(event.epoch, ack), DropTrader(event.epoch, fault)]
        g.note("warning", "trader refused", epoch=event.epoch, reason=fault)
        return
    g.epochs_seen.add(event.epoch)
    g.traders[event.epoch] = Trader(hello=event)
    gate_absence.came(g, event.symbols)
    ack = HelloAck(protocol=LINK_PROTOCOL, accepted=True, anchor=g.anchor, lockstep=g.lockstep)
    g.effects.append(Tell(event.epoch, ack))
    posture = PostureUpdate(posture=g.posture.posture.name, reason=g.posture.reason)
    g.effects.append(Tell(event.epoch, posture))
    for parent in g.live_parents.values():
        if parent.order.symbol in event.symbols:
            parent.told = None
            gate_parents.tell(g, stamp, parent)
    for chain in g.live_chains():
        if chain.terms.symbol in event.symbols and chain.chain_id not in g.external:
            update = OrderUpdate(order=chain.working(), ts_ns=stamp.ts_ns)
            g.effects.append(Tell(event.epoch, update))
    g.effects.append(Tell(event.epoch, Synced()))
    g.note("info", "trader connected", epoch=event.epoch, policy=event.policy, symbols=event.symbols)


def hello_fault(g: GateState, event: TraderHello) -> str:
    """Return why a trader is not accepted, "" where it is."""
    allowed = g.risk.limits.allowed
    if event.protocol != LINK_PROTOCOL:
        return f"link protocol {event.protocol}, the gate speaks {LINK_PROTOCOL}: run both of one version"
    if event.epoch in g.epochs_seen or len(g.epochs_seen) >= EPOCHS_MAX:
        return f"{USED_BEFORE} {event.epoch}"
    unknown = [s for s in event.symbols if s not in g.instruments]
    if unknown or not event.symbols:
        return f"symbols not configured here: {', '.join(unknown) or 'none given'}"
    taken = [s for s in event.symbols if g.trader_of(s) is not None]
    if taken or len(g.traders) >= TRADERS_MAX:
        return f"{TAKEN} {', '.join(taken)}"
    if event.policy_sha256 and not is_listed(event.policy_sha256, allowed.artefacts):
        return f"R51 artefact {event.policy_sha256[:12]} of {event.policy} is not in allowed.artefacts"
    if not event.policy_sha256 and not is_listed(event.policy, allowed.policies):
        return f"R50 policy {event.policy} is not in allowed.policies"
    return ""


def gone(g: GateState, stamp: Stamp, event: TraderGone) -> None:
    """The link closed: parents wait, time goes on; working orders stand for a while."""
    trader = g.traders.pop(event.epoch, None)
    if trader is not None:
        gate_absence.left(g, stamp, trader.hello.symbols)
        g.note("warning", "trader gone", epoch=event.epoch, reason=event.reason)


def status(g: GateState, _: Stamp, event: TraderStatus) -> None:
    """The trader's own word on its fitness."""
    trader = g.traders.get(event.epoch)
    if trader is not None:
        trader.fit, trader.text, trader.decisions = event.fit, event.text, event.decisions
        trader.silent_ns = 0
