"""What the broker says of positions when it is asked (35=AO, 35=AP). Journaled like market.events."""

from market.events import Event
from market.types import Symbol


class PositionsAcked(Event, frozen=True, kw_only=True):
    """35=AO: how many reports follow, or why there are none."""

    req_id: str
    reports: int = 0  # TotalNumPosReports(727)
    refused: str = ""


class PositionTold(Event, frozen=True, kw_only=True):
    """35=AP: what an account holds in one symbol, by kinds (PosType) of long less short shares."""

    req_id: str
    account: str
    symbol: Symbol
    kinds: tuple[tuple[str, int], ...]
    reports: int = 0  # of how many this is one; 0 = not said
