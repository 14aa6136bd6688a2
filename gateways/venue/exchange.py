"""The exchange: a matching engine, the flow that it plays, own orders among it, and market time.

One account of what happened, the outcomes, feeds everything: the public feed, the owners of orders,
the day's numbers. Time only goes forward: an order is matched after everything that was due before.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateways.venue.digest import LAST_E4, OWN, VOLUME, digest
from gateways.venue.publisher import Publisher
from market.flow.flow import ENDED, OWN_ID_MIN, Flow
from market.instruments import NS, Instrument
from market.matching import MatchingEngine
from market.matching_events import OUTCOME

SERIES_MAX: Final = 200_000  # market seconds: two days of 24 hours
NS_PER_SAMPLE: Final = NS


class Own(NamedTuple):
    """An outcome that concerns an order of a participant, as Python numbers."""

    ts_ns: int
    order_id: int
    resting_id: int
    price_e4: int
    size: int
    leaves: int
    resting_leaves: int
    match_id: int
    owner: int
    resting_owner: int
    kind: int
    side: int
    reason: int
    flags: int


assert Own._fields == OUTCOME.names, "Own is OUTCOME as a tuple"
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
    ) -> None:
        self.engine = engine
        self.flow = flow
        self.instrument = instrument
        self.window = window
        self.publisher = publisher
        self.now_ns = window[0]
        self.opened = False
        self.trading = True
        self.series: list[Sample] = []
        self._listener: Listener | None = None
        self._next_id = OWN_ID_MIN
        self._next_sample_ns = window[0]
        self._totals: NDArray[np.int64] = np.zeros(4, dtype=np.int64)
        self._own: NDArray[np.int64] = np.zeros(len(engine.outcomes), dtype=np.int64)

    def listen(self, listener: Listener) -> None:
        """Tell `listener` everything that concerns orders of participants, in order."""
        self._listener = listener

    def open(self) -> None:
        """Begin: the window's first instant."""
        assert not self.opened, "an exchange opens once"
        self.opened = True
        self.publisher.open(self.window[0])
        self.advance(self.window[0])

    def next_ts_ns(self) -> int:
        """Return when the flow goes on; ENDED when the window is over."""
        next_ns = self.flow.next_ts_ns()
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
        return self._took(
            self.engine.new(
                order_id, side, price_e4, size, owner=owner, tif=tif, flags=flags, ts_ns=self.now_ns
            )
        )

    def cancel(self, order_id: int, owner: int) -> list[Own]:
        """Take an order off."""
        return self._took(self.engine.cancel(order_id, owner=owner, ts_ns=self.now_ns))

    def replace(
        self, order_id: int, new_id: int, price_e4: int, size: int, owner: int, flags: int
    ) -> list[Own]:
        """Give an order another price and open size."""
        return self._took(
            self.engine.replace(
                order_id, price_e4, size, new_id=new_id, owner=owner, flags=flags, ts_ns=self.now_ns
            )
        )

    @property
    def last_e4(self) -> int:
        """Price of the last trade, 0 before the first."""
        return int(self._totals[LAST_E4])

    @property
    def volume(self) -> int:
        """Shares traded since the window began, hidden ones included."""
        return int(self._totals[VOLUME])

    def _play(self, until_ns: int) -> None:
        if self.flow.next_ts_ns() <= until_ns:
            for own in self._took(self.flow.advance(self.engine, until_ns)):
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
