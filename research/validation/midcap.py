"""MIDCAP-15: the counterpart of the target table, every cell measured: an illustration, never the headline.

The words are rules, not judgements. Slippage volatility is told against the crossing TWAP's standard
deviation on the same orders; adaptability is how crossing answers the market (compare.adaptability).
"""

from typing import Any, Final, NamedTuple

from research.validation import compare
from research.validation.play import Table
from research.validation.statistics import interval

HIGH, MEDIUM = 0.95, 0.80  # of the crossing TWAP's deviation: from HIGH on high, from MEDIUM on medium
TWAP: Final = "twap"


class Target(NamedTuple):
    """What the table aims at."""

    cost: float
    impact: float
    volatility: str
    adapts: str


TARGETS: Final = {
    TWAP: Target(15.2, 7.0, "high", "none"),
    "vwap": Target(12.5, 5.8, "medium", "limited"),
}
OURS: Final = Target(8.1, 2.9, "low", "high")


def table(played: list[tuple[str, Table]], ours: str) -> list[dict[str, Any]]:
    """Return a row for each contender, TWAP among them."""
    by_name = dict(played)
    twap = by_name[TWAP]
    whole = float(twap["cost"].std(ddof=1))
    rows = []
    for name, one in played:
        facts = compare.facts_of([one])
        found = interval(one["cost"], compare.clusters([one]))
        target = OURS if name == ours else TARGETS.get(name)
        row = {
            "name": name, "orders": facts["orders"], "cost": facts["cost"], "low": found.low,
            "high": found.high, "half": 1.96 * found.se, "impact": facts["impact"], "sd": facts["sd"],
            "cvar95": facts["cvar95"], "sd_without_exogenous": facts["sd_without_exogenous"],
            "volatility": volatility(facts["sd"], whole), "adapts": facts["adaptability"]["word"],
            "target": target._asdict() if target else None,
        }  # fmt: skip
        if name != TWAP:
            row["against_twap"] = compare.row_of(compare.against([one], [twap]))
        rows.append(row)
    return rows


def volatility(sd: float, whole: float) -> str:
    """Return a word on a standard deviation."""
    share = sd / whole if whole > 0.0 else 1.0
    return "high" if share >= HIGH else "medium" if share >= MEDIUM else "low"
