"""One order before the controls: everything that they may look at, and what they found."""

import msgspec

from market.child_order import ChildOrder
from market.events import Stamp
from market.instruments import Instrument
from market.orders import NewOrder
from market.parents import ParentOrder, Progress
from market.types import Side
from risk.calendar import DayPhase
from risk.ledger import Ledger, SymbolBook
from risk.limits import Limits
from risk.memory import Memory
from risk.posture import PostureTable
from risk.rates import Rates
from risk.reference import Picture
from risk.scopes import Scope
from risk.tightening import Tightening
from risk.verdict import Failure


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What the trader said of how it came to the order."""

    decided_mono_ns: int
    policy: str
    artefact: str
    number: int = 0  # the trader's own count of decisions; 0 = not said, which is refused
    orders: int = 0  # new orders that this decision has had


class Case(msgspec.Struct):
    """Deny by default: what is None is not known, and what is not known fails."""

    terms: NewOrder
    chain: ChildOrder | None  # None: a new order
    stamp: Stamp
    limits: Limits  # the tightest of all levels
    instrument: Instrument | None
    account: str
    parent: ParentOrder | None
    progress: Progress | None
    decision: Decision | None
    book: SymbolBook
    ledger: Ledger
    picture: Picture
    market_fault: str
    posture: PostureTable
    rates: Rates
    memory: Memory
    counted: tuple[tuple[Scope, SymbolBook], ...]  # the firm first, then whoever has limits of its own
    tightening: Tightening  # R75
    day: DayPhase
    venues_used: int
    overdue: int  # orders of the symbol whose answer is late
    failures: list[Failure]
    is_buy: bool
    price_e4: int  # 0 for a market order
    value_e4: int  # what things are worth: mid, else last, else previous close; 0 = not known
    locked_micros: tuple[int, ...] = ()  # R30, of each of `counted`: loss that its open orders would lock in
    exempt: bool = False  # R73: it passes a soft control by an exception, which it uses up
    adds: int = 0  # worst-case leaves that the order adds to its side

    @property
    def is_short(self) -> bool:
        """True where the order is marked as a short sale."""
        return self.terms.side in (Side.SELL_SHORT, Side.SELL_SHORT_EXEMPT)

    @property
    def crosses(self) -> bool:
        """True where the order would trade at once, as far as the gate's own view goes."""
        if self.terms.time_in_force.for_cross:
            return False
        picture, price = self.picture, self.price_e4
        if price == 0:
            return True
        return price >= picture.ask_e4 > 0 if self.is_buy else price <= picture.bid_e4

    def fail(self, control: str, value: int | str, limit: int | str, text: str) -> None:
        """Say no, with the reason."""
        self.failures.append(Failure(control, value, limit, text))
