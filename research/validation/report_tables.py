"""Tables of the report."""

from html import escape
from typing import Any, Final

from research import pages
from research.validation.compare import MARKET, PARTS
from research.validation.spoken import doubt

COLOURS: Final = {"spread": "accent", "impact": "sell", "timing": "mute", "opportunity": "warn"}
LEAST_IMPACT: Final = 0.1  # bps: a share of less is noise
KEYS: Final = ("twap", "vwap", "almgren-chriss", "rule", "best")


def headline(found: dict[str, Any]) -> str:
    """Return the numbers that matter most."""
    rows = []
    for name, one in found["tiers"].items():
        for key in KEYS:
            row = one["against"].get(key)
            if row is None:
                continue
            shown = f"best: {row['is']}" if "is" in row else key
            share = f"{row['share']:+.1%}" if row.get("share") is not None else "-"
            p = row.get("p_holm", row["p"])
            rows.append(
                (
                    f"{name} against {shown}{doubt(found, row)}", f"{row['cost']:.3f}", f"{row['mean']:+.3f}",
                    f"[{row['low']:+.3f}, {row['high']:+.3f}]", share, f"{p:.4f}", f"{row['wins']:.0%}",
                    f"{row['orders']:,}", f"{row['clusters']:,}",
                )
            )  # fmt: skip
    head = (
        *("comparison", "theirs, bps", "difference", "95 % interval", "of theirs", "p (Holm)", "pairs won"),
        *("orders", "clusters"),
    )
    kinds = [("", "", "", "good" if r[3].split(", ")[1].startswith("-") else "") for r in rows]
    note = "† rests on more passive fills than theirs, and no gate has passed on those: not a claim."
    shown = pages.table(head, rows, kinds) + (pages.text(note) if any("†" in r[0] for r in rows) else "")
    return pages.card(shown, "Implementation shortfall, ours less theirs")


def goals(found: dict[str, Any]) -> str:
    """Return every goal with what was measured; missed ones stand as large as met ones."""
    marks = {"met": "good", "missed": "bad", "met †": "warn", "not resolved": "warn"}
    rows = [(g["verdict"], g["goal"], g["measured"], g["aim"]) for g in found["goals"]]
    kinds = [(marks.get(g["verdict"], ""),) for g in found["goals"]]
    note = "† rests on more passive fills than theirs, and no gate has passed on those: met, and not a claim."
    shown = pages.words(("verdict", "goal", "measured", "aimed at"), rows, kinds)
    return pages.card(shown + (pages.text(note) if any("†" in r[0] for r in rows) else ""), "Goals")


def not_claimed(found: dict[str, Any]) -> str:
    """Return what these results do not show."""
    gate = [f"{market}: {v['line']}" for market, v in found["gate"]["markets"].items()]
    told = "".join(pages.text(f"- {said}") for said in (*found["not_claimed"], *gate))
    return pages.card(told, "What is not claimed")


def regimes(one: dict[str, Any]) -> str:
    """Return a row for each regime."""
    names = [n for n in KEYS if n in one["against"] and n != "best"] + ["best"]
    rows, kinds = [], []
    for cell in one["cells"]:
        row, marks = [cell["scenario"], f"{cell['orders']:,}"], ["", ""]
        for name in names:
            found = cell["against"].get(name)
            row.append(
                "-" if found is None else f"{found['mean']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]"
            )
            marks.append(
                "" if found is None else ("good" if found["high"] < 0 else "bad" if found["low"] > 0 else "")
            )
        rows.append((*row, cell["verdict"]))
        kinds.append(marks)
    return pages.table(("regime", "orders", *names, "verdict"), rows, kinds)


def table_of_contenders(contenders: dict[str, Any], policy: str) -> str:
    """Return what every contender's episodes were."""
    head = (
        *("contender", "shortfall", "sd", "CVaR95", "sd w/o exogenous", "to VWAP", "participation"),
        *("passive", "unfilled", "vetoes/1000"),
    )
    rows, answers = [], []
    for name, c in contenders.items():
        rows.append(
            (
                name, f"{c['cost']:.3f}", number(c["sd"]), f"{c['cvar95']:.2f}",
                number(c["sd_without_exogenous"]), f"{c['vwap_slippage']:+.3f}", f"{c['participation']:.1%}",
                f"{c['passive_share']:.0%}", f"{c['unfilled_share']:.1%}",
                f"{c['vetoes_per_1000_decisions']:.2f}",
            )
        )  # fmt: skip
        moved = c["adaptability"].get("slices_per_sd", {})
        told = (f"{moved[key]:+.3f}" if moved else "-" for key in MARKET)
        answers.append((name, c["adaptability"]["word"], *told))
    kinds = [("good",) if name == policy else () for name in contenders]
    foot = pages.text(
        "Adapts: slices by which crossing answers one standard deviation of each market variable, with what "
        "is due by the schedule and the time left held; none below 0.02 or within noise, high from 0.05."
    )
    return (
        pages.table(head, rows, kinds) + pages.table(("contender", "adapts", *MARKET), answers, kinds) + foot
    )


def number(value: float | None) -> str:
    """Return a number, or that there is none."""
    return "-" if value is None else f"{value:.3f}"


def bars(contenders: dict[str, Any], policy: str) -> str:
    """Return the parts of each contender's shortfall as bars around zero."""
    pitch, middle, right = 26, 230, pages.WIDTH - 90
    lows = [sum(min(0.0, c[part]) for part in PARTS) for c in contenders.values()]
    highs = [sum(max(0.0, c[part]) for part in PARTS) for c in contenders.values()]
    axis = pages.Axis([*lows, *highs, 0.0], (middle, right), False, 0.04)
    height = pitch * len(contenders) + 40
    drawn = [f'<line class="zero" x1="{axis.at(0):.1f}" x2="{axis.at(0):.1f}" y1="4" y2="{height - 34}"/>']
    for value, label in axis.ticks():
        drawn.append(f'<text class="axis x" x="{axis.at(value):.1f}" y="{height - 16}">{label}</text>')
    for at, (name, one) in enumerate(contenders.items()):
        y = 8 + at * pitch
        weight = ' font-weight="700"' if name == policy else ""
        drawn.append(f'<text class="what" x="4" y="{y + 12}"{weight}>{escape(name)}</text>')
        drawn += pieces(one, axis, y)
        drawn.append(f'<text class="what" x="{right + 8}" y="{y + 12}">{one["cost"]:+.3f}</text>')
    legend = "".join(
        f'<span><i class="l" style="border-top-color:var(--{colour})"></i>{part}</span>'
        for part, colour in COLOURS.items()
    )
    return f'<div class="legend">{legend}</div>{pages.svg(drawn, height, "parts of the shortfall")}'


def pieces(one: dict[str, Any], axis: pages.Axis, y: int) -> list[str]:
    """Return the bars of one contender: what costs to the right of zero, what earns to the left."""
    below, above, made = 0.0, 0.0, []
    for part in PARTS:
        value = one[part]
        start = above if value > 0 else below
        end = start + value
        above, below = (end, below) if value > 0 else (above, end)
        left, right = sorted((axis.at(start), axis.at(end)))
        made.append(
            f'<rect x="{left:.1f}" y="{y}" width="{max(0.0, right - left):.1f}" height="16" '
            f'fill="var(--{COLOURS[part]})"><title>{part} {value:+.3f}</title></rect>'
        )
    return made


def impacts(one: dict[str, Any]) -> str:
    """Return differences of the twin-measured impact."""
    rows, kinds = [], []
    for name, row in one["impact_against"].items():
        theirs = one["contenders"][name]["impact"]
        share = f"{row['mean'] / theirs:+.0%}" if theirs >= LEAST_IMPACT else "-"
        interval = f"[{row['low']:+.3f}, {row['high']:+.3f}]"
        rows.append((name, f"{theirs:.3f}", f"{row['mean']:+.3f}", interval, share))
        kinds.append(("", "", "", "good" if row["high"] < 0 else ("bad" if row["low"] > 0 else "")))
    return pages.table(("against", "theirs", "difference", "95 % interval", "of theirs"), rows, kinds)


def seeds_table(found: dict[str, Any]) -> str:
    """Return every training seed, the released one marked."""
    tiers = found["tiers"]
    rows = []
    for one in (*found["subjects"], *found["also"]):
        row = [one["name"], str(one["training_seed"]), f"{one['training_episodes']:,}"]
        chosen = one["cost_when_chosen"]
        row.append("-" if chosen is None else f"{chosen:.3f}")
        for tier in tiers.values():
            for key in ("twap", "best"):
                against = tier["subjects"].get(one["name"], {}).get(key)
                row.append(
                    "-" if against is None
                    else f"{against['mean']:+.3f} [{against['low']:+.3f}, {against['high']:+.3f}]"
                )  # fmt: skip
        rows.append((*row, "released" if one["released"] else "" if one in found["subjects"] else "beside"))
    heads = [f"{name} against {key}" for name in tiers for key in ("twap", "best")]
    head = ("policy", "training seed", "episodes", "cost when chosen", *heads, "")
    return pages.chapter("Training seeds", pages.card(pages.table(head, rows)))


def provenance(found: dict[str, Any]) -> str:
    """Return from what all of it can be made again."""
    arguments = found["arguments"]
    rows = [
        ("commit", found["commit"] or "-"),
        ("code", found["code_sha256"]),
        ("weights", found["weights_sha256"] or "-"),
        *((f"seeds {purpose}", digest) for purpose, digest in found["seeds"]["sha256"].items()),
        ("arguments", ", ".join(f"{k} {v}" for k, v in arguments.items())),
    ]
    tuned = [
        (market, name, ", ".join(f"{x:g}" for x in t["numbers"]), f"{t['budget']:,}", f"{t['tried']}")
        for market, tree in found["tuning"].items()
        for name, t in tree["numbers"].items()
    ]
    head = ("market", "rule", "numbers", "episodes", "candidates")
    parts = [pages.card(pages.table(("what", "value"), rows))]
    if tuned:
        parts.append(pages.card(pages.table(head, tuned), "What the rules were tuned to"))
    return pages.chapter("How to make it again", *parts)
