"""Lockstep: the venue owns time and lets it go on only when gate and trader have nothing more to say.

An instant: what is due happens, what is visible by then is sent, `LockAdvance` says so; the gate
answers `LockIdle`; its orders of this instant arrive `order_latency_ns` later (seeded, in the order in
which they were sent); the next instant is the earliest at which anybody sees or does anything.
Latencies are modelled, never suffered: the same seed and the same orders give the same fills.
"""

import random
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from gateways.venue.director import Director
from gateways.venue.exchange import Exchange
from gateways.venue.prices import Prices
from market.events import LockAdvance, LockIdle

GRID_NS: Final = 1_000_000  # the feed is delivered on a grid of 1 ms: a burst is one wake-up
IDLE_NS: Final = 1_000_000_000  # the longest step: progress and expiries are looked at each second
PACE_S: Final = 0.02  # wall time of an idle step after the window: a person may still want something
NEVER: Final = 2**63 - 1
QUESTION: Final = "\x0135=AN\x01"  # of a logon: draws nothing, so that orders are as late with it as without


class Lines(Protocol):
    """What lockstep needs of the sockets."""

    def send_report(self, body: str) -> None:
        """Send on the order session."""

    def publish(self) -> None:
        """Push what became visible of the feed."""

    def sent(self) -> tuple[int, int]:
        """Application messages sent since logon on the order and the reference session."""

    def advance(self, message: LockAdvance) -> None:
        """Tell the gate."""

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Call `act` after so much wall time."""


class Latency(msgspec.Struct, frozen=True):
    """Market time between a message and its effect, in ns."""

    order_ns: int
    feed_ns: int  # of the feed and of reports


class Lockstep:
    """One instant after the other; call `received`, `gate_idle` and `begin`, it calls `Lines`."""

    def __init__(
        self,
        exchange: Exchange,
        director: Director,
        reference: Prices,
        lines: Lines,
        latency: Latency,
        seed: int,
        ended: Callable[[], None],
    ) -> None:
        self.running = False
        self.tick = 0
        self._exchange = exchange
        self._director = director
        self._reference = reference
        self._lines = lines
        self._latency = latency
        self._ended = ended
        self._random = random.Random(seed)  # noqa: S311  (latencies, not secrets)
        self._sent_now: list[str] = []  # orders received at this instant, in order
        self._arrivals: deque[tuple[int, str]] = deque()
        self._reports: deque[tuple[int, str]] = deque()
        self._counts = [0, 0]  # application messages received since logon, by session
        self._idle: LockIdle | None = None
        self._over = False

    def begin(self) -> None:
        """Play the first instant."""
        assert not self.running, "lockstep begins once"
        self.running = True
        self._director.open()
        self._instant(self._exchange.window[0])

    def resume(self) -> None:
        """A gate came (again): go on one grid step later."""
        self._idle = None
        self._instant(self._exchange.now_ns + GRID_NS)

    def report(self, body: str) -> None:
        """Deliver a report after the modelled latency; before time runs, at once."""
        if self.running:
            self._reports.append((self._exchange.now_ns + self._latency.feed_ns, body))
        else:
            self._lines.send_report(body)

    def order(self, raw: str, n: int) -> None:
        """Take in what the order session received, the n-th message since logon."""
        self._counts[0] = n
        if self.running:
            self._sent_now.append(raw)
            self._go_on()
        else:
            self._director.request(raw)

    def reference(self, raw: str, n: int) -> None:
        """Take in what the reference session received; it is answered at once."""
        self._counts[1] = n
        self._reference.request(raw)
        self._go_on()

    def logged_on(self, session: int) -> None:
        """A session began anew: so do its counts."""
        self._counts[session] = 0

    def gate_idle(self, idle: LockIdle) -> None:
        """The gate has nothing more to say at this instant."""
        if idle.tick == self.tick:
            self._idle = idle
            self._go_on()

    def _go_on(self) -> None:
        idle = self._idle
        if idle is None:
            return
        if self._counts[0] < idle.order_messages or self._counts[1] < idle.reference_messages:
            return
        self._idle = None
        self._schedule()
        next_ns = self._next_ns(idle.next_ts_ns)
        if self._over and next_ns >= self._exchange.now_ns + IDLE_NS:
            self._lines.later(PACE_S, lambda: self._instant(next_ns))  # nothing happens: do not spin
        else:
            self._instant(next_ns)

    def _schedule(self) -> None:
        """Give each order of this instant its time of arrival; none overtakes another."""
        for raw in self._sent_now:
            base = self._latency.order_ns
            drawn_ns = self._random.randrange(base) if base and QUESTION not in raw else 0
            at_ns = self._exchange.now_ns + base // 2 + drawn_ns
            if self._arrivals:
                at_ns = max(at_ns, self._arrivals[-1][0])
            self._arrivals.append((at_ns, raw))
        self._sent_now.clear()

    def _next_ns(self, wish_ns: int) -> int:
        """Return the next instant at which anybody sees or does anything."""
        exchange, delay_ns = self._exchange, self._latency.feed_ns
        flow_ns = exchange.next_ts_ns()
        due = [exchange.now_ns + IDLE_NS, self._reference.next_due_ns(exchange.now_ns)]
        if flow_ns < NEVER:
            due.append(on_grid(flow_ns + delay_ns))
        if exchange.publisher.next_due_ns < NEVER:
            due.append(on_grid(exchange.publisher.next_due_ns))
        if self._director.next_due_ns < NEVER:
            due.append(self._director.next_due_ns + delay_ns)
        if self._arrivals:
            due.append(self._arrivals[0][0] + delay_ns)
        if self._reports:
            due.append(self._reports[0][0])
        if wish_ns:
            due.append(wish_ns)
        return max(min(due), exchange.now_ns + 1)

    def _instant(self, now_ns: int) -> None:
        """Let everything happen that is due, and tell everybody what is visible by now."""
        exchange = self._exchange
        while self._arrivals and self._arrivals[0][0] <= now_ns:
            at_ns, raw = self._arrivals.popleft()
            self._director.advance(at_ns)
            self._director.request(raw)
        self._director.advance(now_ns)
        exchange.publisher.release(now_ns)
        while self._reports and self._reports[0][0] <= now_ns:
            self._lines.send_report(self._reports.popleft()[1])
        self._reference.tell(now_ns)
        self._lines.publish()
        if now_ns >= exchange.window[1] and not self._over:
            self._over = True
            self._ended()
        self.tick += 1
        order_messages, reference_messages = self._lines.sent()
        self._lines.advance(
            LockAdvance(
                tick=self.tick,
                ts_ns=now_ns,
                order_messages=order_messages,
                reference_messages=reference_messages,
                feed_seq=exchange.publisher.last_seq,
            )
        )


def on_grid(ts_ns: int) -> int:
    """Return the first point of the grid that is not before `ts_ns`."""
    return -(-ts_ns // GRID_NS) * GRID_NS
