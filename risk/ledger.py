"""The ledger: positions, open orders at their worst, profit and loss. From execution reports alone.

Two ledgers of profit (R30): *execution* is what our fills cost against the market now; *inventory* is
what the start-of-day position did by itself. Money is micros. Buys never offset sells (GR4).
"""

import msgspec

from market.child_order import ChildOrder
from market.types import ClOrdID, ParentID, Side, Symbol
from risk import checks
from risk.reference import Picture


class SymbolBook(msgspec.Struct):
    """What we hold and have open in one symbol, all accounts together."""

    symbol: Symbol
    sod_qty: int = 0
    sod_mark_e4: int = 0  # first mark seen; 0 = none yet
    exec_qty: int = 0  # bought minus sold since the start of the day
    paid_e4: int = 0  # sum of signed LastQty x LastPx
    open_cost_e4: int = 0  # of exec_qty, average cost: what splits realised from unrealised
    realised_e4: int = 0
    bought: int = 0
    sold: int = 0
    fills: int = 0
    fees_micros: int = 0
    buy_leaves: int = 0  # worst case
    sell_leaves: int = 0
    open_e4: int = 0  # worst-case leaves x worst price
    buys: dict[ClOrdID, ChildOrder] = {}  # live chains
    sells: dict[ClOrdID, ChildOrder] = {}

    @property
    def position(self) -> int:
        """Shares held now."""
        return self.sod_qty + self.exec_qty

    @property
    def open_orders(self) -> int:
        """Live chains of both sides."""
        return len(self.buys) + len(self.sells)

    def book(self, side: Side, qty: int, notional_e4: int, fee_e4: int) -> None:
        """Book an execution; negative `qty` takes one back."""
        sign = side.sign
        signed = sign * qty
        before = self.exec_qty
        if before and (before > 0) != (signed > 0) and signed:
            closed = min(abs(before), abs(signed))
            cost = self.open_cost_e4 * closed // abs(before)
            proceeds = sign * notional_e4 * closed // abs(signed)
            self.realised_e4 -= cost + proceeds
            self.open_cost_e4 += sign * notional_e4 - proceeds - cost
        else:
            self.open_cost_e4 += sign * notional_e4
        self.exec_qty += signed
        self.paid_e4 += sign * notional_e4
        self.fees_micros += qty * fee_e4 * checks.MICROS_PER_E4
        self.fills += 1
        if sign > 0:
            self.bought += qty
        else:
            self.sold += qty

    def execution_micros(self, picture: Picture) -> int:
        """Profit of our own fills, marked at the side that would close them, fees off."""
        if not self.fills:
            return 0
        return checks.pnl_micros(self.exec_qty, self.paid_e4, picture.mark_bid_e4, picture.mark_ask_e4) - (
            self.fees_micros
        )

    def inventory_micros(self, picture: Picture) -> int:
        """Profit of the start-of-day position since its first mark."""
        if not self.sod_qty or not self.sod_mark_e4:
            return 0
        return checks.pnl_micros(
            self.sod_qty, self.sod_qty * self.sod_mark_e4, picture.mark_bid_e4, picture.mark_ask_e4
        )

    def adverse_micros(self, picture: Picture) -> int:
        """Loss locked in if every open order fills at its limit."""
        bid_e4, ask_e4 = picture.mark_bid_e4, picture.mark_ask_e4
        total = 0
        for chain in self.buys.values():
            price = chain.price_worst_e4
            if price > bid_e4:
                total += checks.adverse_micros(True, chain.leaves_worst, price, bid_e4, ask_e4)
        for chain in self.sells.values():
            price = chain.price_worst_e4
            if 0 < price < ask_e4:
                total += checks.adverse_micros(False, chain.leaves_worst, price, bid_e4, ask_e4)
        return total


class Ledger(msgspec.Struct):
    """All symbols and accounts."""

    books: dict[Symbol, SymbolBook] = {}
    positions: dict[str, int] = {}  # "account symbol": start of day plus fills
    committed: dict[ParentID, int] = {}  # worst-case leaves of chains, per parent
    held: dict[ClOrdID, tuple[int, int]] = {}  # what a live chain contributes now: leaves, notional
    owed: dict[ClOrdID, tuple[int, int]] = {}  # the same of ended ones: fills that the EMS stated, not booked
    open_orders: int = 0
    open_e4: int = 0

    def book(self, symbol: Symbol) -> SymbolBook:
        """Return the book of a symbol, made on first use."""
        found = self.books.get(symbol)
        if found is None:
            found = self.books[symbol] = SymbolBook(symbol=symbol)
        return found

    def start_of_day(self, account: str, symbol: Symbol, qty: int) -> None:
        """Take a position that was there before."""
        self.book(symbol).sod_qty += qty
        self.positions[f"{account} {symbol}"] = self.positions.get(f"{account} {symbol}", 0) + qty

    def track(self, chain: ChildOrder) -> None:
        """Take note of how a chain stands: its worst-case leaves and whether it lives."""
        terms = chain.terms
        book = self.book(terms.symbol)
        leaves = chain.leaves_worst
        open_e4 = leaves * chain.price_worst_e4
        was = self.held.get(chain.chain_id)
        before, before_e4 = was if was is not None else self.owed.pop(chain.chain_id, (0, 0))
        is_buy = terms.side is Side.BUY
        live = book.buys if is_buy else book.sells
        if chain.live:
            self.held[chain.chain_id] = (leaves, open_e4)
            if was is None:
                live[chain.chain_id] = chain
                self.open_orders += 1
        elif was is not None:
            del self.held[chain.chain_id]
            del live[chain.chain_id]
            self.open_orders -= 1
        if leaves and not chain.live:
            self.owed[chain.chain_id] = (leaves, open_e4)
        if is_buy:
            book.buy_leaves += leaves - before
        else:
            book.sell_leaves += leaves - before
        book.open_e4 += open_e4 - before_e4
        self.open_e4 += open_e4 - before_e4
        parent = terms.parent_id
        self.committed[parent] = self.committed.get(parent, 0) + leaves - before

    def execute(self, chain: ChildOrder, qty: int, notional_e4: int, fee_e4: int) -> None:
        """Book shares and money; `track` follows."""
        terms = chain.terms
        self.book(terms.symbol).book(terms.side, qty, notional_e4, fee_e4)
        key = f"{terms.account} {terms.symbol}"
        self.positions[key] = self.positions.get(key, 0) + terms.side.sign * qty
