"""The command line of `steadyhand limits`: read first, so that help and a mistake are answered at once."""

from pathlib import Path

from daemon.options import Parser


def parser() -> Parser:
    """Return the command line."""
    p = Parser(
        prog="steadyhand limits", description="Look at the gate's limits, compare, change, explain them."
    )
    kinds = p.add_subparsers(dest="what", required=True, metavar="show|diff|apply|except|explain")
    show = kinds.add_parser("show", help="what holds now: the gate's own, or the file where none runs")
    show.add_argument("key", nargs="?", default="", help="table, table.name, or a control (R10); none: all")
    diff = kinds.add_parser("diff", help="what a file would change, and which way")
    diff.add_argument("file", type=Path)
    apply = kinds.add_parser("apply", help="tighten at once; loosening waits for a second person")
    what = apply.add_mutually_exclusive_group(required=True)
    what.add_argument("file", type=Path, nargs="?", help="a limits file with a higher version")
    what.add_argument("--confirm", metavar="DIGEST", help="second person, 10 s later: what the first saw")
    apply.add_argument("--reason", default="", help="why, 8 characters at least")
    apply.add_argument(
        "--next-day", action="store_true", help="what loosens holds once another person begins the next day"
    )
    exempt = kinds.add_parser("except", help="let one order of a parent pass a soft control (R07's model)")
    what = exempt.add_mutually_exclusive_group(required=True)
    what.add_argument("parent", nargs="?", help="id of the parent")
    what.add_argument("--confirm", metavar="DIGEST", help="second person, 10 s later: what the first saw")
    exempt.add_argument("--control", default="R07", help="a soft control (default %(default)s)")
    exempt.add_argument("--qty", type=int, default=0, help="largest quantity of that order")
    for kind in (apply, exempt):
        kind.add_argument("--key", type=Path, help="your private key (PEM); paper takes its own")
    exempt.add_argument("--reason", default="", help="why, 8 characters at least")
    explain = kinds.add_parser(
        "explain", help="what a limit is for: unit, range, control, which way is tighter"
    )
    explain.add_argument(
        "key", nargs="?", default="", help="table, table.name, or a control (R10); none: all"
    )
    explain.add_argument("--config", type=Path, help="not needed: what a limit is for is the same everywhere")
    for kind in (show, diff, apply, exempt):
        kind.add_argument("--config", type=Path, required=True, help="configuration (TOML) of the gate")
    for kind in (show, diff, apply, exempt, explain):
        kind.add_argument("--json", action="store_true", help="print JSON")
    return p


def main(argv: list[str]) -> int:
    """Parse, then load what knows limits."""
    args = parser().parse_args(argv)
    from daemon.people import limits_command

    return limits_command.main(args)
