"""The command line of `steadyhand journal`: read first, so that help and a mistake are answered at once."""

from pathlib import Path
from typing import Final

from daemon.options import Parser, whole

PLACE: Final = "a journal, a state directory or a run's folder"
FRAMES_MAX: Final = 2**40  # numbers of frames


def parser() -> Parser:
    """Return the command line."""
    p = Parser(prog="steadyhand journal", description="Check, read and export journals.")
    kinds = p.add_subparsers(dest="what", required=True, metavar="verify|show|export")
    verify = kinds.add_parser("verify", help="check every frame, segment, chain and signature")
    verify.add_argument("path", type=Path, metavar="PATH", help=PLACE)
    verify.add_argument(
        "--key", action="append", default=[], metavar="ID", help="only this key may have signed"
    )
    verify.add_argument("--json", action="store_true", help="print what was found as JSON")
    show = kinds.add_parser("show", help="print events for people, one a line")
    show.add_argument("path", type=Path, metavar="PATH", help=PLACE)
    export = kinds.add_parser("export", help="write events as a parquet file")
    export.add_argument("path", type=Path, metavar="PATH", help=PLACE)
    export.add_argument("out", type=Path, metavar="FILE", help="the parquet file")
    for kind in (show, export):
        kind.add_argument(
            "--kind", action="append", default=[], help="of this kind alone: ExecutionReport, Output"
        )
        kind.add_argument(
            "--holding", action="append", default=[], metavar="TEXT", help="with it: an order, P1, GOOG"
        )
        kind.add_argument("--since", metavar="HH:MM[:SS]", help="market time, UTC")
        kind.add_argument("--until", metavar="HH:MM[:SS]", help="market time, UTC")
        kind.add_argument("--first", type=whole(1, FRAMES_MAX), metavar="N", help="from frame N on")
    show.add_argument("--last", type=whole(1, 1_000_000), metavar="N", help="the last N of them")
    show.add_argument("--json", action="store_true", help="print JSON lines")
    return p


def main(argv: list[str]) -> int:
    """Parse, then load what reads journals."""
    args = parser().parse_args(argv)
    from daemon.people import journal_command

    return journal_command.main(args)
