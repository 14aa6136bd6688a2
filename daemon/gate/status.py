"""How everything stands, as plain values: for `steadyhand status`, paper and the console."""

from collections import Counter
from typing import Any, Final

from daemon.gate.ended_parents import every_parent
from daemon.gate.retiring import every_chain, look_up
from daemon.gate.state import GateState, Parent
from market.child_order import ChildOrder
from market.events import Stamp
from market.types import NS

WAITING_SHOWN_MAX: Final = 20  # executions that wait for the other line


def status(g: GateState, stamp: Stamp, orders: str = "all") -> dict[str, Any]:
    """Return the whole picture; the shell adds what it alone knows. `orders`: see `orders_of`."""
    risk = g.risk
    realised = sum(b.realised_e4 * 100 for b in g.ledger.books.values())
    fees = sum(b.fees_micros for b in g.ledger.books.values())
    return {
        "posture": g.posture.posture.name,
        "posture_reason": g.posture.reason,
        "causes": dict(sorted(g.posture.causes.items())),
        "mode": g.mode,
        "account": g.account,
        "lockstep": g.lockstep,
        "ts_ns": stamp.ts_ns,
        "speed": risk.rates.speed,
        "sessions": sessions(g),
        "trader": trader(g, stamp),
        "oms": oms(g),
        "drop_copy": drop_copy(g),
        "positions": {s: b.position for s, b in sorted(g.ledger.books.items())},
        "positions_start": {s: b.sod_qty for s, b in sorted(g.ledger.books.items()) if b.sod_qty},
        "positions_by_account": dict(sorted(g.ledger.positions.items())),
        "pnl": {
            "execution_micros": risk.execution_micros,
            "realised_micros": realised - fees,
            "unrealised_micros": risk.execution_micros - realised + fees,
            "inventory_micros": risk.inventory_micros,
            "fees_micros": fees,
        },
        "counters": counters(g),
        "parents": [parent_facts(p) for p in (every_parent(g) if orders == "all" else g.parents.values())],
        "orders": [chain_facts(chain) for chain in orders_of(g, orders)],
        "archived_orders": g.archived.orders,  # that have ended and are not in memory
        "archived_parents": g.archived.parents,
        "open_orders": g.ledger.open_orders,
        "breaks": list(g.breaks),
        "reference": reference(g, stamp),
        "limits": {
            "version": risk.limits.version,
            "sha256": risk.limits.digest(),
            "open_ends": risk.limits.open_ends(),
        },
        "epoch": g.epoch,
    }


def orders_of(g: GateState, which: str) -> list[ChildOrder]:
    """Return all orders, archived ones first; those in memory (held); those that live; or one, by ClOrdID."""
    if which == "all":
        return every_chain(g)
    if which == "held":
        return list(g.chains.values())
    if which == "live":
        return list(g.live_chains())
    found = look_up(g, which)
    return [] if found is None else [found]


def sessions(g: GateState) -> dict[str, Any]:
    """Return both FIX sessions."""
    session = g.session
    state = "trading" if session.trading else "reconciling" if session.up else "down"
    return {
        "order": {
            "up": session.up,
            "state": state,
            "reason": session.reason,
            "logons": session.logons,
            "positions": g.positions.result,
        },
        "reference": {"up": g.references.up},
    }


def drop_copy(g: GateState) -> dict[str, Any]:
    """Return the drop copy session, {} where there is none."""
    copy = g.drop_copy
    if not copy.configured:
        return {}
    return {
        "up": copy.up,
        "reason": copy.reason,
        "lag_ms": copy.lag_ms,
        "matched": len(copy.matched) + copy.archived,
        "waiting": [*copy.ours, *copy.theirs][:WAITING_SHOWN_MAX],
        "others": copy.others,
    }


def oms(g: GateState) -> dict[str, Any]:
    """Return the OMS sessions by CompID."""
    orders = Counter(order.client for order in g.oms.orders.values() if not order.ended)
    return {
        name: {"up": c.up, "reason": c.reason, "live": orders[name], "reports": len(c.reports)}
        for name, c in sorted(g.oms.clients.items())
    }


def trader(g: GateState, stamp: Stamp) -> dict[str, Any]:
    """Return the connected traders; the plain keys speak of the only one of a paper run."""
    traders = [
        {
            "epoch": epoch,
            "symbols": list(t.hello.symbols),
            "policy": t.hello.policy,
            "policy_sha256": t.hello.policy_sha256,
            "fit": t.fit,
            "text": t.text,
            "decisions": t.decisions,
            "intents": t.intents,
        }
        for epoch, t in g.traders.items()
    ]
    first = traders[0] if traders else {"policy": "", "fit": False, "text": "no trader"}
    facts = {key: first[key] for key in ("policy", "fit", "text")}
    absent = {s: round((stamp.mono_ns - at) / NS, 1) for s, at in g.absence.since_mono_ns.items()}
    return {"connected": bool(traders), **facts, "traders": traders, "absent_s": absent}


def counters(g: GateState) -> dict[str, Any]:
    """Return every count."""
    named = (
        "orders",
        "replaces",
        "cancels",
        "fills",
        "ems_rejects",
        "cancel_rejects",
        "refused",
        "parents",
        "parents_refused",
        "breaks",
    )
    counts: dict[str, Any] = {name: g.counters[name] for name in named}
    counts |= {name: n for name, n in sorted(g.counters.items()) if name not in counts}
    counts["rejects_by_control"] = dict(sorted(g.risk.refusals.items()))
    return counts


def reference(g: GateState, stamp: Stamp) -> dict[str, Any]:
    """Return the gate's own prices, and why they are not fit where they are not."""
    return {
        symbol: {
            "bid_e4": p.bid_e4,
            "bid_qty": p.bid_qty,
            "ask_e4": p.ask_e4,
            "ask_qty": p.ask_qty,
            "last_e4": p.last_e4,
            "close_e4": p.close_e4,
            "volume": p.volume,
            "fault": g.references.fault(p, stamp.mono_ns, g.risk.market_of(symbol)),
        }
        for symbol, p in sorted(g.references.pictures.items())
    }


def parent_facts(parent: Parent) -> dict[str, Any]:
    """Return one parent, flat."""
    order, progress = parent.order, parent.progress
    return {
        "parent_id": order.parent_id,
        "account": order.account,
        "symbol": order.symbol,
        "mic": order.mic,
        "side": order.side.value,
        "qty": progress.qty,
        "start_ns": order.start_ns,
        "end_ns": order.end_ns,
        "limit_price_e4": order.limit_price_e4,
        "max_participation_bp": order.max_participation_bp,
        "benchmark": order.benchmark.value,
        "status": progress.status.value,
        "ended": not parent.live,
        "cum_qty": progress.cum_qty,
        "filled_qty": progress.cum_qty,
        "remaining": progress.remaining,
        "committed_qty": progress.committed_qty,
        "notional_e4": progress.notional_e4,
        "avg_price": progress.avg_price,
        "arrival_mid_micros": progress.arrival_mid_micros,
        "arrival_ns": progress.arrival_ns,
        "end_mid_micros": progress.end_mid_micros,
        "children": progress.children,
        "fees_micros": progress.fees_micros,
        "remainder_reason": progress.remainder_reason,
        "admitted_ts_ns": parent.admitted_ts_ns,
        "ended_ts_ns": parent.ended_ts_ns,
        "refused": parent.refused,
    }


def chain_facts(chain: ChildOrder) -> dict[str, Any]:
    """Return one row of the order table."""
    terms = chain.terms
    return {
        "chain_id": chain.chain_id,
        "parent_id": terms.parent_id,
        "symbol": terms.symbol,
        "side": terms.side.value,
        "ord_type": terms.ord_type.value,
        "time_in_force": terms.time_in_force.value,
        "price_e4": chain.price_e4,
        "status": chain.status.name,
        "ord_status": chain.status.value,
        "order_qty": chain.order_qty,
        "cum_qty": chain.cum_qty,
        "leaves_qty": chain.leaves_qty,
        "notional_e4": chain.notional_e4,
        "avg_px": chain.notional_e4 / chain.cum_qty / 10_000 if chain.cum_qty else None,
        "cl_ord_id": chain.cl_ord_id,
        "orig_cl_ord_id": chain.orig_cl_ord_id,
        "order_id": chain.order_id,
        "exec_ids": list(chain.trades),
        "text": chain.text,
        "doubt": chain.doubt,  # why the EMS was asked how it stands, and has not said so yet
    }
