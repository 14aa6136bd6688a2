"""The exchange: a matching engine, the flow that it plays, own orders among it, and market time.

One account of what happened, the outcomes, feeds everything: the public feed, the owners of orders,
the day's numbers. Time only goes forward: an order is matched after everything that was due before.
"""

import heapq
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateways.venue.auctions import Auctions
from gateways.venue.digest import LAST_E4, OWN, VOLUME, digest
from gateways.venue.outcomes import Own
from gateways.venue.publisher import Publisher
from gateways.venue.states import QUOTING, MarketStates
from market.auction import AuctionOrder, Uncross
from market.flow.flow import ENDED, OWN_ID_MIN, Flow
from market.instruments import Instrument
from market.matching import MatchingEngine
from market.matching_events import Why
from market.types import NS, OrdType, Side

SERIES_MAX: Final = 200_000  # market seconds: two days of 24 hours
NS_PER_SAMPLE: Final = NS
AGENDA_MAX: Final = 10_000  # crosses and a notice every five seconds before each


Listener = Callable[[Own], None]


class Sample(NamedTuple):
    """The market at the end of a second."""

    ts_ns: int
    bid_e4: int
    ask_e4: int
    last_e4: int
    volume: int


class Exchange:
    """Plays a flow through an engine and lets participants in."""

    def __init__(
        self,
        engine: MatchingEngine,
        flow: Flow,
        instrument: Instrument,
        window: tuple[int, int],
        publisher: Publisher,
        seed: int = 0,
        close_e4: int = 0,
    ) -> None:
        """`seed`: of what others bring to crosses; `close_e4`: of the day before, 0 = not known."""
        self.engine = engine
        self.flow = flow
        self.instrument = instrument
        self.window = window
        self.publisher = publisher
        self.now_ns = window[0]
        self.opened = False
        self.trading = True
        self.begun = True  # False: before an open with a cross
        self.closed = False  # after a close with a cross
        self.states = MarketStates(self)
        self.auctions = Auctions(self, seed)
        self.series: list[Sample] = []
        self._listener: Listener | None = None
        self._next_id = OWN_ID_MIN
        self._next_sample_ns = window[0]
        self._totals: NDArray[np.int64] = np.zeros(4, dtype=np.int64)
        self._own: NDArray[np.int64] = np.zeros(len(engine.outcomes), dtype=np.int64)
        self._close_e4 = close_e4
        self._agenda: list[tuple[int, int, Callable[[], object]]] = []
        self._agenda_n = 0
        self._held_ns: int | None = None  # since when the flow stands still
        self._shift_ns = 0  # how much later the flow is for it

    def listen(self, listener: Listener) -> None:
        """Tell `listener` everything that concerns orders of participants, in order."""
        self._listener = listener

    def open(self) -> None:
        """Begin: the window's first instant."""
        assert not self.opened, "an exchange opens once"
        self.opened = True
        self.begun = not self.auctions.has_opening
        self.publisher.open(self.window[0], "T" if self.begun else "Q")
        if not self.begun:
            self.states.state = QUOTING
            self.hold(True)
        self.auctions.plan()
        self.advance(self.window[0])

    def close(self) -> None:
        """End continuous trading: the closing cross was the last, and orders of the day expire."""
        self.closed = True
        self.publisher.system(self.now_ns, "M")
        self.hold(True)
        for order in self.engine.book.orders():
            if order.owner > 0:
                gone = self.cancel(order.order_id, order.owner)
                self.tell([own._replace(reason=int(Why.SESSION_OVER)) for own in gone])
        self.auctions.over()

    def at(self, ts_ns: int, act: Callable[[], object]) -> None:
        """Call `act` at a market time, after everything that was due before."""
        assert len(self._agenda) < AGENDA_MAX, "an agenda of crosses and their notices"
        self._agenda_n += 1
        heapq.heappush(self._agenda, (ts_ns, self._agenda_n, act))

    def hold(self, stop: bool) -> None:
        """Stop matching and let the flow stand still, or let both go on where they were."""
        self.engine.halt(not stop)
        self.trading = not stop
        if stop and self._held_ns is None:
            self._held_ns = self.now_ns
            self.auctions.stopped()
        elif not stop and self._held_ns is not None:
            self._shift_ns += self.now_ns - self._held_ns
            self._held_ns = None
            if self.begun:
                self.auctions.resumed()

    def next_ts_ns(self) -> int:
        """Return when the flow or the agenda goes on; ENDED when the window is over."""
        next_ns = min(self._flow_ns, self._agenda[0][0] if self._agenda else ENDED)
        return next_ns if next_ns <= self.window[1] else ENDED

    def advance(self, until_ns: int) -> None:
        """Play everything that is due up to and including `until_ns`."""
        while self._next_sample_ns <= min(until_ns, self.window[1]):
            self._play(self._next_sample_ns)
            self._sample(self._next_sample_ns)
            self._next_sample_ns += NS_PER_SAMPLE
        self._play(min(until_ns, self.window[1]))
        self.now_ns = max(self.now_ns, until_ns)

    def new_id(self) -> int:
        """Return an id for an order of a participant."""
        self._next_id += 1
        return self._next_id

    def new(
        self, order_id: int, side: int, price_e4: int, size: int, owner: int, tif: int, flags: int
    ) -> list[Own]:
        """Enter an order now; return what concerns participants."""
        if self.auctions.takes(tif):
            return self.auctions.enter(AuctionOrder(order_id, side, price_e4, size, owner), tif, flags)
        return self._took(
            self.engine.new(
                order_id, side, price_e4, size, owner=owner, tif=tif, flags=flags, ts_ns=self.now_ns
            )
        )

    def cancel(self, order_id: int, owner: int) -> list[Own]:
        """Take an order off."""
        if order_id in self.auctions.waiting:
            return self.auctions.cancel(order_id)
        return self._took(self.engine.cancel(order_id, owner=owner, ts_ns=self.now_ns))

    def replace(
        self, order_id: int, new_id: int, price_e4: int, size: int, owner: int, flags: int
    ) -> list[Own]:
        """Give an order another price and open size."""
        if order_id in self.auctions.waiting:
            return self.auctions.replace(order_id, new_id, price_e4, size, flags)
        return self._took(
            self.engine.replace(
                order_id, price_e4, size, new_id=new_id, owner=owner, flags=flags, ts_ns=self.now_ns
            )
        )

    def entry_fault(self, side: Side, kind: OrdType, price_e4: int | None, tif: int) -> str:
        """Return why an order may not be entered as things stand, "" where it may."""
        return self.auctions.entry_fault(tif) or self.states.entry_fault(side, kind, price_e4)

    @property
    def last_e4(self) -> int:
        """Price of the last trade, 0 before the first."""
        return int(self._totals[LAST_E4])

    @property
    def volume(self) -> int:
        """Shares traded since the window began, hidden ones included."""
        return int(self._totals[VOLUME])

    @property
    def reference_e4(self) -> int:
        """What a cross is held against: the mid, else the last trade, else yesterday's close; 0 = nothing."""
        book = self.engine.book
        bid_e4, ask_e4 = book.best_bid_e4, book.best_ask_e4
        return (bid_e4 + ask_e4) // 2 if bid_e4 and ask_e4 else self.last_e4 or self._close_e4

    def crossed(self, owns: list[Own], found: Uncross) -> None:
        """Publish and count a cross: which displayed orders it took, and one print of all of it."""
        for own in owns:
            self.engine.outcomes[0] = own
            self.publisher.publish(self.engine.outcomes[:1])
        if found.crosses:
            self._totals[LAST_E4] = found.price_e4
            self._totals[VOLUME] += found.paired

    def tell(self, owns: list[Own]) -> None:
        """Tell the listener what became of orders of participants."""
        for own in owns:
            if self._listener is not None and (own.owner > 0 or own.resting_owner > 0):
                self._listener(own)

    @property
    def _flow_ns(self) -> int:
        """When the flow goes on, by the clock."""
        if self._held_ns is not None:
            return ENDED
        next_ns = self.flow.next_ts_ns()
        return next_ns if next_ns == ENDED else next_ns + self._shift_ns

    def _play(self, until_ns: int) -> None:
        while self._agenda and self._agenda[0][0] <= until_ns:
            ts_ns, _, act = heapq.heappop(self._agenda)
            self._flow_until(ts_ns)
            act()
        self._flow_until(until_ns)

    def _flow_until(self, until_ns: int) -> None:
        if self._flow_ns <= until_ns:
            outcomes = self.flow.advance(self.engine, until_ns - self._shift_ns)
            if self._shift_ns:
                outcomes["ts_ns"] += self._shift_ns
            for own in self._took(outcomes):
                self.now_ns = max(self.now_ns, own.ts_ns)
                if self._listener is not None:
                    self._listener(own)
        self.now_ns = max(self.now_ns, until_ns)

    def _took(self, outcomes: NDArray[Any]) -> list[Own]:
        if len(outcomes) == 0:
            return []
        self.publisher.publish(outcomes)
        digest(outcomes, self._totals, self._own)
        self.trading = self.engine.book.trading
        return [Own(*outcomes[i].item()) for i in self._own[: self._totals[OWN]]]

    def _sample(self, ts_ns: int) -> None:
        if len(self.series) < SERIES_MAX:
            book = self.engine.book
            self.series.append(Sample(ts_ns, book.best_bid_e4, book.best_ask_e4, self.last_e4, self.volume))
