"""The tick store: a folder with one symbol's recorded day, read as MARKET_EVENT batches.

`events.parquet` holds the events (prices int64 1e-4, times UTC ns), `meta.json` what they are and how
good they are. The first `standing` events are the book before the first recorded row, as ADDs flagged
REVEAL. Every event refers to an order that the store added before: ingest sees to that.

A store is checked whole when it is opened (schema version, row count, SHA-256) and refused with one
line that names the file; nothing here repairs anything. `meta.json` carries a hash of itself, too: a tick
size or a zone that changed by a bit would trade.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from market.book_events import MARKET_EVENT, Flag, Kind
from market.instruments import Instrument
from market.types import Symbol
from market.unreadable import UNREADABLE

SCHEMA_VERSION = 1
EVENTS_FILE = "events.parquet"
META_FILE = "meta.json"
META_BYTES_MAX = 1 << 20  # a meta file is a few KiB
HASH_CHUNK_BYTES = 1 << 20  # a file is hashed in pieces of this size, whatever its length
AGAIN = "ingest the source again with --force"

# The columns that matter; the rest of MARKET_EVENT is written by whoever plays the tape.
COLUMNS = {
    "ts_ns": pa.int64(),
    "order_id": pa.int64(),
    "price_e4": pa.int64(),
    "size": pa.uint32(),
    "flags": pa.uint16(),
    "kind": pa.uint8(),
    "side": pa.int8(),
    "code": pa.uint8(),
    "seq_lo": pa.uint32(),  # the source's row, counted from 1; 0 = the standing book
}
SCHEMA = pa.schema([pa.field(name, kind, nullable=False) for name, kind in COLUMNS.items()])
Events = NDArray[np.void]
REMOVES = (Kind.CANCEL, Kind.EXECUTE, Kind.EXECUTE_PRICE)


class TapeError(Exception):
    """A store that cannot be read or written: one line with the file and how to mend it."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where the events came from."""

    format: str
    name: str
    sha256: str
    rows: int


class Meta(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a store says of itself."""

    schema_version: int
    instrument: Instrument
    symbol: Symbol
    day: date
    levels: int  # of the recorded window; 0 = full depth
    source: Source
    rows: int
    standing: int
    events_sha256: str
    quality: dict[str, Any]
    meta_sha256: str = ""  # of the file with this one empty; "": written before there was one


class Tape:
    """One recorded day of one symbol."""

    def __init__(self, folder: Path, meta: Meta, events: Events) -> None:
        self.folder = folder
        self.meta = meta
        self.symbol = meta.symbol
        self.day = meta.day
        self.instrument = meta.instrument
        self.rows = meta.rows
        self.quality = meta.quality
        self.events = events
        self._orders: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """Open and check a store.

        Raises:
            TapeError: with one line that names the file, what is wrong and how to mend it.
        """
        path = Path(folder)
        meta = _read_meta(path)
        events_path = path / EVENTS_FILE
        if not events_path.is_file():
            raise TapeError(f"{events_path}: there is no such file; {AGAIN}")
        if sha256(events_path) != meta.events_sha256:
            raise TapeError(f"{events_path}: its SHA-256 is not the one in {META_FILE}; {AGAIN}")
        try:
            table = pq.read_table(events_path, use_threads=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
            raise TapeError(f"{events_path}: {_one_line(error)}; {AGAIN}") from error
        if not table.schema.equals(SCHEMA):
            raise TapeError(f"{events_path}: its columns are not {', '.join(COLUMNS)}; {AGAIN}")
        if table.num_rows != meta.rows or not 0 <= meta.standing <= meta.rows:
            raise TapeError(
                f"{events_path}: {table.num_rows} rows, {META_FILE} says {meta.rows}; ingest again"
            )
        return cls(path, meta, _to_events(table))

    @property
    def first_ns(self) -> int:
        """Return the time of the first recorded event."""
        return int(self.events["ts_ns"][self.meta.standing]) if self.rows > self.meta.standing else 0

    @property
    def last_ns(self) -> int:
        """Return the time of the last recorded event."""
        return int(self.events["ts_ns"][-1]) if self.rows else 0

    def read(self, from_ns: int, to_ns: int) -> Events:
        """Return the book standing at `from_ns` as flagged ADDs, then the events of [from_ns, to_ns)."""
        flow = self.events[self.meta.standing :]
        first, last = (int(at) for at in np.searchsorted(flow["ts_ns"], [from_ns, max(from_ns, to_ns)]))
        standing = self.standing_at(self.meta.standing + first)
        standing["ts_ns"] = from_ns
        return np.concatenate([standing, flow[first:last]])

    def standing_at(self, count: int) -> Events:
        """Return the orders that stand after the first `count` events, in order of priority."""
        past = self.events[:count]
        slots, added_at = self._orders_of_events()
        left = np.zeros(len(added_at), np.int64)
        sizes = past["size"].astype(np.int64)
        kinds = past["kind"]
        np.add.at(left, slots[:count][kinds == Kind.ADD], sizes[kinds == Kind.ADD])
        taken = np.isin(kinds, REMOVES)
        np.subtract.at(left, slots[:count][taken], sizes[taken])
        left[slots[:count][kinds == Kind.DELETE]] = 0
        alive = np.flatnonzero(left > 0)
        alive = alive[np.argsort(added_at[alive], kind="stable")]
        standing = self.events[added_at[alive]]
        standing["size"] = left[alive]
        standing["flags"] = Flag.REVEAL
        standing["seq_lo"] = 0
        return standing

    def _orders_of_events(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return each event's order as a dense number, and each order's ADD; made once."""
        if self._orders is None:
            ids, slots = np.unique(self.events["order_id"], return_inverse=True)
            added_at = np.zeros(len(ids), np.int64)
            adds = np.flatnonzero(self.events["kind"] == Kind.ADD)
            added_at[slots[adds]] = adds
            self._orders = slots.astype(np.int64), added_at
        return self._orders


class TapeWriter:
    """Writes a store beside its place and moves it there whole, or leaves nothing."""

    def __init__(self, folder: Path, *, force: bool = False) -> None:
        self.folder = folder
        self._force = force
        self._temporary = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
        self._rows = 0

    def __enter__(self) -> Self:
        if self.folder.exists() and not self._force:
            raise TapeError(f"{self.folder}: exists already; give another --out or --force")
        if self.folder.exists() and not (self.folder / META_FILE).is_file():
            raise TapeError(
                f"{self.folder}: exists and is no store, so --force will not replace it; move it away"
            )
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary.mkdir()
        except OSError as error:
            raise TapeError(f"{self.folder}: {error.strerror}; give an --out that can be written") from error
        self._writer = pq.ParquetWriter(self._temporary / EVENTS_FILE, SCHEMA, compression="zstd")
        return self

    def append(self, events: Events) -> None:
        """Add events, in order of time."""
        if not len(events):
            return
        columns = [pa.array(np.ascontiguousarray(events[name]), kind) for name, kind in COLUMNS.items()]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=SCHEMA))
        self._rows += len(events)

    def commit(self, **meta: Any) -> Meta:
        """Write the meta file and put the store in its place, synced to disk."""
        self._writer.close()
        path = self._temporary / EVENTS_FILE
        made = Meta(schema_version=SCHEMA_VERSION, rows=self._rows, events_sha256=sha256(path), **meta)
        made = msgspec.structs.replace(made, meta_sha256=hashlib.sha256(_meta_text(made)).hexdigest())
        (self._temporary / META_FILE).write_bytes(_meta_text(made))
        for synced in (path, self._temporary / META_FILE, self._temporary):
            _fsync(synced)
        if self.folder.exists():
            old = self.folder.with_name(f".{self.folder.name}.old-{os.getpid()}")
            self.folder.rename(old)
            self._temporary.rename(self.folder)
            shutil.rmtree(old)
        else:
            self._temporary.rename(self.folder)
        _fsync(self.folder.parent)
        return made

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        shutil.rmtree(self._temporary, ignore_errors=True)


def sha256(*paths: Path) -> str:
    """Return the SHA-256 over one file, or over several in turn."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            for chunk in iter(lambda: file.read(HASH_CHUNK_BYTES), b""):
                digest.update(chunk)
    return digest.hexdigest()


def write(folder: Path, batches: Iterable[Events], *, force: bool = False, **meta: Any) -> Meta:
    """Write a whole store from batches of events."""
    with TapeWriter(folder, force=force) as writer:
        for batch in batches:
            writer.append(batch)
        return writer.commit(**meta)


def _read_meta(folder: Path) -> Meta:
    path = folder / META_FILE
    if not folder.is_dir() or not path.is_file():
        raise TapeError(f"{path}: there is no tick store here; make one with `steadyhand ingest`")
    if path.stat().st_size > META_BYTES_MAX:
        raise TapeError(f"{path}: larger than {META_BYTES_MAX} bytes; {AGAIN}")
    raw = path.read_bytes()
    try:
        version = msgspec.json.decode(raw).get("schema_version")
        if version != SCHEMA_VERSION:
            raise TapeError(f"{path}: schema_version {version!r}, this reads {SCHEMA_VERSION}; {AGAIN}")
        meta = msgspec.json.decode(raw, type=Meta)
    except (AttributeError, *UNREADABLE) as error:
        raise TapeError(f"{path}: {_one_line(error)}; {AGAIN}") from error
    told = meta.meta_sha256
    if told and hashlib.sha256(raw.replace(told.encode(), b"", 1)).hexdigest() != told:
        raise TapeError(f"{path}: is not as it was written: its SHA-256 is another; {AGAIN}")
    return meta


def _meta_text(meta: Meta) -> bytes:
    return msgspec.json.format(msgspec.json.encode(meta), indent=2) + b"\n"


def _to_events(table: pa.Table) -> Events:
    events = np.zeros(table.num_rows, MARKET_EVENT)
    for name in COLUMNS:
        events[name] = table[name].to_numpy()
    return events


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
