"""A whole trader shell against an exchange of its own, in lockstep, without a socket or a clock."""

from datetime import date, time
from pathlib import Path
from typing import Any

from daemon.clock import Clock
from daemon.journal import Journal
from daemon.metrics.block import Metrics
from daemon.trader.core import TraderCore
from daemon.trader.events import FeedUp, LinkUp, Settings
from daemon.trader.journal import FORMAT, Begin, encode
from daemon.trader.metrics import TraderMetrics
from daemon.trader.shell import Shell
from market import events as ev
from market import updates as up
from market.flow.zero_intelligence import SYN, ZeroIntelligenceFlow
from market.parents import ParentOrder
from market.types import ParentID, Side
from policies.actions import ACTION_TABLE_SHA256
from policies.choose import choose
from policies.state import STATE_SPEC_SHA256
from research.training.offline import Run

NS = 1_000_000_000
START = SYN.at(date(2024, 1, 2), time(10, 0))
SETTINGS = Settings(interval_ns=NS, gap_ns=NS // 4, corridor=0.2, orders_max=20_000, levels_max=4_000)


class ShellRun(Run):
    """`Run`, with the shell in place of the bare core."""

    def __init__(self, policy: str, folder: Path | None, seconds: int = 40, seed: int = 1) -> None:
        chosen = choose(policy)
        core = TraderCore(SETTINGS, {SYN.symbol: SYN}, chosen)
        end = START + seconds * NS
        parent = ParentOrder(
            parent_id=ParentID("P1"),
            account="A",
            side=Side.BUY,
            qty=500,
            symbol=SYN.symbol,
            mic=SYN.mic,
            start_ns=START + NS,
            end_ns=end - NS,
        )
        super().__init__(core, ZeroIntelligenceFlow(seed, START, end), SYN, (START, end), [parent])
        self.journal = Journal.open(folder, "trader-1.journal") if folder is not None else None
        if self.journal is not None:
            self.journal.append(encode(begin_of(policy, chosen.sha256)))
        metrics = TraderMetrics(Metrics(None, "trader"), chosen, "paper")
        self.shell = Shell(core, Clock(), metrics, self.journal)
        self.shell.lockstep = True
        self.sent: list[Any] = []
        self.tocks: list[ev.LockTock] = []
        self.shell.send = self.take
        self._tick = 0

    def begin(self) -> None:
        """Open the exchange and the link."""
        self.exchange.open()
        self.shell.begin_market(self.now_ns)
        self.shell.event(LinkUp(epoch=1))
        self.shell.event(FeedUp(next_seq=1))
        for parent_id in self.gate.parents:
            self.gate.tell(parent_id)
        self.gate.updates.append(up.Synced())
        self.instant(self.now_ns)

    def take(self, message: ev.Event) -> bool:
        """Take what the shell sends to the gate."""
        if isinstance(message, ev.LockTock):
            self.tocks.append(message)
        elif not isinstance(message, ev.TraderStatus):
            self.sent.append(message)
            self.carry((message,))  # type: ignore[arg-type]
        return True

    def deliver(self, stamp: ev.Stamp) -> None:
        """Hold reads and updates, then say which instant it is."""
        assert self.shell.intake is not None
        packets = self.sink.take()
        if packets:
            self.shell.read(memoryview(packets), self.seen_seq, stamp.mono_ns)
        self.seen_seq = self.sink.next_seq
        for update in self.delivered():
            self.shell.event(update)
        self._tick += 1
        self.shell.tick(up.LockTick(tick=self._tick, ts_ns=stamp.ts_ns, feed_seq=self.seen_seq - 1))

    seen_seq = 1


def begin_of(policy: str, sha256: str) -> Begin:
    """Return the first frame of a journal."""
    return Begin(
        format=FORMAT,
        settings=SETTINGS,
        instruments={SYN.symbol: SYN},
        policy=policy,
        policy_options={},
        volume_curve=None,
        policy_sha256=sha256,
        state_spec_sha256=STATE_SPEC_SHA256,
        action_table_sha256=ACTION_TABLE_SHA256,
    )
