"""The command line of `steadyhand calibrate`: read first, so that help and a mistake are answered at once."""

from pathlib import Path

from daemon.options import Parser, clock, whole

BUDGET_MOST = 2_000  # candidates of the search; each is some two seconds of a core
BUDGET = 120
TICK_MOST = 10_000_000  # 1e-4: a tick of 1000 units of currency


def parser() -> Parser:
    """Return the command line."""
    p = Parser(
        prog="steadyhand calibrate",
        description="Fit the reactive market to a recording: count what can be counted, match the rest.",
    )
    p.add_argument("tape", type=Path, metavar="TAPE", help="a tick store made by `steadyhand ingest`")
    p.add_argument("--from", dest="begin", type=clock, metavar="HH:MM", help="from this clock time on")
    p.add_argument("--to", dest="end", type=clock, metavar="HH:MM", help="until this clock time")
    p.add_argument(
        "--tick",
        type=whole(1, TICK_MOST),
        metavar="E4",
        help="see the book through a coarser tick (1e-4 units of currency)",
    )
    p.add_argument("--name", default="", help="of the calibration; default: the file's")
    p.add_argument(
        "--budget",
        type=whole(0, BUDGET_MOST),
        default=BUDGET,
        metavar="N",
        help=f"candidates of the search by simulated moments, 0 = counting only (default {BUDGET})",
    )
    p.add_argument("--start", type=Path, metavar="FILE", help="go on with the search from this calibration")
    p.add_argument("--out", type=Path, required=True, metavar="FILE.json", help="the calibration to write")
    p.add_argument("--json", action="store_true", help="print the fit as JSON")
    return p


def main(argv: list[str]) -> int:
    """Parse, then load what calibrates and run it."""
    args = parser().parse_args(argv)
    from research.calibrate import command

    return command.main(args)
