"""A basket of parent orders in a file: CSV with a header, or JSON lines; strict, each mistake with its place.

    rows = read(text, "orders.csv", instruments, ...)     # BasketError: all mistakes, file:line:column each

    side,qty,symbol,window,limit,pov                       {"side": "BUY", "qty": 2000, "symbol": "GOOG",
    BUY,2000,GOOG,10:05-10:25,565.00,10%                    "window": "10:05-10:25", "limit": "565.00"}

The columns are those of `steadyhand submit`: side, qty, symbol, window, and its options. An empty cell is an
option that is not given. Nothing is guessed, and a line that is not understood refuses the file.
"""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import msgspec

from daemon import parent_text
from daemon.parent_text import OPTIONS, ParentTextError
from market.instruments import Instrument
from market.parents import ParentOrder
from market.people_events import BASKET_MAX
from market.types import ParentID

FILE_BYTES_MAX: Final = 262_144  # a line has 100 characters
FAULTS_MAX: Final = 50  # of one file; whoever has more has another file in hand
CELL_MAX: Final = 200  # characters of one value
NEEDED: Final = ("side", "qty", "symbol", "window")
COLUMNS: Final = (*NEEDED, *OPTIONS)

Cell = tuple[int, str]  # column, text


class BasketError(Exception):
    """Every mistake of a file, a line each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(faults[0])
        self.faults = faults


class Row(msgspec.Struct, frozen=True):
    """One parent of the file."""

    line: int
    parent: ParentOrder
    window: str


class Place(msgspec.Struct, frozen=True):
    """What a basket is read against."""

    instruments: dict[Any, Instrument]
    account: str
    now_ns: int  # market time; 0 = not known
    day: Callable[[Instrument], dt.date]


def read(text: str, name: str, place: Place) -> list[Row]:
    """Return the parents of a file.

    Raises:
        BasketError: every mistake, as file:line:column: what.

    """
    faults: list[str] = []

    def fault(line: int, column: int, what: str) -> None:
        if len(faults) < FAULTS_MAX:
            faults.append(f"{name}:{line}:{column}: {what}")

    if len(text) > FILE_BYTES_MAX:
        raise BasketError([f"{name}:1:1: {len(text)} characters; {FILE_BYTES_MAX} are allowed"])
    is_json = text.lstrip().startswith("{")
    rows = []
    for line, cells in (json_lines if is_json else csv_lines)(text, fault):
        row = row_of(line, cells, place, fault)
        if row is not None:
            rows.append(row)
    ids: dict[str, int] = {}
    for row in rows:
        parent_id = row.parent.parent_id
        if parent_id and ids.setdefault(parent_id, row.line) != row.line:
            fault(row.line, 1, f"id {parent_id} is that of line {ids[parent_id]}")
    if not faults and not 0 < len(rows) <= BASKET_MAX:
        fault(1, 1, f"{len(rows)} parents; 1 to {BASKET_MAX} are allowed")
    if faults:
        raise BasketError(faults)
    return rows


Fault = Callable[[int, int, str], None]


def row_of(line: int, cells: dict[str, Cell], place: Place, fault: Fault) -> Row | None:
    """Return the parent of a line; None where it has mistakes, each told."""
    before: list[int] = []

    def tell(column: int, what: str) -> None:
        before.append(column)
        fault(line, column, what)

    def value(name: str, reader: Callable[[str], Any]) -> Any:
        column, text = cells.get(name, (1, ""))
        if not text:
            tell(column, f"{name} is missing")
            return None
        try:
            return reader(text)
        except ParentTextError as error:
            tell(column, str(error))
            return None

    side = value("side", parent_text.side_of)
    qty = value("qty", lambda t: parent_text.quantity(t, "quantity"))
    instrument = value("symbol", lambda t: parent_text.instrument_of(t, place.instruments))
    window = None
    if instrument is not None:
        day = place.day(instrument)
        window = value("window", lambda t: parent_text.window_of(t, instrument, day, place.now_ns))
    options: dict[str, Any] = {}
    for name in OPTIONS:
        if cells.get(name, (0, ""))[1]:
            options |= value(name, partial(parent_text.option, name)) or {}
    if before or window is None or instrument is None:
        return None
    fields: dict[str, Any] = {"parent_id": ParentID(""), "account": place.account} | options
    order = ParentOrder(
        side=side,
        qty=qty,
        symbol=instrument.symbol,
        mic=instrument.mic,
        start_ns=window[0],
        end_ns=window[1],
        **fields,
    )
    return Row(line, order, cells["window"][1])


# --- lines ----------------------------------------------------------------------------------------


def csv_lines(text: str, fault: Fault) -> Iterator[tuple[int, dict[str, Cell]]]:
    """Yield (line, cells by column name) of a CSV; blank lines and lines that begin with # are skipped."""
    header: list[str] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        cells = cells_of(line, number, fault)
        if cells is None:
            if not header:
                return
            continue
        if not header:
            header = [cell.lower() for _, cell in cells]
            known = [check_column(number, column, name, header, fault) for column, name in cells]
            for lacking in [name for name in NEEDED if name not in header]:
                fault(number, 1, f"there is no column {lacking}")
                known.append(False)
            if not all(known):
                return
        elif len(cells) != len(header):
            fault(number, cells[-1][0], f"{len(cells)} values under {len(header)} columns")
        else:
            yield number, dict(zip(header, cells, strict=True))


def check_column(number: int, column: int, name: str, header: list[str], fault: Fault) -> bool:
    """Return whether a name of the header is a column, once."""
    if name.lower() not in COLUMNS:
        fault(number, column, f"no column {name[:30]!r}; there is {' '.join(COLUMNS)}")
        return False
    if header.count(name.lower()) > 1:
        fault(number, column, f"column {name} comes twice")
        return False
    return True


def cells_of(line: str, number: int, fault: Fault) -> list[Cell] | None:
    """Return (column, text) of each value of a line; "..." may hold commas, and "" in it is one quote."""
    cells: list[Cell] = []
    at = 0
    while True:
        start = at
        if line.startswith('"', at):
            end = at + 1
            while (end := line.find('"', end)) >= 0 and line.startswith('""', end):
                end += 2
            if end < 0:
                fault(number, start + 1, "a quote without its end")
                return None
            value, at = line[start + 1 : end].replace('""', '"'), end + 1
            if at < len(line) and line[at] != ",":
                fault(number, at + 1, "a comma is wanted after a quoted value")
                return None
        else:
            end = line.find(",", at)
            value, at = (line[start:], len(line)) if end < 0 else (line[start:end], end)
        if len(value) > CELL_MAX or not (value.isprintable() or not value):
            fault(
                number,
                start + 1,
                f"a value that cannot be printed, or of more than {CELL_MAX} characters",
            )
            return None
        cells.append((start + 1 + len(value) - len(value.lstrip()), value.strip()))
        if at >= len(line):
            return cells
        at += 1


def json_lines(text: str, fault: Fault) -> Iterator[tuple[int, dict[str, Cell]]]:
    """Yield (line, cells by name) of JSON lines."""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not line.strip():
            continue
        pairs: list[tuple[str, Any]] = []

        def keep(found: list[tuple[str, Any]], pairs: list[tuple[str, Any]] = pairs) -> dict[str, Any]:
            pairs[:] = found
            return dict(found)

        try:
            tree = json.loads(line, object_pairs_hook=keep)
        except json.JSONDecodeError as error:
            fault(number, error.colno, f"not JSON: {error.msg}")
            continue
        except (RecursionError, ValueError) as error:
            fault(number, 1, f"not JSON: {error}")
            continue
        if not isinstance(tree, dict):
            fault(number, 1, "a line is one object: {...}")
            continue
        cells = json_cells(number, line, pairs, fault)
        if cells is not None:
            yield number, cells


def json_cells(number: int, line: str, pairs: list[tuple[str, Any]], fault: Fault) -> dict[str, Cell] | None:
    """Return the values of one object by name, None where one is no value."""
    cells: dict[str, Cell] = {}
    whole = True
    for name, value in pairs:
        column = max(0, line.find(json.dumps(name))) + 1
        what = ""
        if name not in COLUMNS:
            what = f"no field {name[:30]!r}; there is {' '.join(COLUMNS)}"
        elif name in cells:
            what = f"{name} comes twice"
        elif type(value) not in (str, int) or len(str(value)) > CELL_MAX:
            what = f"{name}: a text, or a whole number; prices and shares are texts, so that they are exact"
        if what:
            fault(number, column, what)
            whole = False
        cells[name] = (column, str(value))
    return cells if whole else None
