"""ZeroIntelligenceFlow: seeded synthetic order flow around a wandering value, for a book that stays liquid.

Limit orders at drawn distances from the opposite touch, market orders, cancels; rates of a large-tick share.
Nobody in it watches us: it is a counterparty for building and testing, not a market to train in (its impact
law is wrong). Draws are addressed by (seed, stream, event), so runs with and without our orders stay coupled.

It begins with the book that 120 seconds of itself leave behind, so that the first minute is like any other.
"""

from datetime import time

import numpy as np

from market.book_layout import H_LEVELS_MAX, Records
from market.flow.flow import ENDED
from market.flow.zero_intelligence_kernels import flow
from market.flow.zero_intelligence_state import (
    Z_CANCELS,
    Z_HELD_BACK,
    Z_LIMITS,
    Z_MARKETS,
    Z_REFUSED,
    Z_SLOTS_FULL,
    Rates,
    new_state,
)
from market.instruments import Instrument
from market.matching import MatchingEngine
from market.matching_events import COMMAND, Command, Outcome, OutcomeFlag
from market.types import NS, Symbol

SYN = Instrument(
    symbol=Symbol("SYN"),
    mic="XSYN",
    open=time(9, 30),
    close=time(16, 0),
    adv=2_600_000,  # 390 minutes of some 6,600 shares
    daily_volatility_bps=60.0,
)
SYN_PRICE_E4 = 1_000_000
WARM_UP_NS = 120 * NS  # five lives of the long-lived orders
SEED_BOUND = 1 << 63
COUNTERS = {
    "limits": Z_LIMITS,
    "markets": Z_MARKETS,
    "cancels": Z_CANCELS,
    "held_back": Z_HELD_BACK,  # events that would have left a side too thin
    "slots_full": Z_SLOTS_FULL,
    "refused": Z_REFUSED,  # limit orders for which the book had no room
}


class ZeroIntelligenceFlow:
    """A flow that a seed determines, from `start_ns` to `end_ns`."""

    __slots__ = ("_begun", "_end_ns", "_next_ns", "_start_ns", "_state")

    def __init__(
        self,
        seed: int,
        start_ns: int,
        end_ns: int,
        instrument: Instrument = SYN,
        price_e4: int = SYN_PRICE_E4,
        rates: Rates | None = None,
    ) -> None:
        if not 0 <= seed < SEED_BOUND:
            raise ValueError(f"seed must lie in 0..{SEED_BOUND - 1}")
        if end_ns < start_ns:
            raise ValueError("a flow cannot end before it starts")
        tick_e4 = instrument.tick_e4(price_e4)
        begin_ns = start_ns - WARM_UP_NS
        self._state = new_state(seed, begin_ns, price_e4 // tick_e4 * tick_e4, tick_e4, rates or Rates())
        self._start_ns = start_ns
        self._end_ns = end_ns
        self._next_ns = start_ns
        self._begun = False

    def next_ts_ns(self) -> int:
        """Return when the next event is due, ENDED after the end."""
        return self._next_ns if self._next_ns <= self._end_ns else ENDED

    def advance(self, engine: MatchingEngine, until_ns: int) -> Records:
        """Match all that is due up to `until_ns`; return OUTCOMEs, valid until the engine is next used."""
        until_ns = min(until_ns, self._end_ns)
        if until_ns < self._start_ns:
            return engine.outcomes[:0]
        pieces = [] if self._begun else [self._begin(engine)]
        more = True
        while more:
            count, self._next_ns, more = flow(engine.book.arena, self._state, until_ns, engine.outcomes)
            pieces.append(engine.outcomes[:count].copy() if more or pieces else engine.outcomes[:count])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _begin(self, engine: MatchingEngine) -> Records:
        """Bring in the standing book: what the warm-up leaves, as outcomes flagged REVEALED."""
        before = MatchingEngine(engine.orders_max, int(engine.book.arena[H_LEVELS_MAX]), len(engine.outcomes))
        more = True
        while more:
            _, _, more = flow(before.book.arena, self._state, self._start_ns - 1, before.outcomes)
        standing = before.book.orders()
        commands: Records = np.zeros(len(standing), dtype=COMMAND)
        commands["ts_ns"] = self._start_ns
        commands["kind"] = Command.NEW
        for row, order in zip(commands, standing, strict=True):
            row["order_id"], row["side"] = order.order_id, order.side
            row["price_e4"], row["size"] = order.price_e4, order.leaves
        outcomes = engine.submit(commands)
        revealed: Records = outcomes[outcomes["kind"] != Outcome.ACCEPTED]
        revealed["flags"][revealed["kind"] == Outcome.RESTED] |= np.uint8(OutcomeFlag.REVEALED)
        self._begun = True
        return revealed

    @property
    def counters(self) -> dict[str, int]:
        """What the flow did, by name, the warm-up included."""
        return {name: int(self._state[word]) for name, word in COUNTERS.items()}


def warm() -> None:
    """Compile (or load) the kernels of the flow."""
    ZeroIntelligenceFlow(0, 0, 0).advance(MatchingEngine(1 << 10, 1 << 8, 1 << 11), 0)
