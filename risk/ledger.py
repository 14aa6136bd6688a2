"""The ledger: positions, open orders at their worst, profit and loss. From execution reports alone.

Two ledgers of profit (R30): *execution* is what our fills cost against the market now; *inventory* is
what the start-of-day position did by itself. Money is micros. Buys never offset sells (GR4).
"""

from typing import Final

import msgspec

from market.child_order import ChildOrder
from market.types import ClOrdID, ParentID, Side, Symbol
from risk import checks
from risk.reference import Picture

ANY_PRICE_E4: Final = 2**62  # beyond every price


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
    buys_e4: dict[ClOrdID, int] = {}  # worst price of each; a market buy's is ANY_PRICE_E4, a sell's 0
    sells_e4: dict[ClOrdID, int] = {}
    buy_top_e4: int = 0  # highest worst price of a live buy; 0 = none, ANY_PRICE_E4 = a market order
    sell_low_e4: int = (
        ANY_PRICE_E4  # lowest worst price of a live sell; ANY_PRICE_E4 = none, 0 = market order
    )
    long_e4: int = 0  # worst case x price, as last valued (R11)
    short_e4: int = 0

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
        if before * signed < 0:
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

    def first_mark(self, picture: Picture) -> None:
        """Take what the start-of-day position is held against, once."""
        if self.sod_qty and not self.sod_mark_e4:
            self.sod_mark_e4 = picture.mark_bid_e4 if self.sod_qty > 0 else picture.mark_ask_e4

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

    def price(self, chain_id: ClOrdID, is_buy: bool, price_e4: int | None) -> None:
        """Keep the outermost price of one side; None: the order is gone."""
        prices = self.buys_e4 if is_buy else self.sells_e4
        before = prices.get(chain_id)
        if price_e4 == before:
            return
        if price_e4 is None:
            del prices[chain_id]
        else:
            prices[chain_id] = price_e4
        if is_buy:
            if before == self.buy_top_e4:
                self.buy_top_e4 = max(prices.values(), default=0)
            elif price_e4 is not None:
                self.buy_top_e4 = max(self.buy_top_e4, price_e4)
        elif before == self.sell_low_e4:
            self.sell_low_e4 = min(prices.values(), default=ANY_PRICE_E4)
        elif price_e4 is not None:
            self.sell_low_e4 = min(self.sell_low_e4, price_e4)

    def value(self, price_e4: int) -> tuple[int, int]:
        """Return worst-case long and short x price: both signed as positions are."""
        long = checks.worst_long(self.position, self.buy_leaves)
        return long * price_e4, checks.worst_short(self.position, self.sell_leaves) * price_e4

    def adverse_micros(self, picture: Picture) -> int:
        """Loss locked in if every open order fills at its limit."""
        bid_e4, ask_e4 = picture.mark_bid_e4, picture.mark_ask_e4
        total = 0
        if self.buy_top_e4 <= bid_e4 and self.sell_low_e4 >= ask_e4:
            return 0  # all of them rest: nothing is locked in
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
    """All symbols and accounts of the firm, or those that one scope counts."""

    books: dict[Symbol, SymbolBook] = {}
    positions: dict[str, int] = {}  # "account symbol": start of day plus fills
    starts: dict[str, int] = {}  # "account symbol": start of day alone
    committed: dict[ParentID, int] = {}  # worst-case leaves of chains, per parent
    held: dict[ClOrdID, tuple[int, int]] = {}  # what a live chain contributes now: leaves, notional
    owed: dict[ClOrdID, tuple[int, int]] = {}  # the same of ended ones: fills that the EMS stated, not booked
    unanswered: dict[ClOrdID, None] = {}  # live chains whose last request has no answer (R65)
    used: dict[Symbol, None] = {}  # symbols that were ordered or traded (R02)
    unvalued: dict[Symbol, None] = {}  # books that changed since they were last valued
    unpriced: dict[Symbol, None] = {}  # books that hold something and have no price (R11)
    open_orders: int = 0
    open_e4: int = 0
    open_buy_e4: int = 0  # of which buys
    open_qty: int = 0  # worst-case leaves of all orders
    paid_e4: int = 0  # spent less received
    gross_e4: int = 0  # R11, over the books, as last valued
    long_e4: int = 0
    short_e4: int = 0
    shorted_e4: int = 0  # worst-case short positions at their price (R13)

    def book(self, symbol: Symbol) -> SymbolBook:
        """Return the book of a symbol, made on first use."""
        found = self.books.get(symbol)
        if found is None:
            found = self.books[symbol] = SymbolBook(symbol=symbol)
        return found

    def start_of_day(self, account: str, symbol: Symbol, qty: int) -> None:
        """Take a position that was there before."""
        self.book(symbol).sod_qty += qty
        self.unvalued[symbol] = None
        key = f"{account} {symbol}"
        self.positions[key] = self.positions.get(key, 0) + qty
        self.starts[key] = self.starts.get(key, 0) + qty

    def new_day(self) -> None:
        """Begin anew: what was held is told by the start of day. Nothing may be open."""
        assert not self.open_orders, "a day begins with nothing open"
        for name in self.__struct_fields__:
            setattr(self, name, type(getattr(self, name))())

    def track(self, chain: ChildOrder) -> None:
        """Take note of how a chain stands: its worst-case leaves and whether it lives."""
        terms, chain_id = chain.terms, chain.chain_id
        symbol, is_buy, alive = terms.symbol, terms.side is Side.BUY, chain.live
        book = self.book(symbol)
        leaves, price_e4 = chain.leaves_worst, chain.price_worst_e4
        open_e4 = leaves * price_e4
        was = self.held.get(chain_id)
        before, before_e4 = was if was is not None else self.owed.pop(chain_id, (0, 0))
        live = book.buys if is_buy else book.sells
        if alive:
            self.held[chain_id] = (leaves, open_e4)
            if was is None:
                live[chain_id] = chain
                self.open_orders += 1
                self.used[symbol] = None
        elif was is not None:
            del self.held[chain_id]
            del live[chain_id]
            self.open_orders -= 1
        if alive and chain.asked_mono_ns:
            self.unanswered[chain_id] = None
        else:
            self.unanswered.pop(chain_id, None)
        if leaves and not alive:
            self.owed[chain_id] = (leaves, open_e4)
        if is_buy:
            book.buy_leaves += leaves - before
            self.open_buy_e4 += open_e4 - before_e4
        else:
            book.sell_leaves += leaves - before
        worst_e4 = price_e4 or (ANY_PRICE_E4 if is_buy else 0)
        book.price(chain_id, is_buy, worst_e4 if alive else None)
        book.open_e4 += open_e4 - before_e4
        self.open_e4 += open_e4 - before_e4
        self.open_qty += leaves - before
        self.unvalued[symbol] = None
        parent = terms.parent_id
        self.committed[parent] = self.committed.get(parent, 0) + leaves - before

    def execute(self, chain: ChildOrder, qty: int, notional_e4: int, fee_e4: int) -> None:
        """Book shares and money; `track` follows."""
        terms = chain.terms
        self.book(terms.symbol).book(terms.side, qty, notional_e4, fee_e4)
        self.paid_e4 += terms.side.sign * notional_e4
        self.used[terms.symbol] = None
        key = f"{terms.account} {terms.symbol}"
        self.positions[key] = self.positions.get(key, 0) + terms.side.sign * qty

    def revalue(self, symbol: Symbol, price_e4: int) -> None:
        """Value a symbol's worst case again (R11, R13)."""
        book = self.books[symbol]
        long_e4, short_e4 = book.value(price_e4)
        if price_e4 <= 0 and (book.position or book.buy_leaves or book.sell_leaves):
            self.unpriced[symbol] = None
        else:
            self.unpriced.pop(symbol, None)
        self.gross_e4 += max(abs(long_e4), abs(short_e4)) - max(abs(book.long_e4), abs(book.short_e4))
        self.long_e4 += long_e4 - book.long_e4
        self.short_e4 += short_e4 - book.short_e4
        self.shorted_e4 += max(0, -short_e4) - max(0, -book.short_e4)
        book.long_e4, book.short_e4 = long_e4, short_e4
