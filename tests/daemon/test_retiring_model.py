"""A gate whose orders leave its state at once does what a gate does that keeps them all, whatever comes."""

import random
from typing import Any

import pytest

from daemon.gate import ended_parents
from daemon.gate.core import GateCore
from daemon.gate.effects import AskMassStatus, Effect, SendOrder, Tell
from daemon.gate.ended_parents import every_parent
from daemon.gate.retiring import every_chain, look_up
from market import events as ev
from market.copy_events import DropCopied, DropCopyLine
from market.parents import TERMINAL
from market.types import CxlRejReason, CxlRejResponseTo, ExecType, OrdStatus, ParentID, Side
from market.updates import ParentUpdate
from risk.posture import Posture
from tests.daemon.gate_harness import ASK, BID, World, limits
from tests.daemon.people import lift

E, S = ExecType, OrdStatus
SEEDS, STEPS = 25, 200
LAW = limits(
    sessions={"in_flight_max": 10**6},
    rates={"judged_after": 10**8, "duplicates": 10**6},
    order={"qty_max": 10**6},
)


class Pair:
    """Two gates that hear the same: `kept` keeps its orders, `retiring` does not."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        start: dict[str, Any] = {"drop_copy": seed % 3 == 0, "external_orders": "adopt"}
        self.kept = World(LAW, **start)
        self.retiring = World(LAW, **start, retire_after_ms=self.rng.choice((0, 0, 2_000)))
        self.worlds = (self.kept, self.retiring)
        self.names: list[str] = []  # every ClOrdID that ever left, and its chain
        self.reports: list[dict[str, Any]] = []  # every report that came
        self.pid, self.side = "P1", Side.BUY  # of the parent that is worked now
        self.lifted: list[int] = []  # after how many events people lifted what was latched
        self.n = 0

    def both(self, verb: str, *args: Any, **more: Any) -> Any:
        """Let both do the same, and hold one against the other."""
        before = [len(w.sent) for w in self.worlds]
        said = [getattr(w, verb)(*args, **more) for w in self.worlds]
        one, other = (told(w.sent[n:]) for w, n in zip(self.worlds, before, strict=True))
        assert other == one, f"{verb} {args} {more}"
        assert facts(self.retiring.core) == facts(self.kept.core), f"{verb} {args} {more}"
        return said[0]

    def step(self) -> None:
        """One thing happens."""
        w, rng = self.kept, self.rng
        chain = rng.choice(list(w.core.state.chains.values())[-12:] or [None])
        acts = [self.order] * 4 + [self.time] * 3 + [self.line, self.parent]
        if chain is not None:
            acts += [self.report] * 8 + [self.again] * 2 + [self.change, self.copied]
            acts += [self.nonsense] if rng.random() < 0.1 else []
        rng.choice(acts)(chain)
        if w.core.state.posture.posture >= Posture.HALTED:
            self.lifted.append(len(self.retiring.log))
            for world in self.worlds:
                rearmed(world.core)

    def order(self, _: Any) -> None:
        if self.pid not in self.kept.core.state.live_parents:
            return  # refused either way: of one that is archived only that it is none of this trader's
        price = BID if self.side is Side.BUY else ASK
        order = self.both("intent", self.rng.choice((10, 20, 100)), price, side=self.side, pid=self.pid)
        if hasattr(order, "cl_ord_id"):
            self.names.append(order.cl_ord_id)
            if self.rng.random() < 0.7:
                self.say(order.cl_ord_id, E.NEW, S.NEW, order_qty=order.qty, leaves_qty=order.qty)

    def say(self, name: str, kind: ExecType, status: OrdStatus, **more: Any) -> None:
        self.n += 1
        fields = {"exec_id": f"X{self.n}"} | more
        self.reports.append({"args": (name, kind, status), "more": fields})
        self.both("report", name, kind, status, **fields)

    def report(self, chain: Any) -> None:
        rng, qty = self.rng, chain.order_qty
        name, cum = chain.cl_ord_id, chain.cum_qty
        kind = rng.choice((E.TRADE, E.TRADE, E.TRADE, E.CANCELED, E.CANCELED, E.TRADE_CANCEL, E.TRADE_CORRECT,
                           E.EXPIRED, E.ORDER_STATUS))  # fmt: skip
        if rng.random() < 0.02:
            kind = rng.choice((E.REJECTED, E.REPLACED, E.RESTATED, E.DONE_FOR_DAY))
        if not chain.live and kind not in (E.TRADE, E.TRADE_CANCEL, E.TRADE_CORRECT):
            kind = E.ORDER_STATUS
        if kind in (E.TRADE_CANCEL, E.TRADE_CORRECT) and not chain.trades:
            kind = E.CANCELED if chain.live else E.ORDER_STATUS
        left = max(1, qty - cum)
        last = min(left, rng.choice((5, 10, left))) if rng.random() < 0.98 else 2 * left
        if cum == qty:
            kind = rng.choice((E.TRADE_CANCEL, E.TRADE_CORRECT, E.ORDER_STATUS, E.DONE_FOR_DAY))
        price = chain.price_e4
        if kind is E.TRADE:
            status = S.FILLED if cum + last >= qty else S.PARTIALLY_FILLED
            status = status if chain.live or rng.random() < 0.3 else chain.status  # late
            leaves = max(0, qty - cum - last) if chain.live else 0
            self.say(name, kind, status, last_qty=last, last_price_e4=price, cum_qty=cum + last,
                     order_qty=qty, leaves_qty=leaves)  # fmt: skip
        elif kind in (E.TRADE_CANCEL, E.TRADE_CORRECT):
            ref, (was, _) = rng.choice(list(chain.trades.items()))
            now = max(1, was - 2) if kind is E.TRADE_CORRECT else 0
            leaves = qty - cum + was - now if chain.live else 0
            self.say(name, kind, chain.status, exec_ref_id=ref, last_qty=now, last_price_e4=price,
                     cum_qty=cum - was + now, leaves_qty=leaves)  # fmt: skip
        elif kind in (E.CANCELED, E.EXPIRED):
            status = S.CANCELED if kind is E.CANCELED else S.EXPIRED
            asked = chain.cancel_id or name
            self.say(asked, kind, status, orig_cl_ord_id=name, cum_qty=cum, order_qty=qty)
        elif kind is E.ORDER_STATUS:
            self.say(
                name, kind, chain.status, exec_id="0", cum_qty=cum, order_qty=qty, leaves_qty=chain.leaves_qty
            )
        else:
            self.say(chain.replace_id or name, kind, chain.status, order_qty=qty, price_e4=price, cum_qty=cum,
                     leaves_qty=chain.leaves_qty)  # fmt: skip

    def again(self, _: Any) -> None:
        """Something that came before comes again: as it was, marked, or under another order."""
        if not self.reports:
            return
        old = self.rng.choice(self.reports)
        name, kind, status = old["args"]
        mark = self.rng.choice(({}, {"poss_dup": True}, {"poss_resend": True}))
        if self.rng.random() < 0.02:
            name = self.rng.choice(self.names)
        self.both("report", name, kind, status, **(old["more"] | mark))

    def nonsense(self, _: Any) -> None:
        name = self.rng.choice(self.names)
        rejected = ev.MessageRejected(ref_msg_type=self.rng.choice("DGFH"), ref_id=name, text="no")
        failed = ev.SendFailed(msg_type=self.rng.choice("DGFH"), ref_id=name, reason="no")
        refused = ev.OrderCancelReject(
            cl_ord_id=name,
            orig_cl_ord_id=name,
            ord_status=S.NEW,
            response_to=self.rng.choice(list(CxlRejResponseTo)),
            reason=self.rng.choice(list(CxlRejReason)),
        )
        self.both("step", self.rng.choice((rejected, failed, refused)))

    def change(self, chain: Any) -> None:
        name = self.rng.choice((chain.chain_id, self.rng.choice(self.names)))
        if self.rng.random() < 0.5:
            self.both("cancel", name)
        else:
            self.both("replace", name, self.rng.choice((15, 30)), chain.price_e4)
        self.names += [i for i in (chain.cancel_id, chain.replace_id) if i is not None]

    def parent(self, _: Any) -> None:
        """The parent ends and another one begins, on either side; reports of its orders may still come."""
        self.both("step", ev.CancelParent(request_id=5, parent_id=ParentID(self.pid)))
        self.n += 1
        pid, side = f"Q{self.n}", self.rng.choice((Side.BUY, Side.SELL))
        if self.both("parent", pid=pid, side=side, qty=3_000)["ok"]:
            self.pid, self.side = pid, side

    def copied(self, chain: Any) -> None:
        """The drop copy tells an execution."""
        if not chain.trades:
            return
        exec_id, (qty, price) = self.rng.choice(list(chain.trades.items()))
        self.both("step", DropCopied(
            exec_type=E.TRADE, exec_id=exec_id, order_id=chain.order_id, cl_ord_id=chain.cl_ord_id,
            symbol=chain.terms.symbol, side=chain.terms.side, last_qty=qty, last_price_e4=price,
        ))  # fmt: skip

    def time(self, _: Any) -> None:
        self.both("wait", self.rng.choice((0.1, 0.5, 2.5)))
        self.both("price")

    def line(self, _: Any) -> None:
        if self.rng.random() < 0.6:
            return
        self.both("step", ev.SessionDown(session="order", reason="gone"))
        if self.rng.random() < 0.3:
            for w in self.worlds:
                w.start_fields["epoch"] += 1
                w.step(ev.GateStarted(**w.start_fields))
            self.both("step", ev.SessionUp(session="reference"))
            self.both("price")
            self.both("hello", 100 + self.n)
        self.both("step", ev.SessionUp(session="order"))
        self.both("step", self.kept.mass_status_empty())
        self.both("step", DropCopyLine(up=True, reason=""))
        self.both("wait", 1.0)


def rearmed(core: GateCore) -> None:
    """What two people with two keys do."""
    lift(core.state.posture)
    core.state.breaks.clear()
    core.state.kill_done = False


def told(effects: list[Effect]) -> list[Any]:
    """Return effects, orders as what they say; of a question for all only that it was asked.

    What a trader was told last of an ended parent is not kept with it: it may be told so again.
    """
    return [
        e.approved.order if isinstance(e, SendOrder) else e
        for e in effects
        if type(e) is not AskMassStatus and not (isinstance(e, Tell) and of_ended(e.update))
    ]


def of_ended(update: Any) -> bool:
    return isinstance(update, ParentUpdate) and update.progress.status in TERMINAL


def facts(core: GateCore) -> list[Any]:
    """Return what must be the same."""
    g = core.state
    copy = g.drop_copy
    return [
        g.ledger.positions,
        [
            (b.position, b.realised_e4, b.fees_micros, b.buy_leaves, b.sell_leaves)
            for b in g.ledger.books.values()
        ],
        g.risk.execution_micros,
        g.breaks,
        g.counters,
        g.posture.causes,
        list(g.ledger.held.items()),
        {p.order.parent_id: (p.progress, list(p.chains), p.ended_ts_ns) for p in every_parent(g)},
        (len(copy.matched) + copy.archived, list(copy.ours), list(copy.theirs), copy.others),
    ]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_gate_that_retires_does_what_one_does_that_keeps_all(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ended_parents, "KEPT_MAX", seed % 2)
    pair = Pair(seed)
    for w in pair.worlds:
        w.open()
        w.parent(qty=3_000)
        w.step(DropCopyLine(up=True, reason=""))
    for _ in range(STEPS):
        pair.step()

    kept, retiring = pair.kept.core.state, pair.retiring.core.state
    assert {c.chain_id: c for c in every_chain(retiring)} == kept.chains
    assert all(look_up(retiring, name) == look_up(kept, name) for name in pair.names)
    again = GateCore()
    for n, (stamp, event) in enumerate(pair.retiring.log, start=1):
        again.step(stamp, event)
        for _ in range(pair.lifted.count(n)):
            rearmed(again)
    assert again.state_hash() == pair.retiring.core.state_hash()
    assert retiring.archived.records or not kept.chains
    assert len(retiring.parents) <= 2 + len(retiring.live_parents) + sum(
        bool(p.chains) for p in retiring.parents.values()
    )
