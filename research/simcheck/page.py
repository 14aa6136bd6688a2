"""The page of a simcheck: what was recorded and what was simulated, drawn over each other."""

import math
from html import escape

from research.calibrate.facts import Facts
from research.pages import Series, card, chapter, lines, table, text
from research.pages import page as whole_page
from research.simcheck.battery import Result
from research.simcheck.checks import NOT_RUN, PASSED, STATED
from research.simcheck.impact import Law

CURVES = (
    ("signature", "Signature plot: variance of returns per second", "lag, s", "bps² per s", True),
    ("sign_acf", "Autocorrelation of aggressors' signs", "lag, orders", "autocorrelation", True),
    ("response_market", "Response to a market order", "s", "bps", True),
    ("response_limit", "Response to a limit order at or inside the touch", "s", "bps", True),
    ("response_cancel", "Response to a cancel at the touch", "s", "bps", True),
    ("shape_of_day", "Shape of the day", "hours since the begin", "rate over mean", False),
)
FEATURES_DRAWN = 14


def page(result: Result) -> str:
    """Return the whole page."""
    passed = sum(row.passed for row in result.numbers)
    done = [row for row in result.checks if row.outcome not in (NOT_RUN, STATED)]
    badges = [
        (f"{passed} of {len(result.numbers)} numbers", "good" if passed == len(result.numbers) else "warn"),
        (
            f"{sum(row.outcome == PASSED for row in done)} of {len(done)} checks",
            "good" if all(row.outcome == PASSED for row in done) else "warn",
        ),
        (result.gate.line, "good" if result.gate.passed else "bad"),
    ]
    if result.quick:
        badges.append(("quick run: wide intervals", "warn"))
    sections = [
        chapter("The gate on passive edge", gate_card(result)),
        chapter("Sixteen numbers", number_card(result)),
        chapter("Distributions", distance_card(result)),
        chapter("Curves", *curve_cards(result.recorded, result.simulated)),
        chapter("Impact", impact_card(result)),
        chapter("Checks", check_card(result)),
    ]
    about = f"{result.calibration}, held against {result.source}; set of seeds {result.seed_set}"
    return whole_page("Simulated market, checked", about, badges, sections)


def shown(value: float | None) -> str:
    """Return a number for a table."""
    return "-" if value is None else f"{value:.4g}"


def gate_card(result: Result) -> str:
    """Return what resting orders fare like."""
    gate = result.gate
    rows, kinds = [], []
    for cell in gate.cells:
        word = "inside" if cell.inside else "outside"
        band = f"{shown(cell.low)} to {shown(cell.high)}"
        rows.append((cell.name, shown(cell.recorded), band, shown(cell.simulated), word))
        kinds.append(("", "", "", "", "good" if cell.inside else "bad"))
    head = ("", "recorded", f"95 % over blocks of {gate.block_s:g} s", "simulated", "")
    words = (
        f"{gate.line}. One-lot probes join the end (front: the head) of the touch's queue; realised is mid "
        "after 1, 5, 30 s against the fill, in bps of our favour."
    )
    return card(text(words) + table(head, rows, kinds))


def number_card(result: Result) -> str:
    """Return the sixteen numbers."""
    rows, kinds = [], []
    for row in result.numbers:
        target = row.origin if row.target is None else shown(row.target)
        word = "pass" if row.passed else "fail"
        rows.append((row.name, target, f"{shown(row.low)} to {shown(row.high)}", shown(row.simulated), word))
        kinds.append(("", "", "", "", "good" if row.passed else "bad"))
    words = "The band is the recording's 95 % interval or 25 % of the value, whichever is wider."
    return card(text(words) + table(("", "target", "band", "simulated", ""), rows, kinds))


def distance_card(result: Result) -> str:
    """Return the distances of distributions, and their quantiles drawn."""
    rows = [
        (d.feature, f"{d.w1:.3f}", f"{d.halves:.3f}", "pass" if d.passed else "fail")
        for d in result.distances
    ]
    kinds = [("", "", "", "good" if d.passed else "bad") for d in result.distances]
    head = ("Wasserstein-1, in standard deviations", "simulated", "recording's own halves", "")
    drawn = "".join(
        card(
            lines(
                [
                    Series("recorded", ranks(table_), table_),
                    Series(
                        "simulated",
                        ranks(result.simulated.distributions[name]),
                        result.simulated.distributions[name],
                        dashed=True,
                    ),
                ],
                "quantile",
                name,
                height=220,
            ),
            name,
        )
        for name, table_ in list(result.recorded.distributions.items())[:FEATURES_DRAWN]
        if name in result.simulated.distributions
    )
    return card(table(head, rows, kinds)) + f'<div class="two">{drawn}</div>'


def ranks(values: list[float]) -> list[float]:
    """Return the quantile of each place of a table."""
    return [(at + 0.5) / len(values) for at in range(len(values))]


def curve_cards(recorded: Facts, simulated: Facts) -> list[str]:
    """Return recorded and simulated curves over each other."""
    cards = []
    for name, title, x_name, y_name, log in CURVES:
        both = [
            Series(label, one.curves[name][0], one.curves[name][1], dashed=label == "simulated")
            for label, one in (("recorded", recorded), ("simulated", simulated))
            if name in one.curves and one.curves[name][0]
        ]
        if both:
            cards.append(card(lines(both, x_name, y_name, log_x=log), title))
    return cards


def impact_card(result: Result) -> str:
    """Return both laws of impact and decay."""
    both = [
        Series(label, law.sizes, law.impact_bps, law.low, law.high, dashed=label != "fixed participation")
        for label, law in (("fixed participation", result.participation), ("fixed horizon", result.horizon))
    ]
    words = [
        exponent_line("At 10 % of volume", result.participation),
        exponent_line("at a fixed horizon", result.horizon),
        f"left five durations later: {band(*result.decay)}",
    ]
    chart = lines(both, "size over an hour's volume", "impact at the end, bps", log_x=True, log_y=True)
    return card(text("; ".join(words) + ".") + chart)


def exponent_line(label: str, law: Law) -> str:
    """Return a law's exponent in words."""
    return f"{label}: exponent {band(law.exponent, law.exponent_low, law.exponent_high)}"


def band(value: float, low: float, high: float) -> str:
    """Return a value with its interval, in words where there is none."""
    return f"{value:.2f} [{low:.2f}, {high:.2f}]" if math.isfinite(value) else "not measurable"


def check_card(result: Result) -> str:
    """Return the checks."""
    rows, kinds = [], []
    for check in result.checks:
        rows.append((check.name, check.value, check.target, check.outcome, check.note))
        colour = {PASSED: "good", NOT_RUN: "warn", STATED: ""}.get(check.outcome, "bad")
        kinds.append(("", "", "", colour, ""))
    lost = ", ".join(f"{escape(name)} {count:,}" for name, count in sorted(result.counters.items()))
    head = ("", "found", "target", "", "")
    return card(table(head, rows, kinds) + text(f"Counters of the flow: {lost}."))
