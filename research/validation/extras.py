"""What is shown beside the tiers: A/A, Almgren-Chriss' frontier and what it was told, the tapes."""

import argparse
from collections.abc import Callable
from typing import Any, Final

from research.baselines.contenders import contender
from research.baselines.tuning import KAPPA_T
from research.environment.scenarios import MIDCAP, SCENARIOS
from research.validation import compare, tape_results
from research.validation.seeds import AA, HELD_OUT_SEEDS, seeds
from research.validation.session import Session, training_part
from research.validation.statistics import interval
from research.validation.subjects import Subject
from research.validation.tape_tuning import tuned
from research.validation.tiers import Cell, of_tier

TARGETS: Final = {"twap": ("15.2", "7.0"), "vwap": ("12.5", "5.8"), "policy": ("8.1", "2.9")}
SMALL_TICK: Final = "small-tick"  # the market most like the tapes; its rules are theirs


def extras(
    args: argparse.Namespace, session: Session, median: Subject, plan: list[Cell], say: Callable[[str], None]
) -> dict[str, Any]:
    """Return everything beside the tiers."""
    first = [cell for cell in plan if cell.tier == "T1"][:1]
    return {
        "aa": aa(session, first[0], args.aa) if first and args.aa else {},
        "frontier": frontier(session, first[0]) if first and not args.quick else [],
        "told_to_almgren_chriss": told(session, plan) if not args.quick else {},
        "midcap": midcap(session, median, args) if not args.quick and "T1" in args.tiers else [],
        "tape": tape(args, session, median, say) if args.tape else {},
    }


def aa(session: Session, cell: Cell, orders: int) -> dict[str, Any]:
    """Return how often TWAP differs from TWAP on other seeds."""
    many = Cell("A/A", training_part(cell.scenario), seeds(AA, orders))
    table = session.table(many, contender("twap", session.settings))
    return {"scenario": cell.scenario.name, **compare.aa(table)}


def frontier(session: Session, cell: Cell) -> list[dict[str, Any]]:
    """Return mean and deviation of Almgren-Chriss for each risk aversion, in the first scenario of T1."""
    told_here = session.told_of(cell.scenario)
    seconds = sum(cell.scenario.parents.seconds) / 2.0
    rows = []
    for kappa_t in KAPPA_T:
        facts = compare.facts_of(
            [session.table(cell, contender("almgren-chriss", session.settings, (kappa_t,)))]
        )
        rows.append(
            {
                "scenario": cell.scenario.name,
                "kappa_t": kappa_t,
                "risk_aversion": risk_aversion(kappa_t, seconds, told_here),
                "cost": facts["cost"],
                "sd": facts["sd"],
                "sd_without_exogenous": facts["sd_without_exogenous"],
            }
        )
    return rows


def risk_aversion(kappa_t: float, seconds: float, told_here: dict[str, float]) -> float | None:
    """Return the lambda that a kappa x T stands for: kappa^2 eta / sigma^2, per bps of a whole parent."""
    variance = told_here["sigma_bps_per_root_s"] ** 2
    eta = told_here["eta_bps_per_point"]
    if variance <= 0.0 or eta <= 0.0:
        return None
    return (kappa_t / seconds) ** 2 * eta / variance


def midcap(session: Session, median: Subject, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the target table's counterpart: two static schedules and ours, in the fitted market."""
    if MIDCAP not in SCENARIOS:
        return []
    cell = of_tier("T1", HELD_OUT_SEEDS, [SCENARIOS[MIDCAP]], args.orders, args.seed_set)[0]
    rows = []
    for who in (*(contender(name, session.settings) for name in ("twap", "vwap")), median.contender):
        table = session.table(cell, who)
        facts = compare.facts_of([table])
        cost, impact = TARGETS.get(who.name, TARGETS["policy"])
        found = interval(table["cost"], compare.clusters([table]))
        rows.append(
            {
                "name": who.name, "cost": facts["cost"], "half": 1.96 * found.se, "impact": facts["impact"],
                "sd": facts["sd"], "cvar95": facts["cvar95"], "adapts": facts["adaptability"]["word"],
                "target_cost": cost, "target_impact": impact,
            }
        )  # fmt: skip
    return rows


def told(session: Session, plan: list[Cell]) -> dict[str, Any]:
    """Return what Almgren-Chriss was told of each regime of T1."""
    return {cell.scenario.name: session.told_of(cell.scenario) for cell in plan if cell.tier == "T1"}


def tape(
    args: argparse.Namespace, session: Session, median: Subject, say: Callable[[str], None]
) -> dict[str, Any]:
    """Return the tapes."""
    session.close()  # its books are not needed any more
    numbers = dict(session.tuned.get(SMALL_TICK, {}).get("numbers", {}))
    if session.budget:
        cells = session.cells
        found = tuned(args.tape, args.minutes, session.settings, session.out, cells.code, say)
        session.tuned |= {"tape": found} if found else {}
        numbers |= found.get("numbers", {})
    rivals = tape_results.rivals_of(args.baselines, session.settings, numbers)
    return tape_results.tapes(args.tape, args, session.cells, median.contender, rivals, say)
