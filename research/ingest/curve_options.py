"""The command line of `steadyhand curve`: read first, so that help and a mistake are answered at once."""

from pathlib import Path
from typing import Final

from daemon.options import Parser, day, whole

SESSIONS_MAX: Final = 250  # a year; older days say little of today's volume
BIN_MINUTES: Final = 15
BIN_MINUTES_MAX: Final = 240  # two bins at least of the longest session of stocks


def parser() -> Parser:
    """Return the command line."""
    p = Parser(
        prog="steadyhand curve",
        description="Write the volume curve that VWAP follows, from whole recorded days of one symbol: "
        "the median of each bin's share of its day's volume.",
    )
    p.add_argument("stores", type=Path, nargs="+", metavar="TAPE", help="a tick store of a whole session")
    p.add_argument("--out", type=Path, required=True, metavar="FILE.csv", help="for trader.volume_curve")
    p.add_argument(
        "--before",
        type=day,
        metavar="YYYY-MM-DD",
        help="the day that the curve is for: a store of it or of a later one is refused",
    )
    p.add_argument(
        "--bin-minutes",
        type=whole(1, BIN_MINUTES_MAX),
        default=BIN_MINUTES,
        help=f"length of a bin; must divide the session (default {BIN_MINUTES})",
    )
    p.add_argument("--force", action="store_true", help="replace a file that is there")
    return p


def main(argv: list[str]) -> int:
    """Parse, then load what reads the stores and run it."""
    p = parser()
    options = p.parse_args(argv)
    if len(options.stores) > SESSIONS_MAX:
        p.error(f"{len(options.stores)} tick stores: give the last {SESSIONS_MAX} at most")
    from research.ingest import curve

    return curve.main(options)
