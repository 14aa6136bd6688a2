"""FIX: what a message costs, and D -> 8 through two engines beside bare asyncio, in the same run.

    python -m benchmarks.fix [--trips 1000] [--rounds 5]

Part 1: microseconds a call of the codec, of the engine's send and of what is written beside it.
Part 2: round trips of a NewOrderSingle and its ExecutionReport between two processes on loopback,
uvloop on both sides, raw tap, sequence numbers and inbound journal on the gate's side, as in the
daemon; the floor is an asyncio protocol that answers pre-encoded bytes with pre-encoded bytes.
Rounds are interleaved; the table holds medians over rounds.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import uvloop

from daemon.config import load_profile
from daemon.journal import Journal
from gateways.fix import inbound, outbound, venue_inbound, venue_outbound
from gateways.fix.engine import Engine
from gateways.fix.engine import fix as quickfix
from gateways.fix.requests import NewOrderSingle
from gateways.fix.sessions import LoggedOn, Message, Received, Role, SessionSpec
from gateways.fix.tap import Tap
from market.events import ExecutionReport
from market.orders import NewOrder
from market.types import (
    ClOrdID,
    ExecID,
    ExecType,
    OrderID,
    OrdStatus,
    OrdType,
    ParentID,
    Side,
    Symbol,
    TimeInForce,
)

NOW_NS = 1_795_260_360_123_456_789
WARM_UP = 500
CALLS = 20_000


def order(n: int) -> NewOrder:
    return NewOrder(
        cl_ord_id=ClOrdID(f"SH261121-1-{n}"), parent_id=ParentID("P1"), account="PAPER", mic="XNAS",
        symbol=Symbol("GOOG"), side=Side.BUY, qty=300, ord_type=OrdType.LIMIT, price_e4=5_801_200,
        time_in_force=TimeInForce.DAY, post_only=True,
    )  # fmt: skip


def report(cl_ord_id: str) -> ExecutionReport:
    return ExecutionReport(
        cl_ord_id=ClOrdID(cl_ord_id), exec_type=ExecType.NEW, ord_status=OrdStatus.NEW, exec_id=ExecID("X-1"),
        order_id=OrderID("O-1"), symbol=Symbol("GOOG"), order_qty=300, leaves_qty=300, price_e4=5_801_200,
        transact_ns=NOW_NS, avg_price="0",
    )  # fmt: skip


def framed(body: str) -> str:
    head = "49=STEADYHAND\x0156=VENUE\x0134=7\x0152=20261121-11:26:00.123\x01"
    return f"8=FIX.4.4\x019=200\x01{body[:5]}{head}{body[5:]}10=000\x01"


# --- part 1 -------------------------------------------------------------------------------------


def timed(call: Callable[[], object], calls: int = CALLS) -> tuple[float, float]:
    """Return (p50, p99) in microseconds of single calls."""
    samples = []
    for _ in range(calls):
        start = time.perf_counter_ns()
        call()
        samples.append(time.perf_counter_ns() - start)
    return quantiles(samples)


def quantiles(samples_ns: list[int]) -> tuple[float, float]:
    ordered = sorted(samples_ns)
    return ordered[len(ordered) // 2] / 1e3, ordered[len(ordered) * 99 // 100] / 1e3


def costs(folder: Path) -> dict[str, tuple[float, float]]:
    encoder = outbound.Encoder(load_profile("venue"))
    body, answer = encoder.new(order(17), NOW_NS), venue_outbound.encode_report(report("SH261121-1-17"))
    raw_order, raw_report = framed(body), framed(answer)
    parsed = quickfix.Message(raw_report, False)
    journal, tap = Journal.open(folder / "journal"), Tap(folder / "tap.log")
    payload = b"x" * 200
    table = {
        "encode D (profile)": timed(lambda: encoder.new(order_17, NOW_NS)),
        "encode 8": timed(lambda: venue_outbound.encode_report(report_17)),
        "decode 8": timed(lambda: inbound.decode(raw_report)),
        "decode D": timed(lambda: venue_inbound.decode_request(raw_order)),
        "quickfix.Message(body)": timed(lambda: quickfix.Message(body, False)),
        "toString of a parsed 8": timed(parsed.toString),
        "journal append, 200 B": timed(lambda: journal.append(payload)),
        "raw tap, one message": timed(lambda: tap.write("IN", raw_report)),
        "nothing (the clock's own cost)": timed(lambda: None),
    }
    journal.close()
    return table


order_17, report_17 = order(17), report("SH261121-1-17")

# --- part 2 -------------------------------------------------------------------------------------


class Echo(asyncio.Protocol):
    """The floor's server: an answer for every order, without looking at it."""

    answer = framed(venue_outbound.encode_report(report_17)).encode()
    size = len(framed(outbound.Encoder(load_profile("venue")).new(order(10_017), NOW_NS)))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.got = 0

    def data_received(self, data: bytes) -> None:
        self.got += len(data)
        while self.got >= self.size:
            self.got -= self.size
            self.transport.write(self.answer)  # type: ignore[attr-defined]


async def serve(folder: Path) -> None:
    """The venue's process: an engine that acknowledges every order, and the floor's echo."""
    loop = asyncio.get_running_loop()

    def inbox(name: str, message: Message) -> None:
        if isinstance(message, Received):
            request = venue_inbound.decode_request(message.raw)
            assert isinstance(request, NewOrderSingle), request
            engine.send(name, venue_outbound.encode_report(report(request.cl_ord_id)))

    spec = SessionSpec(name="order", sender_comp_id="VENUE", target_comp_id="STEADYHAND", in_memory=True)
    engine = Engine(Role.ACCEPTOR, [spec], folder / "venue", None, inbox, loop)
    engine.start()
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    print(json.dumps({"fix": engine.port("order"), "echo": server.sockets[0].getsockname()[1]}), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    os._exit(0)


class Client:
    """The gate's process."""

    def __init__(self, folder: Path, port: int) -> None:
        loop = asyncio.get_running_loop()
        self.up, self.answered = asyncio.Event(), asyncio.Event()
        self.encoder = outbound.Encoder(load_profile("venue"))
        self.journal = Journal.open(folder / "gate")
        spec = SessionSpec(
            name="order", sender_comp_id="STEADYHAND", target_comp_id="VENUE", port=port,
            append_inbound=self.journal.append,
        )  # fmt: skip
        self.engine = Engine(Role.INITIATOR, [spec], folder / "gate", folder / "fix.log", self.inbox, loop)
        self.engine.start()
        self.n = 0
        self.sends: list[int] = []

    def inbox(self, _name: str, message: Message) -> None:
        if isinstance(message, Received):
            inbound.decode(message.raw)
            self.answered.set()
        elif isinstance(message, LoggedOn):
            self.up.set()

    async def trips(self, count: int) -> list[int]:
        samples = []
        for _ in range(count):
            self.n += 1
            self.answered.clear()
            start = time.perf_counter_ns()
            body = self.encoder.new(order(self.n), NOW_NS)
            encoded = time.perf_counter_ns()
            assert self.engine.send("order", body)
            self.sends.append(time.perf_counter_ns() - encoded)
            await self.answered.wait()
            samples.append(time.perf_counter_ns() - start)
        return samples


async def floor_trips(port: int, count: int) -> list[int]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    message, samples = b"x" * Echo.size, []
    for _ in range(count):
        start = time.perf_counter_ns()
        writer.write(message)
        await reader.readexactly(len(Echo.answer))
        samples.append(time.perf_counter_ns() - start)
    writer.close()
    return samples


async def compare(folder: Path, ports: dict[str, int], trips: int, rounds: int) -> None:
    client = Client(folder, ports["fix"])
    await client.up.wait()
    await client.trips(WARM_UP)
    await floor_trips(ports["echo"], WARM_UP)
    client.sends.clear()
    engine_rounds, floor_rounds = [], []
    for _ in range(rounds):
        floor_rounds.append(quantiles(await floor_trips(ports["echo"], trips)))
        engine_rounds.append(quantiles(await client.trips(trips)))
    show("send of an encoded body", [quantiles(client.sends)])
    show("D -> 8, two engines", engine_rounds)
    show("D -> 8, bare asyncio", floor_rounds)
    ratios = [(e[0] / f[0], e[1] / f[1]) for e, f in zip(engine_rounds, floor_rounds, strict=True)]
    show("ratio", ratios)


def show(name: str, rows: list[tuple[float, float]]) -> None:
    p50, p99 = (statistics.median(row[i] for row in rows) for i in (0, 1))
    print(f"| {name} | {p50:.1f} | {p99:.1f} |", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--serve", type=Path)
    arguments.add_argument("--trips", type=int, default=1_000)
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    if options.serve:
        uvloop.run(serve(options.serve))
        return
    with tempfile.TemporaryDirectory() as folder:
        print("| us | p50 | p99 |\n|---|---|---|")
        for name, row in costs(Path(folder)).items():
            show(name, [row])
        server = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.fix", "--serve", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None
        ports = json.loads(server.stdout.readline())
        uvloop.run(compare(Path(folder), ports, options.trips, options.rounds))
        server.communicate("")
    sys.stdout.flush()
    os._exit(0)  # quickfix does not survive the interpreter's own exit


if __name__ == "__main__":
    main()
