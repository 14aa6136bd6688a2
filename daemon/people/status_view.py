"""`steadyhand status` on a terminal: everything that matters at one glance, from the control answer."""

from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from market.instruments import Instrument
from market.parents import shortfall_bps
from market.types import Side

ORDERS_SHOWN: Final = 20
BAR_CELLS: Final = 20
BAR_CELLS_NARROW: Final = 8
NARROW: Final = 120  # columns below which tables leave out what follows from the rest
PIPE_WIDTH: Final = 160  # where there is no terminal: nothing is cut that somebody searches for
POSTURES: Final = {"ACTIVE": "bold green", "REDUCE_ONLY": "bold yellow"}
STATUSES: Final = {
    "working": "cyan",
    "filled": "green",
    "paused": "yellow",
    "expired": "yellow",
    "canceled": "red",
    "NEW": "cyan",
    "PARTIALLY_FILLED": "cyan",
    "FILLED": "green",
    "REJECTED": "red",
    "CANCELED": "dim",
    "EXPIRED": "dim",
}
NARROW_COLUMNS: Final = ("ClOrdID", "parent", "side", "price", "filled", "OrderID", "status")
WIDE_COLUMNS: Final = (
    *("ClOrdID", "OrigClOrdID", "parent", "side", "price", "OrderQty", "CumQty", "LeavesQty", "AvgPx"),
    *("OrderID", "status"),
)
WHOLE: Final = ("ClOrdID", "OrderID", "status")  # what is read out on the telephone is never cut
RIGHT: Final = ("price", "filled", "OrderQty", "CumQty", "LeavesQty", "AvgPx")
E4: Final = 10_000
MICROS: Final = 1_000_000


def show(facts: dict[str, Any], instruments: dict[str, Instrument], all_orders: bool = False) -> None:
    """Print a status."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH)
    narrow = console.width < NARROW
    console.print(Panel(Group(*head(facts, instruments)), title="steadyhand gate", title_align="left"))
    if facts["reference"]:
        console.print(prices(facts))
    if facts["parents"]:
        console.print(parents(facts, instruments, BAR_CELLS_NARROW if narrow else BAR_CELLS))
    if facts["orders"]:
        console.print(orders(facts, all_orders, narrow))
    for text in facts["breaks"][:5]:
        console.print(Text(f"break: {text}", style="bold red"))


def head(facts: dict[str, Any], instruments: dict[str, Instrument]) -> list[RenderableType]:
    """Return posture, time, sessions, counts, money."""
    style = POSTURES.get(facts["posture"], "bold red")
    instrument = next(iter(instruments.values()))
    clock = instrument.clock(facts["ts_ns"])[:8] if facts["ts_ns"] else "market time has not begun"
    line = Text.assemble((facts["posture"], style), f"  {facts['mode']}  {clock}")
    if facts["speed"] != 1:
        line.append(f"  x{facts['speed']:g}", style="yellow")
    if facts["posture_reason"]:
        line.append(f"\n{facts['posture_reason']}", style=style)
    order, trader, counts, pnl = (
        facts["sessions"]["order"],
        facts["trader"],
        facts["counters"],
        facts["pnl"],
    )
    reference = facts["sessions"]["reference"]["up"]
    sessions = Text.assemble(
        "order session ",
        (order["state"], "green" if order["state"] == "trading" else "red"),
        "   reference ",
        ("up" if reference else "down", "green" if reference else "red"),
        "   trader ",
        (trader["policy"] or "none", "green" if trader["connected"] else "red"),
        "" if trader["fit"] or not trader["connected"] else f" ({trader['text'] or 'not fit yet'})",
    )
    sessions.append_text(others(facts))
    refused = "  ".join(f"{c} {n}" for c, n in counts["rejects_by_control"].items()) or "none"
    tallies = Text(
        f"orders {counts['orders']}   replaces {counts['replaces']}   cancels {counts['cancels']}   "
        f"fills {counts['fills']}   open {facts['open_orders']}\nrefused by control: {refused}"
    )
    held = "  ".join(f"{s} {q:+,}" for s, q in facts["positions"].items()) or "none"
    money = Text.assemble(f"positions {held}   execution P&L ", signed(pnl["execution_micros"]))
    if pnl["inventory_micros"]:
        money.append_text(Text.assemble("   inventory ", signed(pnl["inventory_micros"])))
    money.append(f" {instrument.currency}")
    tick = facts["latency_us"]["tick_to_order"]
    small = f"journal {facts['journal']['sequence']:,} inputs   limits {facts['limits']['sha256'][:12]}"
    if tick["count"]:
        small += f"\ntick to order p50 {tick['p50']:,.0f} µs  p99 {tick['p99']:,.0f} µs"
    return [line, sessions, tallies, money, Text(small, style="dim")]


def others(facts: dict[str, Any]) -> Text:
    """Return the drop copy and the OMS sessions, nothing where there are none."""
    line = Text()
    copy = facts.get("drop_copy") or {}
    if copy:
        style = "green" if copy["up"] and not copy["waiting"] else "red"
        state = "up" if copy["up"] else f"down: {copy['reason']}"
        waits = f", {len(copy['waiting'])} wait" if copy["waiting"] else ""
        line.append_text(
            Text.assemble("   drop copy ", (f"{state}, {copy['matched']} matched{waits}", style))
        )
    for name, oms in (facts.get("oms") or {}).items():
        style = "green" if oms["up"] else "yellow"
        word = "up" if oms["up"] else f"down: {oms['reason']}"
        line.append_text(Text.assemble(f"\nOMS {name} ", (word, style), f", {oms['live']} live orders"))
    return line


def signed(micros: int) -> Text:
    """Return money in green or red."""
    return Text(f"{micros / MICROS:+,.2f}", style="red" if micros < 0 else "green")


def prices(facts: dict[str, Any]) -> Table:
    """Return the gate's own reference prices."""
    table = Table(title="reference", title_justify="left", box=None, pad_edge=False)
    for name in ("symbol", "bid", "ask", "last", "volume", ""):
        table.add_column(name, justify="left" if name in ("symbol", "") else "right")
    for symbol, p in facts["reference"].items():
        table.add_row(
            symbol,
            f"{p['bid_qty']:,} @ {p['bid_e4'] / E4:.2f}",
            f"{p['ask_e4'] / E4:.2f} @ {p['ask_qty']:,}",
            f"{p['last_e4'] / E4:.2f}" if p["last_e4"] else "-",
            f"{p['volume']:,}",
            Text(p["fault"], style="red"),
        )
    return table


def parents(facts: dict[str, Any], instruments: dict[str, Instrument], cells: int) -> Table:
    """Return the parent orders with their progress."""
    table = Table(title="parents", title_justify="left", box=None, pad_edge=False)
    for name in ("id", "order", "window", "done", "", "average", "shortfall", "status"):
        right = name in ("average", "shortfall")
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "status")
    for p in facts["parents"]:
        instrument = instruments[p["symbol"]]
        window = f"{instrument.clock(p['start_ns'])[:5]}-{instrument.clock(p['end_ns'])[:5]}"
        full = round(cells * p["cum_qty"] / p["qty"])
        arrival, filled = p["arrival_mid_micros"], p["cum_qty"]
        cost = "-"
        if arrival and filled:
            bps = shortfall_bps(Side(p["side"]), filled, filled, p["notional_e4"], arrival, arrival)
            cost = f"{bps:+.2f} bps"
        status = Text(p["status"], style=STATUSES.get(p["status"], ""))
        if p["remainder_reason"]:
            status.append(f" ({p['remainder_reason']})", style="dim")
        table.add_row(
            p["parent_id"],
            f"{Side(p['side']).name} {p['qty']:,} {p['symbol']}",
            window,
            f"{filled:,}",
            Text("█" * full + "░" * (cells - full), style="cyan"),
            f"{p['avg_price']:.4f}" if p["avg_price"] else "-",
            cost,
            status,
        )
    return table


def orders(facts: dict[str, Any], all_orders: bool, narrow: bool) -> Table:
    """Return the order table: live chains first, then the latest."""
    rows = facts["orders"]
    live = [o for o in rows if o["leaves_qty"]]
    ended = [o for o in rows if not o["leaves_qty"]]
    shown = rows if all_orders else live + ended[-max(0, ORDERS_SHOWN - len(live)) :]
    archived = facts["archived_orders"]
    title = f"orders ({len(shown)} of {max(len(rows), facts['counters']['orders'])}, {archived} archived)"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    cells = [order_cells(o) for o in shown]
    names = NARROW_COLUMNS if narrow else WIDE_COLUMNS
    for name in names:
        width = max((len(row[name]) for row in cells), default=0) if name in WHOLE else None
        right = name in RIGHT
        table.add_column(name, justify="right" if right else "left", no_wrap=True, min_width=width)
    for row in cells:
        style = STATUSES.get(row["status"], "")
        table.add_row(*[Text(row[name], style=style if name == "status" else "") for name in names])
    return table


def order_cells(o: dict[str, Any]) -> dict[str, str]:
    """Return what is shown of an order, by column."""
    return {
        "ClOrdID": o["cl_ord_id"],
        "OrigClOrdID": o["orig_cl_ord_id"] or "",
        "parent": o["parent_id"],
        "side": Side(o["side"]).name.replace("SELL_SHORT", "SHORT"),
        "price": f"{o['price_e4'] / E4:.2f}" if o["price_e4"] else "market",
        "filled": f"{o['cum_qty']:,}/{o['order_qty']:,}",
        "OrderQty": f"{o['order_qty']:,}",
        "CumQty": f"{o['cum_qty']:,}",
        "LeavesQty": f"{o['leaves_qty']:,}",
        "AvgPx": f"{o['avg_px']:.4f}" if o["avg_px"] else "-",
        "OrderID": o["order_id"] or "",
        "status": o["status"],
    }


def held_lines(answer: dict[str, Any], whose: str) -> list[str]:
    """Return what lets no order of parents leave that have just been admitted: they wait."""
    stops = [b for b in answer.get("blockers", []) if b["value"] in ("KILLED", "HALTED")]
    if not stops:
        return []
    causes = "; ".join(f"{b['control']} {b['text']}" for b in stops)
    clears = "; ".join(dict.fromkeys(b["clears"] for b in stops))
    worst = "KILLED" if any(b["value"] == "KILLED" for b in stops) else "HALTED"
    return [f"  {whose} waits, no order leaves: {worst} by {causes}", f"  clears: {clears}"]
