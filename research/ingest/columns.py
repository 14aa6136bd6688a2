"""Columns of whole numbers out of parquet files, checked row by row, and the unit in which sizes are told."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from market.instruments import Instrument
from research.ingest.source import PRICE_E4_MAX, ROWS_MAX, SIZE_MAX, SourceError

NOTHING = np.int64(-1)  # stands for null: no id, size or price is negative
SOURCE_UNIT = Decimal("1e-8")  # of crypto sizes
WIDE = "size {size} needs more than 32 bits"

Columns = dict[str, NDArray[np.int64]]
Check = tuple[NDArray[np.bool_], str, str]


def source_units(instrument: Instrument) -> int:
    """Return how many of the source's units make one size unit of the instrument."""
    where = f"instrument {instrument.symbol}"
    try:
        size_unit = Decimal(instrument.size_unit)
    except InvalidOperation as error:
        raise SourceError(
            where, None, f"size_unit {instrument.size_unit!r}", 'give a decimal like "0.00001"'
        ) from error
    if size_unit == 1:
        return 1
    units = size_unit / SOURCE_UNIT
    if not 1 <= units < 10**8 or units != units.to_integral_value():
        raise SourceError(
            where, None, f"size_unit {instrument.size_unit}", "give 1, or a multiple of 0.00000001 below it"
        )
    return int(units)


def read_columns(path: Path, names: Sequence[str]) -> Columns:
    """Read whole-number columns; null becomes -1."""
    try:
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows > ROWS_MAX:
                raise SourceError(str(path), None, f"more than {ROWS_MAX} rows", "split it by time")
            missing = [name for name in names if name not in file.schema_arrow.names]
            if missing:
                raise SourceError(
                    str(path), None, f"no column {missing[0]!r}", f"needed are {', '.join(names)}"
                )
            table = file.read(columns=list(names), use_threads=False)
    except FileNotFoundError as error:
        raise SourceError(str(path), None, "no such file", "give the path of a parquet file") from error
    except (pa.ArrowException, OSError) as error:
        what = " ".join(str(error).split())[:160]
        raise SourceError(
            str(path), None, f"cannot be read as parquet ({what})", "fetch the file again"
        ) from error
    columns = {}
    for name in names:
        if not pa.types.is_integer(table[name].type):
            what = f"column {name!r} holds {table[name].type}"
            raise SourceError(str(path), 1, what, "whole numbers are expected")
        try:
            columns[name] = pc.fill_null(table[name].cast(pa.int64()), int(NOTHING)).to_numpy()
        except pa.ArrowInvalid as error:
            raise SourceError(
                str(path), None, f"column {name!r} does not fit 64 bits", "scale it down"
            ) from error
    return columns


def order_checks(columns: Columns, of: NDArray[np.bool_], unit: int) -> list[Check]:
    """Return what an order that joins the book must be."""
    size, price = columns["size"], columns["price"]
    return [
        (of & (size <= 0), "size {size}", "sizes are positive"),
        (of & (size // unit > SIZE_MAX), WIDE, "give the instrument file a larger size_unit"),
        (of & ((price <= 0) | (price > PRICE_E4_MAX)), "price {price}", "prices are in 1e-4 of the currency"),
        (of & (np.abs(columns["dir"]) != 1), "dir {dir}", "give 1 for a buy and -1 for a sell order"),
        (of & (columns["order_id"] < 0), "no order_id", "every order needs one"),
    ]


def refuse_first(
    where: str, columns: Columns, checks: Sequence[Check], rows: NDArray[np.int64] | None = None
) -> None:
    """Refuse the first row that fails a check; `rows` are the source's own row numbers."""
    found = [(int(np.argmax(bad)), what, mend) for bad, what, mend in checks if bad.any()]
    if found:
        row, what, mend = min(found)
        values = {name: int(column[row]) for name, column in columns.items()}
        raise SourceError(where, row + 1 if rows is None else int(rows[row]), what.format(**values), mend)
