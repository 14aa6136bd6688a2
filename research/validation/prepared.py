"""A command line made ready: who is validated, against whom, where; and one cell of it played."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from policies.baselines import NAMES as SHIPPED
from research.baselines.contenders import NAMES, Contender, hashed
from research.environment.scenarios import SCENARIOS
from research.environment.vector import Settings
from research.validation import tiers
from research.validation.cells import Cells, code_sha256
from research.validation.play import Table
from research.validation.session import Session, wanted
from research.validation.shuffled import shuffled
from research.validation.subjects import Subject, subject
from research.validation.tape_world import fitted
from research.validation.tiers import Cell

BUDGET_USUAL: Final = 3_200  # episodes for tuning, where the policy saw as many or more
EVERY_SEED_IN: Final = "T1"  # elsewhere the released training seed alone


class Prepared:
    """Everything that a command line asks for, loaded; the same wherever it is loaded."""

    def __init__(self, args: argparse.Namespace, say: Callable[[str], None]) -> None:
        self.args = args
        of = [subject(spec, Settings()) for spec in (*args.policy, *args.also)]
        every = named(of)
        self.subjects, self.also = every[: len(args.policy)], every[len(args.policy) :]
        self.median = released(self.subjects)
        usual = min(BUDGET_USUAL, self.median.episodes or BUDGET_USUAL)
        budget = args.budget if args.budget is not None else usual
        self.plan = planned(args, self.median)
        self.calibrations = tuple(Path(s.calibration) for s in every if s.calibration)
        own = (scenario for one in every for scenario in one.own)
        self.fitted = fitted((*SCENARIOS.values(), *own))
        self.code = code_sha256()
        pace = plain(self.median.contender.settings)
        cells = Cells(args.out / "cells", self.code)
        self.session = Session(args.out, cells, pace, budget, args.threads, say)
        self.asked = wanted(args.baselines, budget)

    def contenders(self, cell: Cell) -> list[Contender]:
        """Return who plays a cell; its market's rules are tuned first."""
        ours = [*self.subjects, *self.also] if cell.tier == EVERY_SEED_IN else [self.median]
        asked = [shuffled(s.contender) if cell.shuffled else s.contender for s in ours]
        every = [*asked, *self.session.baselines(cell, self.asked)]
        return [unbound(who) for who in every] if cell.wide else every

    def play(self, cell: Cell) -> dict[str, Table]:
        """Play everybody in one cell."""
        return {who.name: self.session.table(cell, who) for who in self.contenders(cell)}

    def missing(self, cell: Cell) -> bool:
        """Say whether somebody has yet to play a cell."""
        if self.session.budget and not self.session.knows(cell):
            return True
        return any(not self.session.has(cell, who) for who in self.contenders(cell))


def planned(args: argparse.Namespace, median: Subject) -> list[Cell]:
    """Return the cells of the simulated tiers and their ablations."""
    simulated = [tier for tier in args.tiers if tier != "T4"]
    known = SCENARIOS | {scenario.name: scenario for scenario in median.own}
    plan = tiers.cells(simulated, args.scenarios, median.trained_on, args.orders, args.seed_set, known)
    taken = [tiers.ablated(cell, what) for what in args.ablate for cell in plan]
    return plan + [cell for cell in taken if cell is not None]


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


def unbound(who: Contender) -> Contender:
    """Return a contender whose corridor leaves it free."""
    settings = msgspec.structs.replace(who.settings, corridor=1.0)
    return msgspec.structs.replace(who, settings=settings, sha256=hashed([who.sha256, "corridor 1"]))
