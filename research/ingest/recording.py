"""An order-by-order recording as columns, played through a full-depth book into a tick store.

Every source that tells single orders comes here: its own module reads and checks it and turns it into
the columns of LOBSTER's messages (ts_ns, type, order_id, size, price, dir); what follows is one way.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.book_events import MARKET_EVENT, Kind
from market.instruments import Instrument
from market.tape import Source, TapeWriter, sha256
from research.ingest import full_depth as full
from research.ingest.columns import NOTHING, Columns
from research.ingest.full_depth import ANONYMOUS_FROM, Depth, Feed
from research.ingest.lobster import HALT_CODES
from research.ingest.progress import progress
from research.ingest.source import ORDER_ID_MAX

MESSAGE_COLUMNS = ("ts_ns", "type", "order_id", "size", "price", "dir")
SNAPSHOT_COLUMNS = ("order_id", "dir", "price", "size")
EVENTS_ROOM = 1 << 17  # events written at a time, 8 MiB
CHUNK_ROWS = 1 << 16  # messages applied between two writes, at most two events each
EXECUTIONS = (Kind.EXECUTE, Kind.EXECUTE_PRICE)
CODE, SEQ = "code", "seq"  # optional columns: event code, the source's row


class Recording(NamedTuple):
    """A recording that has been checked, ready to play."""

    snapshot: Columns
    standing: Feed
    feed: Feed
    ids: NDArray[np.int64]
    prices: NDArray[np.int64]
    known: NDArray[np.int64]  # the source's ids, sorted
    renumbered: bool


class Played(NamedTuple):
    """The book after the last message, and what was written."""

    depth: Depth
    standing: int
    events: int


def gather(messages: Columns, snapshot: Columns | None = None, *, anonymous: bool = False) -> Recording:
    """Number orders and price levels densely; `anonymous` gives every order an id of ours."""
    if snapshot is None:
        snapshot = {name: np.zeros(0, np.int64) for name in SNAPSHOT_COLUMNS}
    known, dense = np.unique(
        np.concatenate([snapshot["order_id"], messages["order_id"]]), return_inverse=True
    )
    prices, level = np.unique(np.concatenate([snapshot["price"], messages["price"]]), return_inverse=True)
    level = np.where(prices[level] > 0, level, NOTHING)
    at, kind = len(snapshot["dir"]), messages["type"]
    first = np.full(at, messages["ts_ns"][0], np.int64)
    ones, blank = np.ones(at, np.int64), np.zeros(at, np.int64)
    standing = Feed(
        first, ones, dense[:at], snapshot["size"], level[:at], snapshot["dir"], blank, blank.copy()
    )
    feed = Feed(
        messages["ts_ns"],
        kind,
        dense[at:],
        messages["size"],
        level[at:],
        messages["dir"],
        messages[CODE] if CODE in messages else halt_codes(messages),
        messages[SEQ] if SEQ in messages else np.arange(1, len(kind) + 1),
    )
    used = messages["order_id"][((kind >= 1) & (kind <= 4)) | (kind == Kind.EXECUTE_PRICE)]
    renumbered = bool(len(used)) and bool(used.min() < 1 or known[-1] >= ORDER_ID_MAX) and not anonymous
    ids = np.arange(1, len(known) + 1) if renumbered else known
    if anonymous:
        ids = ANONYMOUS_FROM + np.arange(1, len(known) + 1)
    return Recording(snapshot, standing, feed, ids, prices, known, renumbered)


def halt_codes(messages: Columns) -> NDArray[np.int64]:
    """Return the trading states of LOBSTER's halts, which it writes as prices."""
    code = np.zeros(len(messages["type"]), np.int64)
    for value, letter in HALT_CODES.items():
        code[(messages["type"] == Kind.HALT) & (messages["price"] == value)] = letter
    return code


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


def play(
    recording: Recording,
    writer: TapeWriter,
    instrument: Instrument,
    unit: int,
    *,
    absolute: bool = False,
    purge_ns: int = 0,
    stops: NDArray[np.int64] | None = None,
    look: Callable[[Depth, int], None] | None = None,
) -> Played:
    """Play a recording and write its events; `absolute`: a type 2 tells what is left.

    `look` is shown the book at each of `stops`, ascending row numbers: before that row is played.
    """
    depth = empty_depth(recording)
    full.stand(depth, recording.standing, unit)
    standing = flush(depth, writer)
    total = len(recording.feed.kind)
    done = events = at = 0
    with progress(f"replaying {instrument.symbol}", total) as tell:
        while done < total:
            last = min(done + CHUNK_ROWS, total)
            if look is not None and stops is not None:
                while at < len(stops) and stops[at] <= done:
                    look(depth, int(stops[at]))
                    at += 1
                last = min(last, int(stops[at])) if at < len(stops) else last
            done = int(full.play(depth, recording.feed, done, last, unit, absolute, purge_ns))
            if depth.counters[full.OUT] > EVENTS_ROOM // 2 or done == total:
                events += flush(depth, writer)
                tell(done)
        if look is not None and stops is not None and at < len(stops):
            look(depth, total)
    return Played(depth, standing, standing + events)


def flush(depth: Depth, writer: TapeWriter) -> int:
    """Write the events that are ready; return how many."""
    out = int(depth.counters[full.OUT])
    writer.append(depth.out[:out])
    depth.counters[full.OUT] = 0
    return out


def commit(
    writer: TapeWriter,
    instrument: Instrument,
    recording: Recording,
    played: Played,
    quality: dict[str, Any],
    *,
    form: str,
    files: list[Path],
    rows: int | None = None,
) -> None:
    """Put the store in its place."""
    writer.commit(
        instrument=instrument,
        symbol=instrument.symbol,
        day=instrument.day_of(int(recording.feed.ts_ns[0])),
        levels=0,
        source=Source(
            format=form,
            name=files[0].name,
            sha256=sha256(*files),
            rows=len(recording.feed.kind) if rows is None else rows,
        ),
        standing=played.standing,
        quality=quality,
    )


def report(recording: Recording, played: Played, notes: list[str]) -> dict[str, Any]:
    """Return what the tape is worth."""
    kind, size = recording.feed.kind, recording.feed.size
    depth = played.depth
    visible = int(size[np.isin(kind, EXECUTIONS)].sum())
    hidden = int(size[kind == Kind.HIDDEN].sum())
    counted = [int(value) for value in depth.counters]
    if recording.renumbered:
        notes = ["order ids did not fit 39 bits or were not positive and were numbered anew", *notes]
    return {
        "rows": len(kind),
        "levels": "full depth",
        "events": played.events,
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
