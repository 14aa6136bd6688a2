"""The command line of `steadyhand validate`: read first, so that help and a mistake are answered at once."""

import argparse
from pathlib import Path
from typing import Final

from daemon.options import Parser, clock, whole

TIERS: Final = ("T1", "T2", "T3", "T4")
ABLATIONS: Final = ("impact", "latent", "randomisation", "corridor", "features")
ORDERS_MAX: Final = 4_000  # in openings that no training began in, of the frozen 8,192
WORKERS_MAX: Final = 256  # each holds some 200 MB of books
RUN_MAX: Final = 10**9  # more sets of seeds than anybody draws
BUDGET_MAX: Final = 10**7  # episodes: weeks on one core


def parser() -> Parser:
    """Return the command line."""
    p = Parser(
        prog="steadyhand validate",
        description="Hold a policy against every baseline on the same markets, and say what may be claimed.",
    )
    p.add_argument(
        "policy",
        nargs="+",
        metavar="POLICY|RUN",
        help="an artefact, a training run, or several runs of other training seeds: the median is held up",
    )
    p.add_argument(
        "--also", action="append", default=[], metavar="POLICY|RUN",
        help="another learner's, shown in T1 beside ours and never held up; again for more",
    )  # fmt: skip
    p.add_argument("--tiers", type=tiers, default=["T1", "T2", "T3"], metavar="T1,T2,T3,T4")
    p.add_argument(
        "--orders", type=whole(8, ORDERS_MAX), default=256,
        help="parents a regime of T1, half of it elsewhere, fewer where they last longer (default 256)",
    )  # fmt: skip
    p.add_argument(
        "--scenarios", type=names, default=[], metavar="NAME,...", help="of T1 (default: the trained)"
    )
    p.add_argument("--baselines", type=names, default=[], metavar="NAME,...", help="(default: all)")
    p.add_argument(
        "--seed-set", type=seed_set, default=0, metavar="frozen|fresh:N", help="(default: the frozen sets)"
    )
    p.add_argument(
        "--budget", type=whole(0, BUDGET_MAX), metavar="EPISODES",
        help="for tuning rules in each market; 0: as shipped (default: the policy's own, 3,200 at most)",
    )  # fmt: skip
    p.add_argument("--ablate", type=ablations, default=[], metavar=",".join(ABLATIONS))
    p.add_argument(
        "--aa", type=whole(0, ORDERS_MAX), default=4_000, help="orders of the A/A test (default 4,000)"
    )
    p.add_argument("--threads", type=whole(1, 64), default=1)
    p.add_argument(
        "--workers", type=whole(1, WORKERS_MAX), default=1, help="processes, a scenario each (default 1)"
    )
    p.add_argument("--ray", metavar="ADDRESS", help="play the scenarios on a Ray cluster (extra `cluster`)")
    tape = p.add_argument_group("T4: recorded tapes, of the validation split alone")
    tape.add_argument("--tape", type=Path, action="append", default=[], metavar="DIR", help="again for more")
    tape.add_argument("--from", dest="first", type=clock, metavar="HH:MM", help="of each tape (default: all)")
    tape.add_argument("--to", dest="last", type=clock, metavar="HH:MM")
    tape.add_argument("--minutes", type=whole(2, 120), default=10, help="of a window (default 10)")
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="results and what was played")
    p.add_argument("--quick", action="store_true", help="few orders and baselines: to look, not to claim")
    p.add_argument("--json", action="store_true", help="the summary as one JSON object on stdout")
    return p


def names(text: str) -> list[str]:
    """Read names with commas between them."""
    return [name.strip() for name in text.split(",") if name.strip()]


def of(known: tuple[str, ...], text: str) -> list[str]:
    """Read names that must be known."""
    found = names(text)
    for name in found:
        if name not in known:
            raise argparse.ArgumentTypeError(f"{name!r}: there is {', '.join(known)}")
    return found


def tiers(text: str) -> list[str]:
    """Read tiers."""
    return of(TIERS, text)


def ablations(text: str) -> list[str]:
    """Read what is to be taken away."""
    return of(ABLATIONS, text)


def seed_set(text: str) -> int:
    """Read which seeds: 0 = the frozen ones."""
    if text == "frozen":
        return 0
    kind, _, number = text.partition(":")
    if kind != "fresh" or not number.isdigit() or not 1 <= int(number) <= RUN_MAX:
        raise argparse.ArgumentTypeError(f"{text!r}: write frozen, or fresh:N with N from 1")
    return int(number)


def main(argv: list[str]) -> int:
    """Parse, then load what validates and run it."""
    args = parser().parse_args(argv)
    from research.validation import validate

    return validate.main(args)
