"""The summary on the terminal."""

from typing import Any, Final

from research.validation.gate import doubtful, unsound, unsound_text

ON_TAPES: Final = ("twap", "twap-passive", "rule", "best")
KEYS: Final = ("twap", "twap-passive", "vwap", "almgren-chriss", "rule", "best")


def lines(found: dict[str, Any]) -> list[str]:
    """Return the summary, line by line; differences in bps, negative: ours is cheaper."""
    about = next(s["about"] for s in found["subjects"] if s["released"])
    said = [
        f"{found['policy']}: {about}",
        f"commit {found['commit'] or '-'}, seeds {found['seeds']['set']}, code {found['code_sha256'][:12]}",
    ]
    for tier, one in found["tiers"].items():
        ours = one["contenders"].get(found["policy"])
        if ours is None:
            continue
        sd = ours["sd"] if ours["sd"] is not None else 0.0
        said.append(
            f"{tier}  {ours['orders']:,} orders in {one['regimes']}: shortfall {ours['cost']:.3f} bps, "
            f"sd {sd:.2f}, CVaR95 {ours['cvar95']:.2f}; won against twap {one['won']}, lost {one['lost']}; "
            f"against the best rule {one['won_best']} and {one['lost_best']}"
        )
        said += [
            f"      {row_text(name, row)}{doubt(found, row)}"
            for name, row in one["against"].items()
            if name in KEYS
        ]
    said += tape_lines(found)
    if found.get("aa", {}).get("rejects") is not None:
        said.append(
            f"A/A   rejects {found['aa']['rejects']:.1%} of {found['aa']['repetitions']:,} (5 % is due)"
        )
    if footnote(found):
        said.append(footnote(found))
    said += [
        f"{g['verdict']:<13} {g['goal']}: {g['measured']} (aimed at: {g['aim']})" for g in found["goals"]
    ]
    said += [f"not claimed: {text}" for text in found["not_claimed"]]
    return said


def tape_lines(found: dict[str, Any]) -> list[str]:
    """Return what the tapes say."""
    tape = found.get("tape")
    if not tape:
        return []
    said = [f"T4  {tape['orders']} orders in {tape['windows']} windows of {tape['days']} day(s)"]
    rows = (
        f"x{r['propagator']:g}  {row_text(r['against'], r)}  {r['word']}"
        for r in tape["rows"]
        if not r["hidden_improvement"] and r["against"] in ON_TAPES
    )
    return [*said, *(f"      {row}" for row in rows)]


def doubt(found: dict[str, Any], row: dict[str, Any]) -> str:
    """Return the mark of a difference that is no claim."""
    return "  †" if doubtful(found, row) else ""


def footnote(found: dict[str, Any]) -> str:
    """Return what † says, "" where nothing is marked."""
    if unsound(found):
        return f"† no claim: simcheck found a market unsound: {unsound_text(found)}"
    return "" if found["gate"]["passed"] else "† rests on passive fills: passive edge not identified"


def row_text(name: str, row: dict[str, Any]) -> str:
    """Return one comparison."""
    shown = f"best ({row['is']})" if "is" in row else name
    p = row.get("p_holm", row["p"])
    share = f"{row['share']:+7.1%}" if row.get("share") is not None else ""
    return (
        f"against {shown:<24} {row['mean']:+8.3f} [{row['low']:+.3f}, {row['high']:+.3f}]  {share}  "
        f"p {p:.4f}  detectable {row['detectable']:.3f}"
    )


def short(found: dict[str, Any]) -> dict[str, Any]:
    """Return the summary as numbers."""
    return {
        "policy": found["policy"],
        "tiers": {tier: one["against"] for tier, one in found["tiers"].items()},
        "goals": found["goals"],
        "not_claimed": found["not_claimed"],
    }
