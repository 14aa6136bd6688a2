"""Where an archive's records are kept: an SQLite file in the state directory, of one writer.

    store = ArchiveStore(state_dir)                # reads; the file may not be there yet
    write(state_dir, archive)                      # the process that makes snapshots, before it writes one

The gate's loop reads by index, some microseconds, and never waits for the writer (write-ahead log). What is
written is on the disk before the snapshot that counts on it. A file that is lost, old, or of other code has
not the hash that a snapshot names: then that snapshot is passed over, and the journal makes all of it anew.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from daemon.gate.archive import NOTHING, Archive, ArchiveError

NAME: Final = "ended.sqlite"
CACHE_KIB: Final = 1_024  # of pages, in the gate's memory
BUSY_WAIT_S: Final = 5.0  # for a writer that was killed to be cleared away; there is but one
SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS records (number INTEGER PRIMARY KEY, digest BLOB, chain_id TEXT, data BLOB)",
    "CREATE TABLE IF NOT EXISTS names (name TEXT, number INTEGER, PRIMARY KEY (name, number)) WITHOUT ROWID",
)
FIND: Final = (
    "SELECT data FROM records WHERE number = (SELECT max(number) FROM names WHERE name = ? AND number <= ?)"
)
ORDERS: Final = (
    "SELECT chain_id, data FROM records AS r WHERE chain_id <> '' AND number <= ?1 AND number = "
    "(SELECT max(number) FROM names WHERE name = 'C' || r.chain_id AND number <= ?1) "
    "ORDER BY number DESC LIMIT ?2"
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

    def digest(self, number: int) -> bytes:
        """Return the hash of a record, NOTHING where there is none."""
        found = self._ask("SELECT digest FROM records WHERE number = ?", number)
        return bytes(found[0][0]) if found else NOTHING

    def find(self, name: str, until: int) -> bytes | None:
        """Return the data of the last record of a name, up to a number."""
        found = self._ask(FIND, text(name), until)
        return found[0][0] if found else None

    def orders(self, until: int, most: int) -> Iterator[tuple[str, bytes]]:
        """Yield chain and data of the last record of each order, the latest first, up to a number."""
        yield from self._ask(ORDERS, until, most)

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            if self._db is None:
                if not self.path.exists():
                    return []
                self._db = opened(self.path, "ro")
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise ArchiveError(f"{self.path}: {error}; the journal makes it anew at the next start") from None


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
    rows = ((r.number, r.digest, text(r.chain_id), r.data) for r in records)
    db.executemany("INSERT INTO records VALUES (?, ?, ?, ?)", rows)
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
