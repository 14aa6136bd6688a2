"""What the tapes say: differences under each size of the propagator, with what could have been found.

The unit is a parent, the cluster a window: its sizes and sides saw the same minutes. A difference that
is smaller than what so few windows could show is called that and nothing else.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from research.baselines.contenders import Contender
from research.baselines.tuning import Told, contender_of
from research.validation import compare
from research.validation.cells import Cells
from research.validation.play import PlayError
from research.validation.statistics import CLUSTERS_TOLD, cvar, interval, paired
from research.validation.tape_play import COLUMNS, LATENCY_NS, TIMES, Columns, play
from research.validation.tape_world import Fitted, Window, windows

NAMES: Final = (
    *("twap", "twap-passive", "vwap", "vwap-passive", "pov", "pov-passive", "almgren-chriss"),
    *("almgren-chriss-passive", "obizhaeva-wang", "obizhaeva-wang-passive", "rule", "microprice", "random"),
)
IDENTITY_BPS: Final = 1e-6


def tapes(
    folders: list[Path],
    options: Any,
    known: Fitted,
    cells: Cells,
    ours: Contender,
    rivals: list[Contender],
    say: Any,
) -> dict[str, Any]:
    """Play every contender on every tape and compare.

    Raises:
        TapeUseError: a tape cannot be used.
        PlayError: the parts of a shortfall do not add up.

    """
    found = [windows_of(folder, options, known) for folder in folders]
    chosen = [(sha256, made) for sha256, made, _ in found]
    left_out = [said for _, _, said in found if said]
    tables: dict[str, Columns] = {}
    for who in (ours, *rivals):
        parts = [on_one(cells, who, sha256, made) for sha256, made in chosen]
        for number, part in enumerate(parts):
            part["window"] = part["window"] + 1_000 * number
        tables[who.name] = {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}
        cost = tables[who.name]["cost"]
        say(f"T4 {who.name}: {len(cost)} parents, cost {cost.mean():.3f}")
    return summed(tables, ours.name, chosen, left_out)


def windows_of(folder: Path, options: Any, known: Fitted) -> tuple[str, list[Window], str]:
    """Return the hash of a tape, the windows of it that are played, and a word on those left out."""
    made, said = windows(folder, options.first, options.last, options.minutes, known)
    return made[0].tape.meta.events_sha256, made, said


def facts_of(who: Contender, sha256: str, made: list[Window]) -> list[str]:
    """Return what a contender's parents on a tape depend on, beside the code."""
    cut = (f"{w.begin_ns} {w.end_ns} {w.volume}" for w in made)
    return [who.sha256, "tape", sha256, *cut, str(LATENCY_NS)]


def on_one(cells: Cells, who: Contender, sha256: str, made: list[Window]) -> Columns:
    """Return a contender's parents on one tape, played now or before."""
    facts = facts_of(who, sha256, made)
    found = cells.read(facts, frozenset(COLUMNS))
    if found is None:
        found = play(who, made)
        cells.write(facts, found)
    if float(np.abs(found["off"]).max()) > IDENTITY_BPS:
        raise PlayError(f"{who.name} on a tape: the shortfall's parts miss it")
    return found


def summed(
    tables: dict[str, Columns], ours: str, chosen: list[tuple[str, list[Window]]], left_out: list[str]
) -> dict[str, Any]:
    """Return the tree of the tapes."""
    days = {(w.tape.day, str(w.tape.symbol)) for _, made in chosen for w in made}
    mine = tables[ours]
    return {
        "orders": len(mine["cost"]),
        "windows": sum(len(made) for _, made in chosen),
        "days": len({day for day, _ in days}),
        "names": sorted(f"{symbol} {day}" for day, symbol in days),
        "tapes_sha256": [sha256 for sha256, _ in chosen],
        "left_out": left_out,
        "improve": "masked for everybody: a tape has nobody who undercuts",
        "latency_ms": LATENCY_NS / 1e6,
        "rows": [
            row for hidden in (False, True) for times in TIMES for row in all_of(tables, ours, times, hidden)
        ],
        "by_side": by_side(tables, ours),
        "contenders": {name: told(table) for name, table in tables.items()},
    }


def all_of(tables: dict[str, Columns], ours: str, times: float, hidden: bool) -> list[dict[str, Any]]:
    """Return ours against everybody and against the cheapest, chosen with hindsight."""
    names = [name for name in tables if name != ours]
    rows = [compared(tables[ours], tables[name], name, times, hidden) for name in names]
    best = min((row for row in rows if row["against"] != "random"), key=lambda row: row["cost"], default=None)
    return [*rows, {**best, "is": best["against"], "against": "best"}] if best else rows


def costs(table: Columns, times: float, hidden: bool) -> NDArray[np.float64]:
    """Return shortfalls with the propagator's charge, and with hidden price improvement or without."""
    return np.asarray(
        table["cost"] + times * table["impact_1"] - hidden * table["hidden_gain"], dtype=np.float64
    )


def compared(mine: Columns, theirs: Columns, name: str, times: float, hidden: bool) -> dict[str, Any]:
    """Return one comparison with its word."""
    found = paired(costs(mine, times, hidden), costs(theirs, times, hidden), mine["window"])
    row = {"against": name, "propagator": times, "hidden_improvement": hidden, **compare.row_of(found)}
    return row | {"word": word(row), "cost": float(costs(theirs, times, hidden).mean())}


def word(row: dict[str, Any]) -> str:
    """Return what a comparison on tapes shows; below the detectable effect nothing but that."""
    if row["clusters"] < CLUSTERS_TOLD and row["mean"] != 0.0:
        sign = "lower" if row["mean"] < 0.0 else "higher"
        return f"{sign}, not resolved: {row['clusters']} windows tell nothing, {CLUSTERS_TOLD} may"
    if row["high"] < 0.0:
        return "better"
    if row["low"] > 0.0:
        return "worse"
    if row["mean"] == 0.0 and row["se"] == 0.0:
        return "the same"
    sign = "lower" if row["mean"] < 0 else "higher"
    return f"{sign}, not resolved: {row['detectable']:.2f} bps could be found"


def by_side(tables: dict[str, Columns], ours: str) -> list[dict[str, Any]]:
    """Return buying and selling apart, without propagator."""
    rows = []
    mine = tables[ours]
    for name, table in tables.items():
        for side, said in ((1.0, "buy"), (-1.0, "sell")):
            kept = table["side"] == side
            row = {"contender": name, "side": said, "cost": float(table["cost"][kept].mean())}
            if name != ours:
                off = interval(mine["cost"][kept] - table["cost"][kept], mine["window"][kept])
                row |= {"mean": off.mean, "low": off.low, "high": off.high}
            rows.append(row)
    return rows


def told(table: Columns) -> dict[str, Any]:
    """Return what one contender's parents were."""
    filled = table["filled"]
    return {
        "cost": float(table["cost"].mean()), "sd": float(table["cost"].std(ddof=1)),
        "cvar95": cvar(table["cost"]), "sd_without_exogenous": float(table["residual"].std(ddof=1)),
        "spread": float(table["spread"].mean()), "timing": float(table["timing"].mean()),
        "opportunity": float(table["opportunity"].mean()),
        "propagator_1": float(table["impact_1"].mean()), "hidden_gain": float(table["hidden_gain"].mean()),
        "vwap_slippage": float(table["vwap"].mean()),
        "passive_share": float((table["passive"] * filled).sum() / max(1.0, filled.sum())),
        "unfilled_share": float((1.0 - filled / table["qty"]).mean()),
        "displaced": float(table["displaced"].sum()), "flagged_share": float(table["flagged"].mean()),
    }  # fmt: skip


def rivals_of(
    asked: list[str], settings: Any, numbers: dict[str, Any], told: Told | None = None
) -> list[Contender]:
    """Return the baselines for tapes: tuned on the market most like them where that was done."""
    made = []
    for name in NAMES:
        if asked and name not in asked:
            continue
        found = numbers.get(name)
        row = tuple(found["numbers"]) if found else ()
        made.append(contender_of(name, settings, row, told))
    return made
