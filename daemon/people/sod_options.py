"""The command line of `steadyhand sod`: read first, so that help and a mistake are answered at once."""

from pathlib import Path

from daemon.options import Parser, day


def parser() -> Parser:
    """Return the command line."""
    p = Parser(
        prog="steadyhand sod",
        description="Start of day: check the day's dated files, write their manifest, and begin the day.",
    )
    p.add_argument("--config", type=Path, required=True, help="configuration (TOML) of the gate")
    p.add_argument("--day", type=day, required=True, help="trading day, YYYY-MM-DD")
    p.add_argument("--check", action="store_true", help="check the files, begin nothing")
    p.add_argument("--synthetic", action="store_true", help="paper: make the files first, and mark them so")
    p.add_argument("--key", type=Path, help="your private key (PEM); paper takes its own")
    p.add_argument("--json", action="store_true", help="print JSON")
    return p


def main(argv: list[str]) -> int:
    """Parse, then load what prepares a day."""
    args = parser().parse_args(argv)
    from daemon.people import sod_command

    return sod_command.main(args)
