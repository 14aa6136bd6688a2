"""The command line of `steadyhand trader`: read first, so that help and a mistake are answered at once."""

from pathlib import Path

from daemon.options import Parser


def parser() -> Parser:
    """Return the command line."""
    p = Parser(prog="steadyhand trader", description="Work parent orders that a gate holds.")
    p.add_argument("--config", type=Path, required=True, help="configuration file (TOML)")
    return p


def main(argv: list[str]) -> int:
    """Parse, then load the trader and run it."""
    args = parser().parse_args(argv)
    from daemon.trader import main as trader

    return trader.main(args)
