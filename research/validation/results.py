"""The tree of results: what validation.json holds, and from it what `freeze` takes and what is printed."""

import json
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from market.flow.calibration import Calibration
from policies import manifest as m
from research.checkout import commit
from research.environment.scenarios import Scenario
from research.validation import compare, seeds
from research.validation.cells import scenario_sha256, seeds_sha256
from research.validation.gate import NOT_IDENTIFIED, doubtful, unsound, unsound_text, verdict_of
from research.validation.goals import THIN_BPS, goals
from research.validation.play import Table
from research.validation.prepared import Prepared
from research.validation.statistics import SIZE_REPETITIONS, Floats, cvar, paired_statistic, size_of_test
from research.validation.subjects import Subject
from research.validation.tiers import Cell, family
from research.whole import put_all

SCHEMA: Final = 1
VALIDATION, EVALUATION, REPORT = "validation.json", "evaluation.json", "report.html"
DIGITS: Final = 9  # kept of every number: what differs beyond is no result
MORE_PASSIVE: Final = 0.05  # of the fills: beyond it a difference rests on them
SIZE_CLUSTERS_MIN: Final = 8  # fewer have too few signs to draw
HOLM: Final = ("twap", "vwap", "almgren-chriss", "best")
Played = list[tuple[Cell, dict[str, Table]]]


def tree(ready: Prepared, played: Played, more: dict[str, Any]) -> dict[str, Any]:
    """Return everything that was found."""
    args, session, median = ready.args, ready.session, ready.median
    names = [s.contender.name for s in ready.subjects]
    also = [s.contender.name for s in ready.also]
    ours = median.contender.name
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "policy": ours,
        "weights_sha256": median.weights_sha256,
        "subjects": [about(s, s is median) for s in ready.subjects],
        "also": [about(s, False) for s in ready.also],
        "commit": commit(),
        "code_sha256": ready.code,
        "arguments": {
            "tiers": args.tiers,
            "orders": args.orders,
            "budget": session.budget,
            "quick": args.quick,
            "baselines": args.baselines,
            "scenarios": args.scenarios,
            "ablate": args.ablate,
        },
        "seeds": seeds_of(args.seed_set),
        "settings": msgspec.to_builtins(session.settings),
        "tuning": dict(sorted(session.tuned.items())),
        **more,
        "gate": gates([cell.scenario for cell, _ in played if judged_tier(cell.tier)], ready.calibrations),
        "tiers": {},
    }
    for tier in dict.fromkeys(cell.tier for cell, _ in played):
        mine = [(cell, tables) for cell, tables in played if cell.tier == tier]
        found["tiers"][tier] = of_tier(mine, ours, names, also)
    found["not_claimed"] = not_claimed(found, median)
    found["goals"] = goals(found)
    return {name: rounded(value) for name, value in found.items()}


def about(one: Subject, median: bool) -> dict[str, Any]:
    """Return what a subject is."""
    return {
        "name": one.contender.name, "about": one.contender.about, "sha256": one.contender.sha256,
        "weights_sha256": one.weights_sha256, "training_seed": one.seed, "trained_on": list(one.trained_on),
        "training_episodes": one.episodes, "released": median,
        "cost_when_chosen": one.chosen_by if one.chosen_by == one.chosen_by else None,
    }  # fmt: skip


def seeds_of(run: int) -> dict[str, Any]:
    """Return which seeds were played, and whether the frozen sets are what the repository says."""
    purposes = (seeds.HELD_OUT_SEEDS, seeds.HELD_OUT_REGIMES, seeds.OTHER_SIMULATORS)
    digests = {purpose: seeds.digest_of(purpose, run) for purpose in purposes}
    frozen = run == 0 and all(digests[p] == seeds.FROZEN[p] for p in purposes)
    return {"set": "frozen" if run == 0 else f"fresh:{run}", "frozen": frozen, "sha256": digests}


def judged_tier(tier: str) -> bool:
    """Say whether a tier's markets are those that simcheck looked at; an ablation's are not."""
    return not tier.startswith("without ")


def gates(scenarios: list[Scenario], beside: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return what simcheck says of each market, and which of them were fitted to no recording."""
    found: dict[str, dict[str, Any]] = {}
    for scenario in scenarios:
        name, said = family(scenario), verdict_of(scenario, beside)
        if name not in found or not said["passed"] or said.get("unsound"):
            found[name] = said
    passed = bool(found) and all(v["passed"] for v in found.values())
    invented = sorted({family(s) for s in scenarios if made_up(s)})
    return {"markets": found, "passed": passed, "made_up": invented}


def made_up(scenario: Scenario) -> bool:
    """Say whether a market names no recording that it was fitted to."""
    return not (isinstance(scenario.market, Calibration) and "events_sha256" in scenario.market.provenance)


# --- a tier ---------------------------------------------------------------------------------------
def of_tier(played: Played, ours: str, subjects: list[str], also: list[str]) -> dict[str, Any]:
    """Return a tier: each cell, and all of them together."""
    common = [n for n in played[0][1] if all(n in tables for _, tables in played)]
    baselines = [n for n in common if n not in subjects and n not in also]
    cells = [of_cell(cell, tables, ours, baselines) for cell, tables in played]
    by_name = {name: [tables[name] for _, tables in played] for name in common}
    pooled = comparisons(by_name, ours, baselines)
    best = pooled["best"]["is"] if "best" in pooled else ""
    return {
        "cells": cells,
        "contenders": {name: compare.facts_of(by_name[name]) for name in common},
        "against": pooled,
        "markets": by_market(played, ours, baselines),
        "against_with_hidden": comparisons(refunded(by_name), ours, baselines),
        "impact_against": impacts(by_name, ours, baselines),
        "risk_against": risks(by_name, ours, [n for n in ("twap", best) if n]),
        "rejects_nothing": size(by_name, ours, best),
        "subjects": {n: comparisons(by_name, n, baselines) for n in (*subjects, *also) if n in by_name},
        "won_best": sum(c["verdicts"].get(best) == "won" for c in cells),
        "lost_best": sum(c["verdicts"].get(best) == "lost" for c in cells),
        "won": sum(c["verdict"] == "won" for c in cells),
        "lost": sum(c["verdict"] == "lost" for c in cells),
        "regimes": len(cells),
    }


def by_market(played: Played, ours: str, baselines: list[str]) -> dict[str, Any]:
    """Return the comparisons in each market apart: a gain may be one market's alone."""
    found = {}
    for market in dict.fromkeys(family(cell.scenario) for cell, _ in played):
        mine = [tables for cell, tables in played if family(cell.scenario) == market]
        by_name = {name: [tables[name] for tables in mine] for name in (ours, *baselines)}
        found[market] = comparisons(by_name, ours, baselines)
    return found


def of_cell(cell: Cell, tables: dict[str, Table], ours: str, baselines: list[str]) -> dict[str, Any]:
    """Return one scenario."""
    by_name = {name: [table] for name, table in tables.items()}
    rows = comparisons(by_name, ours, baselines)
    key = "twap" if "twap" in rows else next(iter(rows), "")
    return {
        "scenario": cell.scenario.name, "market": family(cell.scenario), "propagator": cell.overlay,
        "scenario_sha256": scenario_sha256(cell.scenario), "seeds_sha256": seeds_sha256(cell.seeds),
        "orders": len(cell.seeds), "against": rows, "against_what": key,
        "verdict": compare.verdict(rows[key]) if key else "open",
        "verdicts": {name: compare.verdict(row) for name, row in rows.items()},
        "contenders": {name: compare.facts_of(found) for name, found in by_name.items()},
    }  # fmt: skip


def comparisons(by_name: dict[str, list[Table]], ours: str, baselines: list[str]) -> dict[str, Any]:
    """Return ours against each baseline and against the best of them, with p values that hold together."""
    rows: dict[str, Any] = {}
    costs = {}
    for name in baselines:
        rows[name] = compare.row_of(compare.against(by_name[ours], by_name[name]))
        costs[name] = float(compare.column(by_name[name], "cost").mean())
        rows[name] |= {
            "rests_on_passive_fills": passive_of(by_name[ours]) > passive_of(by_name[name]) + MORE_PASSIVE,
            "cost": costs[name],
            "share": rows[name]["mean"] / costs[name] if costs[name] >= THIN_BPS else None,
        }
    rivals = [n for n in costs if n != "random"]
    if rivals:
        best = min(rivals, key=lambda name: costs[name])
        rows["best"] = {**rows[best], "is": best}
    compare.corrected(rows, [n for n in HOLM if n in rows])
    return rows


def passive_of(tables: list[Table]) -> float:
    """Return the share of what was filled that others came to take."""
    filled = compare.column(tables, "filled")
    return float((compare.column(tables, "passive") * filled).sum() / max(1.0, filled.sum()))


def refunded(by_name: dict[str, list[Table]]) -> dict[str, list[Table]]:
    """Return tables in which crossing got the hidden price improvement that a tape's training hours show."""
    return {
        name: [{**table, "cost": table["cost"] - table["hidden_gain"]} for table in tables]
        for name, tables in by_name.items()
    }


def risks(by_name: dict[str, list[Table]], ours: str, rivals: list[str]) -> dict[str, Any]:
    """Return differences of CVaR95, and of the deviation less the exogenous move, with intervals."""
    labels = compare.clusters(by_name[ours])
    found: dict[str, Any] = {}
    for name in dict.fromkeys(rivals):
        if name not in by_name:
            continue
        pair = [by_name[ours], by_name[name]]
        costs = [compare.column(one, "cost") for one in pair]
        residuals = [compare.column(one, "residual") for one in pair]
        worst = paired_statistic(costs[0], costs[1], labels, cvar)
        deviation = paired_statistic(residuals[0], residuals[1], labels, deviation_of)
        found[name] = {
            "cvar95": msgspec.to_builtins(worst), "sd_without_exogenous": msgspec.to_builtins(deviation)
        }  # fmt: skip
    return found


def deviation_of(values: Floats) -> float:
    """Return a standard deviation."""
    return float(values.std(ddof=1))


def size(by_name: dict[str, list[Table]], ours: str, best: str) -> dict[str, Any]:
    """Return how often the interval itself would claim something where there is nothing: 5 % is due."""
    if not best:
        return {}
    labels = compare.clusters(by_name[ours])
    difference = compare.column(by_name[ours], "cost") - compare.column(by_name[best], "cost")
    if len(np.unique(labels)) < SIZE_CLUSTERS_MIN or not difference.any():
        return {}
    rejects = size_of_test(difference, labels)
    return {"against": best, "repetitions": SIZE_REPETITIONS, "rejects": rejects}


def impacts(by_name: dict[str, list[Table]], ours: str, baselines: list[str]) -> dict[str, Any]:
    """Return differences of the twin-measured impact."""
    return {n: compare.row_of(compare.against(by_name[ours], by_name[n], "impact")) for n in baselines}


# --- what may be said -----------------------------------------------------------------------------
def not_claimed(found: dict[str, Any], median: Subject) -> list[str]:
    """Return in words what these results do not show."""
    said = ["Nothing here was traded: every market is simulated or replayed, and no live venue was asked."]
    if not found["gate"]["passed"]:
        said.append(f"{NOT_IDENTIFIED}: what rests on passive fills in simulation is not a claim.")
    if unsound(found):
        said.append(
            f"Not sound by simcheck: {unsound_text(found)}. A gain there may be the simulator's own gift, "
            "and none is a claim."
        )
    if found["gate"]["made_up"]:
        names = ", ".join(found["gate"]["made_up"])
        said.append(f"Made up, fitted to no recording: {names}. A gain there is one in a plausible market.")
    if found["arguments"]["quick"]:
        said.append("A quick look: few orders, rules as shipped. No claim is made of it.")
    if not found["seeds"]["frozen"]:
        said.append("Fresh seeds: a check of the frozen result, not the result.")
    if found["arguments"]["budget"] == 0:
        said.append("Rules were not tuned (--budget 0): a win against them is a win against shipped numbers.")
    else:
        markets = {name: tree["numbers"].values() for name, tree in found["tuning"].items() if name != "tape"}
        least = min((sum(t["budget"] for t in numbers) for numbers in markets.values()), default=0)
        if median.episodes > least:
            ours = f"the policy was trained on {median.episodes:,}"
            said.append(f"Rules were tuned on {least:,} episodes in a market, {ours}.")
    if len(found["subjects"]) < 5:
        said.append(f"{len(found['subjects'])} training seed(s), not five: luck of the seed is not measured.")
    for tier, one in found["tiers"].items():
        said += [f"{tier}: {text}" for text in not_of_tier(one, found["policy"])]
    if not found["tape"]:
        said.append("No tape was replayed (T4): nothing is said of recorded markets.")
    return said


def not_of_tier(one: dict[str, Any], policy: str) -> list[str]:
    """Return where a tier speaks against the policy, or against itself."""
    said = []
    for against in (one["cells"][0]["against_what"], one["against"].get("best", {}).get("is")):
        lost = [c["scenario"] for c in one["cells"] if c["verdicts"].get(against) == "lost"]
        if lost:
            said.append(f"worse than {against} by more than 0.1 bps in {', '.join(lost)}.")
    lossy = {c["scenario"]: c["contenders"][policy]["dropped"] for c in one["cells"]}
    if any(lossy.values()):
        where = ", ".join(f"{count:,} in {name}" for name, count in lossy.items() if count)
        said.append(f"the simulator itself lost events, which it must not: {where}.")
    return said


def rounded(value: Any) -> Any:
    """Return a tree with numbers as they are compared: finite, DIGITS significant digits, else None."""
    if isinstance(value, dict):
        return {str(k): rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def evaluation(found: dict[str, Any]) -> dict[str, Any]:
    """Return what `steadyhand freeze --evaluation` takes."""
    rows = []
    for tier, one in found["tiers"].items():
        for name, row in one["against"].items():
            rows.append(evaluated(marked(found, tier, row), "all", name, row))
        for cell in one["cells"]:
            key = cell["against_what"]
            if key:
                row = cell["against"][key]
                rows.append(evaluated(marked(found, tier, row), cell["scenario"], key, row))
    if found["tape"]:
        scenario = f"{found['tape']['windows']} windows of {len(found['tape']['names'])} tapes"
        for row in found["tape"]["rows"]:
            if not row["hidden_improvement"]:
                tier = f"T4 propagator x{row['propagator']:g}"
                rows.append(evaluated(tier, scenario, row["against"], row))
    told = {name: found[name] for name in ("goals", "not_claimed")}
    return {"weights_sha256": found["weights_sha256"], "rows": rows, **told}


def marked(found: dict[str, Any], tier: str, row: dict[str, Any]) -> str:
    """Return a tier's name, with what is not identified where the row rests on it."""
    if unsound(found):
        return f"{tier} (a market not sound by simcheck)"
    return f"{tier} ({NOT_IDENTIFIED})" if doubtful(found, row) else tier


def evaluated(tier: str, scenario: str, against: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return one row of an artefact's table."""
    made = m.Evaluation(
        tier=tier, scenario=scenario, against=f"best ({row['is']})" if "is" in row else against,
        mean_bps=row["mean"], low_bps=row["low"], high_bps=row["high"], orders=row["orders"],
        clusters=row["clusters"],
    )  # fmt: skip
    return dict(msgspec.to_builtins(made))


def write(out: Path, found: dict[str, Any], median: Subject) -> None:
    """Write what was found; every file whole, or none."""
    from research.validation.report import html

    text = json.dumps(found, sort_keys=True, indent=1, allow_nan=False) + "\n"
    files = {out / VALIDATION: text.encode(), out / REPORT: html(found).encode()}
    if median.weights_sha256:
        files[out / EVALUATION] = (json.dumps(evaluation(found), sort_keys=True, indent=1) + "\n").encode()
    out.mkdir(parents=True, exist_ok=True)
    put_all(files)


def spoken(found: dict[str, Any], *, as_json: bool = False) -> str:
    """Return the summary for the terminal."""
    from research.validation.spoken import lines, short

    return json.dumps(short(found), sort_keys=True) if as_json else "\n".join(lines(found))
