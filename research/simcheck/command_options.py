"""The command line of `steadyhand simcheck`: read first, so that help and a mistake are answered at once."""

from pathlib import Path

from daemon.options import Parser, whole

ADVERSARY_STEPS_MOST = 20_000_000  # some hours of a core
SEED_SETS_MOST = 1_000_000


def parser() -> Parser:
    """Return the command line."""
    p = Parser(
        prog="steadyhand simcheck",
        description="Hold a simulated market against its recording: numbers, impact, twins, passive fills.",
    )
    p.add_argument(
        "calibration",
        type=Path,
        metavar="CALIBRATION",
        help="a file of `steadyhand calibrate`, or the name of a shipped one",
    )
    p.add_argument("--quick", action="store_true", help="a tenth of the simulations: minutes become seconds")
    p.add_argument(
        "--adversary-steps",
        type=whole(0, ADVERSARY_STEPS_MOST),
        metavar="N",
        help="decisions that the adversary learns from (default 400000, 40000 with --quick; 0: leave it out)",
    )
    p.add_argument(
        "--seed-set",
        type=whole(0, SEED_SETS_MOST),
        default=0,
        metavar="N",
        help="which draw of all chance (default 0, on which the shipped ones were chosen)",
    )
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="for JSON and HTML")
    p.add_argument(
        "--keep",
        action="store_true",
        help="also put the gate's verdict beside the calibration, where validation looks for it",
    )
    p.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return p


def main(argv: list[str]) -> int:
    """Parse, then load what checks and run it."""
    args = parser().parse_args(argv)
    from research.simcheck import command

    return command.main(args)
