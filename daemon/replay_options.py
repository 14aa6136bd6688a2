"""The command line of `steadyhand replay`: read first, so that help and a mistake are answered at once."""

from pathlib import Path

from daemon.options import Parser


def parser() -> Parser:
    """Return the command line."""
    p = Parser(
        prog="steadyhand replay",
        description="Step both journals again and compare decisions, observations and state.",
    )
    p.add_argument("path", type=Path, metavar="RUN|JOURNAL_DIR", help="a run's folder, or one with journals")
    p.add_argument("--json", action="store_true", help="print the verdict as JSON")
    return p


def main(argv: list[str]) -> int:
    """Parse, then load what replays and run it."""
    args = parser().parse_args(argv)
    from daemon import replay

    return replay.main(args)
