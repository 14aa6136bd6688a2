"""The command line of `steadyhand guard`: read first, so that help and a mistake are answered at once."""

from pathlib import Path

from daemon.options import Parser


def parser() -> Parser:
    """Return the command line."""
    p = Parser(
        prog="steadyhand guard",
        description="Watch a gate from outside: where its loop is stuck, kill it and cancel its orders.",
    )
    p.add_argument("--config", type=Path, required=True, help="configuration (TOML) of the gate")
    return p


def main(argv: list[str]) -> int:
    """Parse, then load the guard and run it."""
    args = parser().parse_args(argv)
    from daemon.guard import main as guard

    return guard.main(args)
