"""What limits are counted over: the firm, and whoever has limits of its own (GR7).

An account, strategy, symbol or session that the limits file names has a ledger and a tally of its own, fed
with its own orders. Nobody else has: one that is not named is held by the firm's limits.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from market.child_order import ChildOrder
from market.types import MS, Symbol
from risk.ledger import Ledger
from risk.limits import LEVELS, Limits, effective, tightened
from risk.tally import Allowance, Tally

FIRM: Final = "F"
LETTERS: Final = {"account": "A", "strategy": "T", "symbol": "S", "session": "C"}
ORDER_SESSION: Final = "order"  # the name of the only session that orders leave by
CACHED_MAX: Final = 4_096  # combinations of account, strategy and symbol; a desk has dozens


class Scope:
    """One of them, with what holds for it."""

    __slots__ = (
        "execution_micros",
        "inventory_micros",
        "ledger",
        "limits",
        "moved",
        "name",
        "peak_micros",
        "tally",
    )

    def __init__(self, name: str, limits: Limits, ledger: Ledger, tally: Tally) -> None:
        self.name = name  # F, A/ACCT1, T/twap, S/GOOG, C/order
        self.limits = limits
        self.ledger = ledger
        self.tally = tally
        self.execution_micros = 0  # kept by risk.controls.loss
        self.inventory_micros = 0
        self.moved = False  # a price came since the positions were marked
        self.peak_micros = 0  # highest execution profit of the day (R31)

    @property
    def place(self) -> str:
        """The scope as the posture table names it: "" is the firm."""
        return "" if self.name == FIRM else self.name

    def state(self) -> list[object]:
        """Return everything but the ledger, for the state hash."""
        return [self.name, self.tally.state(), self.peak_micros]


class Scopes:
    """The firm's scope, and the others by name."""

    def __init__(self, limits: Limits, firm: Scope) -> None:
        self.limits = limits
        self.firm = firm
        self.own: dict[str, Scope] = {}
        for level in LEVELS:
            for name in getattr(limits.level, level):
                key = f"{LETTERS[level]}/{name}"
                law = tightened(limits, limits.level.of(level, name))
                tally = Tally(law.fills.window_ms * MS)
                tally.messages = Allowance(firm.tally.messages.used)
                self.own[key] = Scope(key, law, Ledger(), tally)
        self._laws: dict[tuple[str, str, str], Limits] = {}
        self._found: dict[tuple[str, str, str], tuple[Scope, ...]] = {}

    def of(self, account: str, strategy: str, symbol: str) -> tuple[Scope, ...]:
        """Return every scope that counts an order, the firm's first."""
        if not self.own:
            return (self.firm,)
        key = (account, strategy, symbol)
        found = self._found.get(key)
        if found is None:
            names = (f"A/{account}", f"T/{strategy}", f"S/{symbol}", f"C/{ORDER_SESSION}")
            found = (self.firm, *(self.own[name] for name in names if name in self.own))
            if len(self._found) < CACHED_MAX:
                self._found[key] = found
        return found

    def law(self, account: str, strategy: str, symbol: str) -> Limits:
        """Return the limits of one order: the tightest of all levels."""
        if not self.own:
            return self.limits
        key = (account, strategy, symbol)
        found = self._laws.get(key)
        if found is None:
            found = effective(self.limits, account, strategy, symbol, ORDER_SESSION)
            if len(self._laws) < CACHED_MAX:
                self._laws[key] = found
        return found

    def start_of_day(self, account: str, symbol: Symbol, qty: int) -> None:
        """Give a position to the scopes that count it."""
        for name in holders(account, symbol):
            if name in self.own:
                self.own[name].ledger.start_of_day(account, symbol, qty)

    def rebuild(self, name: str, chains: Iterable[tuple[ChildOrder, str, int]], fee_e4: int) -> None:
        """Feed a new scope with the day: positions, and (chain, strategy, fills) of every order."""
        scope, firm = self.own[name], self.firm.ledger
        for held, qty in firm.starts.items():
            account, _, symbol = held.partition(" ")
            if name in holders(account, symbol):
                scope.ledger.start_of_day(account, Symbol(symbol), qty)
                scope.ledger.book(Symbol(symbol)).sod_mark_e4 = firm.book(Symbol(symbol)).sod_mark_e4
        for chain, strategy, fills in chains:
            if scope not in self.of(chain.terms.account, strategy, chain.terms.symbol):
                continue
            if chain.cum_qty:
                scope.ledger.execute(chain, chain.cum_qty, chain.notional_e4, fee_e4)
                scope.tally.fills += fills
                scope.tally.traded_qty += chain.cum_qty
                scope.tally.traded_e4 += chain.notional_e4
            scope.ledger.track(chain)

    def __iter__(self) -> Iterator[Scope]:
        """Yield every scope."""
        yield self.firm
        yield from self.own.values()

    def state(self) -> list[object]:
        """Return everything, for the state hash."""
        return [scope.state() for scope in (self.firm, *self.own.values())]


def holders(account: str, symbol: str) -> tuple[str, ...]:
    """Return the scopes that a position of the start of day is in; no strategy owns what was there before."""
    return f"A/{account}", f"S/{symbol}", f"C/{ORDER_SESSION}"
