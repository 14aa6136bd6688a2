"""The command line of `steadyhand generate`: read first, so that help and a mistake are answered at once."""

import argparse
import re
from pathlib import Path
from typing import Final

from daemon.options import SEED_MAX, Parser, day, price_e4, whole
from research.ingest.source import LEVELS_MAX, ROWS_MAX

OPEN_S: Final = 34_200  # 09:30
DAY_END_S: Final = 57_600  # 16:00
CENT_E4: Final = 100
ORDERS_MAX: Final = 100_000  # that stand at once: a day of that many takes minutes to make
SYMBOL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,7}")  # what ITCH's eight letters hold


def parser() -> Parser:
    """Return the command line."""
    p = Parser(
        prog="steadyhand generate",
        description="Make a seeded day in LOBSTER's format, for those who have no recording, and for tests.",
    )
    p.add_argument("format", choices=["lobster"])
    p.add_argument("--out", type=Path, required=True, metavar="FILE.zip")
    p.add_argument("--seed", type=whole(0, SEED_MAX), required=True)
    p.add_argument("--symbol", type=symbol)
    p.add_argument("--day", type=day, help="YYYY-MM-DD")
    p.add_argument("--minutes", type=whole(1, (DAY_END_S - OPEN_S) // 60))
    p.add_argument("--levels", type=whole(1, LEVELS_MAX))
    p.add_argument("--events", type=whole(1, ROWS_MAX // 10), help="about how many messages")
    p.add_argument("--price", dest="price_e4", type=cents_e4, help="in dollars, where the day begins")
    p.add_argument("--orders", type=whole(10, ORDERS_MAX), help="about how many stand in the book")
    p.add_argument("--halt", action="store_true", help="with a halt and a cross in the middle")
    p.add_argument("--force", action="store_true", help="overwrite FILE.zip")
    return p


def symbol(text: str) -> str:
    """Read a symbol."""
    if SYMBOL.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(f"{text!r}: give up to 8 letters and digits, dots and dashes inside")
    return text


def cents_e4(text: str) -> int:
    """Read a price in dollars and whole cents."""
    value = price_e4(text)
    if value % CENT_E4:
        raise argparse.ArgumentTypeError(f"{text!r}: give dollars and whole cents, such as 180.50")
    return value


def main(argv: list[str]) -> int:
    """Parse, then load what generates and run it."""
    options = parser().parse_args(argv)
    from research.ingest import generate

    return generate.main(options)
