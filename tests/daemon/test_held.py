"""`durability = "disk"`: no order leaves before its intent is on the disk, and then it is looked at again."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.clock import Clock
from daemon.gate import last_words
from daemon.gate.core import GateCore
from daemon.gate.effects import SendOrder
from daemon.gate.held import Held
from daemon.gate.journal import Replayed, replay
from daemon.gate.metrics import GateMetrics
from daemon.gate.rehearsal import NoLatch
from daemon.gate.shell import GateShell
from daemon.journal import Journal
from daemon.metrics.block import Metrics
from gateways.fix.order_entry import SendResult
from market import events as ev
from market.desk_events import Condition, RestrictedListed
from market.types import ExecType, OrdStatus, Side
from tests.daemon.gate_harness import ASK, BID, LIMITS, SYN, World, limits

CHANGES = 3  # a second
LAW = limits(rates={"changes_per_second": CHANGES})


class Wire:
    """An order entry that notes what leaves."""

    def __init__(self) -> None:
        self.left: list[tuple[str, str]] = []

    def note(self, kind: str, name: str) -> SendResult:
        self.left.append((kind, name))
        return SendResult(sent=True)

    def send(self, approved: Any, _: int) -> SendResult:
        order = approved.spend()
        return self.note("G" if hasattr(order, "terms") else "D", order.cl_ord_id)

    def cancel(self, order: Any, _: int) -> SendResult:
        return self.note("F", order.cl_ord_id)

    def status(self, request: Any, _: int) -> SendResult:
        return self.note("H", request.cl_ord_id)

    def mass_status(self, request: Any) -> SendResult:
        return self.note("AF", request.req_id)

    def mass_cancel(self, request: Any, _: int) -> SendResult:
        return self.note("q", request.cl_ord_id)


class Disked(World):
    """A world whose events go through a shell that waits for the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = Journal.open(folder, "gate.journal")
        self.core = GateCore()
        self.wire = Wire()
        self.ready = False
        self.clock = Clock()
        metrics = GateMetrics(Metrics(None, "gate"), LIMITS, "USD")
        self.shell = GateShell(self.core, self.clock, self.journal, NoLatch(), metrics, lockstep=False)
        self.shell.entry = self.wire  # type: ignore[assignment]
        self.shell.note = lambda _: None
        self.shell.clock = self  # type: ignore[assignment]
        super().__init__(LAW)

    def stamp(self) -> ev.Stamp:
        return ev.Stamp(self.ts, self.now)

    def step(self, event: ev.Event) -> list[Any]:
        if not self.ready:  # World makes a core of its own: the shell's is the one
            self.core, self.ready = self.shell.core, True
        effects: list[Any] = []
        real = self.core.step

        def seen(stamp: ev.Stamp, event: ev.Event, more: bool = False) -> Any:
            step = real(stamp, event, more)
            effects.extend(step.effects)
            return step

        self.core.step = seen  # type: ignore[method-assign]
        try:
            self.shell.post(event)
        finally:
            del self.core.step
        return effects

    def hold(self) -> None:
        """From now on the disk is the test's."""
        self.journal.hurry = lambda: None  # type: ignore[method-assign]
        self.shell.held = Held(self.core, self.journal, self.shell.post, self.act)

    def act(self, effect: Any) -> None:
        self.shell._acts[type(effect)](effect)

    def disk(self) -> None:
        """Everything is on the disk."""
        assert self.shell.held is not None
        self.shell.held.release(self.journal.end)

    def ask(self, qty: int = 100) -> str:
        """Send an intent; return the ClOrdID that waits."""
        self.n += 1
        event = ev.SubmitIntent(
            epoch=self.epoch, n=self.n, parent_id="P1", side=Side.BUY, qty=qty, price_e4=BID,
            decided_mono_ns=self.now, decision_id=self.n,
        )  # fmt: skip
        (order,) = [e.approved.order for e in self.step(event) if isinstance(e, SendOrder)]
        return str(order.cl_ord_id)


@pytest.fixture
def w(tmp_path: Path) -> Iterator[Disked]:
    world = Disked(tmp_path)
    world.open()
    world.parent()
    world.hold()
    world.wire.left.clear()
    yield world
    world.journal.close()
    core = GateCore()
    assert replay(tmp_path / "gate.journal", core, Replayed()).differences == []
    assert core.state_hash() == world.core.state_hash()


def test_an_order_leaves_when_its_intent_is_on_the_disk_and_not_before(w: Disked) -> None:
    first = w.ask()
    end = w.journal.end
    second = w.ask()
    assert w.wire.left == []
    assert w.shell.held is not None

    w.shell.held.release(end - 1)
    assert w.wire.left == []
    w.shell.held.release(end)
    assert w.wire.left == [("D", first)]
    w.disk()
    assert w.wire.left == [("D", first), ("D", second)]
    assert len(w.shell.held) == 0


TAKEN_AWAY: dict[str, Callable[[Disked, str], Any]] = {
    "kill": lambda w, _: w.step(ev.Kill(source="test")),
    "halt": lambda w, _: w.step(Condition(cause="R76H", text="a storm")),
    "reduce only": lambda w, _: w.step(Condition(cause="R76", text="a breeze")),
    "session": lambda w, _: w.step(ev.SessionDown(session="order", reason="gone")),
    "pause": lambda w, _: w.step(ev.PauseParent(request_id=9, parent_id="P1")),
    "cancel of the parent": lambda w, _: w.step(ev.CancelParent(request_id=9, parent_id="P1")),
    "cancel": lambda w, name: w.cancel(name),
    "less of the parent": lambda w, _: w.step(ev.AmendParent(request_id=9, parent_id="P1", qty=50)),
    "prices gone": lambda w, _: w.step(ev.SessionDown(session="reference", reason="gone")),
    "prices away": lambda w, _: (w.price(BID // 2, ASK // 2), w.price(BID // 2, ASK // 2)),
    "trading halt": lambda w, _: w.step(ev.SecurityStatus(symbol=SYN, trading=False, text="halted")),
    "restricted": lambda w, _: w.step(RestrictedListed(symbols=(SYN,), issued_ns=w.ts)),
    "too old": lambda w, _: w.wait(1.0 + LIMITS.policy.decision_age_max_ms / 1000),
}


@pytest.mark.parametrize("why", TAKEN_AWAY)
def test_what_came_meanwhile_takes_an_order_back_that_never_was(w: Disked, why: str) -> None:
    name = w.ask()

    TAKEN_AWAY[why](w, name)
    w.disk()

    assert [kind for kind, _ in w.wire.left if kind in ("D", "G", "F")] == []
    assert w.core.state.chains[name].status is OrdStatus.REJECTED
    assert w.core.open_orders == 0
    assert w.core.state.ledger.committed.get("P1", 0) == 0


def test_a_cancel_waits_behind_the_replace_that_it_overtakes(w: Disked) -> None:
    chain = w.ask()
    w.disk()
    w.report(chain, ExecType.NEW, OrdStatus.NEW, order_qty=100, leaves_qty=100)
    w.wire.left.clear()
    w.n += 1
    w.step(
        ev.ReplaceIntent(epoch=w.epoch, n=w.n, chain_id=chain, qty=150, price_e4=BID, decided_mono_ns=w.now)
    )
    w.cancel(chain)
    assert w.wire.left == []

    w.disk()

    assert [kind for kind, _ in w.wire.left] == ["F"]  # the replace is not wanted any more, the cancel is
    assert w.core.state.chains[chain].replace_id is None


def test_a_replace_stays_where_cancels_that_waited_for_nothing_have_used_up_its_second(w: Disked) -> None:
    """R22: a replace that waited is a message of the second in which it leaves."""
    kept, *gone = [w.ask(10) for _ in range(CHANGES + 1)]
    w.disk()
    for chain in (kept, *gone):
        w.report(chain, ExecType.NEW, OrdStatus.NEW, order_qty=10, leaves_qty=10)
    w.wire.left.clear()
    w.n += 1
    w.step(ev.ReplaceIntent(epoch=w.epoch, n=w.n, chain_id=kept, qty=20, price_e4=BID, decided_mono_ns=w.now))
    for chain in gone:
        w.cancel(chain)

    w.disk()

    assert [kind for kind, _ in w.wire.left] == ["F"] * CHANGES
    assert w.core.state.chains[kept].replace_id is None
    assert w.core.state.chains[kept].order_qty == 10


def test_mass_cancels_and_cancels_of_other_orders_wait_for_nothing(w: Disked) -> None:
    works = w.ask()
    w.disk()
    w.report(works, ExecType.NEW, OrdStatus.NEW, order_qty=100, leaves_qty=100)
    w.wire.left.clear()
    waits = w.ask()

    w.step(ev.Kill(source="test"))

    assert [kind for kind, _ in w.wire.left] == ["q", "F"]
    w.disk()
    assert [kind for kind, _ in w.wire.left] == ["q", "F"]
    assert w.core.state.chains[waits].status is OrdStatus.REJECTED


def test_in_lockstep_the_loop_itself_waits(tmp_path: Path) -> None:
    w = Disked(tmp_path)
    w.shell.lockstep = True
    w.shell.wait_for_disk(lambda act: act())
    w.open()
    w.parent()
    seen: list[bool] = []
    real = w.wire.send
    w.wire.send = lambda a, ts: (seen.append(w.journal.durable_offset == w.journal.end), real(a, ts))[1]  # type: ignore[method-assign]

    w.ask()

    assert seen == [True]
    w.journal.close()


def test_the_last_words_of_a_gate_whose_disk_failed_are_cancels(w: Disked) -> None:
    name = w.ask()
    w.disk()
    w.report(name, ExecType.NEW, OrdStatus.NEW, order_qty=100, leaves_qty=100)
    w.wire.left.clear()
    end = w.journal.end

    last_words.cancel_all(w.shell)

    assert w.wire.left == [("q", "SH1-X0"), ("F", "SH1-X1")]
    assert w.journal.end == end
