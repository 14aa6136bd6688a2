"""Metrics, the writing side: a fixed block of doubles per process, shared through a mapped file.

A trading process only adds numbers to memory that it already owns; a side process renders them
(`daemon.metrics.server`). Handles are bound once, before trading; `inc`, `set` and `observe` take
no lock, make no label and cost well under a microsecond. Without a directory the block is private
memory and nobody reads it. Names and labels that the catalogue does not list are refused.

File layout, native byte order: HEADER, then records of RECORD + JSON of name and labels, padded
with spaces to eight bytes + doubles. A record is complete before the header's `used` covers it.
"""

import bisect
import fcntl
import json
import mmap
import os
import re
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import structlog

from daemon.metrics.catalogue import CATALOGUE, Kind, Metric

MAGIC: Final = b"SHMETRC1"
HEADER: Final = struct.Struct("=8sQdq16x")  # magic, bytes used, start time in UNIX seconds, pid
USED_AT: Final = 8  # of `used` in the header: aligned, so that its store is one store
RECORD: Final = struct.Struct("=II")  # bytes of JSON with padding, doubles
FILE_BYTES: Final = 1 << 20  # 2,500 series (the budget of an instance) of 400 bytes: a histogram takes 330
SUFFIX: Final = ".metrics"
PROCESS: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
WORD: Final = 8
INFO_TEXT_BYTES: Final = 640  # name and four labels of 128 characters, a multiple of eight

FAULTS_TOLD_MAX: Final = 8  # kinds of fault of a refresh that are logged: what fails does so each time

Doubles: TypeAlias = "memoryview[float]"
Core = TypeVar("Core")
log = structlog.get_logger()


def apart(refresh: Callable[[Core], None]) -> Callable[[Core], None]:
    """Return a refresh of gauges that ends no process: what is only shown must not stop what trades.

    A fault in it is an error in the log, once of each kind.
    """
    told: set[str] = set()

    def safe(core: Core) -> None:
        try:
            refresh(core)
        except Exception as error:  # whatever a gauge meets, orders are worth more
            text = f"{type(error).__name__}: {error}"
            if text not in told and len(told) < FAULTS_TOLD_MAX:
                told.add(text)
                log.error("gauges are not whole", error=text, exc_info=True)

    return safe


class Counter:
    """Only grows."""

    __slots__ = ("_at", "_values")

    def __init__(self, values: Doubles, at: int) -> None:
        self._values, self._at = values, at

    def inc(self, amount: float = 1.0) -> None:
        """Add `amount`."""
        self._values[self._at] += amount

    @property
    def value(self) -> float:
        """Return what was counted."""
        return float(self._values[self._at])


class Gauge:
    """Goes where it is set."""

    __slots__ = ("_at", "_values")

    def __init__(self, values: Doubles, at: int) -> None:
        self._values, self._at = values, at

    def set(self, value: float) -> None:
        """Replace the value."""
        self._values[self._at] = value

    @property
    def value(self) -> float:
        """Return the value last set, 0 at the start."""
        return float(self._values[self._at])


class Histogram:
    """Counts by bucket, and a sum. The doubles are: sum, then one per bucket, then the rest (+Inf)."""

    __slots__ = ("_at", "_bounds", "_values")

    def __init__(self, values: Doubles, at: int, bounds: tuple[float, ...]) -> None:
        self._values, self._at, self._bounds = values, at, bounds

    def observe(self, value: float) -> None:
        """Count one value, in the unit of the metric's name."""
        values, at = self._values, self._at
        values[at] += value
        values[at + 1 + bisect.bisect_left(self._bounds, value)] += 1.0

    @property
    def count(self) -> int:
        """Return how many values were observed."""
        return int(sum(self._values[self._at + 1 : self._at + 2 + len(self._bounds)]))


class Info:
    """A gauge of 1 whose labels are the news. They may change: the same place, other words."""

    __slots__ = ("_at", "_metric", "_text", "_values")

    def __init__(self, values: Doubles, at: int, text: memoryview, metric: Metric) -> None:
        self._values, self._at, self._text, self._metric = values, at, text, metric

    def show(self, **labels: str) -> None:
        """Show these labels in place of the last ones."""
        self._metric.check(labels)
        text = encode(self._metric.name, labels, INFO_TEXT_BYTES)
        self.hide()
        self._text[0:1] = b" "  # no JSON begins like that: a reader in between sees nothing
        self._text[1:] = text[1:]
        self._text[0:1] = text[0:1]
        self._values[self._at] = 1.0

    def hide(self) -> None:
        """Show 0: what the labels say is over."""
        self._values[self._at] = 0.0


class Metrics:
    """The block of one process. Bind handles at start-up; `close` on a clean end."""

    def __init__(self, directory: Path | None, process: str) -> None:
        assert PROCESS.fullmatch(process), f"not a process name: {process!r}"
        self.path = None if directory is None else directory / (process + SUFFIX)
        self._handles: dict[tuple[str, ...], Counter | Gauge | Histogram] = {}
        self._file_no: int | None = None
        self._buffer: mmap.mmap | bytearray = self._allocate()
        self._bytes = memoryview(self._buffer)
        self._values = self._bytes.cast("d")
        self._used = self._bytes[USED_AT : USED_AT + WORD].cast("Q")
        HEADER.pack_into(self._buffer, 0, MAGIC, HEADER.size, time.time(), os.getpid())
        self._publish()

    def counter(self, name: str, **labels: str) -> Counter:
        """Return the handle of a counter; the same labels give the same handle."""
        handle = self._bind(Kind.COUNTER, name, labels)
        assert isinstance(handle, Counter)
        return handle

    def gauge(self, name: str, **labels: str) -> Gauge:
        """Return the handle of a gauge; an `_info` metric is a gauge of 1."""
        handle = self._bind(Kind.GAUGE, name, labels)
        assert isinstance(handle, Gauge)
        return handle

    def histogram(self, name: str, **labels: str) -> Histogram:
        """Return the handle of a histogram, with the catalogue's buckets."""
        handle = self._bind(Kind.HISTOGRAM, name, labels)
        assert isinstance(handle, Histogram)
        return handle

    def info(self, name: str) -> Info:
        """Return a place for an `_info` metric whose labels will change; each call a new place."""
        metric = CATALOGUE[name]
        assert metric.kind is Kind.GAUGE, f"{name} is no gauge"
        start, at = self._place(b" " * INFO_TEXT_BYTES, 1, name)
        text_at = start + RECORD.size
        return Info(self._values, at, self._bytes[text_at : text_at + INFO_TEXT_BYTES], metric)

    def close(self) -> None:
        """Take the file away: a process that ended in order is not one that vanished."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        if self._file_no is not None:
            os.close(self._file_no)
            self._file_no = None

    def _allocate(self) -> mmap.mmap | bytearray:
        if self.path is None:
            return bytearray(FILE_BYTES)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file_no = os.open(self._unpublished(), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o640)
        os.fchmod(self._file_no, 0o640)  # a service's umask would hide it from the side process's group
        os.ftruncate(self._file_no, FILE_BYTES)
        # Held until this process ends, however it ends: that is how a reader knows that it lives.
        fcntl.flock(self._file_no, fcntl.LOCK_EX)
        return mmap.mmap(self._file_no, FILE_BYTES)

    def _publish(self) -> None:
        if self.path is not None:
            self._unpublished().replace(self.path)  # a reader sees a whole header or the old file

    def _unpublished(self) -> Path:
        assert self.path is not None
        return self.path.with_name(f".{self.path.name}.{os.getpid()}")

    def _bind(self, kind: Kind, name: str, labels: dict[str, str]) -> Counter | Gauge | Histogram:
        key = (name, *(f"{k}={labels[k]}" for k in sorted(labels)))
        handle = self._handles.get(key)
        if handle is None:
            handle = self._handles[key] = self._allot(kind, name, labels)
        return handle

    def _allot(self, kind: Kind, name: str, labels: dict[str, str]) -> Counter | Gauge | Histogram:
        metric = CATALOGUE.get(name)
        assert metric is not None, f"{name} is not in daemon/metrics/catalogue.py"
        assert metric.kind is kind, f"{name} is a {metric.kind.value}, not a {kind.value}"
        metric.check(labels)
        doubles = len(metric.buckets) + 2 if kind is Kind.HISTOGRAM else 1
        _, at = self._place(encode(name, labels), doubles, name)
        if kind is Kind.COUNTER:
            return Counter(self._values, at)
        if kind is Kind.GAUGE:
            return Gauge(self._values, at)
        return Histogram(self._values, at, metric.buckets)

    def _place(self, text: bytes, doubles: int, name: str) -> tuple[int, int]:
        """Append a record; return where it begins, and which double is its first."""
        start = int(self._used[0])
        values_at = start + RECORD.size + len(text)
        end = values_at + doubles * WORD
        assert end <= FILE_BYTES, f"no room for another series of {name}: labels without a bound?"
        RECORD.pack_into(self._buffer, start, len(text), doubles)
        self._bytes[start + RECORD.size : values_at] = text
        self._used[0] = end
        return start, values_at // WORD


def encode(name: str, labels: dict[str, str], size: int = 0) -> bytes:
    """Return name and labels as JSON, padded with spaces to whole words or to a size."""
    text = json.dumps([name, labels], separators=(",", ":")).encode()
    assert not size or len(text) <= size, f"labels of {name} take {len(text)} bytes, {size} are kept"
    return text.ljust(size) if size else text + b" " * (-len(text) % WORD)
