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

from research.baselines.contenders import NAMES
from research.validation import extras, fan, results
from research.validation.play import PlayError, Table
from research.validation.prepared import Prepared
from research.validation.subjects import SubjectError
from research.validation.tape_results import windows_of
from research.validation.tape_world import TapeUseError
from research.validation.tiers import Cell, TierError

DONE, NOT_CLEAN, USAGE, CONFIG, INTERRUPTED = 0, 1, 2, 78, 130
QUICK_ORDERS: Final = 32
QUICK_BASELINES: Final = ("twap", "twap-passive", "twap-improve", "rule", "random")


class UsageError(Exception):
    """What was asked makes no sense: one line."""


def main(args: argparse.Namespace) -> int:
    """Validate; return the exit code. Trouble is one line."""
    try:
        return validated(args)
    except (UsageError, TierError, TapeUseError, fan.FanError) as error:
        return complain(error, USAGE)
    except SubjectError as error:
        return complain(error, CONFIG)
    except PlayError as error:
        return complain(error, NOT_CLEAN)
    except OSError as error:
        mend = "mend it and the same command goes on where it was, or give another --out"
        return complain(f"{error.filename or args.out}: {error.strerror or error}; {mend}", USAGE)
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
        args.aa = 0
        args.baselines = args.baselines or list(QUICK_BASELINES)
        args.budget = 0 if args.budget is None else args.budget
    for name in args.baselines:
        if name not in NAMES:
            raise UsageError(f"--baselines {name}: there is {', '.join(NAMES)}")
    check_tapes(args)
    ready = Prepared(args, say)
    for folder in args.tape:  # before anything is played
        windows_of(folder, args, ready.fitted)
    try:
        if args.workers > 1 or args.ray is not None:
            fan.spread(ready, say)
        played = everything(ready)
        tree = results.tree(ready, played, extras.results(ready, say))
    finally:
        ready.session.close()
    results.write(args.out, tree, ready.median)
    print(results.spoken(tree, as_json=args.json))
    return DONE


def everything(ready: Prepared) -> list[tuple[Cell, dict[str, Table]]]:
    """Play every cell, or read what others have played."""
    eta = Eta(len(ready.plan))
    played = []
    for cell in ready.plan:
        tables = ready.play(cell)
        cost = float(tables[ready.median.contender.name]["cost"].mean())
        eta.step(f"{cell.tier} {cell.scenario.name}: {len(tables)} contenders, cost {cost:.3f}")
        played.append((cell, tables))
    return played


def check_tapes(args: argparse.Namespace) -> None:
    """Hold --tape and T4 to each other."""
    if args.tape and "T4" not in args.tiers:
        args.tiers = [*args.tiers, "T4"]
    if "T4" in args.tiers and not args.tape:
        raise UsageError("--tiers T4: give the tick stores with --tape DIR")


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


def say(line: str) -> None:
    """Tell how far it is."""
    print(line, file=sys.stderr, flush=True)
