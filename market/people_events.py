"""What people order of a gate beyond parents: signed commands, stops of a scope.

Frozen Structs like those of market.events, and journaled like them.
"""

from market.desk_events import DayStarted, RestrictedListed
from market.events import Event
from market.parents import ParentOrder

BASKET_MAX = 200  # parents of one basket: 330 bytes each fit into one request of the control socket


class SubmitBasket(Event, frozen=True, kw_only=True):
    """Admit all of these parents in one step, or none, with every reason of each."""

    request_id: int
    parents: tuple[ParentOrder, ...]
    dry_run: bool = False


class StopScope(Event, frozen=True, kw_only=True):
    """Kill or halt one scope, or halt the firm; whoever posts this knows who asked."""

    request_id: int = 0
    source: str
    reason: str = ""
    scope: str = ""  # A/ACCT1, T/twap, P/P1, S/GOOG; "" = the firm
    halt: bool = False  # no new orders, what works stays; False: killed


class DayCompared(Event, frozen=True, kw_only=True):
    """End of day: what the broker's position file says."""

    day: str
    positions: tuple[tuple[str, str, int], ...]  # account, symbol, quantity; what is not there is 0
    sha256: str = ""


class SignedCommand(Event, frozen=True, kw_only=True):
    """A command whose signature was found good; text and signature are kept for whoever audits."""

    request_id: int
    key: str
    person: str
    role: int
    text: str
    signature: str
    day: DayStarted | None = None  # read from the prepared files that the text names by their hash
    listed: RestrictedListed | None = None  # with them
    compared: DayCompared | None = None  # at the end of a day
