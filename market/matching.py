"""MatchingEngine: price-time priority over an OrderBook, commands in, outcomes out, in order.

What it settles:
- A NEW is REJECTED whole (nothing changed) or ACCEPTED; then come its trades; then RESTED or CANCELED
  for what is left. A market order's remainder is cancelled (NO_LIQUIDITY), never left in the book.
- Self-trade prevention: an arriving order that would hit a resting order of its owner (> 0) has its
  remainder cancelled (SELF_TRADE); the resting order stays. FOK counts only what lies before that order.
- Capacities are refusals with a counter: an order that would rest and finds no room is REJECTED, and the
  remainder of one that has traded is CANCELED, with ORDERS_FULL or LEVELS_FULL.
- No outcome is ever dropped: the buffer holds more than the longest command can say (each resting order
  hit once and `OUTCOMES_MARGIN` more), and a batch that fills it goes on in the next piece.
- While trading is halted NEW and REPLACE are REJECTED (HALTED); a cancel always works.
"""

import msgspec
import numpy as np

from market import book
from market.book import OrderBook
from market.book_layout import (
    H_COMMANDS,
    H_LEVELS_FULL,
    H_ORDERS_FULL,
    H_ORDERS_MAX,
    H_REJECTED,
    H_TRADED,
    H_TRADING,
    LEVELS_MAX,
    Records,
)
from market.matching_events import COMMAND, OUTCOME, Command, CommandFlag, Tif
from market.matching_kernels import OUTCOMES_MARGIN, match

ORDERS_MAX = 1 << 16  # what rests on one synthetic or recorded book, many times over
OUTCOMES_MAX = ORDERS_MAX + (1 << 12)  # the longest command on a full book, and room for a batch


class EngineCounters(msgspec.Struct, frozen=True):
    """What has passed through an engine."""

    commands: int
    rejected: int
    traded: int  # shares
    orders_full: int
    levels_full: int


class MatchingEngine:
    """One symbol's matching: `submit` is the road, `new`, `cancel`, `replace` its one-order faces."""

    __slots__ = ("_command", "book", "outcomes")

    def __init__(
        self,
        orders_max: int = ORDERS_MAX,
        levels_max: int = LEVELS_MAX,
        outcomes_max: int = OUTCOMES_MAX,
    ) -> None:
        if outcomes_max < orders_max + OUTCOMES_MARGIN:
            raise ValueError(f"outcomes_max must be at least orders_max + {OUTCOMES_MARGIN}")
        self.book = OrderBook(orders_max, levels_max)
        self.outcomes: Records = np.zeros(outcomes_max, dtype=OUTCOME)
        self._command: Records = np.zeros(1, dtype=COMMAND)

    def submit(self, commands: Records) -> Records:
        """Match COMMANDs in order; return their OUTCOMEs, valid until the next call."""
        at, count = match(self.book.arena, commands, 0, self.outcomes)
        if at == len(commands):
            return self.outcomes[:count]
        pieces = [self.outcomes[:count].copy()]
        while at < len(commands):
            at, count = match(self.book.arena, commands, at, self.outcomes)
            pieces.append(self.outcomes[:count].copy())
        return np.concatenate(pieces)

    def new(
        self,
        order_id: int,
        side: int,
        price_e4: int,
        size: int,
        *,
        owner: int = 0,
        tif: int = Tif.DAY,
        flags: int = CommandFlag.NONE,
        ts_ns: int = 0,
    ) -> Records:
        """Enter one order; return its outcomes, valid until the next call."""
        self._command[0] = (ts_ns, order_id, 0, price_e4, size, owner, Command.NEW, side, tif, flags)
        return self.submit(self._command)

    def cancel(self, order_id: int, *, size: int = 0, owner: int = 0, ts_ns: int = 0) -> Records:
        """Take `size` shares off an order, all with 0; return the outcome, valid until the next call."""
        self._command[0] = (ts_ns, order_id, 0, 0, size, owner, Command.CANCEL, 0, 0, 0)
        return self.submit(self._command)

    def replace(
        self,
        order_id: int,
        price_e4: int,
        size: int,
        *,
        new_id: int = 0,
        owner: int = 0,
        flags: int = CommandFlag.NONE,
        ts_ns: int = 0,
    ) -> Records:
        """Give an order a price and open size, under `new_id` (0 = its own); return the outcomes."""
        new_id = new_id or order_id
        self._command[0] = (ts_ns, order_id, new_id, price_e4, size, owner, Command.REPLACE, 0, 0, flags)
        return self.submit(self._command)

    def halt(self, trading: bool) -> None:
        """Stop or resume continuous trading."""
        self.book.arena[H_TRADING] = int(trading)

    @property
    def orders_max(self) -> int:
        """How many orders may rest."""
        return int(self.book.arena[H_ORDERS_MAX])

    @property
    def counters(self) -> EngineCounters:
        """What has passed through."""
        words = (H_COMMANDS, H_REJECTED, H_TRADED, H_ORDERS_FULL, H_LEVELS_FULL)
        return EngineCounters(*(int(self.book.arena[word]) for word in words))


def warm() -> None:
    """Compile (or load) every kernel of book and engine."""
    book.warm()
    engine = MatchingEngine(4, 4, 16)
    engine.new(1, 1, 1, 1)
