"""A basket of parents: admitted whole in one step, or refused whole, with every reason of every row.

Each parent is judged as if those before it were live already, so that two that could not stand together are
never both let in.
"""

from typing import Any

import msgspec

from daemon.gate import parents as gate_parents
from daemon.gate.state import GateState
from market.events import Stamp
from market.parents import ParentOrder
from market.people_events import BASKET_MAX, SubmitBasket


def submit(g: GateState, stamp: Stamp, event: SubmitBasket) -> None:
    """Admit all parents, or say of each why not."""
    if not 0 < len(event.parents) <= BASKET_MAX:
        error = f"a basket of {len(event.parents)} parents; 1 to {BASKET_MAX} are allowed"
        g.reply(event.request_id, ok=False, rows=[], error=error)
        return
    orders = named(g, event.parents)
    faults = [gate_parents.faults_of(g, stamp, order, orders[:n]) for n, order in enumerate(orders)]
    for order, found in zip(orders, faults, strict=True):
        found += repeated(g, order, orders)
    rows: list[dict[str, Any]] = [
        {"parent_id": order.parent_id, "faults": found} for order, found in zip(orders, faults, strict=True)
    ]
    body: dict[str, Any] = {"ok": True, "rows": rows, "dry_run": event.dry_run}
    bad = sum(bool(found) for found in faults)
    if bad:
        for order, found in zip(orders, faults, strict=True):
            if found:
                gate_parents.refused(g, order.parent_id, found)
        error = f"{bad} of {len(orders)} parents cannot be admitted, so that none is"
        g.reply(event.request_id, **body | {"ok": False, "error": error})
        return
    if not event.dry_run:
        for order in orders:
            gate_parents.enter(g, stamp, order)
        g.note("info", "basket admitted", parents=len(orders))
    g.reply(event.request_id, **body)
    if not event.dry_run:
        gate_parents.begin(g, stamp)


def repeated(g: GateState, order: ParentOrder, orders: list[ParentOrder]) -> list[str]:
    """R23: so many of one kind would stop the strategy once they begin; then none is let in."""
    alike = sum(kind_of(other) == kind_of(order) for other in orders)
    most = g.risk.limits.repeats.starts_max
    if alike < most:
        return []
    return [f"R23 {alike} of {order.side.name} {order.symbol} of about this size; {most} starts are a repeat"]


def kind_of(order: ParentOrder) -> tuple[str, str, int]:
    """Return what R23 takes for the same parent again."""
    return order.symbol, order.side.value, order.qty.bit_length()


def named(g: GateState, orders: tuple[ParentOrder, ...]) -> list[ParentOrder]:
    """Return the parents with ids of their own where they came without."""
    found, taken = [], {order.parent_id for order in orders}
    for order in orders:
        parent_id = order.parent_id or gate_parents.free_id(g, taken)
        taken.add(parent_id)
        found.append(msgspec.structs.replace(order, parent_id=parent_id))
    return found
