"""Reads a LOBSTER zip (messages and an L-level book) into a tick store, and proves the replay row by row.

Refuses what it cannot read exactly, naming file and row; what can be read but does not fit together
is counted in the quality report.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from market.book_events import Kind
from market.instruments import US_TICKS, Instrument, to_ns
from market.tape import Source, TapeWriter, sha256
from market.types import Symbol
from research.ingest import window as win
from research.ingest.csv_kernel import parse
from research.ingest.progress import progress
from research.ingest.rebuild import Rebuild
from research.ingest.source import (
    DAY_NS,
    LEVELS_MAX,
    ORDER_ID_MAX,
    PRICE_E4_MAX,
    ROWS_MAX,
    SIZE_MAX,
    WIRE_PRICE_E4_MAX,
    SourceError,
)

NAME = re.compile(
    r"(?P<stem>(?P<symbol>[A-Za-z0-9.\-+=]+)_(?P<day>\d{4}-\d\d-\d\d)_\d+_\d+_)?(?P<what>message|orderbook)_(?P<levels>\d{1,3})\.csv",
    re.IGNORECASE,
)
MESSAGE_COLUMNS = 6
MEMBER_BYTES_MAX = 32 << 30  # a 200-level book of the busiest day; it is read in chunks, never whole
CHUNK_BYTES = 8 << 20  # read at once: some 100,000 rows
AGAIN = "fetch the file again"
TYPE, ORDER, SIZE, PRICE, DIRECTION = 1, 2, 3, 4, 5
HALT_CODES = {-1: ord("H"), 0: ord("Q"), 1: ord("T")}


@dataclass(frozen=True)
class Pair:
    """The two files of a zip and what their names say."""

    archive: zipfile.ZipFile
    message: zipfile.ZipInfo
    book: zipfile.ZipInfo
    symbol: str
    day: date
    levels: int

    def where(self, member: zipfile.ZipInfo) -> str:
        """Return how a member is named in an error line."""
        return f"{Path(self.archive.filename or '').name}/{member.filename}"


@dataclass
class Messages:
    """The message file as columns, checked."""

    table: NDArray[np.int64]
    truncated: int
    renumbered: bool
    rows: win.Rows
    ids: NDArray[np.int64]


def ingest(
    path: Path,
    out: Path,
    *,
    symbol: str | None = None,
    day: date | None = None,
    instrument: Instrument | None = None,
    zone: str = "America/New_York",
    force: bool = False,
) -> dict[str, Any]:
    """Read the zip, write the store, return the quality report.

    Raises:
        SourceError: one line with file and row.
        TapeError: where the store cannot be written.
    """
    with TapeWriter(out, force=force) as writer, _archive(path) as archive:
        pair = find_pair(archive, symbol, day)
        traded = instrument or Instrument(symbol=Symbol(pair.symbol), zone=zone, ticks=US_TICKS)
        messages = read_messages(pair, midnight_ns(pair.day, traded.zone))
        rebuild = replay(pair, messages, writer)
        quality = report(pair, messages, rebuild)
        writer.commit(
            instrument=traded,
            symbol=traded.symbol,
            day=pair.day,
            levels=pair.levels,
            source=Source(format="lobster", name=path.name, sha256=sha256(path), rows=len(messages.table)),
            standing=rebuild.standing,
            quality=quality,
        )
    return quality


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise SourceError(
            str(path), None, "there is no such file", "give the path of a LOBSTER zip"
        ) from error
    except (zipfile.BadZipFile, OSError) as error:
        raise SourceError(str(path), None, f"cannot be read as a zip ({error})", AGAIN) from error


def find_pair(archive: zipfile.ZipFile, symbol: str | None, day: date | None) -> Pair:
    """Find the message and the book file and read symbol, day and levels from their names."""
    label = str(archive.filename)
    found: dict[str, list[tuple[zipfile.ZipInfo, re.Match[str]]]] = {"message": [], "orderbook": []}
    for member in archive.infolist():
        match = NAME.fullmatch(Path(member.filename).name)
        if match and not member.is_dir():
            found[match["what"].lower()].append((member, match))
    for what, members in found.items():
        if len(members) != 1:
            count = "no" if not members else f"{len(members)}"
            wanted = f"SYMBOL_YYYY-MM-DD_START_END_{what}_LEVELS.csv"
            raise SourceError(label, None, f"holds {count} {what} file", f"one file {wanted} is expected")
    (message, named), (book, book_named) = found["message"][0], found["orderbook"][0]
    if named["levels"] != book_named["levels"] or named["stem"] != book_named["stem"]:
        raise SourceError(
            label, None, f"{message.filename} and {book.filename} do not belong together", "zip one pair"
        )
    levels = int(named["levels"])
    if not 1 <= levels <= LEVELS_MAX:
        raise SourceError(label, None, f"{levels} levels in the file name", f"1 to {LEVELS_MAX} can be read")
    name = symbol or named["symbol"]
    if not name or not (day or named["day"]):
        raise SourceError(label, None, "symbol and day are not in the file names", "give --symbol and --day")
    for member in (message, book):
        if member.file_size > MEMBER_BYTES_MAX:
            raise SourceError(
                f"{label}/{member.filename}", None, f"unpacks to {member.file_size} bytes", "split it by time"
            )
    try:
        on = day or date.fromisoformat(named["day"])
    except ValueError as error:
        raise SourceError(label, None, f"{named['day']} is not a day", "give --day YYYY-MM-DD") from error
    return Pair(archive, message, book, name, on, levels)


def midnight_ns(day: date, zone: str) -> int:
    """Return UTC ns of a day's midnight in a zone."""
    try:
        return to_ns(datetime.combine(day, time(), tzinfo=ZoneInfo(zone)))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SourceError(
            "--zone", None, f"{zone!r} is no time zone", "give one like America/New_York"
        ) from error


def tables(
    pair: Pair, member: zipfile.ZipInfo, columns: int, *, has_time: bool
) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Yield a member's rows, chunk by chunk, with the count of truncated times."""
    where = pair.where(member)
    rest = b""
    rows = 0
    try:
        with pair.archive.open(member) as file:
            while True:
                chunk = file.read(CHUNK_BYTES)
                parsed = parse(rest + chunk, columns, where, rows + 1, has_time=has_time, final=not chunk)
                rest = (rest + chunk)[parsed.used :]
                rows += len(parsed.rows)
                if rows > ROWS_MAX:
                    raise SourceError(where, rows, f"more than {ROWS_MAX} rows", "split the file by time")
                yield parsed.rows, parsed.truncated
                if not chunk:
                    return
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise SourceError(where, rows + 1, f"the zip is damaged here ({error})", AGAIN) from error


def read_messages(pair: Pair, midnight: int) -> Messages:
    """Read and check the message file."""
    parts: list[NDArray[np.int64]] = []
    truncated = 0
    for rows, cut in tables(pair, pair.message, MESSAGE_COLUMNS, has_time=True):
        parts.append(rows)
        truncated += cut
    table = np.concatenate(parts)
    check_messages(table, pair.where(pair.message))
    kind = table[:, TYPE].copy()
    code = np.zeros(len(table), np.int64)
    price = table[:, PRICE].copy()
    for value, letter in HALT_CODES.items():
        code[(kind == Kind.HALT) & (price == value)] = letter
    price[kind == Kind.HALT] = 0
    code[kind == Kind.CROSS] = ord("O")
    code[(kind == Kind.CROSS) & (table[:, 0] >= DAY_NS // 2)] = ord("C")
    ids, dense = np.unique(table[:, ORDER], return_inverse=True)
    named = table[:, ORDER][(kind >= Kind.ADD) & (kind <= Kind.EXECUTE)]
    renumbered = bool(len(named)) and bool(named.min() < 1 or named.max() >= ORDER_ID_MAX)
    if renumbered:
        ids = np.arange(1, len(ids) + 1)
    rows_ = win.Rows(
        midnight + table[:, 0],
        kind,
        dense.astype(np.int64),
        table[:, SIZE].copy(),
        price,
        table[:, DIRECTION].copy(),
        code,
    )
    return Messages(table, truncated, renumbered, rows_, ids.astype(np.int64))


def check_messages(table: NDArray[np.int64], where: str) -> None:
    """Refuse the first message that cannot be."""
    if not len(table):
        raise SourceError(where, 1, "there are no messages", "give a file that holds some")
    kind, size, price, direction = table[:, TYPE], table[:, SIZE], table[:, PRICE], table[:, DIRECTION]
    halt = kind == Kind.HALT
    checks = (
        ((kind < 1) | (kind > 7), "unknown type {type}", "LOBSTER's types are 1 to 7"),
        (table[:, 0] >= DAY_NS, "the time is beyond the day", "times are seconds after midnight"),
        (table[:, 0] < 0, "the time is negative", "times are seconds after midnight"),
        (np.diff(table[:, 0], prepend=0) < 0, "the time goes back", "sort the file or fetch it again"),
        (size > SIZE_MAX, "size {size} needs more than 32 bits", "split the order or use a larger size unit"),
        ((size < 0) | ((size == 0) & (kind <= 5)), "size {size}", "sizes are positive"),
        (
            (kind <= 5) & (np.abs(direction) != 1),
            "direction {direction}",
            "1 is a buy, -1 a sell order",
        ),
        (
            (kind <= 5) & ((price <= 0) | (price > PRICE_E4_MAX)),
            "price {price}",
            "prices are in 1e-4 dollars",
        ),
        (halt & (np.abs(price) > 1), "trading state {price}", "a halt's price is -1, 0 or 1"),
    )
    worst: tuple[int, str, str] | None = None
    for bad, what, mend in checks:
        at = int(np.argmax(bad))
        if bad[at] and (worst is None or at < worst[0]):
            row = table[at]
            worst = (
                at,
                what.format(type=row[TYPE], size=row[SIZE], direction=row[DIRECTION], price=row[PRICE]),
                mend,
            )
    if worst is not None:
        raise SourceError(where, worst[0] + 1, worst[1], worst[2])


def replay(pair: Pair, messages: Messages, writer: TapeWriter) -> Rebuild:
    """Play the messages against the book file and write the events."""
    total = len(messages.table)
    where = pair.where(pair.book)
    rebuild = Rebuild(messages.rows, messages.ids, pair.levels, writer.append)
    with progress(f"replaying {pair.symbol}", total) as tell:
        for book, _ in tables(pair, pair.book, 4 * pair.levels, has_time=False):
            if rebuild.done + len(book) > total:
                what = f"a row without a message ({total} messages)"
                raise SourceError(where, total + 1, what, "fetch both files again")
            if len(book) and (why := rebuild.play(book)):
                raise SourceError(where, rebuild.done + 1, why, AGAIN)
            tell(rebuild.done)
    if rebuild.done < total:
        what = f"the book ends here, the messages go on to row {total}"
        raise SourceError(where, rebuild.done + 1, what, "fetch both files again")
    return rebuild


def report(pair: Pair, messages: Messages, rebuild: Rebuild) -> dict[str, Any]:
    """Return what the tape is worth."""
    table = messages.table
    kind, size = table[:, TYPE], table[:, SIZE]
    visible, hidden = int(size[kind == Kind.EXECUTE].sum()), int(size[kind == Kind.HIDDEN].sum())
    rows = len(table)
    notes = []
    if messages.truncated:
        notes.append(f"{messages.truncated} times with more than 9 decimals were cut to the nanosecond")
    if dear := int(((kind <= Kind.HIDDEN) & (table[:, PRICE] > WIRE_PRICE_E4_MAX)).sum()):
        notes.append(f"{dear} messages are at prices above 429,496.7295, where those of ITCH 5.0 end")
    if messages.renumbered:
        notes.append("order ids did not fit 39 bits or were not positive and were numbered anew")
    count = rebuild.count
    if count(win.ROW_BREAKS):
        notes.append(
            f"first row that did not replay: {count(win.FIRST_BREAK)}; the window was mended from the book"
        )
    return {
        "rows": rows,
        "levels": pair.levels,
        "events": rebuild.events,
        "time_ordered": True,  # anything else was refused
        "first_time": clock_of(int(table[0, 0])),
        "last_time": clock_of(int(table[-1, 0])),
        "types": {str(code): int((kind == code).sum()) for code in range(1, 8)},
        "crossed_books": count(win.CROSSED),
        "empty_books": count(win.EMPTY),
        "executed_shares": visible + hidden,
        "hidden_share": hidden / (visible + hidden) if visible + hidden else None,
        "replay_rows_matched": 1 - count(win.ROW_BREAKS) / rows,
        "replay_levels_matched": count(win.LEVEL_HITS) / (2 * pair.levels * rows),
        "mismatched_rows": count(win.ROW_BREAKS),
        "mismatched_levels": 2 * pair.levels * rows - count(win.LEVEL_HITS),
        "unreconciled_events": count(win.EVENT_BREAKS),
        "repairs": count(win.REPAIRS),
        "reveals": count(win.REVEALS),
        "conceals": count(win.CONCEALS),
        "anonymous_references": count(win.MAPPED),
        "off_fifo": count(win.OFF_FIFO),
        "truncated_times": messages.truncated,
        "notes": notes,
    }


def clock_of(ns: int) -> str:
    """Return HH:MM:SS.nnnnnnnnn of nanoseconds after midnight."""
    seconds = ns // 1_000_000_000
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{ns % 1_000_000_000:09d}"
