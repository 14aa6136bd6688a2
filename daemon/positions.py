"""Start-of-day positions: a CSV file `account,symbol,qty`, read strictly."""

import csv
import re
from pathlib import Path
from typing import Final

from daemon.strict_toml import ConfigError
from market.types import Symbol

HEADER: Final = ["account", "symbol", "qty"]
ROWS_MAX: Final = 10_000  # accounts times symbols of a desk
INTEGER: Final = re.compile(r"-?[0-9]{1,12}")


def read(path: Path, symbols: set[str]) -> tuple[tuple[str, Symbol, int], ...]:
    """Return (account, symbol, quantity) of every row.

    Raises:
        ConfigError: file:line and what is wrong.

    """
    try:
        with path.open(newline="", encoding="ascii") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    if not rows or rows[0] != HEADER:
        raise ConfigError(f"{path}:1: the first line is {','.join(HEADER)}")
    if len(rows) > ROWS_MAX:
        raise ConfigError(f"{path}: more than {ROWS_MAX} rows")
    found: dict[tuple[str, str], int] = {}
    for number, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        if len(row) != len(HEADER):
            raise ConfigError(f"{path}:{number}: {len(row)} columns instead of {len(HEADER)}")
        account, symbol, qty = (cell.strip() for cell in row)
        if not account or not INTEGER.fullmatch(qty):
            raise ConfigError(f"{path}:{number}: account and a whole quantity are needed, got {row}")
        if symbol not in symbols:
            raise ConfigError(f"{path}:{number}: {symbol} is not a configured instrument")
        if (account, symbol) in found:
            raise ConfigError(f"{path}:{number}: {account} {symbol} comes twice")
        found[(account, symbol)] = int(qty)
    return tuple((account, Symbol(symbol), qty) for (account, symbol), qty in found.items())
