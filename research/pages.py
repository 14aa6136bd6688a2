"""Self-contained pages for what research measures: cards, tables, line charts with bands, intervals.

The look is the run report's; a page fetches nothing and holds no script. Everything that is text is escaped.
"""

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, NamedTuple

from daemon.report.style import CSS

WIDTH: Final = 1000
LEFT, RIGHT, TOP, BOTTOM = 70, 16, 14, 40
TICKS: Final = 6
COLOURS: Final = ("accent", "sell", "buy", "warn", "mute", "bad")
MORE_CSS: Final = """
.curve{fill:none;stroke-width:2;stroke-linejoin:round}.curve.dashed{stroke-dasharray:6 5}
.band-fill{opacity:.14;stroke:none}.whisker{stroke-width:2}.zero{stroke:var(--mute);stroke-width:1.2}
.what{text-anchor:start;font-size:13px}.label{text-anchor:middle}
td.good{color:var(--good)}td.bad{color:var(--bad)}td.warn{color:var(--warn)}
table.words td{white-space:normal;vertical-align:top;overflow-wrap:anywhere}
@media print{.scroll{max-height:none;overflow:visible}}
"""


class Series(NamedTuple):
    """One line of a chart; `low` and `high` make a band around it."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    dashed: bool = False


class Range(NamedTuple):
    """A mean with its interval, a row of a forest."""

    name: str
    mean: float
    low: float
    high: float
    text: str = ""


def page(title: str, about: str, badges: Iterable[tuple[str, str]], sections: Iterable[str]) -> str:
    """Return a whole page; `badges`: (text, "" | good | bad | warn)."""
    shown = "".join(f'<span class="badge {kind}">{escape(text)}</span>' for text, kind in badges)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{CSS}{MORE_CSS}</style></head><body><main>"
        f'<header><div class="brand">Steadyhand</div><h1>{escape(title)}</h1>'
        f'<div class="sub">{escape(about)}</div><div class="badges">{shown}</div></header>'
        f"{''.join(sections)}</main></body></html>\n"
    )


def chapter(title: str, *parts: str) -> str:
    """Return a heading with what stands below it."""
    return f"<h2>{escape(title)}</h2>{''.join(parts)}"


def card(inside: str, title: str = "") -> str:
    """Return a framed block."""
    head = f"<h3>{escape(title)}</h3>" if title else ""
    return f'<section class="card">{head}{inside}</section>'


def text(words: str) -> str:
    """Return a paragraph."""
    return f'<p class="small">{escape(words)}</p>'


def numbers(rows: Iterable[tuple[str, str]]) -> str:
    """Return large numbers side by side: (value, what it is)."""
    cells = "".join(f'<div class="kpi"><b>{escape(v)}</b><span>{escape(k)}</span></div>' for v, k in rows)
    return f'<section class="card kpis">{cells}</section>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], kinds: Sequence[Sequence[str]] = ()) -> str:
    """Return a table; the first column is text, the others numbers; `kinds`: a class for each cell or ""."""
    heads = "".join(f'<th class="{"n" if i else ""}">{escape(h)}</th>' for i, h in enumerate(head))
    body = []
    for at, row in enumerate(rows):
        marks = kinds[at] if at < len(kinds) else ()
        cells = (
            f'<td class="{"n " if i else ""}{marks[i] if i < len(marks) else ""}">{escape(cell)}</td>'
            for i, cell in enumerate(row)
        )
        body.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="scroll"><table><tr>{heads}</tr>{"".join(body)}</table></div>'


def words(head: Sequence[str], rows: Iterable[Sequence[str]], kinds: Sequence[Sequence[str]] = ()) -> str:
    """Return a table of sentences: it wraps, and is seen whole."""
    heads = "".join(f"<th>{escape(h)}</th>" for h in head)
    body = []
    for at, row in enumerate(rows):
        marks = kinds[at] if at < len(kinds) else ()
        cells = (
            f'<td class="{marks[i] if i < len(marks) else ""}">{escape(cell)}</td>'
            for i, cell in enumerate(row)
        )
        body.append(f"<tr>{''.join(cells)}</tr>")
    return f'<table class="words"><tr>{heads}</tr>{"".join(body)}</table>'


# --- charts ---------------------------------------------------------------------------------------
class Axis:
    """Numbers onto a stretch of pixels, linear or logarithmic."""

    def __init__(self, values: Iterable[float], pixels: tuple[float, float], log: bool, pad: float) -> None:
        kept = [v for v in values if math.isfinite(v) and (v > 0 or not log)]
        self.log = log
        low, high = (min(kept), max(kept)) if kept else (1.0, 10.0)
        low, high = (math.log10(low), math.log10(high)) if log else (low, high)
        room = (high - low) * pad or max(abs(high) * 0.05, 0.5)
        self.low, self.high = low - room * (pad > 0), high + room * (pad > 0 or high == low)
        self.pixels = pixels

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        shown = math.log10(value) if self.log else value
        first, last = self.pixels
        return first + (shown - self.low) / (self.high - self.low) * (last - first)

    def has(self, value: float) -> bool:
        """Whether a value can be drawn."""
        return math.isfinite(value) and (value > 0 or not self.log)

    def ticks(self) -> list[tuple[float, str]]:
        """Return round values with their texts."""
        if self.log:
            powers = range(math.ceil(self.low - 1e-9), math.floor(self.high + 1e-9) + 1)
            return [(10.0**p, f"{10.0**p:g}") for p in powers]
        rough = (self.high - self.low) / TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough)
        first = math.ceil(self.low / step)
        count = int((self.high - first * step) / step + 1e-9) + 1
        return [((first + i) * step, f"{(first + i) * step:.6g}") for i in range(count)]


def lines(
    series: Sequence[Series],
    x_name: str,
    y_name: str,
    *,
    log_x: bool = False,
    log_y: bool = False,
    height: int = 300,
) -> str:
    """Return a chart of lines with its legend."""
    xs = Axis((v for s in series for v in s.x), (LEFT, WIDTH - RIGHT), log_x, 0.0)
    ys = Axis((v for s in series for v in (*s.y, *s.low, *s.high)), (height - BOTTOM, TOP), log_y, 0.06)
    parts = frame(xs, ys, height, x_name)
    for at, one in enumerate(series):
        colour = f"var(--{COLOURS[at % len(COLOURS)]})"
        if one.low:
            there = points(xs, ys, one.x, one.low)
            back = points(xs, ys, one.x, one.high)[::-1]
            if there and back:
                shape = " ".join(f"{x:.1f},{y:.1f}" for x, y in there + back)
                parts.append(f'<polygon class="band-fill" fill="{colour}" points="{shape}"/>')
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points(xs, ys, one.x, one.y))
        kind = "curve dashed" if one.dashed else "curve"
        parts.append(f'<polyline class="{kind}" stroke="{colour}" points="{path}"/>')
    legend = "".join(
        f'<span><i class="l" style="border-top-color:var(--{COLOURS[at % len(COLOURS)]})"></i>'
        f"{escape(one.name)}</span>"
        for at, one in enumerate(series)
    )
    return f'<div class="legend">{legend}<span>{escape(y_name)}</span></div>{svg(parts, height, y_name)}'


def forest(rows: Sequence[Range], unit: str) -> str:
    """Return means with their intervals around a zero line."""
    pitch, middle = 30, 250
    height = pitch * len(rows) + 44
    every = [v for r in rows for v in (r.low, r.high, r.mean)] + [0.0]
    xs = Axis(every, (middle, WIDTH - 190), False, 0.04)
    parts = [
        f'<line class="zero" x1="{xs.at(0):.1f}" x2="{xs.at(0):.1f}" y1="4" y2="{height - 36}"/>',
    ]
    for value, label in xs.ticks():
        parts.append(f'<text class="axis x" x="{xs.at(value):.1f}" y="{height - 18}">{label}</text>')
    parts.append(
        f'<text class="axis x" x="{(middle + WIDTH - 190) / 2}" y="{height - 2}">{escape(unit)}</text>'
    )
    for at, row in enumerate(rows):
        y = 16 + at * pitch
        colour = "good" if row.high < 0 else ("bad" if row.low > 0 else "mute")
        style = f'stroke="var(--{colour})"'
        parts.append(f'<text class="what" x="4" y="{y + 4}">{escape(row.name)}</text>')
        parts.append(
            f'<line class="whisker" {style} x1="{xs.at(row.low):.1f}" x2="{xs.at(row.high):.1f}" '
            f'y1="{y}" y2="{y}"/>'
        )
        parts.append(f'<circle cx="{xs.at(row.mean):.1f}" cy="{y}" r="4.5" fill="var(--{colour})"/>')
        shown = row.text or f"{row.mean:+.2f} [{row.low:+.2f}, {row.high:+.2f}]"
        parts.append(f'<text class="what" x="{WIDTH - 180}" y="{y + 4}">{escape(shown)}</text>')
    return svg(parts, height, unit)


def points(
    xs: Axis, ys: Axis, x_values: Sequence[float], y_values: Sequence[float]
) -> list[tuple[float, float]]:
    """Return the pixels of what can be drawn."""
    pairs = zip(x_values, y_values, strict=True)
    return [(xs.at(x), ys.at(y)) for x, y in pairs if xs.has(x) and ys.has(y)]


def frame(xs: Axis, ys: Axis, height: int, x_name: str) -> list[str]:
    """Return grid and axes."""
    bottom = height - BOTTOM
    parts = []
    for value, label in ys.ticks():
        y = ys.at(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="axis y" x="{LEFT - 8}" y="{y + 4:.1f}">{label}</text>')
    for value, label in xs.ticks():
        x = xs.at(value)
        parts.append(f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 4}"/>')
        parts.append(f'<text class="axis x" x="{x:.1f}" y="{bottom + 17}">{label}</text>')
    parts.append(f'<line class="base" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(f'<text class="axis x" x="{(LEFT + WIDTH) / 2}" y="{height - 4}">{escape(x_name)}</text>')
    return parts


def svg(parts: Iterable[str], height: int, name: str) -> str:
    """Return the drawing."""
    box = f"0 0 {WIDTH} {height}"
    return f'<svg viewBox="{box}" role="img" aria-label="{escape(name)}">{"".join(parts)}</svg>'
