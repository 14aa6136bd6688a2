"""`steadyhand validate`: every contender on the same markets, and what may be said of it afterwards.

Nothing here chooses anything: rules are tuned on the seeds for tuning, the training seed is chosen on those
for choosing, and the tiers' seeds are frozen. The same command on the same commit writes the same bytes.
Exit 0; 1 a policy that cannot be played, 2 usage or data, 78 an artefact, 130 interrupted (it goes on
where it was).
"""

import argparse
import sys
import time
from typing import Final

import msgspec

from policies.baselines import NAMES as SHIPPED
from research.baselines.contenders import NAMES
from research.environment.vector import Settings
from research.validation import results, tiers
from research.validation.cells import Cells, code_sha256
from research.validation.play import PlayError, Table
from research.validation.session import Session, wanted
from research.validation.subjects import Subject, SubjectError, subject
from research.validation.tiers import Cell, TierError

DONE, NOT_CLEAN, USAGE, CONFIG, INTERRUPTED = 0, 1, 2, 78, 130
QUICK_ORDERS: Final = 32
QUICK_BASELINES: Final = ("twap", "twap-passive", "twap-improve", "rule", "random")
BUDGET_USUAL: Final = 3_200  # episodes for tuning, where the policy saw as many or more


class UsageError(Exception):
    """What was asked makes no sense: one line."""


def main(args: argparse.Namespace) -> int:
    """Validate; return the exit code. Trouble is one line."""
    try:
        return validated(args)
    except (UsageError, TierError) as error:
        return complain(error, USAGE)
    except SubjectError as error:
        return complain(error, CONFIG)
    except PlayError as error:
        return complain(error, NOT_CLEAN)
    except OSError as error:
        return complain(f"{error.filename or args.out}: {error.strerror}", USAGE)
    except KeyboardInterrupt:
        return complain(
            f"interrupted; the same command goes on, {args.out} keeps what was played", INTERRUPTED
        )


def complain(error: object, code: int) -> int:
    """Say what is wrong in one line."""
    print(f"steadyhand validate: {error}", file=sys.stderr)
    return code


def validated(args: argparse.Namespace) -> int:
    """Do what was asked."""
    if args.quick:
        args.orders = min(args.orders, QUICK_ORDERS)
        args.aa = min(args.aa, 0)
        args.baselines = args.baselines or list(QUICK_BASELINES)
        args.budget = 0 if args.budget is None else args.budget
    for name in args.baselines:
        if name not in NAMES:
            raise UsageError(f"--baselines {name}: there is {', '.join(NAMES)}")
    subjects = named([subject(spec, Settings()) for spec in args.policy])
    median = released(subjects)
    budget = args.budget if args.budget is not None else min(BUDGET_USUAL, median.episodes or BUDGET_USUAL)
    plan = tiers.cells(args.tiers, args.scenarios, median.trained_on, args.orders, args.seed_set)
    code = code_sha256()
    base = msgspec.structs.replace(median.contender.settings)
    session = Session(args.out, Cells(args.out / "cells", code), plain(base), budget, args.threads, say)
    asked = wanted(args.baselines, budget)
    try:
        played = [(cell, play_cell(session, cell, asked, subjects, place)) for cell, place in steps(plan)]
        tree = results.tree(args, session, subjects, median, played, code)
    finally:
        session.close()
    results.write(args.out, tree, median)
    print(results.spoken(tree, as_json=args.json))
    return DONE


def plain(settings: Settings) -> Settings:
    """Return a policy's pace, corridor and limits, for baselines that bring their own schedule."""
    return msgspec.structs.replace(Settings(), **{
        name: getattr(settings, name)
        for name in ("interval_ns", "gap_ns", "on_fill", "on_touch", "corridor", "limits")
    })  # fmt: skip


def named(subjects: list[Subject]) -> list[Subject]:
    """Return subjects whose names differ from each other's and from every baseline's."""
    made, seen = [], set(NAMES) | set(SHIPPED)
    for one in subjects:
        name, number = one.contender.name, 1
        while name in seen:
            number += 1
            name = f"{one.contender.name} ({number})"
        seen.add(name)
        who = msgspec.structs.replace(one.contender, name=name)
        made.append(msgspec.structs.replace(one, contender=who))
    return made


def released(subjects: list[Subject]) -> Subject:
    """Return the one that stands for all: the median on the set for choosing."""
    ranked = sorted(subjects, key=lambda s: (s.chosen_by != s.chosen_by, s.chosen_by, s.contender.name))
    return ranked[(len(ranked) - 1) // 2]


def steps(plan: list[Cell]) -> list[tuple[Cell, str]]:
    """Return cells with their place in the whole."""
    return [(cell, f"{at}/{len(plan)}") for at, cell in enumerate(plan, 1)]


def play_cell(
    session: Session, cell: Cell, asked: list[str], subjects: list[Subject], place: str
) -> dict[str, Table]:
    """Play everybody in one cell."""
    begun_s = time.monotonic()
    contenders = [*(s.contender for s in subjects), *session.baselines(cell, asked)]
    tables = {who.name: session.table(cell, who) for who in contenders}
    took_s = time.monotonic() - begun_s
    cost = float(tables[subjects[0].contender.name]["cost"].mean())
    say(
        f"{place} {cell.tier} {cell.scenario.name}: {len(tables)} contenders, {took_s:.1f} s, cost {cost:.3f}"
    )
    return tables


def say(line: str) -> None:
    """Tell how far it is."""
    print(line, file=sys.stderr, flush=True)
