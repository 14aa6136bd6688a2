"""Jobs: everything that a validation plays, cut into pieces that can be played side by side.

Doing a job leaves its episodes in the cells of the session and its numbers in `tuned`; what puts the
results together finds them there, or plays what is missing.
"""

from collections.abc import Callable
from typing import NamedTuple

from research.validation import extras, tape_results
from research.validation.prepared import Prepared
from research.validation.tiers import family

MARKET, TAPE_RULE, CELL, BESIDE, TAPE = "tune", "tune on a tape", "cell", "beside", "tape"


class Job(NamedTuple):
    """One piece of work: its kind, and which of its kind."""

    kind: str
    at: int = 0


class Jobs:
    """The jobs of a command line; the same wherever they are listed."""

    def __init__(self, prepared: Prepared, say: Callable[[str], None]) -> None:
        self.prepared, self.session, self.say = prepared, prepared.session, say

    def tuning(self) -> list[Job]:
        """Return what has to be tuned before anybody plays, the slow one first."""
        if not self.session.budget:
            return []
        made = [Job(TAPE_RULE)] if self.prepared.args.tape else []
        seen = set(self.session.tuned)
        for at, scenario in enumerate(extras.markets(self.prepared)):
            if family(scenario) not in seen:
                seen.add(family(scenario))
                made.append(Job(MARKET, at))
        return made

    def playing(self) -> list[Job]:
        """Return what has not been played, tapes first: they take longest."""
        args, session = self.prepared.args, self.session
        tapes = []
        if args.tape:
            who = extras.on_tapes(self.prepared, self.say)
            for at in range(len(who) * len(args.tape)):
                one, folder = who[at // len(args.tape)], args.tape[at % len(args.tape)]
                sha256, made, _ = tape_results.windows_of(folder, args, self.prepared.fitted)
                if not session.cells.has(tape_results.facts_of(one, sha256, made)):
                    tapes.append(Job(TAPE, at))
        beside = [
            Job(BESIDE, at)
            for at, (cell, who) in enumerate(extras.beside(self.prepared))
            if not session.has(cell, who)
        ]
        cells = [Job(CELL, at) for at, cell in enumerate(self.prepared.plan) if self.prepared.missing(cell)]
        cells.sort(key=lambda job: -self.seconds(job.at))
        return [*tapes, *beside, *cells]

    def seconds(self, at: int) -> float:
        """Return how much of a market a cell plays, for the order in which cells are handed out."""
        cell = self.prepared.plan[at]
        return len(cell.seeds) * sum(cell.scenario.parents.seconds)

    def named(self, job: Job) -> str:
        """Return a job in words."""
        if job.kind == CELL:
            cell = self.prepared.plan[job.at]
            return f"{cell.tier} {cell.scenario.name}"
        if job.kind == MARKET:
            return f"rules tuned for {family(extras.markets(self.prepared)[job.at])}"
        if job.kind == TAPE:
            return f"T4, part {job.at + 1}"
        return "rule tuned on a tape" if job.kind == TAPE_RULE else f"beside the tiers, part {job.at + 1}"

    def do(self, job: Job) -> None:
        """Do one."""
        prepared, session = self.prepared, self.session
        if job.kind == CELL:
            prepared.play(prepared.plan[job.at])
        elif job.kind == MARKET:
            session.numbers_of(extras.markets(prepared)[job.at])
        elif job.kind == TAPE_RULE:
            extras.tune_on_tapes(prepared, self.say)
        elif job.kind == BESIDE:
            cell, who = extras.beside(prepared)[job.at]
            session.table(cell, who)
        else:
            folders = prepared.args.tape
            one = extras.on_tapes(prepared, self.say)[job.at // len(folders)]
            folder = folders[job.at % len(folders)]
            sha256, made, _ = tape_results.windows_of(folder, prepared.args, prepared.fitted)
            tape_results.on_one(session.cells, one, sha256, made)
