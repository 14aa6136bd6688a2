"""Flow: the orders of everybody else, recorded or synthetic, that ours meet in one book."""

from typing import Protocol

from market.book_layout import Records
from market.matching import MatchingEngine

ENDED = 2**63 - 1  # next_ts_ns of a flow that has nothing more
OWN_ID_MIN = 1 << 40  # ids of a flow lie below it, those of participants from it on


class Flow(Protocol):
    """Time goes on by `advance`; between two calls whoever owns the engine submits its own commands."""

    def next_ts_ns(self) -> int:
        """Return when the next event is due, ENDED where there is none."""
        ...

    def advance(self, engine: MatchingEngine, until_ns: int) -> Records:
        """Match all that is due up to `until_ns`; return OUTCOMEs, valid until the engine is next used."""
        ...
