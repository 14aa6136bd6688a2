"""One order before the controls: everything that they may look at, and what they found."""

import msgspec

from market.child_order import ChildOrder
from market.events import Stamp
from market.instruments import Instrument
from market.orders import NewOrder, ReplaceOrder
from market.parents import ParentOrder, Progress
from market.types import ParentStatus, Side
from risk.ledger import Ledger, SymbolBook
from risk.limits import Limits
from risk.posture import PostureTable
from risk.rates import Rates
from risk.reference import Picture
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

    order: NewOrder | ReplaceOrder
    terms: NewOrder
    chain: ChildOrder | None  # None: a new order
    stamp: Stamp
    limits: Limits
    instrument: Instrument | None
    symbols_used: int
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
    overdue: int  # orders of the symbol whose answer is late
    failures: list[Failure]

    @property
    def is_buy(self) -> bool:
        """Side of the order."""
        return self.terms.side is Side.BUY

    @property
    def price_e4(self) -> int:
        """Limit price, 0 for a market order."""
        return self.terms.price_e4 or 0

    @property
    def parent_works(self) -> bool:
        """True while the parent may send orders."""
        return self.progress is not None and self.progress.status is ParentStatus.WORKING

    def fail(self, control: str, value: int | str, limit: int | str, text: str) -> None:
        """Say no, with the reason."""
        self.failures.append(Failure(control, value, limit, text))
