"""An OMS and a gate that dies anywhere: the OMS hears of each execution once, and has one parent a ClOrdID.

Core, session layer and store are the gate's own; the journal is a list, the wire a function call, the OMS
keeps its numbers as FIX 4.4 wants it. A seed drives orders, fills, cut lines and deaths, at four points of a
request's or a report's way.
"""

import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from daemon.gate.core import GateCore
from daemon.gate.effects import TellOms
from gateways.fix.oms_frames import Frames
from gateways.fix.oms_intake import read
from gateways.fix.oms_reports import body
from gateways.fix.oms_session import OmsSession, Terms
from gateways.fix.oms_store import OmsStore
from market import events as ev
from market.orders import NewOrder
from market.types import ParentID
from tests.daemon.gate_harness import BID, SECOND, limits
from tests.daemon.oms_world import RIGHTS, SOH, OmsWorld, new_text

SEEDS = 3_000 if os.environ.get("STEADYHAND_LONG") else 15
TURNS = 60
NOON_NS = 1_704_196_800 * SECOND
TIME = "20240102-12:00:00"
POINTS = ("before the journal", "before it is told", "record, no bytes", "before it is counted")


class Death(Exception):  # noqa: N818
    """The gate is killed here."""


class Gate:
    """A gate's memory, disk and OMS session."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = OmsWorld(limits(start={"exits_max": 100}, parents={"live_max": 64}))
        self.epoch = 1
        self.dies_at = ""
        self.begin()

    def begin(self) -> None:
        """After a start: sessions, a trader, numbers from the disk."""
        self.world.open(trader=10 + self.epoch)
        self.store = OmsStore(self.folder, "OMS")
        self.session = OmsSession(Terms(client="OMS", ours="GATE"), self.store, _Rim(self), lambda: NOON_NS)

    def restart(self) -> None:
        """Replay what was journaled; all else is gone."""
        core = GateCore()
        for stamp, event in self.world.log:
            core.step(stamp, event)
        self.world.core = core
        self.epoch += 1
        self.dies_at = ""
        self.world.step(ev.GateStarted(**(self.world.start_fields | {"epoch": self.epoch})))
        self.begin()

    def at(self, point: str) -> None:
        if self.dies_at == point:
            raise Death(point)

    def step(self, event: ev.Event) -> list[Any]:
        """Journal and step an event, then tell."""
        effects = self.world.step(event)
        self.at("before it is told")
        if any(isinstance(e, TellOms) for e in effects):
            self.session.flush()
        return effects


class _Rim:
    """The desk of a session."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    def take(self, _: str, raw: str) -> None:
        self.gate.at("before the journal")
        self.gate.step(read(raw, "OMS", RIGHTS))
        self.gate.at("before it is counted")

    def session(self, *_: Any) -> None:
        """The core need not know here."""

    def reports(self, _: str) -> int:
        return len(self.gate.world.outbox())

    def report(self, _: str, place: int) -> str:
        return body(self.gate.world.outbox()[place])

    def full(self, _: str) -> str:
        return ""


class Oms:
    """The other side, by the book: numbers, gaps, resends."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.next_out, self.next_in = 1, 1
        self.sent: dict[int, str] = {}  # requests by number; the rest is filled as a gap
        self.up, self.cut, self.asked = False, False, 0
        self.heard: list[dict[str, str]] = []
        self.frames = Frames()
        self.waiting: list[str] = []

    # --- the wire ---------------------------------------------------------------------------------

    def send(self, frame: bytes) -> None:
        self.gate.at("record, no bytes")
        if not self.cut:
            self.waiting += self.frames.feed(frame)

    def close(self, _: str) -> None:
        self.up = False

    def is_full(self) -> bool:
        return False

    def drop(self) -> None:
        """The line is gone, with all that was on it."""
        self.up, self.cut, self.asked = False, False, 0
        self.waiting.clear()
        self.frames = Frames()

    # --- what it says -----------------------------------------------------------------------------

    def message(self, text: str, number: int, again: bool = False) -> str:
        kind, _, rest = text.partition("|")
        dup = f"43=Y|122={TIME}|" if again else ""
        raw = f"8=FIX.4.4|9=0|{kind}|49=OMS|56=GATE|34={number}|52={TIME}|{dup}{rest}|10=000|"
        return raw.replace("|", SOH)

    def say(self, text: str) -> None:
        """Send a message under the next number."""
        number, self.next_out = self.next_out, self.next_out + 1
        text = text.replace("|34=2|", "|")
        if text.startswith(("35=D", "35=F", "35=G")):
            self.sent[number] = text
        if self.up:
            self.gate.session.receive(self.message(text, number), 0)
            self.read()

    def connect(self) -> None:
        self.drop()
        number, self.next_out = self.next_out, self.next_out + 1
        refusal = self.gate.session.logon(self, self.message("35=A|98=0|108=30", number), 0)
        assert not refusal, refusal
        self.up = True
        self.read()

    def read(self) -> None:
        """Take in what came, in order; answer what must be answered."""
        while self.waiting:
            m = dict(f.split("=", 1) for f in self.waiting.pop(0).split(SOH)[:-1])
            number = int(m["34"])
            if m["35"] == "2":
                self.resend(int(m["7"]))
            if number > self.next_in:
                if not self.asked:
                    self.asked = number
                    self.say(f"35=2|7={self.next_in}|16=0")
            elif number == self.next_in:
                self.next_in = int(m["36"]) if m["35"] == "4" else number + 1
                self.heard.append(m)
                self.asked = 0 if self.next_in > self.asked else self.asked

    def resend(self, begin: int) -> None:
        for number in range(begin, self.next_out):
            text = self.sent.get(number) or f"35=4|123=Y|36={number + 1}"
            self.gate.session.receive(self.message(text, number, again=True), 0)


class Run:
    """One seed's day."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.gate = Gate(folder)
        self.oms = Oms(self.gate)
        self.orders = 0

    def safely(self, act: Any) -> None:
        """Do something; where the gate dies of it, start it again."""
        try:
            act()
        except Death:
            self.oms.drop()
            self.gate.restart()
        self.oms.read() if self.oms.up else None

    def turn(self) -> None:
        rng, oms = self.rng, self.oms
        if rng.random() < 0.15:
            self.gate.dies_at = rng.choice(POINTS)
        move = rng.random()
        if move < 0.15:
            self.safely(oms.connect) if not oms.up else None
        elif move < 0.25:
            oms.cut = True  # what is sent from now on is lost
        elif move < 0.32 and oms.up:
            oms.up = False
            self.gate.session.lost("the line broke")
        elif move < 0.55 and oms.up:
            self.orders += 1
            self.safely(lambda: oms.say(new_text(f"A{self.orders}", rng.randrange(1, 5) * 100)))
        elif move < 0.62 and oms.up and self.orders:
            name = f"A{rng.randrange(self.orders) + 1}"
            self.safely(lambda: oms.say(f"35=F|11=C{oms.next_out}|41={name}|55=SYN|54=1"))
        else:
            self.safely(self.fill)

    def fill(self) -> None:
        """A child of some parent trades."""
        world = self.gate.world
        world.wait(0.5)
        live = [p for p in world.core.state.live_parents.values() if p.progress.status.value == "working"]
        if not live:
            return
        parent = self.rng.choice(live)
        left = parent.progress.qty - parent.progress.committed_qty
        order = world.intent(min(left, 100), BID, pid=parent.order.parent_id) if left > 0 else None
        if isinstance(order, NewOrder):
            world.accept(order)
            chain = world.core.state.chains[order.cl_ord_id]
            world.exec_n += 1
            qty = self.rng.randrange(1, order.qty + 1)
            self.gate.step(trade(world, chain, qty))
        self.gate.session.flush()

    def end(self) -> None:
        """Let everything settle: one gate that lives, one line that stands."""
        self.gate.dies_at = ""
        if self.oms.up:
            self.oms.up = False
            self.gate.session.lost("the line broke")
        for _ in range(3):
            if not self.oms.up:
                self.oms.connect()
            self.oms.say("35=1|112=T")


def trade(world: OmsWorld, chain: Any, qty: int) -> ev.ExecutionReport:
    """Return the EMS's word on a fill of a chain."""
    from market.types import ExecType, OrdStatus

    cum = chain.cum_qty + qty
    return ev.ExecutionReport(
        cl_ord_id=chain.cl_ord_id,
        exec_type=ExecType.TRADE,
        ord_status=OrdStatus.FILLED if cum == chain.order_qty else OrdStatus.PARTIALLY_FILLED,
        exec_id=f"E{world.exec_n}",
        order_id=f"O-{chain.cl_ord_id}",
        side=chain.terms.side,
        last_qty=qty,
        last_price_e4=BID,
        cum_qty=cum,
        leaves_qty=chain.order_qty - cum,
    )


@pytest.mark.parametrize("seed", range(SEEDS))
def test_each_execution_is_heard_once_and_each_order_is_one_parent(seed: int, tmp_path: Path) -> None:
    run = Run(tmp_path, seed)
    run.safely(run.oms.connect)

    for _ in range(TURNS):
        run.turn()
    run.end()

    g, heard = run.gate.world.core.state, [m for m in run.oms.heard if m["35"] == "8"]
    fills = [m for m in heard if m["150"] == "F"]
    told: Counter[str] = Counter()
    for m in fills:
        told[m["37"]] += int(m["32"])
    assert len({m["17"] for m in fills}) == len(fills), "no ExecID twice"
    assert told == Counter({p: q.progress.cum_qty for p, q in g.parents.items() if q.progress.cum_qty})
    names = Counter(g.oms.orders[ParentID(p)].cl_ord_id for p in g.parents)
    assert len(g.parents) <= run.orders
    assert max(names.values(), default=1) == 1
    sent = {t.split("|11=")[1].split("|")[0] for t in run.oms.sent.values() if t.startswith("35=D")}
    answered = {m["11"] for m in heard if m["150"] in "08I"}
    assert sent <= answered, "every order has an answer"
