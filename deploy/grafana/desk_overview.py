"""The desk's overview as code: `python deploy/grafana/desk_overview.py` writes desk_overview.json.

The first row answers "may I leave it alone?" without a legend; below it what the orders do, what it
costs, and how fast the machine is. Every query is run in the tests against a Prometheus that scraped
a paper run; Grafana itself is not run there.
"""

import sys
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import BigValueColorMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)

from risk.posture import CAUSES, Posture

TARGET = Path(__file__).with_name("desk_overview.json")
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
STAT_SPAN, GRAPH_SPAN = 3, 12  # of 24 columns
GREEN, YELLOW, RED = "green", "yellow", "red"

Query = tuple[str, str]  # expression, legend
REDUCES = "|".join(cause for cause, row in CAUSES.items() if row.posture is Posture.REDUCE_ONLY)


def query(expression: str, legend: str = "") -> prometheus.Dataquery:
    """Return one target."""
    return prometheus.Dataquery().expr(expression).legend_format(legend).range()


def steps(*pairs: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    """Return thresholds: each colour holds from its value upwards."""
    return (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=v, color=c) for v, c in pairs])
    )


def light(title: str, expression: str, colours: Any, texts: dict[str, str], help_text: str) -> stat.Panel:
    """Return a traffic light: a word on a colour."""
    words: list[Any] = [
        ValueMap(options={value: ValueMappingResult(text=text) for value, text in texts.items()})
    ]
    return (
        stat.Panel()
        .title(title)
        .description(help_text)
        .datasource(SOURCE)
        .with_target(query(expression))
        .thresholds(colours)
        .mappings(words)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_mode(BigValueColorMode.BACKGROUND)
        .height(4)
        .span(STAT_SPAN)
    )


def graph(title: str, unit: str, help_text: str, *queries: Query) -> timeseries.Panel:
    """Return a graph over time."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(help_text)
        .datasource(SOURCE)
        .unit(unit)
        .fill_opacity(8)
        .height(8)
        .span(GRAPH_SPAN)
    )
    for number, (expression, legend) in enumerate(queries):
        panel = panel.with_target(query(expression, legend).ref_id(chr(ord("A") + number)))
    return panel


def lights() -> list[stat.Panel]:
    """Return the first row."""
    up = steps((None, RED), (1, GREEN))
    stopped = f'steadyhand_posture_causes{{cause!~"{REDUCES}"}} > bool 0'
    reduced = f'steadyhand_posture_causes{{cause=~"{REDUCES}"}} > bool 0'
    return [
        light(
            "Trading",
            f"max(2 * ({stopped}) or ({reduced}))",
            steps((None, GREEN), (1, YELLOW), (2, RED)),
            {"0": "free", "1": "reduces only", "2": "HALTED"},
            "The worst of all causes of all scopes; `steadyhand why` names each and what would clear it.",
        ),
        light(
            "Kill switch",
            "max(steadyhand_kill_switch_engaged)",
            steps((None, GREEN), (1, RED)),
            {"0": "armed", "1": "KILLED"},
            "Latched until two people rearm (`steadyhand rearm`).",
        ),
        light(
            "Processes",
            "min(steadyhand_process_up)",
            up,
            {"0": "one vanished", "1": "all alive"},
            "0: a process ended without taking its counters away.",
        ),
        light(
            "FIX sessions",
            "min(steadyhand_fix_session_up)",
            up,
            {"0": "down", "1": "logged on"},
            "Orders and reference prices; both must be up for an order to pass.",
        ),
        light(
            "Trader",
            "min(steadyhand_trader_connected)",
            up,
            {"0": "missing", "1": "connected"},
            "Without one nothing is decided; working orders stand.",
        ),
        light(
            "Feed age, s",
            "max(time() - steadyhand_feed_last_message_timestamp_seconds)",
            steps((None, GREEN), (2, YELLOW), (5, RED)),
            {},
            "A healthy server sends a heartbeat every second.",
        ),
        light(
            "Guard",
            "min(steadyhand_guard_drill_ok) or vector(-1)",
            steps((None, YELLOW), (0, RED), (1, GREEN)),
            {"-1": "none runs", "0": "unproven", "1": "proven"},
            "What its last drill showed; it ends a gate whose loop is stuck.",
        ),
        light(
            "Active parents",
            'sum(steadyhand_parents{state="active"})',
            steps((None, "blue")),
            {},
            "Parents that are being worked now.",
        ),
    ]


def trading() -> list[timeseries.Panel]:
    """Return what the orders do and what it costs."""
    named = (
        "* on (slot, process, instance) group_left (parent_id, symbol, side) (steadyhand_parent_info == 1)"
    )
    return [
        graph(
            "Parents: executed against schedule",
            "percentunit",
            "Solid: filled; the schedule is where the parent should be.",
            (f"steadyhand_parent_executed_ratio {named}", "{{side}} {{symbol}} {{parent_id}} executed"),
            (f"steadyhand_parent_schedule_ratio {named}", "{{side}} {{symbol}} {{parent_id}} schedule"),
        ),
        graph(
            "Shortfall so far, bps",
            "none",
            "Fills against the arrival price; positive is cost.",
            (f"steadyhand_parent_shortfall_bps {named}", "{{side}} {{symbol}} {{parent_id}}"),
        ),
        graph(
            "Fills, shares a second",
            "none",
            "By symbol and side.",
            (
                "sum by (symbol, side) (rate(steadyhand_fill_quantity_total[$__rate_interval]))",
                "{{side}} {{symbol}}",
            ),
        ),
        graph(
            "Position, shares",
            "none",
            "Signed, from the gate's own ledger.",
            ("steadyhand_position_quantity", "{{symbol}}"),
        ),
        graph(
            "Order events a second",
            "none",
            "New orders, replaces, cancels and what came back.",
            ("sum by (event) (rate(steadyhand_order_events_total[$__rate_interval]))", "{{event}}"),
        ),
        graph(
            "Refusals a second, by control",
            "none",
            "What the risk overlay refused, and why.",
            (
                "sum by (control) (rate(steadyhand_risk_refusals_total[$__rate_interval]))",
                "{{control}}",
            ),
        ),
        graph(
            "Profit, in the currency",
            "none",
            "Since the start of the day.",
            ("steadyhand_pnl", "{{kind}} {{currency}}"),
        ),
        graph("Spread, bps", "none", "Of the trader's book.", ("steadyhand_book_spread_bps", "{{symbol}}")),
    ]


def machine() -> list[timeseries.Panel]:
    """Return how fast the machine is."""

    def quantile(q: float, metric: str, by: str = "le") -> str:
        return f"histogram_quantile({q}, sum by ({by}) (rate({metric}_bucket[$__rate_interval])))"

    decision, ack = "steadyhand_decision_latency_seconds", "steadyhand_order_ack_seconds"
    return [
        graph(
            "Decision latency",
            "s",
            "Feed bytes readable until the last intent is written.",
            (quantile(0.5, decision), "p50"),
            (quantile(0.99, decision), "p99"),
        ),
        graph(
            "Venue answers",
            "s",
            "Order sent until its first answer, p99.",
            (quantile(0.99, ack, "le, kind"), "{{kind}}"),
        ),
        graph(
            "The gate: an order's way, and its journal",
            "s",
            "p99 from intent to FIX message, and of one group commit of the journal.",
            (quantile(0.99, "steadyhand_intent_to_wire_seconds"), "intent to wire"),
            (quantile(0.99, "steadyhand_journal_fsync_seconds", "le, process"), "fsync {{process}}"),
        ),
        graph(
            "Feed messages a second",
            "none",
            "As decoded by the trader, by ITCH type.",
            ("sum by (type) (rate(steadyhand_feed_messages_total[$__rate_interval]))", "{{type}}"),
        ),
    ]


def build() -> str:
    """Return the dashboard's JSON."""
    board = (
        dashboard.Dashboard("Steadyhand: desk overview")
        .uid("steadyhand-desk")
        .description("Parents, orders, risk and speed of one installation.")
        .tags(["steadyhand"])
        .refresh("5s")
        .time("now-30m", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Source").type("prometheus"))
    )
    for title, panels in (
        ("May I leave it alone?", lights()),
        ("Orders and what they cost", trading()),
        ("The machine", machine()),
    ):
        board = board.with_row(dashboard.Row(title))
        for panel in panels:
            board = board.with_panel(panel)
    return JSONEncoder(sort_keys=True, indent=2).encode(board.build()) + "\n"


if __name__ == "__main__":
    TARGET.write_text(build())
    print(f"written: {TARGET.name}", file=sys.stderr)
