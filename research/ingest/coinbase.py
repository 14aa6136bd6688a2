"""Reads a recording of Coinbase's full channel, with the snapshots around it, into a tick store.

The venue numbers its messages without a gap, so a recording is whole or says where it is not. An order
is received (type 0), then open (1) if it rests, matched (4), and done (3): market orders and what was
filled on arrival are done without ever having been open, and change no book (`never_open`); nor does
the end of an order that matches had filled (`ends_of_filled`). A change (2) tells what is left. With an
end snapshot the book is compared with it, order by order.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.book_events import Kind
from market.instruments import Instrument
from market.tape import TapeWriter
from research.ingest.columns import Check, Columns, read_columns, refuse_first, source_units
from research.ingest.full_depth import RECEIVED
from research.ingest.parquet import read_messages, read_snapshot
from research.ingest.recording import commit, compare_end, gather, play, report

Mask = NDArray[np.bool_]


def ingest(
    path: Path,
    out: Path,
    instrument: Instrument,
    *,
    snapshot: Path,
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
        messages = read_messages(path, unit)
        sequence = read_columns(path, ("sequence",))
        refuse_first(str(path), sequence, order_of(sequence["sequence"]))
        begin = read_snapshot(snapshot, unit)
        end = read_snapshot(end_snapshot, unit) if end_snapshot is not None else None
        rows = {str(kind): int((messages["type"] == kind).sum()) for kind in range(8)}
        never = never_open(messages, begin)
        done = filled(messages, begin) & ~never
        messages["type"] = np.where(never | done, RECEIVED, messages["type"])
        recording = gather(messages, begin)
        played = play(recording, writer, instrument, unit, absolute=True)
        missing = int((np.diff(sequence["sequence"]) - 1).sum())
        notes = [f"{missing} messages are missing: the book may be wrong"] if missing else []
        quality = report(recording, played, notes)
        quality |= {"types": rows, "never_open": int(never.sum()), "ends_of_filled": int(done.sum())}
        quality["missing_messages"] = missing
        if end is not None:
            quality |= compare_end(recording, played.depth, end)
            quality["end_snapshot_equal"] = equal(quality)
        files = [path, snapshot]
        commit(writer, instrument, recording, played, quality, form="coinbase", files=files)
    return quality


def order_of(sequence: NDArray[np.int64]) -> list[Check]:
    """Return what the sequence numbers must be."""
    back = np.diff(sequence, prepend=sequence[:1] - 1) <= 0
    return [(back, "the sequence number {sequence} is not beyond the last", "sort the file by sequence")]


def never_open(messages: Columns, begin: Columns) -> Mask:
    """Mark the ends of orders that never rested: neither in the snapshot nor opened later."""
    opened = messages["order_id"][messages["type"] == Kind.ADD]
    rested = np.isin(messages["order_id"], np.concatenate([begin["order_id"], opened]))
    ends: Mask = (messages["type"] == Kind.DELETE) & ~rested
    return ends


def filled(messages: Columns, begin: Columns) -> Mask:
    """Mark the ends of orders that matches had taken whole: the book has nothing of them any more."""
    kind, order = messages["type"], messages["order_id"]
    known, number = np.unique(np.concatenate([begin["order_id"], order]), return_inverse=True)
    at = len(begin["order_id"])
    of, row = number[at:], np.arange(len(kind))
    told_at = np.full(len(known), -1, np.int64)  # the last row that says what is left
    left = np.zeros(len(known), np.int64)
    left[number[:at]] = begin["size"]
    told = (kind == Kind.ADD) | (kind == Kind.CANCEL)
    told_at[of[told]] = row[told]  # of several the last one stays
    left[of[told]] = messages["size"][told]
    since = (kind == Kind.EXECUTE) & (row > told_at[of])
    np.subtract.at(left, of[since], messages["size"][since])
    ends: Mask = (kind == Kind.DELETE) & (left[of] == 0)
    return ends


def equal(quality: dict[str, Any]) -> bool:
    """Say whether the book at the end is the snapshot, order by order."""
    matched, orders = quality["end_snapshot_matched"], quality["end_snapshot_orders"]
    return bool(matched == orders and quality["end_snapshot_surplus"] == 0)
