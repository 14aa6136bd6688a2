"""New terms for a live parent: judged like a new one, and R14 holds against them at once."""

from typing import Any

import msgspec

from daemon.gate import chains as gate_chains
from daemon.gate.parents import live_or_say
from daemon.gate.state import GateState, Parent
from market.events import AmendParent, Stamp
from market.types import ParentStatus
from risk import admission


def amend(g: GateState, stamp: Stamp, event: AmendParent) -> None:
    """Change terms of a live parent; what the new terms forbid is cancelled."""
    parent = live_or_say(g, event.request_id, event.parent_id)
    if parent is None:
        return
    faults = change(g, stamp, parent, event)
    if faults:
        g.reply(event.request_id, ok=False, error="; ".join(faults), faults=faults)
        return
    g.reply(event.request_id, ok=True, parent=msgspec.to_builtins(parent.order))


def change(g: GateState, stamp: Stamp, parent: Parent, event: AmendParent) -> list[str]:
    """Give a live parent new terms, or return every reason why not."""
    changes: dict[str, Any] = {
        name: value
        for name in ("qty", "limit_price_e4", "end_ns", "max_participation_bp")
        if (value := getattr(event, name)) is not None
    }
    order = msgspec.structs.replace(parent.order, **changes)
    others = [p.order for p in g.live_parents.values() if p is not parent]
    faults = admission.faults(g.risk, order, stamp.ts_ns, others, begun=True)
    if not changes:
        faults.append("R08 nothing to amend")
    if order.qty <= parent.progress.cum_qty:
        faults.append(f"R14 quantity {order.qty} is not above what is filled, {parent.progress.cum_qty}")
    if parent.progress.status is ParentStatus.CANCELING:
        faults.append("R08 the parent is being cancelled")
    if faults:
        return faults
    parent.order = order
    parent.update(qty=order.qty)
    if parent.progress.committed_qty > order.qty:
        # R14 holds against the new quantity at once; what works already may still trade until it is gone.
        parent.ceiling_qty = max(parent.ceiling_qty, parent.progress.committed_qty)
        gate_chains.pull_parent(g, parent)  # the trader sends again what still fits
    elif order.limit_price_e4 is not None:
        for chain_id in parent.chains:
            chain = g.chains[chain_id]
            if chain.price_e4 == 0 or (chain.price_worst_e4 - order.limit_price_e4) * order.side.sign > 0:
                gate_chains.unwant(g, chain_id)
    g.note("info", "parent amended", parent=order.parent_id, **changes)
    g.touched[order.parent_id] = None
    g.refresh_wakeups()
    return []
