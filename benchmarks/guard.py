"""How soon orders are canceled at the venue when the guard fires at a gate whose loop is blocked for 10 s.

    chrt -r 10 python benchmarks/guard.py [--rounds 20] [--orders 10]

Each round is a venue, a gate that trades there, and a guard, each a process. A signal blocks the gate's loop
while it holds the interpreter's lock; the guard kills the gate; the venue cancels on disconnect and
says when. The floor, in the same round: a process that does nothing and has one connection is killed, until
its other end is seen to be closed. Prints JSON, milliseconds.
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.daemon.gate_at_venue import GateAtVenue
from tests.daemon.guard_process import GuardProcess
from tests.daemon.test_guard_process import BLOCKED, guarded, until_hung_up

IDLE = (
    "import socket, sys, time; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); time.sleep(60)"
)


def floor() -> float:
    """Kill a process that does nothing; return how soon its peer sees it, in milliseconds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        process = subprocess.Popen([sys.executable, "-I", "-S", "-c", IDLE, port])
        connection, _ = server.accept()
        began_ns = time.monotonic_ns()
        process.kill()
        connection.recv(1)
        took_ns = time.monotonic_ns() - began_ns
        connection.close()
        process.wait()
    return took_ns / 1e6


def fired(folder: Path, orders: int) -> tuple[float, int]:
    """Play one round; return milliseconds from firing to the cancels, and how many there were."""
    desk = GateAtVenue(folder, "", code=BLOCKED.replace("{how}", "hold"))
    try:
        guarded(desk.gate)
        for _ in range(orders):
            desk.rest()
        guard = GuardProcess(desk.gate.config)
        guard.wait("drilled")
        os.kill(desk.gate.process.pid, signal.SIGUSR2)  # type: ignore[union-attr]
        said = guard.wait("fired")
        guard.close()
        until_hung_up(desk.venue)
        _, _, log = desk.venue.stop()
    finally:
        desk.close()
    ended = next(json.loads(line) for line in log.splitlines() if "canceled_on_disconnect" in line)
    wall_ns = int(datetime.fromisoformat(ended["timestamp"]).timestamp() * 1e9)
    mono_ns = wall_ns - time.time_ns() + time.monotonic_ns()
    return (mono_ns - said["fired_mono_ns"]) / 1e6, ended["orders"]


def main() -> None:
    """Play the rounds."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--rounds", type=int, default=20)
    p.add_argument("--orders", type=int, default=10)
    args = p.parse_args()
    took, floors, canceled = [], [], 0
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory() as folder:
            ms, count = fired(Path(folder), args.orders)
        took.append(ms)
        canceled += count
        floors.append(floor())
    found = {
        "rounds": args.rounds,
        "orders_canceled": canceled,
        "ms": [round(ms, 2) for ms in took],
        "median_ms": round(statistics.median(took), 2),
        "max_ms": round(max(took), 2),
        "floor_median_ms": round(statistics.median(floors), 2),
        "floor_max_ms": round(max(floors), 2),
        "load": os.getloadavg()[0],
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
