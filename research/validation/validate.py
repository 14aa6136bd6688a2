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
from research.baselines.contenders import NAMES, Contender, hashed
from research.environment.vector import Settings
from research.validation import extras, results, tiers
from research.validation.cells import Cells, code_sha256
from research.validation.play import PlayError, Table
from research.validation.session import Session, wanted
from research.validation.subjects import Subject, SubjectError, subject
from research.validation.tape_world import TapeUseError, windows
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
    except (UsageError, TierError, TapeUseError) as error:
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
    check_tapes(args)
    simulated = [tier for tier in args.tiers if tier != "T4"]
    plan = tiers.cells(simulated, args.scenarios, median.trained_on, args.orders, args.seed_set)
    plan += [made for what in args.ablate for cell in plan if (made := tiers.ablated(cell, what)) is not None]
    code = code_sha256()
    pace = plain(median.contender.settings)
    session = Session(args.out, Cells(args.out / "cells", code), pace, budget, args.threads, say)
    asked = wanted(args.baselines, budget)
    try:
        eta = Eta(len(plan))
        played = [(cell, play_cell(session, cell, asked, subjects, eta)) for cell in plan]
        more = extras.extras(args, session, median, plan, say)
        tree = results.tree(args, session, subjects, median, played, code, more)
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


def check_tapes(args: argparse.Namespace) -> None:
    """Hold --tape and T4 to each other, before anything is played."""
    if args.tape and "T4" not in args.tiers:
        args.tiers = [*args.tiers, "T4"]
    if "T4" in args.tiers and not args.tape:
        raise UsageError("--tiers T4: give the tick stores with --tape DIR")
    for folder in args.tape:
        windows(folder, args.first, args.last, args.minutes)


class Eta:
    """How far it is, and how long it will still take at this pace."""

    def __init__(self, steps: int) -> None:
        self.steps, self.done = steps, 0
        self._begun_s = time.monotonic()

    def step(self, line: str) -> None:
        """Say that one more is done."""
        self.done += 1
        gone_s = time.monotonic() - self._begun_s
        left_s = gone_s / self.done * (self.steps - self.done)
        say(f"{self.done}/{self.steps} {line}; {left_s:.0f} s to go")


def play_cell(
    session: Session, cell: Cell, asked: list[str], subjects: list[Subject], eta: Eta
) -> dict[str, Table]:
    """Play everybody in one cell."""
    contenders = [*(s.contender for s in subjects), *session.baselines(cell, asked)]
    if cell.wide:
        contenders = [unbound(who) for who in contenders]
    tables = {who.name: session.table(cell, who) for who in contenders}
    cost = float(tables[subjects[0].contender.name]["cost"].mean())
    eta.step(f"{cell.tier} {cell.scenario.name}: {len(tables)} contenders, cost {cost:.3f}")
    return tables


def unbound(who: Contender) -> Contender:
    """Return a contender whose corridor leaves it free."""
    settings = msgspec.structs.replace(who.settings, corridor=1.0)
    return msgspec.structs.replace(who, settings=settings, sha256=hashed([who.sha256, "corridor 1"]))


def say(line: str) -> None:
    """Tell how far it is."""
    print(line, file=sys.stderr, flush=True)
