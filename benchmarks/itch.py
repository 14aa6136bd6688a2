"""ITCH 5.0 bytes -> decoded -> applied to a book, in batches of 64 messages; floors in the same rounds.

    python -m benchmarks.itch [--hours 2] [--rounds 5] [--itch FILE]

The stream is what the venue publishes of so many market hours of synthetic flow, as SoupBinTCP packets,
or an `itch.bin` of a run. `full` is the
trader's road: one `Decoder.decode` and one `OrderBook.apply` for each 64 messages, Python's cost
included. Floors: `touch` reads each byte once (a sum over the same slices), `walk` goes from frame to
frame without decoding, `decode` leaves the book out. `busy` is `full` with a whole read (256 KiB) a call.
Rounds are interleaved; medians.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gateways.feeds import itch
from gateways.feeds.itch import Decoder, Framing, new_batch
from gateways.feeds.soupbintcp import PACKET_BYTES_MAX
from gateways.feeds.soupbintcp_kernels import scan_run
from gateways.feeds.soupbintcp_server import PacketStore
from gateways.venue.publisher import Publisher
from market.book import OrderBook
from market.flow.flow import ENDED
from market.flow.zero_intelligence import SYN, ZeroIntelligenceFlow
from market.matching import MatchingEngine
from market.types import NS

BATCH = 64
READ_BYTES = 1 << 18
Run = Callable[[], int]


def published(hours: float) -> bytearray:
    """Return the packets of so many hours of flow."""
    store = PacketStore()
    publisher = Publisher(store, SYN, midnight_ns=0)
    start_ns = 10 * 3_600 * NS
    flow = ZeroIntelligenceFlow(1, start_ns, start_ns + int(hours * 3_600 * NS))
    engine = MatchingEngine()
    publisher.open(start_ns)
    until_ns = start_ns
    while flow.next_ts_ns() != ENDED:
        publisher.publish(flow.advance(engine, until_ns))
        until_ns += 60 * NS
    return bytearray(store.read(0, store.size))


def packets_of(path: Path) -> bytearray:
    """Return the packets of an itch.bin."""
    data, out, at = path.read_bytes(), bytearray(), 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        out += (length + 1).to_bytes(2, "big") + b"S" + data[at + 2 : at + 2 + length]
        at += 2 + length
    return out


def cuts_of(data: bytearray, messages: int) -> list[memoryview]:
    """Return slices of so many messages each."""
    view, cuts, at, count, first = memoryview(data), [], 0, 0, 0
    while at < len(data):
        at += 2 + int.from_bytes(data[at : at + 2], "big")
        count += 1
        if count == messages:
            cuts.append(view[first:at])
            first, count = at, 0
    if first < at:
        cuts.append(view[first:at])
    return cuts


def touch(cuts: list[memoryview]) -> Run:
    arrays = [np.frombuffer(cut, dtype=np.uint8) for cut in cuts]

    def run() -> int:
        return sum(int(a.sum()) for a in arrays)

    return run


def walk(cuts: list[memoryview]) -> Run:
    def run() -> int:
        return sum(scan_run(np.frombuffer(c, dtype=np.uint8), 0, PACKET_BYTES_MAX)[2] for c in cuts)

    return run


def decode(cuts: list[memoryview], rows: int) -> Run:
    batch = new_batch(rows)

    def run() -> int:
        decoder = Decoder(0, framing=Framing.SOUP)
        return sum(decoder.decode(cut, batch)[0] for cut in cuts)

    return run


def full(cuts: list[memoryview], rows: int) -> Run:
    batch = new_batch(rows)

    def run() -> int:
        decoder, book, events = Decoder(0, framing=Framing.SOUP), OrderBook(), 0
        for cut in cuts:
            made, _ = decoder.decode(cut, batch)
            book.apply(batch[:made])
            events += made
        assert book.counters.anomalies == 0, "the stream is sound"
        return events

    return run


def measure(runs: dict[str, Run], messages: int, rounds: int) -> None:
    """Print millions of messages a second of each run, median of interleaved rounds."""
    for run in runs.values():
        run()
    wall: dict[str, list[float]] = {name: [] for name in runs}
    cpu: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            began, began_cpu = time.perf_counter(), time.process_time()
            run()
            wall[name].append(messages / (time.perf_counter() - began) / 1e6)
            cpu[name].append(messages / (time.process_time() - began_cpu) / 1e6)
    print("| run | M messages/s | by CPU time | of full |\n|---|---|---|---|")
    base = statistics.median(wall["full"])
    for name in runs:
        rate, by_cpu = statistics.median(wall[name]), statistics.median(cpu[name])
        print(f"| {name} | {rate:.2f} | {by_cpu:.2f} | {rate / base:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--itch", type=Path, help="itch.bin of a run")
    args = parser.parse_args()
    data = packets_of(args.itch) if args.itch else published(args.hours)
    small = cuts_of(data, BATCH)
    messages = sum(scan_run(np.frombuffer(c, dtype=np.uint8), 0, PACKET_BYTES_MAX)[2] for c in small)
    large = cuts_of(data, READ_BYTES // (len(data) // messages + 1))
    rows = max(len(cut) for cut in large) // 22 + 1
    itch.warm()
    print(f"{messages} messages, {len(data) / messages:.1f} bytes each with framing, batches of {BATCH}\n")
    measure(
        {
            "full": full(small, BATCH),
            "decode": decode(small, BATCH),
            "walk": walk(small),
            "touch": touch(small),
            "busy": full(large, rows),
        },
        messages,
        args.rounds,
    )


if __name__ == "__main__":
    main()
