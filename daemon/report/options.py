"""The command line of `steadyhand report`: read first, so that help and a mistake are answered at once."""

from pathlib import Path

from daemon.options import Parser


def parser() -> Parser:
    """Return the command line."""
    p = Parser(
        prog="steadyhand report",
        description="Write what a run did, from its folder alone: report.json and a page to read.",
    )
    p.add_argument("run", type=Path, metavar="RUN", help="the folder of a run")
    p.add_argument("--json", action="store_true", help="print report.json")
    return p


def main(argv: list[str]) -> int:
    """Parse, then load what reports and run it."""
    args = parser().parse_args(argv)
    from daemon.report import main as report

    return report.main(args)
