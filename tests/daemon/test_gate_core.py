"""The gate's core in scenarios: parents from admission to their end, with fills, races and crashes."""

from daemon.gate.core import GateCore
from daemon.gate.effects import Reply
from market import events as ev
from market import updates as up
from market.types import ExecType, OrdStatus, ParentStatus
from tests.daemon.gate_harness import ASK, BID, OPEN_NS, SECOND, World, cancels, told


def test_a_parent_is_worked_to_its_end() -> None:
    w = World()
    w.open()

    assert w.parent(qty=300)["ok"]
    assert w.ask_parent().progress.status is ParentStatus.WORKING
    assert w.ask_parent().progress.arrival_mid_micros == (BID + ASK) * 50
    chain = w.working(300, BID)
    w.fill(chain, 100, BID)
    effects = w.fill(chain, 200, BID)

    assert w.ask_parent().progress.status is ParentStatus.FILLED
    assert w.core.state.ledger.books["SYN"].position == 300
    assert [u.last_qty for u in told(effects, up.OrderUpdate)] == [200]
    assert told(effects, up.ParentUpdate)[-1].progress.cum_qty == 300


def test_replay_of_the_events_gives_the_same_state_and_effects() -> None:
    w = World()
    w.open()
    w.parent(qty=300)
    chain = w.working(200, BID)
    w.fill(chain, 50, BID)
    w.replace(chain, 200, BID + 100)
    w.wait(700)

    again = GateCore()
    effects = [e for stamp, event in w.log for e in again.step(stamp, event).effects]

    assert again.state_hash() == w.core.state_hash()
    assert len(effects) == len(w.sent)


def test_the_end_of_the_window_cancels_and_books_the_remainder() -> None:
    w = World()
    w.open()
    w.parent(qty=300)
    chain = w.working(200, BID)
    w.fill(chain, 50, BID)

    w.now += 600 * SECOND
    w.ts = OPEN_NS + 600 * SECOND
    sent = cancels(w.step(ev.Timer()))
    assert [c.orig_cl_ord_id for c in sent] == [chain]
    assert w.ask_parent().progress.status is ParentStatus.CANCELING
    w.fill(chain, 30, BID)  # overtakes our cancel
    w.report(sent[0].cl_ord_id, ExecType.CANCELED, OrdStatus.CANCELED, orig_cl_ord_id=chain, cum_qty=80)

    progress = w.ask_parent().progress
    assert (progress.status, progress.cum_qty) == (ParentStatus.EXPIRED, 80)
    assert progress.remainder_reason == "end of window"


def test_an_intent_is_handled_once() -> None:
    w = World()
    w.open()
    w.parent()
    first = w.intent(100, BID)
    w.n -= 1

    assert w.intent(100, BID) is None
    assert len(w.core.state.chains) == 1
    assert first.cl_ord_id


def test_status_is_complete_and_plain() -> None:
    w = World()
    w.open()
    w.parent()
    w.working()
    effects = w.step(ev.CancelParent(request_id=9, parent_id="P1"))

    assert [e.body["status"] for e in effects if isinstance(e, Reply)] == ["canceling"]
    status = w.core.status(ev.Stamp(w.ts, w.now))
    assert status["sessions"]["order"]["up"]
    assert status["orders"][0]["status"] == "PENDING_CANCEL"
    assert status["trader"]["connected"]
