"""Where an archive's records are kept: an SQLite file in the state directory, of one writer.

    store = ArchiveStore(state_dir)                # reads; the file may not be there yet
    write(state_dir, archive)                      # the process that makes snapshots, before it writes one

The gate's loop reads by index, some microseconds, and never waits for the writer (write-ahead log). What is
written is on the disk before the snapshot that counts on it. A file that is lost, old, of other code, or has
one bit changed is not what a snapshot names by its hash: then that snapshot is passed over, and the journal
makes all of it anew. SQLite looks at its own structure alone; so a record is held against its hash whenever
it is read, and all of them at a start.
"""

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from daemon.gate.archive import BETWEEN, NOTHING, Archive, ArchiveError, label, linked

NAME: Final = "ended.sqlite"
CACHE_KIB: Final = 1_024  # of pages, in the gate's memory
BUSY_WAIT_S: Final = 5.0  # for a writer that was killed to be cleared away; there is but one
SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS records "
    "(number INTEGER PRIMARY KEY, digest BLOB, chain_id TEXT, label BLOB, data BLOB)",
    "CREATE TABLE IF NOT EXISTS names (name TEXT, number INTEGER, PRIMARY KEY (name, number)) WITHOUT ROWID",
)
# A damaged byte may make a text of a blob: as it stands it is then another blob.
WHOLE: Final = (
    "SELECT number, CAST(digest AS BLOB), CAST(chain_id AS BLOB), CAST(label AS BLOB), CAST(data AS BLOB), "
    "(SELECT CAST(digest AS BLOB) FROM records WHERE number = r.number - 1) FROM records AS r "
    "WHERE number BETWEEN ? AND ? ORDER BY number"
)
FIND: Final = "SELECT max(number) FROM names WHERE name = ? AND number <= ?"
NAMES: Final = "SELECT CAST(name AS BLOB), CAST(number AS INTEGER) FROM names WHERE number <= ?"
ORDERS: Final = (
    "SELECT chain_id, data FROM records AS r WHERE chain_id <> '' AND number <= ?1 AND number = "
    "(SELECT max(number) FROM names WHERE name = 'C' || r.chain_id AND number <= ?1) "
    "ORDER BY number DESC LIMIT ?2"
)
PARENTS: Final = (  # sorted by the index alone: no record is read before the one that is asked for
    "SELECT name, data FROM (SELECT name, max(number) AS last FROM names "
    "WHERE name >= 'P' AND name < 'Q' AND number <= ?1 GROUP BY name ORDER BY last DESC LIMIT ?2) "
    "CROSS JOIN records ON number = last"
)


class ArchiveStore:
    """A reader."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / NAME
        self._db: sqlite3.Connection | None = None

    def last(self) -> tuple[int, bytes]:
        """Return number and hash of the last record, (0, NOTHING) where there is none."""
        found = self._ask("SELECT number, digest FROM records ORDER BY number DESC LIMIT 1")
        return (found[0][0], found[0][1]) if found else (0, NOTHING)

    def holds(self, records: int, digest: bytes) -> bool:
        """Return whether it holds so many records, each as it was put, the last of this hash."""
        number, before, names = 0, NOTHING, 0
        for row in self._each(WHOLE, 1, records):
            number += 1
            if row[0] != number or not is_whole(row) or (row[5] or NOTHING) != before:
                return False
            before = row[1]
            for name in set(row[3].split(BETWEEN)[1:]):
                names += fingerprint(name.decode("latin-1").encode(), number)
        for name, at in self._each(NAMES, records):
            names -= fingerprint(name or b"", at)
        return (number, before, names) == (records, digest, 0)

    def find(self, name: str, until: int) -> bytes | None:
        """Return the data of the last record of a name, up to a number.

        Raises:
            ArchiveError: it is not what was put under this name.

        """
        found = self._ask(FIND, text(name), until)
        number = found[0][0] if found else None
        if number is None:
            return None
        rows = self._ask(WHOLE, number, number)
        if not rows or not is_whole(rows[0]) or label("", (name,))[1:] not in rows[0][3].split(BETWEEN)[1:]:
            raise self._damaged(f"record {number} is not what was written")
        data: bytes = rows[0][4]
        return data

    def orders(self, until: int, most: int) -> Iterator[tuple[str, bytes]]:
        """Yield chain and data of the last record of each order, the latest first, up to a number."""
        yield from self._each(ORDERS, until, most)

    def parents(self, until: int, most: int) -> Iterator[tuple[str, bytes]]:
        """Yield name and data of the last record of each parent, the latest first, up to a number."""
        yield from self._each(PARENTS, until, most)

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return list(self._each(query, *values))

    def _each(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        try:
            if self._db is None:
                if not self.path.exists():
                    return
                self._db = opened(self.path, "ro")
            yield from self._db.execute(query, values)
        except sqlite3.Error as error:
            raise self._damaged(str(error)) from None

    def _damaged(self, what: str) -> ArchiveError:
        return ArchiveError(f"{self.path}: {what}; the journal makes it anew at the next start")


def is_whole(row: tuple[Any, ...]) -> bool:
    """Return whether a record is what its hash says, if the hash before it is."""
    _, digest, chain_id, called, data, before = row
    if called is None or data is None or called.partition(BETWEEN)[0].decode("latin-1").encode() != chain_id:
        return False
    found: bytes = digest
    return linked(before or NOTHING, called, data) == found


def fingerprint(name: bytes, number: int) -> int:
    """Return a number that sums of names in any order can be compared by."""
    return zlib.crc32(name, number & 0xFFFFFFFF) + 1


def ready(state_dir: Path, archive: Archive) -> None:
    """Cut off what is newer than a start, and open the file before there is anything to do.

    Raises:
        ArchiveError: the disk does not allow it; what is there can be read all the same.

    """
    archive.store = store = ArchiveStore(state_dir)
    write(state_dir, Archive(stored=archive.stored))
    store.last()


def write(state_dir: Path, archive: Archive) -> None:
    """Write what an archive holds in memory behind what it counts on, and see it on the disk.

    Raises:
        ArchiveError: the file or the disk does not allow it; it is as it was.

    """
    path = state_dir / NAME
    try:
        try:
            _write(path, archive)
        except sqlite3.DatabaseError:
            if archive.stored:
                raise
            forget(state_dir)  # damaged, and nothing of it counts
            _write(path, archive)
    except (sqlite3.Error, OSError) as error:
        raise ArchiveError(f"{path}: {error}") from None


def _write(path: Path, archive: Archive) -> None:
    with closing(opened(path, "rwc")) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        with db:
            db.execute("BEGIN IMMEDIATE")
            _insert(db, archive)
        db.execute("PRAGMA wal_checkpoint(PASSIVE)")  # a reader may be at it; the log is on the disk


def _insert(db: sqlite3.Connection, archive: Archive) -> None:
    for statement in SCHEMA:
        db.execute(statement)
    db.execute("DELETE FROM names WHERE number > ?", (archive.stored,))
    db.execute("DELETE FROM records WHERE number > ?", (archive.stored,))
    records = archive.waiting()
    rows = ((r.number, r.digest, text(r.chain_id), label(r.chain_id, r.names), r.data) for r in records)
    db.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", rows)
    names = ((text(name), r.number) for r in records for name in r.names)
    db.executemany("INSERT OR REPLACE INTO names VALUES (?, ?)", names)


def opened(path: Path, mode: str) -> sqlite3.Connection:
    """Open the file."""
    place = f"{path.resolve().as_uri()}?mode={mode}"
    db = sqlite3.connect(place, uri=True, timeout=BUSY_WAIT_S, isolation_level=None, check_same_thread=False)
    db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    return db


def forget(state_dir: Path) -> None:
    """Throw the file away."""
    for suffix in ("", "-wal", "-shm"):
        (state_dir / f"{NAME}{suffix}").unlink(missing_ok=True)


def text(name: str) -> str:
    """Return a name as SQLite takes it: what came over the wire may hold bytes that are no text."""
    return name.encode("utf-8", "surrogateescape").decode("latin-1") if not name.isascii() else name
