"""The page of a report: one file with everything inside, to be read, printed or sent.

What is a model, or cannot be told apart in live trading, is labelled where it is shown.
"""

import datetime as dt
from collections.abc import Iterable
from html import escape
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from daemon.report import charts
from daemon.report.log import FixLog
from daemon.report.style import CSS
from market.types import NS

ORDERS_SHOWN: Final = 500  # rows of the order table; report.json and the log have all
BREAKS_SHOWN: Final = 50
NONE: Final = "&ndash;"  # where there is no number
NAMES: Final = {
    "spread": "spread and tactic",
    "timing_and_impact": "timing and impact",
    "opportunity": "opportunity",
    "fees": "fees",
}


class Chapter(NamedTuple):
    """What the charts and tables are drawn from, beside the report's values."""

    series: list[list[int]]  # ts_ns, bid_e4, ask_e4, last_e4, volume
    log: FixLog
    venue: dict[str, Any]
    orders: list[dict[str, Any]]


def page(report: dict[str, Any], chapter: Chapter) -> str:
    """Return the whole page."""
    title = headline(report)
    body = [header(report, title)]
    body += [parent_section(p, report, chapter) for p in report["parents"]]
    if not report["parents"]:
        body.append('<section class="card"><p class="mute">No parent order was admitted.</p></section>')
    body += [order_section(chapter), control_section(report), check_section(report)]
    version = f" {escape(str(report['version']))}" if report.get("version") else ""
    foot = f"<footer>Steadyhand{version}. Every number follows from the raw FIX logs in this folder.</footer>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{CSS}</style></head>"
        f"<body><main>{''.join(body)}{foot}</main></body></html>\n"
    )


def headline(report: dict[str, Any]) -> str:
    """Return what the run was about."""
    parents = report["parents"]
    if len(parents) == 1:
        return f"{parents[0]['side'].replace('_', ' ').title()} {parents[0]['qty']:,} {parents[0]['symbol']}"
    return f"{report['symbol']}, {len(parents)} parent orders"


def header(report: dict[str, Any], title: str) -> str:
    """Return title, facts and badges."""
    zone, policy = report["zone"], report["policy"]
    first, last = report["window"]
    day = f"{local(first, zone):%A %-d %B %Y}"
    sha = f" <code>{escape(str(policy['sha256'])[:12])}</code>" if policy.get("sha256") else ""
    what = "recorded tape" if report.get("tape") else "synthetic flow"
    facts = f"{day}, {clock(first, zone)} to {clock(last, zone)} ({escape(zone)}). {what.capitalize()}, "
    facts += (
        f"policy <b>{escape(policy['name'] or 'not known')}</b>{sha}, seed {escape(str(report['seed']))}."
    )
    pace = "lockstep" if report["lockstep"] else f"speed {report['speed']:g}x"
    clean = report["reconciliation"]["clean"]
    badges = [badge(report["mode"], ""), badge(pace, "")]
    badges.append(badge("reconciled", "good") if clean else badge("not reconciled", "bad"))
    if report.get("interrupted"):
        badges.append(badge("interrupted", "warn"))
    badges += [badge(text, "warn") for text in report["labels"]]
    notes = "".join(f"<li>{escape(str(note))}</li>" for note in report["notes"])
    notes = f'<ul class="small mute">{notes}</ul>' if notes else ""
    return (
        f'<header><div class="brand">Steadyhand execution report</div><h1>{escape(title)}</h1>'
        f'<div class="sub">{facts}</div><div class="badges">{"".join(badges)}</div>{notes}</header>'
    )


def badge(text: str, kind: str) -> str:
    """Return a small label."""
    return f'<span class="badge {kind}">{escape(text)}</span>'


def parent_section(p: dict[str, Any], report: dict[str, Any], chapter: Chapter) -> str:
    """Return everything about one parent order."""
    zone = report["zone"]
    span = f"{clock(p['start_ns'], zone)} to {clock(p['end_ns'], zone)}"
    name = f"{p['side'].replace('_', ' ')} {p['qty']:,} {p['symbol']}"
    title = (
        f'<h2>{escape(p["id"])} <span class="mute">{escape(name)}, {span}, {escape(p["status"])}</span></h2>'
    )
    rest = ""
    if p["remainder_reason"]:
        left = p["qty"] - p["filled_qty"]
        rest = f'<p class="small mute">{left:,} shares remain: {escape(p["remainder_reason"])}</p>'
    dots = fills_of(p, chapter)
    return (
        f"<section>{title}{kpis(p, report['currency'])}{rest}{schedule_card(p, report, dots)}"
        f"{price_card(p, report, chapter, dots)}{split_card(p)}</section>"
    )


def kpis(p: dict[str, Any], currency: str) -> str:
    """Return the strip of key numbers."""
    unit = f", {escape(currency)}" if currency else ""
    share = p["filled_qty"] / p["qty"] if p["qty"] else 0
    cost = p["shortfall_bps"]
    tone = "" if cost is None else "cost-text" if cost > 0 else "gain-text"
    cells = [
        (f"{p['filled_qty']:,}", f"of {p['qty']:,} shares", share),
        (number(p["avg_price"], 4), f"average price{unit}", None),
        (number(p["arrival_price"], 4), f"arrival mid{unit}", None),
        (
            f'<span class="{tone}">{signed(cost)}</span>',
            "bps shortfall, + is cost",
            None,
        ),
        (percent(p["participation"]), "of printed volume", None),
        (percent(p["passive_share"]), "filled while resting", None),
    ]
    out = []
    for value, text, bar in cells:
        track = (
            f'<div class="bar-track"><i style="width:{100 * bar:.1f}%"></i></div>' if bar is not None else ""
        )
        out.append(f'<div class="kpi"><b>{value}</b><span>{text}</span>{track}</div>')
    return f'<div class="card kpis">{"".join(out)}</div>'


def fills_of(p: dict[str, Any], chapter: Chapter) -> list[charts.Dot]:
    """Return a parent's fills with their market times."""
    told = {fill["exec_id"]: fill for fill in chapter.venue.get("fills", [])}
    dots = []
    for fill in chapter.log.fills_of(p["id"]):
        other = told.get(fill.exec_id)
        if other is not None:
            how = "resting" if other.get("maker") else "crossing"
            text = f"{fill.qty:,} @ {fill.price_e4 / 10_000:.4f}, {how}, {fill.exec_id}"
            price = fill.price_e4 / 10_000
            dots.append(
                charts.Dot(other["ts_ns"], price, fill.qty, bool(other.get("maker")), p["side"], text)
            )
    return sorted(dots)


def schedule_card(p: dict[str, Any], report: dict[str, Any], dots: list[charts.Dot]) -> str:
    """Return shares done against an even schedule."""
    done: list[tuple[int, float]] = [(p["start_ns"], 0)]
    total = 0
    for dot in dots:
        total += dot.qty
        done.append((dot.ts_ns, total))
    done.append((p["ended_ns"] or p["end_ns"], total))
    plan = [(p["start_ns"], 0.0), (p["end_ns"], float(p["qty"]))]
    chart = charts.schedule_chart(plan, done, p["end_ns"], p["qty"], report["zone"])
    legend = (
        '<span><i class="l"></i>shares done</span><span><i class="p"></i>even schedule, for comparison</span>'
    )
    head = "<h3>Done against schedule, shares</h3>"
    return f'<div class="card">{head}<div class="legend">{legend}</div>{chart}</div>'


def price_card(p: dict[str, Any], report: dict[str, Any], chapter: Chapter, dots: list[charts.Dot]) -> str:
    """Return the touch with the parent's fills."""
    margin = (p["end_ns"] - p["start_ns"]) // 40
    window = (p["start_ns"] - margin, p["end_ns"] + margin)
    inside = [row for row in chapter.series if window[0] <= row[0] <= window[1]]
    touch = [(row[0], row[1] / 10_000, row[2] / 10_000) for row in inside if row[1] and row[2]]
    levels = [
        (p["arrival_price"], "arrival", "arrival"),
        (p["avg_price"], "average", "our average"),
        (p["limit_price"], "limit", "limit"),
    ]
    named = [(value, name, text) for value, name, text in levels if value is not None]
    volumes = [(row[0], row[4]) for row in inside]
    chart = charts.price_chart(touch, dots, named, volumes, window, report["zone"])
    legend = (
        '<span><i class="l"></i>bid and ask</span><span><i class="o"></i>fill while resting</span>'
        '<span><i class="f"></i>fill by crossing</span><span><i class="m"></i>market volume</span>'
        '<span><i class="u"></i>ours</span>'
    )
    unit = f", {escape(report['currency'])} a share" if report["currency"] else ""
    head = f"Price and fills{unit}; below them shares traded"
    return f'<div class="card"><h3>{head}</h3><div class="legend">{legend}</div>{chart}</div>'


def split_card(p: dict[str, Any]) -> str:
    """Return what the shortfall is made of, and on what each part rests."""
    if p["shortfall_bps"] is None:
        return (
            '<div class="card"><h3>Shortfall</h3><p class="mute">No arrival price, so no shortfall.</p></div>'
        )
    parts = [(NAMES[name], value) for name, value in p["components"].items()]
    basis = p["components_basis"]
    rows = "".join(f"<dt>{NAMES[n]}</dt><dd>{escape(basis[n])}</dd>" for n in p["components"])
    rows += f"<dt>mid at a fill</dt><dd>{escape(basis['mid'])}"
    if basis["fills_without_mid"]:
        rows += f"; not known for {basis['fills_without_mid']} fills, whose cost is all in the first part"
    bars = charts.split_bars(parts, p["shortfall_bps"])
    head = "Shortfall against arrival, basis points of the whole order's value"
    return f'<div class="card"><h3>{head}</h3>{bars}<dl style="margin-top:14px">{rows}</dd></dl></div>'


def order_section(chapter: Chapter) -> str:
    """Return the child orders."""
    if not chapter.orders:
        return ""
    heads = (
        "order",
        "parent",
        "side",
        "price",
        "qty",
        "filled",
        "avg price",
        "status",
        "EMS id",
        "executions",
    )
    rows = []
    for o in chapter.orders[:ORDERS_SHOWN]:
        limit = "market" if o["price_e4"] is None else f"{o['price_e4'] / 10_000:.4f}"
        side = {"1": "BUY", "2": "SELL", "5": "SHORT", "6": "SHORT EX"}.get(o["side"], o["side"])
        cells = (
            f"<td><code>{escape(o['chain_id'])}</code></td><td>{escape(o['parent_id'])}</td><td>{side}</td>"
            f'<td class="n">{limit}</td><td class="n">{o["order_qty"]:,}</td>'
            f'<td class="n">{o["cum_qty"]:,}</td>'
            f'<td class="n">{number(o["avg_px"], 4)}</td><td>{escape(o["status"])}</td>'
            f'<td><code>{escape(o["order_id"] or "")}</code></td><td class="n">{len(o["exec_ids"])}</td>'
        )
        rows.append(f"<tr>{cells}</tr>")
    more = len(chapter.orders) - ORDERS_SHOWN
    tail = f'<p class="small mute">and {more:,} more in gate-status.json</p>' if more > 0 else ""
    inside = f'<div class="scroll">{table(heads, rows, (3, 4, 5, 6, 9))}</div>{tail}'
    head = f'<h2>Child orders <span class="mute">{len(chapter.orders):,}</span></h2>'
    return f'{head}<div class="card">{inside}</div>'


def control_section(report: dict[str, Any]) -> str:
    """Return counts, refusals by control, and latencies."""
    gate, venue = report["gate"], report["venue"]
    refused = gate["rejects_by_control"]
    rows = [f'<tr><td>{escape(c)}</td><td class="n">{n:,}</td></tr>' for c, n in sorted(refused.items())]
    risk = (
        table(("control", "refused"), rows, (1,))
        if rows
        else '<p class="mute small">No order was refused.</p>'
    )
    counts = {
        "orders sent": gate["orders"],
        "replaces": gate["replaces"],
        "cancels": gate["cancels"],
        "refused by the EMS": gate["ems_rejects"],
        "fills": venue["fills"],
        "shares displaced on the tape": venue["displaced"],
        "shares voided": venue["voided"],
        "shares purged": venue["purged"],
    }
    facts = "".join(f"<dt>{name}</dt><dd>{value:,}</dd>" for name, value in counts.items())
    return (
        '<h2>Orders, risk, latency</h2><div class="two">'
        f'<div class="card"><h3>Counts</h3><dl>{facts}</dl></div>'
        f'<div class="card"><h3>Refusals by control</h3>{risk}'
        '<h3 style="margin-top:20px">Latency, microseconds</h3>'
        f"{latency_table(report)}</div></div>"
    )


def latency_table(report: dict[str, Any]) -> str:
    """Return the latencies by stage."""
    if report["lockstep"]:
        return '<p class="mute small">Lockstep: latency is modelled, so there is none to measure.</p>'
    rows = []
    for stage, v in report["latency_us"].items():
        cells = "".join(f'<td class="n">{number(v[name], 0)}</td>' for name in ("p50", "p99", "p999"))
        rows.append(
            f"<tr><td>{escape(stage.replace('_', ' '))}</td>{cells}"
            f'<td class="n">{v["count"] or 0:,}</td></tr>'
        )
    return table(("stage", "p50", "p99", "p99.9", "count"), rows, range(1, 5))


def check_section(report: dict[str, Any]) -> str:
    """Return how gate, wire and venue agree."""
    check = report["reconciliation"]
    words = badge("clean", "good") if check["clean"] else badge(f"{check['break_count'] or 1} breaks", "bad")
    symbols = sorted(set(check["position_gate"]) | set(check["position_venue"]))
    rows = []
    for s in symbols:
        start = check["position_start"].get(s, 0)
        gate, venue = check["position_gate"].get(s, 0), check["position_venue"].get(s, 0)
        cells = f'<td class="n">{start:+,}</td><td class="n">{gate:+,}</td><td class="n">{venue:+,}</td>'
        rows.append(f'<tr><td>{escape(s)}</td>{cells}<td class="n">{start + gate:+,}</td></tr>')
    heads = ("symbol", "start of day", "traded, gate", "traded, venue", "now")
    held = table(heads, rows, range(1, 5)) if rows else ""
    said = (
        f"{check['executions_compared']:,} executions and {check['orders_compared']:,} orders were compared."
    )
    items = "".join(f"<li>{escape(text)}</li>" for text in check["breaks"][:BREAKS_SHOWN])
    items = f'<ul class="small cost-text">{items}</ul>' if items else ""
    inside = f'{held}<p class="small mute">{said}</p>{items}'
    return f'<h2>Reconciliation {words}</h2><div class="card">{inside}</div>'


def table(heads: tuple[str, ...], rows: list[str], numbers: Iterable[int]) -> str:
    """Return a table; `numbers` are the columns that hold numbers."""
    cells = "".join(
        f'<th class="n">{h}</th>' if i in numbers else f"<th>{h}</th>" for i, h in enumerate(heads)
    )
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def number(value: float | None, digits: int) -> str:
    """Return a number, or a dash where there is none."""
    return NONE if value is None else f"{value:,.{digits}f}"


def signed(value: float | None) -> str:
    """Return a number with its sign."""
    return NONE if value is None else f"{value:+.2f}"


def percent(value: float | None) -> str:
    """Return a share as per cent."""
    return NONE if value is None else f"{100 * value:.1f} %"


def local(ts_ns: int, zone: str) -> dt.datetime:
    """Return a zone's clock."""
    return dt.datetime.fromtimestamp(ts_ns // NS, ZoneInfo(zone))


def clock(ts_ns: int, zone: str) -> str:
    """Return HH:MM, with seconds where they matter."""
    when = local(ts_ns, zone)
    return f"{when:%H:%M:%S}" if when.second else f"{when:%H:%M}"
