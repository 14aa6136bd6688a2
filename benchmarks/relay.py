"""The floors of tick-to-order: the same hops with no work in them, and one bare hop.

    relay:  feeder --TCP--> forwarder --unix socket--> forwarder --TCP--> sink    (trader, gate, venue)
    bare:   feeder --TCP--> forwarder --TCP--> sink                               (one process)

Each forwarder is a process on uvloop with an asyncio Protocol, as ours are. A message carries the
monotonic time at which it became readable in the first forwarder; the last forwarder writes down
how long ago that was once its own write returned. Prints the durations (ns) as one JSON list.
"""

import asyncio
import json
import multiprocessing as mp
import os
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path

import uvloop

MESSAGE = struct.Struct("<q120x")  # about a NewOrderSingle's size
RATE_PER_S = 50


class Forwarder(asyncio.Protocol):
    """Reads whole messages, stamps them where it is the first, passes them on."""

    def __init__(self, onward: asyncio.Transport, first: bool, taken_ns: list[int] | None) -> None:
        self._onward, self._first, self._taken_ns = onward, first, taken_ns
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        data = self._rest + data
        whole = len(data) - len(data) % MESSAGE.size
        self._rest = data[whole:]
        for at in range(0, whole, MESSAGE.size):
            stamp = now if self._first else MESSAGE.unpack_from(data, at)[0]
            self._onward.write(MESSAGE.pack(stamp))
            if self._taken_ns is not None:
                self._taken_ns.append(time.monotonic_ns() - stamp)

    def connection_lost(self, _: Exception | None) -> None:
        self._onward.close()
        asyncio.get_running_loop().stop()


def serve(
    mine: tuple[socket.socket, socket.socket],
    others: list[socket.socket],
    first: bool,
    report: "mp.Queue[list[int]] | None",
) -> None:
    """Be one forwarder process until its inbound line closes."""
    inbound, outbound = mine
    for line in others:  # inherited by the fork; held open they would hide the end of a line
        line.close()
    taken_ns: list[int] | None = [] if report is not None else None
    loop = uvloop.new_event_loop()

    async def wire() -> None:
        onward, _ = await loop.create_connection(asyncio.Protocol, sock=outbound)
        await loop.create_connection(lambda: Forwarder(onward, first, taken_ns), sock=inbound)

    loop.run_until_complete(wire())
    loop.run_forever()
    if report is not None:
        report.put(taken_ns or [])


def pair(kind: str, folder: str) -> tuple[socket.socket, socket.socket]:
    """A connected pair over loopback TCP or a unix path, as the real processes have it."""
    family = socket.AF_INET if kind == "tcp" else socket.AF_UNIX
    with socket.socket(family) as listener:
        listener.bind(("127.0.0.1", 0) if kind == "tcp" else str(Path(folder) / "relay.sock"))
        listener.listen(1)
        a = socket.socket(family)
        a.connect(listener.getsockname())
        b, _ = listener.accept()
    if kind == "tcp":
        for s in (a, b):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for s in (a, b):
        s.setblocking(False)
    return a, b


def measure(hops: int, count: int, rate_per_s: float = RATE_PER_S) -> list[int]:
    """Return `count` durations in ns over 1 (bare) or 2 (relay) forwarders at a steady rate."""
    context = mp.get_context("fork")
    report: mp.Queue[list[int]] = context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        feed_out, feed_in = pair("tcp", folder)
        links = [pair("unix", folder)] if hops == 2 else []
        order_out, order_in = pair("tcp", folder)
        ends = [(feed_in, links[0][0]), (links[0][1], order_out)] if links else [(feed_in, order_out)]
        lines = [feed_out, order_in, *(line for end in ends for line in end)]
        workers = [
            context.Process(
                target=serve,
                args=(
                    end,
                    [line for line in lines if line not in end],
                    n == 0,
                    report if n == len(ends) - 1 else None,
                ),
            )
            for n, end in enumerate(ends)
        ]
        for worker in workers:
            worker.start()
        for i, o in ends:
            i.close()
            o.close()
        feed_out.setblocking(True)
        begin = time.monotonic()
        for n in range(count):
            time.sleep(max(0.0, begin + n / rate_per_s - time.monotonic()))
            feed_out.sendall(MESSAGE.pack(0))
            drain(order_in)
        feed_out.close()
        taken_ns = report.get(timeout=30)
        for worker in workers:
            worker.join(10)
        order_in.close()
    return taken_ns


def drain(line: socket.socket) -> None:
    """Read what is there."""
    try:
        while line.recv(1 << 16):
            pass
    except BlockingIOError:
        pass


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]))))
    os._exit(0)
