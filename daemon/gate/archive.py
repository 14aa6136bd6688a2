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
from itertools import islice
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
        """Yield chain and data of the last record of each order, the latest first."""
        told = set()
        for record in islice(reversed(self._waiting.values()), most):
            if record.number > self.stored and record.chain_id and record.chain_id not in told:
                told.add(record.chain_id)
                yield record.chain_id, record.data
        if self.store is not None and self.stored:
            for chain_id, data in self.store.orders(self.stored, most):
                if chain_id not in told:
                    yield chain_id, data

    def parents(self, most: int) -> Iterator[bytes]:
        """Yield the data of the last record of each parent, the latest first."""
        told: dict[str, None] = {}
        for record in reversed(self._waiting.values()):
            if len(told) >= most:
                return
            name = record.names[0]
            if record.number > self.stored and name.startswith(PARENT) and name not in told:
                told[name] = None
                yield record.data
        if self.store is not None and self.stored:
            for name, data in self.store.parents(self.stored, most):
                if name not in told:
                    yield data

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
