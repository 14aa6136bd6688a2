"""Draws a report's charts as plain SVG: no script, no font, no colour of its own (the page has those)."""

import datetime as dt
from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from market.types import NS

WIDTH: Final = 1000
LEFT, RIGHT, TOP, BOTTOM = 64, 30, 14, 26
POINTS_MAX: Final = 1_500  # of a line; more cannot be seen on a screen
TICKS: Final = 8  # at most, of the value axis
BINS: Final = 80  # of the volume strip
SECONDS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200)


class Dot(NamedTuple):
    """One fill."""

    ts_ns: int
    price: float
    qty: int
    maker: bool
    side: str
    text: str


class Plot:
    """A drawing area with a time axis and a value axis."""

    def __init__(self, height: int, x: tuple[int, int], y: tuple[float, float], foot: int = 0) -> None:
        self.height, self.foot = height, foot
        self.x0, self.x1 = x[0], max(x[1], x[0] + 1)
        low, high = y
        pad = (high - low) * 0.06 or max(abs(high) * 1e-4, 0.01)
        self.y0, self.y1 = low - pad, high + pad
        self.parts: list[str] = []

    def x(self, ts_ns: int) -> float:
        """Return where an instant stands."""
        return LEFT + (ts_ns - self.x0) / (self.x1 - self.x0) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Return where a value stands."""
        inside = self.height - TOP - BOTTOM - self.foot
        return TOP + (self.y1 - value) / (self.y1 - self.y0) * inside

    def steps(self, points: Sequence[tuple[int, float]], name: str, *, area: bool = False) -> None:
        """Draw a line that holds each value until the next."""
        if not points:
            return
        path = f"M{self.x(points[0][0]):.1f} {self.y(points[0][1]):.1f}"
        for ts_ns, value in points[1:]:
            path += f"H{self.x(ts_ns):.1f}V{self.y(value):.1f}"
        if area:
            base = self.y(self.y0)
            closed = f"{path}V{base:.1f}H{self.x(points[0][0]):.1f}Z"
            self.parts.append(f'<path class="{name}-area" d="{closed}"/>')
        self.parts.append(f'<path class="{name}" d="{path}"/>')

    def band(self, rows: Sequence[tuple[int, float, float]], name: str) -> None:
        """Fill between two step lines."""
        if len(rows) < 2:
            return
        there = f"M{self.x(rows[0][0]):.1f} {self.y(rows[0][1]):.1f}"
        there += "".join(f"H{self.x(t):.1f}V{self.y(low):.1f}" for t, low, _ in rows[1:])
        back = f"L{self.x(rows[-1][0]):.1f} {self.y(rows[-1][2]):.1f}"
        for (_, _, high), (ts_ns, _, _) in zip(rows[-2::-1], rows[:0:-1], strict=True):
            back += f"H{self.x(ts_ns):.1f}V{self.y(high):.1f}"
        back += f"H{self.x(rows[0][0]):.1f}Z"
        self.parts.append(f'<path class="{name}" d="{there}{back}"/>')

    def line(self, points: Sequence[tuple[int, float]], name: str) -> None:
        """Draw a straight line through points."""
        at = " ".join(f"{self.x(t):.1f},{self.y(v):.1f}" for t, v in points)
        self.parts.append(f'<polyline class="{name}" points="{at}"/>')

    def level(self, value: float, name: str, text: str, *, below: bool = False) -> None:
        """Draw a horizontal line with its name, where it is inside."""
        if not self.y0 <= value <= self.y1:
            return
        y = self.y(value)
        self.parts.append(
            f'<line class="{name}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        x, at = WIDTH - RIGHT - 4, y + 14 if below else y - 5
        self.parts.append(f'<text class="tag {name}-tag" x="{x}" y="{at:.1f}">{escape(text)}</text>')

    def dot(self, dot: Dot, largest: int) -> None:
        """Draw a fill: hollow where we rested, full where we crossed; larger is more."""
        radius = 3 + 4 * (dot.qty / max(largest, 1)) ** 0.5
        kind = "rest" if dot.maker else "take"
        self.parts.append(
            f'<circle class="fill {kind} {dot.side}" cx="{self.x(dot.ts_ns):.1f}" '
            f'cy="{self.y(dot.price):.1f}" r="{radius:.1f}"><title>{escape(dot.text)}</title></circle>'
        )

    def svg(self, zone: str, name: str, digits: int) -> str:
        """Return the chart with its axes."""
        bottom = self.height - BOTTOM
        axes = []
        values = round_values(self.y0, self.y1)
        digits = max(digits, axis_digits(values))
        for value in values:
            y = self.y(value)
            axes.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            axes.append(f'<text class="axis y" x="{LEFT - 8}" y="{y + 4:.1f}">{value:,.{digits}f}</text>')
        for ts_ns, text in clock_ticks(self.x0, self.x1, zone):
            x = self.x(ts_ns)
            axes.append(f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 4}"/>')
            axes.append(f'<text class="axis x" x="{x:.1f}" y="{bottom + 18}">{text}</text>')
        axes.append(f'<line class="base" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>')
        inside = "".join(axes) + "".join(self.parts)
        box = f"0 0 {WIDTH} {self.height}"
        return f'<svg viewBox="{box}" role="img" aria-label="{escape(name)}">{inside}</svg>'


def schedule_chart(
    plan: Sequence[tuple[int, float]], done: Sequence[tuple[int, float]], end_ns: int, qty: int, zone: str
) -> str:
    """Draw shares done against the plan."""
    x1 = max(end_ns, plan[-1][0], done[-1][0])
    plot = Plot(270, (plan[0][0], x1), (0, qty))
    plot.y0 = 0
    plot.level(qty, "goal", f"{qty:,}")
    plot.steps(done, "done", area=True)
    plot.line(plan, "plan")
    return plot.svg(zone, "shares done against the schedule", 0)


def price_chart(
    touch: Sequence[tuple[int, float, float]],
    dots: Sequence[Dot],
    levels: Sequence[tuple[float, str, str]],
    volumes: Sequence[tuple[int, int]],
    window: tuple[int, int],
    zone: str,
) -> str:
    """Draw the touch, our fills in it, named price levels, and below it the market's volume and ours."""
    prices = [p for _, bid, ask in touch for p in (bid, ask)] + [dot.price for dot in dots]
    near = [value for value, name, _ in levels if name != "limit"]
    if not prices + near:
        return '<p class="mute">no prices were recorded</p>'
    plot = Plot(380, window, (min(prices + near), max(prices + near)), foot=64)
    plot.band(thin(touch), "spread")
    plot.steps([(t, bid) for t, bid, _ in thin(touch)], "bid")
    plot.steps([(t, ask) for t, _, ask in thin(touch)], "ask")
    for value, name, text in levels:
        plot.level(value, name, text, below=name != "limit" and value < max(near))
    largest = max((dot.qty for dot in dots), default=1)
    for dot in dots:
        plot.dot(dot, largest)
    plot.parts.append(volume_strip(plot, volumes, dots))
    return plot.svg(zone, "price with fills", price_digits(prices + near))


def volume_strip(plot: Plot, volumes: Sequence[tuple[int, int]], dots: Sequence[Dot]) -> str:
    """Return bars of market volume, ours in front."""
    span = plot.x1 - plot.x0
    bins, ours = [0] * BINS, [0] * BINS
    before = volumes[0][1] if volumes else 0
    for ts_ns, total in volumes:
        if plot.x0 <= ts_ns <= plot.x1:
            bins[min(BINS - 1, (ts_ns - plot.x0) * BINS // span)] += max(0, total - before)
        before = total
    for dot in dots:
        if plot.x0 <= dot.ts_ns <= plot.x1:
            ours[min(BINS - 1, (dot.ts_ns - plot.x0) * BINS // span)] += dot.qty
    most = max(*bins, *ours, 1)
    width = (WIDTH - LEFT - RIGHT) / BINS
    out = []
    for name, bars in (("market", bins), ("ours", ours)):
        for at, value in enumerate(bars):
            if value:
                high = (plot.foot - 12) * value / most
                x, y = LEFT + at * width, plot.height - BOTTOM - high
                out.append(
                    f'<rect class="bar {name}" x="{x + 0.5:.1f}" y="{y:.1f}" width="{width - 1:.1f}" '
                    f'height="{high:.1f}"><title>{name} {value:,} shares</title></rect>'
                )
    return "".join(out)


def split_bars(parts: Sequence[tuple[str, float]], total: float) -> str:
    """Draw what the shortfall is made of: cost to the right, gain to the left."""
    rows = [*parts, ("shortfall", total)]
    reach = max(abs(value) for _, value in rows) or 1.0
    middle, half, pitch = 560, 300, 34
    out = [f'<line class="base" x1="{middle}" x2="{middle}" y1="6" y2="{pitch * len(rows) + 2}"/>']
    for at, (name, value) in enumerate(rows):
        y, wide = 10 + at * pitch, half * abs(value) / reach
        x = middle if value >= 0 else middle - wide
        kind = "cost" if value > 0 else "gain"
        bold = " total" if name == "shortfall" else ""
        out.append(
            f'<text class="axis y name{bold}" x="{middle - half - 70}" y="{y + 16}">{escape(name)}</text>'
        )
        out.append(
            f'<rect class="{kind}{bold}" x="{x:.1f}" y="{y}" width="{max(wide, 1):.1f}" height="22" rx="3"/>'
        )
        side, anchor = (x + wide + 8, "start") if value >= 0 else (x - 8, "end")
        out.append(
            f'<text class="value{bold}" x="{side:.1f}" y="{y + 16}" text-anchor="{anchor}">'
            f"{value + 0.0:+.2f}</text>"
        )
    height = pitch * len(rows) + 8
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="shortfall split">{"".join(out)}</svg>'


def thin(rows: Sequence[tuple[int, float, float]]) -> list[tuple[int, float, float]]:
    """Return at most POINTS_MAX of the rows, the last one included."""
    stride = max(1, -(-len(rows) // POINTS_MAX))
    out = list(rows[::stride])
    if rows and out[-1] != rows[-1]:
        out.append(rows[-1])
    return out


def price_digits(prices: Sequence[float]) -> int:
    """Return how many decimals tell the axis' prices apart."""
    span = max(prices) - min(prices)
    return 4 if span < 0.05 else 2


def axis_digits(values: Sequence[float]) -> int:
    """Return how many decimals say each of them as it is."""
    exact = (d for d in range(5) if all(abs(v - round(v, d)) < 1e-6 for v in values))
    return next(exact, 5)


def round_values(low: float, high: float) -> list[float]:
    """Return round numbers inside a range, TICKS of them at most."""
    rough = (high - low) / TICKS
    power = 10.0 ** len(str(int(rough))) / 10 if rough >= 1 else 1.0
    while power > rough:
        power /= 10
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    first = int(-(-low // step))
    return [first * step + i * step for i in range(int((high - first * step) // step) + 1)]


def clock_ticks(x0: int, x1: int, zone: str) -> list[tuple[int, str]]:
    """Return round clock times inside a window."""
    span = (x1 - x0) / NS
    step = next((s for s in SECONDS if span / s <= 10), SECONDS[-1])
    first = -(-x0 // (step * NS)) * step
    pattern = "%H:%M" if step % 60 == 0 else "%H:%M:%S"
    place = ZoneInfo(zone)
    return [
        (second * NS, f"{dt.datetime.fromtimestamp(second, place):{pattern}}")
        for second in range(first, x1 // NS + 1, step)
    ]
