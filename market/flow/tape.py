"""TapeFlow: a recorded day and our real orders in one book.

With none of our orders it reproduces the tape: every trade, and the book after every event. With them:

- **A marketable order** is rebuilt from its executions (same time, same resting side, one after the
  other; hidden prints between them belong to it) and matched again whole, down to its worst recorded
  price. It carries the recorded resting ids and hits those while nothing of ours stands ahead of them
  (so executions off the head of their queue, `off_fifo`, come out as recorded); else, and for shares of
  a recorded order that are gone, it takes what stands first in price-time order, ours included. What
  finds nothing is void.
- **A residual** is the part of a tape order that stands on since one of ours took its fill
  (`displaced`). It stays while the tape's touch is at its price, then it is purged. Its owner's own
  cancel takes all that is left.
- **Void** are later recorded events on shares that we (or an aggressor we diverted) took.
- **A new tape order** that reaches ours trades with them while one of ours heads the queue; it does not
  trade with tape orders, since on the tape it did not.
- **A hidden print** through our price fills us first; at our price only where no displayed tape order
  stands ahead of us, since that one had the better claim and the tape says that it was not hit.
- **A halt** stops all matching of ours. Ours that would stand crossed at re-opening are cancelled
  (HALTED).
- **Window edges** (REVEAL, CONCEAL) are joins and leaves that are no flow: their outcomes say REVEALED
  and CONCEALED.

The replay does not react to us otherwise. An aggressor of the tape has no id: `order_id` 0.
"""

import msgspec
import numpy as np

from market.book import OrderBook
from market.book_events import MARKET_EVENT
from market.book_layout import H_LEVELS_MAX, H_ORDERS_MAX, Arena, Records
from market.flow.flow import ENDED, OWN_ID_MIN
from market.flow.tape_kernels import replay
from market.flow.tape_state import (
    A_ID,
    ACCOUNT_WORDS,
    ACCOUNTS_AT,
    T_ACCOUNTS_FULL,
    T_ANOMALIES,
    T_DISPLACED,
    T_EXECUTIONS,
    T_HIDDEN_FILLS,
    T_NEXT,
    T_OFF_FIFO,
    T_PURGED,
    T_REFUSED,
    T_REOPENING_CANCELS,
    T_RESIDUALS_FULL,
    T_TAKEN,
    T_TAKEN_LOST,
    T_VOIDED,
    new_state,
)
from market.matching import MatchingEngine

COUNTERS = {
    "displaced": T_DISPLACED,  # shares of recorded executions that filled ours
    "voided": T_VOIDED,  # shares of recorded events on what was gone
    "purged": T_PURGED,  # shares of residuals taken off
    "hidden_fills": T_HIDDEN_FILLS,  # shares of hidden prints that filled ours
    "taken": T_TAKEN,  # shares of tape orders that traded with ours, not as a recorded execution
    "off_fifo": T_OFF_FIFO,  # recorded executions off the head of their queue
    "executions": T_EXECUTIONS,  # recorded visible executions
    "anomalies": T_ANOMALIES,  # recorded events that are not true of the recorded book
    "refused": T_REFUSED,  # tape orders for which the book had no room
    "reopening_cancels": T_REOPENING_CANCELS,
    "residuals_full": T_RESIDUALS_FULL,  # purged at once for want of room in the list
    "unattributed": T_ACCOUNTS_FULL,  # changes that no account of ours had room for
    "taken_lost": T_TAKEN_LOST,  # taken shares overwritten before a step booked them
}


class Effect(msgspec.Struct, frozen=True):
    """What one order of ours did to the tape, in shares."""

    displaced: int
    voided: int
    purged: int
    hidden_fills: int
    taken: int


class TapeFlow:
    """Recorded events (MARKET_EVENT, in time order, self-consistent) as a flow."""

    __slots__ = ("_events", "_shadow", "_state")

    def __init__(self, events: Records) -> None:
        if events.dtype != MARKET_EVENT:
            raise ValueError("a tape is an array of MARKET_EVENT")
        if len(events) and np.any(np.diff(events["ts_ns"]) < 0):
            row = int(np.argmax(np.diff(events["ts_ns"]) < 0)) + 1
            raise ValueError(f"time goes back at event {row} of the tape")
        if len(events) and max(events["order_id"].max(), events["new_id"].max()) >= OWN_ID_MIN:
            raise ValueError(f"tape order ids must lie below {OWN_ID_MIN}")
        self._events: Records = events.copy()  # completed in place by the shadow
        self._state: Arena = new_state()
        self._shadow: OrderBook | None = None

    def next_ts_ns(self) -> int:
        """Return when the next recorded event is due, ENDED where there is none."""
        at = self._state[T_NEXT]
        return int(self._events["ts_ns"][at]) if at < len(self._events) else ENDED

    def advance(self, engine: MatchingEngine, until_ns: int) -> Records:
        """Match all that is due up to `until_ns`; return OUTCOMEs, valid until the engine is next used."""
        arena, out = engine.book.arena, engine.outcomes
        shadow = self.shadow_of(engine).arena
        count, more = replay(arena, shadow, self._state, self._events, until_ns, out)
        if not more:
            return out[:count]
        pieces = [out[:count].copy()]
        while more:
            count, more = replay(arena, shadow, self._state, self._events, until_ns, out)
            pieces.append(out[:count].copy())
        return np.concatenate(pieces)

    def shadow_of(self, engine: MatchingEngine) -> OrderBook:
        """Return the tape's own book as far as it is replayed, made as large as the engine's."""
        if self._shadow is None:
            arena = engine.book.arena
            self._shadow = OrderBook(int(arena[H_ORDERS_MAX]), int(arena[H_LEVELS_MAX]))
        return self._shadow

    @property
    def counters(self) -> dict[str, int]:
        """Totals by name, see COUNTERS."""
        return {name: int(self._state[word]) for name, word in COUNTERS.items()}

    @property
    def by_order(self) -> dict[int, Effect]:
        """What each order of ours did to the tape, by its id."""
        rows = self._state[ACCOUNTS_AT:].reshape(-1, ACCOUNT_WORDS)
        return {int(row[A_ID]): Effect(*(int(word) for word in row[1:])) for row in rows[rows[:, A_ID] != 0]}


def warm() -> None:
    """Compile (or load) the kernels of the replay."""
    TapeFlow(np.zeros(1, dtype=MARKET_EVENT)).advance(MatchingEngine(4, 4, 16), 0)
