"""A market to practise in: TraderCore against an exchange of its own, in virtual time, in one process.

The exchange, the feed's bytes, the decoder and the core are the ones that trade; only the gate is a
stand-in. Only research and tests use it.
"""

import heapq
from datetime import time
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from daemon.trader.core import TraderCore
from daemon.trader.events import FeedUp, Intent, LinkUp
from daemon.trader.feed import Intake
from gateways.venue.exchange import Exchange
from gateways.venue.publisher import Publisher
from market import events as ev
from market import updates as up
from market.flow.flow import Flow
from market.instruments import Instrument
from market.matching import MatchingEngine
from market.parents import ParentOrder
from research.training.stand_in_gate import Gate

MIDNIGHT: Final = time()
GRID_NS: Final = 1_000_000  # events of one millisecond are delivered together


class Sink:
    """Takes the packets that an exchange publishes; what a PacketStore is to the real one."""

    def __init__(self) -> None:
        self.next_seq = 1
        self._packets: list[bytes] = []

    def append(self, packets: bytes, lengths: NDArray[np.int64]) -> None:
        """Take whole packets."""
        self._packets.append(packets)
        self.next_seq += len(lengths)

    def take(self) -> bytes:
        """Return what came since the last call."""
        packets, self._packets = b"".join(self._packets), []
        return packets


class Run:
    """One run from the window's start to its end."""

    def __init__(
        self,
        core: TraderCore,
        flow: Flow,
        instrument: Instrument,
        window: tuple[int, int],
        parents: list[ParentOrder],
        latency_ns: int = 2_000_000,
    ) -> None:
        midnight_ns = instrument.at(instrument.day_of(window[0]), MIDNIGHT)
        self.core = core
        self.window = window
        self.sink = Sink()
        engine = MatchingEngine(orders_max=20_000, levels_max=4_000, outcomes_max=60_000)
        self.exchange = Exchange(
            engine,
            flow,
            instrument,
            window,
            Publisher(self.sink, instrument, midnight_ns),  # type: ignore[arg-type]
        )
        self.gate = Gate(self.exchange, parents)
        self._intake = Intake(core, midnight_ns)
        self._latency_ns = latency_ns
        self._road: list[tuple[int, int, tuple[Any, ...]]] = []
        self._sent = 0
        self.now_ns = window[0]

    def play(self) -> None:
        """Play the whole window."""
        self.begin()
        while self.now_ns < self.window[1]:
            self.instant(self.next_ns())

    def begin(self) -> None:
        """Open the exchange and the link."""
        stamp = ev.Stamp(self.now_ns, self.now_ns)
        self.exchange.open()
        self.core.step(stamp, LinkUp(epoch=1))
        self.core.step(stamp, FeedUp(next_seq=1))
        for parent_id in self.gate.parents:
            self.gate.tell(parent_id)
        self.gate.updates.append(up.Synced())
        self.instant(self.now_ns)

    def next_ns(self) -> int:
        """Return the next instant at which anything happens."""
        wishes = [self.window[1], -(-self.exchange.next_ts_ns() // GRID_NS) * GRID_NS]
        wishes += [self._road[0][0]] if self._road else []
        wishes += [due] if (due := self.core.next_due_ns()) else []
        wishes += [t for p in self.gate.parents.values() for t in (p.start_ns, p.end_ns) if t > self.now_ns]
        return max(self.now_ns + 1, min(wishes))

    def instant(self, now_ns: int) -> None:
        """Let everything of an instant happen, in the order in which lockstep has it."""
        self.now_ns = now_ns
        self.exchange.advance(now_ns)
        while self._road and self._road[0][0] <= now_ns:
            self.gate.arrive(heapq.heappop(self._road)[2])
        self.gate.clock(now_ns)
        self.deliver(ev.Stamp(now_ns, now_ns))

    def deliver(self, stamp: ev.Stamp) -> None:
        """Step the core: feed, then updates, then the timer."""
        self.feed(stamp, self.sink.take())
        for update in self.delivered():
            self.carry(self.core.step(stamp, update).intents)
        self.carry(self.core.step(stamp, ev.Timer()).intents)

    def delivered(self) -> list[up.Update]:
        """Return what the gate's link brings at this instant."""
        updates, self.gate.updates = self.gate.updates, []
        return updates

    def feed(self, stamp: ev.Stamp, packets: bytes) -> None:
        """Give the core the bytes of the feed, as the shell does."""
        for step, _, _ in self._intake.take(stamp, packets, self._intake.decoder.next_seq):
            self.carry(step.intents)
        assert not self._intake.fault, self._intake.fault

    def carry(self, intents: tuple[Intent, ...]) -> None:
        """Take intents to the gate and its orders to the road."""
        for intent in intents:
            message = self.gate.take(intent)
            if message is not None:
                self._sent += 1
                heapq.heappush(self._road, (self.now_ns + self._latency_ns, self._sent, message))
