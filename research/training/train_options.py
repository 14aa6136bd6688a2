"""The command line of `steadyhand train`: read first, so that help and a mistake are answered at once."""

import argparse
from pathlib import Path
from typing import Final

from daemon.options import SEED_MAX, Parser, whole

STEPS_MAX: Final = 10**12  # a year at 30,000 a second
MINUTES_MAX: Final = 7 * 24 * 60  # a week
WORKERS_MAX: Final = 1_024  # processes; gradients are summed over all of them at each step
ENVS_MAX: Final = 65_536  # the environment keeps a book for each
EPISODES_MAX: Final = 1_000_000  # of every evaluation: hours
SHIPPED: Final = Path(__file__).parent / "release.json"
WORLDS: Final = ("environment", "known", "almgren-chriss", "obizhaeva-wang", "round-trips")


def parser() -> Parser:
    """Return the command line."""
    p = Parser(
        prog="steadyhand train",
        description="Train a policy in the simulated market, and show while it learns what it is worth.",
    )
    add_what(p)
    add_run(p)
    cluster = p.add_argument_group("several processes (needs the extra `cluster`)")
    cluster.add_argument(
        "--workers", type=whole(1, WORKERS_MAX), default=1, help="learners in step (default 1)"
    )
    cluster.add_argument("--ray", metavar="ADDRESS", help="a running Ray cluster; none: one on this machine")
    cluster.add_argument(
        "--sweep",
        type=Path,
        metavar="FILE.json",
        help='trials over knobs: {"learning_rate": [1e-4, 3e-4], ...}, every combination',
    )
    return p


def add_what(p: Parser) -> None:
    """Add what is learnt, and where."""
    p.add_argument("--learner", choices=("ppo", "dqn", "qlearning"), default="ppo")
    p.add_argument(
        "--world",
        choices=WORLDS,
        default="environment",
        help="or a small one of known answer; round-trips: an adversary's",
    )
    p.add_argument("--scenarios", metavar="NAME,...", help="regimes to train in (default: all for training)")
    p.add_argument(
        "--calibration", type=Path, metavar="FILE.json", help="of the market (default: the shipped)"
    )
    p.add_argument(
        "--reward",
        default="shortfall",
        metavar="NAME",
        help="a file of research/environment/rewards (default shortfall)",
    )
    p.add_argument("--interval-ms", type=whole(1, 3_600_000), default=5_000, help="between decisions")
    p.add_argument("--corridor", type=share, default=0.2, help="around the schedule, 0 to 1 (default 0.2)")
    p.add_argument("--on-fill", action="store_true", help="decide on fills too")
    p.add_argument("--on-touch", action="store_true", help="decide on moves of the touch too")
    p.add_argument(
        "--quiet",
        action="store_true",
        help="take the price's noise off the reward, regime by regime (quiet.py)",
    )
    p.add_argument(
        "--cvar",
        type=share,
        metavar="SHARE",
        help="ppo: the mean of so many of the worst orders is what counts, e.g. 0.05 (default: of all)",
    )
    p.add_argument("--continuous", action="store_true", help="ppo: fraction of the remainder, price offset")
    p.add_argument("--warm-start", metavar="RULE", help="clone a rule first, then learn")
    p.add_argument(
        "--rule",
        type=numbers,
        default=(),
        metavar="N,N,N",
        help="imbalance, band, patience of `rule`, as tuned",
    )
    p.add_argument(
        "--set",
        action="append",
        type=knob,
        default=[],
        metavar="KNOB=VALUE",
        help="a knob of the learner's file (Args), e.g. learning_rate=1e-4; again for more",
    )


def add_run(p: Parser) -> None:
    """Add how long, from what chance, and where to."""
    p.add_argument("--seed", type=whole(0, SEED_MAX), default=7)
    p.add_argument("--steps", type=whole(1, STEPS_MAX), help="decisions in all (default 4,000,000)")
    p.add_argument("--minutes", type=whole(1, MINUTES_MAX), help="stop then, whatever is done")
    p.add_argument("--envs", type=whole(1, ENVS_MAX), help="episodes side by side")
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    p.add_argument("--threads", type=whole(1, 256), default=2, help="of the environment (default 2)")
    p.add_argument(
        "--learn-threads",
        type=whole(1, 256),
        default=2,
        help="of ppo's gradient (default 2); another number rounds otherwise and is another run",
    )
    p.add_argument("--evaluate-every", type=whole(1, STEPS_MAX), default=200_000, metavar="STEPS")
    p.add_argument("--checkpoint-every", type=whole(1, STEPS_MAX), default=500_000, metavar="STEPS")
    p.add_argument("--episodes", type=whole(2, EPISODES_MAX), default=2_048, help="of the held-out set")
    p.add_argument(
        "--patience",
        type=whole(0, 10_000),
        default=0,
        help="stop after so many evaluations without a better one (default 0: never)",
    )
    p.add_argument(
        "--release",
        nargs="?",
        const=SHIPPED,
        type=Path,
        metavar="RECIPE.json",
        help="train every seed of a recipe side by side, or go on (default: the shipped recipe)",
    )
    place = p.add_mutually_exclusive_group(required=True)
    place.add_argument("--out", type=Path, metavar="DIR", help="the folder of a new run")
    place.add_argument("--resume", type=Path, metavar="DIR", help="go on with a run, under its own arguments")


def share(text: str) -> float:
    """Read a number above 0, at most 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r}: give a number above 0, at most 1")
    return value


def numbers(text: str) -> tuple[float, ...]:
    """Read numbers with commas between."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: write numbers with commas between") from None


def knob(text: str) -> tuple[str, str]:
    """Read NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r}: write KNOB=VALUE")
    return name, value


def main(argv: list[str]) -> int:
    """Parse, then load what learns and run it."""
    args = parser().parse_args(argv)
    from research.training import train

    return train.main(args)
