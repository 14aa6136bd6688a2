"""What has left the state and can still be asked for: ended orders, executions that were matched long ago.

    archive.put(record)                            # the core's, one number after the other
    archive.get(name)                              # the last record that has this name, or None
    archive.follow()                               # its store has more: what lies there is held here no more

A port of the core: what `get` returns depends on what was put before and on nothing else, so that a replay
finds the same. Records wait in memory until a store has them. Only the process that makes snapshots writes
one (daemon.gate.archive_store), of its own replay of the same journal; a record is trusted where its hash,
which speaks of all records before it, is the one that was computed here. Without a store all stay in memory.
"""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Final, NamedTuple, Protocol

ORDER, EXECUTION, BROKERS, COPIED, PARENT = "C", "E", "O", "D", "P"  # a name's first letter: what it is of
LET_GO: Final = 8  # written records that one put lets go: it takes a microsecond each, and always catches up
NOTHING: Final = b""  # the hash before the first record
BETWEEN: Final = b"\x01"  # names: no message holds it inside a field


class ArchiveError(Exception):
    """An archive that is not what was put there: one line. The journal makes it anew."""


class Record(NamedTuple):
    """One of them."""

    number: int  # from 1
    digest: bytes  # of everything up to here
    chain_id: str  # of an order; "" = of something else
    names: tuple[str, ...]
    data: bytes


class Store(Protocol):
    """Where records are kept beside the memory."""

    def last(self) -> tuple[int, bytes]:
        """Return number and hash of the last record, (0, NOTHING) where there is none."""
        ...

    def find(self, name: str, until: int) -> bytes | None:
        """Return the data of the last record of a name, up to a number."""
        ...

    def orders(self, until: int, most: int) -> Iterator[tuple[str, bytes]]:
        """Yield chain and data of the last record of each order, the latest first, up to a number."""
        ...

    def parents(self, until: int, most: int) -> Iterator[tuple[str, bytes]]:
        """Yield name and data of the last record of each parent, the latest first, up to a number."""
        ...


def label(chain_id: str, names: Sequence[str]) -> bytes:
    """Return what a record is called, as it is hashed and stored."""
    return BETWEEN.join(text.encode("utf-8", "surrogateescape") for text in (chain_id, *names))


def linked(before: bytes, called: bytes, data: bytes) -> bytes:
    """Return the hash of a record and all before it."""
    digest = hashlib.blake2b(before, digest_size=16)
    digest.update(called + b"\x02" + data)
    return digest.digest()


class Archive:
    """One core's."""

    def __init__(self, store: Store | None = None, stored: int = 0) -> None:
        """`stored`: how many records of the store are of this core's past."""
        self.store = store
        self.stored = stored
        self._waiting: dict[int, Record] = {}
        self._names: dict[str, Record] = {}  # the last one of each name, of those that wait

    def put(self, record: Record) -> None:
        """Take the next record."""
        self._waiting[record.number] = record
        for name in record.names:
            self._names[name] = record
        self._let_go()

    def get(self, name: str) -> bytes | None:
        """Return the data of the last record of a name."""
        found = self._names.get(name)
        if found is not None:
            return found.data
        return self.store.find(name, self.stored) if self.store is not None and self.stored else None

    def orders(self, most: int) -> Iterator[tuple[str, bytes]]:
        """Return chain and data of each order's last record, the latest first: as of now, read at leisure."""
        waiting: dict[str, bytes] = {}
        for record in reversed(self.waiting()):
            if record.chain_id:
                waiting.setdefault(record.chain_id, record.data)
        stored = self.store.orders(self.stored, most) if self.store is not None and self.stored else ()
        return islice(chain(waiting.items(), (row for row in stored if row[0] not in waiting)), most)

    def parents(self, most: int) -> Iterator[bytes]:
        """Return the data of each parent's last record, the latest first: as of now, read at leisure."""
        waiting: dict[str, bytes] = {}
        for record in reversed(self.waiting()):
            if record.names[0].startswith(PARENT):
                waiting.setdefault(record.names[0], record.data)
        stored = self.store.parents(self.stored, most) if self.store is not None and self.stored else ()
        return islice(chain(waiting.values(), (data for name, data in stored if name not in waiting)), most)

    def waiting(self) -> list[Record]:
        """Return what no store has, in order."""
        return [record for number, record in self._waiting.items() if number > self.stored]

    def follow(self) -> None:
        """Look how far the store is: what it has is let go, bit by bit, if it is what was put here."""
        number, digest = self.store.last() if self.store is not None else (0, NOTHING)
        found = self._waiting.get(number)
        if number > self.stored and found is not None and found.digest == digest:
            self.stored = number

    def _let_go(self) -> None:
        for number in list(islice(self._waiting, LET_GO)):
            if number > self.stored:
                return
            record = self._waiting.pop(number)
            for name in record.names:
                if self._names.get(name) is record:
                    del self._names[name]

    def __len__(self) -> int:
        """Return how many records wait for the store."""
        return next(reversed(self._waiting), self.stored) - self.stored
