"""Metrics, the reading side: a process of its own that serves every writer's block to Prometheus.

It maps `DIR/*.metrics` afresh on each scrape, so that writers may appear, restart or vanish at any
time. A block whose writer died without taking it away counts as `steadyhand_process_up` 0 and gives
nothing else: old numbers must not look alive. It listens on loopback unless told otherwise, and
never writes to a block.
"""

import argparse
import contextlib
import fcntl
import json
import mmap
import os
import signal
import socket
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import make_wsgi_app

from daemon import config, logs
from daemon.metrics.block import FILE_BYTES, HEADER, MAGIC, RECORD, SUFFIX, WORD
from daemon.metrics.catalogue import CATALOGUE, Kind
from daemon.metrics.server_options import PORT
from daemon.runtime import EXIT_CONFIG, EXIT_DONE, EXIT_INTERRUPTED, EXIT_USAGE
from daemon.strict_toml import ConfigError

REQUEST_S: Final = 5.0  # a client that is slower than this blocks the only thread
STOP_LATENCY_S: Final = 0.2  # how long a signal may go unseen
PROCESSES_MAX: Final = 64  # blocks in one directory: gate, venue, a trader per symbol group

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


@dataclass(frozen=True)
class Series:
    """One series of a block, as it stood."""

    name: str
    labels: dict[str, str]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Block:
    """One process's block, as it stood."""

    process: str
    alive: bool
    start_s: float
    series: tuple[Series, ...]


def read_block(path: Path) -> Block | None:
    """Return a block, None where it is gone or is not one."""
    try:
        with path.open("rb") as file:
            alive = _is_locked(file.fileno())
            if os.fstat(file.fileno()).st_size != FILE_BYTES:
                return None
            with mmap.mmap(file.fileno(), FILE_BYTES, access=mmap.ACCESS_READ) as block:
                magic, used, start_s, _pid = HEADER.unpack_from(block)
                if magic != MAGIC or not HEADER.size <= used <= FILE_BYTES:
                    return None
                series = tuple(_series(block, used)) if alive else ()
    except OSError:
        return None  # it vanished between listing and opening
    return Block(path.name.removesuffix(SUFFIX), alive, start_s, series)


def _series(block: mmap.mmap, used: int) -> Iterator[Series]:
    values = memoryview(block).cast("d")
    try:
        at = HEADER.size
        while at < used:
            text_bytes, doubles = RECORD.unpack_from(block, at)
            values_at = at + RECORD.size + text_bytes
            text = block[at + RECORD.size : values_at]
            first = values_at // WORD
            with contextlib.suppress(ValueError):  # labels that are just being changed
                name, labels = json.loads(text)
                yield Series(name, labels, tuple(values[first : first + doubles]))
            at = values_at + doubles * WORD
    finally:
        values.release()


def _is_locked(file_no: int) -> bool:
    try:
        fcntl.flock(file_no, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file_no, fcntl.LOCK_UN)
    return False


class BlockCollector:
    """What prometheus_client asks on each scrape."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def describe(self) -> Iterable[Metric]:
        """Return nothing: names are the catalogue's, whatever is being written."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every family of every living block."""
        families: dict[str, Family] = {}
        for path in sorted(self._directory.glob("*" + SUFFIX))[:PROCESSES_MAX]:
            block = read_block(path)
            if block is None:
                continue
            for one in block.series:
                add(families, one, block.process)
            for name, value in (
                ("steadyhand_process_up", float(block.alive)),
                ("steadyhand_process_start_time_seconds", block.start_s),
                ("steadyhand_metric_series", float(len(block.series))),
            ):
                add(families, Series(name, {}, (value,)), block.process)
        yield from families.values()


def add(families: dict[str, Family], one: Series, process: str) -> None:
    """Add one series to its family; a name of another version's catalogue is left out."""
    metric = CATALOGUE.get(one.name)
    if metric is None or set(metric.labels) != set(one.labels):
        return
    label_values = [*(one.labels[key] for key in metric.labels), process]
    family = families.get(one.name)
    if family is None:
        kinds = {Kind.COUNTER: CounterMetricFamily, Kind.GAUGE: GaugeMetricFamily}
        kind = kinds.get(metric.kind, HistogramMetricFamily)
        family = families[one.name] = kind(one.name, metric.help, labels=[*metric.labels, "process"])
    if isinstance(family, HistogramMetricFamily):
        running, buckets = 0.0, []
        for bound, count in zip((*map(repr, metric.buckets), "+Inf"), one.values[1:], strict=True):
            running += count
            buckets.append((bound, running))
        family.add_metric(label_values, buckets, sum_value=one.values[0])
    else:
        family.add_metric(label_values, one.values[0])


class QuietRequest(WSGIRequestHandler):
    """A scrape a second is no news; a stuck client is cut off."""

    timeout = REQUEST_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name of the standard library)
        """Log nothing."""


class Server(WSGIServer):
    """The standard library's, on either IP version."""

    def __init__(self, address: tuple[str, int], request: Any) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, request)


def serve(directory: Path, host: str, port: int) -> int:
    """Serve until told to stop; print the endpoint first, as one JSON line."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(BlockCollector(directory))
    try:
        server = make_server(host, port, make_wsgi_app(registry), Server, QuietRequest)
    except OSError as error:
        _say(f"metrics: cannot listen on {host}:{port}: {error.strerror}; is another one running?")
        return EXIT_USAGE
    stopped_by: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda n, _frame: stopped_by.append(n))
    server.timeout = STOP_LATENCY_S
    with server:
        url = f"http://{host}:{server.server_port}/metrics"
        logs.announce("ready", endpoints={"metrics": server.server_port}, url=url, directory=str(directory))
        while not stopped_by:
            server.handle_request()
    return EXIT_INTERRUPTED if signal.SIGINT in stopped_by else EXIT_DONE


def main(args: argparse.Namespace) -> int:
    """Run `steadyhand metrics`."""
    directory, host, port = args.dir, args.host or "127.0.0.1", PORT
    if args.config is not None:
        try:
            section = config.load(args.config).metrics
        except ConfigError as error:
            _say(str(error))
            return EXIT_CONFIG
        if section is None and directory is None:
            _say(f"{args.config}: has no [metrics] section; add one with `directory`, or give --dir")
            return EXIT_CONFIG
        if section is not None:
            directory, host, port = directory or section.directory, args.host or section.host, section.port
    assert directory is not None, "the command line names a file or a directory"
    with contextlib.suppress(FileExistsError):
        directory.mkdir(parents=True)
    return serve(directory, host, port if args.port is None else args.port)


def _say(message: str) -> None:
    print(message, file=sys.stderr)
