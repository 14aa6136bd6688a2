"""The command line of `steadyhand gate`: read first, so that help and a mistake are answered at once."""

from pathlib import Path

from daemon.options import Parser


def parser() -> Parser:
    """Return the command line."""
    p = Parser(prog="steadyhand gate", description="Run the gate.")
    p.add_argument("--config", type=Path, required=True, help="configuration (TOML)")
    return p


def main(argv: list[str]) -> int:
    """Parse, then load the gate and run it."""
    args = parser().parse_args(argv)
    from daemon.gate import main as gate

    return gate.main(args)
