"""report.html: the results for a person, self-contained; what is not claimed stands as large as what is."""

from typing import Any, Final

from research import pages
from research.validation.report_tables import (
    bars,
    goals,
    headline,
    impacts,
    not_claimed,
    provenance,
    regimes,
    seeds_table,
    table_of_contenders,
)

TIERS: Final = {
    "T1": "T1: held-out seeds, in openings that no training began in",
    "T2": "T2: held-out regimes",
    "T3": "T3: other simulators",
}
UNIT: Final = "bps, ours less theirs; left of zero is better"


def html(found: dict[str, Any]) -> str:
    """Return the page."""
    sections = [headline(found), goals(found), not_claimed(found)]
    for name, one in found["tiers"].items():
        sections.append(tier(name, one, found["policy"]))
    if found["tape"]:
        sections.append(tape(found["tape"], found["policy"]))
    sections += [seeds_table(found), frontier(found), midcap(found["midcap"]), provenance(found)]
    about = next(s["about"] for s in found["subjects"] if s["released"])
    return pages.page(f"Validation of {found['policy']}", about, badges(found), filter(None, sections))


def badges(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the words at the top."""
    gate = found["gate"]["passed"]
    seeds = found["seeds"]
    made = [
        (f"seeds {seeds['set']}", "good" if seeds["frozen"] else "warn"),
        ("passive edge identified" if gate else "passive edge not identified", "good" if gate else "bad"),
    ]
    if found["arguments"]["quick"]:
        made.append(("a quick look, no claim", "warn"))
    rejects = found["aa"].get("rejects") if found["aa"] else None
    if rejects is not None:
        near = abs(rejects - 0.05) <= 0.015
        made.append((f"A/A rejects {rejects:.1%}", "good" if near else "bad"))
    return made


def tier(name: str, one: dict[str, Any], policy: str) -> str:
    """Return a tier: forest, regimes, contenders, parts."""
    ranges = [
        pages.Range(f"best ({row['is']})" if "is" in row else against, row["mean"], row["low"], row["high"])
        for against, row in one["against"].items()
    ]
    shown = [pages.card(pages.forest(ranges, UNIT), "Against each baseline, all regimes together")]
    if len(one["cells"]) > 1:
        best = one["against"].get("best", {}).get("is")
        for key in filter(None, dict.fromkeys((one["cells"][0]["against_what"], "twap-passive", best))):
            each = [
                pages.Range(c["scenario"], r["mean"], r["low"], r["high"])
                for c in one["cells"]
                for r in [c["against"].get(key)]
                if r is not None
            ]
            if each:
                shown.append(pages.card(pages.forest(each, UNIT), f"Each regime, against {key}"))
    shown += [
        pages.card(regimes(one), titled(one)),
        pages.card(bars(one["contenders"], policy), "Where the shortfall comes from, bps"),
        pages.card(impacts(one), "Impact as the twin measures it, ours less theirs, bps"),
        pages.card(table_of_contenders(one["contenders"], policy), "Every contender"),
    ]
    return pages.chapter(TIERS.get(name, name), *shown)


def titled(one: dict[str, Any]) -> str:
    """Return how many regimes were won and lost."""
    key = one["cells"][0]["against_what"]
    return (
        f"Of {one['regimes']} regimes won {one['won']}, lost {one['lost']} against {key}; "
        f"against the best rule won {one['won_best']}, lost {one['lost_best']}"
    )


def midcap(rows: list[dict[str, Any]]) -> str:
    """Return the illustration, beside the numbers that it is the honest counterpart of."""
    if not rows:
        return ""
    head = (
        *("MIDCAP-15", "shortfall", "aimed at", "impact", "aimed at", "slippage volatility", "aimed at"),
        *("CVaR95", "adaptability", "aimed at", "less than twap", "orders"),
    )
    body = []
    for r in rows:
        aim = r["target"] or {"cost": "-", "impact": "-", "volatility": "-", "adapts": "-"}
        off = r.get("against_twap")
        body.append(
            (
                r["name"], f"{r['cost']:.2f} ± {r['half']:.2f}", str(aim["cost"]), f"{r['impact']:.2f}",
                str(aim["impact"]), f"{r['volatility']} ({r['sd']:.1f})", aim["volatility"],
                f"{r['cvar95']:.1f}", r["adapts"], aim["adapts"],
                f"{off['mean']:+.2f} [{off['low']:+.2f}, {off['high']:+.2f}]" if off else "-",
                f"{r['orders']:,}",
            )
        )  # fmt: skip
    about = (
        "A market fitted so that a crossing TWAP costs what the table says, frozen before any policy was "
        "trained. It shows what the words could mean; it is no evidence, and never the headline. "
        "Volatility is high from 95 % of the crossing TWAP's standard deviation on the same orders, medium "
        "from 80 %; adaptability is how crossing answers spread, depth, volatility and volume."
    )
    return pages.chapter("An illustration", pages.card(pages.text(about) + pages.table(head, body)))


def tape(found: dict[str, Any], policy: str) -> str:
    """Return the tapes."""
    about = (
        f"{found['orders']} parents in {found['windows']} windows of {', '.join(found['names'])}; "
        f"{found['days']} day(s), and one day is one cluster: how other days would differ is not in these "
        f"intervals. Improving on the touch is {found['improve']}. Orders take {found['latency_ms']:g} ms."
    )
    shown = [pages.card(pages.text(about) + "".join(pages.text(said) for said in found["left_out"]))]
    for hidden, said in ((False, "crossing at displayed prices"), (True, "with hidden price improvement")):
        rows = [r for r in found["rows"] if r["hidden_improvement"] == hidden]
        ranges = [
            pages.Range(
                f"x{r['propagator']:g} {r.get('is', r['against'])}{' (best)' * ('is' in r)}",
                r["mean"],
                r["low"],
                r["high"],
            )
            for r in rows
        ]
        shown.append(pages.card(pages.forest(ranges, UNIT), f"Propagator at 0, 1 and 2 times, {said}"))
    head = ("against", "propagator", "hidden", "difference", "interval", "detectable", "word")
    rows_shown = [
        (
            r["against"], f"x{r['propagator']:g}", "yes" if r["hidden_improvement"] else "no",
            f"{r['mean']:+.3f}", f"[{r['low']:+.3f}, {r['high']:+.3f}]", f"{r['detectable']:.3f}", r["word"],
        )
        for r in found["rows"]
    ]  # fmt: skip
    shown.append(pages.card(pages.table(head, rows_shown), "All of it"))
    sides = [
        (
            r["contender"], r["side"], f"{r['cost']:.3f}",
            f"{r['mean']:+.3f} [{r['low']:+.3f}, {r['high']:+.3f}]" if "mean" in r else "-",
        )
        for r in found["by_side"]
    ]  # fmt: skip
    shown.append(
        pages.card(pages.table(("contender", "side", "shortfall", "ours less theirs"), sides), "By side")
    )
    names = ("contender", "shortfall", "sd", "CVaR95", "passive", "unfilled", "displaced shares", "flagged")
    told = [
        (
            name, f"{c['cost']:.3f}", f"{c['sd']:.2f}", f"{c['cvar95']:.2f}", f"{c['passive_share']:.0%}",
            f"{c['unfilled_share']:.1%}", f"{c['displaced']:,.0f}", f"{c['flagged_share']:.0%}",
        )
        for name, c in found["contenders"].items()
    ]  # fmt: skip
    shown.append(pages.card(pages.table(names, told, marked(found["contenders"], policy)), "Every contender"))
    return pages.chapter("T4: recorded tapes", *shown)


def marked(contenders: dict[str, Any], policy: str) -> list[tuple[str, ...]]:
    """Return the classes that make our row stand out."""
    return [("good",) if name == policy else () for name in contenders]


def frontier(found: dict[str, Any]) -> str:
    """Return Almgren-Chriss' frontier."""
    rows = found["frontier"]
    if not rows:
        return ""
    line = pages.Series("Almgren-Chriss", [r["sd"] for r in rows], [r["cost"] for r in rows], dashed=True)
    first = found["tiers"]["T1"]["cells"][0]["contenders"]
    ours = first[found["policy"]]
    dot = pages.Series(found["policy"], [ours["sd"], ours["sd"] * 1.01], [ours["cost"], ours["cost"]])
    chart = pages.lines([line, dot], "standard deviation, bps", "mean shortfall, bps")
    told = found["told_to_almgren_chriss"].get(rows[0]["scenario"], {})
    said = ", ".join(f"{k} {v:.4g}" for k, v in told.items())
    head = ("kappa x T", "lambda", "mean", "sd", "sd without the exogenous move")
    body = [
        (
            f"{r['kappa_t']:g}", f"{r['risk_aversion']:.3g}" if r["risk_aversion"] is not None else "-",
            f"{r['cost']:.3f}", f"{r['sd']:.3f}", f"{r['sd_without_exogenous']:.3f}",
        )
        for r in rows
    ]  # fmt: skip
    about = f"In {rows[0]['scenario']}. It is told its regime ({said}); the policy is not."
    return pages.chapter(
        "The frontier of Almgren-Chriss", pages.card(pages.text(about) + chart + pages.table(head, body))
    )
