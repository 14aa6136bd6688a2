"""What a person sees of a paper run: stages, then each parent against its schedule, then a summary.

On a terminal a live panel; elsewhere one line every few seconds. Everything goes to stderr, so that
`--json` leaves stdout to the report.
"""

import argparse
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from daemon.paper.setup import Market
from market.parents import shortfall_bps
from market.types import NS, Side

PLAIN_INTERVAL_S: Final = 5.0  # between two lines where there is no terminal
BAR_WIDTH: Final = 44
NOTES_SHOWN: Final = 4
SUMMARY_WIDTH: Final = 110
NARROW: Final = 100  # columns below which the summary stands closer
STATUS_STYLE: Final = {
    "pending": "dim",
    "working": "cyan",
    "paused": "yellow",
    "canceling": "yellow",
    "filled": "green",
    "expired": "magenta",
    "canceled": "magenta",
    "rejected": "red",
}


class View:
    """The live picture; also keeps what the summary and run.json need to know."""

    def __init__(self, market: Market, args: argparse.Namespace, run: Path) -> None:
        self._market, self._run = market, run
        self._pace = "lockstep" if args.lockstep else f"speed {args.speed:g}x"
        self._seed = args.seed
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=8, transient=True)
        self._fancy = self._console.is_terminal
        self._stage = "starting"
        self._page = ""
        self._status: dict[str, Any] | None = None
        self._plain_due = 0.0
        self.notes: list[str] = []
        self.policy_facts: dict[str, Any] = {}
        self.ending = False

    def __enter__(self) -> "View":
        if self._fancy:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def stage(self, name: str) -> None:
        """Say which part is starting."""
        self._stage = name
        self._line(f"starting {name}")
        self._draw()

    def metrics_page(self, url: str) -> None:
        """Say where Prometheus can scrape."""
        self._page = url

    def policy(self, facts: dict[str, Any]) -> None:
        """Say who decides."""
        self.policy_facts = facts

    def note(self, text: str) -> None:
        """Keep and show something that went otherwise than planned."""
        self.notes.append(text)
        self._line(text)
        self._draw()

    def show(self, status: dict[str, Any]) -> None:
        """Show the gate's status."""
        self._status = status
        self._draw()
        now = time.monotonic()
        if not self._fancy and now >= self._plain_due:
            self._plain_due = now + PLAIN_INTERVAL_S
            clock = self._market.instrument.clock(status["ts_ns"])[:8] if status["ts_ns"] else "--:--:--"
            for parent in status["parents"]:
                self._console.print(f"{clock} {plain(parent, status)}", highlight=False)

    def _line(self, text: str) -> None:
        if not self._fancy:
            self._console.print(text, highlight=False)

    def _draw(self) -> None:
        if self._fancy:
            self._live.update(self._panel())

    def _panel(self) -> RenderableType:
        market, status = self._market, self._status
        clock = market.instrument.clock(status["ts_ns"]) if status and status["ts_ns"] else "--:--:--"
        what = "tape" if market.tape else "synthetic flow"
        title = f"[bold]steadyhand[/] paper · {market.instrument.symbol} {market.day} · {what} · {self._pace}"
        title += f" · seed {self._seed}"
        parts: list[RenderableType] = []
        if status is None or not status["parents"]:
            parts.append(Text(f"starting {self._stage} …", style="dim"))
        else:
            parts += [parent_block(p, status) for p in status["parents"]]
            parts.append(market_lines(status, market.instrument.symbol, self.policy_facts.get("name", "")))
        parts += [Text(f"! {note}", style="yellow") for note in self.notes[-NOTES_SHOWN:]]
        foot = f"{self._run}   metrics {self._page}" if self._page else f"{self._run}"
        return Panel(
            Group(*parts),
            title=title,
            subtitle=f"[cyan]{clock}[/]   [dim]{foot}[/]",
            title_align="left",
            subtitle_align="left",
            padding=(1, 2),
        )


def schedule_qty(parent: dict[str, Any], ts_ns: int) -> int:
    """Return the shares that an even schedule would have done by now."""
    span = max(1, parent["end_ns"] - parent["start_ns"])
    share = min(1.0, max(0.0, (ts_ns - parent["start_ns"]) / span))
    due: float = parent["qty"] * share
    return round(due)


def running_bps(parent: dict[str, Any]) -> float | None:
    """Return the shortfall so far, of what is filled, in bps; None before the first fill."""
    arrival, done = parent["arrival_mid_micros"], parent["cum_qty"]
    if not arrival or not done:
        return None
    return shortfall_bps(Side(parent["side"]), done, done, parent["notional_e4"], arrival, arrival)


def plain(parent: dict[str, Any], status: dict[str, Any]) -> str:
    """Return one parent as one line."""
    bps = running_bps(parent)
    text = "" if bps is None else f", shortfall {bps:+.2f} bps"
    side = Side(parent["side"]).name
    done = f"{parent['cum_qty']}/{parent['qty']} (schedule {schedule_qty(parent, status['ts_ns'])})"
    return f"{parent['parent_id']} {side} {parent['symbol']} {done} {parent['status']}{text}"


def parent_block(parent: dict[str, Any], status: dict[str, Any]) -> RenderableType:
    """Return one parent: heading, bar with the schedule's mark, prices."""
    qty, done = parent["qty"], parent["cum_qty"]
    planned = schedule_qty(parent, status["ts_ns"])
    filled = round(BAR_WIDTH * done / qty)
    mark = min(BAR_WIDTH - 1, round(BAR_WIDTH * planned / qty))
    style = STATUS_STYLE.get(parent["status"], "")
    bar = Text()
    for cell in range(BAR_WIDTH):
        here = cell == mark and parent["status"] == "working"
        bar.append("┃" if here else "█" if cell < filled else "░", style="bold" if here else style)
    head = Text.assemble(
        (f"{parent['parent_id']}  ", "bold"),
        (f"{Side(parent['side']).name} {qty:,} {parent['symbol']}  ", "bold"),
        (parent["status"], style),
        ("" if parent["ended"] else f"   {time_left(parent, status['ts_ns'])}", "dim"),
    )
    bps = running_bps(parent)
    facts = Text(f"  {done:,} of {qty:,}   ┃ schedule {planned:,}")
    if bps is not None:
        facts.append(f"   shortfall {bps:+.2f} bps", style="red" if bps > 0 else "green")
    prices = Text("  ", style="dim")
    if parent["avg_price"] is not None:
        prices.append(f"avg {parent['avg_price']:.4f}   ")
    if parent["arrival_mid_micros"]:
        prices.append(f"arrival {parent['arrival_mid_micros'] / 1e6:.4f}")
    return Group(head, Text.assemble("  ", bar), facts, prices, Text(""))


def time_left(parent: dict[str, Any], ts_ns: int) -> str:
    """Return how long the parent has, in market time."""
    minutes, seconds = divmod(max(0, parent["end_ns"] - max(ts_ns, parent["start_ns"])) // NS, 60)
    return f"{minutes}:{seconds:02d} left"


def market_lines(status: dict[str, Any], symbol: str, policy: str) -> RenderableType:
    """Return touch, spread, position and posture, and below them who decides and what was sent."""
    price = status["reference"].get(symbol) or {}
    bid, ask = price.get("bid_e4", 0), price.get("ask_e4", 0)
    counters = status["counters"]
    refused = sum(counters["rejects_by_control"].values())
    touch = f"{bid / 1e4:.2f} x {ask / 1e4:.2f}" if bid and ask else "no price"
    row = Table.grid(padding=(0, 3))
    row.add_row(
        Text(touch, style="bold"),
        Text(f"spread {(ask - bid) / 100:.0f} ct" if bid and ask else ""),
        Text(f"position {status['positions'].get(symbol, 0):+,}"),
        Text(status["posture"], style="green" if status["posture"] == "ACTIVE" else "bold red"),
    )
    sent = f"orders {counters['orders']}   fills {counters['fills']}   refused {refused}"
    return Group(row, Text.assemble((policy, "bold"), f"   {sent}"))


def ended(parent: dict[str, Any]) -> str:
    """Return how a parent ended, with the constraint that left a remainder."""
    reason = parent.get("remainder_reason")
    return f"{parent['status']}: {reason}" if reason else str(parent["status"])


def summary(facts: dict[str, Any], run: Path) -> None:
    """Print how the run ended."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=SUMMARY_WIDTH)  # a pipe is not 80 columns wide
    table = Table(
        title=None, box=None, header_style="bold", padding=(0, 1 if console.width < NARROW else 2, 0, 0)
    )
    for name in ("parent", "order", "filled", "avg price", "arrival", "shortfall", "children", "ended"):
        left = name in ("parent", "order", "ended")
        table.add_column(name, justify="left" if left else "right", no_wrap=name != "ended")
    for p in facts["parents"]:
        table.add_row(
            p["id"],
            f"{p['side']} {p['qty']:,} {p['symbol']}",
            f"{p['filled_qty']:,}",
            "-" if p["avg_price"] is None else f"{p['avg_price']:.4f}",
            "-" if p["arrival_price"] is None else f"{p['arrival_price']:.4f}",
            "-" if p["shortfall_bps"] is None else f"{p['shortfall_bps']:+.2f} bps",
            str(p["children"]),
            Text(ended(p), style=STATUS_STYLE.get(p["status"], "")),
        )
    console.print(table)
    gate, venue, check = facts["gate"], facts["venue"], facts["reconciliation"]
    refused = ", ".join(f"{k} {v}" for k, v in gate["rejects_by_control"].items()) or "none"
    console.print(f"gate   {gate['orders']} orders, {gate['cancels']} cancels, refused: {refused}")
    console.print(
        f"venue  {venue['orders']} orders, {venue['fills']} fills, displaced {venue['displaced']} shares"
    )
    latency = facts["latency_us"]["tick_to_order"]
    if latency["count"]:
        console.print(
            f"tick to order  p50 {latency['p50']:.0f} us, p99 {latency['p99']:.0f} us "
            f"over {latency['count']} orders"
        )
    if check["clean"]:
        console.print("[green]reconciled[/]: gate and venue agree on every fill and position")
    else:
        console.print("[bold red]NOT reconciled[/]: " + "; ".join(map(str, check["breaks"][:5])))
    console.print(f"report [bold]{run / 'report.html'}[/]")
