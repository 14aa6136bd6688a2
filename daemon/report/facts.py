"""The arithmetic of a run's report: parents, shortfall and its split, reconciliation. Values in, values out.

Quantities and prices come from the raw FIX log; what the gate booked and what the venue keeps are held
against it, and every difference is a break with a name. Money is summed in integers.
"""

from collections import Counter
from typing import Any, Final

from daemon.report.log import FixLog, LogFill
from daemon.report.market import MarketView
from market.types import MICROS_PER_E4, OrdStatus, Side

LIVE: Final = {
    s.value
    for s in (
        OrdStatus.NEW,
        OrdStatus.PARTIALLY_FILLED,
        OrdStatus.PENDING_NEW,
        OrdStatus.PENDING_CANCEL,
        OrdStatus.PENDING_REPLACE,
        OrdStatus.SUSPENDED,
    )
}
BREAKS_SHOWN: Final = 200  # the first ones tell what broke
BASIS: Final = {
    "spread": "sum of q (p - m): m is the mid before each fill; passive fills make it negative",
    "timing_and_impact": "sum of q (m - M0): the market's own drift and our impact on it; live they "
    "cannot be told apart, for there is no market without us to compare with",
    "opportunity": "the unfilled remainder, marked at the mid at the window's end",
    "fees": "as the gate booked them",
}


def parent(
    row: dict[str, Any], log: FixLog, times: dict[str, dict[str, Any]], market: MarketView
) -> dict[str, Any]:
    """Return the report of one parent from the gate's row and the fills of the wire."""
    side = Side(row["side"])
    fills = log.fills_of(row["parent_id"])
    filled = sum(f.qty for f in fills)
    notional = sum(f.qty * f.price_e4 for f in fills)
    maker = sum(f.qty for f in fills if times.get(f.exec_id, {}).get("maker"))
    split, unpriced = components(row, side, fills, times, market)
    printed = market.volume(row["start_ns"], row["ended_ts_ns"] or row["end_ns"])
    return {
        "id": row["parent_id"],
        "side": side.name,
        "symbol": row["symbol"],
        "qty": row["qty"],
        "filled_qty": filled,
        "avg_price": notional / filled / 10_000 if filled else None,
        "arrival_price": row["arrival_mid_micros"] / 1e6 if row["arrival_mid_micros"] else None,
        "shortfall_bps": None if split is None else sum(split.values()),
        "components": split or {},
        "components_basis": BASIS | {"mid": market.basis, "fills_without_mid": unpriced},
        "participation": filled / printed if printed else None,
        "passive_share": maker / filled if filled else None,
        "children": row["children"],
        "status": row["status"],
        "remainder_reason": row.get("remainder_reason", "") if filled < row["qty"] else "",
        "start_ns": row["start_ns"],
        "end_ns": row["end_ns"],
        "ended_ns": row["ended_ts_ns"],
        "limit_price": row["limit_price_e4"] / 10_000 if row.get("limit_price_e4") else None,
        "notional_e4": notional,
    }


def components(
    row: dict[str, Any],
    side: Side,
    fills: list[LogFill],
    times: dict[str, dict[str, Any]],
    market: MarketView,
) -> tuple[dict[str, float] | None, int]:
    """Split the shortfall (MARKET 3.4, + = cost, bps of arrival value); the parts add up to it exactly."""
    arrival = row["arrival_mid_micros"]
    if not arrival or not row["qty"]:
        return None, 0
    spread = drift = unpriced = 0
    for fill in fills:
        told = times.get(fill.exec_id)
        mid = market.mid_micros_before(told["ts_ns"]) if told else None
        if mid is None:
            unpriced += 1
            mid = arrival  # all of it counts as tactic then
        spread += fill.qty * (fill.price_e4 * MICROS_PER_E4 - mid)
        drift += fill.qty * (mid - arrival)
    rest = row["qty"] - sum(f.qty for f in fills)
    opportunity = rest * ((row["end_mid_micros"] or arrival) - arrival)
    value = row["qty"] * arrival
    parts = {"spread": spread, "timing_and_impact": drift, "opportunity": opportunity}
    split = {name: 1e4 * (side.sign * micros) / value for name, micros in parts.items()}
    return split | {"fees": 1e4 * row.get("fees_micros", 0) / value}, unpriced


def reconcile(status: dict[str, Any], venue: dict[str, Any], log: FixLog) -> dict[str, Any]:
    """Hold gate, wire and venue against each other; name every difference."""
    breaks = [f"gate: {text}" for text in status.get("breaks", [])]
    breaks += [f"fix-gate.log: {text}" for text in log.problems]
    breaks += executions(log, venue) + chains(status, venue, log) + booked(status, log)
    start = status.get("positions_start", {})
    gate = {s: qty - start.get(s, 0) for s, qty in status["positions"].items()}
    held = venue.get("positions", {}).get(status.get("account", ""), {})
    for symbol in sorted(set(gate) | set(held)):
        if gate.get(symbol, 0) != held.get(symbol, 0):
            breaks.append(f"position {symbol}: gate {gate.get(symbol, 0)}, venue {held.get(symbol, 0)}")
    for order in venue.get("open_orders", []):
        breaks.append(f"order {order['order_id']} ({order['cl_ord_id']}) is still open at the venue")
    symbols = {s for s in set(gate) | set(held) if gate.get(s, 0) or held.get(s, 0)}
    return {
        "clean": not breaks,
        "breaks": breaks[:BREAKS_SHOWN],
        "break_count": len(breaks),
        "position_gate": {s: gate.get(s, 0) for s in sorted(symbols)},
        "position_venue": {s: held.get(s, 0) for s in sorted(symbols)},
        "position_start": {s: qty for s, qty in sorted(start.items()) if qty},
        "executions_compared": len(log.fills),
        "orders_compared": len(status.get("orders", [])),
    }


def executions(log: FixLog, venue: dict[str, Any]) -> list[str]:
    """Compare every ExecID of the gate's wire with the venue's."""
    breaks = []
    theirs = {f["exec_id"]: f for f in venue.get("fills", [])}
    if len(theirs) != len(venue.get("fills", [])):
        breaks.append("the venue used an ExecID twice")
    for exec_id, fill in log.fills.items():
        other = theirs.get(exec_id)
        if other is None:
            breaks.append(f"ExecID {exec_id}: the venue does not know it")
            continue
        mine = (fill.symbol, fill.side, fill.qty, fill.price_e4)
        if mine != (other["symbol"], other["side"], other["qty"], other["price_e4"]):
            breaks.append(
                f"ExecID {exec_id}: gate {fill.qty} @ {fill.price_e4 / 10_000:.4f}, "
                f"venue {other['qty']} @ {other['price_e4'] / 10_000:.4f}"
            )
    breaks += [
        f"ExecID {exec_id}: it never reached the gate" for exec_id in theirs if exec_id not in log.fills
    ]
    return breaks


def chains(status: dict[str, Any], venue: dict[str, Any], log: FixLog) -> list[str]:
    """Compare CumQty and ExecIDs of each order: booked by the gate, told on the wire, kept by the venue."""
    breaks = []
    told: Counter[str] = Counter()
    for fill in log.fills.values():
        told[fill.chain_id] += fill.qty
    kept: Counter[str] = Counter()
    for other in venue.get("fills", []):
        kept[other["order_id"]] += other["qty"]
    orders = status.get("orders", [])
    for order in orders:
        name, cum = order["chain_id"], order["cum_qty"]
        if cum != told[name]:
            breaks.append(f"order {name}: gate booked {cum}, its log says {told[name]}")
        if order.get("order_id") and cum != kept[order["order_id"]]:
            breaks.append(f"order {name}: gate booked {cum}, venue filled {kept[order['order_id']]}")
        breaks += [
            f"order {name}: ExecID {exec_id} was booked but is not in the log"
            for exec_id in order.get("exec_ids", [])
            if exec_id not in log.fills
        ]
        if order.get("ord_status") in LIVE:
            breaks.append(f"order {name}: the gate still holds it as {order['status']}")
    known = {order["chain_id"] for order in orders}
    breaks += [f"order {name}: filled, but the gate does not know it" for name in told if name not in known]
    return breaks


def booked(status: dict[str, Any], log: FixLog) -> list[str]:
    """Compare each parent's progress with the fills of its children."""
    breaks = []
    for row in status["parents"]:
        fills = log.fills_of(row["parent_id"])
        qty, notional = sum(f.qty for f in fills), sum(f.qty * f.price_e4 for f in fills)
        if (qty, notional) != (row["cum_qty"], row["notional_e4"]):
            breaks.append(f"parent {row['parent_id']}: gate booked {row['cum_qty']}, its log says {qty}")
    return breaks
