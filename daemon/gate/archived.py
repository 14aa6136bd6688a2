"""What the state knows of its archive: how many records, their hash, and what archived orders have traded."""

import msgspec

from daemon.gate.archive import NOTHING
from market.child_order import ChildOrder
from market.orders import NewOrder
from market.types import ClOrdID, OrdStatus, OrdType, ParentID, Side, Symbol, TimeInForce


class Sum(msgspec.Struct):
    """What orders of one account, strategy, symbol and side have traded."""

    account: str
    strategy: str
    symbol: Symbol
    side: Side
    fills: int = 0
    qty: int = 0
    notional_e4: int = 0


class Archived(msgspec.Struct):
    """All of it (daemon.gate.retiring keeps it)."""

    records: int = 0
    orders: int = 0  # that are not in the state as well
    parents: int = 0  # likewise
    digest: bytes = NOTHING  # of all records
    sums: dict[str, Sum] = {}

    def count(self, chain: ChildOrder, strategy: str, sign: int) -> None:
        """Count a chain that goes to the archive (1) or comes back (-1)."""
        self.orders += sign
        terms = chain.terms
        key = " ".join((terms.account, strategy, terms.symbol, terms.side.name))
        found = self.sums.get(key)
        if found is None:
            found = self.sums[key] = Sum(terms.account, strategy, terms.symbol, terms.side)
        found.fills += sign * len(chain.trades)
        found.qty += sign * chain.cum_qty
        found.notional_e4 += sign * chain.notional_e4

    def traded(self) -> list[tuple[ChildOrder, str, int]]:
        """Return (chain, strategy, fills): each sum as one order, for a scope that is new in the limits."""
        return [(_as_order(s), s.strategy, s.fills) for s in self.sums.values() if s.qty]


def _as_order(s: Sum) -> ChildOrder:
    name = ClOrdID(f"archived {s.account} {s.strategy} {s.symbol} {s.side.name}")
    terms = NewOrder(
        cl_ord_id=name,
        parent_id=ParentID(""),
        account=s.account,
        symbol=s.symbol,
        mic="",
        side=s.side,
        qty=s.qty,
        ord_type=OrdType.MARKET,
        price_e4=None,
        time_in_force=TimeInForce.DAY,
    )
    return ChildOrder(
        chain_id=name,
        terms=terms,
        cl_ord_id=name,
        status=OrdStatus.CANCELED,
        order_qty=s.qty,
        price_e4=0,
        cum_qty=s.qty,
        stated_qty=s.qty,
        notional_e4=s.notional_e4,
    )
