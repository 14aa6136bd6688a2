"""The command line of `steadyhand check`: read first, so that help and a mistake are answered at once."""

from pathlib import Path

from daemon.options import Parser


def parser() -> Parser:
    """Return the command line."""
    p = Parser(
        prog="steadyhand check",
        description="Say everything that a start would refuse, before the start, each with its place.",
    )
    p.add_argument("--config", type=Path, required=True, metavar="FILE", help="configuration (TOML)")
    p.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return p


def main(argv: list[str]) -> int:
    """Parse, then load what checks and run it."""
    args = parser().parse_args(argv)
    from daemon import check

    return check.main(args)
