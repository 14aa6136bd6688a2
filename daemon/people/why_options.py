"""The command line of `steadyhand why`: read first, so that help and a mistake are answered at once."""

from pathlib import Path

from daemon.options import Parser


def parser() -> Parser:
    """Return the command line."""
    p = Parser(
        prog="steadyhand why", description="Say what keeps a parent, a symbol or the desk from trading."
    )
    p.add_argument("what", nargs="?", default="", help="a parent's id, or a symbol; none: the desk")
    p.add_argument("--config", type=Path, required=True, help="configuration (TOML) of the gate")
    p.add_argument(
        "--at",
        metavar="TIME",
        help="then: [YYYY-MM-DDT]HH:MM:SS of the exchange's zone, or end; from the journal, read alone",
    )
    p.add_argument("--json", action="store_true", help="print JSON")
    return p


def main(argv: list[str]) -> int:
    """Parse, then load what answers."""
    args = parser().parse_args(argv)
    from daemon.people import why_command

    return why_command.main(args)
