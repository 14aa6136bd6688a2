"""The command line of `steadyhand eod`: read first, so that help and a mistake are answered at once."""

from pathlib import Path

from daemon.options import Parser, day


def parser() -> Parser:
    """Return the command line."""
    p = Parser(
        prog="steadyhand eod",
        description="End of day: nothing open, positions as the broker has them, the journal sealed.",
    )
    p.add_argument("--config", type=Path, required=True, help="configuration (TOML) of the gate")
    p.add_argument("--day", type=day, required=True, help="trading day, YYYY-MM-DD")
    p.add_argument("--key", type=Path, help="your private key (PEM); paper takes its own")
    p.add_argument("--json", action="store_true", help="print JSON")
    return p


def main(argv: list[str]) -> int:
    """Parse, then load what ends a day."""
    args = parser().parse_args(argv)
    from daemon.people import eod_command

    return eod_command.main(args)
