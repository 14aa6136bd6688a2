"""Reads order-by-order parquet messages (with an opening snapshot, if there is one) into a tick store.

The columns are those of LOBSTER's messages: ts_ns, type, order_id, size, price, dir. Sizes are shares,
or 1e-8 of the base unit for an instrument whose `size_unit` is below 1; they are told in whole size
units. A type 2 may say what is cut off or what is left: the reading that contradicts itself less is
taken, and the report says which.
"""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from market.book_events import MARKET_EVENT, Kind
from market.instruments import Instrument
from market.tape import Source, TapeWriter, sha256
from research.ingest import full_depth as full
from research.ingest.full_depth import Depth, Feed
from research.ingest.lobster import HALT_CODES
from research.ingest.progress import progress
from research.ingest.source import ORDER_ID_MAX, PRICE_E4_MAX, ROWS_MAX, SIZE_MAX, SourceError

MESSAGE_COLUMNS = ("ts_ns", "type", "order_id", "size", "price", "dir")
SNAPSHOT_COLUMNS = ("order_id", "dir", "price", "size")
EVENTS_ROOM = 1 << 17  # events written at a time, 8 MiB
CHUNK_ROWS = 1 << 16
NOTHING = np.int64(-1)  # stands for null: no id, size or price is negative
SOURCE_UNIT = Decimal("1e-8")  # of crypto sizes
PURGE_NS = 10_000_000_000  # a book that is crossed for 10 s holds an order whose delete was lost

WIDE = "size {size} needs more than 32 bits"

Columns = dict[str, NDArray[np.int64]]


class Recording(NamedTuple):
    """A recording that has been checked, ready to play."""

    snapshot: Columns
    messages: Columns
    standing: Feed
    feed: Feed
    ids: NDArray[np.int64]
    prices: NDArray[np.int64]
    known: NDArray[np.int64]  # the source's ids, sorted
    renumbered: bool


def ingest(
    path: Path,
    out: Path,
    instrument: Instrument,
    *,
    snapshot: Path | None = None,
    end_snapshot: Path | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Read the messages, write the store, return the quality report.

    Raises:
        SourceError: one line with file and row.
        TapeError: where the store cannot be written.
    """
    unit = source_units(instrument)
    with TapeWriter(out, force=force) as writer:
        recording = read(path, snapshot, unit)
        absolute, contradictions = reading_of_cuts(recording, unit)
        depth = empty_depth(recording)
        full.stand(depth, recording.standing, unit)
        standing = flush(depth, writer)
        total = len(recording.feed.kind)
        done = events = 0
        with progress(f"replaying {instrument.symbol}", total) as tell:
            while done < total:
                last = min(done + CHUNK_ROWS, total)
                done = int(full.play(depth, recording.feed, done, last, unit, absolute, PURGE_NS))
                events += flush(depth, writer)
                tell(done)
        quality = report(recording, depth, absolute, contradictions)
        quality["events"] = standing + events
        if end_snapshot is not None:
            quality |= compare_end(recording, depth, read_columns(end_snapshot, SNAPSHOT_COLUMNS))
        files = [path] if snapshot is None else [path, snapshot]
        writer.commit(
            instrument=instrument,
            symbol=instrument.symbol,
            day=instrument.day_of(int(recording.feed.ts_ns[0])),
            levels=0,
            source=Source(format="parquet", name=path.name, sha256=sha256(*files), rows=total),
            standing=standing,
            quality=quality,
        )
    return quality


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


def read(path: Path, snapshot_path: Path | None, unit: int) -> Recording:
    """Read and check messages and snapshot."""
    messages = read_columns(path, MESSAGE_COLUMNS)
    refuse_first(str(path), messages, message_checks(messages, unit))
    if not len(messages["type"]):
        raise SourceError(str(path), 1, "there are no messages", "give a file that holds some")
    snapshot: Columns = {name: np.zeros(0, np.int64) for name in SNAPSHOT_COLUMNS}
    if snapshot_path is not None:
        snapshot = read_columns(snapshot_path, SNAPSHOT_COLUMNS)
        refuse_first(
            str(snapshot_path), snapshot, order_checks(snapshot, np.ones(len(snapshot["dir"]), bool), unit)
        )
    known, dense = np.unique(
        np.concatenate([snapshot["order_id"], messages["order_id"]]), return_inverse=True
    )
    prices, level = np.unique(np.concatenate([snapshot["price"], messages["price"]]), return_inverse=True)
    level = np.where(prices[level] > 0, level, NOTHING)
    at = len(snapshot["dir"])
    first = np.full(at, messages["ts_ns"][0], np.int64)
    ones = np.ones(at, np.int64)
    standing = Feed(first, ones, dense[:at], snapshot["size"], level[:at], snapshot["dir"], ones * 0)
    kind = messages["type"]
    code = np.zeros(len(kind), np.int64)
    for value, letter in HALT_CODES.items():
        code[(kind == Kind.HALT) & (messages["price"] == value)] = letter
    feed = Feed(messages["ts_ns"], kind, dense[at:], messages["size"], level[at:], messages["dir"], code)
    used = messages["order_id"][(kind >= 1) & (kind <= 4)]
    renumbered = bool(len(used)) and bool(used.min() < 1 or known[-1] >= ORDER_ID_MAX)
    ids = np.arange(1, len(known) + 1) if renumbered else known
    return Recording(snapshot, messages, standing, feed, ids, prices, known, renumbered)


Check = tuple[NDArray[np.bool_], str, str]


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


def message_checks(columns: Columns, unit: int) -> list[Check]:
    """Return what the messages must be."""
    kind, size, ts_ns = columns["type"], columns["size"], columns["ts_ns"]
    sized = np.isin(kind, (Kind.CANCEL, Kind.EXECUTE, Kind.HIDDEN))
    return [
        ((kind < 0) | (kind > 7), "unknown type {type}", "types are 0 to 7"),
        (ts_ns <= 0, "no time", "ts_ns is UTC nanoseconds since 1970"),
        (np.diff(ts_ns, prepend=ts_ns[:1]) < 0, "the time goes back", "sort the file or fetch it again"),
        *order_checks(columns, kind == Kind.ADD, unit),
        (sized & (size < 0), "size {size}", "a cancel or execution needs one"),
        (
            (kind == Kind.HIDDEN) & (size // unit > SIZE_MAX),
            "size {size} needs more than 32 bits",
            "use a larger size_unit",
        ),
        ((kind >= 2) & (kind <= 4) & (columns["order_id"] < 0), "no order_id", "every order needs one"),
    ]


def refuse_first(where: str, columns: Columns, checks: Sequence[Check]) -> None:
    """Refuse the first row that fails a check."""
    found = [(int(np.argmax(bad)), what, mend) for bad, what, mend in checks if bad.any()]
    if found:
        row, what, mend = min(found)
        values = {name: int(column[row]) for name, column in columns.items()}
        raise SourceError(where, row + 1, what.format(**values), mend)


def empty_depth(recording: Recording) -> Depth:
    """Return a book that holds nothing and room for a chunk of events."""
    orders = np.zeros((len(recording.ids), full.ORDER_FIELDS), np.int64)
    room = max(EVENTS_ROOM, 2 * CHUNK_ROWS + 2, len(recording.standing.kind))
    return Depth(
        orders=orders,
        queues=np.full((2, len(recording.prices), 2), -1, np.int64),
        best=np.array([-1, len(recording.prices)], np.int64),
        prices=recording.prices,
        used=np.zeros(len(recording.ids), np.uint8),
        ids=recording.ids,
        counters=np.zeros(full.COUNTERS, np.int64),
        out=np.zeros(room, MARKET_EVENT),
    )


def reading_of_cuts(recording: Recording, unit: int) -> tuple[bool, int]:
    """Say whether a type 2 tells what is left; try both and take the one with fewer contradictions."""
    if not (recording.feed.kind == Kind.CANCEL).any():
        return False, 0
    breaks = []
    for absolute in (False, True):
        depth = empty_depth(recording)
        full.stand(depth, recording.standing, unit)
        done, total = 0, len(recording.feed.kind)
        while done < total:
            depth.counters[full.OUT] = 0
            done = int(full.play(depth, recording.feed, done, total, unit, absolute, 0))
        breaks.append(int(depth.counters[full.BREAKS]))
    return breaks[1] < breaks[0], min(breaks)


def flush(depth: Depth, writer: TapeWriter) -> int:
    """Write the events that are ready; return how many."""
    out = int(depth.counters[full.OUT])
    writer.append(depth.out[:out])
    depth.counters[full.OUT] = 0
    return out


def report(recording: Recording, depth: Depth, absolute: bool, contradictions: int) -> dict[str, Any]:
    """Return what the tape is worth."""
    kind, size = recording.feed.kind, recording.feed.size
    visible, hidden = int(size[kind == Kind.EXECUTE].sum()), int(size[kind == Kind.HIDDEN].sum())
    counted = [int(value) for value in depth.counters]
    notes = []
    if recording.renumbered:
        notes.append("order ids did not fit 39 bits or were not positive and were numbered anew")
    if (kind == Kind.CANCEL).any():
        notes.append(
            f"type 2 was read as what is {'left' if absolute else 'cut off'}: {contradictions} contradictions"
        )
    return {
        "rows": len(kind),
        "levels": "full depth",
        "events": 0,
        "time_ordered": True,  # anything else was refused
        "types": {str(code): int((kind == code).sum()) for code in range(8)},
        "snapshot_orders": len(recording.standing.kind),
        "standing_at_end": int((depth.orders[:, full.LEFT] > 0).sum()),
        "crossed_books": counted[full.CROSSED],
        "empty_books": counted[full.EMPTY],
        "hidden_share": hidden / (visible + hidden) if visible + hidden else None,
        "replay_rows_matched": None,  # there is no recorded book row by row
        "unknown_references": counted[full.UNKNOWN],
        "duplicate_ids": counted[full.DUPLICATE],
        "unreconciled_events": counted[full.BREAKS],
        "off_fifo": counted[full.OFF_FIFO],
        "purged": counted[full.PURGED],
        "rounded_sizes": counted[full.ROUNDED],
        "dust_orders": counted[full.DUST],
        "notes": notes,
    }


def compare_end(recording: Recording, depth: Depth, end: Columns) -> dict[str, Any]:
    """Compare the book at the end with a snapshot, order by order, in the source's exact sizes."""
    alive = np.flatnonzero(depth.orders[:, full.LEFT] > 0)
    sides = np.where(depth.orders[alive, full.SIDE] == 0, 1, -1)
    prices = recording.prices[depth.orders[alive, full.LEVEL]]
    ours = zip(recording.known[alive], sides, prices, depth.orders[alive, full.LEFT], strict=True)
    mine = {tuple(int(field) for field in order) for order in ours}
    theirs = {tuple(int(f) for f in order) for order in zip(*(end[n] for n in SNAPSHOT_COLUMNS), strict=True)}
    return {
        "end_snapshot_orders": len(theirs),
        "end_snapshot_matched": len(mine & theirs),
        "end_snapshot_surplus": len(mine - theirs),
    }
