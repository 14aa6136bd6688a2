"""Whatever the gate and the wire do, the trader never commits more than it may: the gate here asserts it."""

import random
from datetime import date, time
from typing import Any

import msgspec
import pytest

from daemon.trader.core import TraderCore
from daemon.trader.events import LinkDown, LinkUp, Settings
from market import events as ev
from market import updates as up
from market.flow.zero_intelligence import SYN, ZeroIntelligenceFlow
from market.parents import ParentOrder
from market.types import OrdStatus, ParentID, ParentStatus, Side
from policies.choose import choose
from research.training.offline import Run
from research.training.stand_in_gate import Gate

NS = 1_000_000_000
START = SYN.at(date(2024, 1, 2), time(11, 0))


class Chaos(Run):
    """Updates come late, intents are refused, orders rejected, parents amended and paused, links broken."""

    def __init__(self, seed: int, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.chance = random.Random(seed)
        self.late_until_ns = 0
        self.epoch = 1
        self.broken_links = 0
        take = self.gate.take

        def sometimes(intent: Any) -> Any:
            if intent.epoch != self.epoch:
                return None  # the gate has another trader by now
            if self.chance.random() < 0.05 or self.unaware(intent):
                self.gate.updates.append(up.IntentRefused(epoch=intent.epoch, n=intent.n, controls=("R20",)))
                return None
            return take(intent)

        self.gate.take = sometimes  # type: ignore[method-assign]

    def unaware(self, intent: Any) -> bool:
        """Whether the parent was amended or ended, and the word of it is still on its way."""
        if not isinstance(intent, ev.SubmitIntent):
            return False
        progress, view = self.gate.progress[intent.parent_id], self.core.parents[intent.parent_id]
        return progress.status is not ParentStatus.WORKING or progress.qty != view.qty

    def instant(self, now_ns: int) -> None:
        """Live through an instant in which something may go wrong."""
        dice = self.chance.random()
        working = [p for p, x in self.gate.progress.items() if x.status is ParentStatus.WORKING]
        if working and dice < 0.002:
            self.amend(self.chance.choice(working))
        elif working and dice < 0.003:
            self.reject()
        elif dice < 0.0035:
            self.relink()
        elif dice < 0.03 and now_ns > self.late_until_ns:
            self.late_until_ns = now_ns + self.chance.randrange(NS)
        super().instant(now_ns)

    def delivered(self) -> list[up.Update]:
        """Bring updates late, but in order."""
        return [] if self.now_ns < self.late_until_ns else super().delivered()

    def amend(self, parent_id: ParentID) -> None:
        """Another quantity, never below what is committed."""
        progress = self.gate.progress[parent_id]
        least = max(self.gate.committed(parent_id), progress.qty - 200)
        self.gate.change(parent_id, qty=self.chance.randrange(least, progress.qty + 300))

    def reject(self) -> None:
        """The exchange drops one of our orders."""
        idle = [c for c in self.gate.chains.values() if c.order.status is OrdStatus.NEW]
        if idle:
            self.gate.arrive(("cancel", self.chance.choice(idle), 0, 0))

    def relink(self) -> None:
        """The link breaks and comes back: everything that lives is told anew."""
        stamp = ev.Stamp(self.now_ns, self.now_ns)
        self.broken_links += 1
        self.epoch += 1
        self.gate.updates = []
        self.core.step(stamp, LinkDown())
        self.core.step(stamp, LinkUp(epoch=self.epoch))
        for parent_id, progress in self.gate.progress.items():
            if progress.status in (ParentStatus.PENDING, ParentStatus.WORKING):
                self.gate.tell(parent_id)
        for chain in self.gate.chains.values():
            self.gate.updates.append(up.OrderUpdate(order=chain.order))
        self.gate.updates.append(up.Synced())


def chaos(policy: str, seed: int) -> tuple[Gate, Chaos]:
    chance = random.Random(seed)
    end = START + 180 * NS
    side = chance.choice((Side.BUY, Side.SELL))
    parents = [
        ParentOrder(
            parent_id=ParentID(f"P{n}"),
            account="A",
            side=side,
            qty=chance.randrange(100, 2_000),
            symbol=SYN.symbol,
            mic=SYN.mic,
            start_ns=START + NS * (1 + 10 * n),
            end_ns=end - NS * (1 + 10 * n),
            limit_price_e4=1_000_000 + side.sign * 1_000 if n == 1 else None,
            max_participation_bp=1_000 if n == 2 else None,
            must_complete=n == 0,
        )
        for n in range(3)
    ]
    settings = Settings(interval_ns=NS, gap_ns=NS // 4, corridor=0.2, orders_max=20_000, levels_max=4_000)
    core = TraderCore(settings, {SYN.symbol: SYN}, choose(policy))
    latency_ns = chance.choice((0, 500_000, 20_000_000, 300_000_000))
    flow = ZeroIntelligenceFlow(seed, START, end)
    run = Chaos(seed, core, flow, SYN, (START, end), parents, latency_ns=latency_ns)
    run.play()
    return run.gate, run


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("policy", ["twap", "twap-passive", "twap-improve"])
def test_no_disorder_makes_it_trade_more_than_it_may(policy: str, seed: int) -> None:
    gate, run = chaos(policy, seed)

    assert run.core.why_unfit == ""
    for parent_id, progress in gate.progress.items():
        assert progress.cum_qty <= progress.qty
        limit_e4 = gate.parents[parent_id].limit_price_e4
        side = gate.parents[parent_id].side
        fills = [f for f in gate.fills if f.parent_id == parent_id]
        assert limit_e4 is None or all(side.sign * (f.price_e4 - limit_e4) <= 0 for f in fills)
        assert sum(f.qty for f in fills) == progress.cum_qty


@pytest.mark.slow
def test_disorder_did_happen_and_parents_were_worked_all_the_same() -> None:
    gates = [chaos("twap", seed) for seed in range(8)]

    assert sum(run.broken_links for _, run in gates) > 0
    assert sum(run.core.refusals for _, run in gates) > 0
    done = [g.progress[ParentID("P0")] for g, _ in gates]
    assert sum(p.cum_qty == p.qty for p in done) >= 6
    assert msgspec.to_builtins(done)
