"""Reads order-by-order parquet messages (with an opening snapshot, if there is one) into a tick store.

The columns are those of LOBSTER's messages: ts_ns, type, order_id, size, price, dir. Sizes are shares,
or 1e-8 of the base unit for an instrument whose `size_unit` is below 1; they are told in whole size
units. A type 2 may say what is cut off or what is left: the reading that contradicts itself less is
taken, and the report says which.
"""

from pathlib import Path
from typing import Any

import numpy as np

from market.book_events import Kind
from market.instruments import Instrument
from market.tape import TapeWriter
from research.ingest import full_depth as full
from research.ingest.columns import (
    WIDE,
    Check,
    Columns,
    order_checks,
    read_columns,
    refuse_first,
    source_units,
)
from research.ingest.recording import (
    MESSAGE_COLUMNS,
    SNAPSHOT_COLUMNS,
    Recording,
    commit,
    compare_end,
    empty_depth,
    gather,
    play,
    report,
)
from research.ingest.source import SIZE_MAX, SourceError

PURGE_NS = 10_000_000_000  # a book that is crossed for 10 s holds an order whose delete was lost


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
        recording = gather(
            read_messages(path, unit), read_snapshot(snapshot, unit) if snapshot is not None else None
        )
        absolute, contradictions = reading_of_cuts(recording, unit)
        notes = []
        if (recording.feed.kind == Kind.CANCEL).any():
            reading = "left" if absolute else "cut off"
            notes.append(f"type 2 was read as what is {reading}: {contradictions} contradictions")
        played = play(recording, writer, instrument, unit, absolute=absolute, purge_ns=PURGE_NS)
        quality = report(recording, played, notes)
        if end_snapshot is not None:
            quality |= compare_end(recording, played.depth, read_columns(end_snapshot, SNAPSHOT_COLUMNS))
        files = [path] if snapshot is None else [path, snapshot]
        commit(writer, instrument, recording, played, quality, form="parquet", files=files)
    return quality


def read_messages(path: Path, unit: int) -> Columns:
    """Read and check messages."""
    messages = read_columns(path, MESSAGE_COLUMNS)
    refuse_first(str(path), messages, message_checks(messages, unit))
    if not len(messages["type"]):
        raise SourceError(str(path), 1, "there are no messages", "give a file that holds some")
    return messages


def read_snapshot(path: Path, unit: int) -> Columns:
    """Read and check the orders of a snapshot."""
    snapshot = read_columns(path, SNAPSHOT_COLUMNS)
    refuse_first(str(path), snapshot, order_checks(snapshot, np.ones(len(snapshot["dir"]), bool), unit))
    return snapshot


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
            WIDE,
            "use a larger size_unit",
        ),
        ((kind >= 2) & (kind <= 4) & (columns["order_id"] < 0), "no order_id", "every order needs one"),
    ]


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
