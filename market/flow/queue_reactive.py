"""QueueReactiveFlow: order flow that answers to the book, in which impact is nobody's formula.

Layers, each with a switch in its Calibration: (1) limit orders, market orders and cancels at rates that
depend on the spread, the place, the queue there and the regime; (2) events excite events; (3) metaorders of
others, sent in children; (4) an exogenous efficient price F with market orders toward it; (5) liquidity
that steps in the further mid has gone from F; (6) time of day and regimes. The seventh, latency, belongs to
whoever plays the market: the venue, and the environment's scenario. An order of ours moves the price by what
it takes from queues that the others look at, and by nothing else.

Randomness is addressed, never drawn in turn (`queue_reactive_clocks`): runs of one seed with and without
orders of ours share everything exogenous, and meet again soon after they part.
"""

import msgspec
import numpy as np

from market.book_layout import H_LEVELS_MAX, Records
from market.flow.calibration import Calibration
from market.flow.flow import ENDED
from market.flow.queue_reactive_defaults import large_tick
from market.flow.queue_reactive_kernels import FULL, react
from market.flow.queue_reactive_layout import (
    S_BOUNDED,
    S_CANCELS,
    S_CANDIDATES,
    S_CHILDREN,
    S_FOREIGN,
    S_HELD_BACK,
    S_HIDDEN,
    S_LIMITS,
    S_MARKETS,
    S_METAS_FULL,
    S_OFF_GRID,
    S_POOL_FULL,
    S_REFUSED,
    S_TAKEN_LOST,
)
from market.flow.queue_reactive_state import Episode, forget_counts, new_state
from market.flow.queue_reactive_tables import tables
from market.matching import MatchingEngine
from market.matching_events import COMMAND, Command, Outcome, OutcomeFlag
from market.types import NS

WARM_UP_NS = 180 * NS  # several lives of what stands near the touch
COUNTERS = {
    "limits": S_LIMITS,
    "markets": S_MARKETS,
    "cancels": S_CANCELS,
    "children": S_CHILDREN,
    "hidden": S_HIDDEN,
    "candidates": S_CANDIDATES,
    "foreign": S_FOREIGN,  # orders of ours that took liquidity
}
DROPPED = {  # all of them 0 in a market that is what its calibration says
    "held_back": S_HELD_BACK,  # events that would have left a side too thin
    "pool_full": S_POOL_FULL,
    "refused": S_REFUSED,  # limit orders for which the book had no room
    "bounded": S_BOUNDED,  # rates cut to what the clocks reach
    "metas_full": S_METAS_FULL,
    "taken_lost": S_TAKEN_LOST,
    "off_grid": S_OFF_GRID,  # limit orders that had no price
}


class QueueReactiveFlow:
    """A flow that a seed and a calibration determine, from `start_ns` to `end_ns`."""

    __slots__ = ("_begun", "_end_ns", "_next_ns", "_reals", "_start_ns", "_state", "_tables")

    def __init__(
        self,
        seed: int,
        start_ns: int,
        end_ns: int,
        calibration: Calibration,
        episode: Episode | None = None,
    ) -> None:
        if end_ns < start_ns:
            raise ValueError("a flow cannot end before it starts")
        episode = episode or Episode()
        begins = msgspec.structs.replace(episode, open_s=episode.open_s - WARM_UP_NS / NS)
        self._tables = tables(calibration)
        self._state, self._reals = new_state(seed, start_ns - WARM_UP_NS, self._tables, begins)
        self._start_ns = start_ns
        self._end_ns = end_ns
        self._next_ns = start_ns
        self._begun = False

    def next_ts_ns(self) -> int:
        """Return when the next event may be due, ENDED after the end."""
        return self._next_ns if self._next_ns <= self._end_ns else ENDED

    def advance(self, engine: MatchingEngine, until_ns: int) -> Records:
        """Match all that is due up to `until_ns`; return OUTCOMEs, valid until the engine is next used."""
        until_ns = min(until_ns, self._end_ns)
        if until_ns < self._start_ns:
            return engine.outcomes[:0]
        pieces = [] if self._begun else [self._begin(engine)]
        why = FULL
        while why == FULL:
            count, self._next_ns, why = self._react(engine, until_ns)
            more = why == FULL or bool(pieces)
            pieces.append(engine.outcomes[:count].copy() if more else engine.outcomes[:count])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _react(self, engine: MatchingEngine, until_ns: int) -> tuple[int, int, int]:
        return react(engine.book.arena, self._state, self._reals, self._tables, until_ns, engine.outcomes, 0)

    def _begin(self, engine: MatchingEngine) -> Records:
        """Bring in the standing book: what the warm-up leaves, as outcomes flagged REVEALED."""
        before = MatchingEngine(engine.orders_max, int(engine.book.arena[H_LEVELS_MAX]), len(engine.outcomes))
        why = FULL
        while why == FULL:
            _, _, why = self._react(before, self._start_ns - 1)
        forget_counts(self._state)
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
        """What the flow did since the start, by name."""
        return {name: int(self._state[word]) for name, word in (COUNTERS | DROPPED).items()}

    @property
    def dropped(self) -> dict[str, int]:
        """What was held back, bounded or lost, by name; see DROPPED."""
        return {name: int(self._state[word]) for name, word in DROPPED.items()}


def warm() -> None:
    """Compile (or load) the kernels of the flow."""
    QueueReactiveFlow(0, 0, 0, large_tick()).advance(MatchingEngine(1 << 12, 1 << 10, 1 << 13), 0)
