"""What is shown beside the tiers: A/A, Almgren-Chriss' frontier and what it was told, MIDCAP-15, the tapes.

`markets`, `beside` and `on_tapes` list what is played for it, for jobs.py to have it played side by side.
"""

from collections.abc import Callable
from typing import Any, Final

from research.baselines import tuning
from research.baselines.contenders import Contender, contender
from research.baselines.tuning import ALMGREN_CHRISS, LAMBDAS, Told
from research.environment.scenarios import MIDCAP, SCENARIOS, Scenario
from research.validation import compare, tape_results
from research.validation.midcap import table as midcap_table
from research.validation.prepared import Prepared
from research.validation.seeds import AA, HELD_OUT_SEEDS, seeds
from research.validation.session import training_part
from research.validation.tape_tuning import told_of, tuned
from research.validation.tiers import Cell, of_tier

LIKE_TAPES: Final = ("goog-2012", "small-tick")  # whose rules are the tapes', the first that was tuned
TAPE: Final = "tape"  # under which the numbers found on tapes are kept
MIDCAP_RIVALS: Final = ("twap", "vwap", ALMGREN_CHRISS, "twap-passive", "rule")
MIDCAP_MORE: Final = 3  # its orders last thrice as long, and a regime of long orders plays fewer
MIDCAP_ORDERS_MAX: Final = 3_000  # an interval of a third of a basis point; more is patience alone
Say = Callable[[str], None]


def results(ready: Prepared, say: Say) -> dict[str, Any]:
    """Return everything beside the tiers."""
    cell, told = first(ready), {}
    if cell is not None and not ready.args.quick:
        cells = [c for c in ready.plan if c.tier == "T1"]
        told = {c.scenario.name: ready.session.told_of(c) for c in cells}
    return {
        "aa": aa(ready, cell) if cell is not None and ready.args.aa else {},
        "frontier": frontier(ready, cell) if cell is not None and not ready.args.quick else [],
        "told_to_almgren_chriss": told,
        "midcap": midcap(ready),
        "tape": tapes(ready, say) if ready.args.tape else {},
    }


# --- what is played -------------------------------------------------------------------------------
def first(ready: Prepared) -> Cell | None:
    """Return the first cell of T1, in which A/A and the frontier are made."""
    return next((cell for cell in ready.plan if cell.tier == "T1"), None)


def markets(ready: Prepared) -> list[Scenario]:
    """Return the scenario of each cell, MIDCAP-15's last; a market's rules are tuned in its first one."""
    own = midcap_cell(ready)
    return [*(cell.scenario for cell in ready.plan), *([own.scenario] if own is not None else [])]


def beside(ready: Prepared) -> list[tuple[Cell, Contender]]:
    """Return what is played beside the tiers in simulated markets."""
    cell, made = first(ready), []
    if cell is not None and ready.args.aa:
        made.append((aa_cell(ready, cell), contender("twap", ready.session.settings)))
    if cell is not None and not ready.args.quick:
        made += [(cell, who) for _, _, who in efficient(ready, cell)]
    return made + midcap_pairs(ready)


def aa_cell(ready: Prepared, cell: Cell) -> Cell:
    """Return the cell in which TWAP is held against itself."""
    return Cell("A/A", training_part(cell.scenario), seeds(AA, ready.args.aa))


def efficient(ready: Prepared, cell: Cell) -> list[tuple[float, float, Contender]]:
    """Return Almgren-Chriss for each risk aversion: lambda, kappa x T, who."""
    told = ready.session.told_of(cell)
    kappas = [(risk, tuning.kappa_t(risk, told)) for risk in LAMBDAS]
    return [(r, k, contender(ALMGREN_CHRISS, ready.session.settings, (k,))) for r, k in kappas]


def midcap_cell(ready: Prepared) -> Cell | None:
    """Return the cell of the illustration, None where it is not asked for."""
    args = ready.args
    if MIDCAP not in SCENARIOS or args.quick or "T1" not in args.tiers:
        return None
    orders = min(MIDCAP_ORDERS_MAX, MIDCAP_MORE * args.orders)
    return of_tier("T1", HELD_OUT_SEEDS, [SCENARIOS[MIDCAP]], orders, args.seed_set)[0]


def midcap_pairs(ready: Prepared) -> list[tuple[Cell, Contender]]:
    """Return who plays the illustration, ours last."""
    cell = midcap_cell(ready)
    if cell is None:
        return []
    rivals = ready.session.baselines(cell, list(MIDCAP_RIVALS))
    return [(cell, who) for who in (*rivals, ready.median.contender)]


def on_tapes(ready: Prepared, say: Say) -> list[Contender]:
    """Return who plays the tapes, ours first; what has numbers is tuned first."""
    session = ready.session
    like = next((name for name in (*LIKE_TAPES, *session.tuned) if name in session.tuned), "")
    numbers = dict(session.tuned.get(like, {}).get("numbers", {}))
    told: Told | None = None
    if session.budget:
        found = tune_on_tapes(ready, say)
        numbers |= found.get("numbers", {})
        told = found.get("told")
    rivals = tape_results.rivals_of(ready.args.baselines, session.settings, numbers, told)
    return [ready.median.contender, *rivals]


def tune_on_tapes(ready: Prepared, say: Say) -> dict[str, Any]:
    """Return what the tapes' hours for training gave: the rule's numbers, what Almgren-Chriss is told."""
    session, args = ready.session, ready.args
    if TAPE not in session.tuned:
        found = tuned(args.tape, args.minutes, session.settings, session.out, session.cells.code, say)
        told = told_of(args.tape, args.minutes, session.settings, session.cells)
        session.tuned[TAPE] = found | {"told": told} if found else {}
    return session.tuned[TAPE]


# --- what comes of it -----------------------------------------------------------------------------
def aa(ready: Prepared, cell: Cell) -> dict[str, Any]:
    """Return how often TWAP differs from TWAP on other seeds."""
    table = ready.session.table(aa_cell(ready, cell), contender("twap", ready.session.settings))
    return {"scenario": cell.scenario.name, **compare.aa(table)}


def frontier(ready: Prepared, cell: Cell) -> list[dict[str, Any]]:
    """Return mean and deviation of Almgren-Chriss for each risk aversion, in the first scenario of T1."""
    rows = []
    for risk, kappa, who in efficient(ready, cell):
        facts = compare.facts_of([ready.session.table(cell, who)])
        kept = {name: facts[name] for name in ("cost", "sd", "sd_without_exogenous")}
        rows.append({"scenario": cell.scenario.name, "risk_aversion": risk, "kappa_t": kappa, **kept})
    return rows


def midcap(ready: Prepared) -> list[dict[str, Any]]:
    """Return the target table's counterpart, every cell measured."""
    played = [(who.name, ready.session.table(cell, who)) for cell, who in midcap_pairs(ready)]
    return midcap_table(played, ready.median.contender.name) if played else []


def tapes(ready: Prepared, say: Say) -> dict[str, Any]:
    """Return the tapes."""
    ready.session.close()  # its books are not needed any more
    ours, *rivals = on_tapes(ready, say)
    cells = ready.session.cells
    return tape_results.tapes(ready.args.tape, ready.args, ready.fitted, cells, ours, rivals, say)
