"""What leaves after a kill: nothing but cancels; and how soon they do.

    python benchmarks/kill.py [--trials 10000] [--wire 1000] [--seed 1]

Simulation: in each trial a gate core works some random orders, is killed from a random source, and is then
asked for all that a mad trader, a late EMS and an impatient person can ask. No order may leave, and every
open order has its cancel. Wire: the same through journal, shell and a real FIX engine to a socket of another
process, which says when what arrived: from the kill to the mass cancel, to the last cancel, and orders after
it. Prints JSON.
"""

import argparse
import asyncio
import json
import multiprocessing as mp
import os
import random
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from daemon.config import load_profile
from daemon.gate.effects import SendCancel, SendMassCancel, SendOrder
from daemon.gate.metrics import GateMetrics
from daemon.gate.shell import GateShell
from daemon.journal import Journal
from daemon.metrics.block import Metrics
from gateways.fix.engine import Engine
from gateways.fix.order_entry import OrderEntry
from gateways.fix.outbound import Encoder
from gateways.fix.sessions import ORDER, LoggedOn, Role, SessionSpec
from market import events as ev
from market.people_events import StopScope
from market.types import ExecType, OrdStatus, ParentID, Side
from risk.kill_switch import KillLatch
from tests.daemon.gate_harness import ASK, BID, LIMITS, SECOND, World, limits
from tests.gateways.fix.raw_peer import RawAcceptor

FREE = limits(
    rates={"orders_per_second": 10**6, "orders_per_second_symbol": 10**6, "duplicates": 10**6},
    sessions={"in_flight_max": 10**6},
)
SOURCES = ("cli", "signal", "file", "alarm", "overfill", "loss")
ORDERS = 5  # open at each kill on the wire


def kill(w: World, source: str, chain: str) -> list[Any]:
    """Pull the switch, from wherever."""
    if source == "alarm":
        return w.step(ev.EngineAlarm(text="a callback failed", fatal=True))
    if source == "overfill":
        return w.fill(chain, 1_000_000, BID)
    if source == "loss":
        w.core.state.posture.raise_("R30", "loss", w.now)
        return w.step(ev.Timer())
    return w.step(ev.Kill(source=source))


def ask(w: World, rng: random.Random, chain: str) -> list[Any]:
    """Ask for something that a killed gate must not do."""
    what = rng.randrange(9)
    w.now += rng.randrange(1, SECOND)
    w.ts += rng.randrange(1, SECOND)
    w.n += 1
    decided = {"epoch": w.epoch, "n": w.n, "decided_mono_ns": w.now, "decision_id": w.n}
    if what < 3:
        side = rng.choice((Side.BUY, Side.SELL))
        intent = ev.SubmitIntent(
            parent_id=ParentID(rng.choice(("P1", "P2"))),
            side=side,
            qty=rng.randrange(1, 200),
            price_e4=BID,
            **decided,
        )
        return w.step(intent)
    if what == 3:
        return w.step(
            ev.ReplaceIntent(chain_id=chain, qty=rng.randrange(1, 500), price_e4=BID - 100, **decided)
        )
    if what == 4:
        return w.step(ev.SubmitParent(request_id=1, parent=w_parent()))
    if what == 5:
        return w.step(ev.ResumeParent(request_id=1, parent_id=ParentID("P1")))
    if what == 6:
        return w.step(ev.Rearm(request_id=1, reason="let me trade again", person="me"))
    if what == 7:
        w.step(ev.SessionDown(session="order"))
        w.step(ev.SessionUp(session="order"))
        return w.step(w.mass_status_empty())
    return w.price(BID + rng.randrange(-50, 50) * 100, ASK + 6_000)


def w_parent() -> Any:
    """Return a second parent."""
    from tests.daemon.gate_harness import parent_order

    return parent_order(pid="P2")


def simulate(trials: int, seed: int) -> dict[str, int]:
    """Return trials, asks after the kill, orders that left, and open orders without a cancel."""
    rng = random.Random(seed)
    asked = left = uncancelled = no_mass_cancel = 0
    for _ in range(trials):
        w = World(FREE)
        w.open()
        w.parent(qty=5_000)
        chains = [
            w.working(rng.randrange(1, 200), BID - 100 * rng.randrange(20))
            for _ in range(rng.randrange(1, 6))
        ]
        for chain in chains[1:]:
            if rng.random() < 0.3:
                w.report(chain, ExecType.CANCELED, OrdStatus.CANCELED)
        source = rng.choice(SOURCES)
        sent = len(w.sent)
        kill(w, source, chains[0])
        mass = any(isinstance(e, SendMassCancel) for e in w.sent[sent:])
        no_mass_cancel += bool(w.core.state.ledger.held) and not mass
        for _ in range(10):
            ask(w, rng, chains[0])
            asked += 1
        after = w.sent[sent:]
        left += sum(isinstance(e, SendOrder) for e in after)
        cancelled = {
            w.core.state.chain_of[e.order.orig_cl_ord_id] for e in after if isinstance(e, SendCancel)
        }
        uncancelled += len(set(w.core.state.ledger.held) - cancelled)
    return {
        "trials": trials,
        "asked_after_the_kill": asked,
        "orders_that_left": left,
        "open_without_a_cancel": uncancelled,
        "without_a_mass_cancel": no_mass_cancel,
    }


# --- the wire -----------------------------------------------------------------------------------


def ems(pipe: Connection) -> None:
    """Another process: note when each message arrived, until the gate logs out."""
    acceptor = RawAcceptor()
    pipe.send(acceptor.port)
    peer, _ = acceptor.log_on()
    peer.connection.settimeout(60.0)
    seen: list[tuple[str, str, int]] = []
    while True:
        message = peer.receive()
        kind = message.get(35).decode()
        if kind in ("D", "G", "q", "F"):
            seen.append((kind, message.get(11).decode(), time.monotonic_ns()))
        elif kind == "5":
            break
    pipe.send(seen)
    acceptor.close()


class Still:
    """A clock that stands where the trial puts it."""

    def __init__(self) -> None:
        self.now = ev.Stamp(0, 0)
        self.anchor = None

    def stamp(self) -> ev.Stamp:
        return self.now


async def wire(trials: int, seed: int, folder: Path) -> dict[str, Any]:
    """Return latencies of each kill on the wire, and orders that came after one."""
    here, there = mp.Pipe()
    child = mp.get_context("spawn").Process(target=ems, args=(there,))
    child.start()
    port, up = here.recv(), asyncio.Event()
    spec = SessionSpec(name=ORDER, sender_comp_id="STEADYHAND", target_comp_id="VENUE", port=port)
    engine = Engine(
        Role.INITIATOR,
        [spec],
        folder / "fix",
        folder / "fix.log",
        lambda _, m: up.set() if isinstance(m, LoggedOn) else None,
        asyncio.get_running_loop(),
    )
    engine.start()
    await up.wait()
    journal, rng = Journal.open(folder / "state"), random.Random(seed)
    entry = OrderEntry(engine, Encoder(load_profile("venue")))
    killed_ns: dict[str, int] = {}
    for trial in range(trials):
        name, at_ns = one(trial, entry, journal, folder / f"latch{trial % 8}", rng)
        killed_ns[name] = at_ns
        await asyncio.sleep(0.002)
    engine.stop()
    seen = here.recv()
    child.join()
    journal.close()
    return judged(seen, killed_ns)


def one(trial: int, entry: OrderEntry, journal: Journal, place: Path, rng: random.Random) -> tuple[str, int]:
    """Work some orders, kill, and ask again; return the epoch's name and when the kill was pulled."""
    w, clock = World(FREE, epoch=36**3 + trial), Still()
    place.mkdir(exist_ok=True)
    latch = KillLatch(place / "KILLED", place / "KILL")
    latch.clear()
    metrics = GateMetrics(Metrics(None, "gate"), LIMITS, "USD")
    shell = GateShell(w.core, clock, journal, latch, metrics, lockstep=False)  # type: ignore[arg-type]
    loop = asyncio.get_running_loop()
    shell.beside = lambda act: loop.run_in_executor(None, act)
    shell.note = lambda _: None
    w.open()
    w.parent(qty=5_000)

    def post(event: ev.Event) -> None:
        clock.now = ev.Stamp(w.ts, w.now)
        shell.post(event)

    def intent() -> ev.SubmitIntent:
        w.n += 1
        w.now += 10_000_000
        decided = {"epoch": w.epoch, "n": w.n, "decided_mono_ns": w.now, "decision_id": w.n}
        return ev.SubmitIntent(
            parent_id=ParentID("P1"), side=Side.BUY, qty=rng.randrange(1, 100), price_e4=BID, **decided
        )

    shell.entry = entry
    for _ in range(ORDERS):
        post(intent())
    name = next(iter(w.core.state.chains)).partition("-")[0].removeprefix("SH")
    pulled_ns = time.monotonic_ns()
    post(ev.Kill(source="cli") if trial % 2 else StopScope(source="cli", halt=False))
    for _ in range(5):
        post(intent())
    return name, pulled_ns


def judged(seen: list[tuple[str, str, int]], killed_ns: dict[str, int]) -> dict[str, Any]:
    """Compare what arrived with when each kill was pulled."""
    mass, last, late, cancels = [], [], 0, 0
    gone: set[str] = set()
    ends: dict[str, int] = {}
    for kind, cl_ord_id, at_ns in seen:
        name = cl_ord_id.removeprefix("SH").removeprefix("Q" if kind == "q" else "").partition("-")[0]
        if kind == "q":
            gone.add(name)
            mass.append((at_ns - killed_ns[name]) / 1e3)
        elif kind == "F":
            cancels += 1
            ends[name] = at_ns
        else:
            late += name in gone
    last = [(at_ns - killed_ns[name]) / 1e3 for name, at_ns in ends.items()]
    return {
        "kills": len(killed_ns),
        "mass_cancels": len(mass),
        "cancels": cancels,
        "orders_after_a_kill": late,
        "mass_cancel_us": percentiles(mass),
        "last_cancel_us": percentiles(last),
    }


def percentiles(values: list[float]) -> dict[str, float]:
    """Return the usual ones."""
    ordered = sorted(values)
    if not ordered:
        return {}
    at = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
    return {
        name: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)
        for name, share in at.items()
    }


def main() -> None:
    """Run both."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--trials", type=int, default=10_000)
    p.add_argument("--wire", type=int, default=1_000)
    p.add_argument("--seed", type=int, default=1)
    args = p.parse_args()
    found: dict[str, Any] = {"simulation": simulate(args.trials, args.seed)}
    with tempfile.TemporaryDirectory() as folder:
        if args.wire:
            found["wire"] = asyncio.run(wire(args.wire, args.seed, Path(folder)))
        print(json.dumps(found, indent=1), flush=True)
    os._exit(0)  # the interpreter's own exit crashes with quickfix loaded


if __name__ == "__main__":
    main()
